"""Looks at the network during a call, and holds the call to the invariants.

Who is in which room, which legs are open, what was heard: nothing that calltransfer, a strategy or an agent says of
itself is believed. What is reported is compared with what the network shows at that moment.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

import attrs

from calltransfer.briefing import Briefing
from calltransfer.claims import MOVED_TIMEOUT, PROOF_TIMEOUT
from calltransfer.events import Phase, TransferEvent
from calltransfer.masking import masked_address
from calltransfer.outcome import Outcome
from calltransfer.phases import out_of_order
from calltransfer.sandbox import Caller, HangsUp, Sandbox, Target
from calltransfer.strategy_run import END_TIMEOUT, END_TIMEOUT_ALONE
from calltransfer.testing.consent import said_yes
from calltransfer.testing.left import tasks_left
from calltransfer.testing.overheard import FADES, is_of, longest_music
from calltransfer.transfer import STRATEGY_TIMEOUT
from calltransfer.transfer_call import MOVE_TIMEOUT
from calltransfer.videosdk import ending
from calltransfer.videosdk.consultation import LONGEST_FAREWELL

INVARIANTS: Final = (
    "never stranded",
    "no orphan leg",
    "truth",
    "consent",
    "leg isolation",
    "caller first",
    "bounded",
    "clean",
    "never silent on hold",
    "private",
)
"""What must always hold, by name; each is explained in the documentation. "live loop" is not among them: on
fast-forwarded time it cannot be seen."""

ALONE = 2.5
"""Seconds that a caller may be alone, besides the platform's own time: two, and what looking now and then adds."""

ALONE_WHILE_THE_PLATFORM_FAILS = 60.0
"""Seconds that they may be while the platform refuses what would bring them back: four tries, then their call ends."""

SILENT = 1.0
"""Seconds without sound that a caller on hold may hear."""

BOUND = (
    STRATEGY_TIMEOUT
    + END_TIMEOUT_ALONE
    + END_TIMEOUT
    + MOVE_TIMEOUT
    + MOVED_TIMEOUT
    + PROOF_TIMEOUT
    + LONGEST_FAREWELL
    + ending.END_TIMEOUT
)
"""Seconds within which a transfer has an end: for a strategy to be taken for hung, and for everything that may come after
that. With a forward, a connection or a message that was in vain they begin anew."""

GONE = 20.0
"""Seconds after a caller's hang-up, on a platform that works, within which nobody is dialled or on a line for them."""

TOLD_WITHIN = 100.0
"""Seconds within which a caller who stays is told how a transfer ended, however often they break into it."""

FAULTS_LINGER = 20.0
"""Seconds after a fault in which what it has delayed may still be under way."""

BAD_NEWS = frozenset(Outcome) - {
    Outcome.CONNECTED,
    Outcome.MESSAGE_TAKEN,
    Outcome.CALLER_LEFT,
    Outcome.UNCONFIRMED,
    Outcome.CANCELLED,
}
"""Ends that a caller who is still there is told."""

_NO_HOLD_ANY_MORE = frozenset({Phase.OFF_HOLD, Phase.DICTATING, Phase.CONNECTING, Phase.FINISHED})
"""From here on the caller hears no hold: who dictates a message is listened to in silence."""

_AWAITED = 20.0
_NOT_A_PHONE = frozenset({"agent", "nobody", "hung up"})
_ENDS_OF_A_MOVE = frozenset({"switch-room-completed", "switch-room-failed"})


@attrs.define
class Transferred:
    """One transfer, as its events tell it."""

    route: str
    dialled: list[Target] = attrs.field(factory=list)
    on_hold: float | None = None
    held: list[tuple[float, float]] = attrs.field(factory=list)
    finished: float | None = None
    outcome: Outcome | None = None
    detail: str = ""
    phases: list[Phase] = attrs.field(factory=list)


class Witness:
    """Notes what does not hold of one call.

        witness = Witness(sandbox, caller)
        async with witness.watching():
            ...
        assert not witness.broken

    Args:
        sandbox: Where it is made.
        caller: Who has called.
        agrees: Whether somebody who was dialled has agreed to be connected; by default `said_yes`.
        stays: Whether the agent stays with caller and target.
        hides_transfers: Whether the platform is one that shows a forwarded call as ended, and nothing else.
        own_time: Seconds that the platform takes to answer two requests, and to move a leg.
        bound: Seconds within which a transfer has an end.
        for_targets: Sentences of the agent's that no caller may hear, besides those of `Briefing`.
        for_caller: Sentences of the agent's that no target may hear.

    Attributes:
        broken: What did not hold, each with its invariant's name first.
        transfers: Every transfer, by its id.
        caller: The caller.
        hung_up_at: When the caller hung up, in seconds on the loop's clock.
        closed_at: When the agent's side ended the call, in seconds on the same clock, as far as the test has said so.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        caller: Caller,
        *,
        agrees: Callable[[Target], bool] = said_yes,
        stays: bool = True,
        hides_transfers: bool = False,
        own_time: float = 0.1,
        bound: float = BOUND,
        for_targets: Collection[str] = (),
        for_caller: Collection[str] = (),
    ) -> None:
        self.broken: list[str] = []
        self.transfers: dict[str, Transferred] = {}
        self.caller = caller
        self.closed_at = math.inf
        self._sandbox = sandbox
        self._agrees = agrees
        self._stays = stays
        self._hides_transfers = hides_transfers
        self._alone = ALONE + own_time
        self._bound = bound
        self._for_targets = (Briefing().greeting, *for_targets)
        self._for_caller = for_caller
        self._targets_before = len(sandbox.targets)
        self._alone_since: float | None = None
        self._was_alone: list[tuple[float, float]] = []
        self._faulty_at = self._faulty_since = -math.inf
        self._moves = 0
        self._awaited = (Phase.STARTED, asyncio.Event())
        for event in caller.events:
            self._told(event)
        caller.listeners.append(self._told)

    @property
    def hung_up_at(self) -> float:
        """When the caller hung up, in seconds on the loop's clock; never: infinity."""
        return min((did.began for did in self.caller.did if isinstance(did.act, HangsUp)), default=math.inf)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Looks at the network for as long as the block lasts."""
        watch = asyncio.create_task(self.watch(), name="witness")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    def holds(self, invariant: str, condition: bool, why: str) -> None:
        """Notes that an invariant is broken, unless it is not.

        Args:
            invariant: One of `INVARIANTS`.
            condition: Whether it holds.
            why: What was seen, in one line.
        """
        line = f"{invariant}: {why}"
        if not condition and line not in self.broken:
            self.broken.append(line)
            self.caller.note(f"BROKEN {line}")

    # What our code says happens; it is held to what the network shows

    def _told(self, event: TransferEvent) -> None:
        transfer = self.transfers.setdefault(event.transfer_id, Transferred(event.route))
        self._note_who_is_dialled()
        transfer.phases.append(event.phase)
        if event.phase is Phase.ON_HOLD:
            transfer.on_hold = _now()
        elif event.phase in _NO_HOLD_ANY_MORE and transfer.on_hold is not None:
            transfer.held.append((transfer.on_hold, _now()))
            transfer.on_hold = None
        if event.phase is Phase.FINISHED:
            self.holds("truth", transfer.finished is None, "a transfer was finished twice")
            transfer.finished, transfer.outcome, transfer.detail = _now(), event.outcome, event.detail
            self._at_its_end(transfer)
        if event.phase is Phase.TALK_ENDED:
            with_whom = self.caller.connected_to  # an earlier target may have got them after all
            together = event.destination is not None and with_whom == event.destination.address
            self.holds("truth", not together, "a talk was said to have ended, and they still talk")
        if event.phase is self._awaited[0]:
            self._awaited[1].set()

    async def until(self, phase: Phase) -> None:
        """Waits until a transfer comes to a certain point once more, at most a while."""
        self._awaited = (phase, asyncio.Event())
        try:
            async with asyncio.timeout(_AWAITED):
                await self._awaited[1].wait()
        except TimeoutError:
            return

    def _at_its_end(self, transfer: Transferred) -> None:
        where, leg = self.caller.connected_to, self.caller.leg
        if leg is None:
            return  # only who is on a phone can be transferred
        forwarded = self._forwarded
        with_target = not forwarded and where not in _NOT_A_PHONE
        if transfer.outcome is not Outcome.CONNECTED:
            self.holds("truth", not with_target, f"{transfer.outcome}, and the caller is with a target")
            unknowable = (
                self._faulty or self._closed or self._hides_transfers or transfer.outcome is Outcome.UNCONFIRMED
            )
            self.holds("truth", not forwarded or unknowable, f"{transfer.outcome}, and the call was forwarded")
        elif not forwarded:
            its_target = any(target.number == where for target in transfer.dialled)
            one_left = transfer.dialled and (leg.over or any(map(self._left_after_agreeing, transfer.dialled)))
            # All that there is to be seen, until the platform takes it back: they have left, and it says where to.
            as_reported = leg.status == "transferred" and where == "nobody"
            proven = its_target or one_left or as_reported
            self.holds("truth", bool(proven), f"connected, and the caller is with {_shown(where)}")
        if transfer.outcome in {Outcome.CALLER_LEFT, Outcome.UNCONFIRMED}:
            gone = leg.over or where == "nobody"
            self.holds("truth", gone, f"{transfer.outcome}, and they are with {_shown(where)}")
        reported = Phase.NOT_RELEASED in transfer.phases
        orphans = [target for target in transfer.dialled if self._orphan(target)]
        self.holds("no orphan leg", reported or not orphans, "a leg is open at the end of the transfer")

    @property
    def _forwarded(self) -> bool:
        """Whether somebody else has the caller, or had; not while their carrier still tries to reach somebody."""
        leg = self.caller.leg
        if leg is None or leg.being_forwarded:
            return False
        ends = [status for status, _ in leg.log if status in {"transferred", "transfer-failed"}]
        return leg.talking_to is not None or ends[-1:] == ["transferred"]

    def _left_after_agreeing(self, target: Target) -> bool:
        answered = any(status == "answered" for status, _ in target.leg.log)
        return target.leg.over and answered and self._agrees(target)

    def _orphan(self, target: Target) -> bool:
        with_caller = target.connected_to == self.caller.number
        # Who has been connected, and whose caller hangs up in the same moment, is released now.
        left_by_caller = self.caller.connected_to == "hung up" and self._agrees(target)
        return not (target.leg.over or with_caller or left_by_caller)

    def _note_who_is_dialled(self) -> None:
        """Whoever has been dialled since the last look is the newest transfer's: there is one at a time."""
        known = self._targets_before + sum(len(transfer.dialled) for transfer in self.transfers.values())
        for target in self._sandbox.targets[known:]:
            if self.transfers:
                list(self.transfers.values())[-1].dialled.append(target)

    # What the network shows

    async def watch(self) -> None:
        """Looks at the network whenever something happens, and four times a second."""
        while True:
            self.look()
            await self.caller.something_happens_within(0.25)

    def look(self) -> None:
        """Looks at the network now."""
        now, where = _now(), self.caller.connected_to
        self._note_who_is_dialled()
        applied = max((at for fault in self._sandbox.faults for at in fault.applied_at), default=-math.inf)
        if applied > self._faulty_at:
            self._faulty_since = self._faulty_since if self._faulty else applied
            self._faulty_at = applied
        moves = sum(status in _ENDS_OF_A_MOVE for status, _ in self.caller.statuses)
        another, self._moves = moves > self._moves, moves
        if where == "nobody" and not self._on_their_own:
            # A way back that fails, or does not lead there, is a fault of its own.
            self._alone_since = now if another or self._alone_since is None else self._alone_since
            bound = ALONE_WHILE_THE_PLATFORM_FAILS if self._faulty else self._alone
            alone = now - self._alone_since > bound
            self.holds("never stranded", not alone or self._cannot_be_helped, f"alone for more than {bound:g} s")
        elif self._alone_since is not None:
            self._was_alone.append((self._alone_since, now))
            self._alone_since = None
        for target in self._targets:
            connected = target.connected_to == self.caller.number
            self.holds("consent", not connected or self._agrees(target), "connected to somebody who has not agreed")
        if now - self.hung_up_at > GONE and not self._faulty:
            self.holds(
                "caller first",
                not self._open_legs or self._reported,
                "a target is on the line for a caller who has left",
            )

    @property
    def _targets(self) -> list[Target]:
        return self._sandbox.targets[self._targets_before :]

    @property
    def _faulty(self) -> bool:
        return _now() - self._faulty_at < FAULTS_LINGER

    @property
    def _cannot_be_helped(self) -> bool:
        """Whether the platform fails for so long that nobody can be brought back, nor their call ended."""
        return self._faulty and _now() - self._faulty_since > ALONE_WHILE_THE_PLATFORM_FAILS / 2

    @property
    def _closed(self) -> bool:
        return self.closed_at < math.inf

    @property
    def _on_their_own(self) -> bool:
        """Whether a caller without company is not ours to help: forwarded, gone, or in the room of who was closed."""
        leg = self.caller.leg
        if leg is None:
            return True
        at_home = leg.room_id == self.caller.room_id
        return self._forwarded or leg.being_forwarded or leg.over or (self._closed and at_home) or self.unwatched

    @property
    def unwatched(self) -> bool:
        """Whether caller and target talk without an agent: the author has asked for that, or ended their side."""
        connected = any(transfer.outcome is Outcome.CONNECTED for transfer in self.transfers.values())
        return connected and (self._closed or not self._stays)

    @property
    def _open_legs(self) -> list[str]:
        return [target.leg.id for target in self._targets if not (target.leg.over or self.unwatched)]

    @property
    def _reported(self) -> bool:
        """Whether it was reported that the platform does not end a leg."""
        return any(Phase.NOT_RELEASED in transfer.phases for transfer in self.transfers.values())

    # Afterwards

    async def settled(self) -> None:
        """Waits until every transfer has ended and nothing happens any more."""
        try:
            async with asyncio.timeout(self._bound):
                while await self.caller.talking_to(settled_for=12.0) and self._unfinished:
                    await self.caller.something_happens_within(1.0)
        except TimeoutError:
            self.holds(
                "bounded", False, f"not over after {self._bound:g} s: {', '.join(self._unfinished) or 'the talk'}"
            )
        self.look()

    @property
    def _unfinished(self) -> list[str]:
        return [transfer.route for transfer in self.transfers.values() if transfer.finished is None]

    @property
    def _with_agent(self) -> bool:
        session = self.caller.session
        gone = self._closed or self.hung_up_at < math.inf or self.caller.over.is_set() or session.agent is None
        return not gone and self.caller.connected_to == "agent"

    async def talks(self) -> None:
        """A caller who is with the agent is heard, and answered."""
        if self._with_agent:
            before = _now()
            await self.caller.say("are you still there")
            answered = await self._soon(
                lambda: any(heard.speaker == "agent" and heard.began > before for heard in self.caller.heard)
            )
            self.holds("never stranded", answered, "the agent does not answer the caller any more")
            await self.caller.talking_to(settled_for=3.0)

    async def is_transferred_again(self, asking: str, to: str) -> None:
        """A caller who is with the agent can be transferred, after all that has happened: asking for it, they reach it."""
        if self._with_agent:
            await self.caller.say(asking)
            connected = await self._soon(lambda: self.caller.connected_to == to)
            self.holds("clean", connected, "a further transfer does not work")

    async def _soon(self, condition: Callable[[], bool]) -> bool:
        for _ in range(120):
            if condition():
                return True
            await self.caller.something_happens_within(0.5)
        return False

    def look_back(self) -> None:
        """Looks at what was heard, and at what was told."""
        for heard in self.caller.heard:
            leaked = heard.speaker == "agent" and any(is_of(heard.text, text) for text in self._for_targets)
            self.holds("leg isolation", not leaked, f"the caller heard {heard.text!r}")
        for target in self._targets:
            for heard in target.heard:
                leaked = heard.speaker == "agent" and any(is_of(heard.text, text) for text in self._for_caller)
                self.holds("leg isolation", not leaked, f"a target heard {heard.text!r}")
            self.holds("leg isolation", longest_music(target) <= FADES, "a target heard music")
        for transfer in self.transfers.values():
            silence = max((self._silence(*held) for held in transfer.held), default=0.0)
            self.holds("never silent on hold", silence <= SILENT, f"a caller on hold heard nothing for {silence:.1f} s")
            self._was_told(transfer)
            ends = sum(phase in {Phase.TALK_ENDED, Phase.RETURNED} for phase in transfer.phases)
            self.holds("truth", ends <= 1, "the end of a talk was reported twice")
            disorder = out_of_order(transfer.phases)
            self.holds("truth", disorder is None, f"{disorder}")

    def _silence(self, begin: float, end: float) -> float:
        """The longest silence of a caller on hold, in seconds; none once they have gone, or while they are alone."""
        forwarded_at = min((at for status, at in self.caller.statuses if status == "transferred"), default=math.inf)
        end = min(end, self.hung_up_at, self.closed_at, forwarded_at)
        if end <= begin or any(alone[0] < end and begin < alone[1] for alone in self._was_alone):
            return 0.0
        return self.caller.longest_silence(begin, end)

    def _was_told(self, transfer: Transferred) -> None:
        told = sum(phase in {Phase.TOLD, Phase.NOT_TOLD} for phase in transfer.phases)
        returned = Phase.RETURNED in transfer.phases
        taken_back = returned or Phase.CONTRADICTED in transfer.phases
        self.holds("truth", told <= (2 if taken_back else 1), "an end was told twice")
        self.holds(
            "truth",
            not told or taken_back or transfer.outcome is not Outcome.CONNECTED,
            "a connection was told to be none",
        )
        if transfer.outcome in BAD_NEWS and transfer.finished is not None and transfer.detail != "withdrawn":
            left = min(self.hung_up_at, self.closed_at)
            self.holds(
                "truth", told > 0 or left < transfer.finished + TOLD_WITHIN, f"{transfer.outcome}, and nobody was told"
            )

    def look_for_what_is_left(self) -> None:
        """Looks for a leg, a task or a connection that is left when everybody has gone."""
        self.holds("no orphan leg", not self._open_legs or self._reported, "a leg is open when everybody has gone")
        left = [task.get_name() for task in tasks_left()]
        self.holds("clean", not left, f"tasks were left behind: {left}")
        self.holds("clean", not self._sandbox.open_connections, "a connection to the platform is open")


def _shown(where: str) -> str:
    return where if where in _NOT_A_PHONE else masked_address(where)


def _now() -> float:
    return asyncio.get_running_loop().time()
