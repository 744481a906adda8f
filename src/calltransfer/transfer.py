"""One transfer under way, and the call and the consultation as its strategy sees them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from typing_extensions import override

from calltransfer.call import (
    CONNECT_TIMEOUT,
    FORWARD_TIMEOUT,
    SENTENCE_TIMEOUT,
    Call,
    Consultation,
    Move,
    Presence,
    Response,
    TransferRequest,
    TransferStrategy,
    Turn,
)
from calltransfer.call_wrapper import CallWrapper
from calltransfer.destination import Destination
from calltransfer.errors import NotAllowed
from calltransfer.events import ConsultationIds, Phase, TransferResult
from calltransfer.outcome import Outcome
from calltransfer.policy import Policy
from calltransfer.timeline import Timeline
from calltransfer.wording import Wording

STRATEGY_TIMEOUT = 300.0
"""Seconds after which a strategy is taken for hung; while a call is being forwarded they do not count."""

_NO_WAY_BACK = {
    Phase.FORWARDING: True,
    Phase.CONNECTING: True,
    Phase.ROLLED_BACK: False,
}
"""Phases from which on a transfer cannot be taken back, and those from which on it can be again."""


@attrs.define(eq=False)
class Transfer:
    """One transfer under way. `result` never raises for how a transfer ended."""

    request: TransferRequest
    call: Call
    strategy: TransferStrategy
    wording: Wording
    turn: Turn
    timeline: Timeline
    tell_model: bool
    policy: Policy
    attempts: list[float]
    tried: bool = False
    result: asyncio.Future[TransferResult] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())
    attempt: asyncio.Task[TransferResult] | None = None
    deadline: asyncio.Timeout | None = None
    waited_for_sentence: bool = False
    forwarded: bool = False
    telling: asyncio.Task[None] | None = None
    parting: asyncio.Task[None] | None = None
    doubts: set[asyncio.Task[None]] = attrs.field(factory=set)
    ended_from_outside: TransferResult | None = None
    proven: TransferResult | None = attrs.field(default=None, repr=False)
    settled: TransferResult | None = attrs.field(default=None, repr=False)

    @property
    def route(self) -> str:
        """The route's name."""
        return self.request.route

    def end(self, outcome: Outcome, detail: str) -> None:
        """Ends the transfer from outside, before it has been forwarded."""
        if self.ended_from_outside is None and not self.result.done():
            self.ended_from_outside = TransferResult(outcome=outcome, detail=detail)
            if self.attempt is not None:
                self.attempt.cancel()

    def progress(self, phase: Phase, detail: str = "", status: str | None = None) -> None:
        """Something has happened to the call."""
        if phase in _NO_WAY_BACK:
            self.can_be_taken_back(not _NO_WAY_BACK[phase])
        self.timeline.record(phase, detail, status)

    def can_be_taken_back(self, possible: bool) -> None:
        """Whether it still can be. While it cannot, the strategy has the deadlines of what it waits for."""
        self.forwarded = not possible
        if self.deadline is not None and not self.deadline.expired():
            now = asyncio.get_running_loop().time()
            self.deadline.reschedule(now + STRATEGY_TIMEOUT if possible else None)

    def attempting(self, destination: Destination) -> None:
        """Something is about to be dialled or forwarded: counts it, once a transfer.

        Raises:
            NotAllowed: the policy does not allow it.
        """
        problem = self.policy.problem(destination)
        if problem is not None:
            raise NotAllowed(f"the destination is not allowed: {problem}")
        if self.tried:
            return
        now = asyncio.get_running_loop().time()
        limit = self.policy.used_up(self.attempts, now)
        if limit is not None:
            raise NotAllowed(f"the policy allows {limit}")
        self.tried = True
        self.attempts.append(now)

    def finish(self, result: TransferResult) -> None:
        """Makes the outcome known, once: in the timeline, to listeners, and to whoever waits for `result`."""
        if not self.result.done():
            result = self.proven or result
            finished = self.timeline.record(Phase.FINISHED, result.detail, result.status, outcome=result.outcome)
            self.result.set_result(
                attrs.evolve(
                    result, detail=finished.detail, status=finished.status, timeline=tuple(self.timeline.events)
                )
            )


class TransferCall(CallWrapper):
    """The call as one transfer sees it: its sentence is that of the turn the transfer was asked for in."""

    def __init__(self, call: Call, transfer: Transfer) -> None:
        super().__init__(call)
        self._transfer = transfer

    @override
    async def prepare(self) -> None:
        await super().prepare()
        self.report(Phase.PREPARED)

    @override
    async def sentence_heard(self, *, timeout: float = SENTENCE_TIMEOUT) -> None:
        self._transfer.waited_for_sentence = True
        await self._transfer.turn.sentence_heard(timeout=timeout)
        while self._transfer.doubts:
            await asyncio.wait(self._transfer.doubts)
        self.report(Phase.SENTENCE_HEARD)

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        transfer = self._transfer
        try:
            transfer.attempting(_checked(destination, "forward"))
        except NotAllowed as error:
            return TransferResult(outcome=Outcome.REFUSED, destination=destination, detail=str(error))
        self.report(Phase.FORWARDING)
        result = await super().forward(destination, timeout=timeout, play_dialtone=play_dialtone)
        transfer.proven = result if result.connected else None
        transfer.can_be_taken_back(not result.connected)
        if not result.connected and self.caller is Presence.GONE:
            transfer.end(Outcome.CALLER_LEFT, result.detail)
        return result

    @override
    @asynccontextmanager
    async def consult(
        self, destination: Destination, request: TransferRequest, **how: Any
    ) -> AsyncIterator[Consultation]:
        self._transfer.attempting(_checked(destination, "consult"))
        async with super().consult(destination, request, **how) as consultation:
            yield _TransferConsultation(consultation, self._transfer)


def _checked(destination: Destination, method: str) -> Destination:
    if not isinstance(destination, Destination):
        raise TypeError(f"{method}() takes a Destination, not {type(destination).__name__}")
    return destination


class _TransferConsultation(Consultation):
    """The consultation as one transfer sees it: once it has connected the two, nothing that comes after undoes it."""

    def __init__(self, consultation: Consultation, transfer: Transfer) -> None:
        self._wrapped = consultation
        self._transfer = transfer

    @property
    @override
    def summary(self) -> str:
        return self._wrapped.summary

    @property
    @override
    def ids(self) -> ConsultationIds:
        return self._wrapped.ids

    @override
    async def answered(self) -> Response:
        return await self._wrapped.answered()

    @override
    async def decision(self) -> Response:
        return await self._wrapped.decision()

    @override
    async def connect(
        self, move: Move = "caller", *, timeout: float = CONNECT_TIMEOUT, stay: bool = True
    ) -> TransferResult:
        result = await self._wrapped.connect(move, timeout=timeout, stay=stay)
        self._transfer.proven = result if result.connected else None
        return result

    @override
    def result(self, response: Response) -> TransferResult:
        return self._wrapped.result(response)
