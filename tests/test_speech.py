"""What a caller hears of a model that begins late, gives nothing, or fails; and a sentence that is heard to its end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from videosdk.agents import Agent, function_tool

from calltransfer import (
    Call,
    Choose,
    Destination,
    DirectTransfer,
    HeldCaller,
    HoldMusic,
    Outcome,
    Phase,
    Route,
    StayWithCaller,
    TransferMixin,
    TransferRequest,
    TransferResult,
    TransferStrategy,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
)
from calltransfer.hold import music
from calltransfer.sandbox import Caller, Calls, Ears, Fails, Hangs, Sandbox, Says, Script
from calltransfer.sandbox.realtime import ScriptedRealtimeModel
from calltransfer.videosdk.company import TOOLS_TIMEOUT
from calltransfer.videosdk.consultant import Consultant
from calltransfer.videosdk.conversation import SAY_TIMEOUT, Conversation, seconds_to_say

SUPERVISOR = "+14155550199"
BILLING = "+14155550123"

ASKS = "a human please"
GREETING = "Hello."
CONNECTING = "I am getting somebody for you."
SORRY = "I am sorry, they cannot come."

WORDING = Wording()
SPOKEN = WORDING.transferring.spoken
STILL = WORDING.in_progress.spoken
APOLOGY = WORDING.apology

TO_SUPERVISOR = Calls("transfer_call", {"destination": "supervisor", "reason": "a refund"})
TO_BILLING = Calls("transfer_call", {"destination": "billing", "reason": "an invoice"})
SILENCE = ("", "")
"""A cascade's model that says nothing after a tool is asked once more; a realtime one is not."""

SPEAKING_KINDS = ("cascade", "realtime", "realtime_own_ears", "realtime_own_voice")
QUICK = WarmTransfer(SUPERVISOR, ring_timeout=6)
LONGEST_SILENCE = 4.0
LONGEST_ON_HOLD = 1.0


class Desk(TransferMixin, Agent):
    """An agent that forwards callers to billing, and has a supervisor asked."""

    def __init__(self, supervisor: Any = None, billing: Any = None) -> None:
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[
                Route("supervisor", supervisor or WarmTransfer(SUPERVISOR), when="a human is asked for"),
                Route("billing", billing or DirectTransfer(BILLING), when="the caller asks about an invoice"),
            ],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
        )

    async def on_enter(self) -> None:
        await self.session.say(GREETING)

    async def on_exit(self) -> None: ...

    @function_tool
    async def look_up(self) -> dict[str, str]:
        """Looks something up."""
        await asyncio.sleep(7.0)
        self.looked_up = True
        return {"status": "open"}

    looked_up = False


async def asking(sandbox: Sandbox, *steps: Any, agent: Any = Desk, **options: Any) -> Caller:
    """A caller who has just asked for somebody, with a model that does `steps`."""
    caller = await sandbox.call(agent, model=Script(steps), **options)
    await caller.hears(GREETING)
    await caller.say(ASKS)
    return caller


def now() -> float:
    return asyncio.get_running_loop().time()


def at(caller: Caller, phase: Phase) -> float:
    """When `phase` was reported last, on the loop's clock."""
    return [
        reported for reported, event in zip(caller._reports.at, caller.events, strict=True) if event.phase is phase
    ][-1]


def sentences(caller: Caller) -> list[str]:
    """What the agent has said after the greeting."""
    return [heard.text for heard in caller.heard if heard.speaker == "agent" and heard.text != GREETING]


# The announcement, to its end


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("words", [13, 19, 40])
async def test_an_announcement_is_heard_to_its_end(words: int, kind: str) -> None:
    """However long the agent's sentence is, and however late it begins, nothing is forwarded before it is over."""
    sentence = " ".join(["connecting"] * words)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=0.5)
        caller = await asking(sandbox, TO_BILLING, [Hangs(1.5), sentence], kind=kind)
        forwarded_at = await caller.sees("transfer-initiated")

        (heard,) = [heard for heard in caller.heard if heard.text == sentence]
        assert heard.ended <= forwarded_at < heard.ended + 0.5
        assert [sentence] == sentences(caller)


@pytest.mark.parametrize("kind", ["realtime", "realtime_gemini", "realtime_own_ears"])
@pytest.mark.parametrize("before", [["yes"], ["naturally"] * 50], ids=["short", "long"])
async def test_a_sentence_is_waited_for_as_long_as_itself(before: list[str], kind: str) -> None:
    """Of one that hangs, and of whose words nothing is known, the words before it tell nothing: neither less nor more."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        said = " ".join(before)
        caller = await asking(sandbox, said, TO_BILLING, "One moment please.", kind=kind)
        await caller.hears(said, timeout=60.0)
        await asyncio.sleep(5.0)
        assert isinstance(caller.script.realtime, ScriptedRealtimeModel)
        caller.script.realtime.seconds_per_word = 100.0
        await caller.say(ASKS)
        asked = now()
        forwarded_at = await caller.sees("transfer-initiated", timeout=90.0)

        assert SAY_TIMEOUT <= forwarded_at - asked < SAY_TIMEOUT + 3.0


def test_the_time_that_words_take() -> None:
    """It grows with the words, allows for slow voices, digits and characters that are syllables, and is bounded."""
    english = "I am sorry about that double charge. I am transferring you to a colleague in billing who can refund it."

    assert len(english.split()) / 90 * 60 < seconds_to_say(english) < 20
    assert seconds_to_say("すぐに担当者におつなぎしますので、そのままお待ちください。") > 28 / 5.18 + 3
    assert seconds_to_say("4711") > seconds_to_say("four")
    assert 60.0 == seconds_to_say(english * 20)


# A model that gives no words after the tool


@pytest.mark.parametrize("kind", SPEAKING_KINDS)
@pytest.mark.parametrize(
    "silent",
    [SILENCE, (Hangs(115.0),), (Fails(500),), (Fails(429),), ([Hangs(8.0), CONNECTING],)],
    ids=["silent", "hangs", "fails", "fails-429", "late"],
)
async def test_a_fixed_sentence_is_said_for_a_model_that_gives_none_after_the_tool(
    silent: tuple[Any, ...], kind: str
) -> None:
    """The fixed sentence is said by the voice there is, before the caller is forwarded, and no late one after it."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=8.0)
        caller = await asking(sandbox, TO_BILLING, *silent, kind=kind)
        asked = now()
        spoken = await caller.hears(SPOKEN)
        forwarded_at = await caller.sees("transfer-initiated")
        await caller.talking_to()

        assert [SPOKEN] == sentences(caller)
        assert spoken.ended <= forwarded_at
        assert caller.longest_silence(asked, spoken.began) < LONGEST_SILENCE
        assert BILLING == caller.connected_to
        if silent == (Fails(500),) and kind == "cascade":
            assert caller.longest_silence(asked, spoken.began) < 2.0


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_caller_of_a_model_that_hangs_is_on_hold_in_time(kind: str) -> None:
    """From the caller's last word to the target, nobody is left in silence for long by a model that hangs."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=10.0, says="yes, put them through")
        caller = await asking(sandbox, TO_SUPERVISOR, Hangs(115.0), kind=kind)
        asked = now()
        await caller.reaches(SUPERVISOR, timeout=60.0)
        held = at(caller, Phase.ON_HOLD)

        assert caller.longest_silence(asked, held) < LONGEST_SILENCE
        assert caller.longest_silence(held, at(caller, Phase.CONNECTING)) < LONGEST_ON_HOLD
        assert [SPOKEN] == sentences(caller)


@pytest.mark.parametrize("stops", [Fails(500), Hangs(115.0), Hangs(9.0)], ids=["fails", "stalls", "stalls for a while"])
async def test_a_model_that_stops_in_the_middle_of_its_sentence(stops: Any) -> None:
    """What it has said is the sentence: the hold begins when that is over, and the rest never comes."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0, says="no")
        begun = ["I am getting somebody for you now,", stops, "it may take a moment."]
        caller = await asking(sandbox, TO_SUPERVISOR, begun, SORRY)
        asked = now()
        await caller.hears(SORRY, timeout=60.0)
        held = at(caller, Phase.ON_HOLD)

        assert caller.longest_silence(asked, held) < LONGEST_SILENCE
        assert not any("it may take" in text for text in caller.texts_heard)


@pytest.mark.parametrize("kind", ["realtime", "realtime_own_voice"])
async def test_every_answer_of_the_tool_is_spoken_for_a_silent_realtime_model(kind: str) -> None:
    """A realtime model that says nothing of a transfer that could not begin does not leave the caller without a word."""
    async with Sandbox() as sandbox:
        nowhere = Calls("transfer_call", {"destination": "nowhere"})
        caller = await asking(sandbox, nowhere, "", kind=kind)
        await caller.hears(WORDING.unknown_destination.spoken, timeout=5.0)


async def test_a_realtime_model_that_spoke_before_the_tool_is_not_spoken_for() -> None:
    """What a realtime model said as it called the tool is the sentence: nothing is added when it says no more."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking(sandbox, [CONNECTING, TO_BILLING], "", kind="realtime")
        await caller.reaches(BILLING, timeout=30.0)

        assert [CONNECTING] == sentences(caller)


async def test_a_model_may_be_given_more_time_to_begin() -> None:
    """With a longer `sentence_timeout` a slow model's own sentence is waited for, in music."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        patient = lambda: Desk(billing=DirectTransfer(BILLING, sentence_timeout=10.0))  # noqa: E731
        caller = await asking(sandbox, TO_BILLING, [Hangs(6.0), CONNECTING], agent=patient)
        asked = now()
        heard = await caller.hears(CONNECTING)
        await caller.talking_to()

        assert [CONNECTING] == sentences(caller)
        assert caller.longest_silence(asked, heard.began) < LONGEST_SILENCE


async def test_a_tool_of_the_author_s_is_not_ended_for_a_sentence() -> None:
    """A turn in which the author's tool still runs is not given up, and its words are waited for, in music."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking(sandbox, TO_BILLING, Calls("look_up"), CONNECTING)
        asked = now()
        heard = await caller.hears(CONNECTING, timeout=20.0)
        await caller.talking_to()

        assert caller.agent.looked_up
        assert [CONNECTING] == sentences(caller)
        assert caller.longest_silence(asked, heard.began) < LONGEST_SILENCE


async def test_a_model_that_hangs_on_words_that_were_not_finished() -> None:
    """With preemptive generation the fixed sentence waits for the caller's words, and is said once they are known."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=4.0)
        caller = await asking(sandbox, TO_BILLING, Hangs(115.0), ears=Ears(preemptive=True, final_after=1.5))
        asked = now()
        spoken = await caller.hears(SPOKEN, timeout=8.0)
        await caller.reaches(BILLING, timeout=30.0)

        assert [SPOKEN] == sentences(caller)
        assert spoken.began - asked > 1.5


async def test_a_caller_who_breaks_into_the_fixed_sentence_may_take_the_transfer_back() -> None:
    """A fixed sentence is the agent's as any other: who breaks into it is answered before anything happens."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking(
            sandbox, TO_BILLING, Hangs(115.0), Calls("transfer_call", {"destination": "none"}), "You stay with me."
        )
        await caller.hears("One moment please")
        await caller.say("no please do not do that")
        await caller.hears("You stay with me.")
        await caller.talking_to()

        assert [Outcome.CALLER_RETURNED] == caller.outcomes
        assert "agent" == caller.connected_to


async def test_the_answer_to_a_caller_who_broke_in_is_not_awaited_in_silence() -> None:
    """A model that hangs on the caller's objection is waited for in music, and then spoken for."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=1.0)
        long = "I am connecting you to our billing department now so please stay on the line with me"
        caller = await asking(sandbox, TO_BILLING, long, Hangs(115.0))
        await caller.hears("connecting")
        await caller.say("wait which department is that")
        asked = now()
        still = await caller.hears(STILL)
        await caller.reaches(BILLING, timeout=30.0)

        assert caller.longest_silence(asked, still.began) < LONGEST_SILENCE


LONG = "I am connecting you to our billing department now so please stay on the line with me"


async def after_five_seconds(_call: Call, _request: TransferRequest) -> str:
    """A directory that takes its time."""
    await asyncio.sleep(4.9)
    return SUPERVISOR


async def after_three_seconds(_call: Call, _request: TransferRequest) -> TransferStrategy:
    """A chooser that takes its time."""
    await asyncio.sleep(2.9)
    return WarmTransfer(after_five_seconds)


@pytest.mark.parametrize("kind", SPEAKING_KINDS)
@pytest.mark.parametrize(
    "strategy", [WarmTransfer(after_five_seconds), Choose(after_three_seconds), DirectTransfer(after_five_seconds)]
)
async def test_an_author_s_slow_code_is_not_awaited_in_silence(strategy: TransferStrategy, kind: str) -> None:
    """A caller who has heard the agent's sentence hears music until the hold begins, or the forward."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=10.0)
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, SORRY, kind=kind, agent=lambda: Desk(strategy))
        asked = now()
        direct = isinstance(strategy, DirectTransfer)
        await caller.until(Phase.FORWARDING if direct else Phase.ON_HOLD)

        assert now() - asked > 4.9
        assert caller.longest_silence(asked, now()) < LONGEST_SILENCE
        assert caller.music_heard(asked, now()) > 0


class LooksForSomebody:
    """A strategy that takes half a minute over it, and finds nobody."""

    async def transfer(self, _call: Call, _request: TransferRequest) -> TransferResult:
        await asyncio.sleep(30.0)
        return TransferResult(outcome=Outcome.FAILED)


async def test_a_caller_who_speaks_while_slow_code_runs_has_no_music_over_the_talk() -> None:
    """Music for a caller who waits ends as they speak, and is back once they have been answered and nobody speaks."""
    async with Sandbox() as sandbox:
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, STILL, agent=lambda: Desk(LooksForSomebody()))
        await caller.hears(CONNECTING)
        await asyncio.sleep(4.0)
        waited = now()
        await caller.say("how long will that take")
        said = now()
        answered = await caller.hears(STILL)
        await asyncio.sleep(4.0)

        assert caller.music_heard(waited - 1.0, waited) > 0.5
        assert 0 == caller.music_heard(said, answered.ended)
        assert caller.longest_silence(answered.ended, now()) < LONGEST_SILENCE
        assert caller.music_heard(answered.ended, now()) > 1.0


@pytest.mark.parametrize("to", [TO_SUPERVISOR, TO_BILLING], ids=["warm", "direct"])
async def test_nobody_waits_in_silence_for_the_answer_to_a_cough(to: Calls) -> None:
    """A noise that cuts the announcement off, and that no model is asked to answer, is followed by music."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0)
        caller = await asking(sandbox, to, LONG)
        await caller.hears("connecting")
        await caller.cough()
        began = now()
        await caller.until(Phase.ON_HOLD if to is TO_SUPERVISOR else Phase.FORWARDING)

        assert Phase.INTERRUPTED in [event.phase for event in caller.events]
        assert now() - began > LONGEST_SILENCE
        assert caller.longest_silence(began, now()) < LONGEST_SILENCE


@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_own_voice"])
async def test_an_announcement_that_the_author_breaks_off_is_over(kind: str) -> None:
    """What the author's code has the agent stop saying is not waited for in silence, whatever the SDK says it does."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0)
        caller = await asking(sandbox, TO_SUPERVISOR, LONG, kind=kind)
        await caller.hears("connecting")
        caller.session.interrupt(force=True)
        began = now()
        await caller.until(Phase.ON_HOLD)
        await asyncio.sleep(5.0)

        assert caller.longest_silence(began, now()) < LONGEST_SILENCE


@pytest.mark.parametrize("to", [TO_SUPERVISOR, TO_BILLING], ids=["warm", "direct"])
async def test_a_platform_that_does_not_answer_is_not_waited_for_in_silence(to: Calls) -> None:
    """While the caller's leg is looked for and nobody speaks there is music; then they are told."""
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", times=None, hang=True)
        caller = await asking(sandbox, to, CONNECTING, SORRY)
        asked = now()
        sorry = await caller.hears(SORRY)

        assert sorry.began - asked > 2 * LONGEST_SILENCE
        assert caller.longest_silence(asked, sorry.began) < LONGEST_SILENCE
        assert [CONNECTING, SORRY] == sentences(caller)


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_two_transfers_after_one_another_with_a_model_that_fails(kind: str) -> None:
    """What was given up in one transfer keeps nothing from the next."""
    async with Sandbox() as sandbox:
        sandbox.trouble.carrier_refuses = True
        caller = await asking(sandbox, TO_BILLING, Hangs(115.0), Fails(500), TO_BILLING, CONNECTING, SORRY, kind=kind)
        await caller.hears(APOLOGY)
        await caller.until(Phase.TOLD)
        await caller.say("please try it again")
        await caller.hears(SORRY)

        assert [SPOKEN, APOLOGY, CONNECTING, SORRY] == sentences(caller)


async def test_a_caller_who_hangs_up_before_the_fixed_sentence() -> None:
    """Nothing of a model that hangs is left behind by a caller who does not wait for it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=10.0)
        caller = await asking(sandbox, TO_SUPERVISOR, Hangs(115.0))
        await caller.until(Phase.STARTED)
        await asyncio.sleep(1.0)
        await caller.hang_up()
        await caller.until(Phase.FINISHED)

        assert [Outcome.CALLER_LEFT] == caller.outcomes


@attrs.frozen
class GoesStraightOn:
    """A strategy that does not wait for the agent's sentence."""

    does: Callable[[Call], Awaitable[object]]

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        await self.does(call)
        return TransferResult(outcome=Outcome.DECLINED)


MESSAGE = "this is Anna and I would like you to call me back about the refund that I have been waiting for"


async def holds(call: Call) -> None:
    async with call.on_hold(HoldMusic(reassurance=())):
        await asyncio.sleep(20.0)


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_no_fixed_sentence_is_said_to_a_caller_who_is_on_hold(kind: str) -> None:
    """Its time comes while they are: what they hear goes on, and it is not said later."""
    async with Sandbox() as sandbox:
        straight = lambda: Desk(GoesStraightOn(holds))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, Hangs(115.0), SORRY, agent=straight, kind=kind)
        await caller.hears(SORRY)

        assert [SORRY] == sentences(caller)
        assert Phase.INTERRUPTED not in [event.phase for event in caller.events]


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_no_fixed_sentence_is_said_to_a_caller_who_leaves_a_message(kind: str) -> None:
    """Its time comes while they are listened to: nobody speaks into what they say, and all of that is taken down."""
    taken: list[str] = []

    async def listens(call: Call) -> None:
        async with call.dictation() as dictation:
            taken.append(await dictation.listen(begin_timeout=12.0, silence=2.0, longest=30.0))

    async with Sandbox() as sandbox:
        straight = lambda: Desk(GoesStraightOn(listens))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, Hangs(115.0), SORRY, agent=straight, kind=kind)
        if kind == "cascade":  # a realtime model hears it, too, and would answer
            await caller.until(Phase.DICTATING)
            await caller.say(MESSAGE)
        await caller.until(Phase.FINISHED)

        assert [] == sentences(caller)
        assert [MESSAGE if kind == "cascade" else ""] == taken


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_caller_who_is_forwarded_at_once_hears_the_fixed_sentence_meanwhile(kind: str) -> None:
    """A forward does not see to what they hear until somebody answers: a model that hangs leaves them in no silence."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=20.0)
        straight = lambda: Desk(GoesStraightOn(lambda call: call.forward(Destination(BILLING))))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, Hangs(115.0), agent=straight, kind=kind)
        await caller.hears(SPOKEN, timeout=8.0)
        await caller.reaches(BILLING, timeout=60.0)

        assert [SPOKEN] == sentences(caller)


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize(
    ("calls", "within"),
    [([Hangs(2.0), TO_BILLING], TOOLS_TIMEOUT), ([CONNECTING, TO_BILLING], 5.0)],
    ids=["says nothing", "says something each time"],
)
async def test_a_model_that_calls_one_tool_after_another_keeps_no_transfer_from_beginning(
    calls: Any, within: float, kind: str
) -> None:
    """Its words are waited for as long as for those after one tool where it says some, and else for a bounded time."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=2.0)
        caller = await asking(sandbox, TO_BILLING, *[calls] * 30, kind=kind)
        asked = now()
        assert await caller.sees("transfer-initiated", timeout=100.0) - asked < within + 3.0


# An agent that stays with its caller


WRITES = ["It is about to be", Hangs(2.0), "answered."]


async def waits(call: Call) -> None:
    await call.sentence_heard()
    await asyncio.sleep(30.0)


class Counted(Conversation):
    """A conversation that counts how often an answer is waited for, and is not asked without an end."""

    waited = 0

    async def begins(self, before: int, timeout: float, *, over: Callable[[], bool] = lambda: False) -> bool:
        self.waited += 1
        if self.waited > 50:
            raise RuntimeError("the loop does nothing but wait for an answer that there is")
        return await super().begins(before, timeout, over=over)


async def test_an_agent_without_a_voice_that_answers_keeps_the_loop_free(caplog: pytest.LogCaptureFixture) -> None:
    """It is said to be thinking for as long as it writes: the end of that is waited for, and not looked for all the time."""
    async with Sandbox() as sandbox:
        silent = lambda: Desk(GoesStraightOn(waits))  # noqa: E731
        model = Script([TO_SUPERVISOR, CONNECTING, WRITES, WRITES, SORRY])
        caller = await sandbox.call(silent, model=model, kind="cascade_without_voice")
        conversation = caller.agent._call()._company.conversation = Counted(caller.session)
        await caller.say(ASKS)
        await caller.until(Phase.SENTENCE_HEARD)
        conversation.waited = 0
        for _ in range(2):
            await caller.say("it is about the invoice for may")
            await asyncio.sleep(8.0)

        assert 2 <= conversation.waited <= 6
        assert "was not kept company" not in caplog.text


async def test_a_consultation_without_a_voice_that_answers_keeps_the_loop_free() -> None:
    """The same of who watches whether a target is answered: one answer is waited for once, to its end."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(Desk, model=[WRITES, WRITES, WRITES], kind="cascade_without_voice")
        consultant: Any = Consultant(
            caller.session,
            pipeline=None,
            instructions="",
            heard=lambda _text: False,
            pressed=lambda _key, _sender: None,
            answered=lambda _answer: False,
        )
        conversation = consultant._conversation = Counted(caller.session)
        watching = asyncio.create_task(consultant.leaves_unanswered())
        for _ in range(2):
            await caller.say("who is it please")
            await asyncio.sleep(8.0)

        assert not watching.done()
        assert 2 <= conversation.waited <= 6
        watching.cancel()
        await asyncio.wait([watching])
        conversation.close()


@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_own_ears"])
@pytest.mark.parametrize(
    "gives",
    [(Hangs(115.0),), ("",), (Fails(500),), ([Hangs(9.0), "Which invoice is it?"],)],
    ids=["hangs", "empty", "fails", "late"],
)
async def test_a_model_that_leaves_the_caller_it_stays_with_without_an_answer(
    gives: tuple[Any, ...], kind: str
) -> None:
    """They hear that they are still being connected, and music, until they are; never a late answer, and never silence."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0, says=[Says("yes, put them through", when="?")])
        stays = lambda: Desk(supervisor=WarmTransfer(SUPERVISOR, hold=StayWithCaller()))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, *gives, agent=stays, kind=kind)
        await caller.hears(CONNECTING)
        await asyncio.sleep(2.0)
        await caller.say("it is about the invoice for may")
        asked = now()
        await caller.reaches(SUPERVISOR, timeout=100.0)
        held = at(caller, Phase.ON_HOLD)

        assert [CONNECTING, STILL] == sentences(caller)
        assert caller.longest_silence(asked, held) < LONGEST_SILENCE
        assert caller.longest_silence(held, at(caller, Phase.CONNECTING)) < LONGEST_ON_HOLD


@pytest.mark.parametrize("kind", ["cascade", "realtime_own_ears"])
async def test_a_caller_who_speaks_in_the_music_is_heard_and_answered(kind: str) -> None:
    """Music in the place of an answer does not make the agent deaf, and stops when the caller speaks."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        stays = lambda: Desk(supervisor=WarmTransfer(SUPERVISOR, hold=StayWithCaller(), ring_timeout=60))  # noqa: E731
        caller = await asking(
            sandbox, TO_SUPERVISOR, CONNECTING, Hangs(115.0), "It is still ringing.", agent=stays, kind=kind
        )
        await caller.hears(CONNECTING)
        await asyncio.sleep(2.0)
        await caller.say("it is about the invoice for may")
        await caller.hears(STILL)
        await asyncio.sleep(6.0)
        playing = caller.music_heard(now() - 3.0, now())
        await caller.say("are you still there")
        said = now()
        answer = await caller.hears("It is still ringing.")
        await asyncio.sleep(3.0)

        assert playing > 2.0
        assert answer.began - said < 3.0
        assert 0.0 == caller.music_heard(answer.ended, now())


@pytest.mark.parametrize("kind", ["cascade", "realtime_own_ears"])
async def test_a_caller_who_asks_again_before_there_is_an_answer(kind: str) -> None:
    """A second question breaks into the wait for the first one's answer, and is waited for in its turn."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        stays = lambda: Desk(supervisor=WarmTransfer(SUPERVISOR, hold=StayWithCaller(), ring_timeout=40))  # noqa: E731
        caller = await asking(
            sandbox, TO_SUPERVISOR, CONNECTING, Hangs(115.0), Hangs(115.0), SORRY, agent=stays, kind=kind
        )
        await caller.hears(CONNECTING)
        await asyncio.sleep(2.0)
        await caller.say("it is about the invoice for may")
        asked = now()
        await asyncio.sleep(3.0)
        await caller.say("are you still there")
        still = await caller.hears(STILL)

        assert caller.longest_silence(asked, still.began) < LONGEST_SILENCE
        assert 1 == sentences(caller).count(STILL)


# A hold of the author's


class Queue:
    """Says a caller's place in a queue, whenever it is known."""

    return_key = None
    at_once = True

    def __init__(self, plays: bool) -> None:
        self.plays = plays

    async def entertain(self, caller: HeldCaller) -> None:
        for place in ("three", "two", "one"):
            if self.plays:
                await caller.play(music(), seconds=1.0)
            await asyncio.sleep(8.0)
            await caller.say(f"You are number {place}.")


@pytest.mark.parametrize("plays", [False, True])
async def test_a_hold_that_waits_between_two_things_leaves_nobody_in_silence(plays: bool) -> None:
    """Wherever a hold plays and says nothing there is music, none of it over its words, and none once it has ended."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        queue = lambda: Desk(supervisor=WarmTransfer(SUPERVISOR, hold=Queue(plays), ring_timeout=25))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, SORRY, agent=queue)
        await caller.hears(SORRY, timeout=80.0)
        held, over = at(caller, Phase.ON_HOLD), at(caller, Phase.OFF_HOLD)
        await asyncio.sleep(5.0)
        told = [heard for heard in caller.heard if heard.text.startswith("You are number")]

        assert len(told) >= 2
        assert caller.longest_silence(held, over) < LONGEST_ON_HOLD
        assert all(caller.music_heard(heard.began, heard.ended) < 0.2 for heard in told)
        assert 0.0 == caller.music_heard(now() - 3.0, now())


# How it ended


@pytest.mark.parametrize("kind", SPEAKING_KINDS)
@pytest.mark.parametrize("route", ["supervisor", "billing"])
@pytest.mark.parametrize(
    "gives",
    [("", ""), (Fails(500),), (Hangs(115.0),), ([Hangs(20.0), "They were out."],)],
    ids=["empty", "fails", "hangs", "late"],
)
async def test_told_is_what_was_heard(gives: tuple[Any, ...], route: str, kind: str) -> None:
    """A model that does not tell the caller how it ended is spoken for, in time, and once."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=3.0, says="no")
        sandbox.trouble.carrier_refuses = True
        caller = await asking(sandbox, Calls("transfer_call", {"destination": route}), CONNECTING, *gives, kind=kind)
        apology = await caller.hears(APOLOGY, timeout=60.0)
        over = at(caller, Phase.OFF_HOLD if route == "supervisor" else Phase.FORWARDING)
        await caller.until(Phase.TOLD)
        await asyncio.sleep(30.0)

        assert [CONNECTING, APOLOGY] == sentences(caller)
        assert at(caller, Phase.TOLD) >= apology.ended - 0.5
        assert caller.longest_silence(over, apology.began) < LONGEST_SILENCE
        if route == "supervisor":
            assert caller.longest_silence(over, apology.began) < LONGEST_ON_HOLD
        if kind == "cascade" and gives[0] in ("", Fails(500)):
            assert apology.began - over < 2.5


async def test_a_model_that_is_told_late_but_in_time_tells_it_itself() -> None:
    """A realtime model that takes its time with the bad news says it, and nobody says it again."""
    async with Sandbox() as sandbox:
        sandbox.trouble.carrier_refuses = True
        caller = await asking(sandbox, TO_BILLING, CONNECTING, [Hangs(4.0), SORRY], kind="realtime_own_voice")
        await caller.hears(SORRY)
        await caller.until(Phase.TOLD)
        await asyncio.sleep(20.0)

        assert [CONNECTING, SORRY] == sentences(caller)


OWN = "You can also write to us at any time."


class SpeaksAtTheEnd(Desk):
    """An agent whose author has it say something of their own once a transfer is over, and their database has answered."""

    def __init__(self, supervisor: Any, *, replies: bool = False, database: float = 0.0) -> None:
        super().__init__(supervisor)
        self.replies, self.database = replies, database

    def on_transfer_finished(self, result: TransferResult) -> None:
        self.speaking = asyncio.create_task(self.speak())

    async def speak(self) -> None:
        await asyncio.sleep(self.database)
        if self.replies:
            await self.session.reply(instructions=OWN, wait_for_playback=False)
        else:
            await self.session.say(OWN)


async def test_an_authors_own_words_are_not_taken_for_how_it_ended() -> None:
    """Where an author's words break off how a transfer ended before it is heard, it is told after them."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, SORRY, agent=lambda: SpeaksAtTheEnd(QUICK))
        await caller.until(Phase.TOLD)
        await asyncio.sleep(20.0)

        told = [heard for heard in caller.heard if heard.text in {SORRY, APOLOGY}]
        assert 1 == len(told)
        assert told[0].began <= at(caller, Phase.TOLD)
        assert OWN in sentences(caller)


@pytest.mark.parametrize("kind", ["realtime", "realtime_own_ears", "realtime_own_voice"])
@pytest.mark.parametrize("replies", [False, True], ids=["says", "replies"])
@pytest.mark.parametrize("database", [0.0, 0.3])
async def test_a_refusal_of_an_authors_words_is_not_taken_for_one_of_how_it_ended(
    kind: str, replies: bool, database: float
) -> None:
    """A realtime model that is asked for an author's words while it tells how a transfer ended has told it, once."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        speaks = lambda: SpeaksAtTheEnd(QUICK, replies=replies, database=database)  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, SORRY, agent=speaks, kind=kind)
        sorry = await caller.hears(SORRY)
        await caller.until(Phase.TOLD)
        await asyncio.sleep(20.0)

        assert [CONNECTING, SORRY] == sentences(caller)
        assert sorry.began <= at(caller, Phase.TOLD)


@pytest.mark.parametrize("replies", [False, True], ids=["says", "replies"])
async def test_how_it_ended_is_told_after_an_authors_words_that_broke_it_off(replies: bool) -> None:
    """A realtime model that takes an author's words in the place of how a transfer ended is asked for that once more."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        speaks = lambda: SpeaksAtTheEnd(QUICK, replies=replies, database=0.3)  # noqa: E731
        own = [OWN] if replies else []
        caller = await asking(
            sandbox, TO_SUPERVISOR, CONNECTING, "Unheard.", *own, SORRY, agent=speaks, kind="realtime_gemini"
        )
        sorry = await caller.hears(SORRY)
        await caller.until(Phase.TOLD)

        assert [CONNECTING, OWN, SORRY] == sentences(caller)
        assert sorry.began <= at(caller, Phase.TOLD)


async def test_a_caller_who_asks_while_the_model_hangs_on_the_bad_news_is_told_once() -> None:
    """The model that answers their question has been told by then, and tells them: there is no apology besides."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        quick = lambda: Desk(supervisor=WarmTransfer(SUPERVISOR, ring_timeout=8))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, Hangs(115.0), SORRY, agent=quick)
        await caller.until(Phase.OFF_HOLD)
        await asyncio.sleep(2.0)
        await caller.say("hello what is going on")
        await caller.hears(SORRY)
        await caller.until(Phase.TOLD)
        await asyncio.sleep(20.0)

        assert [CONNECTING, SORRY] == sentences(caller)
        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)


async def test_the_bad_news_does_not_wait_for_an_answer_that_hangs() -> None:
    """A caller whose question the model hangs on is told how the transfer ended as soon as it has."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        stays = lambda: Desk(supervisor=WarmTransfer(SUPERVISOR, hold=StayWithCaller(), ring_timeout=12))  # noqa: E731
        caller = await asking(sandbox, TO_SUPERVISOR, CONNECTING, Hangs(115.0), SORRY, agent=stays)
        await caller.hears(CONNECTING)
        await asyncio.sleep(5.0)
        await caller.say("it is about the invoice for may")
        asked = now()
        sorry = await caller.hears(SORRY)

        assert sorry.began - at(caller, Phase.FINISHED) < 4.0
        assert caller.longest_silence(asked, sorry.began) < LONGEST_SILENCE


async def test_closing_while_a_model_hangs_on_the_bad_news() -> None:
    """A session that is closed meanwhile says its last sentence, and leaves nothing behind."""
    async with Sandbox() as sandbox:
        sandbox.trouble.carrier_refuses = True
        caller = await asking(sandbox, TO_BILLING, CONNECTING, Hangs(115.0))
        await caller.until(Phase.FINISHED)
        await asyncio.sleep(3.5)
        await caller.session.close()

        assert [CONNECTING, WORDING.closing] == sentences(caller)


# The target


QUESTION = "Would you like to take the call?"


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("gives", [Fails(500), Hangs(115.0), ""], ids=["fails", "hangs", "empty"])
@pytest.mark.parametrize("after", [0.2, 3.0], ids=["over the question", "after it"])
async def test_a_target_whose_question_is_not_answered_is_asked_again(after: float, gives: Any, kind: str) -> None:
    """They are not left in silence by the consultation's model, and their next yes connects the caller."""
    async with Sandbox() as sandbox:
        says = [Says("who is it please", when="take the call?", after=after), Says("yes, put them through", when="?")]
        sandbox.person(SUPERVISOR, answers_after=3.0, says=says)
        caller = await asking(
            sandbox, TO_SUPERVISOR, CONNECTING, kind=kind, consultation_model=Script([gives, gives, gives])
        )
        await caller.reaches(SUPERVISOR, timeout=60.0)
        (target,) = sandbox.targets
        asked = next(did for did in target.did if "who is it" in str(did.act))
        again = next(heard for heard in target.heard if heard.began > asked.began + 0.5 and QUESTION in heard.text)

        assert again.began - asked.began < 8.0
        if gives == Fails(500) and kind == "cascade":
            assert again.began - asked.began < 4.0
