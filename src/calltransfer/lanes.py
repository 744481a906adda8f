"""A picture of a warm transfer while it happens: who says and hears what, in three lanes."""

import asyncio
import contextlib
import math
import textwrap
from collections.abc import AsyncIterator, Mapping

import attrs
from rich.console import Console
from rich.text import Text

from calltransfer.events import Phase, TransferEvent
from calltransfer.sandbox import Caller, Phone, Sandbox

PAUSE = 0.8
"""Seconds of silence after which a sentence is taken to be over, and is shown."""

WIDTH = 100
"""Characters of a row."""

LANES = ("caller", "agent", "supervisor")

_MARGIN = 10
_BORDER = 2
_STYLES: Mapping[str, str] = {"caller": "cyan", "agent": "green", "supervisor": "magenta"}

_AGENT_DOES: Mapping[Phase, str] = {
    Phase.STARTED: "calls the tool",
    Phase.DIALLED: "dials from a second room",
    Phase.SUMMARY_READY: "has a summary",
    Phase.ON_HOLD: "is deaf to the caller",
    Phase.CONNECTING: "moves the caller into the supervisor's room",
}
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
        sandbox: The phones. Whoever is dialled from now on is the supervisor.
    """

    def __init__(self, console: Console, sandbox: Sandbox) -> None:
        width = min(console.width, WIDTH) if console.is_terminal else WIDTH
        self._lane_width = max(18, (width - _MARGIN) // len(LANES) - _BORDER)
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

    def event(self, event: TransferEvent) -> None:
        """Notes what the transfer reports."""
        now, phase = self._now(), event.phase
        if phase in _AGENT_DOES:
            self.note("agent", _AGENT_DOES[phase])
        if phase is Phase.ON_HOLD:
            self._hold_began = now
            self.note("caller", f"{self._symbols['music']} hold music")
        elif phase is Phase.DECIDED:
            self.note("agent", f"understands: {event.detail}")
        elif phase is Phase.OFF_HOLD:
            self._hold_ended = min(now, self._hold_ended)
            if self._caller.connected_to == "agent":
                self.note("caller", "is with the agent again")
        elif phase is Phase.FINISHED:
            self._hold_ended = min(now, self._hold_ended)
            self.note("agent", f"{str(event.outcome).upper()}: {event.detail or 'both are in one room, with audio'}")

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
        self._line("", dict.fromkeys(LANES, "bold "), {lane: lane for lane in LANES})
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self._collect(pause=0.0)
            self._draw(self._now())

    def summing_up(self) -> str:
        """What the caller's time on hold was like, as they heard it."""
        seconds = self._hold_ended - self._hold_began
        silence = self._caller.longest_silence(self._hold_began, self._hold_ended)
        return f"On hold for {seconds:.1f} s, the caller had at most {silence:.1f} s without sound."

    @property
    def _phones(self) -> list[tuple[str, Phone]]:
        targets = self._sandbox.targets[self._targets_before :]
        return [("caller", self._caller), *(("supervisor", target) for target in targets)]

    def _lane_of(self, phone: Phone) -> str:
        return "caller" if phone is self._caller else "supervisor"

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
                if lane == "supervisor" and status in _PHONE_DOES:
                    self._entries.append(_Entry(at, lane, _PHONE_DOES[status].format(**self._symbols)))
            self._shown[phone.number] = heard, len(phone.statuses)
        return min(unfinished)

    def _heard(self, speaker: str, text: str) -> str:
        cut_off = " ..." if speaker == "agent" and text[-1] not in ".!?" else ""
        who = {"agent": "agent", self._caller.number: "caller"}.get(speaker, "supervisor")
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
            for lane in LANES
        ]
        for number in range(max(map(len, cells))):
            texts, styles = {}, {}
            for lane, cell in zip(LANES, cells, strict=True):
                going_on = lane not in row or number >= len(cell)
                texts[lane] = self._meanwhile(lane, at) if number >= len(cell) else cell[number]
                styles[lane] = "dim " if going_on else ""
            self._line(self._clock(at) if number == 0 else "", styles, texts)

    def _line(self, clock: str, styles: Mapping[str, str], texts: Mapping[str, str]) -> None:
        line = Text(f"{clock:<{_MARGIN}}")
        for lane in LANES:
            line.append(self._symbols["border"], "dim")
            line.append(f"{texts[lane]:<{self._lane_width}}", styles[lane] + _STYLES[lane])
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def _meanwhile(self, lane: str, at: float) -> str:
        """What goes on in a lane in which nothing new has happened."""
        if lane == "caller":
            on_hold = self._hold_began <= at < self._hold_ended
            return self._symbols["music"] if on_hold and self._caller.music_heard(at, at + 0.1) else ""
        if lane == "supervisor" and len(self._phones) > 1:
            before = [status for status, when in self._phones[-1][1].statuses if when <= at]
            return self._symbols["rings"] if before[-1:] == ["ringing"] else ""
        return ""
