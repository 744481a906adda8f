"""A realtime model that is broken off: told nothing that it could answer, and nothing of the rest is heard."""

import asyncio
from typing import Any

import pytest
from videosdk.agents import AgentState

from calltransfer import HoldMusic, Outcome, WarmTransfer
from calltransfer.sandbox import Presses, Sandbox
from calltransfer.sandbox.realtime import ScriptedRealtimeModel
from calltransfer.videosdk import _sdk
from tests.agents import SupportAgent
from tests.warm import SORRY, SUPERVISOR, transferred

STORY = "Once upon a time there was a bill that nobody had asked for and nobody could explain."
NEXT = "Now to something else."


def model_of(script: Any) -> ScriptedRealtimeModel:
    assert isinstance(script.realtime, ScriptedRealtimeModel)
    return script.realtime


@pytest.mark.parametrize("kind", ["realtime", "realtime_gemini"])
async def test_a_hold_that_ends_in_the_middle_of_its_sentence(kind: str) -> None:
    """The provider is not sent "stop" as the caller's words, which it would answer; the caller hears what became of it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        strategy = WarmTransfer(SUPERVISOR, hold=HoldMusic(every=20.0))
        caller = await transferred(sandbox, strategy, kind=kind)
        await caller.hears(SORRY)
        await asyncio.sleep(5.0)

        assert [Outcome.NO_ANSWER] == caller.agent.outcomes
        assert any(text.startswith("Thank you for holding") for text in caller.texts_heard)
        assert SORRY == caller.texts_heard[-1]
        assert "stop" not in model_of(caller.script).sent
        assert not any("press star" in text for text in caller.texts_heard)


@pytest.mark.parametrize("kind", ["realtime", "realtime_gemini"])
@pytest.mark.parametrize(("key", "outcome"), [("1", Outcome.CONNECTED), ("2", Outcome.DECLINED)])
async def test_a_key_that_is_pressed_during_the_question(kind: str, key: str, outcome: Outcome) -> None:
    """The consultation's provider is sent nothing but what it is to say, and answers nothing else."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Presses(key, when="refund")])
        caller = await transferred(sandbox, kind=kind)
        (target,) = sandbox.targets
        await asyncio.sleep(5.0)

        assert [outcome] == caller.agent.outcomes
        assert "stop" not in model_of(caller.consultation_script).sent
        assert [] == caller.consultation_script.asked
        assert not any("press 1 or 2" in text for text in target.texts_heard)


@pytest.mark.parametrize("seconds_per_word", [0.0, 0.6])
@pytest.mark.parametrize("kind", ["realtime", "realtime_gemini"])
async def test_the_rest_of_an_answer_is_not_heard(kind: str, seconds_per_word: float) -> None:
    """What the provider still makes of an answer that was broken off is thrown away; what is said next is heard whole."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, kind=kind)
        model = model_of(caller.script)
        await caller.talking_to()
        model.seconds_per_word = seconds_per_word
        await caller.session.say(STORY)
        await caller.hears("upon a time")
        _sdk.break_off(caller.session)
        await asyncio.sleep(0.5)
        words = len(" ".join(caller.texts_heard).split())
        await asyncio.sleep(15.0)

        assert AgentState.SPEAKING is not caller.session.agent_state
        assert len(" ".join(caller.texts_heard).split()) == words
        assert "stop" not in model.sent

        await caller.session.say(NEXT)
        await caller.hears(NEXT)
        assert vars(model).keys().isdisjoint({"interrupt", "send_message", "send_text_message"})


@pytest.mark.parametrize("what_next", ["the agent speaks", "the caller speaks"])
async def test_an_answer_that_never_comes_silences_nobody(what_next: str) -> None:
    """An agent that is broken off while it seems to think is heard when it, or the caller, has something new to say."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, kind="realtime_gemini", model=["", NEXT])
        await caller.talking_to()
        await caller.say("hm")
        await caller.something_happens_within(1.0)
        _sdk.break_off(caller.session)
        await asyncio.sleep(3.0)
        await (caller.session.say(NEXT) if what_next == "the agent speaks" else caller.say("are you there"))
        await caller.hears(NEXT)


async def test_breaking_into_one_s_own_next_sentence() -> None:
    """A provider that is given something else to say in the middle of its answer says that, and no more of the answer."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, kind="realtime_gemini")
        model = model_of(caller.script)
        await caller.talking_to()
        model.seconds_per_word = 0.6
        await caller.session.say(STORY)
        await caller.hears("upon a time")
        _sdk.break_off(caller.session)
        model.seconds_per_word = 0.0
        await caller.session.say(NEXT)
        await caller.hears(NEXT)

        assert NEXT == caller.texts_heard[-1]
        assert not any("nobody" in text for text in caller.texts_heard)
