"""The tests of the agent in warm_transfer.py, as its author writes them: the whole agent, on the phone, without a phone.

    pip install 'calltransfer' pytest
    pytest examples/test_warm_transfer.py

The fixture `sandbox` comes with calltransfer. Time passes at once: what lasts a minute for the caller takes a moment.
"""

import asyncio

import pytest

from calltransfer import Outcome, Phase
from calltransfer.sandbox import Caller, Calls, Sandbox, Script
from warm_transfer import BILLING, SUPERVISOR, SupportAgent

ANGRY = "this is the third time I call, I want to speak to a human now"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the agent takes from its environment."""
    monkeypatch.setenv("VIDEOSDK_CALLER_ID", "+14155550100")
    monkeypatch.setenv("VIDEOSDK_ROUTING_RULE", "rr_tests")


async def angry_caller(sandbox: Sandbox) -> Caller:
    """Somebody calls who is angry, and whom the model passes to a supervisor."""
    model = Script(
        [
            Calls("transfer_call", {"destination": "supervisor", "reason": "calls for the third time"}),
            "I am getting a supervisor for you.",
            "I am sorry, nobody can come to the phone just now. Shall they call you back?",
        ],
        summary="They call for the third time about a dead line.",
    )
    caller = await sandbox.call(SupportAgent, model=model)
    await caller.say(ANGRY)
    return caller


async def test_who_is_angry_reaches_a_human(sandbox: Sandbox) -> None:
    """They are with the supervisor, who knows why they call, within forty seconds."""
    sandbox.person(SUPERVISOR, answers_after=8.0, says="yes, put them through")
    caller = await angry_caller(sandbox)

    await caller.reaches(SUPERVISOR, timeout=40.0)

    (supervisor,) = sandbox.targets
    assert "third time about a dead line" in supervisor.heard
    assert "third time about a dead line" not in caller.heard


@pytest.mark.parametrize(
    ("supervisor", "outcome"),
    [
        ({"answers_after": None}, Outcome.NO_ANSWER),
        ({"refuses_after": 0.2}, Outcome.BUSY),
        ({"says": "no, not now"}, Outcome.DECLINED),
    ],
)
async def test_who_is_angry_hears_why_they_did_not_reach_one(
    sandbox: Sandbox, supervisor: dict[str, object], outcome: Outcome
) -> None:
    """Whatever the supervisor does, the agent is back within forty seconds, and says so."""
    sandbox.person(SUPERVISOR, **supervisor)  # type: ignore[arg-type]
    caller = await angry_caller(sandbox)

    await caller.hears("nobody can come to the phone", timeout=40.0)

    assert [outcome] == caller.outcomes
    assert "agent" == await caller.talking_to()


async def test_a_caller_is_never_in_silence_on_hold(sandbox: Sandbox) -> None:
    """Not for a second, however long the phone rings."""
    sandbox.person(SUPERVISOR, answers_after=20.0, says="yes")
    caller = await angry_caller(sandbox)

    now = asyncio.get_running_loop().time
    await caller.until(Phase.ON_HOLD)
    began = now()
    await caller.until(Phase.CONNECTING)

    assert caller.longest_silence(began, now()) < 1.0


async def test_a_carrier_that_forwards_nobody_costs_the_caller_no_more_than_an_apology(sandbox: Sandbox) -> None:
    """A refused forward leaves them with the agent."""
    sandbox.trouble.carrier_refuses = True
    sandbox.person(BILLING)
    model = Script([Calls("transfer_call", {"destination": "billing"}), "One moment.", "Billing cannot be reached."])
    caller = await sandbox.call(SupportAgent, model=model)
    await caller.say("I have a question about my invoice")

    await caller.hears("billing cannot be reached")

    assert [Outcome.FAILED] == caller.outcomes


async def test_a_platform_that_does_not_answer_costs_them_no_more_either(sandbox: Sandbox) -> None:
    """Faults can be had on request: here nobody can be dialled."""
    sandbox.fault("POST", "/v2/sip/call", hang=True)
    caller = await angry_caller(sandbox)

    await caller.hears("nobody can come to the phone", timeout=60.0)

    assert "agent" == await caller.talking_to()
