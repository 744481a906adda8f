"""Several targets are consulted at once, and the first who says yes has the caller."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import attrs

from calltransfer.call import Call, Consultation, TransferRequest, TransferStrategy
from calltransfer.destination import Destination, phone_of
from calltransfer.errors import CallTransferError, ConfigurationError, DestinationError
from calltransfer.events import TransferResult
from calltransfer.masking import shown
from calltransfer.outcome import Outcome
from calltransfer.strategies.combining import numbered
from calltransfer.strategies.target import NOWHERE, Target, checked_target, destination_or_why
from calltransfer.strategies.warm import WarmTransfer, ended_by
from calltransfer.timeline import described

logger = logging.getLogger("calltransfer")

MOST_TARGETS = 20
"""Each has a room, an agent and a line of its own."""

_SAYS_MOST = (
    Outcome.CALLER_LEFT,
    Outcome.DECLINED,
    Outcome.UNDECIDED,
    Outcome.TARGET_LEFT,
    Outcome.VOICEMAIL,
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.FAILED,
    Outcome.REFUSED,
)
"""The outcomes of targets, closest to a connection first: a group that connects nobody ends with the first of these."""


def _pattern(value: WarmTransfer) -> WarmTransfer:
    if not isinstance(value, WarmTransfer):
        raise ConfigurationError(
            f"RingGroup takes a WarmTransfer() as the pattern for every target, not {shown(value)}"
        )
    if value.to is not None:
        raise ConfigurationError(
            "RingGroup: its WarmTransfer has no to= of its own; name every target in targets=[...]"
        )
    return value


def _targets(value: Iterable[Target]) -> tuple[Target, ...]:
    if isinstance(value, str | Destination) or not isinstance(value, Iterable):
        raise ConfigurationError(f"targets= takes a list of destinations, not {type(value).__name__}")
    targets = []
    for number, each in enumerate(value, start=1):
        try:
            target = checked_target(each)
        except DestinationError as error:
            raise DestinationError(f"targets=, number {number}: {str(error).removeprefix('to=: ')}") from None
        except ConfigurationError as error:
            raise ConfigurationError(f"targets=, number {number}: {error}") from None
        if target is None:
            raise ConfigurationError(f"targets=, number {number}, is None")
        targets.append(target)
    if not 1 <= len(targets) <= MOST_TARGETS:
        raise ConfigurationError(f"targets= takes 1 to {MOST_TARGETS} destinations, not {len(targets)}")
    return tuple(targets)


@attrs.frozen
class RingGroup:
    """Rings several targets at once, each in a room of their own; the first who says yes has the caller.

        RingGroup(WarmTransfer(hold=HoldMusic()), targets=["+14155550199", "+14155550188"])

    Everybody is greeted, told and asked as by a `WarmTransfer`. The first yes is connected at once. The others go on
    being told, or go on ringing, until that connection is proven: then they hear one sentence (`Briefing.taken`) and are
    released, beside the two who talk already. When it fails, the next yes is connected.

    Ends as `CONNECTED`, or when everybody has answered, or has not: as the one who came closest to it. What became of
    each is in the result (`attempts`); of who was released for another it is `CANCELLED`.

    Attributes:
        warm: How each of them is consulted: a `WarmTransfer` without `to`.
        targets: Whom to ring, 1 to 20: destinations as `WarmTransfer.to` takes them. One that finds none now is left
            out, and a phone that is named twice rings once: the same number and extension (and headers). Several
            extensions behind one number are several phones.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    warm: WarmTransfer = attrs.field(converter=_pattern)
    targets: tuple[Target, ...] = attrs.field(kw_only=True, converter=_targets)

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """One warm transfer for each target."""
        return numbered([attrs.evolve(self.warm, to=target) for target in self.targets])

    @property
    def rings_at_once(self) -> int:
        """How many phones ring at a time at least: those whose destinations are fixed."""
        return len({phone_of(target) for target in self.targets if isinstance(target, Destination)})

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Consults them all, and connects the first who says yes; see the class."""
        found = await asyncio.gather(*(destination_or_why(target, call, request) for target in self.targets))
        phones: dict[Destination, Destination] = {}
        for each in found:
            if isinstance(each, Destination):
                phones.setdefault(phone_of(each), each)  # who is called twice at once is busy for one of the two
        destinations = list(phones.values())
        refused = [each for each in found if isinstance(each, TransferResult)]
        for result in refused:
            call.attempted(result)
        if not destinations:
            closest = _closest(refused) if refused else _refused(NOWHERE)
            return attrs.evolve(closest, detail=NOWHERE, attempts=tuple(refused))
        race = _Race(self.warm, call, request)
        result = await race.run(destinations)
        return attrs.evolve(result, attempts=(*refused, *race.ended))


def _refused(detail: str) -> TransferResult:
    return TransferResult(outcome=Outcome.REFUSED, detail=detail)


@attrs.define(eq=False)
class _Yes:
    """Somebody who has said yes, and waits for the caller; `settled` tells what became of it."""

    consultation: Consultation
    waiting: "asyncio.Task[Any] | None" = attrs.field(factory=asyncio.current_task)
    settled: "asyncio.Future[TransferResult]" = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())

    def result_for(self, task: "asyncio.Task[Any] | None") -> TransferResult | None:
        """What became of it, where it is the yes that `task` waits with."""
        known = task is self.waiting and self.settled.done() and not self.settled.cancelled()
        return self.settled.result() if known else None


class _Race:
    """The consultations of one group, and who of them said yes in which order.

    Attributes:
        ended: What became of each, in the order in which it ended.
    """

    def __init__(self, warm: WarmTransfer, call: Call, request: TransferRequest) -> None:
        self.ended: list[TransferResult] = []
        self._warm = warm
        self._call = call
        self._request = request
        self._consultations: list[Consultation] = []
        self._connected: _Yes | None = None
        self._news: asyncio.Queue[_Yes | None] = asyncio.Queue()

    async def run(self, destinations: Sequence[Destination]) -> TransferResult:
        """Consults them; returns how it ended, with whoever has not the caller released."""
        hold = self._warm.hold
        async with asyncio.TaskGroup() as group:
            ringing = [
                group.create_task(self._ring(destination), name="a target of a group") for destination in destinations
            ]
            await self._call.sentence_heard(timeout=self._warm.sentence_timeout)
            try:
                async with self._call.on_hold(hold) if hold.at_once else nullcontext():
                    connected = await self._first_connected(len(ringing))
            finally:  # also when leaving the hold is cut short
                self._release(ringing)
        return connected or _closest(self.ended)

    async def _first_connected(self, ringing: int) -> TransferResult | None:
        """Waits until somebody says yes and is connected; None when nobody is left who could."""
        while ringing:
            yes = await self._news.get()
            if yes is None:
                ringing -= 1
                continue
            async with self._call.on_hold(self._warm.hold):
                result = await yes.consultation.connect(
                    self._warm.move, timeout=self._warm.connect_timeout, leave_unwatched=self._warm.leave_unwatched
                )
                # Before the hold is left: that may be cut short, and the others are to hear what is true.
                self._connected = yes if result.connected else None
                if not yes.settled.done():
                    yes.settled.set_result(result)
            if result.connected:
                return result
            if result.outcome is Outcome.CALLER_LEFT:
                return None
        return None

    def _release(self, ringing: "Sequence[asyncio.Task[None]]") -> None:
        winner = self._connected
        if winner is not None:
            for consultation in self._consultations:
                consultation.set_goodbye(self._warm.briefing.taken)
        for task in ringing:
            if winner is None or task is not winner.waiting:
                task.cancel()

    async def _ring(self, destination: Destination) -> None:
        result = TransferResult(
            outcome=Outcome.CANCELLED, destination=destination, detail="ended before they had decided"
        )
        try:
            result = await self._consulted(destination)
        except asyncio.CancelledError:
            if self._connected is not None:
                result = self._connected.result_for(asyncio.current_task()) or attrs.evolve(
                    result, detail="somebody else had taken the call"
                )
            raise
        except CallTransferError as error:
            result = ended_by(error, destination)
        except Exception as error:
            # What is wrong with one of them is not wrong with the others.
            logger.error("a target of a group: %s", described(error))  # noqa: TRY400
            result = TransferResult(
                outcome=Outcome.FAILED, destination=destination, detail=f"consulting them raised {type(error).__name__}"
            )
        finally:
            self.ended.append(result)
            self._call.attempted(result)
            self._news.put_nowait(None)

    async def _consulted(self, destination: Destination) -> TransferResult:
        async with self._warm.consulting(self._call, self._request, destination) as consultation:
            self._consultations.append(consultation)
            until = asyncio.get_running_loop().time() + self._warm.total_timeout
            response = await self._warm.agreed(consultation, until)
            if response.outcome is not None:
                return consultation.result(response)
            yes = _Yes(consultation)
            self._news.put_nowait(yes)
            return await yes.settled


def _closest(results: Sequence[TransferResult]) -> TransferResult:
    known = {outcome: place for place, outcome in enumerate(_SAYS_MOST)}
    closest = min(results, key=lambda result: known.get(result.outcome, len(known)))
    others = len(results) - 1
    return attrs.evolve(closest, detail=f"{closest.detail}; and {others} more" if others else closest.detail)
