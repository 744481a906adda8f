"""One transfer under way."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import attrs
from typing_extensions import Unpack

from calltransfer.call import TransferRequest, TransferStrategy
from calltransfer.destination import Destination
from calltransfer.errors import CallOver, NotAllowed
from calltransfer.events import Phase, TransferResult
from calltransfer.masking import one_line
from calltransfer.outcome import Outcome
from calltransfer.phases import STEPS
from calltransfer.platform import PlatformCall, Turn
from calltransfer.policy import Policy
from calltransfer.timeline import Known, Timeline, described
from calltransfer.under_way import UnderWay
from calltransfer.wording import Wording

logger = logging.getLogger("calltransfer")

ResultListener = Callable[[TransferResult], None]

STRATEGY_TIMEOUT = 360.0
"""Seconds after which a strategy is taken for hung: the longest warm transfer, and a minute for what is around it. While a
call is being forwarded or connected they do not count, and they begin anew when that was in vain, when a message is taken,
and when a strategy has somebody else move the caller."""

LAST_TIMEOUT = 3.0
"""Seconds for a strategy to end once the caller has been connected: the agent watches over the two only when it has, and a
session that everybody has left closes after five."""

_NO_WAY_BACK = {
    Phase.FORWARDING: True,
    Phase.CONNECTING: True,
    Phase.ROLLED_BACK: False,
}
"""Phases from which on a transfer cannot be taken back, and those from which on it can be again."""


LINE_TIMEOUT = 30.0
"""Seconds that a dial waits for one of our last calls to end, where `Policy.dials_at_once` leaves it no other: a message for
a voicemail takes up to 23 s, a last sentence 8 s. Then it is refused."""


@attrs.define(eq=False)
class Dials:
    """The phones that one call has made ring.

    Attributes:
        made: How many in all; those that are about to be dialled included.
        open: How many a strategy has open now.
        ending: How many are being released: told a last sentence, and ended.
        change: Set when one of them is over.
    """

    made: int = 0
    open: int = 0
    ending: int = 0
    change: asyncio.Event = attrs.field(factory=asyncio.Event)


@attrs.define(eq=False)
class Dial:
    """One of them, counted from before it is dialled until its leg is over."""

    _dials: Dials
    _ending: bool = False
    _over: bool = False

    def __attrs_post_init__(self) -> None:
        self._dials.made += 1
        self._dials.open += 1

    def ends(self) -> None:
        """Its strategy has let go of it; its leg may not be over yet."""
        if not (self._ending or self._over):
            self._ending = True
            self._dials.open -= 1
            self._dials.ending += 1

    def is_over(self, dialled: bool) -> None:
        """Its leg is over, or there has been none: where the platform was not asked, it does not count."""
        if self._over:
            return
        self.ends()
        self._over = True
        self._dials.ending -= 1
        self._dials.made -= not dialled
        self._dials.change.set()


@attrs.define(eq=False)
class Transfer:
    """One transfer under way. `result` never raises for how a transfer ended."""

    request: TransferRequest
    call: PlatformCall
    strategy: TransferStrategy
    wording: Wording
    turn: Turn
    timeline: Timeline
    on_result: ResultListener
    tell_model: bool
    policy: Policy
    attempts: list[float]
    dials: Dials
    tried: bool = False
    attempted: list[TransferResult] = attrs.field(factory=list, repr=False)
    result: asyncio.Future[TransferResult] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())
    attempt: asyncio.Task[TransferResult] | None = None
    deadline: asyncio.Timeout | None = None
    waited_for_sentence: bool = False
    forwarded: bool = False
    revocable: asyncio.Event = attrs.field(factory=asyncio.Event)
    telling: asyncio.Task[None] | None = None
    parting: asyncio.Task[None] | None = None
    doubts: set[asyncio.Task[None]] = attrs.field(factory=set)
    ended_from_outside: TransferResult | None = None
    asked_to_end: asyncio.Event = attrs.field(factory=asyncio.Event)
    over: bool = False
    connecting: UnderWay | None = None
    moved_by_others: bool = False
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
            self.asked_to_end.set()
            if self.attempt is not None:
                self.attempt.cancel()

    def progress(
        self,
        phase: Phase,
        detail: str = "",
        status: str | None = None,
        **known: Unpack[Known],
    ) -> None:
        """Something has happened to the call, or is about to.

        Raises:
            CallOver: the call is about to be forwarded or connected, and the transfer has ended; or it is about to be
                forwarded, and the transfer has been told to end.
        """
        if phase is Phase.FORWARDING:
            self._not_ending()  # it has waited, perhaps in a task that nobody has cancelled
        if phase is Phase.CONNECTING:
            self.still_runs()
        if phase in _NO_WAY_BACK:
            self.can_be_taken_back(not _NO_WAY_BACK[phase])
        if self.result.done() and not STEPS[phase].late:
            logger.warning("transfer %s: %s came when its outcome was known", self.timeline.transfer_id, phase)
            return
        self.timeline.record(phase, detail, status, **known)

    def can_be_taken_back(self, possible: bool) -> None:
        """Whether it still can be. While it cannot, the strategy has the deadlines of what it waits for."""
        self.forwarded = not possible
        if possible:
            self.revocable.set()
        else:
            self.revocable.clear()
        self._takes(STRATEGY_TIMEOUT if possible else None)

    @property
    def is_moving(self) -> bool:
        """Whether the caller is being forwarded or connected now: asked for, and its end not known yet."""
        return self.connecting is not None and self.forwarded

    @contextmanager
    def connects(self, what: str) -> Iterator[None]:
        """The block forwards or connects the caller, or brings back one whom somebody else has moved."""
        if self.connecting is not None:  # something else is, and is followed to its end
            yield
            return
        self.connecting = UnderWay(what)
        try:
            with self.connecting:
                yield
        finally:
            self.connecting = None

    def is_moved_by_others(self) -> None:
        """A strategy has the caller moved by other means, which have deadlines of its own, as far as it has any."""
        self._takes(STRATEGY_TIMEOUT)

    def takes_a_message(self) -> None:
        """The caller is listened to, which has deadlines of its own: a long message is no strategy that hangs."""
        if not self.forwarded:
            self._takes(STRATEGY_TIMEOUT)

    def _takes(self, seconds: float | None) -> None:
        """Gives the strategy so many seconds from now on; None: as long as it takes."""
        if self.deadline is not None and not self.deadline.expired():  # None: nothing hangs that has ended
            now = asyncio.get_running_loop().time()
            self.deadline.reschedule(now + seconds if seconds is not None else None)

    async def until_it_can_be_taken_back(self) -> None:
        """Waits for the end of a forward or a connection that is under way."""
        while self.forwarded:
            await self.revocable.wait()

    def still_runs(self) -> None:
        """Whether a strategy may do anything yet.

        Raises:
            CallOver: its transfer has ended.
        """
        if self.over:
            raise CallOver("the transfer is over")

    def _not_ending(self) -> None:
        self.still_runs()
        if self.ended_from_outside is not None:
            raise CallOver("the transfer is being ended")

    async def reaching(self, destination: Destination | None) -> Dial:
        """Somebody is about to be dialled, or the caller forwarded or moved: counts the phone, and once the transfer.

        Where as many are called as may be at a time, and one of them is being released, waits for its end.

        Args:
            destination: Where to; None: that is not known.

        Raises:
            NotAllowed: the policy does not allow it.
            CallOver: the transfer has ended, or has been told to.
        """
        self._not_ending()
        problem = self.policy.problem(destination) if destination is not None else None
        if problem is not None:
            raise NotAllowed(f"the destination is not allowed: {problem}")
        dials = self.dials
        with suppress(TimeoutError):
            async with asyncio.timeout(LINE_TIMEOUT):
                while dials.open < self.policy.dials_at_once <= dials.open + dials.ending:
                    dials.change.clear()
                    await dials.change.wait()
        self._not_ending()
        now = asyncio.get_running_loop().time()
        limit = None if self.tried else self.policy.used_up(self.attempts, now)
        limit = limit or self.policy.dials_used_up(dials.made, dials.open + dials.ending)
        if limit is not None:
            raise NotAllowed(f"the policy allows {limit}")
        if not self.tried:
            self.tried = True
            self.attempts.append(now)
        return Dial(dials)

    def proved(self, result: TransferResult) -> None:
        """The platform has shown how connecting them ended: nothing that comes after undoes a connection."""
        self.proven = result if result.connected else None
        if result.connected:
            self._takes(LAST_TIMEOUT)

    def connected_late(self, result: TransferResult) -> None:
        """A forward of this transfer that had been given up has connected the caller: so has what a plan tried with it."""
        self.proved(result)
        for place, tried in enumerate(self.attempted):
            if tried.destination == result.destination:
                self.attempted[place] = attrs.evolve(
                    tried, outcome=result.outcome, detail=result.detail, status=result.status, target_untouched=False
                )
                return

    def note(self, result: TransferResult) -> None:
        """One of the things that a plan tries has ended."""
        if not self.over:
            noted = self.timeline.record(
                Phase.ATTEMPTED,
                result.detail,
                result.status,
                outcome=result.outcome,
                destination=result.destination,
            )
            self.attempted.append(attrs.evolve(result, detail=one_line(result.detail), status=noted.status))

    def finish(self, result: TransferResult) -> None:
        """Makes the outcome known, once: in the timeline, to listeners, and to whoever waits for `result`."""
        if self.result.done():
            return
        result = self.proven or result
        finished = self.timeline.record(
            Phase.FINISHED, result.detail, result.status, outcome=result.outcome, destination=result.destination
        )
        final = attrs.evolve(
            result,
            route=self.route,
            transfer_id=self.timeline.transfer_id,
            detail=finished.detail,
            status=finished.status,
            attempts=tuple(self.attempted),
            timeline=tuple(self.timeline.events),
        )
        self.result.set_result(final)
        try:
            self.on_result(final)
        except Exception as error:
            # As with events: the author's hook must not be able to break off what comes after a transfer.
            logger.error("on_transfer_finished raised: %s", described(error))  # noqa: TRY400
