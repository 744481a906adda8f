"""A strategy of one's own: callers wait for a free line, in order, and hear their place in the queue whenever it changes.

    python examples/waiting_queue.py --sandbox

The strategy inside does the calling; this one decides when. It puts the caller on hold, speaks to them, and hands the same
`call` on. Whatever ends the wait (the caller hangs up, presses the key, the session closes) ends it in the middle: what is
undone then is undone by the `with` blocks.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from videosdk.agents import Agent, Pipeline

from calltransfer import (
    Call,
    HoldMusic,
    Outcome,
    Route,
    TransferMixin,
    TransferRequest,
    TransferResult,
    TransferStrategy,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Calls, FastForwardLoop, Sandbox, Says, Script

SUPERVISOR = "+14155550199"


@attrs.frozen(eq=False)
class Queue:
    """Callers wait for a line in the order in which they came.

    A line is free again once a transfer has ended: whether somebody is still talking on it, their phone says (busy).

    Attributes:
        strategy: What is done once it is their turn.
        lines: How many callers may be with it at a time.
        longest_wait: Seconds for a caller to wait; then the agent is back.
    """

    strategy: TransferStrategy
    lines: int = attrs.field(default=1, kw_only=True)
    longest_wait: float = attrs.field(default=120.0, kw_only=True)
    _places: list[asyncio.Event] = attrs.field(factory=list, init=False)

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Waits, and then does as the strategy inside."""
        await call.sentence_heard()
        with self._place() as moved_up:
            async with call.on_hold(HoldMusic(reassurance=())):
                try:
                    async with asyncio.timeout(self.longest_wait):
                        await self._wait(call, moved_up)
                except TimeoutError:
                    return TransferResult(outcome=Outcome.NO_ANSWER, detail="the queue was too long")
                return await self.strategy.transfer(call, request)

    @contextmanager
    def _place(self) -> Iterator[asyncio.Event]:
        """A place at the end, as an event that is set when it moves up."""
        moved_up = asyncio.Event()
        self._places.append(moved_up)
        try:
            yield moved_up
        finally:
            behind = self._places[self._places.index(moved_up) + 1 :]
            self._places.remove(moved_up)
            for other in behind:
                other.set()

    async def _wait(self, call: Call, moved_up: asyncio.Event) -> None:
        while (number := self._places.index(moved_up) - self.lines + 1) > 0:
            moved_up.clear()
            await call.say(f"You are number {number} in the queue. Please stay on the line.")
            await moved_up.wait()


def make_pipeline() -> Pipeline:
    """Ears, brain and voice for a consultation, as for the caller; the sandbox has its own."""
    from videosdk.agents.inference import LLM, STT, TTS

    return Pipeline(stt=STT.deepgram(interim_results=True), llm=LLM.google(), tts=TTS.cartesia())


class SupportAgent(TransferMixin, Agent):
    """Has everybody who asks for a human wait for the one supervisor there is."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(
            instructions="You are a support agent of ConnectTel. You are on the phone: answer in one sentence.",
            transfers=[Route("supervisor", queue, when="the caller asks for a human")],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_sandbox", pipeline=make_pipeline),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""


def model() -> Script:
    """A model that passes the caller on when they ask for it."""
    tool = Calls("transfer_call", {"destination": "supervisor", "reason": "asks for a human"})
    return Script([tool, "I am putting you in the queue."], summary="They ask for a human.")


async def rehearse() -> None:
    """Three callers, one after another, and one supervisor, who declines the first and takes the second."""
    queue = Queue(WarmTransfer(to=SUPERVISOR))
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=2.0, says=[Says("no thanks", when="?")])
        callers = []
        for number in (1, 2, 3):
            caller = await sandbox.call(lambda: SupportAgent(queue), model=model(), number=f"+1415555011{number}")
            callers.append(caller)
            await caller.say("I want a human")
        await callers[1].hears("You are number 1")
        sandbox.person(SUPERVISOR, answers_after=2.0, says=[Says("yes please", when="?")])
        for number, caller in enumerate(callers, start=1):
            talks_to = await caller.talking_to()
            heard = [text for text in caller.texts_heard if "in the queue." in text]
            print(f"caller {number} heard {heard}")
            print(f"caller {number} is talking to {'the supervisor' if talks_to == SUPERVISOR else talks_to}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--sandbox"]:
        sys.exit(f"usage: {sys.argv[0]} --sandbox")
    with asyncio.Runner(loop_factory=FastForwardLoop) as runner:  # time passes at once
        runner.run(rehearse())
