"""A picture of a warm transfer while it happens: who says and hears what, in a lane for each."""

import asyncio
import contextlib
import math
import textwrap
from collections.abc import AsyncIterator, Mapping

import attrs
from rich.console import Console
from rich.text import Text

from calltransfer.events import Phase, TransferEvent
from calltransfer.outcome import Outcome
from calltransfer.sandbox import Caller, Phone, Sandbox

PAUSE = 0.8
"""Seconds of silence after which a sentence is taken to be over, and is shown."""

WIDTH = 100
"""Characters of a row."""

_MARGIN = 10
_BORDER = 2
_NARROWEST = 14
_COLOURS = ("cyan", "green", "magenta", "yellow")
_ROOMS = ("second", "third")

_AGENT_DOES: Mapping[Phase, str] = {
    Phase.STARTED: "calls the tool",
    Phase.ON_HOLD: "is deaf to the caller",
    Phase.DICTATING: "takes a message",
}
_PROOF = "both are in one room, with audio"
_PHONE_DOES: Mapping[str, str] = {
    "ringing": "{rings} rings",
    "answered": "picks up",
    "ended": "(the call is over)",
}


@attrs.frozen
class _Entry:
    at: float
    lane: str
    text: str


class Lanes:
    """Prints rows in the order of time: one as soon as every sentence that began before it is over.

    Args:
        console: Where to.
        sandbox: The phones.
        targets: Who is dialled from now on, one or two of them: the number, and the name of the lane.
    """

    def __init__(self, console: Console, sandbox: Sandbox, targets: Mapping[str, str]) -> None:
        self._targets = targets
        self._styles = dict(zip(("caller", "agent", *targets.values()), _COLOURS, strict=False))
        width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        self._lane_width = max(_NARROWEST, (width - _MARGIN) // len(self._styles) - _BORDER)
        self._symbols = {"music": "♪", "rings": "☎", "border": "│ "}
        if not console.encoding.startswith("utf"):
            self._symbols = {"music": "~", "rings": "*", "border": "| "}
        self._console = console
        self._sandbox = sandbox
        self._targets_before = len(sandbox.targets)
        self._now = asyncio.get_running_loop().time
        self._began = 0.0
        self._entries: list[_Entry] = []
        self._shown: dict[str, tuple[int, int]] = {}
        self._talking: list[float] = []
        self._hold_began = self._hold_ended = math.inf
        self._rooms = iter(_ROOMS)
        self._summarised = False
        self._attempts: list[str] = []

    def event(self, event: TransferEvent) -> None:
        """Notes what the transfer reports."""
        now, phase = self._now(), event.phase
        if phase in _AGENT_DOES:
            self.note("agent", _AGENT_DOES[phase])
        if phase is Phase.SUMMARY_READY and not self._summarised:
            self._summarised = True  # the same one for everybody
            self.note("agent", "has a summary")
        elif phase is Phase.DIALLED:
            self.note("agent", f"dials from a {next(self._rooms)} room")
        elif phase is Phase.ON_HOLD:
            self._hold_began = now
            self.note("caller", f"{self._symbols['music']} hold music")
        elif phase is Phase.DECIDED:
            self.note("agent", f"understands: {event.detail}")
        elif phase is Phase.CONNECTING:
            where = "into the supervisor's room" if len(self._targets) == 1 else "to who said yes first"
            to_caller = event.detail == "target"
            self.note("agent", "moves who said yes to the caller" if to_caller else f"moves the caller {where}")
        elif phase is Phase.DICTATING:
            self._hold_ended = now
        elif phase is Phase.ATTEMPTED:
            self._attempted(event)
        elif phase is Phase.OFF_HOLD:
            self._hold_ended = min(now, self._hold_ended)
            if self._caller.connected_to == "agent":
                self.note("caller", "is with the agent again")
        elif phase is Phase.FINISHED:
            self._hold_ended = min(now, self._hold_ended)
            proof = "nobody else is on a line" if self._attempts else _PROOF
            self.note("agent", f"{str(event.outcome).upper()}: {event.detail or proof}")

    def note(self, lane: str, text: str) -> None:
        """Adds what somebody does now."""
        self._entries.append(_Entry(self._now(), lane, text))

    async def says(self, phone: Phone, text: str) -> None:
        """Has somebody on the phone say something."""
        began = self._now()
        self._talking.append(began)
        self._entries.append(_Entry(began, self._lane_of(phone), f'says "{text}"'))
        await phone.say(text)
        self._talking.remove(began)

    @contextlib.asynccontextmanager
    async def follow(self, caller: Caller) -> AsyncIterator[None]:
        """Draws what happens on a call, from its beginning to the end of the block."""
        self._caller = caller
        self._began = caller.statuses[0][1]
        self._entries.append(_Entry(self._began, "caller", "calls"))
        self._line("", dict.fromkeys(self._styles, "bold "), {lane: lane for lane in self._styles})
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self._collect(pause=0.0)
            self._draw(self._now())

    def summing_up(self) -> list[str]:
        """What the caller's time on hold was like, as they heard it, and what a plan has tried."""
        seconds = self._hold_ended - self._hold_began
        silence = self._caller.longest_silence(self._hold_began, self._hold_ended)
        lines = [f"On hold for {seconds:.1f} s, the caller had at most {silence:.1f} s without sound."]
        if self._attempts:
            lines.append(f"The plan tried {', '.join(self._attempts[:-1])} and {self._attempts[-1]}.")
        return lines

    def _attempted(self, event: TransferEvent) -> None:
        """Notes how one of the things ended that a plan tries."""
        to = event.destination
        names = (name for number, name in self._targets.items() if to is not None and to.address == number)
        self._attempts.append(f"{next(names, 'a message')} ({str(event.outcome).upper()})")
        if event.outcome is Outcome.CONNECTED:
            # The result of the plan comes when everybody else has been released.
            self._hold_ended = self._now()
            self.note("agent", _PROOF)

    @property
    def _phones(self) -> list[tuple[str, Phone]]:
        targets = self._sandbox.targets[self._targets_before :]
        return [("caller", self._caller), *((self._targets[target.number], target) for target in targets)]

    def _lane_of(self, phone: Phone) -> str:
        return "caller" if phone is self._caller else self._targets[phone.number]

    async def _follow(self) -> None:
        while True:
            await self._caller.something_happens_within(PAUSE)
            self._draw(self._collect())

    def _collect(self, pause: float = PAUSE) -> float:
        """Notes what is new on the phones; returns up to when everything that has begun is over."""
        now = self._now()
        unfinished = [*self._talking, now]
        for lane, phone in self._phones:
            heard, statuses = self._shown.get(phone.number, (0, 0))
            for sentence in phone.heard[heard:]:
                if sentence.ended > now - pause:
                    unfinished.append(sentence.began)
                    break
                heard += 1
                self._entries.append(_Entry(sentence.began, lane, self._heard(sentence.speaker, sentence.text)))
            for status, at in phone.statuses[statuses:]:
                if lane != "caller" and status in _PHONE_DOES:
                    self._entries.append(_Entry(at, lane, _PHONE_DOES[status].format(**self._symbols)))
            self._shown[phone.number] = heard, len(phone.statuses)
        return min(unfinished)

    def _heard(self, speaker: str, text: str) -> str:
        cut_off = " ..." if speaker == "agent" and text[-1] not in ".!?" else ""
        who = {**self._targets, "agent": "agent", self._caller.number: "caller"}[speaker]
        return f'{who}: "{text}{cut_off}"'

    def _draw(self, until: float) -> None:
        """Prints what happened before `until`; what happened at the same time in different lanes is one row."""
        ready = sorted((entry for entry in self._entries if entry.at <= until), key=lambda entry: entry.at)
        self._entries = [entry for entry in self._entries if entry.at > until]
        row: dict[str, _Entry] = {}
        for entry in ready:
            if row and (entry.lane in row or self._clock(entry.at) != self._clock(next(iter(row.values())).at)):
                self._print(row)
                row = {}
            row[entry.lane] = entry
        if row:
            self._print(row)

    def _clock(self, at: float) -> str:
        return f"{at - self._began:5.1f} s   "

    def _print(self, row: Mapping[str, _Entry]) -> None:
        at = next(iter(row.values())).at
        cells = [
            textwrap.wrap(row[lane].text if lane in row else self._meanwhile(lane, at), self._lane_width - 1) or [""]
            for lane in self._styles
        ]
        for number in range(max(map(len, cells))):
            texts, styles = {}, {}
            for lane, cell in zip(self._styles, cells, strict=True):
                going_on = lane not in row or number >= len(cell)
                texts[lane] = self._meanwhile(lane, at) if number >= len(cell) else cell[number]
                styles[lane] = "dim " if going_on else ""
            self._line(self._clock(at) if number == 0 else "", styles, texts)

    def _line(self, clock: str, styles: Mapping[str, str], texts: Mapping[str, str]) -> None:
        line = Text(f"{clock:<{_MARGIN}}")
        for lane, colour in self._styles.items():
            line.append(self._symbols["border"], "dim")
            line.append(f"{texts[lane]:<{self._lane_width}}", styles[lane] + colour)
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def _meanwhile(self, lane: str, at: float) -> str:
        """What goes on in a lane in which nothing new has happened."""
        if lane == "caller":
            on_hold = self._hold_began <= at < self._hold_ended
            return self._symbols["music"] if on_hold and self._caller.music_heard(at, at + 0.1) else ""
        phone = next((phone for whose, phone in reversed(self._phones) if whose == lane), None)
        before = [status for status, when in phone.statuses if when <= at] if phone is not None else []
        return self._symbols["rings"] if before[-1:] == ["ringing"] else ""
