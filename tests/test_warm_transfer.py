"""A warm transfer: what caller and target hear, and what becomes of them."""

import asyncio
import gc
import json
import logging
import weakref
from typing import Any, cast

import jwt
import pytest
from videosdk.agents import DTMFHandler, Pipeline
from videosdk.agents.event_bus import get_current_event_bus

from calltransfer import (
    Briefing,
    ConfigurationWarning,
    Destination,
    DirectTransfer,
    ExtractiveSummary,
    Fallback,
    Gate,
    HeldCaller,
    HoldMusic,
    LLMSummary,
    Outcome,
    Phase,
    RingGroup,
    StayWithCaller,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Calls, HangsUp, Presses, Sandbox, Says, Script, Unknowns
from calltransfer.sandbox.models import ScriptedLLM as LLMOfSandbox
from calltransfer.sandbox.models import ScriptedTTS
from calltransfer.sandbox.models import ScriptedTTS as TTSOfSandbox
from calltransfer.sandbox.pipelines import make_pipeline
from tests import A_HANG
from tests.warm import (
    ANSWER,
    ASKS,
    CONNECTING,
    OPENED,
    REASON,
    SORRY,
    SUMMARY,
    SUPERVISOR,
    TO_SUPERVISOR,
    call,
    leg_of,
    script,
    transferred,
)

SPEAKING_KINDS = ("cascade", "realtime", "realtime_gemini", "realtime_own_ears", "realtime_own_voice")


SECOND_SUPERVISOR = "+14155550198"


def switches(sandbox: Sandbox) -> list[Any]:
    """The requests that asked for somebody to be moved."""
    return [request.body for request in sandbox.requests if request.path.endswith("/switch-room")]


# A yes


@pytest.mark.parametrize("kind", SPEAKING_KINDS)
@pytest.mark.parametrize("move", ["caller", "target"])
async def test_connects_a_caller_with_a_target_who_says_yes(kind: str, move: Any) -> None:
    """Whatever the pipeline, and whoever is moved: after a yes the two talk to each other, and the agent to nobody."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move), kind=kind)
        (target,) = sandbox.targets

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert (SUPERVISOR, caller.number) == (await caller.talking_to(), target.connected_to)
        await caller.say("Can you hear me")
        await target.hears("Can you hear me")


async def test_reports_every_step() -> None:
    """The author is told of each step in its order."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox)

        assert [
            Phase.STARTED,
            Phase.SUMMARY_STARTED,
            Phase.CONSULTATION_OPENED,
            Phase.DIALLED,
            Phase.SUMMARY_READY,
            Phase.RINGING,
            Phase.SENTENCE_HEARD,
            Phase.ON_HOLD,
            Phase.ANSWERED,
            Phase.BRIEFING,
            Phase.DECIDED,
            Phase.CONNECTING,
            Phase.FINISHED,
        ] == caller.agent.phases


async def test_the_result_names_every_part() -> None:
    """The result holds the summary, masked in its repr, and the platform's ids of both legs, rooms and participants."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox)
        first_room = leg_of(caller).room_id
        result = await caller.agent.transfer("supervisor", reason=REASON)
        (target,) = sandbox.targets
        ids = result.consultation

        assert (leg_of(caller).id, first_room) == (result.leg_id, result.room_id)
        assert (target.leg.id, target.room_id) == (ids.leg_id, ids.room_id)
        assert (target.peer_id, caller.peer_id) == (ids.target_participant_id, ids.caller_participant_id)
        assert leg_of(caller).session_id == ids.session_id
        assert ids.agent_participant_id
        assert result.summary in " ".join(target.texts_heard)
        assert result.summary
        assert result.summary not in repr(result)
        assert tuple(caller.agent.events) == result.timeline


async def test_the_target_hears_greeting_summary_and_question() -> None:
    """The target is greeted at once when they answer, told what it is about, and asked."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox)
        await caller.say(ASKS)
        target = await sandbox.target(SUPERVISOR)
        answered = await target.sees("answered")
        greeting = await target.hears("Hello, this is the assistant")
        opening = await target.hears("press 1 or 2")

        assert greeting.began - answered < 0.3 + 0.1 + 0.5  # the wait, the voice's own time, and the first word
        assert opening.text.startswith(SUMMARY)


async def test_a_slow_summary_does_not_keep_the_target_waiting() -> None:
    """A summary that takes too long is replaced by the caller's own words, and the target is greeted as soon as ever."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0)
        model = Script([TO_SUPERVISOR, CONNECTING], summary_seconds=60.0)
        caller = await call(sandbox, model=model)
        await caller.say(ASKS)
        target = await sandbox.target(SUPERVISOR)
        answered = await target.sees("answered")

        assert (await target.hears(OPENED)).began - answered < 1.0
        assert ASKS in (await target.hears("press 1 or 2")).text


async def test_the_consultations_model_knows_the_summary_from_its_one_system_message() -> None:
    """The model that answers the target's questions has one system message, with summary, reason and transcript in it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["who is it", Says("yes please", when=ANSWER)])
        caller = await transferred(sandbox)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        (system,) = caller.consultation_script.system
        assert SUMMARY in system
        assert REASON in system
        assert ASKS in system


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ([Says("yes", when="refund", after=0.0)], Outcome.CONNECTED),
        ([Presses("1", when="refund")], Outcome.CONNECTED),
        ([Presses("2", when="refund")], Outcome.DECLINED),
        ([Says("no", when="refund", after=0.0)], Outcome.DECLINED),
        ([Says("yes", when="", after=0.1)], Outcome.UNDECIDED),
        ([Presses("7", when="refund")], Outcome.UNDECIDED),
    ],
)
async def test_a_word_or_a_key_decides(says: Any, outcome: Outcome) -> None:
    """One word into the agent's sentence is an answer, and so is a key; what is said at pick-up answers nothing."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=says)
        caller = await transferred(sandbox)

        assert [outcome] == caller.agent.outcomes


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize(
    "says",
    [
        [Says("Hello this is Dana from the second floor how can I help you", after=0.1), Says("yes", when="1 or 2")],
        [Says("uh okay", when="refund", after=0.0), Says("yes", when="1 or 2")],
        [Says("sorry what did you say", when="refund", after=0.0), Says("yes", when="1 or 2")],
    ],
    ids=["says their name over the greeting", "shows that they listen", "asks into the summary"],
)
async def test_nobody_misses_what_it_is_about(kind: str, says: Any) -> None:
    """Who says their name, shows that they are listening or asks back still hears the summary and the question."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=says)
        caller = await transferred(sandbox, kind=kind, consultation_model=[ANSWER, ANSWER])
        (target,) = sandbox.targets

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert any(text.endswith("press 1 or 2.") for text in target.texts_heard)


@pytest.mark.parametrize(
    ("gate", "says", "outcome"),
    [
        (Gate.KEYS_ONLY, [Says("yes please", when="press 2")], Outcome.UNDECIDED),
        (Gate.KEYS_ONLY, [Presses("1", when="refund")], Outcome.CONNECTED),
        (Gate.KEYS_ONLY, [Says("no thanks", when="press")], Outcome.DECLINED),
        (Gate.CONNECT_WITHOUT_ASKING, (), Outcome.CONNECTED),
        (Gate.CONNECT_WITHOUT_ASKING, [Presses("2", when="refund")], Outcome.DECLINED),
        (Gate.CONNECT_WITHOUT_ASKING, [Says("please leave a message after the tone", after=0.0)], Outcome.VOICEMAIL),
    ],
)
async def test_an_author_may_choose_another_gate(gate: Gate, says: Any, outcome: Outcome) -> None:
    """With keys only no word accepts, and with an announcement only nothing needs to be said."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=says)
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, briefing=Briefing(gate=gate)))

        assert [outcome] == caller.agent.outcomes


async def test_the_model_may_decide_what_words_alone_do_not() -> None:
    """A yes in many words is the model's to understand, with a tool that exists in the consultation only."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="I suppose that I could talk to her for a while")
        caller = await transferred(sandbox, consultation_model=[Calls("accept_call"), "Fine."])

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert {"transfer_call"} == {tool._tool_info.name for tool in caller.agent.tools}


async def test_the_model_cannot_accept_where_only_a_key_can() -> None:
    """With keys only, the model's own understanding of a yes connects nobody."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Says("I suppose that I could talk to her for a while", when="press 2")])
        strategy = WarmTransfer(SUPERVISOR, briefing=Briefing(gate=Gate.KEYS_ONLY))
        caller = await transferred(sandbox, strategy, consultation_model=[Calls("accept_call"), "Fine."])

        assert [Outcome.UNDECIDED] == caller.agent.outcomes
        assert ["not_accepted"] == [answer["status"] for answer in caller.consultation_script.answers]


async def test_questions_are_not_endless() -> None:
    """A target who keeps asking has four times the time to decide, and no more."""
    async with Sandbox() as sandbox:
        asks = [Says("tell me more about that", when="?" if n == 0 else ANSWER, after=5.0) for n in range(40)]
        sandbox.person(SUPERVISOR, says=asks)
        strategy = WarmTransfer(SUPERVISOR, decision_timeout=10.0)
        caller = await transferred(sandbox, strategy, consultation_model=Script(otherwise=ANSWER))
        decided = [event for event in caller.agent.events if event.phase in {Phase.BRIEFING, Phase.DECIDED}]

        assert [Outcome.UNDECIDED] == caller.agent.outcomes
        assert 40 <= decided[1].at - decided[0].at < 60


# The target, whoever answers


async def test_the_target_is_who_was_dialled_whatever_their_name() -> None:
    """A target called "Support Agent" is heard and spoken to like any other."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, name="Support Agent", says="yes please")
        caller = await transferred(sandbox)

        assert [Outcome.CONNECTED] == caller.agent.outcomes


@pytest.mark.parametrize("honours_participant_id", [True, False])
async def test_whatever_the_platform_calls_them(honours_participant_id: bool) -> None:
    """It does not matter whether the platform takes our id for the target's participant."""
    async with Sandbox(unknowns=Unknowns(honours_participant_id=honours_participant_id)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox)

        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_early_media_is_a_ring_tone() -> None:
    """Sound on the line of a phone that still rings is nobody who could be told anything."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None, early_media=True)
        caller = await transferred(sandbox)
        (target,) = sandbox.targets

        assert [Outcome.NO_ANSWER] == caller.agent.outcomes
        assert [] == target.heard


@pytest.mark.parametrize("lost", [True, False])
async def test_an_answer_before_the_dial_request_returns_is_an_answer(lost: bool) -> None:
    """Who picks up before the platform has answered the dial, or although its answer is lost, is greeted and asked."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=0.1, says="yes please")
        sandbox.fault("POST", "/v2/sip/call", delay=2.0, acted=True, **({"reset": True} if lost else {"times": 1}))
        caller = await transferred(sandbox)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert 1 == len(sandbox.targets)


async def test_leaves_a_message_on_a_machine() -> None:
    """Where the author gives one, a message is left on a voicemail once its greeting is over."""
    async with Sandbox() as sandbox:
        greeting = "Hi, you have reached Bob, please leave a message after the tone"
        sandbox.person(SUPERVISOR, says=[Says(greeting, after=0.2)])
        message = "A caller of ConnectTel asks for a call back."
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, briefing=Briefing(voicemail_message=message)))
        (target,) = sandbox.targets

        assert [Outcome.VOICEMAIL] == caller.agent.outcomes
        assert message == target.texts_heard[-1]
        assert "ended" == target.leg.status
        decided = caller.agent.time_of(Phase.DECIDED)
        assert 1.0 < next(heard.began for heard in target.heard if heard.text == message) - decided < 3.0


@pytest.mark.parametrize(
    ("says", "last"),
    [
        ("no thanks", "All right, thank you. Goodbye."),
        ((), "I have not heard an answer, so I will not connect the call. Goodbye."),
    ],
)
async def test_a_target_who_is_not_connected_hears_why(says: Any, last: str) -> None:
    """A last sentence, once, and then their line is ended."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=says)
        await transferred(sandbox)
        (target,) = sandbox.targets

        assert last == target.texts_heard[-1]
        assert 1 == target.texts_heard.count(last)
        assert "hung up" == target.connected_to


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_target_who_declines_in_the_middle_of_a_sentence_hears_a_last_one_at_once(kind: str) -> None:
    """What is broken off is not waited for, whatever the pipeline reports of it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Presses("2", when=OPENED)])
        caller = await transferred(sandbox, kind=kind)
        (target,) = sandbox.targets

        assert "All right, thank you. Goodbye." == target.texts_heard[-1]
        assert target.heard[-1].began - caller.agent.time_of(Phase.DECIDED) < 2.0


async def test_a_target_hears_that_the_caller_has_hung_up() -> None:
    """When the caller hangs up in the briefing, the target is told in one sentence and released, and the session ends."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox)
        await caller.say(ASKS)
        target = await sandbox.target(SUPERVISOR)
        await target.hears("refund")
        await caller.hang_up()
        await target.hears("the caller has hung up")
        await target.sees("ended")
        async with asyncio.timeout(30):
            await caller.over.wait()

        assert [Outcome.CALLER_LEFT] == caller.agent.outcomes


@pytest.mark.parametrize("says", ["yes please", "who is it about then"])
async def test_a_target_who_speaks_as_the_caller_hangs_up_hears_that_they_have(says: str) -> None:
    """What they were saying is recognised only after the last sentence has begun, and does not break into it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox)
        await caller.say(ASKS)
        target = await sandbox.target(SUPERVISOR)
        await target.hears("?")
        async with asyncio.TaskGroup() as group:
            group.create_task(target.say(says))
            await asyncio.sleep(0.3)
            group.create_task(caller.hang_up())
        await caller.agent.finished.wait()

        assert "I am sorry, the caller has hung up. Goodbye." == target.texts_heard[-1]
        assert [Outcome.CALLER_LEFT] == caller.agent.outcomes


# Hold


@pytest.mark.parametrize("background_audio", [True, False])
async def test_the_caller_is_never_in_silence(background_audio: bool) -> None:
    """On hold there is music, and at intervals a voice, in rooms that can mix and in rooms that cannot."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=24.0, says="yes please")
        strategy = WarmTransfer(SUPERVISOR, hold=HoldMusic(reassurance=["Still trying.", "Nearly there."], every=6.0))
        caller = await transferred(sandbox, strategy, room_options={"background_audio": background_audio})
        began, ended = caller.agent.time_of(Phase.ON_HOLD), caller.agent.time_of(Phase.FINISHED)

        assert caller.longest_silence(began, ended) < 1.0
        assert caller.music_heard(began, ended) > 15
        assert ["Still trying.", "Nearly there.", "Still trying."] == caller.texts_heard[2:5]


@pytest.mark.parametrize("kind", SPEAKING_KINDS)
async def test_the_agent_does_not_hear_a_caller_on_hold(kind: str) -> None:
    """Nothing a caller says on hold reaches the model, whatever else speaks meanwhile; afterwards they are heard again."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox, kind=kind, model=script(SORRY, "Of course."))
        await caller.say(ASKS)
        await caller.agent.until(Phase.ON_HOLD)
        await caller.say("is anybody there")
        await caller.session.say("Just a moment.")
        await caller.say("hello hello hello")
        await caller.agent.finished.wait()
        await caller.talking_to()
        await caller.say("then send me a letter")
        await caller.talking_to()

        asked = " ".join(caller.script.asked)
        assert "anybody" not in asked
        assert "hello hello" not in asked
        assert "then send me a letter" in asked


@pytest.mark.parametrize("keypad", [False, True], ids=["", "with a keypad handler"])
@pytest.mark.parametrize("key", ["*", "0"])
async def test_the_caller_comes_back_with_a_key(key: str, keypad: bool) -> None:
    """The key brings the caller back to the agent, who is told and speaks; the target is released."""
    options = {"dtmf_handler": lambda: DTMFHandler(lambda _digit: None)} if keypad else {}
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        strategy = WarmTransfer(SUPERVISOR, hold=HoldMusic(return_key=key))
        caller = await call(sandbox, strategy, model=script("Yes, I am here again."), session_options=options)
        await caller.say(ASKS)
        await (await sandbox.target(SUPERVISOR)).hears("refund")
        await caller.press(key)
        await caller.hears("here again")
        await caller.agent.finished.wait()

        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert ["hung up"] == [target.connected_to for target in sandbox.targets]
        assert "wanted to come back to you" in caller.script.asked[-1]


async def test_an_authors_keys_are_theirs_again_after_the_hold() -> None:
    """On hold another key does nothing but be reported; afterwards the author's handler gets its keys as before."""
    pressed: list[Any] = []
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=8.0)
        caller = await call(
            sandbox, session_options={"dtmf_handler": lambda: DTMFHandler(lambda digit: pressed.append(digit))}
        )
        await caller.say(ASKS)
        await caller.agent.until(Phase.ON_HOLD)
        await caller.press("5")
        await caller.agent.until(Phase.HELD_BACK)
        await caller.agent.finished.wait()
        await caller.press("6")
        await caller.talking_to()

        assert [6] == pressed


async def test_a_caller_who_presses_keys_all_through_holds_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """However often keys are pressed, each hold has two events, the second with their number, and the log one warning."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=20.0)
        model = script(SORRY, TO_SUPERVISOR, CONNECTING, SORRY)
        options = {"dtmf_handler": lambda: DTMFHandler(lambda _digit: None)}
        caller = await call(sandbox, model=model, session_options=options)
        details = []
        for presses in (30, 3):
            caller.agent.finished.clear()
            caller.agent.events.clear()
            await caller.say(ASKS)
            await caller.agent.until(Phase.ON_HOLD)
            for _ in range(presses):
                await caller.press("5")
            await caller.agent.finished.wait()
            await caller.hears(SORRY)
            details.append([event.detail for event in caller.agent.events if event.phase is Phase.HELD_BACK])

    assert [["keypad", "keypad, 30 times"], ["keypad", "keypad, 3 times"]] == details
    warned = [record for record in caplog.records if "held_back" in record.getMessage()]
    assert ["WARNING"] == [record.levelname for record in warned if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_who_is_left_is_released_in_the_room_where_they_were_together(move: Any) -> None:
    """When the end of the target's leg is refused, everything in the room that they are in is ended."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move))
        sandbox.fault("POST", "/call/end", status=400)
        await caller.hang_up()
        await sandbox.targets[0].sees("ended")

        assert "hung up" == sandbox.targets[0].connected_to


async def test_a_way_back_that_is_refused_once_is_soon_tried_again() -> None:
    """A caller whose target has left while they were moved is back in a second although the platform first refuses."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox)
        await caller.say(ASKS)
        moved = await caller.sees("switch-room-initiated")
        await sandbox.targets[-1].hang_up()
        sandbox.fault("POST", "/switch-room", status=400, times=1)
        await caller.agent.finished.wait()

        assert [Outcome.TARGET_LEFT] == caller.agent.outcomes
        assert "agent" == caller.connected_to
        back = [at for status, at in caller.statuses if status == "switch-room-completed"][-1]
        assert 0.5 < back - moved < 1.0


async def test_nothing_is_kept_of_a_call_that_is_over() -> None:
    """A process that serves one call after the other keeps no session of those that are over, nor what led to it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        kept = []
        for _ in range(
            2
        ):  # the first may be kept: the SDK freezes what is there when a process's first pipeline starts
            caller = await transferred(sandbox)
            await caller.talking_to()
            await caller.hang_up()
            await caller.over.wait()
            await asyncio.sleep(60.0)
            kept.append(weakref.ref(caller.session))
            await sandbox.forget(over_for=10.0)
            del caller
        gc.collect()

        assert kept[1]() is None


async def test_the_agent_may_stay_with_the_caller() -> None:
    """The agent talks with the caller until the target says yes, and the target is told what was said meanwhile."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=12.0, says=["who is it", Says("yes please", when=ANSWER)])
        model = script("I have noted that.", "Anything else?")
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, hold=StayWithCaller()), model=model)
        await caller.say(ASKS)
        await caller.hears(CONNECTING)
        await caller.say("my order number is forty two")
        await caller.hears("I have noted that")
        await caller.agent.finished.wait()

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert "forty two" in caller.consultation_script.system[0]
        assert "forty two" in caller.script.summaries_asked[-1][1]
        assert caller.agent.phases.index(Phase.DECIDED) < caller.agent.phases.index(Phase.ON_HOLD)


class Quotations:
    """A hold of an author's, which breaks."""

    return_key = None
    at_once = True

    async def entertain(self, caller: HeldCaller) -> None:
        await caller.say("To be or not to be.")
        raise RuntimeError("out of quotations")


async def test_a_hold_that_breaks_leaves_no_silence() -> None:
    """When a hold of an author's raises, the caller hears the music instead, and the transfer goes on."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=10.0, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, hold=Quotations()))
        began, ended = caller.agent.time_of(Phase.ON_HOLD), caller.agent.time_of(Phase.FINISHED)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert "To be or not to be." in caller.texts_heard
        assert caller.longest_silence(began, ended) < 1.0


class Stubborn(Quotations):
    """One that breaks as it is ended."""

    async def entertain(self, caller: HeldCaller) -> None:
        try:
            await caller.say("To be or not to be.")
            await asyncio.sleep(60.0)
        finally:
            raise OSError("the book is closed")


async def test_a_hold_that_breaks_as_it_ends_keeps_nobody_on_hold() -> None:
    """The caller is with the target, or with the agent, as soon as with any other hold."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=4.0, says="no thanks")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, hold=Stubborn()))

        assert [Outcome.DECLINED] == caller.agent.outcomes
        assert caller.agent.time_of(Phase.OFF_HOLD) - caller.agent.time_of(Phase.DECIDED) < 1.0


async def test_a_hook_of_the_author_s_that_breaks_keeps_nobody_on_hold() -> None:
    """The SDK calls it at the end of each sentence: also of one that is broken off as the hold ends."""

    def breaks(_: Any) -> None:
        raise RuntimeError("a hook of the author's")

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, hold=HoldMusic(every=22.8)), kind="realtime")
        caller.agent.on_agent_speech_ended = breaks
        await caller.say(ASKS)
        await caller.agent.finished.wait()

        assert [Outcome.NO_ANSWER] == caller.agent.outcomes
        assert caller.agent.time_of(Phase.FINISHED) - caller.agent.time_of(Phase.ON_HOLD) < 30.0


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("every", [21.0, 22.8, 23.0])
async def test_what_a_hold_says_is_broken_off_as_it_ends(kind: str, every: float) -> None:
    """Begun or only asked for: nobody hears that they are still being connected once they are with the agent again."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, hold=HoldMusic(every=every)), kind=kind)
        await caller.hears(SORRY)
        came_back = caller.agent.time_of(Phase.OFF_HOLD)

        sorry = next(heard for heard in caller.heard if heard.text == SORRY)
        assert sorry.began - came_back < 1.0
        assert [sorry] == [heard for heard in caller.heard if heard.ended > came_back + 0.1]


async def test_all_is_as_before_after_a_transfer_that_failed() -> None:
    """Hearing, auto-end, wake-up and hang-up are the session's own again, and a second attempt works."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        caller = await call(sandbox, model=script(SORRY, TO_SUPERVISOR, CONNECTING), session_options={"wake_up": 60})
        room, session = caller.job.room, caller.session
        session.on_wake_up = wake_up = lambda: None
        before = (room.auto_end_session, room._transfer_in_progress, room.input_stream_manager.pipeline, session.hangup)
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        await caller.talking_to()

        after = (room.auto_end_session, room._transfer_in_progress, room.input_stream_manager.pipeline, session.hangup)
        assert before == after
        assert wake_up is session.on_wake_up
        sandbox.person(SUPERVISOR, says="yes please")
        await caller.say("please try again")
        assert SUPERVISOR == await caller.talking_to()
        assert [Outcome.DECLINED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_caller_who_breaks_into_the_sentence_can_take_it_back() -> None:
    """The target's phone rings already, the caller says no: they were never on hold, and the target is released."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0)
        withdraws = Calls("transfer_call", {"destination": "none"})
        model = Script([TO_SUPERVISOR, f"{CONNECTING} {CONNECTING} {CONNECTING}", withdraws, "All right."])
        caller = await call(sandbox, model=model)
        await caller.say(ASKS)
        await caller.hears("I am connecting")
        await caller.say("no wait I have changed my mind")
        await caller.agent.finished.wait()
        await caller.hears("All right.")

        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert Phase.ON_HOLD not in caller.agent.phases
        assert ["ended"] == [target.leg.status for target in sandbox.targets]


async def test_a_caller_who_breaks_into_the_sentence_and_waits_is_connected_later() -> None:
    """Breaking in does not end a transfer: the caller is answered first, then put on hold, and connected."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0, says="yes please")
        model = Script([TO_SUPERVISOR, f"{CONNECTING} {CONNECTING} {CONNECTING}", "It will take a minute."])
        caller = await call(sandbox, model=model)
        await caller.say(ASKS)
        await caller.hears("I am connecting")
        await caller.say("how long will that take")
        await caller.agent.finished.wait()

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        answered = next(heard.ended for heard in caller.heard if heard.text == "It will take a minute.")
        assert answered <= caller.agent.time_of(Phase.ON_HOLD)


async def test_one_transfer_at_a_time() -> None:
    """A second request during a consultation is told that one is in progress; nobody is dialled twice."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, model=Script([TO_SUPERVISOR, CONNECTING]))
        await caller.say(ASKS)
        await caller.agent.until(Phase.ON_HOLD)
        second = await caller.agent.transfer("supervisor")
        await caller.agent.finished.wait()

        assert (Outcome.REFUSED, "a transfer is already under way") == (second.outcome, second.detail)
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert 1 == len(sandbox.targets)


# A switch that takes its time


@pytest.mark.parametrize("move", ["caller", "target"])
@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize(
    ("trouble", "fault"),
    [({"switch_fails": 1}, {}), ({"switched_leg_vanishes": 1}, {}), ({}, {"status": 400, "times": 1})],
)
async def test_a_target_who_said_yes_is_not_sent_away_for_one_move_that_failed(
    move: Any, kind: str, trouble: dict[str, int], fault: dict[str, Any]
) -> None:
    """While both wait, the target is moved; one whose leg is lost with the move cannot be, and is not waited for."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        for name, times in trouble.items():
            setattr(sandbox.trouble, name, times)
        if fault:
            sandbox.fault("POST", "/switch-room", **fault)
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move), kind=kind)
        lost = move == "target" and "switched_leg_vanishes" in trouble
        (target,) = sandbox.targets
        assert ("agent" if lost else SUPERVISOR) == await caller.talking_to(settled_for=15.0)
        assert lost == target.leg.over
        moved = [event.detail for event in caller.agent.events if event.phase is Phase.CONNECTING]
        assert ([move] if lost else [move, "target"]) == moved
        assert 1 == caller.agent.phases.count(Phase.ROLLED_BACK)
        assert not any("cannot be connected" in text for text in target.texts_heard)


@pytest.mark.parametrize(
    ("person", "outcome"),
    [
        ({"answers_after": None}, Outcome.NO_ANSWER),
        (
            {"answers_after": 2.0, "says": [Says("who is it then", when="1 or 2"), *["who is it then"] * 20]},
            Outcome.UNDECIDED,
        ),
    ],
)
@pytest.mark.parametrize("several", [False, True])
async def test_the_whole_has_an_end(person: dict[str, Any], outcome: Outcome, several: bool) -> None:
    """However its parts are set and whatever a target asks, it ends after `total_timeout`, and the target is told."""
    how: dict[str, Any] = {"ring_timeout": 24.0, "decision_timeout": 120.0, "total_timeout": 25.0}
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, **person)
        one = RingGroup(WarmTransfer(**how), targets=[SUPERVISOR]) if several else WarmTransfer(SUPERVISOR, **how)
        caller = await transferred(sandbox, one, consultation_model=[ANSWER] * 99)
        assert [outcome] == caller.agent.outcomes
        off_hold, started = caller.agent.time_of(Phase.OFF_HOLD), caller.agent.time_of(Phase.STARTED)
        assert how["ring_timeout"] - 0.01 < off_hold - started < 27.0
        (target,) = sandbox.targets
        assert target.leg.over
        if outcome is Outcome.UNDECIDED:
            assert Briefing().undecided == target.texts_heard[-1]


@pytest.mark.parametrize("total", [6.5, 8.0, 11.0])
async def test_who_has_been_asked_nothing_is_not_told_that_they_gave_no_answer(total: float) -> None:
    """Who picks up when the whole is nearly over hears the greeting to its end, and that it came to nothing."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=6.0)
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, ring_timeout=6.4, total_timeout=total))
        (target,) = sandbox.targets
        await asyncio.sleep(10.0)

        assert target.leg.over
        assert [Outcome.UNDECIDED] == caller.agent.outcomes
        assert Briefing().greeting == target.texts_heard[0]
        assert Briefing().failed == target.texts_heard[-1]


async def test_a_move_under_way_is_not_cut_off_by_the_end_of_the_whole() -> None:
    """Half done it would leave the caller alone: it comes to its own end, and they are connected."""
    async with Sandbox(unknowns=Unknowns(switch_after=6.0)) as sandbox:
        sandbox.person(SUPERVISOR, answers_after=1.0, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, ring_timeout=5.0, total_timeout=12.0))
        started, connecting = caller.agent.time_of(Phase.STARTED), caller.agent.time_of(Phase.CONNECTING)
        finished = caller.agent.time_of(Phase.FINISHED)
        assert connecting - started < 12.0 < finished - started
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_failure_says_what_was_tried() -> None:
    """Both moves, and why each failed; the caller is with the agent and the target is told."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        sandbox.trouble.switch_fails = 2
        caller = await transferred(sandbox)
        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        failed = "the platform did not move the call"
        assert f"moving the caller failed: {failed}; then moving the target: {failed}" == finished.detail
        assert Outcome.FAILED is finished.outcome
        assert "agent" == await caller.talking_to()
        assert all(target.leg.over for target in sandbox.targets)


async def test_nobody_is_moved_again_while_the_first_move_may_come_true() -> None:
    """A request whose answer was lost may have been carried out: a second one would have them pass one another."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        sandbox.fault("POST", "/switch-room", reset=True, times=1)
        caller = await transferred(sandbox)
        assert Outcome.FAILED is caller.agent.outcomes[0]
        assert 1 == len(switches(sandbox))
        assert "agent" == await caller.talking_to()


@pytest.mark.parametrize("does", ["presses the key", "hangs up", "target hangs up"])
async def test_nobody_is_moved_again_who_does_not_wait_any_more(does: str) -> None:
    """After a move that failed, a caller who wants the agent back gets them, and nobody moves somebody to who has left."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        sandbox.trouble.switch_fails = 1
        caller = await call(sandbox)

        async def leaves() -> None:
            await caller.agent.until(Phase.ROLLED_BACK)
            if does == "presses the key":
                await caller.press("*")
            elif does == "hangs up":
                await caller.hang_up()
            else:
                await sandbox.targets[0].hang_up()

        leaving = asyncio.create_task(leaves())
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        await leaving
        ends = {
            "presses the key": Outcome.CALLER_RETURNED,
            "hangs up": Outcome.CALLER_LEFT,
            "target hangs up": Outcome.TARGET_LEFT,
        }
        assert [ends[does]] == caller.agent.outcomes
        assert 1 == len(switches(sandbox))
        assert all(target.leg.over for target in sandbox.targets)


async def test_a_switch_that_is_late_connects_all_the_same() -> None:
    """A caller who arrives while the switch is being given up, and meets the target, is connected."""
    async with Sandbox(unknowns=Unknowns(switch_after=11.0)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert SUPERVISOR == await caller.talking_to()


@pytest.mark.parametrize("after", [15.0, 40.0])
async def test_a_caller_who_is_moved_much_too_late_is_fetched_back(after: float) -> None:
    """A switch that was given up and happens after all: the caller is brought back from a room nobody else is in."""
    async with Sandbox(unknowns=Unknowns(switch_after=after)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, model=script(SORRY, "It did not work.", "Yes I am."))
        sandbox._cloud.network.unknowns.switch_after = 0.1
        home = caller.room_id
        await caller.sees("switch-room-completed")
        await caller.talking_to()
        await caller.hears("It did not work.")
        await caller.say("are you there")
        await caller.hears("Yes I am.")

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert ("agent", home) == (caller.connected_to, leg_of(caller).room_id)


STILL_RINGING = Unknowns(transferred_at="acceptance", after_acceptance="stays", carrier_gives_up_after=60.0)
"""A carrier that says `transferred` while the target's phone rings, and leaves the caller where they are."""


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_a_caller_whose_leg_says_transferred_meets_the_target_in_the_agents_room(move: Any) -> None:
    """Whoever is in the room has not gone: where their own leg is moved no more, the target who said yes is."""
    async with Sandbox(unknowns=STILL_RINGING) as sandbox:
        sandbox.person(SECOND_SUPERVISOR, answers_after=None)
        sandbox.person(SUPERVISOR, says="yes please")
        plan = Fallback(DirectTransfer(SECOND_SUPERVISOR, timeout=8.0), WarmTransfer(SUPERVISOR, move=move))
        caller = await transferred(sandbox, plan)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert "transferred" == leg_of(caller).status
        assert SUPERVISOR == await caller.talking_to()


async def test_a_caller_whose_leg_says_transferred_is_forwarded_again() -> None:
    """A second forward is tried, on the leg that says `transferred` of a caller who is there, and they are told its end."""
    async with Sandbox(unknowns=STILL_RINGING) as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        strategy = DirectTransfer(SUPERVISOR, timeout=8.0)
        caller = await transferred(sandbox, strategy, model=script(SORRY, TO_SUPERVISOR, "Once more.", "Not again."))
        await caller.hears(SORRY)
        caller.agent.finished.clear()
        await caller.say("try again")
        await caller.agent.finished.wait()
        await caller.hears("Not again.")

        assert [Outcome.FAILED, Outcome.FAILED] == caller.agent.outcomes
        assert 2 == sum(request.path.endswith("/transfer") for request in sandbox.requests)


async def test_a_caller_is_told_although_the_platform_says_that_their_leg_has_ended() -> None:
    """Nobody is taken to have hung up who is seen in the room: they are told how it ended."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox)
        leg = leg_of(caller)
        ended = json.dumps({"data": {**leg.document(keeps_log=False), "status": "ended"}})
        sandbox.fault("POST", "/switch-room", status=400)
        await caller.say(ASKS)
        await caller.agent.until(Phase.DECIDED)
        sandbox.fault("GET", f"/{leg.id}", body=ended)
        await caller.agent.finished.wait()
        await caller.hears(SORRY)

        assert [Outcome.FAILED] == caller.agent.outcomes


@pytest.mark.parametrize("after", [12.0, 15.0])
async def test_a_caller_who_is_fetched_back_slowly_is_not_hung_up_on(after: float) -> None:
    """While the way back takes long the room does not end, and being refused meanwhile is no try; then they are told."""
    async with Sandbox(unknowns=Unknowns(switch_after=after)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, model=script(SORRY, "You are back with me."))
        await caller.say(ASKS)
        await caller.hears("You are back with me.", timeout=90.0)

        assert "agent" == await caller.talking_to(settled_for=30.0)
        assert [Outcome.FAILED] == caller.agent.outcomes


async def test_a_target_who_is_moved_late_connects_all_the_same() -> None:
    """A target who arrives while their move is being given up is connected, as a caller is."""
    async with Sandbox(unknowns=Unknowns(switch_after=11.0)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move="target"))

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert SUPERVISOR == await caller.talking_to()


@pytest.mark.parametrize("after", [12.1, 12.5, 13.0, 13.5])
async def test_a_target_who_is_moved_much_too_late_hears_nothing_of_what_the_caller_is_told(after: float) -> None:
    """A target whose move was given up, and happens after all, is ended in the caller's room before they hear a word."""
    async with Sandbox(unknowns=Unknowns(switch_after=after)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(
            sandbox, WarmTransfer(SUPERVISOR, move="target"), model=script("Nobody can help.", "Nobody can help now.")
        )
        await caller.hears("Nobody can help now.")

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert "agent" == await caller.talking_to(settled_for=5.0)
        assert not any(said.startswith("Nob") for said in sandbox.targets[0].texts_heard)


async def test_a_caller_on_hold_is_in_no_silence_until_the_target_can_be_heard() -> None:
    """A target who is moved into the caller's room, and cannot be heard yet: the hold goes on until they can."""
    async with Sandbox(unknowns=Unknowns(audio_after=4.0)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move="target"))
        asked, met = caller.agent.time_of(Phase.CONNECTING), caller.agent.time_of(Phase.FINISHED)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert asked is not None
        assert met is not None
        assert 1.0 > caller.longest_silence(asked, met)


async def test_a_caller_who_cannot_be_brought_back_hears_a_last_word() -> None:
    """When the platform moves the caller and will not move them back, their call ends with a sentence, not in silence."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox)
        await caller.say(ASKS)
        await caller.sees("switch-room-initiated")
        sandbox.fault("POST", "/switch-room", status=400)
        await sandbox.targets[0].hang_up()
        await caller.agent.finished.wait()

        assert [Outcome.CALLER_LEFT] == caller.agent.outcomes
        assert "ended" == leg_of(caller).status
        assert "could not be connected" in caller.texts_heard[-1]


# After the handover


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_a_target_who_leaves_within_seconds_brings_the_caller_back(move: Any) -> None:
    """The caller is with the agent again, who is told what happened and hears them; a second attempt is possible."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(after=3.0)])
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move), model=script("They are gone.", "Yes."))
        await caller.hears("They are gone.")
        await caller.say("are you there")
        await caller.hears("Yes.")

        assert "agent" == await caller.talking_to()
        assert Phase.RETURNED in caller.agent.phases
        assert "hung up" in caller.script.asked[2]


@pytest.mark.parametrize("move", ["caller", "target"])
@pytest.mark.parametrize("who", ["caller", "target"])
async def test_when_one_of_the_two_leaves_the_others_leg_is_ended(move: Any, who: str) -> None:
    """Nobody talks to an empty line: once they have talked, who hangs up ends the call for both, and the session."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move))
        (target,) = sandbox.targets
        await caller.talking_to(settled_for=20.0)
        await (caller if who == "caller" else target).hang_up()
        async with asyncio.timeout(30):
            await caller.over.wait()

        assert ("ended", "ended") == (leg_of(caller).status, target.leg.status)


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_the_agent_stays_deaf_and_silent(move: Any) -> None:
    """After the handover the agent hears neither of the two, and nothing that it says is heard."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move))
        (target,) = sandbox.targets
        await caller.talking_to()
        heard, asked = len(target.heard), len(caller.script.asked)
        await caller.say("what can you do for me")
        await caller.session.say("Is anybody there?")
        await target.say("let me have a look")
        await caller.talking_to()

        assert {caller.number} == {said.speaker for said in target.heard[heard:]}
        assert "Is anybody there?" not in caller.texts_heard
        assert asked == len(caller.script.asked)


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_the_agent_may_leave_at_once(move: Any) -> None:
    """With leave_unwatched=True the session ends, its goodbye is heard by nobody, and caller and target go on talking."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, move=move, leave_unwatched=True))
        session = caller.session

        async def goodbye() -> None:
            await session.say("Goodbye from the agent.")

        caller.agent.on_exit = goodbye
        await caller.say(ASKS)
        async with asyncio.timeout(60):
            await caller.over.wait()
        (target,) = sandbox.targets
        await caller.say("are you still there")
        await target.hears("are you still there")

        assert (SUPERVISOR, caller.number) == (caller.connected_to, target.connected_to)
        assert "Goodbye from the agent." not in caller.texts_heard + target.texts_heard


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_hanging_up_after_the_handover_ends_nobodys_leg(move: Any) -> None:
    """session.hangup(), and a worker that shuts down, leave the two who were connected alone."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move))
        await caller.talking_to()
        await caller.session.hangup()
        await asyncio.create_task(caller.job.shutdown())
        (target,) = sandbox.targets

        assert ("answered", "answered") == (leg_of(caller).status, target.leg.status)
        assert SUPERVISOR == caller.connected_to


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_introduces_them_to_each_other(move: Any) -> None:
    """Where the author wants it, both hear one sentence once they are together."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        briefing = Briefing(introduction="You are now talking to each other.")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move=move, briefing=briefing))
        (target,) = sandbox.targets

        await caller.hears("You are now talking to each other.")
        await target.hears("You are now talking to each other.")


async def test_moving_the_target_touches_nothing_of_the_callers() -> None:
    """With move="target" the caller's leg has no other status and no other room, and the target hears no hold music."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, move="target"))
        (target,) = sandbox.targets

        assert [target.leg.id] == [body["callId"] for body in switches(sandbox)]
        assert ["incoming", "verified", "answered"] == [status for status, _ in caller.statuses]
        assert target.music_heard(caller.agent.time_of(Phase.CONNECTING), asyncio.get_running_loop().time()) < 0.5


@pytest.mark.parametrize("how", ["closed", "removed"])
async def test_a_consultation_that_ends_by_itself(how: str) -> None:
    """When the consultation's session closes, or the platform removes its agent, the caller is told at once."""
    made: list[Any] = []

    def factory() -> Pipeline:
        made.append(make_pipeline("cascade", Script([ANSWER])))
        return made[-1]

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", pipeline=factory)
        caller = await call(sandbox, platform=platform, consultation_model=None)
        await caller.say(ASKS)
        target = await sandbox.target(SUPERVISOR)
        await target.hears("refund")
        (member,) = sandbox._cloud.network.rooms[target.room_id].members
        if how == "closed":
            await made[0].agent.session.close()
        else:
            sandbox._cloud.network.leave(member)
            member.removed()
        ended = asyncio.get_running_loop().time()
        await caller.hears(SORRY)
        await caller.agent.finished.wait()

        assert asyncio.get_running_loop().time() - ended < 8.0
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert "ended" == target.leg.status


# When the session ends


async def test_a_session_that_closes_takes_the_target_with_it() -> None:
    """When the worker shuts down while the target's phone rings, it rings no longer."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox)
        await caller.say(ASKS)
        await caller.agent.until(Phase.RINGING)
        await asyncio.create_task(caller.job.shutdown())

        assert [Outcome.CANCELLED] == caller.agent.outcomes
        assert ["ended"] == [target.leg.status for target in sandbox.targets]


async def test_nothing_of_the_consultation_is_left_behind() -> None:
    """After a transfer that failed, its room is empty, and no task or connection of it is left."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        caller = await transferred(sandbox)
        await caller.talking_to()
        (target,) = sandbox.targets
        room = sandbox._cloud.network.rooms[target.room_id]

        assert ([], {}) == (room.members, room.peers)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not any("consult" in name or "target" in name or "hold" in name for name in names)


# What the platform is asked for


async def test_dials_as_the_platform_and_the_destination_say() -> None:
    """Caller id and rule are the platform's, and what the destination brings along is passed on."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        destination = Destination(
            SUPERVISOR,
            caller_id="+14155550177",
            extension="12w3",
            headers={"X-Ticket": "7"},
            metadata={"ticket": 7},
            display_name="Second line",
        )
        platform = VideoSDKPlatform(caller_id="+14155550100", gateway="gw_1")
        caller = await transferred(sandbox, WarmTransfer(destination, ring_timeout=20.0), platform=platform)
        (dialled,) = [r.body for r in sandbox.requests if (r.method, r.path) == ("POST", "/v2/sip/call")]

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        participant = dialled.pop("participant")
        assert "Second line" == participant["name"]
        assert {
            "sipCallTo": SUPERVISOR,
            "sipCallFrom": "+14155550177",
            "gatewayId": "gw_1",
            "destinationRoomId": sandbox.targets[0].room_id,
            "waitUntilAnswered": True,
            "ringingTimeout": 25,
            "maxCallDuration": 14400,
            "metadata": {"ticket": 7},
            "dtmf": "12w3",
            "headers": {"X-Ticket": "7"},
        } == dialled


@pytest.mark.parametrize(
    ("asks_with", "secret", "sent"),
    [
        (jwt.encode({"apikey": "key"}, "s" * 32), "s" * 32, True),
        (jwt.encode({"apikey": "key"}, "s" * 32), "short", True),
        (jwt.encode({"apikey": "key"}, "s" * 32), None, False),
        (jwt.encode({"apikey": "key of another account"}, "s" * 32), "s" * 32, False),
        ("says-not-whose-it-is", "s" * 32, False),
    ],
)
async def test_the_token_for_a_move_opens_one_room_for_one_participant(
    asks_with: str, secret: str | None, sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It joins, asks nothing, and lives a minute; where it cannot be signed for the account that is used, none is sent."""
    if secret is not None:
        monkeypatch.setenv("VIDEOSDK_API_KEY", "key")
        monkeypatch.setenv("VIDEOSDK_SECRET_KEY", secret)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        platform = VideoSDKPlatform(token=asks_with, caller_id="+14155550100", routing_rule="rr_1")
        caller = await transferred(sandbox, platform=platform)
        (asked,) = switches(sandbox)

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert sent == ("token" in asked)
        if sent:
            claims = jwt.decode(asked["token"], options={"verify_signature": False})
            assert {
                "apikey": "key",
                "permissions": ["allow_join"],
                "roles": ["rtc"],
                "version": 2,
                "roomId": asked["roomId"],
                "participantId": asked["participantId"],
            } == {name: value for name, value in claims.items() if name not in {"iat", "exp"}}
            assert 60 == claims["exp"] - claims["iat"]


async def test_the_consultations_pipeline_is_made_in_its_own_room() -> None:
    """An author's factory is called once for each consultation, and never takes the live agent's ears away."""
    made: list[Pipeline] = []

    def factory() -> Pipeline:
        made.append(make_pipeline("cascade", Script([ANSWER])))
        return made[-1]

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", pipeline=factory)
        caller = await transferred(
            sandbox, platform=platform, model=script(SORRY, "Of course."), consultation_model=None
        )
        await caller.talking_to()
        await caller.say("are you still there")
        await caller.hears("Of course.")

        assert 1 == len(made)
        assert caller.job.room.pipeline is caller.session.pipeline


async def test_what_is_said_in_the_consultation_is_not_reported_in_the_callers_room() -> None:
    """The SDK's bus of the caller's session hears of no transcript of the consultation."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["who is it", Says("no thanks", when=ANSWER)])
        caller = await call(sandbox)
        reported: list[str] = []

        def note(data: Any) -> None:
            reported.append(data["text"])

        _, context = sandbox._hosts[caller]
        bus = context.run(get_current_event_bus)
        bus.on("USER_TRANSCRIPT_ADDED", note)
        bus.on("AGENT_TRANSCRIPT_ADDED", note)
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        await caller.hears(SORRY)

        assert any(ASKS in text for text in reported)
        assert not any(OPENED in text or ANSWER in text or "who is it" in text for text in reported)


async def test_metrics_of_the_two_rooms_are_kept_apart() -> None:
    """The consultation's session collects its own metrics, under its own session's id."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox)
        consultant = caller.agent._call()._handover._consultation.consultant
        own, consultations = (session._session_metrics_collector for session in (caller.session, consultant._session))

        assert own is not consultations
        assert own.session.session_id != consultations.session.session_id


async def test_recording_goes_on() -> None:
    """A recorded call is recorded in the consultation too, and the caller wherever they are: in one piece, or in two."""
    brief = Briefing(greeting="Hi.", question="Yes?")
    async with Sandbox() as sandbox:
        for number in (SUPERVISOR, SECOND_SUPERVISOR):
            sandbox.person(number, answers_after=0.2, says="yes")
        moves: dict[str, Any] = {"caller": SUPERVISOR, "target": SECOND_SUPERVISOR}
        callers = {
            move: await call(
                sandbox,
                WarmTransfer(number, move=cast("Any", move), briefing=brief, summary=Short()),
                number=f"+1415555011{n}",
                room_options={"recording": True},
            )
            for n, (move, number) in enumerate(moves.items())
        }
        rooms = {move: leg_of(caller).room_id for move, caller in callers.items()}
        own = {move: caller.peer_id for move, caller in callers.items()}
        await asyncio.gather(*(caller.agent.transfer("supervisor") for caller in callers.values()))
        moved = callers["caller"]
        async with asyncio.timeout(A_HANG):
            while (leg_of(moved).room_id, moved.peer_id) not in recorded(sandbox, "start"):
                await moved.something_happens_within(0.5)

        assert [Outcome.CONNECTED] * 2 == [caller.agent.outcomes[0] for caller in callers.values()]
        assert (rooms["caller"], own["caller"]) in recorded(sandbox, "stop")
        assert (rooms["target"], own["target"]) in recorded(sandbox, "start")
        assert (rooms["target"], own["target"]) not in recorded(sandbox, "stop")
        assert {target.room_id for target in sandbox.targets} <= {room for room, _ in recorded(sandbox, "start")}


@pytest.mark.parametrize("fails", [False, True], ids=["the target leaves within seconds", "the move fails half-way"])
async def test_a_caller_who_is_with_the_agent_again_is_recorded_again(fails: bool) -> None:
    """Under the name they have come back with, and although the platform takes them for not yet joined at first."""
    brief = Briefing(greeting="Hi.", question="Yes?")
    async with Sandbox() as sandbox:
        sandbox.trouble.switched_leg_vanishes = int(fails)
        sandbox.person(SUPERVISOR, answers_after=0.2, says=["yes"] if fails else ["yes", HangsUp(after=0.5)])
        caller = await call(
            sandbox,
            WarmTransfer(SUPERVISOR, briefing=brief, summary=Short()),
            model=Script([SORRY]),
            room_options={"recording": True},
        )
        home, own = caller.room_id, caller.peer_id
        transferring = asyncio.create_task(caller.agent.transfer("supervisor"))
        await caller.agent.until(Phase.ROLLED_BACK if fails else Phase.RETURNED)
        sandbox.fault("POST", "/recordings/participant/track/start", status=400, times=3)
        if fails:
            await sandbox.targets[0].hang_up()  # or the target would be moved instead
        result = await transferring
        async with asyncio.timeout(A_HANG):
            while (home, caller.peer_id) not in recorded(sandbox, "start"):
                await caller.something_happens_within(0.5)

        assert result.connected is not fails
        assert own != caller.peer_id
        assert (home, own) in recorded(sandbox, "stop")


def recorded(sandbox: Sandbox, action: str) -> set[tuple[str, str]]:
    """Of whom, and where, recording has been started or stopped."""
    return {(room, who) for what, room, who in sandbox.recordings if what.endswith(action)}


class Short:
    """A summary of one word."""

    async def summarise(self, _call: Any, _request: Any) -> str:
        return "Refund."


# Set-up


async def test_what_is_missing_is_said_when_the_agent_is_built(recwarn: pytest.WarningsRecorder) -> None:
    """Without caller id and rule the author is warned at construction, and the model is told instead of a caller left."""
    async with Sandbox() as sandbox:
        caller = await call(sandbox, platform=VideoSDKPlatform())
        warned = [str(warning.message) for warning in recwarn if "cannot be used" in str(warning.message)]
        await caller.say(ASKS)
        await caller.talking_to()

        assert 2 == len(warned)
        assert any("caller_id=" in text for text in warned)
        assert any("routing_rule=" in text for text in warned)
        assert ["error"] == [answer["status"] for answer in caller.script.answers]
        assert [] == sandbox.targets


class Spanish(TTSOfSandbox):
    """A voice that is told what it is, as those of the SDK's plugins are, and keeps that."""

    def __init__(self, language: str = "en-US", *, voice: str = "ash", model: str = "1") -> None:
        super().__init__()
        self.language, self.voice, self.model = language, voice, model


async def test_a_voice_that_the_consultation_loses_is_warned_of() -> None:
    """Where components are made anew, what they were told of voice and language is lost: said when the call begins."""
    async with Sandbox() as sandbox:
        caller = await call(sandbox)
        caller.session.pipeline.tts = Spanish("es-ES", voice="alba", model="2")
        with pytest.warns(ConfigurationWarning, match="pipeline=make_pipeline") as warned:
            await caller.agent.on_enter()
        (said,) = {str(warning.message) for warning in warned}
        assert said.startswith(
            "Route 'supervisor': targets are spoken to without language='es-ES' of Spanish, voice='alba' of"
        )

        caller.session.pipeline.tts = Spanish(model="2")
        await caller.agent.on_enter()  # a warning would be an error


async def test_a_pipeline_that_cannot_be_made_anew_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """It is said when the call begins, also where warnings are errors, and the caller is greeted all the same."""

    class Inference(TTSOfSandbox):
        def __init__(self, *, provider: str) -> None:
            super().__init__()

    async with Sandbox() as sandbox:
        caller = await call(sandbox)
        caller.session.pipeline.tts = Inference(provider="anybody")
        await caller.agent.on_enter()

    (said,) = [record.getMessage() for record in caplog.records if "cannot be made anew" in record.getMessage()]
    assert "Route 'supervisor': targets cannot be consulted, because the agent's pipeline cannot be made anew: " in said
    assert "missing a required argument: 'provider'; give VideoSDKPlatform(pipeline=make_pipeline)" in said


async def test_components_that_cannot_be_made_anew_are_found_out_before_the_hold() -> None:
    """A pipeline whose parts need arguments, and no factory: the transfer fails at once, and the caller is told."""

    class NeedsKey(LLMOfSandbox):
        def __init__(self, key: str) -> None:
            super().__init__()

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox)
        caller.session.pipeline.llm.__class__ = NeedsKey
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        await caller.hears(SORRY)

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert Phase.ON_HOLD not in caller.agent.phases
        assert [] == sandbox.targets


@pytest.mark.parametrize("kind", ["realtime", "realtime_own_voice", "realtime_llm_only"])
async def test_a_realtime_model_without_a_voice_for_the_target_is_found_out_before_the_hold(kind: str) -> None:
    """One that only writes, with no voice of its own or with one that cannot be made anew: nobody is dialled."""

    class NeedsKey(ScriptedTTS):
        def __init__(self, key: str) -> None:
            super().__init__()

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, kind=kind)
        caller.session.pipeline._realtime_model.config.modalities = ["text"]
        if caller.session.pipeline.tts is not None:
            caller.session.pipeline.tts.__class__ = NeedsKey
        result = await caller.agent.transfer("supervisor")

        assert Outcome.FAILED is result.outcome
        assert "the consultation needs pipeline=" in result.detail
        assert Phase.ON_HOLD not in caller.agent.phases
        assert [] == sandbox.targets


@pytest.mark.parametrize("kind", ["realtime_own_voice", "realtime_llm_only"])
async def test_a_realtime_agents_own_voice_speaks_to_the_target(kind: str) -> None:
    """Without pipeline= it is made anew beside the model, which may only write."""
    said: list[str] = []

    class OwnVoice(ScriptedTTS):
        async def _speak(self, text: str, utterance: int, already: int) -> int:
            said.append(text)
            return await super()._speak(text, utterance, already)

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, kind=kind)
        caller.session.pipeline.tts.__class__ = OwnVoice
        result = await caller.agent.transfer("supervisor")

        assert Outcome.CONNECTED is result.outcome
        assert any(OPENED in text for text in said)


async def test_an_authors_summary_of_their_own_model() -> None:
    """LLMSummary asks the model it is given, and the agent's own is not bothered."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        own = LLMOfSandbox(Script(summary="The refund of order forty two is three weeks late."))
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, summary=LLMSummary(llm=own)))
        (target,) = sandbox.targets

        assert any("order forty two" in text for text in target.texts_heard)
        assert [] == caller.script.summaries_asked


# What authors bring along


async def nowhere(_call: Any, _request: Any) -> None:
    """There is nobody on duty."""


def wrong(_call: Any, _request: Any) -> str:
    """Finds what is no number."""
    return "0155 1"


async def stuck(_call: Any, _request: Any) -> str:
    """Never finds anybody."""
    await asyncio.get_running_loop().create_future()
    return SUPERVISOR


async def on_duty(_call: Any, request: Any) -> str:
    """Finds who is on duty."""
    assert "supervisor" == request.route
    return SUPERVISOR


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        (nowhere, Outcome.REFUSED),
        (wrong, Outcome.REFUSED),
        (stuck, Outcome.FAILED),
        (on_duty, Outcome.CONNECTED),
    ],
)
async def test_a_destination_that_is_found_when_it_is_needed(to: Any, outcome: Outcome) -> None:
    """A callable finds the target at call time, or says that there is none, within its deadline."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(to))

        assert [outcome] == caller.agent.outcomes
        assert (outcome is Outcome.CONNECTED) == bool(sandbox.targets)


class Broken:
    """A summary of an author's that does not work."""

    def __init__(self, how: str) -> None:
        self.how = how

    async def summarise(self, _call: Any, _request: Any) -> Any:
        if self.how == "hangs":
            await asyncio.get_running_loop().create_future()
        if self.how == "raises":
            raise TimeoutError("no words")
        return BROKEN[self.how][0]


BROKEN: dict[str, tuple[Any, str]] = {
    "hangs": (None, "did not return within 15 s"),
    "raises": (None, "raised TimeoutError"),
    "is empty": ("", "gave no words"),
    "is blank": (" \n ", "gave no words"),
    "is nothing": (None, "returned NoneType and no text"),
    "is a number": (42, "returned int and no text"),
    "is data": ({"customer": "Anna"}, "returned dict and no text"),
}
"""What a summary of an author's does, what it returns, and what the log says of it."""


@pytest.mark.parametrize("how", BROKEN)
async def test_a_summary_that_does_not_work_is_the_callers_own_words(how: str) -> None:
    """Whatever is wrong with a summary of an author's, the target hears what the caller said."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Says("yes please", when="1 or 2")])
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, summary=Broken(how)))
        (target,) = sandbox.targets

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert any(ASKS in text for text in target.texts_heard)


@pytest.mark.parametrize("how", BROKEN)
async def test_an_author_says_what_is_told_where_their_summary_does_not_work(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the language of the target, which nobody else can know; and the log names the summary that did not."""

    class InGerman(Broken):
        otherwise = ExtractiveSummary(reason="Grund: {reason}.", quote="Der Anrufer sagt: {words}", route="{route}")

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Says("yes please", when="1 or 2")])
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, summary=InGerman(how)))
        (target,) = sandbox.targets

        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert any(f"Grund: {REASON}. Der Anrufer sagt: {ASKS}" in text for text in target.texts_heard)
        assert f"InGerman {BROKEN[how][1]}" in caplog.text
        assert "Anna" not in caplog.text
        assert f"InGerman {BROKEN[how][1]}; another summary is told" == _details(caller, Phase.SUMMARY_READY)[0]


def _details(caller: Any, phase: Phase) -> list[str]:
    return [event.detail for event in caller.agent.events if event.phase is phase]


@pytest.mark.parametrize(
    ("written", "told", "detail"),
    [
        ("Der Kunde wurde doppelt belastet.", "Der Kunde wurde doppelt belastet.", ""),
        (
            "The caller needs help.",
            ASKS,
            "the model's summary is refused: it is generic and would fit any call; another one is told",
        ),
    ],
)
async def test_why_another_summary_is_told_is_in_the_timeline(written: str, told: str, detail: str) -> None:
    """A summary in the target's language is told; a generic one is not, and the event of the summary says why."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Says("yes please", when="1 or 2")])
        own = LLMOfSandbox(Script(summary=written))
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, summary=LLMSummary(llm=own)))
        (target,) = sandbox.targets

        assert any(told in text for text in target.texts_heard)
        assert [detail] == _details(caller, Phase.SUMMARY_READY)


class Deaf(Briefing):
    """A briefing of an author's, whose understanding breaks."""

    def understood(self, text: str) -> None:
        raise RuntimeError(text)


class BrokenBriefing(Briefing):
    """A briefing of an author's of which nothing works."""

    def understood(self, text: str) -> None:
        raise RuntimeError(text)

    def is_listening(self, text: str) -> bool:
        raise RuntimeError(text)

    def opening(self, summary: str) -> str:
        raise RuntimeError(summary)

    def instructions(self, *known: Any) -> str:
        raise RuntimeError(str(known))

    def pressed(self, key: str | int) -> None:
        raise RuntimeError(f"key {key}")


async def test_a_briefing_that_does_not_understand_leaves_it_to_the_model() -> None:
    """When an author's understanding raises, the consultation's model has its turn, and may accept."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(
            sandbox, WarmTransfer(SUPERVISOR, briefing=Deaf()), consultation_model=[Calls("accept_call"), "Fine."]
        )

        assert [Outcome.CONNECTED] == caller.agent.outcomes


@pytest.mark.parametrize(("key", "outcome"), [("1", Outcome.CONNECTED), ("2", Outcome.DECLINED)])
async def test_a_briefing_that_raises_is_the_default_one(
    key: str, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    """Where an author's briefing raises the target is told and asked as by default, and its keys decide; logged once."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Presses(key, when="take the call")])
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, briefing=BrokenBriefing()))

        assert [outcome] == caller.agent.outcomes
    for method in ("opening", "instructions", "pressed"):
        assert 1 == caplog.text.count(f"Briefing.{method}() raised RuntimeError")
    assert SUMMARY not in caplog.text


async def test_an_agent_that_joins_too_late_to_speak() -> None:
    """A target who has answered is not left in a silent room: without an agent in it, it ends as failed, and in time."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=0.5)
        caller = await call(sandbox)
        sandbox.trouble.join_seconds = 30.0
        await caller.say(ASKS)
        await caller.hears(SORRY)
        await caller.agent.finished.wait()

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert caller.agent.events[-1].at < 15
        assert ["ended"] == [target.leg.status for target in sandbox.targets]


async def test_an_authors_background_audio_makes_room_for_the_hold() -> None:
    """What plays in the background stops for the hold's music, and begins again afterwards."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        caller = await call(sandbox, room_options={"background_audio": True})
        await caller.agent.play_background_audio(looping=True)
        before = caller.session._background_audio_player
        await caller.say(ASKS)
        await caller.agent.until(Phase.ON_HOLD)
        await caller.something_happens_within(1.0)
        on_hold = caller.session._background_audio_player
        await caller.agent.finished.wait()

        assert before is not None
        assert on_hold is None
        assert caller.session._background_audio_player.is_playing
        await caller.session.stop_background_audio()


@pytest.mark.parametrize("layered", [False, True])
async def test_the_sound_of_thinking_is_silent_on_hold(layered: bool) -> None:
    """On hold neither an author's music nor the sound of thinking plays; afterwards each is as the music had left it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no thanks")
        caller = await call(sandbox, room_options={"background_audio": True})
        session = caller.session
        caller.agent.set_thinking_audio()
        await session.start_thinking_audio()
        await caller.agent.play_background_audio(looping=True, override_thinking=layered)

        def players() -> tuple[bool, bool]:
            both = (session._background_audio_player, session._thinking_audio_player)
            music, thinking = (player is not None and player.is_playing for player in both)
            return music, thinking

        before = players()
        async with caller.agent._call().on_hold(HoldMusic()):
            await session.start_thinking_audio()  # as a turn does that is still being generated
            on_hold = players()
        afterwards = players()
        await session.stop_background_audio()
        without_music = players()
        await session.stop_thinking_audio()

        assert (True, layered) == before == afterwards
        assert (False, False) == on_hold
        assert (False, True) == without_music


async def test_an_agent_without_a_voice_is_found_out_before_anybody_is_dialled() -> None:
    """Who could not speak to a target does not call one."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, kind="cascade_without_voice")

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert "voice" in caller.agent.events[-1].detail or "voice" in caller.agent.events[-2].detail
        assert [] == sandbox.targets


# One thing after another


@pytest.mark.parametrize("recording", [False, True])
async def test_a_caller_who_is_brought_back_stays(recording: bool) -> None:
    """Coming back under another id is no leave of a recorded caller: the session goes on, and hangs up when asked to."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(after=3.0)])
        caller = await transferred(sandbox, model=script("They are gone."), room_options={"recording": recording})
        await caller.hears("They are gone.")
        await caller.talking_to(settled_for=20.0)

        assert "agent" == caller.connected_to
        assert not caller.over.is_set()
        assert caller.job.room._has_sip_participant()


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_a_direct_transfer_after_a_target_who_left_at_once(move: Any) -> None:
    """The handover that came to nothing is forgotten: it ends no leg of the one that follows."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(after=3.0)])
        sandbox.person(SECOND_SUPERVISOR)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, move=move), model=script("They are gone."))
        await caller.say(ASKS)
        await caller.hears("They are gone.")
        caller.agent._call().listener = None  # of a transfer that is over
        forwarded = await caller.agent._call().forward(Destination(SECOND_SUPERVISOR))
        staying = asyncio.create_task(caller.agent._call().handed_over())

        assert Outcome.CONNECTED is forwarded.outcome
        assert SECOND_SUPERVISOR == await caller.talking_to(settled_for=20.0)
        staying.cancel()
        await asyncio.wait([staying])


@pytest.mark.parametrize("second", ["warm", "direct"])
async def test_a_late_switch_is_fetched_back_during_a_second_transfer_too(second: str) -> None:
    """A caller who is moved late, while another transfer has been tried in vain, is still brought back."""
    async with Sandbox(unknowns=Unknowns(switch_after=40.0)) as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox)
        await caller.hears(SORRY)
        sandbox._cloud.network.unknowns.switch_after = 0.1
        if second == "warm":
            sandbox.person(SUPERVISOR, says="no thanks")
            await caller.agent.transfer("supervisor", tell_model=False)
        else:
            caller.agent._call().listener = None  # of a transfer that is over
            await caller.agent._call().forward(Destination(SECOND_SUPERVISOR))
        await caller.sees("switch-room-completed")

        assert "agent" == await caller.talking_to(settled_for=20.0)
        assert caller.room_id == leg_of(caller).room_id


async def test_a_caller_is_brought_back_although_it_takes_long() -> None:
    """A switch home that is slower than we wait is under way all the same: nobody is hung up on for it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(after=3.0)])
        caller = await transferred(sandbox, model=script("They are gone."))
        sandbox._cloud.network.unknowns.switch_after = 11.0

        assert "agent" == await caller.talking_to(settled_for=20.0)
        assert Phase.RETURNED in caller.agent.phases


async def test_who_is_brought_back_is_told_whatever_the_author_says_themselves() -> None:
    """`tell_model=False` ends with the outcome: a caller who comes back after `CONNECTED` is told by the agent."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(after=3.0)])
        caller = await call(sandbox, model=Script(["They are gone."], summary=SUMMARY))
        result = await caller.agent.transfer("supervisor", tell_model=False)
        await caller.agent.until(Phase.RETURNED)
        await caller.hears("They are gone.")
        async with asyncio.timeout(60):
            await caller.agent.until(Phase.TOLD)

        assert Outcome.CONNECTED is result.outcome


class Impatient:
    """A strategy of an author's with a deadline around a warm transfer, that expires in the middle of the connecting."""

    async def transfer(self, call: Any, request: Any) -> Any:
        connecting = asyncio.Event()
        listener = call.wrapped.listener

        def listen(phase: Phase, detail: str, status: str | None, **about: Any) -> None:
            listener(phase, detail, status, **about)
            if phase is Phase.CONNECTING:
                connecting.set()

        call.wrapped.listener = listen
        running = asyncio.ensure_future(WarmTransfer(SUPERVISOR).transfer(call, request))
        await connecting.wait()
        await asyncio.sleep(0.05)
        running.cancel()
        return await running


@pytest.mark.parametrize("fails", [False, True])
async def test_what_cannot_be_called_back_is_brought_to_its_end(fails: bool) -> None:
    """Cancelled in the middle of the connecting, a transfer is connected or undone, and nobody is left in between."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        sandbox.trouble.switched_leg_vanishes = int(fails)
        caller = await transferred(sandbox, Impatient())

        assert ("agent" if fails else SUPERVISOR) == await caller.talking_to(settled_for=20.0)
        assert (Outcome.CONNECTED in caller.agent.outcomes) == (not fails)


async def test_a_second_transfer_after_the_key() -> None:
    """Who came back with the key can be transferred again: the key of then does not end what is asked for now."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, model=script("I am here.", TO_SUPERVISOR, CONNECTING))
        await caller.say(ASKS)
        await caller.agent.until(Phase.ON_HOLD)
        await caller.press("*")
        await caller.hears("I am here.")
        await caller.talking_to()
        await caller.say("please do connect me now")

        assert SUPERVISOR == await caller.talking_to()
        assert [Outcome.CALLER_RETURNED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_dial_of_which_nothing_is_known_is_not_reported_as_released() -> None:
    """Lost, and not to be found for a while, a leg is looked for until it can be ended."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0)
        caller = await call(sandbox)
        sandbox.fault("POST", "/v2/sip/call", acted=True, reset=True)
        lists = sandbox.fault("GET", "/v2/sip/call", status=503)
        await caller.say(ASKS)
        await caller.agent.until(Phase.NOT_RELEASED)
        lists.times = 0
        target = await sandbox.target(SUPERVISOR)
        await target.sees("ended")

        assert [] == target.heard


@pytest.mark.parametrize(
    ("dial", "lists", "known"),
    [({"status": 500}, {}, True), ({"status": 504}, {}, False), ({"status": 500}, {"status": 503}, False)],
    ids=["nothing is listed", "a proxy has answered", "nothing can be listed"],
)
async def test_a_dial_that_failed_is_an_orphan_only_where_it_cannot_be_known(
    dial: dict[str, Any], lists: dict[str, Any], known: bool
) -> None:
    """A fault of the platform's, and no call in the room's list: there is none, and nobody is alarmed."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox)
        sandbox.fault("POST", "/v2/sip/call", **dial)
        if lists:
            sandbox.fault("GET", "/v2/sip/call", **lists)
        result = await caller.agent.transfer("supervisor")

        assert Outcome.FAILED is result.outcome
        assert "could not be dialled" in result.detail
        assert [Phase.RELEASED if known else Phase.NOT_RELEASED] == [
            phase for phase in caller.agent.phases if phase in {Phase.RELEASED, Phase.NOT_RELEASED}
        ]


async def test_a_target_who_leaves_during_the_introduction() -> None:
    """The sentence to both is not said to the end for one of them: the caller is brought back at once."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=["yes please", HangsUp(when="You are")])
        briefing = Briefing(introduction="You are now talking to each other. " * 8)
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, briefing=briefing), model=script("They are gone."))
        left = asyncio.get_running_loop().time()
        await caller.agent.until(Phase.RETURNED)

        assert asyncio.get_running_loop().time() - left < 4.0
        assert "agent" == await caller.talking_to()


async def test_an_error_of_an_authors_inside_a_consultation_is_their_own() -> None:
    """What a strategy raises in the block can be caught around it, by its own name."""

    class Unwell(Exception):
        pass

    async def falls_ill() -> None:
        raise Unwell

    class Fallible:
        async def transfer(self, call: Any, request: Any) -> TransferResult:
            destination = Destination(SUPERVISOR)
            try:
                async with call.consult(destination, request, summary=Short(), briefing=Briefing()) as consultation:
                    await consultation.answered()
                    await falls_ill()
            except Unwell:
                return TransferResult(outcome=Outcome.REFUSED, detail="unwell")
            return TransferResult(outcome=Outcome.FAILED)

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, hangs_up_after=1.0)
        caller = await transferred(sandbox, Fallible())

        assert [Outcome.REFUSED] == caller.agent.outcomes
        assert ["ended"] == [target.leg.status for target in sandbox.targets]


@pytest.mark.parametrize(("key", "outcome"), [("1", Outcome.UNDECIDED), ("2", Outcome.DECLINED)])
async def test_nobody_agrees_to_what_they_know_nothing_of(key: str, outcome: Outcome) -> None:
    """A key pressed over the greeting declines, but does not accept."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Presses(key, after=0.5)])
        caller = await transferred(sandbox)

        assert [outcome] == caller.agent.outcomes
