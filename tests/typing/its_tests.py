"""The tests of that agent, as its author writes them."""

import pytest

from calltransfer import Outcome, Phase, TransferStrategy
from calltransfer.sandbox import Calls, HangsUp, Sandbox, Says, Script, Step
from calltransfer.testing import StrategyConformance

from .support_agent import SUPERVISOR, ByHand, SupportAgent


async def test_who_is_angry_reaches_a_human(sandbox: Sandbox) -> None:
    sandbox.person(SUPERVISOR, answers_after=8.0, says=[Says("yes, put them through"), HangsUp(after=20.0)])
    sandbox.fault("POST", "/v2/sip/call", status=500, times=1)
    model = Script(
        [Calls("transfer_call", {"destination": "supervisor", "reason": "angry"}), "I am getting a supervisor."],
        summary="They call for the third time about a dead line.",
    )
    unnamed = [Calls("transfer_call"), "One moment.", ["Two", Calls("transfer_call")]]
    named: list[Step] = ["One moment.", ""]
    for steps in (unnamed, named, iter(named)):
        Script(steps)
    Script([Calls("transfer_call"), "One moment.", lambda last: f"You said {last}"])
    caller = await sandbox.call(SupportAgent, model=model)
    await caller.say("My line is dead for the third time")
    await caller.until(Phase.ON_HOLD)
    await caller.reaches(SUPERVISOR)

    assert await caller.talking_to() == SUPERVISOR
    assert [Outcome.CONNECTED] == caller.outcomes
    assert "third time" in sandbox.targets[0].heard
    assert caller.longest_silence(0.0, 20.0) < 2.0


@pytest.mark.sandbox(latency=0.2)
async def test_slowly(sandbox: Sandbox) -> None:
    assert sandbox.targets == []


class TestByHand(StrategyConformance):
    """The suite for a strategy of one's own."""

    thorough = False

    def strategy(self) -> TransferStrategy:
        return ByHand()

    def targets(self) -> list[str]:
        return ["+14155550123"]
