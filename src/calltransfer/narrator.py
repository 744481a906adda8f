"""A direct transfer told while it happens, line by line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from rich.console import Console
from rich.text import Text

from calltransfer.events import Phase, TransferEvent
from calltransfer.lanes import PAUSE
from calltransfer.sandbox import Caller

_STYLES = {"caller": "cyan", "agent": "green", "model": "magenta", "platform": "yellow", "transfer": "bold blue"}


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
