"""Ends a transfer at each point at which it waits, one by one, and looks at what is left of it from outside.

A task of ours that waits gives control back to the loop: that is counted where it happens, in the task's own steps. One
run without an end from outside learns the points; then there is one run for each, which ends the transfer there: as soon
as the wait has begun, and at the last moment before it is over, when what was waited for is there and would be lost.
"""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from enum import Enum
from types import FrameType, TracebackType
from typing import Any, Literal, TypeVar

import attrs

from calltransfer import (
    DirectTransfer,
    Fallback,
    Outcome,
    Phase,
    RingGroup,
    StayWithCaller,
    TransferEvent,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, Calls, FastForwardLoop, HangsUp, Sandbox, Says, Script, Target
from calltransfer.testing.left import is_of_the_library
from calltransfer.transfer import Transfer
from calltransfer.transfers import Transfers
from tests.warm import ANSWER, ASKS, CONNECTING, SORRY, SUMMARY, SUPERVISOR, TO_SUPERVISOR, call

Item = TypeVar("Item")
Edge = Literal["begun", "over"]

VISITS = 2
"""How often one wait counts in one phase of the transfer: what polls or plays music comes back to it for ever."""

EDGES: tuple[Edge, ...] = ("begun", "over")

LEFT_ALONE = 30.0
"""Seconds after the end of a call, for the SDK's own timers to run out."""

STILL_THERE = "are you still there"
HERE = "Yes, I am with you."
OTHER = "+14155550188"


class Way(Enum):
    """How a transfer is ended from outside."""

    ENDED = "ended"
    CANCELLED = "cancelled once more"
    CLOSED = "session closed"
    HUNG_UP = "caller hung up"


_AFTER: Mapping[Way, Sequence[Way]] = {
    Way.ENDED: (Way.CANCELLED, Way.HUNG_UP, Way.CLOSED),
    Way.CLOSED: (Way.CANCELLED, Way.HUNG_UP),
}
"""What may still come while a transfer that was ended is being cleaned up."""

_FINISHED = {Phase.FINISHED.value, Phase.TOLD.value, Phase.NOT_TOLD.value, Phase.RETURNED.value}


@attrs.frozen
class Point:
    """A wait of one of our tasks.

    Attributes:
        where: The functions that wait, from the task's own to the innermost, each with its line.
        phase: What was last reported of the transfer; "" before anything was.
        visit: How often this wait was come to in this phase.
    """

    where: tuple[str, ...]
    phase: str
    visit: int

    def __str__(self) -> str:
        return f"{' > '.join(self.where)} (visit {self.visit} after {self.phase or 'nothing'})"


@attrs.frozen
class Blow:
    """Ends the transfer in one way, at one point, at one edge of the wait."""

    way: Way
    point: Point
    edge: Edge = "begun"

    def __str__(self) -> str:
        return f"{self.way.value} when the wait is {self.edge} at {self.point}"


@attrs.frozen(kw_only=True)
class Scenario:
    """A transfer that goes one way to its end when nobody ends it.

    Attributes:
        strategy: Makes the strategy.
        target: What the target does; None: there is nobody at the number.
        other: What another one does, where there is one.
        leaves: Whether the target hangs up while somebody is being moved.
        stays: Whether the agent stays once they are connected.
        trouble: What goes wrong in the rooms.
        kind: The kind of the agent's pipeline.
        room: Options of the agent's room.
    """

    strategy: Callable[[], Any]
    target: Mapping[str, Any] | None
    other: Mapping[str, Any] | None = None
    leaves: bool = False
    stays: bool = True
    trouble: Mapping[str, int] = attrs.field(factory=dict)
    kind: str = "cascade"
    room: Mapping[str, Any] = attrs.field(factory=dict)


def _scenarios() -> Iterator[tuple[str, Scenario]]:
    targets: dict[str, dict[str, Any]] = {
        "accepts": {"target": {"says": "yes please"}},
        "declines": {"target": {"says": "no thanks"}},
        "no answer": {"target": {"answers_after": None}},
        "busy": {"target": {"refuses_after": 0.2}},
        "voicemail": {"target": {"says": [Says("Hi, please leave a message after the tone", after=0.2)]}},
        "leaves during the switch": {"target": {"says": "yes please"}, "leaves": True},
        "switch fails": {"target": {"says": "yes please"}, "trouble": {"switch_fails": 1}},
        "leaves soon after": {"target": {"says": ["yes please", HangsUp(after=4.0)]}},
        "vanishes in the switch": {"target": {"says": "yes please"}, "trouble": {"switched_leg_vanishes": 1}},
    }
    lines: dict[str, dict[str, Any] | None] = {
        "connected": {},
        "failed": None,
        "no answer": {"answers_after": None},
    }
    for name, line in lines.items():
        yield f"direct, {name}", Scenario(strategy=lambda: DirectTransfer(SUPERVISOR), target=line)
    for name, how in targets.items():
        yield f"warm, {name}", Scenario(strategy=lambda: WarmTransfer(SUPERVISOR), **how)
        if name not in {"no answer", "busy", "voicemail"}:  # where nobody is moved, and it is the same wait for wait
            moved = Scenario(strategy=lambda: WarmTransfer(SUPERVISOR, move="target"), **how)
            yield f"warm, target moved, {name}", moved
    accepts = targets["accepts"]
    leaving = Scenario(strategy=lambda: WarmTransfer(SUPERVISOR, leave_unwatched=True), stays=False, **accepts)
    yield "warm, agent leaves at once", leaving
    yield (
        "warm, agent stays with the caller",
        Scenario(strategy=lambda: WarmTransfer(SUPERVISOR, hold=StayWithCaller()), **accepts),
    )
    yield (
        "warm, recorded",
        Scenario(strategy=lambda: WarmTransfer(SUPERVISOR), room={"recording": True}, **accepts),
    )
    other = {"answers_after": 3.0, "says": "yes please"}
    for name in ("accepts", "leaves during the switch"):
        group = Scenario(
            strategy=lambda: RingGroup(WarmTransfer(), targets=[SUPERVISOR, OTHER]), other=other, **targets[name]
        )
        yield f"ring group, {name}", group
    yield (
        "fallback, to who accepts",
        Scenario(
            strategy=lambda: Fallback(WarmTransfer(OTHER), WarmTransfer(SUPERVISOR)),
            other={"refuses_after": 1.0},
            **accepts,
        ),
    )
    yield (
        "fallback, to another line",
        Scenario(
            strategy=lambda: Fallback(WarmTransfer(OTHER), DirectTransfer(SUPERVISOR)),
            other={"says": "no thanks"},
            target={},
        ),
    )
    yield "realtime, direct", Scenario(strategy=lambda: DirectTransfer(SUPERVISOR), target={}, kind="realtime")
    for name in ("accepts", "declines", "switch fails"):
        yield (
            f"realtime, warm, {name}",
            Scenario(strategy=lambda: WarmTransfer(SUPERVISOR), kind="realtime", **targets[name]),
        )


SCENARIOS: Mapping[str, Scenario] = dict(_scenarios())


@attrs.define
class Run:
    """What became of one run.

    Attributes:
        points: Every wait that was come to, up to the last of the blows, and after each of them.
        struck: How many of the blows were dealt.
        company: Whom the caller was talking to in the end.
        outcomes: What was reported.
        broken: What did not hold.
    """

    points: list[list[Point]] = attrs.field(factory=lambda: [[]])
    struck: int = 0
    company: str = ""
    outcomes: list[Outcome | None] = attrs.field(factory=list)
    broken: list[str] = attrs.field(factory=list)


def run(scenario: Scenario, blows: Sequence[Blow] = (), *, again: bool = False) -> Run:
    """Runs one transfer, and ends it at the points given, one after the other.

    Args:
        scenario: The transfer.
        blows: Where it is ended, and how.
        again: Whether the caller is transferred a second time afterwards.
    """
    gc.collect()  # what the run before has left would be kept for ever by the next line
    gc.freeze()  # the SDK collects all garbage on every leave, and keeps more with every session
    it = _Run(scenario, blows, again)
    logging.disable(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
            runner.run(it.to_its_end())
    except Exception as error:
        it.result.broken.append(f"bounded: {type(error).__name__}: {error}")
    finally:
        logging.disable(logging.NOTSET)
    return it.result


def ends(points: Sequence[Point]) -> Iterator[tuple[Blow, ...]]:
    """Every way of ending a transfer from outside, at every point, at both edges of the wait."""
    for point in points:
        for way in (Way.ENDED, Way.HUNG_UP, Way.CLOSED):
            if way is Way.ENDED and point.phase in _FINISHED:
                continue  # there is nothing left to end
            for edge in EDGES:
                yield (Blow(way, point, edge),)


def sample(items: Sequence[Item], number: int, *, after: int) -> Sequence[Item]:
    """So many of `items`, evenly spread, beginning with the one of index `after`, modulo what lies between two."""
    step = max(1, len(items) // number)
    return items[after % step :: step][:number]


def ends_of_clean_up(scenario: Scenario, points: Sequence[Point]) -> Iterator[tuple[Blow, ...]]:
    """Ends the transfer once in each phase, and then its clean-up at each point at which that waits."""
    phases: set[str] = set()
    for point in points:
        if point.phase in phases | _FINISHED or not point.where[0].startswith("StrategyRun._attempt"):
            continue
        phases.add(point.phase)
        for first in (Blow(Way.ENDED, point), Blow(Way.CLOSED, point)):
            for later in run(scenario, [first]).points[1]:
                for way in _AFTER[first.way]:
                    yield first, Blow(way, later)


def _model(last: str) -> str | Calls:
    if ASKS in last:
        return TO_SUPERVISOR
    if '"status"' in last:
        return CONNECTING
    return HERE if STILL_THERE in last else SORRY


class _Run:
    def __init__(self, scenario: Scenario, blows: Sequence[Blow], again: bool) -> None:
        self.result = Run()
        self._scenario = scenario
        self._blows = list(blows)
        self._again = again
        self._visits: Counter[tuple[tuple[str, ...], str]] = Counter()
        self._counting = False
        self._phase = ""
        self._transfer: Transfer | None = None
        self._deeds: list[asyncio.Task[None]] = []
        self._caller: Caller
        self._sandbox: Sandbox
        self._context: Any
        self._closed = False
        self._hung_up = False
        self._hung_up_unseen = False

    async def to_its_end(self) -> None:
        loop = asyncio.get_running_loop()
        errors = self.result.broken

        def complain(_: Any, context: dict[str, Any]) -> None:
            # The stand-in's own server is stopped in the middle of connections, and that is not what is looked at.
            if "RequestHandler" not in repr(context.get("future")):
                errors.append(f"clean: {context['message']}: {context.get('exception')!r}")

        loop.set_exception_handler(complain)
        loop.set_task_factory(self._make_task)
        async with Sandbox() as self._sandbox:
            await self._transferred()
        await asyncio.sleep(LEFT_ALONE)
        await asyncio.gather(*self._deeds, return_exceptions=True)
        left = [task for task in asyncio.all_tasks() if _is_ours(task.get_coro())]
        self._holds("clean", not left, f"{[task.get_name() for task in left]} left behind")
        del left
        self._deeds.clear()
        gc.collect()  # a task whose exception nobody has looked at says so only then
        self.result.broken = list(dict.fromkeys(errors))

    async def _transferred(self) -> None:
        scenario, sandbox = self._scenario, self._sandbox
        if scenario.target is not None:
            sandbox.person(SUPERVISOR, **scenario.target)
        if scenario.other is not None:
            sandbox.person(OTHER, **scenario.other)
        caller = self._caller = await call(
            sandbox,
            scenario.strategy(),
            model=Script([_model] * 100, summary=SUMMARY),
            consultation_model=[ANSWER],
            kind=scenario.kind,
            room_options=dict(scenario.room),
        )
        self._context = sandbox._hosts[caller][1]
        meeting = caller.job.room.meeting
        before = _handlers(caller.session, meeting)
        caller.agent.listeners.append(self._noted)
        self._set_trouble(after=False)
        leaving = asyncio.create_task(self._target_leaves(), name="the target who leaves")
        self._counting = True
        await caller.say(ASKS)
        async with asyncio.timeout(400):
            over = asyncio.create_task(caller.over.wait())
            finished = asyncio.create_task(caller.agent.finished.wait())
            await asyncio.wait([over, finished], return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            finished.cancel()
            self.result.company = await caller.talking_to(settled_for=12.0)
        leaving.cancel()
        self._counting = False
        self.result.outcomes = caller.agent.outcomes
        self._look()
        if not self._closed and not self._hung_up and self.result.company == "agent":
            await self._goes_on()
        if not self._closed:
            stays = not caller.over.is_set()  # an agent that has left at once ends nobody's leg, as its author asked
            await caller.hang_up()
            async with asyncio.timeout(60):
                await caller.over.wait()
            await asyncio.sleep(10.0)
            for target in sandbox.targets if stays else []:
                self._holds("no orphan leg", target.leg.over, f"{target.leg.id} is {target.leg.status} at the end")
        handlers = _handlers(caller.session, meeting) - before
        self._holds("clean", not handlers, f"{sorted(handlers)} left behind")
        events = [event for event in caller.agent.events if event.phase in {Phase.STARTED, Phase.FINISHED}]
        for identity in {event.transfer_id for event in events}:
            phases = [event.phase for event in events if event.transfer_id == identity]
            self._holds("truth", phases == [Phase.STARTED, Phase.FINISHED], f"reported {phases}")

    async def _target_leaves(self) -> None:
        if not self._scenario.leaves:
            return
        target = await self._sandbox.target(SUPERVISOR)
        while not any(
            status == "switch-room-initiated" for phone in (self._caller, target) for status, _ in phone.statuses
        ):
            await self._caller.something_happens_within(60.0)
        await target.hang_up()

    def _look(self) -> None:
        """What holds once everything has settled."""
        scenario, caller, company = self._scenario, self._caller, self.result.company
        leg = caller.leg
        assert leg is not None
        hung_up = company == "hung up"
        with_target = company in {SUPERVISOR, OTHER}
        connected = Outcome.CONNECTED in self.result.outcomes
        came_back = Phase.RETURNED in caller.agent.phases
        # Who leaves after the agent has gone leaves the other one alone: there is nobody to see it.
        unseen = self._closed and connected and self._target_goes
        if self._closed:
            at_home = company in {"agent", "nobody"} and leg.room_id == caller.room_id
            cared_for = at_home or with_target or hung_up or unseen
            self._holds("never stranded", cared_for, f"{company} in {leg.room_id}, closed")
        else:
            self._holds("never stranded", company == "agent" or with_target or hung_up, f"with {company}")
        self._holds("never stranded", not hung_up or self._hung_up or connected, "was hung up on")
        cared_for = with_target or hung_up or came_back or unseen
        self._holds("truth", not connected or cared_for, f"connected, but with {company}")
        forwarded = Phase.FORWARDING in caller.agent.phases
        self._holds("truth", connected or forwarded or not with_target, "not connected, but with the target")
        # An agent that is leaving, or has left, does not see who hangs up.
        seen = not connected or (scenario.stays and not self._hung_up_unseen)
        for target in self._sandbox.targets if seen else []:
            self._holds("no orphan leg", self._is_cared_for(target), f"{target.leg.id} is {target.leg.status}")
        members = {member.room_id for member in self._sandbox._switchboard.clients if member.inside}
        theirs = {leg.room_id} if with_target and not self._closed else set()
        others = members - {caller.room_id} - theirs
        self._holds("no orphan leg", not others, f"the agent is still in {others}")

    @property
    def _target_goes(self) -> bool:
        """Whether the target hangs up by themselves once they are connected."""
        says = (self._scenario.target or {}).get("says", ())
        return any(isinstance(act, HangsUp) for act in says)

    def _is_cared_for(self, target: Target) -> bool:
        return target.leg.over or target.connected_to == self._caller.number

    async def _goes_on(self) -> None:
        """The caller is with the agent, who hears and speaks, and can transfer them.

        A wait that is over only now, as that for a target who may still come, may end the call in the middle of this.
        """
        caller = self._caller
        try:
            await caller.say(STILL_THERE)
            await caller.hears(HERE, timeout=20.0)
            if self._again:
                self._sandbox.person(SUPERVISOR, says="yes please")
                self._set_trouble(after=True)
                caller.agent.finished.clear()
                await caller.say(ASKS)
                async with asyncio.timeout(100):
                    await caller.agent.finished.wait()
                company = await caller.talking_to(settled_for=12.0)
                self._holds("clean", company == SUPERVISOR, f"a second transfer ends with {company}")
        except (AssertionError, TimeoutError) as error:
            ended = self._closed or self._hung_up
            self._holds("never stranded", ended, f"the agent does not go on: {type(error).__name__} {error}")

    def _set_trouble(self, *, after: bool) -> None:
        for name, times in self._scenario.trouble.items():
            setattr(self._sandbox.trouble, name, 0 if after else times)

    def _noted(self, event: TransferEvent) -> None:
        self._phase = event.phase.value
        if event.phase is Phase.STARTED and self._transfer is None:
            self._transfer = Transfers.of(self._caller.session).current
        if event.phase is Phase.FINISHED and event.outcome is not Outcome.CONNECTED:
            for target in self._sandbox.targets:
                cared_for = self._is_cared_for(target) or Phase.NOT_RELEASED in self._caller.agent.phases
                self._holds("no orphan leg", cared_for, f"{target.leg.id} is {target.leg.status} when it is finished")

    def _holds(self, invariant: str, condition: bool, why: str) -> None:
        if not condition:
            self.result.broken.append(f"{invariant}: {why}")

    # The instrument

    def _make_task(self, loop: Any, work: Any, **how: Any) -> "asyncio.Task[Any]":
        return asyncio.Task(_Stepped(work, self._waits) if _is_ours(work) else work, loop=loop, **how)

    def _waits(self, work: Any, waited_for: Any) -> None:
        """A task of ours has begun to wait."""
        if not self._counting or self._transfer is None:
            return
        where = tuple(_where(work))
        visit = self._visits[where, self._phase] = self._visits[where, self._phase] + 1
        if visit > VISITS:
            return
        point = Point(where, self._phase, visit)
        self.result.points[-1].append(point)
        if self._blows and self._blows[0].point == point:
            blow = self._blows.pop(0)
            if blow.edge == "begun" or waited_for is None:
                asyncio.get_running_loop().call_soon(self._strike, blow.way)
            else:
                waited_for.add_done_callback(lambda _: self._strike(blow.way))

    def _strike(self, way: Way) -> None:
        self.result.struck += 1
        self.result.points.append([])
        self._visits.clear()
        transfer = self._transfer
        assert transfer is not None
        if way is Way.ENDED:
            transfer.end(Outcome.CANCELLED, "ended from outside")
        elif way is Way.CANCELLED:
            if transfer.attempt is not None:
                transfer.attempt.cancel()
        elif way is Way.CLOSED:
            self._closed = True
            self._deeds.append(asyncio.create_task(self._caller.job.shutdown(), context=self._context))
        else:
            self._hung_up, self._hung_up_unseen = True, self._closed
            self._deeds.append(asyncio.create_task(self._caller.hang_up()))


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine, and who is told each time it waits, and for what."""

    def __init__(self, work: Any, waits: Callable[[Any, Any], None]) -> None:
        self._work = work
        self._waits = waits
        self.cr_code = work.cr_code

    @property
    def cr_frame(self) -> FrameType | None:
        return self._work.cr_frame  # type: ignore[no-any-return]

    def send(self, value: Any) -> Any:
        waited_for = self._work.send(value)
        self._waits(self._work, waited_for)
        return waited_for

    def throw(
        self,
        kind: Any,
        error: "BaseException | object" = None,
        traceback: TracebackType | None = None,
    ) -> Any:
        waited_for = self._work.throw(kind) if error is None else self._work.throw(kind, error, traceback)
        self._waits(self._work, waited_for)
        return waited_for

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("only a task steps it")


def _where(work: Any) -> Iterator[str]:
    """The functions that wait in `work`, down to those of the loop, each with its line."""
    while work is not None:
        if type(work).__name__ in {"async_generator_asend", "async_generator_athrow", "anext_awaitable"}:
            work = next((each for each in gc.get_referents(work) if hasattr(each, "ag_frame")), None)
            continue
        for kind in ("cr", "ag", "gi"):
            frame: FrameType | None = getattr(work, f"{kind}_frame", None)
            if frame is not None:
                yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
                work = getattr(work, f"{kind}_await", None) or getattr(work, f"{kind}_yieldfrom", None)
                break
        else:
            return


def _is_ours(work: Any) -> bool:
    code = getattr(work, "cr_code", None)
    return code is not None and is_of_the_library(code.co_filename)


def _handlers(session: Any, meeting: Any) -> Counter[str]:
    """Who of ours is told of the session's and the room's events."""
    told = [handler for handlers in session._handlers.values() for handler in handlers] + list(meeting.listeners)
    names = [f"{getattr(each, '__module__', '')}.{getattr(each, '__qualname__', type(each).__name__)}" for each in told]
    return Counter(name for name in names if name.startswith("calltransfer."))
