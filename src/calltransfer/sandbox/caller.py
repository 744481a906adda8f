"""The caller: somebody on the phone with the agent."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from calltransfer.events import Phase, TransferEvent
from calltransfer.masking import masked_address, one_line
from calltransfer.outcome import Outcome
from calltransfer.sandbox.models import Script
from calltransfer.sandbox.people import address_of
from calltransfer.sandbox.phone import Phone
from calltransfer.sandbox.timeline import CallTimeline, timeline_of

if TYPE_CHECKING:
    from calltransfer.sandbox.switchboard import Switchboard

_NOT_A_PHONE = frozenset({"agent", "nobody", "hung up"})


class Reports:
    """What the transfers of one call have reported.

    Attributes:
        events: All of it, in order.
        at: When each of these came, in seconds on the loop's clock.
        listeners: Called with each of these when it happens.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.events: list[TransferEvent] = []
        self.at: list[float] = []
        self.listeners: list[Callable[[TransferEvent], None]] = []
        self._now = now
        self._came = asyncio.Event()

    def add(self, event: TransferEvent) -> None:
        """A transfer of the call has reported something."""
        self.events.append(event)
        self.at.append(self._now())
        came, self._came = self._came, asyncio.Event()
        came.set()
        for listener in self.listeners:
            listener(event)

    async def one_more(self) -> None:
        """Waits until a transfer of the call reports something more."""
        await self._came.wait()


class Caller(Phone):
    """Somebody on the phone with the agent; made by `Sandbox.call`.

    Attributes:
        agent: The agent on the call, as the author's class made it.
        session: The SDK's session.
        job: The SDK's job.
        context: The job's context: `asyncio.create_task(caller.session.close(), context=caller.context)` is what the
            author's code does, inside the job.
        script: What the model was asked and answered.
        consultation_script: The same of the models that are made for a consultation, without arguments.
        events: Everything that the transfers of the call have reported, whichever agent began them.
        listeners: Called with each of these when it happens.
        started: Set when the agent has started.
        over: Set when the agent's job has ended.
    """

    who: ClassVar[str] = "caller"
    """What they are called in messages."""

    agent: Any
    session: Any
    job: Any
    context: contextvars.Context

    def __init__(
        self,
        switchboard: "Switchboard",
        number: str,
        room_id: str,
        *,
        script: Script,
        consultation_script: Script,
        reports: Reports,
    ) -> None:
        super().__init__(switchboard, number, room_id)
        self.script = script
        self.consultation_script = consultation_script
        self.events = reports.events
        self.listeners = reports.listeners
        self.started = asyncio.Event()
        self.over = asyncio.Event()
        self._reports = reports
        self._notes: list[tuple[float, str]] = []
        self._began = switchboard.now()

    @property
    def outcomes(self) -> list[Outcome]:
        """How the transfers of the call have ended, in order; one that is under way is not among them.

        Whom they reach, or what they hear, may come a moment before that: `await caller.until(Phase.FINISHED)` first.
        """
        return [event.outcome for event in self.events if event.phase is Phase.FINISHED and event.outcome is not None]

    @property
    def timeline(self) -> CallTimeline:
        """What has happened in the call so far; `print(caller.timeline)` shows it line by line.

        With several calls at once in one sandbox, whoever is dialled for any of them is in it.
        """
        others = [*self._switchboard.dialled_since(self._began), *self._switchboard.web_users_of(self.room_id)]
        notes = {
            "test": self._notes,
            "model": self.script.notes,
            "consultation model": self.consultation_script.notes,
            "sandbox": self._sandbox_notes,
        }
        return timeline_of(self, others, zip(self._reports.at, self.events, strict=True), notes)

    @property
    def _sandbox_notes(self) -> list[tuple[float, str]]:
        return [(at, note) for at, note in self._switchboard.notes if at >= self._began]

    @property
    @override
    def reasons(self) -> str:
        told = [f"; the model called {one_line(self.script.last_error)}"] if self.script.last_error else []
        return "".join([*told, *dict.fromkeys(f"; {note}" for _, note in self._sandbox_notes)])

    def note(self, text: str) -> None:
        """Adds `text` to the timeline, as a line of the test."""
        self._notes.append((self._switchboard.now(), text))

    async def reaches(self, *numbers: str, timeout: float = 60.0) -> str:
        """Waits until they talk to whoever is at one of `numbers`; without any, to anybody on a phone.

        Args:
            numbers: Phone numbers, or SIP URIs.
            timeout: Seconds that it may take, from now.

        Returns:
            Whom they reached.

        Raises:
            AssertionError: they have reached nobody of these; the message says what happened instead.
        """
        __tracebackhide__ = True
        addresses = {address_of(number) for number in numbers}

        def reached() -> bool:
            where = self.connected_to
            return where in addresses if addresses else where not in _NOT_A_PHONE

        await self._switchboard.until(reached, timeout)
        if not reached():
            wanted = " or ".join(map(masked_address, sorted(addresses))) or "anybody"
            raise AssertionError(f"the caller did not reach {wanted} within {timeout:g} s: {self._instead()}")
        return self.connected_to

    async def until(self, phase: Phase, *, timeout: float = 60.0) -> TransferEvent:
        """Waits until a transfer of the call has come to `phase`, at most `timeout` seconds; not where one has already.

        Returns:
            The first event of that phase.

        Raises:
            AssertionError: none has come that far; the message says what happened instead.
            ValueError: `phase` is none.
        """
        __tracebackhide__ = True
        wanted = Phase(phase)

        def found() -> TransferEvent | None:
            return next((event for event in self.events if event.phase is wanted), None)

        try:
            async with asyncio.timeout(timeout):
                while (event := found()) is None:
                    await self._reports.one_more()
        except TimeoutError:
            raise AssertionError(f"no transfer was {phase} within {timeout:g} s: {self._instead()}") from None
        return event

    def _instead(self) -> str:
        where = self.connected_to
        shown = where if where in _NOT_A_PHONE else masked_address(where)
        ended = ", ".join(f"{event.route} {event.outcome}" for event in self.events if event.phase is Phase.FINISHED)
        last = f"the last thing they heard is {self.texts_heard[-1]!r}" if self.heard else "they have heard nothing"
        return f"they are with {shown!r}, transfers that have ended: {ended or 'none'}, and {last}{self.reasons}"
