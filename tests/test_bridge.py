"""Forwarding where the carrier allows it, and else dialling the target into the call: never two calls to one target."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calltransfer import (
    ConfigurationError,
    Destination,
    Fallback,
    Outcome,
    Phase,
    Policy,
    VideoSDKPlatform,
    direct_or_bridge,
)
from calltransfer.sandbox import Caller, HangsUp, Sandbox, Says
from calltransfer.strategies.combining import destinations_of, leaves, problems_of
from calltransfer.videosdk.following import STATUSES, Leg, Requests
from tests.agents import BILLING, SORRY, SupportAgent, asking_caller

PLATFORM = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
SIP = "sip:billing@pbx.example.com"
SUMMARY = "about their last invoice"


async def bridged(
    to: Any = BILLING, *, person: Any = None, policy: Any = None, prepare: Any = None, plan: Any = None, **how: Any
) -> tuple[Caller, Sandbox, str]:
    """Somebody asks to be transferred; returns them, the sandbox, and whom they are talking to."""
    strategy = direct_or_bridge(to, **how)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, **(person or {}))
        if prepare is not None:
            prepare(sandbox)
        caller = await asking_caller(
            sandbox,
            lambda: SupportAgent(plan(strategy) if plan is not None else strategy, platform=PLATFORM, policy=policy),
        )
        async with asyncio.timeout(300):
            await caller.agent.finished.wait()
        return caller, sandbox, await caller.talking_to()


def carrier_refuses(sandbox: Sandbox) -> None:
    sandbox.trouble.carrier_refuses = True


def platform_refuses(sandbox: Sandbox) -> None:
    sandbox.fault("POST", "/transfer", status=400)


def attempts(caller: Caller) -> list[Outcome | None]:
    return [event.outcome for event in caller.agent.events if event.phase is Phase.ATTEMPTED]


async def test_where_the_carrier_allows_it() -> None:
    """The call is forwarded, and nobody is dialled."""
    caller, sandbox, to = await bridged()

    assert [Outcome.CONNECTED] == caller.agent.outcomes
    assert to == BILLING
    assert [] == sandbox.targets
    assert [] == attempts(caller)


@pytest.mark.parametrize("refuses", [carrier_refuses, platform_refuses])
async def test_where_it_is_refused(refuses: Any) -> None:
    """The target is dialled, told and not asked, and brought into the caller's room; the caller hears music meanwhile."""
    caller, sandbox, to = await bridged(prepare=refuses)

    assert [Outcome.CONNECTED] == caller.agent.outcomes
    assert to == BILLING
    assert [Outcome.FAILED, Outcome.CONNECTED] == attempts(caller)
    (target,) = sandbox.targets
    assert "I have a caller for you" in target.texts_heard[0]
    assert any(SUMMARY in text for text in target.texts_heard)
    assert not any("Would you like" in text for text in target.texts_heard)
    assert {"switch-room-completed"} <= {status for status, _ in target.statuses}
    assert "switch-room-initiated" not in {status for status, _ in caller.statuses}
    assert Phase.ON_HOLD in caller.agent.phases


async def test_both_are_in_the_result() -> None:
    """The result has both attempts, in order, and the numbers of neither."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sandbox.trouble.carrier_refuses = True
        caller = await sandbox.call(lambda: SupportAgent(direct_or_bridge(BILLING), platform=PLATFORM))
        result = await caller.agent.transfer("billing")

    assert [Outcome.FAILED, Outcome.CONNECTED] == [tried.outcome for tried in result.attempts]
    assert result.attempts[0].target_untouched
    assert not result.target_untouched
    assert "5550123" not in repr(result)


@pytest.mark.parametrize(
    ("person", "outcome"),
    [
        ({"refuses_after": 1.0}, Outcome.FAILED),
        ({"answers_after": None}, Outcome.NO_ANSWER),
    ],
)
async def test_when_it_rang(person: Any, outcome: Outcome) -> None:
    """A target whose phone rang is not called a second time."""
    caller, sandbox, _ = await bridged(person=person, timeout=20.0)

    assert [outcome] == caller.agent.outcomes
    assert [] == sandbox.targets
    assert SORRY in caller.texts_heard


@pytest.mark.parametrize(
    "fault",
    [
        {"hang": True},
        {"reset": True},
        {"status": 500},
        {"status": 500, "acted": True},
        {"reset": True, "acted": True},
        {"status": 200, "body": "no json"},
    ],
)
async def test_when_nobody_knows(fault: dict[str, Any]) -> None:
    """After a lost answer, or one that says nothing, the forward may still come true, and nobody is dialled."""
    caller, sandbox, _ = await bridged(
        person={"answers_after": None}, prepare=lambda sandbox: sandbox.fault("POST", "/transfer", **fault), timeout=8.0
    )

    assert [Outcome.CONNECTED] != caller.agent.outcomes
    assert [] == sandbox.targets


async def test_after_another_that_may_come_true() -> None:
    """While an earlier forward may still come true, a refused one dials nobody: it may be refused because of that."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=None)
        caller = await sandbox.call(lambda: SupportAgent(direct_or_bridge(BILLING, timeout=5.0), platform=PLATFORM))
        first = await caller.agent.transfer("billing")
        second = await caller.agent.transfer("billing")

        assert Outcome.NO_ANSWER is first.outcome
        assert not second.connected
        assert [] == sandbox.targets


async def test_who_declines_although_not_asked() -> None:
    """A plain no, and a machine, keep the two from being connected; the agent is back with the caller."""
    for says, outcome in (
        ([Says("no thanks", when="caller for you")], Outcome.DECLINED),
        ([Says("please leave a message after the tone", after=0.2)], Outcome.VOICEMAIL),
        ([HangsUp(when="caller for you")], Outcome.TARGET_LEFT),
    ):
        caller, _, to = await bridged(person={"says": says}, prepare=carrier_refuses)

        assert [outcome] == caller.agent.outcomes
        assert to == "agent"


async def test_who_hangs_up_meanwhile() -> None:
    """A caller who hangs up between the two, or while the target is dialled, leaves nobody's phone ringing."""
    for phase in (Phase.ATTEMPTED, Phase.RINGING):
        async with Sandbox() as sandbox:
            sandbox.person(BILLING, answers_after=5.0)
            sandbox.trouble.carrier_refuses = True
            caller = await asking_caller(sandbox, lambda: SupportAgent(direct_or_bridge(BILLING), platform=PLATFORM))
            while phase not in caller.agent.phases:
                await caller.something_happens_within(0.5)
            await caller.hang_up()
            await caller.agent.finished.wait()

            assert [Outcome.CALLER_LEFT] == caller.agent.outcomes
            assert all(target.leg.over for target in sandbox.targets)


async def test_a_sip_uri() -> None:
    """What the platform cannot dial is forwarded, or not; the forward's end stands, and nothing is dialled."""
    with pytest.warns(UserWarning, match="SIP URIs"):
        caller, sandbox, _ = await bridged(SIP, prepare=carrier_refuses)

    assert [Outcome.FAILED] == caller.agent.outcomes
    assert [Outcome.FAILED] == attempts(caller)
    assert [] == sandbox.targets
    assert SORRY in caller.texts_heard


async def test_fields_that_only_dialling_can_carry() -> None:
    """A caller ID does not keep a call from being forwarded; an extension does, and whoever has one is dialled at once."""
    caller, sandbox, _ = await bridged(Destination(BILLING, caller_id="+14155550177", display_name="Billing"))
    assert [Outcome.CONNECTED] == caller.agent.outcomes
    assert [] == sandbox.targets

    through_gateway = VideoSDKPlatform(caller_id="+14155550100", gateway="gw_1")
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        strategy = direct_or_bridge(Destination(BILLING, extension="4711"))
        caller = await asking_caller(sandbox, lambda: SupportAgent(strategy, platform=through_gateway))
        await caller.agent.finished.wait()

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert not any(request.path.endswith("/transfer") for request in sandbox.requests)
        (dialled,) = [request.body for request in sandbox.requests if request.path == "/v2/sip/call" and request.body]
        assert "4711" == dialled["dtmf"]

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        with pytest.warns(UserWarning, match="extension of a destination is ignored"):
            caller = await sandbox.call(lambda: SupportAgent(strategy, platform=PLATFORM))
        result = await caller.agent.transfer("billing")

        assert Outcome.FAILED is result.outcome
        assert "extension of a destination is ignored" in result.detail
        assert not any(request.method == "POST" for request in sandbox.requests)


async def test_found_at_call_time() -> None:
    """A callable is asked once, and both ways go to what it finds; none, a wrong one or a late one ends it."""
    asked = []

    def find(_call: Any, request: Any) -> str:
        asked.append(request.route)
        return BILLING

    caller, sandbox, _ = await bridged(find, prepare=carrier_refuses)
    assert [Outcome.CONNECTED] == caller.agent.outcomes
    assert ["billing"] == asked
    assert 1 == len(sandbox.targets)

    async def late(_call: Any, _request: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    for to, outcome in (
        (lambda _call, _request: None, Outcome.REFUSED),
        (lambda _call, _request: "112", Outcome.REFUSED),
        (lambda _call, _request: Destination(BILLING, extension="1"), Outcome.FAILED),
        (late, Outcome.FAILED),
    ):
        caller, sandbox, _ = await bridged(to)
        assert [outcome] == caller.agent.outcomes
        assert [] == sandbox.targets


async def test_what_the_policy_does_not_allow() -> None:
    """What may not be called is neither forwarded nor dialled."""
    caller, sandbox, _ = await bridged(
        lambda _call, _request: "+442079460000", policy=Policy(countries={"US"}), prepare=carrier_refuses
    )

    assert [Outcome.REFUSED] == caller.agent.outcomes
    assert not any(request.method == "POST" for request in sandbox.requests)


async def test_in_a_plan() -> None:
    """In a plan both attempts count once, and the plan goes on after them."""
    caller, sandbox, _ = await bridged(
        person={"refuses_after": 0.5}, prepare=carrier_refuses, plan=lambda strategy: Fallback(strategy, strategy)
    )

    assert [Outcome.FAILED, Outcome.BUSY] * 2 == attempts(caller)
    assert 2 == len(sandbox.targets)


def test_its_parts() -> None:
    """Both ways are checked, and shown; only the one that can be gone."""
    both = direct_or_bridge(BILLING)
    dialled = direct_or_bridge(Destination(BILLING, extension="1"))

    assert ["direct", "bridge"] == list(both.parts)  # type: ignore[attr-defined]
    assert ["bridge"] == list(dialled.parts)  # type: ignore[attr-defined]
    assert 2 == len(destinations_of(both))
    assert 2 == len(list(leaves(direct_or_bridge(lambda _call, _request: None))))
    assert [] == problems_of(both, VideoSDKPlatform())
    assert problems_of(dialled, VideoSDKPlatform())


anything: Any = direct_or_bridge


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: anything(None), "needs to="),
        (lambda: anything("billing"), "to=:"),
        (lambda: anything(BILLING, timeout=0), "timeout= is in seconds"),
        (lambda: anything(BILLING, ring_timeout=-1), "ring_timeout= is in seconds"),
        (lambda: anything(BILLING, briefing="x"), "briefing= takes a Briefing"),
        (lambda: anything(BILLING, hold="x"), "hold= takes an object such as HoldMusic()"),
    ],
)
def test_what_is_wrong_at_construction(make: Any, says: str) -> None:
    """A mistake is found when the agent is built, and named."""
    with pytest.raises(ConfigurationError) as caught:
        make()

    assert says in str(caught.value)


SAID = st.sampled_from([*STATUSES, "other"])


@settings(derandomize=True, deadline=None, max_examples=400)
@given(
    logs=st.lists(st.lists(SAID, max_size=5), min_size=1, max_size=4),
    answer=st.sampled_from(["accepted", "refused", "lost", "none"]),
    after_another=st.booleans(),
)
def test_whatever_the_platform_says(logs: list[list[str]], answer: str, after_another: bool) -> None:
    """Nobody is called in another way whose phone was reported to ring, who may still get the call, or has it."""
    requests, before = Requests(), Leg("a", "answered", ("answered",))
    earlier = requests.ask(before) if after_another else None
    following = requests.ask(before)
    log = ["answered"]
    if answer == "accepted":
        following.accepted(0.0)
    elif answer == "refused":
        following.refused("no", 0.0)
    elif answer == "lost":
        following.answer_lost("lost", 0.0)
    for number, more in enumerate(logs):
        log += more
        requests.read(Leg("a", log[-1], tuple(log)), 1.0 + number)
    verdicts = [verdict for verdict in (following.verdict(100.0), following.at_deadline()) if verdict is not None]

    for verdict in verdicts:
        if verdict.target_untouched:
            assert not {"transfer-ringing", "transferred"} & set(log)
            assert "transfer-failed" in log or answer == "refused"
            assert earlier is None or not earlier.may_come_true
