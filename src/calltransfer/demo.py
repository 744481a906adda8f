"""What `calltransfer demo` shows: the real SDK and the real adapter, on the sandbox."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from rich.console import Console
from rich.text import Text
from videosdk.agents import Agent

from calltransfer.agent import Route, TransferMixin
from calltransfer.events import Phase, TransferEvent
from calltransfer.masking import masked_address
from calltransfer.sandbox import Caller, Calls, Sandbox
from calltransfer.strategies.direct import DirectTransfer

BILLING = "+14155550123"

PAUSE = 0.8
"""Seconds of silence after which a sentence is taken to be over, and is shown."""

_STYLES = {"caller": "cyan", "agent": "green", "model": "magenta", "platform": "yellow", "transfer": "bold blue"}


class ConnectTelAgent(TransferMixin, Agent):
    """The agent of the demo."""

    def __init__(self, show: Callable[[TransferEvent], None]) -> None:
        self._show = show
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[Route("billing", DirectTransfer(to=BILLING), when="the caller asks about an invoice")],
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Shows how it ends."""
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
    """Shows the two calls."""
    logging.disable()  # of the SDK, and of ours: everything is on the screen
    try:
        await _show(console)
    finally:
        logging.disable(logging.NOTSET)


async def _show(console: Console) -> None:
    narrator = Narrator(console)
    asks = "I have a question about my invoice"
    connecting = "I am connecting you to billing now."
    tool = Calls("transfer_call", {"destination": "billing", "reason": "a question about an invoice"})
    async with Sandbox(latency=0.05) as sandbox:
        narrator.title("1. A call that is forwarded to billing")
        sandbox.person(BILLING, answers_after=2.0)
        await _call(sandbox, narrator, asks, [tool, connecting])

        narrator.title("2. A call that the carrier refuses to forward")
        sandbox.person(BILLING, refuses_after=1.0)
        sorry = "I am sorry, billing cannot be reached. Shall I take a note?"
        await _call(sandbox, narrator, asks, [tool, connecting, sorry])
    console.print()


async def _call(sandbox: Sandbox, narrator: Narrator, asks: str, model: list[str | Calls]) -> None:
    caller = await sandbox.call(lambda: ConnectTelAgent(narrator.event), model=model)
    narrator.line("caller", "calls", at=caller.statuses[0][1])
    async with narrator.follow(caller):
        began = asyncio.get_running_loop().time()
        await caller.say(asks)
        narrator.line("caller", f'"{asks}"', at=began)
        who = await caller.talking_to(settled_for=1.7)
    talks_to = "the agent" if who == "agent" else f"billing ({masked_address(who)})"
    narrator.line("caller", f"is now talking to {talks_to}")
