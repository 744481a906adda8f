"""One strategy after another: the caller waits on hold, is told once, and nobody is called after the plan's time."""

import asyncio
import contextlib
import itertools
from typing import Any

import attrs
import pytest

from calltransfer import (
    Call,
    CallOver,
    ConfigurationError,
    DirectTransfer,
    Fallback,
    HeldCaller,
    HoldMusic,
    Message,
    NotAllowed,
    Outcome,
    Phase,
    Policy,
    RingGroup,
    StayWithCaller,
    TakeMessage,
    TransferRequest,
    TransferResult,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, HangsUp, Sandbox, Says, Script
from calltransfer.videosdk.call import PHONE_TIMEOUT
from tests.warm import (
    ASKS,
    CONNECTING,
    SORRY,
    SUMMARY,
    SUPERVISOR,
    TO_SUPERVISOR,
    SupervisedAgent,
    call,
    transferred,
)

MANAGER, QUEUE = "+14155550188", "+14155550123"
TRYING = "I have not reached anybody yet."
STILL_TRYING = "I am still trying to reach somebody."


def plan(*more: Any, **how: Any) -> Fallback:
    return Fallback(WarmTransfer(SUPERVISOR), WarmTransfer(MANAGER), *more, **how)


@attrs.frozen
class Ends:
    """A strategy that dials nobody, and ends as it is told; or with what it raises."""

    how: Any

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        if isinstance(self.how, BaseException):
            raise self.how
        return TransferResult(outcome=self.how) if isinstance(self.how, Outcome) else self.how


HOLDING = "Thank you for holding. I am still connecting you. To come back to me, press star."
"""What the hold says by itself."""


class SaysOneThing:
    """A hold that says one sentence over and over, and plays nothing."""

    return_key = None
    at_once = True

    async def entertain(self, caller: HeldCaller) -> None:
        while True:
            await caller.say("please hold the line")


def tried(caller: Caller) -> list[Outcome | None]:
    return [event.outcome for event in caller.agent.events if event.phase is Phase.ATTEMPTED]


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        ({"answers_after": None}, Outcome.NO_ANSWER),
        ({"refuses_after": 0.2}, Outcome.BUSY),
        ({"says": "no thanks"}, Outcome.DECLINED),
        ({}, Outcome.UNDECIDED),
        ({"says": [Says("please leave a message after the tone")]}, Outcome.VOICEMAIL),
        ({"says": [HangsUp(when="Hello", after=0.1)]}, Outcome.TARGET_LEFT),
    ],
)
async def test_the_next_one_is_tried_when_the_first_does_not_take_the_call(
    first: dict[str, Any], outcome: Outcome
) -> None:
    """The caller stays on hold from one to the next, hears one sentence, and is connected; both are in the record."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, **first)
        sandbox.person(MANAGER, answers_after=8.0, says="yes please")
        caller = await transferred(sandbox, plan())
        phases = caller.agent.phases
        assert [outcome, Outcome.CONNECTED] == tried(caller)
        assert MANAGER == await caller.talking_to()
        assert 1 == phases.count(Phase.ON_HOLD)
        assert Phase.OFF_HOLD not in phases
        assert 1 == sum(TRYING in text for text in caller.texts_heard)
        held, connected = caller.agent.time_of(Phase.ON_HOLD), caller.agent.time_of(Phase.CONNECTING)
        assert caller.longest_silence(held, connected) < 1.0


@pytest.mark.parametrize(
    ("again", "person"),
    [
        (WarmTransfer(SUPERVISOR), {"answers_after": 3.0, "says": "no, not now"}),
        (WarmTransfer(SUPERVISOR), {"answers_after": 3.0}),
        (WarmTransfer(SUPERVISOR, ring_timeout=10.0), {"answers_after": None}),
        (RingGroup(WarmTransfer(), targets=[MANAGER, SUPERVISOR]), {"answers_after": 3.0, "says": "no, not now"}),
        (DirectTransfer(SUPERVISOR), {"answers_after": 3.0, "says": "no, not now"}),
    ],
)
async def test_a_phone_is_called_again_once_it_has_our_last_call_no_longer(again: Any, person: dict[str, Any]) -> None:
    """It is busy until then: what is still said to who has it, and an end that the platform is slow with, are waited for."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, **person)
        sandbox.person(MANAGER, answers_after=None)
        sandbox.fault("POST", "/v2/sip/call/end", delay=2.5)
        once = WarmTransfer(SUPERVISOR, ring_timeout=10.0, decision_timeout=5.0)
        caller = await transferred(sandbox, Fallback(once, again))
        first = next(target for target in sandbox.targets if target.number == SUPERVISOR)
        ended = next(at for status, at in first.statuses if status == "ended")
        (second,) = calls_to(sandbox, SUPERVISOR)[1:]
        assert ended <= second < ended + 3.0
        assert 2 <= len(tried(caller))


async def test_a_phone_that_has_our_last_call_for_good_is_called_all_the_same() -> None:
    """Where the platform does not end it, the caller does not wait for that longer than for a last sentence."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        sandbox.fault("POST", "/v2/sip/call/end", status=500)
        sandbox.fault("POST", "/end", status=500)
        once = WarmTransfer(SUPERVISOR, ring_timeout=10.0)
        await transferred(sandbox, Fallback(once, once))
        first, second = calls_to(sandbox, SUPERVISOR)
        assert 10.0 < second - first < 10.0 + PHONE_TIMEOUT + 1.0


def calls_to(sandbox: Sandbox, number: str) -> list[float]:
    """When the platform was asked to dial or to forward to a number."""
    sent = [(request.at, request.body or {}) for request in sandbox.requests if request.method == "POST"]
    return [at for at, body in sent if number in (body.get("sipCallTo"), body.get("transferTo"))]


async def test_each_attempt_is_in_the_result() -> None:
    """With its outcome, its destination and the platform's word; and the plan ends as the last one."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        sandbox.person(MANAGER, says="no thanks")
        caller = await call(sandbox, plan())
        result = await caller.agent.transfer("supervisor")
        assert Outcome.DECLINED is result.outcome
        assert [(Outcome.BUSY, "***0199"), (Outcome.DECLINED, "***0188")] == [
            (attempt.outcome, str(attempt.destination)) for attempt in result.attempts
        ]
        assert "rejected" == result.attempts[0].status
        assert SUPERVISOR[1:] not in repr(result)


async def test_what_an_attempt_says_of_its_end_is_masked_as_what_the_plan_says() -> None:
    """A number in it is in no result, event or repr."""
    failed = TransferResult(outcome=Outcome.FAILED, detail=f"no way to {SUPERVISOR}", status=f"no {SUPERVISOR}")
    async with Sandbox() as sandbox:
        caller = await call(sandbox, Fallback(Ends(failed)))
        result = await caller.agent.transfer("supervisor")
        assert "no way to" in result.attempts[0].detail
        assert SUPERVISOR[1:] not in repr(result)


async def test_the_record_has_what_was_tried_before_the_caller_hung_up() -> None:
    """However a transfer ends, what had been tried by then is in its result."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        sandbox.person(MANAGER, answers_after=None)
        caller = await call(sandbox, plan())
        transferring = asyncio.create_task(caller.agent.transfer("supervisor"))
        await caller.hears(TRYING)
        await caller.hang_up()
        result = await transferring
        assert Outcome.CALLER_LEFT is result.outcome
        assert [Outcome.BUSY] == [attempt.outcome for attempt in result.attempts]


async def test_a_plan_in_a_plan_tries_and_tells_as_one() -> None:
    """Each attempt is in the record once, wherever it is in the plan, and nothing is said twice."""
    inner = Fallback(WarmTransfer(MANAGER), Ends(Outcome.REFUSED))
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=6.0)
        sandbox.person(MANAGER, refuses_after=6.0)
        sandbox.person(QUEUE)
        caller = await transferred(sandbox, Fallback(WarmTransfer(SUPERVISOR), inner, DirectTransfer(QUEUE)))
        assert [Outcome.BUSY, Outcome.BUSY, Outcome.REFUSED, Outcome.CONNECTED] == tried(caller)
        assert QUEUE == await caller.talking_to()
        assert 1 == sum(TRYING in text for text in caller.texts_heard)
        assert 1 == sum(STILL_TRYING in text for text in caller.texts_heard)


NUMBERS = [f"+141555501{last}" for last in range(60, 66)]


@pytest.mark.parametrize(
    ("strategy", "person"),
    [
        (Fallback(*map(WarmTransfer, NUMBERS)), {"refuses_after": 3.0}),
        (
            Fallback(*(WarmTransfer(number, hold=HoldMusic(every=5.0)) for number in NUMBERS), between=HOLDING),
            {"refuses_after": 4.0},
        ),
        (
            Fallback(
                Fallback(*(WarmTransfer(number, ring_timeout=6.0) for number in NUMBERS[:2])),
                Fallback(*(WarmTransfer(number, ring_timeout=6.0) for number in NUMBERS[2:4])),
                RingGroup(WarmTransfer(ring_timeout=6.0), targets=NUMBERS[4:]),
            ),
            {"answers_after": None},
        ),
        (WarmTransfer(NUMBERS[0], ring_timeout=40.0, hold=SaysOneThing()), {"answers_after": None}),
    ],
)
async def test_the_same_sentence_is_not_said_again_at_once(strategy: Any, person: dict[str, Any]) -> None:
    """Not by a plan whose targets are all busy, not by plans in a plan, not by a hold; nor is there silence instead."""
    async with Sandbox() as sandbox:
        for number in NUMBERS:
            sandbox.person(number, **person)
        caller = await transferred(sandbox, strategy)
        begun: dict[str, list[float]] = {}
        for heard in caller.heard:
            if heard.speaker == "agent":
                begun.setdefault(heard.text, []).append(heard.began)
        assert [] == [(text, at) for text, at in begun.items() if any(b - a < 15 for a, b in itertools.pairwise(at))]
        held, off = caller.agent.time_of(Phase.ON_HOLD), caller.agent.time_of(Phase.OFF_HOLD)
        assert caller.longest_silence(held, off) < 1.0


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_call_is_forwarded_only_after_the_caller_has_heard_that_somebody_else_is_tried(kind: str) -> None:
    """What they are told is not cut off by the carrier."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        sandbox.person(QUEUE)
        caller = await transferred(sandbox, Fallback(WarmTransfer(SUPERVISOR), DirectTransfer(QUEUE)), kind=kind)
        (sentence,) = (heard for heard in caller.heard if TRYING in heard.text)
        assert sentence.text.endswith("please stay on the line.")
        assert sentence.ended <= await caller.sees("transfer-initiated")
        assert QUEUE == await caller.talking_to()


async def test_the_summary_is_kept_for_the_next_one() -> None:
    """The model is asked once, although the first target never heard what it said."""
    script = Script([TO_SUPERVISOR, CONNECTING], summary=SUMMARY, summary_seconds=2.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        manager = sandbox.person(MANAGER, says="yes please")
        await transferred(sandbox, plan(), model=script)
        assert 1 == len(script.summaries_asked)
        told = next(target for target in sandbox.targets if target.person == manager)
        assert SUMMARY in " ".join(told.texts_heard)


async def test_a_summary_is_made_again_when_the_caller_has_said_more() -> None:
    """With an agent who stays with the caller, the next target is told what was said meanwhile."""
    script = Script([TO_SUPERVISOR, CONNECTING, "I see.", SORRY], summary=SUMMARY)
    stays = StayWithCaller()
    strategy = Fallback(WarmTransfer(SUPERVISOR, hold=stays), WarmTransfer(MANAGER, hold=stays))
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=9.0)
        sandbox.person(MANAGER, says="yes please")
        caller = await call(sandbox, strategy, model=script)
        await caller.say("I want to talk to a human about my refund")
        await caller.hears(CONNECTING)
        await caller.say("and my name is Anna Miller")
        await caller.agent.finished.wait()
        assert 2 == len(script.summaries_asked)
        assert MANAGER == await caller.talking_to()


class TakesDown:
    """A strategy of an author's own that takes a message, and says nothing of it."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        await call.sentence_heard()
        async with call.dictation() as dictation:
            assert await dictation.listen(begin_timeout=6.0, silence=2.0, longest=30.0)
        return TransferResult(outcome=Outcome.MESSAGE_TAKEN)


async def leaves_a_message(sandbox: Sandbox, strategy: Any) -> Caller:
    caller = await call(sandbox, strategy)
    await caller.say(ASKS)
    await caller.until(Phase.DICTATING)
    await caller.say("this is Anna please call me back")
    await caller.agent.finished.wait()
    return caller


async def test_nobody_is_called_for_a_caller_who_has_left_a_message() -> None:
    """Whoever has taken it: that ends the plan."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await leaves_a_message(sandbox, Fallback(TakesDown(), WarmTransfer(SUPERVISOR)))
        assert [Outcome.MESSAGE_TAKEN] == caller.agent.outcomes
        assert [] == sandbox.targets


async def test_nobody_is_called_for_a_caller_who_is_back_with_the_agent() -> None:
    """They need nobody any more, and the plan ends."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, Fallback(Ends(Outcome.CALLER_RETURNED), WarmTransfer(SUPERVISOR)))
        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert [] == sandbox.targets


async def test_a_caller_whose_message_was_taken_is_told_so_by_somebody() -> None:
    """Where the strategy has not, the model is told, and says so."""
    async with Sandbox() as sandbox:
        caller = await leaves_a_message(sandbox, TakesDown())
        await caller.hears(SORRY)
        assert "the caller's message has been passed on" in caller.script.asked[-1]


async def test_a_plan_stops_where_it_is_told_to() -> None:
    """A no can be the last word."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        sandbox.person(MANAGER, says="yes please")
        caller = await transferred(sandbox, plan(stop_on={Outcome.DECLINED}))
        assert [Outcome.DECLINED] == caller.agent.outcomes == tried(caller)
        assert "agent" == await caller.talking_to()


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        (Outcome.REFUSED, Outcome.REFUSED),
        (Outcome.FAILED, Outcome.FAILED),
        (RuntimeError("a bug"), Outcome.FAILED),
        (asyncio.CancelledError(), Outcome.FAILED),
        (NotAllowed("a rule"), Outcome.REFUSED),
        ("connected", Outcome.FAILED),
    ],
)
async def test_a_strategy_that_does_not_work_is_one_of_several(how: Any, outcome: Outcome) -> None:
    """Whatever it raises or returns, the next one is tried, and nobody is told of others before somebody was called."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, Fallback(Ends(how), WarmTransfer(SUPERVISOR)))
        assert [outcome, Outcome.CONNECTED] == tried(caller)
        assert not any(TRYING in text for text in caller.texts_heard)


async def test_a_plan_has_an_end() -> None:
    """When its time is over the phone that rings stops ringing, nobody else is called, and the caller is told."""
    async with Sandbox() as sandbox:
        for number in (SUPERVISOR, MANAGER):
            sandbox.person(number, answers_after=None)
        caller = await transferred(sandbox, plan(timeout=32.0))
        assert [Outcome.NO_ANSWER] == tried(caller)
        (finished,) = (event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert Outcome.NO_ANSWER is finished.outcome
        assert "nobody had been reached after 32 s" in finished.detail
        assert all(target.leg.over for target in sandbox.targets)
        await caller.hears(SORRY)


async def test_a_plan_has_an_end_although_a_strategy_takes_no_notice_of_it() -> None:
    """Who goes on after they were cancelled, and ends in vain, is the last one that is tried."""

    @attrs.frozen
    class GoesOn:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30.0)
            return TransferResult(outcome=Outcome.DECLINED)

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, Fallback(GoesOn(), WarmTransfer(SUPERVISOR), timeout=5.0))
        assert [Outcome.DECLINED] == tried(caller) == caller.agent.outcomes
        assert [] == sandbox.targets


async def test_nobody_is_called_any_more_when_the_session_closes_in_the_middle_of_a_message() -> None:
    """What is tried after one that could not be delivered is not tried for a call that is being ended."""

    async def fails(_message: Message) -> None:
        await asyncio.sleep(1.0)
        raise LookupError

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=0.1)
        caller = await call(sandbox, Fallback(TakeMessage(fails), WarmTransfer(SUPERVISOR)))
        await caller.say("I want to talk to a human about my refund")
        await caller.hears("just stop speaking.")
        await caller.say("this is Anna Miller and I was charged twice for the month of May")
        await caller.session.close()
        assert [Outcome.CANCELLED] == caller.agent.outcomes
        assert [] == sandbox.targets


async def test_the_end_of_a_plan_is_told_although_one_of_its_attempts_has_told_its_own() -> None:
    """A caller who has heard that their message was not delivered hears, too, that nobody was reached after that."""

    async def fails(_message: Message) -> None:
        raise LookupError

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox, Fallback(TakeMessage(fails), WarmTransfer(SUPERVISOR), timeout=40.0))
        await caller.say("I want to talk to a human about my refund")
        await caller.hears("just stop speaking.")
        await caller.say("this is Anna Miller and I was charged twice for the month of May")
        await caller.hears("could not be passed on")
        await caller.hears(SORRY, timeout=60.0)


async def test_a_plan_ends_as_the_strategy_does_that_was_tried_last() -> None:
    """Of a ring group that is who came closest, and not who was the last to end."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        sandbox.person(MANAGER, answers_after=None)
        caller = await transferred(sandbox, Fallback(RingGroup(WarmTransfer(), targets=[SUPERVISOR, MANAGER])))
        assert [Outcome.DECLINED, Outcome.NO_ANSWER] == tried(caller)
        assert [Outcome.DECLINED] == caller.agent.outcomes


async def test_a_plan_whose_first_one_takes_all_its_time_has_not_reached_anybody() -> None:
    """Nothing has ended by then; what the caller is told is true all the same."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await transferred(sandbox, plan(timeout=10.0))
        assert [Outcome.NO_ANSWER] == caller.agent.outcomes
        assert [] == tried(caller)


async def test_a_call_that_is_being_forwarded_is_followed_to_its_end_by_a_plan_whose_time_is_over() -> None:
    """It cannot be called back: the truth of it is worth the wait."""
    strategy = Fallback(Fallback(WarmTransfer(SUPERVISOR), DirectTransfer(QUEUE), timeout=20.0), timeout=15.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=1.0)
        sandbox.person(QUEUE, answers_after=20.0)
        caller = await transferred(sandbox, strategy)
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert QUEUE == await caller.talking_to()


async def test_a_connection_that_is_being_made_when_the_time_is_over_is_made() -> None:
    """Half done it would leave the caller alone."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0, says="yes please")
        caller = await call(sandbox, WarmTransfer(SUPERVISOR))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.finished.wait()
        timeout = caller.agent.time_of(Phase.CONNECTING) - caller.agent.time_of(Phase.STARTED) + 0.05
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0, says="yes please")
        caller = await transferred(sandbox, Fallback(WarmTransfer(SUPERVISOR), timeout=timeout))
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert SUPERVISOR == await caller.talking_to()


async def test_a_message_is_taken_to_its_end_by_a_plan_whose_time_is_over() -> None:
    """Whoever has begun to leave one is not interrupted because finding nobody took long."""
    delivered: list[str] = []

    async def deliver(message: Message) -> None:
        delivered.append(message.text)

    strategy = Fallback(WarmTransfer(SUPERVISOR, ring_timeout=5.0), TakeMessage(deliver), timeout=10.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox, strategy)
        await caller.say("I want to talk to a human about my refund")
        await caller.hears("just stop speaking.")
        await caller.say("this is Anna Miller and I was charged twice for the month of May please call me back")
        await caller.agent.finished.wait()
        assert [Outcome.MESSAGE_TAKEN] == caller.agent.outcomes
        assert ["this is Anna Miller and I was charged twice for the month of May please call me back"] == delivered


async def test_a_message_that_is_begun_late_is_no_strategy_that_hangs() -> None:
    """Who is asked for one after minutes of waiting is listened to, to the end, and hears that it will be passed on."""
    delivered: list[str] = []

    @attrs.frozen
    class Slow:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            await asyncio.sleep(235.0)
            return TransferResult(outcome=Outcome.NO_ANSWER)

    async def deliver(message: Message) -> None:
        delivered.append(message.text)

    async with Sandbox() as sandbox:
        caller = await call(sandbox, Fallback(Slow(), TakeMessage(deliver), timeout=240.0))
        await caller.say("I want to talk to a human about my refund")
        await caller.hears("just stop speaking.", timeout=300.0)
        for _ in range(16):
            await caller.say(
                "this is Anna Miller and I was charged twice for the month of May please call me back today"
            )
        await caller.hears("I will pass it on")
        await caller.agent.finished.wait()
        assert [Outcome.MESSAGE_TAKEN] == caller.agent.outcomes
        assert 16 == delivered[0].count("Anna Miller")


async def test_the_key_brings_the_caller_back_from_the_middle_of_a_plan() -> None:
    """Whichever of the attempts has put them on hold."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        sandbox.person(MANAGER, answers_after=None)
        caller = await call(sandbox, plan())
        await caller.say("I want to talk to a human about my refund")
        await caller.hears(TRYING)
        await caller.press("*")
        await caller.agent.finished.wait()
        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert "agent" == await caller.talking_to()
        await caller.say("are you still there")
        assert "agent" == await caller.talking_to()


async def test_the_key_counts_that_is_pressed_while_they_are_being_connected_in_vain() -> None:
    """It cannot be called back then; but nobody else is called for a caller who wants to be with the agent."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        sandbox.person(MANAGER)
        sandbox.trouble.switch_fails = 1
        caller = await call(sandbox, plan())
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.CONNECTING)
        await caller.press("*")
        await caller.agent.finished.wait()
        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert [SUPERVISOR] == [target.number for target in sandbox.targets]
        await caller.hears(SORRY)


async def test_a_caller_who_comes_back_does_not_hear_that_somebody_else_is_tried_to_the_end() -> None:
    """The rest of the sentence would not be true any more, and keep them from what the agent has to say."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=4.0)
        sandbox.person(MANAGER, answers_after=None)
        caller = await call(sandbox, plan())
        await caller.say("I want to talk to a human about my refund")
        await caller.hears("I have not")
        await caller.press("*")
        await caller.hears(SORRY)
        assert not any("stay on the line" in text for text in caller.texts_heard)


@pytest.mark.parametrize("between", [(), "Somebody else is called now."])
async def test_what_the_caller_hears_between_is_the_authors(between: Any) -> None:
    """One sentence, several in turn, or none."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        sandbox.person(MANAGER, says="yes please")
        caller = await transferred(sandbox, plan(between=between))
        assert bool(between) == any("Somebody else is called now." in text for text in caller.texts_heard)
        assert not any(TRYING in text for text in caller.texts_heard)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Fallback([DirectTransfer(SUPERVISOR)]), "not in a list: Fallback(first, second), or"),  # type: ignore[arg-type]
        (lambda: Fallback(), "Fallback takes the strategies it is to try"),
        (lambda: Fallback(SUPERVISOR), "Fallback: a str is not a strategy"),  # type: ignore[arg-type]
        (lambda: Fallback(WarmTransfer()), "Fallback: WarmTransfer needs to="),
        (lambda: plan(stop_on="declined"), "stop_on= takes outcomes, such as {Outcome.DECLINED}, not 'declined'"),
        (lambda: plan(stop_on={Outcome.CONNECTED}), "is no end after which a plan goes on; those are busy, declined"),
        (lambda: plan(stop_on=5), "stop_on= takes outcomes"),
        (lambda: plan(stop_on=["engaged"]), "stop_on=: 'engaged' is no end"),
        (lambda: plan(between=""), "between= takes sentences"),
        (lambda: plan(between=5), "between= takes sentences"),
        (lambda: plan(timeout=0), "timeout= is in seconds"),
    ],
)
def test_a_wrong_plan_is_found_when_it_is_made(build: Any, message: str) -> None:
    """The error names the field, and what would be right."""
    with pytest.raises(ConfigurationError) as error:
        build()
    assert message in str(error.value)


def test_outcomes_may_be_given_by_name() -> None:
    """As they are in a file."""
    assert frozenset({Outcome.DECLINED}) == plan(stop_on=["declined"]).stop_on


@pytest.mark.parametrize("what", ["key", "withdrawal", "close", "hang-up"])
async def test_a_forward_that_waits_for_the_phone_can_still_be_given_up(what: str) -> None:
    """Until the platform is asked the key brings the caller back, and a withdrawal, a close or a hang-up forwards nobody."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no, not now")
        sandbox.fault("POST", "/v2/sip/call/end", delay=9.0)
        caller = await call(sandbox, Fallback(WarmTransfer(SUPERVISOR), DirectTransfer(SUPERVISOR), between=()))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.ATTEMPTED)
        await asyncio.sleep(1.0)  # nothing is said to the caller; the target is still told, and has our call
        assert [] == calls_to(sandbox, SUPERVISOR)[1:]
        if what == "key":
            await caller.press("*")
        elif what == "withdrawal":
            assert "withdrawn" == (await caller.agent.transfer_call("none"))["status"]
        elif what == "close":
            await caller.session.close()
        else:
            await caller.hang_up()
        await caller.agent.finished.wait()
        await asyncio.sleep(15.0)
        ends = {"close": Outcome.CANCELLED, "hang-up": Outcome.CALLER_LEFT}
        assert ends.get(what, Outcome.CALLER_RETURNED) is caller.agent.outcomes[-1]
        assert 1 == len(calls_to(sandbox, SUPERVISOR))
        assert not {Phase.FORWARDING, Phase.CONTRADICTED} & {*caller.agent.phases}


async def test_a_forward_in_a_task_of_its_own_is_not_asked_for_once_its_transfer_has_ended() -> None:
    """Nobody has cancelled it, and it has waited for the phone; the next transfer is told nothing of it."""
    left: list[asyncio.Task[TransferResult]] = []

    @attrs.frozen
    class InATask:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            await WarmTransfer(SUPERVISOR).transfer(call, request)
            left.append(asyncio.create_task(call.forward(WarmTransfer(SUPERVISOR).to)))  # type: ignore[arg-type]
            return await asyncio.shield(left[0])

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no, not now")
        sandbox.fault("POST", "/v2/sip/call/end", delay=9.0)
        caller = await call(sandbox, InATask())
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.OFF_HOLD)
        await asyncio.sleep(1.0)
        assert "withdrawn" == (await caller.agent.transfer_call("none"))["status"]
        await caller.agent.finished.wait()
        with pytest.raises(CallOver):
            await left[0]
        assert 1 == len(calls_to(sandbox, SUPERVISOR))
        assert Phase.FORWARDING not in caller.agent.phases


async def test_nothing_is_said_of_an_attempt_that_the_policy_refuses() -> None:
    """A forward that is not allowed is announced to nobody: the caller hears how the plan ended."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        sandbox.person(QUEUE)
        strategy = Fallback(WarmTransfer(SUPERVISOR, ring_timeout=5.0), DirectTransfer(QUEUE))
        caller = await sandbox.call(
            lambda: SupervisedAgent(strategy, policy=Policy(dials=1)),
            model=Script([TO_SUPERVISOR, CONNECTING, SORRY], summary=SUMMARY),
        )
        await caller.say(ASKS)
        await caller.hears(SORRY)
        await caller.agent.finished.wait()

        assert [Outcome.REFUSED] == caller.agent.outcomes
        assert not any(TRYING in said for said in caller.texts_heard)
