"""The warm transfer: a human is told what it is about, and says yes, before the caller is connected."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import attrs

from calltransfer.briefing import Briefing
from calltransfer.call import (
    CONNECT_TIMEOUT,
    DECISION_TIMEOUT,
    RING_TIMEOUT,
    SENTENCE_TIMEOUT,
    TOTAL_TIMEOUT,
    Call,
    Consultation,
    Move,
    Response,
    Summary,
    TransferRequest,
)
from calltransfer.destination import Destination
from calltransfer.errors import (
    CallOver,
    CallTransferError,
    ConfigurationError,
    NoConsultation,
    NoLiveCall,
    NotAllowed,
    PlatformError,
)
from calltransfer.events import TransferResult
from calltransfer.fields import yes_or_no
from calltransfer.hold import Hold, HoldMusic
from calltransfer.masking import shown
from calltransfer.outcome import Outcome
from calltransfer.platform import Platform
from calltransfer.strategies.target import (
    NOWHERE,
    Target,
    checked_target,
    destination_or_end,
    people_seconds,
    seconds_in_all,
    wait_seconds,
)
from calltransfer.summary import LLMSummary


def _has(example: str, *names: str) -> Callable[[Any, "attrs.Attribute[Any]", Any], None]:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        missing = [name for name in names if not hasattr(value, name)]
        if isinstance(value, type) or missing:
            shown = value.__name__ if isinstance(value, type) else type(value).__name__
            without = f", which has no {' and no '.join(missing)}" if missing else ""
            raise ConfigurationError(f"{attribute.name}= takes an object such as {example}, not {shown}{without}")

    return check


def _a_briefing(_: object, attribute: "attrs.Attribute[Briefing]", value: Briefing) -> None:
    if not isinstance(value, Briefing):
        raise ConfigurationError(f"{attribute.name}= takes a Briefing(), not {type(value).__name__}")


def _one_of_the_two(_: object, attribute: "attrs.Attribute[Move]", value: Move) -> None:
    if not isinstance(value, str) or value not in {"caller", "target"}:
        raise ConfigurationError(f"{attribute.name}= is 'caller' or 'target', not {shown(value)}")


@attrs.frozen
class WarmTransfer:
    """Passes the caller to a human who has been told what it is about, and has said yes (RFC 5589).

    While the agent's sentence is still being spoken, the target's phone begins to ring in a room of its own. The caller
    is put on hold after the sentence. The target hears a greeting, a summary and a question; they may ask about the
    call first, and answer by voice or key. On a yes, caller and target are brought into one room, and that both are
    there is proven. On every other end the target is released, and the agent speaks to the caller at once.

    No decision is a no: nobody is connected to a human who has not agreed, to a voicemail, or to an empty room.

    Every stage is an object of its own. To replace one, subclass it and change one method:

        class Short(Briefing):
            def opening(self, summary):
                return f"{summary} Yes or no?"

        WarmTransfer(to="+14155550199", briefing=Short())

    Attributes:
        to: As for `DirectTransfer`: a number, a SIP URI, a `Destination`, or a callable that finds one at call time. Only
            as the pattern of a `RingGroup` it has none.
        hold: What the caller hears: `HoldMusic()`; or `StayWithCaller()`, and the agent keeps talking with them until
            the target has said yes.
        summary: What the target is told: `LLMSummary()`, or anything with its method.
        briefing: How they are told, what they are asked, and how an answer is understood.
        move: Who is moved: "caller" into the consultation's room (the platform's documented way); or "target" into the
            caller's, so that the caller's leg is never touched and its recording stays in one piece. Where a move has
            failed for certain and both still wait, the target is moved in the time that is left. Whoever else is in
            the agent's room, such as a user in the browser, hears a target who is moved there, and is heard by them.
        ring_timeout: Seconds the target's phone rings; at most 240.
        decision_timeout: Seconds for the decision, from the end of the question; a question of theirs begins them anew,
            within four times as many. At most 240.
        connect_timeout: Seconds until both have been seen in one room; then it is rolled back. At most 240.
        total_timeout: Seconds from the dial until the target has said yes, whatever they are for: the ring, a wait in a
            queue of theirs, the decision with their questions. Then it ends as `NO_ANSWER` or `UNDECIDED`. A move under way
            comes to its own end. More than `ring_timeout`, and at most 300. Of a `RingGroup`, those of each of its targets.
        sentence_timeout: Seconds for the agent to begin its sentence, which is heard to its end; then a fixed one is said
            in its place. At most 240.
        leave_unwatched: Whether the agent leaves at once, which frees its worker. By default it stays in the room, deaf
            and silent, until one of the two leaves, and then ends the other leg; a target who leaves within ten seconds
            brings the caller back. Nobody does that once it has left.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    to: Target | None = attrs.field(default=None, converter=checked_target)
    hold: Hold = attrs.field(
        factory=HoldMusic, kw_only=True, validator=_has("HoldMusic()", "entertain", "return_key", "at_once")
    )
    summary: Summary = attrs.field(factory=LLMSummary, kw_only=True, validator=_has("LLMSummary()", "summarise"))
    briefing: Briefing = attrs.field(factory=Briefing, kw_only=True, validator=_a_briefing)
    move: Move = attrs.field(default="caller", kw_only=True, validator=_one_of_the_two)
    ring_timeout: float = attrs.field(default=RING_TIMEOUT, kw_only=True, validator=people_seconds)
    decision_timeout: float = attrs.field(default=DECISION_TIMEOUT, kw_only=True, validator=people_seconds)
    connect_timeout: float = attrs.field(default=CONNECT_TIMEOUT, kw_only=True, validator=wait_seconds)
    total_timeout: float = attrs.field(default=TOTAL_TIMEOUT, kw_only=True, validator=seconds_in_all)
    sentence_timeout: float = attrs.field(default=SENTENCE_TIMEOUT, kw_only=True, validator=wait_seconds)
    leave_unwatched: bool = attrs.field(default=False, kw_only=True, validator=yes_or_no())

    def __attrs_post_init__(self) -> None:
        if self.total_timeout <= self.ring_timeout:
            raise ConfigurationError(
                f"total_timeout= must be longer than the phone rings, which is {self.ring_timeout:g} s, not "
                f"{self.total_timeout:g}: who picks up is still to be told and asked, which takes half a minute; raise it, "
                "or ring for less"
            )

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Consults the target and connects the caller; see the class."""
        if self.to is None:
            return TransferResult(outcome=Outcome.REFUSED, detail=NOWHERE)
        destination = await destination_or_end(self.to, call, request)
        if isinstance(destination, TransferResult):
            return destination
        try:
            return await self.reach(call, request, destination)
        except (CallOver, NotAllowed, NoConsultation, NoLiveCall, PlatformError) as error:
            return ended_by(error, destination)

    def consulting(
        self, call: Call, request: TransferRequest, destination: Destination
    ) -> AbstractAsyncContextManager[Consultation]:
        """The consultation of one target, set up as this transfer is; see `Call.consult`."""
        return call.consult(
            destination,
            request,
            summary=self.summary,
            briefing=self.briefing,
            ring_timeout=self.ring_timeout,
            decision_timeout=self.decision_timeout,
        )

    async def reach(self, call: Call, request: TransferRequest, destination: Destination) -> TransferResult:
        """Consults `destination`, whatever `to` is, and connects the caller; raises as `Call.consult` does."""
        async with self.consulting(call, request, destination) as consultation:
            until = asyncio.get_running_loop().time() + self.total_timeout
            await call.sentence_heard(timeout=self.sentence_timeout)
            async with call.on_hold(self.hold) if self.hold.at_once else nullcontext():
                decision = await self.agreed(consultation, until)
                if decision.outcome is not None:
                    return consultation.result(decision)
                return await self._connect(call, consultation)

    async def agreed(self, consultation: Consultation, until: float) -> Response:
        """Waits until the target has said yes, or will not, and no longer than `until`, on the loop's clock."""
        late = Outcome.NO_ANSWER
        try:
            async with asyncio.timeout_at(until):
                answer = await consultation.answered()
                if answer.outcome is not None:
                    return answer
                late = Outcome.UNDECIDED
                return await consultation.decision()
        except TimeoutError:
            if late is Outcome.UNDECIDED and consultation.asked:
                consultation.set_goodbye(self.briefing.undecided)
            return Response(late, f"the whole took longer than {self.total_timeout:g} s")

    async def _connect(self, call: Call, consultation: Consultation) -> TransferResult:
        async with call.on_hold(self.hold):
            return await consultation.connect(
                self.move, timeout=self.connect_timeout, leave_unwatched=self.leave_unwatched
            )

    def fixed_destinations(self) -> Sequence[Destination]:
        """The destination, where it is fixed."""
        return (self.to,) if isinstance(self.to, Destination) else ()

    def problems_on(self, platform: Platform) -> Sequence[str]:
        """What is missing on `platform` to dial the target."""
        return platform.dialling_problems(self.to if isinstance(self.to, Destination) else None)


def ended_by(error: CallTransferError, destination: Destination) -> TransferResult:
    """How a consultation ends that could not be held."""
    outcome = Outcome.FAILED
    if isinstance(error, CallOver):
        outcome = Outcome.CALLER_LEFT
    elif isinstance(error, NotAllowed):
        outcome = Outcome.REFUSED
    return TransferResult(outcome=outcome, destination=destination, detail=str(error))
