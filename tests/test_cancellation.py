"""A transfer that is ended from outside, wherever it waits: nobody is stranded, and nothing is left behind."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from calltransfer import Briefing, Call, Outcome, Phase, TransferRequest, TransferResult, WarmTransfer
from calltransfer.sandbox import HangsUp, Sandbox
from tests.agents import below
from tests.cancelling import SCENARIOS, Blow, Scenario, Way, ends, run, sample
from tests.warm import ASKS, SUPERVISOR, call, transferred

ENDS = 3
"""How many of its hundreds of ends each scenario gets here; `make cancellation` goes through all of them."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_transfer_can_be_ended_wherever_it_waits(name: str) -> None:
    """Whether it is taken back, the caller hangs up or the session closes: nobody is stranded, and nothing is left."""
    scenario, place = SCENARIOS[name], list(SCENARIOS).index(name)
    every = list(ends(run(scenario).points[0]))
    for number, blows in enumerate(sample(every, ENDS, after=place * 17)):
        assert [] == run(scenario, blows, again=number == 0).broken, str(*blows)


@pytest.mark.parametrize("name", SCENARIOS)
def test_its_clean_up_can_be_ended_wherever_it_waits(name: str) -> None:
    """A session that closes while an ended transfer is being cleaned up strands nobody, and leaves nothing."""
    scenario, place = SCENARIOS[name], list(SCENARIOS).index(name)
    attempt = [point for point in run(scenario).points[0] if point.where[0].startswith("StrategyRun._attempt")]
    first = Blow(Way.ENDED, attempt[place * 7 % len(attempt)])
    for later in sample(run(scenario, [first]).points[1], 1, after=place * 5):
        blows = (first, Blow(Way.CLOSED, later))
        assert [] == run(scenario, blows).broken, "; then ".join(map(str, blows))


class Forgets:
    """A strategy that leaves a task behind."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Transfers nobody."""
        self.forgotten = asyncio.create_task(below(call).caller_returned(), name="forgotten")
        await asyncio.sleep(1.0)
        return TransferResult(outcome=Outcome.FAILED)


def test_the_instrument_sees_what_is_left_behind() -> None:
    """A task that a strategy forgets is reported, by its name."""
    assert ["clean: ['forgotten'] left behind"] == run(Scenario(strategy=Forgets, target=None)).broken


def test_the_instrument_comes_to_the_same_waits_each_time() -> None:
    """Two runs wait at the same points in the same order, so that each can be come to again."""
    scenario = SCENARIOS["warm, accepts"]
    assert run(scenario).points == run(scenario).points


class EndsBadly:
    """A strategy that connects the caller, and does not come to its own end."""

    def __init__(self, end: Callable[[], Any]) -> None:
        self._end = end

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Transfers the caller."""
        result = await WarmTransfer(SUPERVISOR).transfer(call, request)
        self._end()
        await asyncio.sleep(0)
        return result


def _is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def _raises() -> None:
    raise RuntimeError("a bug of the strategy's")


@pytest.mark.parametrize("end", [_is_cancelled, _raises])
async def test_a_connection_that_is_proven_is_reported_whatever_comes_after_it(end: Callable[[], None]) -> None:
    """A strategy that breaks, or is cancelled, when it has connected the two is reported so, and they are watched."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, EndsBadly(end))
        (target,) = sandbox.targets

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert SUPERVISOR == await caller.talking_to()
        await caller.hang_up()
        await target.sees("ended")


def agents_inside(sandbox: Sandbox) -> list[str]:
    """The rooms that an agent is in."""
    return [client.room_id for client in sandbox._switchboard.clients if client.inside]


async def test_the_consultations_agent_leaves_although_the_session_closes_meanwhile() -> None:
    """A session that closes while the target is being moved to the caller leaves no agent in the target's old room."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, move="target"))
        await caller.say(ASKS)
        await caller.agent.until(Phase.CONNECTING)
        await asyncio.create_task(caller.job.shutdown())

        assert [] == agents_inside(sandbox)
        assert SUPERVISOR == await caller.talking_to()


async def test_a_target_is_released_although_the_session_closes_as_the_caller_hangs_up() -> None:
    """A session that closes at the moment at which a connected caller hangs up leaves no target on a dead line."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox)
        assert SUPERVISOR == await caller.talking_to()
        (target,) = sandbox.targets
        await asyncio.gather(caller.hang_up(), caller.job.shutdown())

        await target.sees("ended")


async def test_an_agent_that_leaves_at_once_ends_the_leg_of_a_target_who_is_alone() -> None:
    """With leave_unwatched=True a caller who hangs up while the agent introduces the two leaves no target on a dead line."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        briefing = Briefing(introduction="You are connected now, and I am leaving you to each other.")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, leave_unwatched=True, briefing=briefing))
        await caller.hears("You are connected")
        await caller.hang_up()
        (target,) = sandbox.targets

        await target.sees("ended")


async def test_the_consultation_is_left_although_the_session_closes_as_the_caller_is_back() -> None:
    """A session that closes when a target has left within seconds, and the caller is back, leaves nobody behind."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(after=4.0)])
        caller = await call(sandbox)
        await caller.say(ASKS)
        await caller.agent.until(Phase.RETURNED)
        await asyncio.create_task(caller.job.shutdown())

        assert [] == agents_inside(sandbox)


def test_a_hold_whose_end_is_cut_short_leaves_nobody_unwatched() -> None:
    """Whoever is connected is watched over although the transfer is ended while the hold falls silent."""
    scenario = SCENARIOS["fallback, to who accepts"]
    falling_silent = next(
        point
        for point in run(scenario).points[0]
        if any(place.startswith("HoldUnderWay.fall_silent") for place in point.where) and point.phase == "attempted"
    )
    ended = Blow(Way.ENDED, falling_silent)
    afterwards = run(scenario, [ended]).points[1]
    assert afterwards
    broken = [run(scenario, [ended, Blow(Way.HUNG_UP, later)]).broken for later in afterwards]
    assert [[]] * len(afterwards) == broken
