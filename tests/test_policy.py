"""The policy: what it does not allow is neither dialled nor forwarded, whichever strategy asks for it."""

import asyncio
import re
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calltransfer import (
    Call,
    ConfigurationError,
    Destination,
    DirectTransfer,
    Fallback,
    NotAllowed,
    Outcome,
    Phase,
    Policy,
    RingGroup,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Sandbox
from tests.agents import ASKS, BILLING, CONNECTING, SORRY, TO_BILLING, WITHDRAWS, SupportAgent, asking_caller
from tests.warm import SUPERVISOR, SupervisedAgent, script

LONDON = "+442079460018"
UP_NORTH = "+14165550123"
HOME_ONLY = Policy(countries={"US"})
"""It allows what the agents of these tests have fixed."""

SECURITY = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "security.md"

SET_UP = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
DIALS = ("/transfer", "/v2/sip/call")


def dialled(sandbox: Sandbox) -> list[Any]:
    return [request for request in sandbox.requests if request.method == "POST" and request.path.endswith(DIALS)]


@pytest.mark.parametrize(
    ("policy", "address", "rule"),
    [
        ({"countries": {"US"}}, BILLING, None),
        ({"countries": {"US"}}, LONDON, "a number of GB, and the policy allows the countries US only"),
        ({"countries": {"US", "GB"}}, LONDON, None),
        ({"countries": {"US"}}, UP_NORTH, "a number of CA"),
        ({"countries": {"CA"}}, "+18005550123", None),
        ({"countries": {"US"}}, "+80012345678", "a number of no country"),
        ({"countries": {"US"}}, f"sip:{LONDON}@pbx.example.com", "a number of GB"),
        ({"countries": {"US"}}, "sip:%2B442079460018@pbx.example.com", "a number of GB"),
        ({"countries": {"US"}}, "sip:%252B442079460018@pbx.example.com", "a number of GB"),
        ({"countries": {"US"}}, "sip:+44-20-7946-0018;phone-context=x@pbx.example.com", "a number of GB"),
        ({"countries": {"US"}}, "sip:00442079460018@pbx.example.com", r"without '\+'"),
        ({"countries": {"US"}}, "sip:+999123456789@pbx.example.com", "a number of no country"),
        ({"countries": {"US"}}, "sip:*31*+4930123456@pbx.example.com", r"without '\+'"),
        ({"countries": {"US"}}, "sip:+4930123456,1@pbx.example.com", r"without '\+'"),
        ({"countries": {"US"}}, "sip:+49_30_123456@pbx.example.com", r"without '\+'"),
        ({"countries": {"US"}}, "sip:+442071838750a@pbx.example.com", r"without '\+', or has more in it"),
        ({"countries": {"US"}}, "sip:442071838750x1@pbx.example.com", r"without '\+', or has more in it"),
        ({"countries": {"US"}}, "sip:+442071838750desk@pbx.example.com", None),
        ({"countries": {"US"}}, "sip:2001@pbx.example.com", None),
        ({"countries": {"US"}}, "sip:queue@pbx.example.com", None),
        ({}, "+5352123456", "a number of CU, which is expensive to call, and the policy's countries do not name it"),
        ({}, "sip:+5352123456@pbx.example.com", "a number of CU, which is expensive"),
        ({"countries": {"CU"}}, "+5352123456", None),
        ({"sip_hosts": {"PBX.example.com"}}, "sip:queue@pbx.example.com:5061;transport=tls", None),
        ({"sip_hosts": {"pbx.example.com"}}, "sip:queue@pbx.example.com.evil.org", r"sip_hosts \(pbx.example.com\)"),
        ({"sip_hosts": {"pbx.example.com"}}, "sip:pbx.example.com@evil.org", "its host is none"),
        ({"sip_hosts": {"[2001:db8::1]"}}, "sip:q@[2001:db8::1]:5060", None),
        ({"sip_hosts": {"pbx.example.com"}}, BILLING, None),
    ],
)
def test_what_a_policy_allows(policy: dict[str, Any], address: str, rule: str | None) -> None:
    """Numbers are held to the countries, as the user of a SIP URI too, and SIP URIs to the hosts."""
    problem = Policy(**policy).problem(Destination(address))

    if rule is None:
        assert problem is None
    else:
        assert problem is not None
        assert re.search(rule, problem)
        assert "7946" not in problem


def test_an_emergency_number_that_its_author_allows_is_allowed() -> None:
    """The author's word on one destination stands: an emergency number is of whatever country the line is in."""
    assert HOME_ONLY.problem(Destination("112", allow_emergency=True)) is None


@settings(derandomize=True, max_examples=100)
@given(region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
def test_every_country_is_allowed_by_its_own_name(region: str) -> None:
    """A number is allowed where its own country is, for every country there is."""
    number = phonenumbers.example_number(region)
    assert number is not None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    assert Policy(countries={region}).problem(Destination(written, allow_premium=True)) is None


@settings(derandomize=True, max_examples=300)
@given(region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
def test_a_country_that_is_expensive_to_call_is_called_by_name_only(region: str) -> None:
    """Without a word on countries every number is allowed but those of the countries that the documentation lists."""
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = number or phonenumbers.example_number(region)
    assert number is not None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    where = phonenumbers.region_code_for_number(number)  # several countries share some numbers
    listed = re.findall(
        r"\b[A-Z]{2}\b", SECURITY.read_text().partition("### Toll fraud")[2].partition("No such list")[0]
    )

    assert (Policy().problem(Destination(written, allow_premium=True)) is not None) == (where in listed)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"countries": "US"}, "Policy.countries takes regions of ISO 3166, such as .*, not 'US'"),
        ({"countries": ()}, "Policy.countries takes regions"),
        ({"countries": {1}}, "Policy.countries takes regions"),
        ({"countries": {"UK"}}, "Policy.countries: 'UK' is no region .* such as 'US' or 'DE'"),
        ({"countries": {"us"}}, "Policy.countries: 'us' is no region"),
        ({"countries": {"+14155550123"}}, r"Policy.countries: '\+\*\*\*0123' is no region"),
        ({"sip_hosts": "pbx.example.com"}, "Policy.sip_hosts takes hosts"),
        ({"sip_hosts": {"sip:a@b"}}, "Policy.sip_hosts takes hosts"),
        ({"sip_hosts": {"a\r\nb"}}, "Policy.sip_hosts takes hosts"),
        ({"attempts": 0}, "Policy.attempts is a whole number, 1 or more, not 0"),
        ({"attempts": True}, "Policy.attempts"),
        ({"attempts_per_minute": 2.5}, "Policy.attempts_per_minute"),
        ({"dials": 0}, "Policy.dials is"),
        ({"dials_at_once": True}, "Policy.dials_at_once"),
    ],
)
def test_a_wrong_policy(wrong: dict[str, Any], complaint: str) -> None:
    """A policy set up wrong is refused when it is made, with the field, the value and what would be right."""
    with pytest.raises(ConfigurationError, match=complaint):
        Policy(**wrong)


@pytest.mark.parametrize("strategy", [DirectTransfer(LONDON), WarmTransfer(LONDON)])
def test_a_route_to_a_destination_that_is_not_allowed(strategy: Any) -> None:
    """A fixed destination that breaks the policy is found when the agent is built; the number is masked."""
    with pytest.raises(
        ConfigurationError, match=r"Route 'billing': \*\*\*0018 is not allowed: it is a number of GB.*; allow it in"
    ) as caught:
        SupportAgent(strategy, policy=HOME_ONLY)
    assert "7946" not in str(caught.value)


def test_a_policy_that_is_none() -> None:
    """Something else than a policy is refused."""
    with pytest.raises(ConfigurationError, match="policy= takes a Policy, not dict"):
        SupportAgent(policy={"countries": {"US"}})


class OfTheAuthors:
    """A strategy of an author's own, that forwards or consults whom it likes."""

    def __init__(self, way: str) -> None:
        self.way = way

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        if self.way == "forwards":
            return await call.forward(Destination(LONDON))
        warm = WarmTransfer(LONDON)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.consult(call, request, warm))
        return TransferResult(outcome=Outcome.FAILED)

    @staticmethod
    async def consult(call: Call, request: TransferRequest, warm: WarmTransfer) -> None:
        async with call.consult(Destination(LONDON), request, summary=warm.summary, briefing=warm.briefing):
            raise AssertionError("it was allowed")


@pytest.mark.parametrize(
    "strategy",
    [
        DirectTransfer(lambda call, request: LONDON),
        WarmTransfer(lambda call, request: Destination(LONDON)),
        OfTheAuthors("forwards"),
        OfTheAuthors("consults"),
    ],
)
async def test_the_policy_is_held_below_every_strategy(strategy: Any) -> None:
    """A destination found at run time, and an author's own strategy, are refused; nothing is dialled, the model is told."""
    async with Sandbox() as sandbox:
        sandbox.person(LONDON)
        caller = await sandbox.call(
            lambda: SupportAgent(strategy, policy=HOME_ONLY, platform=SET_UP), model=[TO_BILLING, CONNECTING, SORRY]
        )
        await caller.say(ASKS)
        await caller.hears(SORRY)

        assert [] == dialled(sandbox)
        assert [Outcome.REFUSED] == caller.agent.outcomes
        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert "a number of GB" in finished.detail
        assert "0018" not in finished.detail
        assert any("there is nowhere to transfer to" in asked for asked in caller.script.asked)


async def test_a_strategy_may_catch_the_refusal() -> None:
    """A strategy that is refused one destination may try another one."""

    class Tries:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            refused = await call.forward(Destination(LONDON))
            assert Outcome.REFUSED is refused.outcome
            with pytest.raises(NotAllowed):
                await OfTheAuthors.consult(call, request, WarmTransfer(LONDON))
            return await call.forward(Destination(BILLING))

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(lambda: SupportAgent(Tries(), policy=HOME_ONLY))

        assert (await caller.agent.transfer("billing")).connected


async def test_a_model_that_is_talked_into_a_loop_dials_four_times_a_minute_and_ten_times_a_call() -> None:
    """Attempts that fail and are asked for again come to an end: the tool says so at once, and nothing is dialled."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=0.5)
        caller = await sandbox.call(SupportAgent, model=["Yes?"] * 200)
        now = asyncio.get_running_loop().time
        began, answers = now(), []
        while now() - began < 400:
            answers.append(await caller.agent.transfer_call("billing"))
            await asyncio.sleep(4)
        times = [request.at for request in dialled(sandbox)]

        assert 10 == len(times)
        assert all(times[index + 4] - times[index] >= 60 for index in range(6))
        assert {"transferring", "error", "in_progress"} >= {answer["status"] for answer in answers}
        assert "error" == answers[-1]["status"]
        assert "10 attempts on one call" in answers[-1]["message"]
        assert any("4 attempts within a minute" in answer["message"] for answer in answers)
        result = await caller.agent.transfer("billing")
        assert (Outcome.REFUSED, "the policy allows 10 attempts on one call") == (result.outcome, result.detail)


async def test_who_changes_their_mind_uses_up_nothing() -> None:
    """A transfer that is withdrawn before anything was dialled or forwarded is no attempt."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        model = [*[TO_BILLING, WITHDRAWS, "All right."] * 6, TO_BILLING, CONNECTING]
        caller = await asking_caller(sandbox, lambda: SupportAgent(policy=Policy(attempts=1)), model=model)
        for _ in range(6):
            await caller.talking_to()
            await caller.say(ASKS)

        assert BILLING == await caller.talking_to()
        assert 7 == len(caller.agent.outcomes)


async def test_a_target_who_was_rung_counts_although_it_was_withdrawn() -> None:
    """A phone that has been made to ring is an attempt: withdrawing does not allow to ring people one after another."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await sandbox.call(lambda: SupervisedAgent(policy=Policy(attempts=2)), model=script(*["Yes?"] * 20))
        for _ in range(4):
            await caller.agent.transfer_call("supervisor")
            await asyncio.sleep(2)
            await caller.agent.transfer_call("none")
            await caller.talking_to()

        assert 2 == len(dialled(sandbox))


NUMBERS = [f"+141555501{last}" for last in range(60, 72)]


async def test_phones_are_counted_and_not_only_attempts() -> None:
    """However a plan spreads them, one call makes forty phones ring by default, and the tool says so at once then."""
    ringing = WarmTransfer(ring_timeout=5.0)
    plan = Fallback(RingGroup(ringing, targets=NUMBERS[:6]), RingGroup(ringing, targets=NUMBERS[6:]))
    async with Sandbox() as sandbox:
        for number in NUMBERS:
            sandbox.person(number, answers_after=None)
        caller = await sandbox.call(lambda: SupervisedAgent(plan), model=["Yes?"] * 99)
        results = []
        for _ in range(6):
            results.append(await caller.agent.transfer("supervisor"))
            await asyncio.sleep(60.0)
        assert 40 == len(dialled(sandbox))
        assert [Outcome.NO_ANSWER] * 3 + [Outcome.REFUSED] * 3 == [result.outcome for result in results]
        refused = [each.detail for each in results[3].attempts if each.outcome is Outcome.REFUSED]
        assert ["the policy allows 40 dials on one call"] * 8 == refused
        answer = await caller.agent.transfer_call("supervisor")
        assert "40 dials on one call" in answer["message"]


@pytest.mark.parametrize("policy", [Policy(dials=2), Policy(dials_at_once=2)])
async def test_the_others_of_a_group_are_called(policy: Policy) -> None:
    """Who is one too many is refused, and keeps nobody from the caller; a phone that rings no longer makes room."""

    def found(number: str) -> Any:
        return lambda _call, _request: number

    groups = [RingGroup(WarmTransfer(ring_timeout=5.0), targets=map(found, NUMBERS[at : at + 3])) for at in (0, 3)]
    async with Sandbox() as sandbox:
        for number in NUMBERS:
            sandbox.person(number, answers_after=None)
        caller = await sandbox.call(
            lambda: SupervisedAgent(Fallback(*groups), policy=policy), model=script(*["Yes?"] * 9)
        )
        result = await caller.agent.transfer("supervisor")
        assert (2 if policy.dials == 2 else 4) == len(dialled(sandbox))
        assert Outcome.REFUSED in {each.outcome for each in result.attempts}


async def test_dials_at_once_are_legs_at_a_time() -> None:
    """Who is still told a last sentence is on a line: the next is dialled, and not refused, once that call has ended."""
    plan = Fallback(WarmTransfer(NUMBERS[0]), WarmTransfer(NUMBERS[1]), DirectTransfer(BILLING))
    async with Sandbox() as sandbox:
        for number in NUMBERS[:2]:
            sandbox.person(number, answers_after=1.0, says="no, not now")
        sandbox.person(BILLING)
        caller = await sandbox.call(
            lambda: SupervisedAgent(plan, policy=Policy(dials_at_once=1)), model=script(*["Yes?"] * 9)
        )
        result = await caller.agent.transfer("supervisor")
        assert [Outcome.DECLINED, Outcome.DECLINED, Outcome.CONNECTED] == [each.outcome for each in result.attempts]
        first, second = sandbox.targets[:2]
        begun = second.statuses[0][1]
        assert next(at for status, at in first.statuses if status == "ended") <= begun
        forwarded = next(request.at for request in sandbox.requests if request.path.endswith("/transfer"))
        assert next(at for status, at in second.statuses if status == "ended") <= forwarded


async def test_a_target_whom_nobody_was_asked_to_dial_is_no_dial() -> None:
    """A room that cannot be made uses up none of the phones that the policy allows."""
    async with Sandbox() as sandbox:
        sandbox.person(NUMBERS[0], refuses_after=0.5)
        caller = await sandbox.call(
            lambda: SupervisedAgent(WarmTransfer(NUMBERS[0]), policy=Policy(dials=1)), model=script(*["Yes?"] * 9)
        )
        sandbox.fault("POST", "/v2/rooms", status=403, times=1)
        assert Outcome.FAILED is (await caller.agent.transfer("supervisor")).outcome
        assert [] == dialled(sandbox)
        assert Outcome.BUSY is (await caller.agent.transfer("supervisor")).outcome
        assert Outcome.REFUSED is (await caller.agent.transfer("supervisor")).outcome
        assert 1 == len(dialled(sandbox))


async def test_a_forward_is_a_dial() -> None:
    """A phone that rings because the caller is forwarded to it is counted as one that is dialled."""
    plan = Fallback(DirectTransfer(BILLING), DirectTransfer(SUPERVISOR), WarmTransfer(NUMBERS[0]))
    async with Sandbox() as sandbox:
        for number in (BILLING, SUPERVISOR, NUMBERS[0]):
            sandbox.person(number, refuses_after=0.5)
        caller = await sandbox.call(lambda: SupervisedAgent(plan, policy=Policy(dials=2)), model=script(*["Yes?"] * 9))
        result = await caller.agent.transfer("supervisor")
        assert 2 == len(dialled(sandbox))
        assert Outcome.REFUSED is result.outcome


def test_a_group_that_is_larger_than_the_policy_allows_is_found_when_the_agent_is_built() -> None:
    """Some of its targets would never be rung."""
    group = RingGroup(WarmTransfer(), targets=NUMBERS)
    with pytest.raises(ConfigurationError, match="rings 12 phones at once, and the policy allows 11; raise"):
        SupervisedAgent(Fallback(DirectTransfer(BILLING), group), policy=Policy(dials_at_once=11))
    SupervisedAgent(group, policy=Policy(dials_at_once=12))


async def test_several_targets_of_one_strategy_are_one_attempt() -> None:
    """A strategy that tries one target after another makes one attempt."""

    class OneAfterAnother:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            for number in (SUPERVISOR, "+14155550198"):
                await call.forward(Destination(number))
            return await call.forward(Destination(BILLING))

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(lambda: SupportAgent(OneAfterAnother(), policy=Policy(attempts=1)))

        assert (await caller.agent.transfer("billing")).connected
