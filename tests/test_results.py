"""The result of every transfer reaches the agent's author, whoever asked for it and however it ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from calltransfer import Outcome, Phase, TransferResult, WarmTransfer
from calltransfer.sandbox import Caller, Sandbox
from tests.warm import ASKS, SUPERVISOR, SupervisedAgent, script


class FilingAgent(SupervisedAgent):
    """An agent that keeps how its transfers ended, in a hook with a bug in it."""

    def __init__(self, strategy: Any = None) -> None:
        self.results: list[TransferResult] = []
        super().__init__(strategy)

    def on_transfer_finished(self, result: TransferResult) -> None:
        self.results.append(result)
        raise ZeroDivisionError


async def stays(_: Caller) -> None: ...


async def hangs_up(caller: Caller) -> None:
    await caller.agent.until(Phase.ON_HOLD)
    await caller.hang_up()


async def worker_shuts_down(caller: Caller) -> None:
    await caller.agent.until(Phase.ON_HOLD)
    await caller.job.shutdown()


async def nowhere(_call: Any, _request: Any) -> None:
    """There is nobody on duty."""


@pytest.mark.parametrize(
    ("to", "says", "happens", "outcome"),
    [
        (SUPERVISOR, "yes please", stays, Outcome.CONNECTED),
        (SUPERVISOR, "no thanks", stays, Outcome.DECLINED),
        (SUPERVISOR, (), hangs_up, Outcome.CALLER_LEFT),
        (SUPERVISOR, (), worker_shuts_down, Outcome.CANCELLED),
        (nowhere, (), stays, Outcome.REFUSED),
    ],
)
async def test_the_author_is_given_the_result_of_a_transfer_that_the_model_asked_for(
    to: Any,
    says: Any,
    happens: Callable[[Caller], Awaitable[None]],
    outcome: Outcome,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once, with its timeline to the end; and a hook that raises is logged, and harms nobody."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=says)
        caller = await sandbox.call(lambda: FilingAgent(WarmTransfer(to)), model=script())
        await caller.say(ASKS)
        await happens(caller)
        await caller.agent.finished.wait()
        await caller.talking_to()
        await caller.hang_up()
        await caller.over.wait()

        (result,) = caller.agent.results
        events = caller.agent.events
        assert outcome is result.outcome
        assert ("supervisor", events[0].transfer_id) == (result.route, result.transfer_id)
        assert events[: len(result.timeline)] == list(result.timeline)
        assert Phase.FINISHED is result.timeline[-1].phase
        assert 1 == caplog.text.count("on_transfer_finished raised")


async def test_the_author_is_given_the_result_that_their_own_code_is_given() -> None:
    """The same one; and one that was refused without being started is their code's alone."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        caller = await sandbox.call(FilingAgent, model=script())
        first = asyncio.create_task(caller.agent.transfer("supervisor"))
        await caller.agent.until(Phase.ON_HOLD)
        second = await caller.agent.transfer("supervisor")

        assert [await first] == caller.agent.results
        assert (Outcome.REFUSED, "supervisor", "") == (second.outcome, second.route, second.transfer_id)
