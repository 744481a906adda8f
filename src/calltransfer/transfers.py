"""Runs the transfers of one call, one at a time: start, watch, restore, report.

A transfer is a task that the call owns: not the tool, which the SDK cancels when the caller talks, and not the agent,
which the SDK can swap in the middle of a call. Its life:

    started ─ confirmed ─ prepared ─ sentence heard ─ forwarding ─ ringing ─ finished ─ told
                 │            │             │     └── on hold ─ answered ─ decided ─ connecting ─ finished ─ told
                 └────────────┴─────────────┴────────────┴──────────┴── withdrawn, replaced, returned by key,
                                                                        caller left, session closed

Up to `forwarding` or `connecting` it can be withdrawn; after that it can only be followed to its end.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from calltransfer.call import SENTENCE_TIMEOUT, Presence, TransferRequest, TransferStrategy
from calltransfer.errors import CallOver, NoLiveCall
from calltransfer.events import Phase, TransferEvent, TransferResult
from calltransfer.hook import logged, uncancelled
from calltransfer.masking import one_line
from calltransfer.outcome import Outcome
from calltransfer.platform import Platform, PlatformCall, Turn
from calltransfer.policy import Policy
from calltransfer.strategy_run import StrategyRun
from calltransfer.timeline import EventListener, Timeline, described
from calltransfer.transfer import Dials, ResultListener, Transfer
from calltransfer.wording import Wording

logger = logging.getLogger("calltransfer")

CLOSE_TIMEOUT = 4.0
"""Seconds that a closing session waits for the end of a call that has been forwarded, or is being connected."""

CLOSE_DEADLINE = 14.5
"""Seconds for all of a closing: the caller told, the target told and released, everything let go of.

`JobContext.shutdown()` gives each of its callbacks 15 s, and goes on to the session's own close then.
"""

_LET_GO = 1.0
"""Seconds of these that are kept for letting go of the call."""

_SAID_NOTHING_FOR = frozenset(
    {
        Outcome.CONNECTED,
        Outcome.CALLER_LEFT,
        Outcome.UNCONFIRMED,
        Outcome.CANCELLED,
    }
)
"""Ends after which nobody has to be told: the caller is gone, or with somebody."""

_CLOSED = "the agent's session closed"
_ON_SESSION = "_calltransfer_transfers"


class Transfers:
    """The transfers of one call, whichever agents take part in it.

    Attributes:
        listeners: Told of every event of every transfer, before the author's agent is; they must not raise.
    """

    @classmethod
    def of(cls, session: Any) -> "Transfers":
        """The transfers of the call that `session` is; the same for every agent of the session."""
        # Kept on the session: in a table of weak keys it would never die, because what it has closed leads back to it.
        known: Transfers | None = vars(session).get(_ON_SESSION)
        if known is None:
            known = vars(session)[_ON_SESSION] = cls()
        return known

    def __init__(self) -> None:
        self.listeners: list[EventListener] = []
        self._calls: list[tuple[Platform, PlatformCall]] = []
        self._started = 0
        self._attempts: list[float] = []
        self._dials = Dials()
        self._current: Transfer | None = None
        self._tasks: dict[asyncio.Task[None], Transfer] = {}
        self._closing: asyncio.Task[None] | None = None
        self._handed_over = False
        self._warned: set[str] = set()
        self._noticed: set[str] = set()

    @property
    def closed(self) -> bool:
        """Whether the call is over, or the caller has been connected elsewhere."""
        return self._closing is not None or self._handed_over

    @property
    def current(self) -> Transfer | None:
        """The transfer under way."""
        return self._current

    def call(self, platform: Platform, session: Any) -> PlatformCall:
        """The live call on `platform`, followed from now on; the same for platforms that are equal.

        Raises:
            CallOver: the session is over.
            NoLiveCall: the session has no room that a phone could be in.
        """
        if self._closing is not None:
            raise CallOver("the call is over")
        for known, call in self._calls:
            if known is platform or known == platform:
                return call
        call = platform.call_of(session)
        if not self._calls:
            call.before_close(self.close)
        self._calls.append((platform, call))
        return call

    def start(
        self,
        call: PlatformCall,
        *,
        route: str,
        strategy: TransferStrategy,
        reason: str,
        wording: Wording,
        listener: EventListener,
        on_result: ResultListener | None = None,
        after_tool: bool,
        tell_model: bool = True,
        policy: Policy | None = None,
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
            raise NoLiveCall("this is not a phone call: nobody in the room has come by SIP")
        if call.caller is Presence.GONE:
            raise CallOver("the caller has hung up")
        self._started += 1
        transfer = Transfer(
            request=TransferRequest(route=route, reason=reason, attempt=self._started),
            call=call,
            strategy=strategy,
            wording=wording,
            turn=call.turn(after_tool=after_tool),
            timeline=Timeline(
                route=route, attempt=self._started, listener=self._telling(listener), warned=self._warned
            ),
            on_result=on_result or _nobody,
            tell_model=tell_model,
            policy=policy or Policy(),
            attempts=self._attempts,
            dials=self._dials,
        )
        self._current = transfer
        call.listener = transfer.progress
        call.hears_again = lambda: self._hears_again(transfer, call)
        self._own(self._run(transfer, call), transfer)
        return transfer

    def _telling(self, listener: EventListener) -> EventListener:
        def tell(event: TransferEvent) -> None:
            for each in [*self.listeners, listener]:
                each(event)

        return tell

    def refused(self, kind: str, why: str, *, route: str = "") -> None:
        """Warns in the log of a transfer that the model asked for and did not get.

        Once for each kind and route on a call: a model may ask again and again.
        """
        self.noticed(f"{kind} {route}", f"transfer_call{f' to {route}' if route else ''} is refused: {one_line(why)}")

    def noticed(self, kind: str, what: str) -> None:
        """Warns in the log of something about this call, once for each kind.

        Args:
            kind: What is to be said once.
            what: What is said, with nothing private in it.
        """
        if kind not in self._noticed:
            self._noticed.add(kind)
            logger.warning("%s", what)

    def used_up(self, policy: Policy) -> str | None:
        """Which limit of `policy` another attempt would break; None: it may be made, or one is under way."""
        if self._current is not None and self._current.turn.confirmed:
            return None
        limit = policy.used_up(self._attempts, asyncio.get_running_loop().time())
        return limit or policy.dials_used_up(self._dials.made)

    def withdraw(self, call: PlatformCall) -> Transfer | None:
        """Takes the current transfer back; returns it, or None when there is none that still can be.

        Where the caller may not have finished the words that ask for it, it waits until they have, and the transfer
        waits with it.
        """
        transfer = self._current
        if transfer is None or transfer.forwarded:
            return None
        turn = call.turn(after_tool=True)
        if turn.confirmed:
            self._take_back(transfer)
        else:
            doubt = self._own(self._withdraw_if_confirmed(transfer, turn), transfer)
            transfer.doubts.add(doubt)
            doubt.add_done_callback(transfer.doubts.discard)
        return transfer

    async def close(self) -> None:
        """Ends what is under way, tells the caller, and lets go of the call; within `CLOSE_DEADLINE` seconds.

        Whoever calls it waits for the one end. A call that has been forwarded, or is being connected, gets
        `CLOSE_TIMEOUT` for its end to become known.
        """
        if self._closing is None:
            # Owned by this object, and awaited by whoever closes: a closing that is cut short must not stay half done.
            self._closing = asyncio.create_task(self._close(), name="closing the call's transfers")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        now = asyncio.get_running_loop().time
        give_up_at = now() + CLOSE_DEADLINE
        transfer = self._current
        if transfer is not None and transfer.forwarded:
            await asyncio.wait([transfer.result], timeout=CLOSE_TIMEOUT)
        for _, call in self._calls:
            call.hurry()
        connected = [its.result for its in self._tasks.values() if its.settled is not None and its.settled.connected]
        if connected:  # who else was called for it is still being released
            await asyncio.wait(connected, timeout=give_up_at - _LET_GO - now())
        if transfer is not None:
            transfer.end(Outcome.CANCELLED, _CLOSED)
        known = [*self._tasks.values(), *([transfer] if transfer is not None else [])]
        for task, its in list(self._tasks.items()):
            talk = its.settled is not None and its.settled.connected
            if (talk or its.result.done()) and its.parting is None:
                task.cancel()
            if its.telling is not None and not its.telling.done() and its.parting is None:
                its.telling.cancel()  # the agent will not be there to help them any further, as they would be told
                its.parting = self._own(self._take_leave(its), its)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=give_up_at - _LET_GO - now())
        for task in self._tasks:
            logger.error("%s does not end although it is cancelled", task.get_name())
            task.cancel()
        for each in known:
            each.finish(each.settled or TransferResult(outcome=Outcome.CANCELLED, detail=_CLOSED))
        for _, call in self._calls:
            try:
                async with asyncio.timeout_at(give_up_at):
                    await call.close()
            except Exception as error:
                # The session's own close comes after this, and must come.
                logger.error("the call did not close: %s", described(error))  # noqa: TRY400
        self._calls.clear()

    def _own(self, work: Any, transfer: Transfer) -> "asyncio.Task[None]":
        """Makes a task of `work`. This object owns it: close() ends and awaits it."""
        task: asyncio.Task[None] = asyncio.create_task(
            work, name=f"transfer {transfer.timeline.transfer_id} to {transfer.route}"
        )
        self._tasks[task] = transfer
        task.add_done_callback(self._tasks.pop)
        task.add_done_callback(logged)
        return task

    def _take_back(self, transfer: Transfer) -> None:
        if self._current is transfer:
            self._current = None
        transfer.tell_model = False  # which has brought it about
        transfer.end(Outcome.CALLER_RETURNED, "withdrawn")

    async def _withdraw_if_confirmed(self, transfer: Transfer, turn: Turn) -> None:
        if await turn.confirmation() and not transfer.forwarded:
            self._take_back(transfer)

    async def _run(self, transfer: Transfer, call: PlatformCall) -> None:
        transfer.timeline.record(Phase.STARTED)
        try:
            result = await uncancelled(StrategyRun(transfer, call).result())
        except asyncio.CancelledError:
            transfer.finish(TransferResult(outcome=Outcome.CANCELLED, detail=_CLOSED))
            raise
        except Exception as error:
            # A bug of ours must not leave a caller waiting, and whoever waits for the result, for ever.
            logger.error("transfer %s: %s", transfer.timeline.transfer_id, described(error))  # noqa: TRY400
            result = TransferResult(outcome=Outcome.FAILED, detail=f"calltransfer raised {type(error).__name__}")
        finally:
            if self._current is transfer:
                self._current = None
        self._handed_over = self._handed_over or result.connected
        result = attrs.evolve(result, leg_id=result.leg_id or call.leg_id, room_id=result.room_id or call.room_id)
        transfer.settled = result
        try:
            await uncancelled(
                (self._stay_connected if result.connected else self._stay_with_agent)(transfer, call, result)
            )
        except Exception as error:
            # Whatever is wrong with a call of somebody else's: who waits for the result gets it.
            logger.error("transfer %s: %s", transfer.timeline.transfer_id, described(error))  # noqa: TRY400
            transfer.finish(result)

    async def _stay_connected(self, transfer: Transfer, call: PlatformCall, result: TransferResult) -> None:
        """Sees to a caller who has been connected: also when they come back."""
        if self._closing is not None:
            await self._finish(transfer, call, result)
            return  # closing the call lets go of them
        async with asyncio.TaskGroup() as group:
            # They talk already; who else was called for it is released beside that.
            group.create_task(self._finish(transfer, call, result))
            await asyncio.sleep(0)
            returned = await call.handed_over()
        if returned is None:
            return
        self._handed_over = transfer.forwarded = False
        if self._closing is not None:
            await self._take_leave(transfer)
            return
        # Who was connected for seconds is told so; who never was, that it did not happen. Whoever awaited the transfer was
        # told "connected", and does not say it: the agent does, whatever `tell_model` is.
        news = transfer.wording.not_lasting.format(route=transfer.route) if returned is Outcome.TARGET_LEFT else ""
        async with asyncio.TaskGroup() as group:
            transfer.telling = group.create_task(self._tell(transfer, call, returned, news))

    async def _stay_with_agent(self, transfer: Transfer, call: PlatformCall, result: TransferResult) -> None:
        """Sees to a caller who has not been connected."""
        async with asyncio.TaskGroup() as group:
            # The caller is spoken to at once; what was dialled is ended beside it, and reported ended with the result.
            if self._closing is not None:
                transfer.parting = group.create_task(self._take_leave(transfer))
            elif result.outcome not in _SAID_NOTHING_FOR and call.caller is Presence.HERE:
                if result.told:
                    transfer.telling = group.create_task(self._go_on(transfer, call, result.outcome))
                elif transfer.tell_model:
                    transfer.telling = group.create_task(self._tell(transfer, call, result.outcome))
            elif result.told:
                transfer.timeline.record(Phase.TOLD)
            await call.released()
            transfer.finish(result)

    def _hears_again(self, transfer: Transfer, call: PlatformCall) -> None:
        """What had been given up came between, perhaps in the middle of a sentence: they are told once more."""
        result = transfer.settled
        if result is not None and not result.connected and self._is_with_agent(call):
            self._own(self._tell_again(transfer, call, result), transfer)

    def _is_with_agent(self, call: PlatformCall) -> bool:
        """Whether the caller is with the agent, and no other transfer is to end in what they are told."""
        over = self._closing is not None or self._handed_over
        return self._current is None and not over and call.caller is Presence.HERE

    async def _tell_again(self, transfer: Transfer, call: PlatformCall, result: TransferResult) -> None:
        if transfer.telling is not None:
            await asyncio.wait([transfer.telling])
        await call.sentence_heard(timeout=SENTENCE_TIMEOUT)  # the turn under way may ask for another transfer
        if not self._is_with_agent(call):
            return
        contradicted = any(event.phase is Phase.CONTRADICTED for event in transfer.timeline.events)
        if result.told and not contradicted:  # by the strategy, as that their message is passed on
            await self._go_on(transfer, call, result.outcome)
            return
        # Where a forward came true late, that they are with the agent is news again.
        outcome = Outcome.FAILED if result.outcome in _SAID_NOTHING_FOR else result.outcome
        await self._tell(transfer, call, outcome)

    async def _finish(self, transfer: Transfer, call: PlatformCall, result: TransferResult) -> None:
        await call.released()
        transfer.finish(result)

    async def _tell(self, transfer: Transfer, call: PlatformCall, outcome: Outcome, news: str = "") -> None:
        """Tells the caller how it ended: `news`, by default that they were not connected, or the author's own sentence."""
        told = await self._said(transfer, self._tell_news(transfer, call, outcome, news), transfer.wording.apology)
        transfer.timeline.record(Phase.TOLD if told else Phase.NOT_TOLD)

    async def _tell_news(self, transfer: Transfer, call: PlatformCall, outcome: Outcome, news: str) -> bool:
        if not transfer.waited_for_sentence:
            # It ended before the agent had said that it was beginning; the bad news comes after that.
            await transfer.turn.sentence_heard(timeout=SENTENCE_TIMEOUT)
        wording = transfer.wording
        sentence = wording.sentences.get(outcome)
        if sentence is not None:
            return await call.say(sentence)
        news = news or wording.not_connected.format(route=transfer.route, reason=wording.reason(outcome))
        return await call.tell_model(news) or await call.say(wording.apology)

    async def _go_on(self, transfer: Transfer, call: PlatformCall, outcome: Outcome) -> None:
        """The caller knows how it ended, and has nothing to answer to: they would wait for the agent, who waits for them."""
        transfer.timeline.record(Phase.TOLD)
        if transfer.tell_model:
            await self._said(transfer, self._ask_what_else(transfer, call, outcome), transfer.wording.going_on)

    async def _ask_what_else(self, transfer: Transfer, call: PlatformCall, outcome: Outcome) -> bool:
        wording = transfer.wording
        sentence = wording.sentences.get(outcome)
        if sentence is not None:
            return await call.say(sentence)
        news = wording.already_told.format(route=transfer.route, reason=wording.reason(outcome))
        return await call.tell_model(news) or (call.caller is Presence.HERE and await call.say(wording.going_on))

    async def _said(self, transfer: Transfer, words: Awaitable[bool], otherwise: str) -> bool:
        """Whether the caller has heard `words`, or, where those raise, `otherwise`."""
        attempts: list[Callable[[], Awaitable[bool]]] = [lambda: words, lambda: transfer.call.say(otherwise)]
        for attempt in attempts:
            try:
                return await uncancelled(attempt())
            except Exception as error:
                # Nobody may be left in silence for it, and what it says may be private.
                logger.error(  # noqa: TRY400
                    "transfer %s: telling the caller raised %s", transfer.timeline.transfer_id, described(error)
                )
        return False

    async def _take_leave(self, transfer: Transfer) -> None:
        """Tells a caller who was to be connected that the agent leaves: without a word they would wait on."""
        wording, call = transfer.wording, transfer.call
        result = transfer.settled
        sentence = wording.closing_forwarded if transfer.forwarded else wording.closing
        if result is not None and result.outcome is Outcome.MESSAGE_TAKEN:
            sentence = "" if result.told else wording.closing_message
        if sentence and transfer.turn.confirmed and call.caller is Presence.HERE:
            told = await call.take_leave(sentence)
            if result is None or not result.told or transfer.telling is None:  # else that is known already
                transfer.timeline.record(Phase.TOLD if told else Phase.NOT_TOLD)


def _nobody(_result: TransferResult) -> None:
    return
