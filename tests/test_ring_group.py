"""Several targets at once: the first yes has the caller, and the others are released with a sentence."""

import asyncio
from typing import Any

import pytest

from calltransfer import (
    Briefing,
    ConfigurationError,
    Destination,
    Fallback,
    HoldMusic,
    Outcome,
    Phase,
    RingGroup,
    StayWithCaller,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, HangsUp, Sandbox, Says, Script
from tests.rings import rung
from tests.warm import SUMMARY, SUPERVISOR, TO_SUPERVISOR, call, transferred

MANAGER, DEPUTY = "+14155550188", "+14155550177"
EVERYBODY = (SUPERVISOR, MANAGER, DEPUTY)
TAKEN = "somebody else has just taken the call"


def group(*targets: Any, **how: Any) -> RingGroup:
    return RingGroup(WarmTransfer(**how), targets=targets or EVERYBODY)


def outcomes(caller: Caller) -> list[Outcome]:
    attempted = [event.outcome for event in caller.agent.events if event.phase is Phase.ATTEMPTED]
    return sorted(outcome for outcome in attempted if outcome is not None)


async def test_the_first_yes_has_the_caller_and_the_others_hear_why_they_have_not() -> None:
    """Everybody's phone rings at once; who is being told when it is taken hears so, and nobody is left on a line."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=6.0)
        sandbox.person(MANAGER, answers_after=2.0, says="yes please")
        sandbox.person(DEPUTY, answers_after=None)
        caller = await transferred(sandbox, group())
        supervisor, manager, deputy = (
            next(target for target in sandbox.targets if target.number == number) for number in EVERYBODY
        )
        assert [True, False, True] == [target.leg.over for target in (supervisor, manager, deputy)]
        assert MANAGER == await caller.talking_to()
        assert TAKEN in supervisor.texts_heard[-1]
        assert [] == deputy.texts_heard
        assert 3 == sum(event.phase is Phase.DIALLED for event in caller.agent.events)
        assert [Outcome.CANCELLED, Outcome.CANCELLED, Outcome.CONNECTED] == outcomes(caller)


async def test_every_event_of_a_target_says_whose_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """Of several who are called at once, each event and log line about one of them says which; none shows a number."""
    caplog.set_level("INFO", logger="calltransfer")
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=6.0)
        sandbox.person(MANAGER, answers_after=2.0, says="yes please")
        sandbox.person(DEPUTY, answers_after=None)
        caller = await transferred(sandbox, group())
        await caller.talking_to()

    whose = {
        number: [str(event.phase) for event in caller.agent.events if event.destination == Destination(number)]
        for number in EVERYBODY
    }
    begins = ["summary_started", "consultation_opened", "dialled", "summary_ready", "ringing"]
    dismissed = ["attempted", "released"]
    assert [*begins, "answered", "briefing", *dismissed] == whose[SUPERVISOR]
    assert [*begins, "answered", "briefing", "decided", "connecting", "attempted", "finished"] == whose[MANAGER]
    assert [*begins, *dismissed] == whose[DEPUTY]
    assert {"started", "sentence_heard", "on_hold"} == {str(e.phase) for e in caller.agent.events if not e.destination}
    assert "answered destination=***0188 status=answered after" in caplog.text
    assert "answered destination=***0188 status=answered" in str(caller.timeline)
    assert not any(number in caplog.text + repr(caller.events) for number in EVERYBODY)


async def test_two_yeses_in_the_same_instant_are_one_connection_and_one_apology() -> None:
    """Who is second by nothing hears that somebody else has taken the call, and is released."""
    async with Sandbox() as sandbox:
        for number in (SUPERVISOR, MANAGER):
            sandbox.person(number, answers_after=3.0, says="yes please")
        caller = await transferred(sandbox, group(SUPERVISOR, MANAGER))
        talks_to = await caller.talking_to()
        (other,) = (target for target in sandbox.targets if target.number != talks_to)
        assert talks_to in {SUPERVISOR, MANAGER}
        assert other.leg.over
        assert 1 == sum(TAKEN in text for text in other.texts_heard)
        assert [Outcome.CANCELLED, Outcome.CONNECTED] == outcomes(caller)


@pytest.mark.parametrize("says", ["yes please", "yes put them through now please", "who is it about then"])
@pytest.mark.parametrize("later", [0.2, 0.3, 0.5])
async def test_who_speaks_while_the_call_is_taken_hears_that_it_is(later: float, says: str) -> None:
    """Words that are recognised when the last sentence has begun do not break into it, and decide nothing."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=3.0, says="yes please")
        sandbox.person(MANAGER, answers_after=3.0 + later, says=says)
        caller = await transferred(sandbox, group(SUPERVISOR, MANAGER))
        manager = next(target for target in sandbox.targets if target.number == MANAGER)
        assert SUPERVISOR == await caller.talking_to()
        assert "Thank you, somebody else has just taken the call. Goodbye." == manager.texts_heard[-1]
        assert [Outcome.CANCELLED, Outcome.CONNECTED] == outcomes(caller)


async def test_the_next_yes_has_the_caller_when_the_first_cannot_be_connected() -> None:
    """Who hangs up after their yes has not taken the caller from those who would have had them."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=2.0, says=["yes please", HangsUp(after=0.01)])
        sandbox.person(MANAGER, answers_after=3.0, says="yes please")
        caller = await transferred(sandbox, group(SUPERVISOR, MANAGER))
        assert MANAGER == await caller.talking_to()
        assert [Outcome.CONNECTED, Outcome.TARGET_LEFT] == outcomes(caller)


@pytest.mark.parametrize(
    ("people", "outcome"),
    [
        ([{"says": "no thanks"}, {"answers_after": None}, {"refuses_after": 0.2}], Outcome.DECLINED),
        ([{"answers_after": None}, {"answers_after": None}, {"refuses_after": 0.2}], Outcome.BUSY),
        ([{"says": [Says("please leave a message after the tone")]}, {"answers_after": None}, {}], Outcome.UNDECIDED),
    ],
)
async def test_a_group_in_which_nobody_takes_the_call_ends_as_who_came_closest(
    people: list[dict[str, Any]], outcome: Outcome
) -> None:
    """A no that was said tells the caller more than a phone that nobody picked up; and everybody is in the record."""
    async with Sandbox() as sandbox:
        for number, person in zip(EVERYBODY, people, strict=True):
            sandbox.person(number, **person)
        caller = await transferred(sandbox, group())
        assert outcome is caller.agent.outcomes[0]
        assert 3 == len(outcomes(caller))
        assert all(target.leg.over for target in sandbox.targets)
        assert "agent" == await caller.talking_to()


async def test_a_caller_who_hangs_up_ends_every_call() -> None:
    """Those who ring stop ringing, and whoever has picked up hears that the caller has gone, not that it was taken."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0)
        sandbox.person(MANAGER, answers_after=None)
        caller = await call(sandbox, group(SUPERVISOR, MANAGER))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.BRIEFING)
        await caller.hang_up()
        await caller.agent.finished.wait()
        assert Outcome.CALLER_LEFT is caller.agent.outcomes[0]
        assert all(target.leg.over for target in sandbox.targets)
        supervisor = next(target for target in sandbox.targets if target.number == SUPERVISOR)
        assert "the caller has hung up" in supervisor.texts_heard[-1]


async def test_the_summary_is_made_once_for_all_of_them() -> None:
    """One question to the model, however many targets are told its answer."""
    script = Script([TO_SUPERVISOR, "I am connecting you now."], summary=SUMMARY)
    async with Sandbox() as sandbox:
        for number in EVERYBODY:
            sandbox.person(number, answers_after=2.0)
        caller = await transferred(sandbox, group(decision_timeout=5.0), model=script)
        assert 3 == sum(SUMMARY in " ".join(target.texts_heard) for target in sandbox.targets)
        assert 1 == len(script.summaries_asked)
        assert Outcome.UNDECIDED is caller.agent.outcomes[0]


async def test_the_agent_stays_with_the_caller_until_somebody_has_said_yes() -> None:
    """With that hold nobody hears music before, and the caller is connected after it as with any other."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=4.0, says="yes please")
        sandbox.person(MANAGER, answers_after=None)
        caller = await transferred(sandbox, group(SUPERVISOR, MANAGER, hold=StayWithCaller()))
        phases = caller.agent.phases
        assert SUPERVISOR == await caller.talking_to()
        assert phases.index(Phase.DECIDED) < phases.index(Phase.ON_HOLD)


async def test_who_is_named_twice_is_rung_once_and_who_cannot_be_found_is_left_out() -> None:
    """Neither keeps the others from being rung, and the record says why."""

    async def nobody(_call: object, _request: object) -> None: ...

    def unknown(_call: object, _request: object) -> str:
        return "0155"

    async def slow(_call: object, _request: object) -> None:
        await asyncio.Event().wait()

    def broken(_call: object, _request: object) -> str:
        raise LookupError

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        targets = (SUPERVISOR, nobody, unknown, slow, broken, Destination(SUPERVISOR))
        caller = await transferred(sandbox, group(*targets))
        assert [SUPERVISOR] == [target.number for target in sandbox.targets]
        assert [Outcome.CONNECTED, Outcome.FAILED, Outcome.FAILED, Outcome.REFUSED] == outcomes(caller)

        again = await transferred(sandbox, group(nobody, unknown))
        assert Outcome.REFUSED is again.agent.outcomes[0]
        again = await transferred(sandbox, group(nobody))
        assert Outcome.REFUSED is again.agent.outcomes[0]


async def test_extensions_behind_one_number_are_rung_each() -> None:
    """Whom the keys lead to is who is called: three extensions are three calls, and the record tells them apart."""
    platform = VideoSDKPlatform(caller_id="+14155550100", gateway="gw_1")
    targets = [Destination(SUPERVISOR, extension=f"{keys}#") for keys in (11, 12, 13, 11)]
    named = Destination(SUPERVISOR, extension="12#", display_name="Bob")
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None, lines=3)
        caller = await transferred(sandbox, group(*targets, named, ring_timeout=5.0), platform=platform)
        dials = [request for request in sandbox.requests if (request.method, request.path) == ("POST", "/v2/sip/call")]
        assert ["11#", "12#", "13#"] == sorted(dial.body["dtmf"] for dial in dials)
        for phase in (Phase.RINGING, Phase.RELEASED, Phase.ATTEMPTED):
            whose = {str(event.destination) for event in caller.agent.events if event.phase is phase}
            assert {f"***0199, extension ***{last}" for last in (1, 2, 3)} == whose


async def test_targets_none_of_whom_can_be_found_are_in_the_record_of_a_plan_once() -> None:
    """Each of them, and not the group besides."""

    def unknown(_call: object, _request: object) -> str:
        return "0155"

    async with Sandbox() as sandbox:
        caller = await transferred(sandbox, Fallback(group(unknown, unknown)))
        assert [Outcome.REFUSED] * 2 == outcomes(caller)


async def test_a_target_whom_the_platform_does_not_dial_is_one_of_several() -> None:
    """What fails for one of them is in the record, and the others are rung all the same."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        sandbox.person(MANAGER, says="yes please")
        sandbox.fault("POST", "/v2/sip/call", status=400, times=1)
        caller = await transferred(sandbox, group(SUPERVISOR, MANAGER))
        assert [Outcome.CONNECTED, Outcome.FAILED] == outcomes(caller)
        assert await caller.talking_to() in {SUPERVISOR, MANAGER}


@pytest.mark.parametrize("names", [["SUPERVISOR"], [SUPERVISOR, MANAGER]])
def test_it_is_known_before_whom_a_group_rings(names: list[str]) -> None:
    """Each target is a warm transfer of its own to whoever looks inside."""
    parts = group(*(Destination(SUPERVISOR) if name == "SUPERVISOR" else name for name in names)).parts
    assert [*map(str, range(1, len(names) + 1))] == list(parts)
    assert all(isinstance(part, WarmTransfer) and part.to is not None for part in parts.values())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RingGroup(HoldMusic(), targets=[SUPERVISOR]), "RingGroup takes a WarmTransfer() as the pattern"),  # type: ignore[arg-type]
        (lambda: RingGroup(WarmTransfer(SUPERVISOR), targets=[MANAGER]), "name every target in targets=[...]"),
        (lambda: RingGroup(WarmTransfer(), targets=[]), "1 to 20 destinations, not 0"),
        (lambda: RingGroup(WarmTransfer(), targets=SUPERVISOR), "targets= takes a list of destinations, not str"),
        (lambda: RingGroup(WarmTransfer(), targets=[SUPERVISOR, "0155"]), "targets=, number 2: "),
        (lambda: RingGroup(WarmTransfer(), targets=[SUPERVISOR, 5]), "targets=, number 2: "),  # type: ignore[list-item]
        (lambda: RingGroup(WarmTransfer(), targets=[None]), "targets=, number 1, is None"),  # type: ignore[list-item]
        (lambda: RingGroup(WarmTransfer(), targets=[f"+141555501{n:02}" for n in range(21)]), "1 to 20"),
    ],
)
def test_a_wrong_group_is_found_when_it_is_made(build: Any, message: str) -> None:
    """The error names the place in the list, and shows no number."""
    with pytest.raises(ConfigurationError) as error:
        build()
    assert message in str(error.value)
    assert "4155550" not in str(error.value)


async def test_somebody_who_declines_is_not_rung_on() -> None:
    """A no ends the call to that one at once, with their own sentence, and the others go on ringing."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0, says="no thanks")
        sandbox.person(MANAGER, answers_after=14.0, says="yes please")
        caller = await transferred(sandbox, group(SUPERVISOR, MANAGER, briefing=Briefing(declined="Never mind.")))
        supervisor = next(target for target in sandbox.targets if target.number == SUPERVISOR)
        manager = next(target for target in sandbox.targets if target.number == MANAGER)
        assert MANAGER == await caller.talking_to()
        assert "Never mind." in supervisor.texts_heard[-1]
        assert await supervisor.sees("ended") < await manager.sees("answered")


@pytest.mark.parametrize("seed", range(6))
def test_ten_targets_at_random(seed: int) -> None:
    """Whatever they, the caller and the platform do: nobody is left on a line, and one at the most has the caller.

    `make rings` has a thousand of them.
    """
    assert [] == rung(seed).broken
