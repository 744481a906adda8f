"""A limit on one strategy: per call, for each limit by itself, and only of what has begun to dial or to forward."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calltransfer import (
    Call,
    ConfigurationError,
    DirectTransfer,
    Fallback,
    Limit,
    Outcome,
    Policy,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.policy import used_up
from calltransfer.sandbox import Sandbox, Script
from calltransfer.strategies.combining import destinations_of, leaves
from tests.agents import BILLING, CONNECTING, SUPPORT, TRANSFERS, WITHDRAWS, SupportAgent, asking_caller
from tests.warm import ASKS, SUMMARY, SUPERVISOR, TO_SUPERVISOR, call

NEXT = "They cannot talk just now, so I am trying somebody else for you. Please bear with me."
DIRECT = DirectTransfer(BILLING)
WARM = WarmTransfer(BILLING, ring_timeout=1.0)
PLATFORM = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")


async def results(
    strategy: Any, *, times: int = 3, calls: int = 1, pause: float = 0.0, countries: Any = None
) -> list[TransferResult]:
    """How it ends on each call, used so often on each; nobody answers."""
    found = []
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=0.2)
        sandbox.person(SUPPORT, refuses_after=0.2)
        for _ in range(calls):
            caller = await sandbox.call(
                lambda: SupportAgent(
                    strategy, platform=PLATFORM, policy=Policy(attempts_per_minute=50, countries=countries)
                )
            )
            for _ in range(times):
                found.append(await caller.agent.transfer("billing"))
                await asyncio.sleep(pause)
            await caller.hang_up()
            await caller.over.wait()
    return found


@pytest.mark.parametrize("strategy", [DIRECT, WARM])
async def test_so_often_on_one_call(strategy: Any) -> None:
    """What is used up is REFUSED, and says so without anything private; the next call begins anew."""
    found = await results(Limit(strategy, attempts=2), calls=2)

    refused = [result.outcome is Outcome.REFUSED for result in found]
    assert [False, False, True] * 2 == refused
    assert "the limit allows 2 attempts on one call" == found[2].detail


async def test_within_a_minute() -> None:
    """Within a minute it is used up, and after it there is another one."""
    found = await results(Limit(DIRECT, attempts_per_minute=1), times=4, pause=25.0)

    assert [False, True, True, False] == [result.outcome is Outcome.REFUSED for result in found]
    assert "the limit allows 1 attempt within a minute" == found[1].detail


class Both:
    """Uses two strategies one after the other, and ends as the second."""

    def __init__(self, first: Any, second: Any) -> None:
        self.strategies = [first, second]

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        results: list[TransferResult] = [await strategy.transfer(call, request) for strategy in self.strategies]
        return results[-1]


async def test_each_limit_counts_for_itself() -> None:
    """Two limits, equal as they may look, do not share; one and the same, in two places, is one."""
    apart = await results(Both(Limit(DIRECT, attempts=1), Limit(DIRECT, attempts=1)), times=1)
    one = Limit(DIRECT, attempts=1)
    shared = await results(Both(one, one), times=1)

    assert apart[0].outcome is not Outcome.REFUSED
    assert shared[0].outcome is Outcome.REFUSED


@pytest.mark.parametrize("inside", [Both(DIRECT, DIRECT), Both(WARM, WARM), Both(DIRECT, WARM)])
async def test_several_targets_in_one_use(inside: Any) -> None:
    """One use is one attempt, however many targets it tries."""
    found = await results(Limit(inside, attempts=2))

    assert [False, False, True] == [result.outcome is Outcome.REFUSED for result in found]


class Moves:
    """Moves the caller by other means than ours, in vain."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        async with call.being_moved():
            return TransferResult(outcome=Outcome.BUSY)


async def test_moved_by_other_means() -> None:
    """A strategy that moves the caller by other means than ours is counted, too."""
    found = await results(Limit(Moves(), attempts=2))

    assert [Outcome.BUSY, Outcome.BUSY, Outcome.REFUSED] == [result.outcome for result in found]


async def test_two_uses_at_once() -> None:
    """Two uses that begin side by side are two: the second is refused where one is allowed."""

    class AtOnce:
        def __init__(self, strategy: Any) -> None:
            self.strategy = strategy

        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            async with asyncio.TaskGroup() as group:
                uses = [group.create_task(self.strategy.transfer(call, request)) for _ in range(2)]
            outcomes = [use.result().outcome for use in uses]
            return TransferResult(outcome=Outcome.FAILED, detail=" ".join(sorted(outcomes)))

    for strategy in (DIRECT, WARM):
        found = await results(AtOnce(Limit(strategy, attempts=1)), times=1)
        assert "refused" in found[0].detail
        assert "refused refused" != found[0].detail


async def test_a_use_that_never_dialled() -> None:
    """Withdrawn before anything was dialled, or not allowed by the policy, it does not count."""
    limited = Limit(DIRECT, attempts=1)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=0.2)
        model = [*TRANSFERS[:2], WITHDRAWS, "All right.", *TRANSFERS]
        caller = await asking_caller(sandbox, lambda: SupportAgent(limited), model=model)
        await caller.hears(CONNECTING[:10])
        await caller.say("no wait I have another question")
        await caller.hears("All right.")
        result = await caller.agent.transfer("billing")

        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes[:1]
        assert result.outcome is not Outcome.REFUSED


@pytest.mark.parametrize("strategy", [DirectTransfer, lambda to: WarmTransfer(to, ring_timeout=1.0)])
async def test_what_the_policy_does_not_allow(strategy: Any) -> None:
    """A destination that the policy refuses at call time has cost nothing."""
    numbers = iter(["+442079460000", BILLING])
    found = await results(Limit(strategy(lambda _call, _request: next(numbers)), attempts=1), countries={"US"})

    assert [True, False, True] == [result.outcome is Outcome.REFUSED for result in found]
    assert ["policy", "", "limit"] == [next((w for w in ("policy", "limit") if w in r.detail), "") for r in found]


async def test_a_forward_withdrawn_while_it_waits() -> None:
    """While a plan says that it tries somebody else the platform has been asked for nothing: it does not count."""
    plan = Fallback(WarmTransfer(SUPERVISOR), Limit(DIRECT, attempts=1), between=NEXT)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=0.2)
        sandbox.person(SUPERVISOR)
        model = [TO_SUPERVISOR, CONNECTING, "Yes?", TO_SUPERVISOR, CONNECTING, "I am sorry."]
        caller = await call(sandbox, plan, model=Script(model, summary=SUMMARY))
        for presses in (True, False):
            caller.agent.finished.clear()
            await caller.say(ASKS)
            target = await sandbox.target(SUPERVISOR)
            await target.hears("Would you")
            await target.say("No.")
            await caller.hears(NEXT[:20])
            if presses:
                await caller.press("*")
            await caller.agent.finished.wait()
        asked = [request for request in sandbox.requests if request.path.endswith("/transfer")]

    assert [Outcome.CALLER_RETURNED, Outcome.FAILED] == caller.agent.outcomes
    assert 1 == len(asked)


async def test_a_move_that_the_policy_does_not_allow() -> None:
    """A use that was refused before the caller could be moved by other means is none."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT, refuses_after=0.2)
        caller = await sandbox.call(
            lambda: SupportAgent(Limit(Moves(), attempts=1), platform=PLATFORM, policy=Policy(attempts_per_minute=1))
        )
        await caller.agent.transfer("support")
        refused = await caller.agent.transfer("billing")
        await asyncio.sleep(60.0)
        moved = await caller.agent.transfer("billing")

    assert refused.outcome is Outcome.REFUSED
    assert "policy" in refused.detail
    assert moved.outcome is Outcome.BUSY


async def test_nobody_there_to_consult_with() -> None:
    """A platform that cannot consult has dialled nobody, and it does not count."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=0.2)
        sandbox.fault("GET", "", status=404)
        caller = await sandbox.call(lambda: SupportAgent(Limit(WARM, attempts=1), platform=PLATFORM))
        first = await caller.agent.transfer("billing")
        sandbox.no_more_faults()
        second = await caller.agent.transfer("billing")

    assert first.outcome is Outcome.FAILED
    assert second.outcome is not Outcome.REFUSED


def test_its_parts() -> None:
    """The strategy inside is checked, and shown, with it."""
    limit = Limit(Limit(DIRECT, attempts=3), attempts=1)

    assert {"inside": limit.strategy} == limit.parts
    assert [DIRECT] == list(leaves(limit))
    assert [DIRECT.to] == destinations_of(limit)


anything: Any = Limit


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: anything(DIRECT), "needs attempts= or attempts_per_minute="),
        (lambda: anything(DIRECT, attempts=0), "Limit: attempts= is a whole number, 1 or more, not 0"),
        (lambda: anything(DIRECT, attempts=1.5), "a whole number"),
        (lambda: anything(DIRECT, attempts_per_minute=True), "Limit: attempts_per_minute= is a whole number"),
        (lambda: anything(BILLING, attempts=1), "Limit: a str is not a strategy"),
        (lambda: anything(WarmTransfer(), attempts=1), "Limit: WarmTransfer needs to="),
    ],
)
def test_what_is_wrong_at_construction(make: Any, says: str) -> None:
    """A mistake is found when the agent is built, and named."""
    with pytest.raises(ConfigurationError) as caught:
        make()

    assert says in str(caught.value)
    assert BILLING not in str(caught.value)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    at=st.lists(st.floats(0, 1000)).map(sorted),
    per_call=st.none() | st.integers(1, 5),
    per_minute=st.none() | st.integers(1, 5),
)
def test_never_more_than_allowed(at: list[float], per_call: int | None, per_minute: int | None) -> None:
    """Whenever attempts are asked for, no more are made on a call, nor within any minute, than the limit allows."""
    made: list[float] = []
    for now in at:
        if used_up(made, now, on_one_call=per_call, within_a_minute=per_minute) is None:
            made.append(now)

    assert per_call is None or len(made) <= per_call
    for now in made:
        within = sum(now - other < 60.0 and other <= now for other in made)
        assert per_minute is None or within <= per_minute
