"""The caller's turn and the agent's sentence: breaking in, changing one's mind, and words that were never said."""

import asyncio
from typing import Any

import pytest

from calltransfer import DirectTransfer, Outcome, Phase
from calltransfer.sandbox import Caller, Calls, Ears, Sandbox
from calltransfer.videosdk.conversation import SPEECH_TIMEOUT
from tests.agents import (
    ASKS,
    BILLING,
    SORRY,
    SUPPORT,
    TO_BILLING,
    TO_SUPPORT,
    TRANSFERS,
    WITHDRAWS,
    SupportAgent,
    asking_caller,
)

LONG = "I am connecting you to our billing department now so please stay on the line with me"
OTHER_LINE = "Let me try the other line for you."
STAYS = "Of course, you stay with me."
GOES_ON = "Fine, then I will connect you now."

VOICES = ["cascade", "realtime", "realtime_own_ears"]


async def break_in(caller: Caller, words: str = "no wait please do not do that") -> None:
    """The caller starts to speak in the middle of the agent's sentence."""
    await caller.hears("connecting")
    await caller.say(words)


@pytest.mark.parametrize("kind", VOICES)
async def test_nothing_happens_before_a_caller_who_broke_in_is_answered(kind: str) -> None:
    """When the caller breaks into the sentence, the call is forwarded only after the agent's next turn."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, kind=kind, model=[TO_BILLING, LONG, GOES_ON])
        await break_in(caller)
        forwarded_at = await caller.sees("transfer-initiated")

        answer = await caller.hears(GOES_ON)
        assert answer.ended <= forwarded_at
        if kind != "realtime_own_ears":  # there the SDK lets the model finish
            assert not any(said == LONG for said in caller.texts_heard)
        assert Phase.INTERRUPTED in caller.agent.phases
        assert BILLING == await caller.talking_to()


@pytest.mark.parametrize("kind", VOICES)
async def test_caller_returned_when_they_change_their_mind(kind: str) -> None:
    """A caller who breaks in and changes their mind stays with the agent, and nothing was forwarded."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, kind=kind, model=[TO_BILLING, LONG, WITHDRAWS, STAYS])
        await break_in(caller)
        await caller.hears(STAYS)

        assert "agent" == await caller.talking_to()
        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert ["transferring", "withdrawn"] == [answer["status"] for answer in caller.script.answers]
        assert not any(request.path.endswith("/transfer") for request in sandbox.requests)
        assert not any("did not happen" in asked for asked in caller.script.asked)


async def test_a_caller_who_keeps_breaking_in_is_answered_each_time() -> None:
    """Each time the caller breaks in, they are answered before anything happens."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        second = "Yes I am connecting you right away if that is all right with you"
        caller = await asking_caller(sandbox, model=[TO_BILLING, LONG, second, GOES_ON])
        await break_in(caller)
        await caller.hears("right away")
        await caller.say("sorry what did you say")
        forwarded_at = await caller.sees("transfer-initiated")

        assert (await caller.hears(GOES_ON)).ended <= forwarded_at
        assert 2 == caller.agent.phases.count(Phase.INTERRUPTED)
        assert BILLING == await caller.talking_to()


async def test_another_destination_after_breaking_in() -> None:
    """A caller who changes to another destination gets there: the first transfer is withdrawn, the second started."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT)
        caller = await asking_caller(sandbox, model=[TO_BILLING, LONG, WITHDRAWS, TO_SUPPORT, GOES_ON])
        await break_in(caller, "no wait I would like to speak to support")

        assert SUPPORT == await caller.talking_to()
        assert [Outcome.CALLER_RETURNED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_word_of_agreement_does_not_stop_the_transfer() -> None:
    """An "okay" into the sentence, which the SDK does not take for an interruption, delays the forward by seconds only."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, model=[TO_BILLING, LONG])
        await break_in(caller, "okay")

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_sentence_that_never_ends_is_not_waited_for_for_ever() -> None:
    """A model that goes on talking does not hold the caller up for more than the longest that anything may take."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sermon = " ".join(["and another thing that you should know"] * 60)
        caller = await asking_caller(sandbox, model=[TO_BILLING, sermon])
        began = (await caller.hears("another thing")).began
        forwarded_at = await caller.sees("transfer-initiated")

        assert forwarded_at - began == pytest.approx(SPEECH_TIMEOUT, abs=1.0)
        await caller.talking_to()


async def test_a_cough_does_not_stop_the_transfer() -> None:
    """A noise that interrupts the sentence, and that nobody can answer, delays the forward by seconds only."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, model=[TO_BILLING, LONG])
        await caller.hears("connecting")
        await caller.cough()

        assert BILLING == await caller.talking_to()
        assert Phase.INTERRUPTED in caller.agent.phases
        assert caller.agent.at(Phase.FORWARDING) < 8


async def test_a_model_that_lectures_a_caller_who_broke_in_is_not_waited_for_for_ever() -> None:
    """The answer to a caller who broke in is waited for to its end, and no longer than anything may take."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        lecture = " ".join(["and another thing that you should know"] * 60)
        caller = await asking_caller(sandbox, model=[TO_BILLING, LONG, lecture])
        await break_in(caller)
        began = (await caller.hears("another thing")).began
        forwarded_at = await caller.sees("transfer-initiated")

        assert forwarded_at - began == pytest.approx(SPEECH_TIMEOUT, abs=1.0)
        await caller.talking_to()


async def test_started_and_withdrawn_in_one_breath() -> None:
    """A transfer that is withdrawn before it took its first step never takes one."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        await caller.agent.transfer_call("billing")
        assert "withdrawn" == (await caller.agent.transfer_call("none"))["status"]
        await caller.agent.finished.wait()

        assert [Phase.STARTED, Phase.FINISHED] == caller.agent.phases
        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes


async def test_a_sentence_of_the_author_s_is_waited_for() -> None:
    """When the author's code speaks over the model's turn, its sentence is the one that is heard to the end."""

    class Speaks(SupportAgent):
        def on_transfer_event(self, event):  # type: ignore[no-untyped-def]
            super().on_transfer_event(event)
            if event.phase is Phase.PREPARED:
                self.speaking = asyncio.create_task(self.session.say("Our billing department will be with you soon"))

    async with Sandbox(latency=0.6) as sandbox:
        sandbox.person(BILLING)
        strategy = DirectTransfer(BILLING, sentence_timeout=20.0)
        caller = await asking_caller(sandbox, lambda: Speaks(strategy), model=[TO_BILLING, LONG])
        forwarded_at = await caller.sees("transfer-initiated")

        assert (await caller.hears("with you soon")).ended <= forwarded_at
        await caller.talking_to()


async def test_withdrawing_when_there_is_nothing_to_withdraw() -> None:
    """Withdrawing without a transfer is answered, and changes nothing."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[WITHDRAWS, STAYS])
        await caller.hears(STAYS)

        assert "error" == caller.script.answers[0]["status"]
        assert "No transfer is under way" in caller.script.answers[0]["message"]


async def test_too_late_to_withdraw() -> None:
    """A call that has been forwarded cannot be called back, and the model is told so."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=10)
        caller = await asking_caller(sandbox)
        await caller.sees("transfer-ringing")
        answer = await caller.agent.transfer_call("none")

        assert ("in_progress", "billing") == (answer["status"], answer["destination"])
        assert "cannot be called back" in answer["message"]
        assert BILLING == await caller.talking_to()


async def test_preemptive_generation_waits_for_the_caller_s_words() -> None:
    """A transfer that was asked for on words that turned out right is confirmed, and then goes on."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, ears=Ears(preemptive=True, final_after=1.0))

        assert BILLING == await caller.talking_to()
        assert [Phase.STARTED, Phase.CONFIRMED] == caller.agent.phases[:2]
        assert [Outcome.CONNECTED] == caller.agent.outcomes


@pytest.mark.parametrize("resumes", [True, False])
async def test_an_unfinished_sentence_starts_nothing(resumes: bool) -> None:
    """A transfer that was asked for on words the caller went on from is dropped, silently."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(
            SupportAgent,
            model=obedient(),
            ears=Ears(preemptive=True, preflight_words=4, resumes=resumes),
        )
        await caller.say("transfer me to billing notwithstanding no just tell me what I owe")
        await caller.hears("Your bill is forty dollars.")

        assert "agent" == await caller.talking_to()
        assert [Outcome.CANCELLED] == caller.agent.outcomes
        assert not any(request.path.endswith("/transfer") for request in sandbox.requests)
        assert not any("did not happen" in asked for asked in caller.script.asked)


@pytest.mark.parametrize("resumes", [True, False])
async def test_an_unconfirmed_transfer_is_replaced_not_refused(resumes: bool) -> None:
    """When the finished sentence asks for another destination, that one is started; the model never hears of a conflict."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sandbox.person(SUPPORT)
        caller = await sandbox.call(
            SupportAgent,
            model=obedient(),
            ears=Ears(preemptive=True, preflight_words=4, resumes=resumes),
        )
        await caller.say("transfer me to billing notwithstanding no to support please")

        assert SUPPORT == await caller.talking_to()
        assert Outcome.CONNECTED is caller.agent.outcomes[-1]
        assert "in_progress" not in [answer["status"] for answer in caller.script.answers]


def obedient() -> list[Any]:
    """A model that does what the last words say."""

    def step(last: str) -> Any:
        if "transferring" in last:
            return "Connecting you."
        if "owe" in last:
            return "Your bill is forty dollars."
        return TO_SUPPORT if "support" in last else TO_BILLING

    return [step] * 8


@pytest.mark.parametrize("kind", VOICES)
async def test_a_caller_who_speaks_while_it_rings_is_answered(kind: str) -> None:
    """While the target's phone rings the caller is still with the agent, who hears and answers them."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=20)
        caller = await asking_caller(sandbox, kind=kind, model=[TO_BILLING, LONG, "It is ringing, one moment."])
        await caller.sees("transfer-ringing")
        await caller.say("are you still there I hear nothing")
        await caller.hears("It is ringing, one moment.")

        assert BILLING == await caller.talking_to()


async def test_the_failure_is_told_after_the_turn_that_is_under_way() -> None:
    """A failure that becomes known while the agent answers the caller is told when that answer is over, and only once."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=3.0)
        answer = "It is ringing at the moment so please bear with me for just a few more seconds"
        caller = await asking_caller(sandbox, model=[TO_BILLING, "Connecting you.", answer, SORRY])
        await caller.sees("transfer-ringing")
        await caller.say("are you still there I hear nothing")

        sorry = await caller.hears(SORRY)
        assert (await caller.hears(answer)).ended <= sorry.began
        await caller.talking_to()
        assert 1 == caller.texts_heard.count(SORRY)


async def test_a_caller_who_talks_over_the_bad_news_still_leaves_the_model_informed() -> None:
    """A caller who interrupts the agent's apology gets an answer from a model that knows what happened."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[*TRANSFERS[:2], SORRY + " " + LONG, "What else can I do?"])
        await caller.hears("could not be reached")
        await caller.say("never mind then forget about it")
        await caller.hears("What else can I do?")

        assert 1 == sum("did not happen" in str(item) for item in caller.session.get_context_history())


async def test_asks_for_it_again_in_the_turn_in_which_it_failed() -> None:
    """The model may transfer somewhere else in the very turn in which it learns of the failure."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT)
        caller = await asking_caller(
            sandbox, model=[TO_BILLING, "Connecting you.", [SORRY, TO_SUPPORT], "Connecting you to support."]
        )
        await caller.say(ASKS)

        assert SUPPORT == await caller.talking_to()
        assert [Outcome.FAILED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_old_news_is_not_told_in_the_middle_of_the_next_transfer() -> None:
    """Told that it failed, the model asks for another transfer; a given-up move comes between: only the new end is told."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT, refuses_after=15.0)
        model = [TO_BILLING, "Connecting you.", TO_SUPPORT, OTHER_LINE, "Nobody there either."]
        caller = await asking_caller(sandbox, model=model)
        await caller.agent.finished.wait()
        hears_again(caller)
        await tells_of_each_once(caller)


async def test_old_news_is_not_told_where_the_turn_under_way_asks_for_a_transfer() -> None:
    """A given-up move comes between while the model is about to answer the caller with another transfer."""

    def asks_for_support(_last: str) -> Calls:
        hears_again(caller)
        return TO_SUPPORT

    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT, refuses_after=15.0)
        model = [TO_BILLING, "Connecting you.", SORRY, asks_for_support, OTHER_LINE, "Nobody there either."]
        caller = await asking_caller(sandbox, model=model)
        await caller.until(Phase.TOLD)
        await caller.say("then try the other one please")
        await tells_of_each_once(caller)


def hears_again(caller: Caller) -> None:
    """What had been given up took them away, and they are with the agent again."""
    told = caller.agent._call().hears_again
    assert told is not None
    told()


async def tells_of_each_once(caller: Caller) -> None:
    """The end of the first transfer, and then that of the second."""
    await caller.hears("Nobody there either.", timeout=60.0)
    await caller.talking_to()

    told = [asked for asked in caller.script.asked if "did not happen" in asked]
    assert ["billing", "support"] == [name for asked in told for name in ("billing", "support") if name in asked]
    assert [Outcome.FAILED] * 2 == caller.agent.outcomes
    assert 2 == caller.agent.phases.count(Phase.TOLD)
    assert 1 == caller.texts_heard.count(OTHER_LINE)


async def test_a_caller_who_has_left_meanwhile_is_not_told_once_more() -> None:
    """Where they hang up while what they are told is waited for, nobody speaks to an empty line."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox)
        await caller.agent.finished.wait()
        hears_again(caller)
        await caller.hang_up()
        await caller.over.wait()

        assert 1 >= sum("did not happen" in asked for asked in caller.script.asked)
        assert 1 >= len([phase for phase in caller.agent.phases if phase in {Phase.TOLD, Phase.NOT_TOLD}])


async def test_who_is_told_once_more_is_reported() -> None:
    """What comes of the second telling is known as what came of the first."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[*TRANSFERS, "It still has not."])
        await caller.until(Phase.TOLD)
        hears_again(caller)
        await caller.hears("It still has not.")
        await caller.talking_to()

        assert 2 == caller.agent.phases.count(Phase.TOLD)


async def test_tool_called_in_a_turn_that_was_started_by_text() -> None:
    """A turn that the author's code starts with text has a sentence, too."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=[Calls("transfer_call", {"destination": "billing"}), LONG])
        await caller.session.pipeline.process_text("Connect me with billing.")
        forwarded_at = await caller.sees("transfer-initiated")

        assert (await caller.hears("connecting")).ended <= forwarded_at
        assert BILLING == await caller.talking_to()


async def test_a_transfer_that_was_confirmed_is_not_replaced() -> None:
    """Where generation is preemptive, what the caller has confirmed stays: a further request is refused."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=10.0)
        caller = await asking_caller(sandbox, ears=Ears(preemptive=True))
        await caller.sees("transfer-ringing")
        await asyncio.sleep(5.0)

        assert Outcome.REFUSED is (await caller.agent.transfer("support")).outcome
        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes
