"""Runs the transfers of one call, one at a time: start, watch, restore, report.

A transfer is a task that the call owns: not the tool, which the SDK cancels when the caller talks, and not the agent,
which the SDK can swap in the middle of a call. Its life:

    started ─ confirmed ─ prepared ─ sentence heard ─ forwarding ─ ringing ─ finished ─ told
                 │            │             │
                 └────────────┴─────────────┴── withdrawn, replaced, caller left, session closed

Up to `forwarding` it can be withdrawn; after that it can only be followed to its end.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import attrs
from typing_extensions import override

from calltransfer.call import (
    FORWARD_TIMEOUT,
    SENTENCE_TIMEOUT,
    Call,
    CallWrapper,
    Platform,
    Presence,
    TransferRequest,
    TransferStrategy,
    Turn,
)
from calltransfer.destination import Destination
from calltransfer.errors import CallOver, NoLiveCall
from calltransfer.events import Phase, TransferEvent, TransferResult
from calltransfer.masking import masked_text
from calltransfer.outcome import Outcome
from calltransfer.wording import Wording

logger = logging.getLogger("calltransfer")

STRATEGY_TIMEOUT = 300.0
"""Seconds after which a strategy that has not returned is taken for hung: more than every deadline of ours together."""

SETTLE_TIMEOUT = 5.0
"""Seconds that a closing session waits for the end of a call that has already been forwarded."""

_SAID_NOTHING_FOR = frozenset(
    {
        Outcome.CONNECTED,
        Outcome.MESSAGE_TAKEN,
        Outcome.CALLER_LEFT,
        Outcome.CALLER_RETURNED,
        Outcome.CANCELLED,
    }
)
"""Ends after which nobody has to be told: the caller is gone or served, or the model itself brought them about."""

_CLOSED = "the agent's session closed"

EventListener = Callable[[TransferEvent], None]


@attrs.define(eq=False)
class Transfer:
    """One transfer under way. `result` never raises for how a transfer ended."""

    request: TransferRequest
    strategy: TransferStrategy
    wording: Wording
    turn: Turn
    listener: EventListener
    id: str = attrs.field(factory=lambda: uuid.uuid4().hex[:12])
    began: float = attrs.field(factory=lambda: asyncio.get_running_loop().time())
    events: list[TransferEvent] = attrs.field(factory=list)
    result: asyncio.Future[TransferResult] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())
    task: asyncio.Task[None] | None = None
    attempt: asyncio.Task[TransferResult] | None = None
    forwarded: bool = False
    ended_from_outside: TransferResult | None = None

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

    def record(self, phase: Phase, detail: str = "", status: str | None = None) -> None:
        """Adds an event to the timeline and tells everybody who listens."""
        self._emit(phase, detail, status, None)

    def finish(self, result: TransferResult) -> None:
        """Makes the outcome known, once: in the timeline, to listeners, and to whoever waits for `result`."""
        if self.result.done():
            return
        self._emit(Phase.FINISHED, result.detail, result.status, result.outcome)
        self.result.set_result(attrs.evolve(result, timeline=tuple(self.events)))

    def _emit(self, phase: Phase, detail: str, status: str | None, outcome: Outcome | None) -> None:
        if phase is Phase.CONTRADICTED:
            outcome = Outcome.CONNECTED
        event = TransferEvent(
            phase=phase,
            transfer_id=self.id,
            route=self.route,
            attempt=self.request.attempt,
            at=asyncio.get_running_loop().time() - self.began,
            outcome=outcome,
            status=status,
            detail=masked_text(detail),
        )
        self.events.append(event)
        level = logging.WARNING if phase in _WORTH_A_WARNING else logging.INFO
        logger.log(level, "%s", _line(event))
        try:
            self.listener(event)
        except Exception:
            # The author's hook must not be able to end a transfer that a caller waits for.
            logger.exception("on_transfer_event raised on %r", phase.value)


_WORTH_A_WARNING = frozenset({Phase.CONTRADICTED, Phase.NOT_TOLD, Phase.HELD_BACK})


def _line(event: TransferEvent) -> str:
    parts = [f"transfer {event.transfer_id} to {event.route}: {event.phase}"]
    if event.outcome is not None:
        parts.append(f"outcome={event.outcome}")
    if event.status is not None:
        parts.append(f"status={event.status}")
    parts.append(f"after {event.at:.2f} s")
    return " ".join(parts) + (f" ({event.detail})" if event.detail else "")


class _TransferCall(CallWrapper):
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
        await self._transfer.turn.sentence_heard(timeout=timeout)
        self.report(Phase.SENTENCE_HEARD)

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        self._transfer.forwarded = True
        self.report(Phase.FORWARDING)
        return await super().forward(destination, timeout=timeout, play_dialtone=play_dialtone)


class Transfers:
    """The transfers of one call, whichever agents take part in it."""

    _of_session: ClassVar["WeakKeyDictionary[Any, Transfers]"] = WeakKeyDictionary()

    @classmethod
    def of(cls, session: Any) -> "Transfers":
        """The transfers of the call that `session` is; the same for every agent of the session."""
        if session not in cls._of_session:
            cls._of_session[session] = cls()
        return cls._of_session[session]

    def __init__(self) -> None:
        self._calls: dict[Platform, Call] = {}
        self._attempts = 0
        self._current: Transfer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Future[None] | None = None
        self._handed_over = False

    @property
    def closed(self) -> bool:
        """Whether the call is over, or the caller has been connected elsewhere."""
        return self._closing is not None or self._handed_over

    @property
    def current(self) -> Transfer | None:
        """The transfer under way."""
        return self._current

    def call(self, platform: Platform, session: Any) -> Call:
        """The live call on `platform`, followed from now on.

        Raises:
            NoLiveCall: the session is over, or has no room that a phone could be in.
        """
        if platform not in self._calls:
            call = platform.call_of(session)
            if not self._calls:
                call.before_close(self.close)
            self._calls[platform] = call
        return self._calls[platform]

    def start(
        self,
        call: Call,
        *,
        route: str,
        strategy: TransferStrategy,
        reason: str,
        wording: Wording,
        listener: EventListener,
        after_tool: bool,
    ) -> Transfer | None:
        """Starts a transfer and returns it at once; None when one is already under way.

        One that was started on words the caller had not finished is replaced.

        Raises:
            CallOver: the caller has hung up.
            NoLiveCall: nobody on a phone has been on this call.
        """
        if self._current is not None:
            if self._current.turn.confirmed:
                return None
            self._current.end(Outcome.CANCELLED, "replaced before the caller had finished speaking")
        if call.caller is Presence.NEVER:
            raise NoLiveCall("this is not a phone call")
        if call.caller is Presence.GONE:
            raise CallOver("the caller has hung up")
        self._attempts += 1
        transfer = Transfer(
            request=TransferRequest(route=route, reason=reason, attempt=self._attempts),
            strategy=strategy,
            wording=wording,
            turn=call.turn(after_tool=after_tool),
            listener=listener,
        )
        self._current = transfer
        call.listener = transfer.record
        # The one place where a task is made: this set owns it, and close() awaits it.
        task = asyncio.create_task(self._run(transfer, call), name=f"transfer {transfer.id} to {route}")
        transfer.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return transfer

    def withdraw(self) -> Transfer | None:
        """Takes the current transfer back; returns it, or None when there is none that still can be."""
        transfer = self._current
        if transfer is None or transfer.forwarded:
            return None
        self._current = None
        transfer.end(Outcome.CALLER_RETURNED, "withdrawn")
        return transfer

    async def close(self) -> None:
        """Ends what is under way, as it stands, and lets go of the call.

        A call that has been forwarded gets `SETTLE_TIMEOUT` for its end to become known.
        """
        if self._closing is not None:
            await asyncio.wait([self._closing], timeout=2 * SETTLE_TIMEOUT)
            return
        self._closing = asyncio.get_running_loop().create_future()
        try:
            await self._close()
        finally:
            self._closing.set_result(None)

    async def _close(self) -> None:
        transfer = self._current
        if transfer is not None and transfer.forwarded:
            await asyncio.wait([transfer.result], timeout=SETTLE_TIMEOUT)
        if transfer is not None:
            transfer.end(Outcome.CANCELLED, _CLOSED)
        for task in self._tasks:
            if transfer is None or task is not transfer.task:
                task.cancel()  # somebody is still being told how an earlier one ended
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SETTLE_TIMEOUT)
        for task in self._tasks:
            logger.error("%s does not end although it is cancelled", task.get_name())
            task.cancel()
        if transfer is not None:
            transfer.finish(TransferResult(outcome=Outcome.CANCELLED, detail=_CLOSED))
        for call in self._calls.values():
            await call.close()
        self._calls.clear()

    async def _run(self, transfer: Transfer, call: Call) -> None:
        transfer.record(Phase.STARTED)
        try:
            result = await self._outcome(transfer, call)
        except asyncio.CancelledError:
            transfer.finish(TransferResult(outcome=Outcome.CANCELLED, detail=_CLOSED))
            raise
        except Exception as error:
            # A bug of ours must not leave a caller waiting, and whoever waits for the result, for ever.
            logger.error(  # noqa: TRY400 # no traceback, as below
                "transfer %s: %s: %s", transfer.id, type(error).__name__, masked_text(str(error))
            )
            result = TransferResult(outcome=Outcome.FAILED, detail=f"calltransfer raised {type(error).__name__}")
        finally:
            if self._current is transfer:
                self._current = None
        result = attrs.evolve(
            result,
            leg_id=result.leg_id or call.leg_id,
            room_id=result.room_id or call.room_id,
            detail=masked_text(result.detail),
        )
        if result.connected:
            self._handed_over = True
            transfer.finish(result)
            await call.handed_over()
            return
        transfer.finish(result)
        if result.outcome not in _SAID_NOTHING_FOR and call.caller is Presence.HERE:
            await self._tell(transfer, call, result)

    async def _outcome(self, transfer: Transfer, call: Call) -> TransferResult:
        async with asyncio.TaskGroup() as group:
            attempt = group.create_task(self._attempt(transfer, call))
            transfer.attempt = attempt
            if transfer.ended_from_outside is not None:
                attempt.cancel()
            hang_up = group.create_task(self._watch_for_hang_up(transfer, call))
            await asyncio.wait([attempt])
            hang_up.cancel()
        if transfer.ended_from_outside is not None and attempt.cancelled():
            return transfer.ended_from_outside
        if attempt.cancelled():
            return TransferResult(
                outcome=Outcome.FAILED,
                detail=f"{type(transfer.strategy).__name__} ended by cancelling itself",
            )
        return attempt.result()

    async def _attempt(self, transfer: Transfer, call: Call) -> TransferResult:
        if not transfer.turn.confirmed:
            if not await transfer.turn.confirmation():
                return TransferResult(outcome=Outcome.CANCELLED, detail="the caller said something else in the end")
            transfer.record(Phase.CONFIRMED)
        name = type(transfer.strategy).__name__
        try:
            async with asyncio.timeout(STRATEGY_TIMEOUT):
                result = await transfer.strategy.transfer(_TransferCall(call, transfer), transfer.request)
        except TimeoutError:
            logger.exception("%s timed out", name)
            return TransferResult(outcome=Outcome.FAILED, detail=f"{name} timed out")
        except Exception as error:
            # Whatever is wrong with a strategy, the caller is with the agent and is spoken to. No traceback: it would
            # show what the message may contain, unmasked.
            logger.error(  # noqa: TRY400
                "%s raised %s: %s", name, type(error).__name__, masked_text(str(error))
            )
            return TransferResult(outcome=Outcome.FAILED, detail=f"{name} raised {type(error).__name__}")
        if not isinstance(result, TransferResult):
            return TransferResult(
                outcome=Outcome.FAILED,
                detail=f"{name} returned {type(result).__name__} instead of a TransferResult",
            )
        return result

    async def _watch_for_hang_up(self, transfer: Transfer, call: Call) -> None:
        await call.caller_left()
        # A call that has been forwarded is followed to its end by who forwarded it: leaving may be its success.
        if not transfer.forwarded:
            transfer.end(Outcome.CALLER_LEFT, "the caller hung up")

    async def _tell(self, transfer: Transfer, call: Call, result: TransferResult) -> None:
        wording = transfer.wording
        sentence = wording.sentences.get(result.outcome)
        if sentence is not None:
            told = await call.say(sentence)
        else:
            told = await call.tell_model(
                wording.not_connected.format(route=transfer.route, reason=wording.reason(result.outcome))
            ) or await call.say(wording.apology)
        transfer.record(Phase.TOLD if told else Phase.NOT_TOLD)
