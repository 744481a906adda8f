"""A model that fails or stalls in the middle of what it says: to the caller, and to the target."""

import asyncio
from typing import Any

import pytest

from calltransfer import DirectTransfer, Outcome, Phase, TakeMessage, WarmTransfer, Wording
from calltransfer.briefing import Briefing
from calltransfer.sandbox import Caller, Fails, Hangs, Sandbox, Says
from tests.warm import ASKS, CONNECTING, SUPERVISOR, TO_SUPERVISOR, call, transferred

TELLS = "I am sorry, they did not take the call."
ANSWER = "I am here, how can I help?"
APOLOGY = Wording().apology
STOPS = {"fails": Fails(500), "stalls": Hangs(200.0)}
LONGEST_SILENCE = 5.0
SAYING = 2.0
"""Seconds that the target's question takes."""


def now() -> float:
    return asyncio.get_running_loop().time()


async def told_by(sandbox: Sandbox, step: Any, strategy: Any = None, **how: Any) -> Caller:
    """A caller who is not connected, and whose model does `step` when it is to tell them."""
    return await transferred(sandbox, strategy, model=[TO_SUPERVISOR, CONNECTING, step, ANSWER], **how)


@pytest.mark.parametrize("stops", STOPS)
@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_gemini", "realtime_own_ears"])
async def test_a_model_that_stops_while_it_tells_the_caller_how_it_ended(kind: str, stops: str) -> None:
    """What they have heard is what they are told, once; and they are answered when they speak."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no")
        caller = await told_by(sandbox, [f"{TELLS} Shall I", STOPS[stops], "call again?"], kind=kind)
        finished = now()
        await caller.until(Phase.TOLD, timeout=12.0)
        told = now()
        await asyncio.sleep(1.0)
        await caller.say("are you there")
        await caller.hears(ANSWER, timeout=12.0)
        await asyncio.sleep(30.0)

        assert caller.longest_silence(finished, told) < LONGEST_SILENCE
        assert sum(text.startswith(TELLS) for text in caller.texts_heard) == 1
        assert APOLOGY not in caller.texts_heard
        assert 1 == caller.agent.phases.count(Phase.TOLD)


async def lost(_message: Any) -> None:
    """A message that cannot be delivered."""
    raise OSError("the post box is full")


ENDS: dict[str, Any] = {
    "a forward that fails": DirectTransfer(SUPERVISOR),
    "the key": WarmTransfer(SUPERVISOR),
    "a message": TakeMessage(lost),
}


@pytest.mark.parametrize("stops", STOPS)
@pytest.mark.parametrize("end", ENDS)
async def test_a_model_that_stops_whatever_it_tells(end: str, stops: str) -> None:
    """However the transfer ended, they are told within seconds, and not twice."""
    async with Sandbox() as sandbox:
        sandbox.person(
            SUPERVISOR, **({"refuses_after": 1.0} if end == "a forward that fails" else {"answers_after": None})
        )
        step = [f"{TELLS} Shall I", STOPS[stops]]
        caller = await call(sandbox, ENDS[end], model=[TO_SUPERVISOR, CONNECTING, step, ANSWER])
        await caller.say(ASKS)
        if end == "the key":
            await caller.until(Phase.ON_HOLD)
            await asyncio.sleep(3.0)
            await caller.press("*")
        elif end == "a message":
            await caller.until(Phase.DICTATING)
            await asyncio.sleep(10.0)
            await caller.say("please call me back tomorrow")
        await caller.until(Phase.FINISHED)
        finished = now()
        await caller.until(Phase.TOLD, timeout=12.0)
        told = now()
        await asyncio.sleep(90.0)

        assert caller.longest_silence(finished, told) < LONGEST_SILENCE
        assert sum(text.startswith(TELLS) for text in caller.texts_heard) == 1
        assert caller.texts_heard[-1].startswith(TELLS)


@pytest.mark.parametrize("stops", STOPS)
async def test_a_model_that_stops_before_it_has_said_a_sentence(stops: str) -> None:
    """Half a sentence tells nobody anything: the fixed one is said, within seconds."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="no")
        caller = await told_by(sandbox, ["I am sorry, but it seems that", STOPS[stops], "they said no."])
        finished = now()
        heard = await caller.hears(APOLOGY, timeout=15.0)
        await caller.until(Phase.TOLD, timeout=12.0)
        await asyncio.sleep(30.0)

        assert caller.longest_silence(finished, heard.began) < LONGEST_SILENCE
        assert 1 == caller.texts_heard.count(APOLOGY)
        assert not any("they said no" in text for text in caller.texts_heard)


@pytest.mark.parametrize("when", ["call?", "or 2"])
@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_gemini", "realtime_own_ears", "realtime_own_voice"])
async def test_a_target_whose_answer_stalls(kind: str, when: str) -> None:
    """They are asked again, and told when time is up; the caller waits no longer than for a target who is silent."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=3.0, says=[Says("who is it please", when=when)])
        stalling = ["It is Anna. ", Hangs(60.0), "From sales."]
        caller = await transferred(sandbox, kind=kind, consultation_model=[stalling] * 3)
        (target,) = sandbox.targets
        briefing = Briefing()

        assert [Outcome.UNDECIDED] == caller.agent.outcomes
        (asks,) = [did.began for did in target.did if isinstance(did.act, Says)]
        asked_again = [heard for heard in target.heard if heard.began > asks and briefing.question in heard.text]
        assert asked_again
        assert asked_again[0].began - asks < 15.0
        assert target.longest_silence(asks + SAYING, asked_again[0].began) < LONGEST_SILENCE
        assert briefing.undecided == target.texts_heard[-1]
        assert target.heard[-1].began - asked_again[-1].ended < 32.0
        model = caller.consultation_script.realtime
        assert model is None or "stop" not in model.sent
