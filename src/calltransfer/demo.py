"""What `calltransfer demo` shows: the real SDK and the real adapter, on the sandbox."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from rich.console import Console
from rich.text import Text
from videosdk.agents import Agent

from calltransfer.agent import TransferMixin
from calltransfer.events import Phase, TransferEvent
from calltransfer.lanes import PAUSE, Lanes
from calltransfer.masking import masked_address
from calltransfer.route import Route
from calltransfer.sandbox import Caller, Calls, Sandbox, Script
from calltransfer.strategies.direct import DirectTransfer
from calltransfer.strategies.warm import WarmTransfer
from calltransfer.videosdk.platform import VideoSDKPlatform

BILLING = "+14155550123"
SUPERVISOR = "+14155550199"

SETTLED = 1.7
"""Seconds without anything happening after which a call has settled: more than the agent takes to answer."""

_STYLES = {"caller": "cyan", "agent": "green", "model": "magenta", "platform": "yellow", "transfer": "bold blue"}


class ConnectTelAgent(TransferMixin, Agent):
    """The agent of the demo."""

    def __init__(self, show: Callable[[TransferEvent], None]) -> None:
        self._show = show
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[
                Route("billing", DirectTransfer(to=BILLING), when="the caller asks about an invoice"),
                Route("supervisor", WarmTransfer(to=SUPERVISOR), when="the caller is upset or asks for a human"),
            ],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_demo"),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Shows what happens."""
        self._show(event)


class Narrator:
    """Prints what happens on a call, as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        self._caller: Caller | None = None
        self._shown = [0, 0, 0]

    def title(self, text: str) -> None:
        """Begins a call."""
        self._began = self._now()
        self._console.print(f"\n[bold]{text}[/bold]")

    def line(self, who: str, text: str, *, at: float | None = None) -> None:
        """Says what somebody did."""
        seconds = (self._now() if at is None else at) - self._began
        self._console.print(Text.assemble(f"{seconds:5.1f} s  ", (f"{who:<9}", _STYLES[who]), text))

    def event(self, event: TransferEvent) -> None:
        """Says what became of the transfer."""
        if event.phase is Phase.FORWARDING:
            self._show(whole=True)
            self.line("transfer", "the sentence was heard; the platform is asked to forward")
        elif event.phase is Phase.FINISHED:
            self.line("transfer", f"{str(event.outcome).upper()}: {event.detail}")

    @contextlib.asynccontextmanager
    async def follow(self, caller: Caller) -> AsyncIterator[None]:
        """Prints what the caller hears, and what the platform and the model do."""
        self._caller, self._shown = caller, [0, len(caller.statuses), 0]
        following = asyncio.create_task(self._follow(caller))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self, caller: Caller) -> None:
        while True:
            quiet = not await caller.something_happens_within(PAUSE)
            self._show(whole=quiet)

    def _show(self, *, whole: bool) -> None:
        """Prints what is new; the last sentence only when it is `whole`."""
        if self._caller is None:
            return
        answers, statuses = self._caller.script.answers, self._caller.statuses
        sentences = self._caller.heard if whole else self._caller.heard[:-1]
        heard_before, statuses_before, answers_before = self._shown
        for answer in answers[answers_before:]:
            self.line("model", f'transfer_call("billing") is answered at once: {answer["status"]}')
        for heard in sentences[heard_before:]:
            self.line("agent", f'"{heard.text}"', at=heard.began)
        for number, (status, at) in enumerate(statuses[statuses_before:], start=statuses_before):
            back = status == "answered" and number > 0 and statuses[number - 1][0] == "transfer-failed"
            self.line("platform", f"{status} (the caller is still with the agent)" if back else status, at=at)
        self._shown = [max(heard_before, len(sentences)), len(statuses), len(answers)]


async def show(console: Console) -> None:
    """Shows two direct transfers, and three warm ones."""
    logging.disable()  # of the SDK, and of ours: everything is on the screen
    try:
        async with Sandbox(latency=0.05) as sandbox:
            await _show_direct(console, sandbox)
            console.print("\nFrom here on, a lane for each: what they say, hear and do.", soft_wrap=True)
            await _show_accepted(console, sandbox)
            await _show_declined(console, sandbox)
            await _show_caller_leaves(console, sandbox)
    finally:
        logging.disable(logging.NOTSET)
    console.print()


# Direct


async def _show_direct(console: Console, sandbox: Sandbox) -> None:
    narrator = Narrator(console)
    asks = "I have a question about my invoice"
    connecting = "I am connecting you to billing now."
    tool = Calls("transfer_call", {"destination": "billing", "reason": "a question about an invoice"})
    narrator.title("1. A direct transfer: the call is forwarded to billing")
    sandbox.person(BILLING, answers_after=1.5)
    await _direct(sandbox, narrator, asks, [tool, connecting])

    narrator.title("2. A direct transfer that the carrier refuses")
    sandbox.person(BILLING, refuses_after=1.0)
    sorry = "I am sorry, billing cannot be reached."
    await _direct(sandbox, narrator, asks, [tool, connecting, sorry])


async def _direct(sandbox: Sandbox, narrator: Narrator, asks: str, model: list[str | Calls]) -> None:
    caller = await sandbox.call(lambda: ConnectTelAgent(narrator.event), model=model)
    narrator.line("caller", "calls", at=caller.statuses[0][1])
    async with narrator.follow(caller):
        began = asyncio.get_running_loop().time()
        await caller.say(asks)
        narrator.line("caller", f'"{asks}"', at=began)
        who = await caller.talking_to(settled_for=SETTLED)
    talks_to = "the agent" if who == "agent" else f"billing ({masked_address(who)})"
    narrator.line("caller", f"is now talking to {talks_to}")


# Warm


async def _show_accepted(console: Console, sandbox: Sandbox) -> None:
    title = "3. A warm transfer: the supervisor is told what it is about, and accepts"
    async with _warm(console, sandbox, title) as (lanes, caller):
        supervisor = await sandbox.phone(SUPERVISOR)
        await supervisor.hears("?")
        await lanes.says(supervisor, "Yes, put them through")
        await caller.sees("switch-room-completed")
        await asyncio.sleep(0.3)
        await lanes.says(supervisor, "Hello, this is Dana")
        await lanes.says(caller, "Hi Dana")
        talks_to = await caller.talking_to(settled_for=SETTLED)
        lanes.note("caller", f"talks to the {'supervisor' if talks_to == SUPERVISOR else talks_to}")
        lanes.note("agent", "stays, deaf and silent, until one of the two leaves")
        with_caller = supervisor.connected_to == caller.number
        lanes.note("supervisor", f"talks to the {'caller' if with_caller else supervisor.connected_to}")
        await asyncio.sleep(0.5)
        lanes.note("caller", "hangs up")
        await caller.hang_up()
        await supervisor.sees("ended")


async def _show_declined(console: Console, sandbox: Sandbox) -> None:
    title = "4. A warm transfer that is declined"
    sorry = "They cannot come to the phone. Shall they call you back?"
    async with _warm(console, sandbox, title, sorry) as (lanes, caller):
        supervisor = await sandbox.phone(SUPERVISOR)
        await supervisor.hears("?")
        await lanes.says(supervisor, "Not now")
        talks_to = await caller.talking_to(settled_for=SETTLED)
        lanes.note("caller", f"talks to the {talks_to}")


async def _show_caller_leaves(console: Console, sandbox: Sandbox) -> None:
    title = "5. A caller who hangs up while the supervisor's phone rings"
    async with _warm(console, sandbox, title, answers_after=None) as (lanes, caller):
        supervisor = await sandbox.phone(SUPERVISOR)
        await caller.hears("connecting you now.")
        await asyncio.sleep(1.0)
        lanes.note("caller", "hangs up")
        await caller.hang_up()
        await supervisor.sees("ended")
        await asyncio.wait_for(caller.over.wait(), timeout=15.0)


@contextlib.asynccontextmanager
async def _warm(
    console: Console, sandbox: Sandbox, title: str, *then: str, answers_after: float | None = 2.0
) -> AsyncIterator[tuple[Lanes, Caller]]:
    """A call on which the agent begins to pass the caller to the supervisor, drawn in lanes."""
    console.print(f"\n[bold]{title}[/bold]")
    sandbox.person(SUPERVISOR, answers_after=answers_after)
    asks, reason = "I was charged twice, I want a human", "was charged twice"
    tool = Calls("transfer_call", {"destination": "supervisor", "reason": reason})
    model = Script([tool, "I am connecting you now.", *then], summary="The caller was charged twice for May.")
    lanes = Lanes(console, sandbox)
    caller = await sandbox.call(lambda: ConnectTelAgent(lanes.event), model=model)
    async with lanes.follow(caller):
        await lanes.says(caller, asks)
        yield lanes, caller
    console.print(f"[dim]{lanes.summing_up()}[/dim]", soft_wrap=True)
