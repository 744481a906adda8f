"""Models of the sandbox that hang, begin late, fail, say nothing, or are passed from agent to agent."""

import asyncio
from typing import Any

import pytest
from videosdk.agents import Agent, ChatContext, ChatRole, function_tool

from calltransfer import ConfigurationError, LLMSummary, Phase, Route, TransferMixin, VideoSDKPlatform, WarmTransfer
from calltransfer.sandbox import Caller, Calls, Fails, Hangs, Sandbox, Says, Script
from calltransfer.sandbox.models import ProviderError, ScriptedLLM
from tests.agents import GREETING, PlainAgent

KINDS = ("cascade", "realtime", "realtime_own_ears", "realtime_own_voice")
SUPERVISOR = "+14155550199"
ASKS_FOR_HUMAN = Calls("transfer_call", {"destination": "supervisor", "reason": "they were charged twice"})


def now() -> float:
    """Seconds on the loop's clock."""
    return asyncio.get_running_loop().time()


async def greeted(sandbox: Sandbox, kind: str, *model: Any) -> Caller:
    """A caller who has been greeted by an agent whose model is scripted."""
    caller = await sandbox.call(PlainAgent, kind=kind, model=model)
    await caller.hears(GREETING)
    await caller.talking_to(settled_for=1.0)
    return caller


def errors_of(caller: Caller) -> list[str]:
    """What the pipeline reports from now on."""
    reported: list[str] = []

    def report(data: Any) -> None:
        reported.append(data["error"])

    caller.session.pipeline.on("error", report)
    return reported


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_that_begins_late(kind: str) -> None:
    """What follows a hang is said that many seconds later than usual, on every kind of pipeline."""
    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, kind, "At once.", [Hangs(8.0), "Much later."])
        taken = []
        for text in ("At once.", "Much later."):
            await caller.say("and now")
            asked = now()
            taken.append((await caller.hears(text)).began - asked)

        assert taken[1] - taken[0] == pytest.approx(8.0, abs=0.5)


@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_own_voice"])
async def test_a_model_that_hangs(kind: str) -> None:
    """One that gives nothing leaves silence; when the caller speaks again, it is asked again and answers."""
    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, kind, Hangs(115.0), "There you are.")
        before = len(caller.heard)
        await caller.say("I have a question")
        await asyncio.sleep(20.0)
        assert before == len(caller.heard)

        await caller.say("are you still there my friend")
        await caller.hears("There you are.", timeout=20.0)
        assert "hangs for 115 s" in [entry.what for entry in caller.timeline if entry.who == "model"]


async def test_a_realtime_model_that_hangs_and_does_not_hear() -> None:
    """One whose pipeline has ears of its own is not interrupted by who speaks: it refuses what it is told meanwhile."""
    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, "realtime_own_ears", Hangs(30.0), "There you are.")
        reported = errors_of(caller)
        await caller.say("I have a question")
        await asyncio.sleep(10.0)
        await caller.say("are you still there my friend")
        await asyncio.sleep(5.0)
        assert ["conversation already has an active response"] == reported

        await asyncio.sleep(20.0)
        await caller.say("are you still there")
        await caller.hears("There you are.", timeout=20.0)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_fails(kind: str) -> None:
    """An error is reported by the pipeline at once, nothing is said, and the next time the model answers."""
    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, kind, Fails(429), "There you are.")
        reported = errors_of(caller)
        before = len(caller.heard)
        await caller.say("I have a question")
        await asyncio.sleep(1.0 + 0.5 * (kind == "cascade"))
        assert 1 == len(reported)
        assert "HTTP 429" in reported[0]
        await asyncio.sleep(10.0)
        assert before == len(caller.heard)

        await caller.say("are you still there")
        await caller.hears("There you are.", timeout=20.0)


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_function_of_a_script_that_raises(kind: str) -> None:
    """It is a model that fails; what it raised is in the timeline, and where something is waited for in vain."""

    def breaks(_told: str) -> str:
        raise LookupError("no such answer")

    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, kind, breaks, "There you are.")
        reported = errors_of(caller)
        await caller.say("I have a question")
        with pytest.raises(AssertionError, match=r"breaks\(\) -> error: LookupError: no such answer"):
            await caller.hears("There you are.", timeout=5.0)
        assert 1 == len(reported)
        assert "no such answer" in reported[0]
        await caller.say("are you still there")
        await caller.hears("There you are.")


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("breaks", [Fails(500), Hangs(60.0)])
async def test_an_answer_that_breaks_off(kind: str, breaks: Fails | Hangs) -> None:
    """A model can hang, or fail, in the middle of its answer: what came before is heard, and no more."""
    async with Sandbox() as sandbox:
        first = "One moment please. I am looking for your invoice."
        caller = await greeted(sandbox, kind, [first, breaks, "That is all."])
        await caller.say("I have a question")
        await caller.hears("One moment", timeout=20.0)
        await asyncio.sleep(20.0)
        assert "That is all." not in caller.heard


async def test_a_hang_ends_when_it_is_cancelled() -> None:
    """Who no longer waits for a model that hangs has it end, and so has a realtime model's interruption."""
    context = ChatContext.empty()
    context.add_message(role=ChatRole.USER, content="hello")
    model = ScriptedLLM(Script([Hangs(115.0)]))
    began = now()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(model.chat(context, tools=[])), 2.0)
    assert 2.0 == pytest.approx(now() - began)

    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, "realtime", [Hangs(115.0), "Never."], "Something else.")
        await caller.say("I have a question")
        await asyncio.sleep(3.0)
        assert caller.script.realtime is not None
        await caller.script.realtime.interrupt()
        await asyncio.sleep(0.1)
        await caller.session.reply("say something")
        await caller.hears("Something else.", timeout=5.0)
        assert "Never." not in caller.heard


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_ends_while_its_model_hangs(kind: str) -> None:
    """Nothing waits for a model when the caller has hung up."""
    async with Sandbox() as sandbox:
        caller = await greeted(sandbox, kind, Hangs(1_000.0))
        await caller.say("I have a question")
        await asyncio.sleep(1.0)
        began = now()
        await caller.hang_up()
        await caller.over.wait()
        assert now() - began < 30.0


@pytest.mark.parametrize(("wrong", "said"), [(0, "not 0"), (True, "True"), ("8", "'8'"), (float("inf"), "inf")])
def test_a_hang_takes_seconds(wrong: Any, said: str) -> None:
    """What is no number of seconds is refused, and so is for ever: the clock could not pass it."""
    with pytest.raises(ConfigurationError, match=f"Hangs takes the seconds .*{said}"):
        Hangs(wrong)


@pytest.mark.parametrize("wrong", [200, 600, True, "500"])
def test_a_failure_takes_a_status(wrong: Any) -> None:
    """What is no status of an error is refused."""
    with pytest.raises(ConfigurationError, match="Fails takes the HTTP status of an error"):
        Fails(wrong)


# Summary and consultation


class HumanAgent(TransferMixin, Agent):
    """An agent that gets a human."""

    def __init__(self, **summary: Any) -> None:
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[Route("supervisor", WarmTransfer(SUPERVISOR, **summary), when="the caller asks for a human")],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
        )

    async def on_enter(self) -> None:
        await self.session.say(GREETING)

    async def on_exit(self) -> None: ...


async def asked(summary: Any) -> tuple[str | None, float]:
    """What a model answers that is asked for a summary; None: it failed. And after how long."""
    context = ChatContext.empty()
    context.add_message(role=ChatRole.SYSTEM, content="Summarise.")
    context.add_message(role=ChatRole.USER, content="Caller: hello")
    began = now()
    try:
        parts = [part.content async for part in ScriptedLLM(Script(summary=summary)).chat(context)]
    except ProviderError:
        return None, round(now() - began, 3)
    return "".join(parts), round(now() - began, 3)


async def test_a_summary_that_hangs_or_fails() -> None:
    """So does the model that is asked for a summary, and a function may say when."""
    assert ("", 60.3) == await asked(Hangs(60.0))
    assert (None, 0.4) == await asked(Fails(429))
    assert (None, 0.4) == await asked(lambda text: Fails() if "hello" in text else "They said hello.")
    with pytest.raises(TypeError, match="a tool call is no summary: Calls"):
        Script(summary=Calls("transfer_call"))  # type: ignore[arg-type]


@pytest.mark.parametrize("summary", [Hangs(60.0), Fails(500)])
async def test_a_target_is_told_all_the_same(summary: Any) -> None:
    """A summary that hangs, or fails, is not waited for: what the caller said is told instead."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        script = Script([ASKS_FOR_HUMAN, "One moment."], summary=summary)
        caller = await sandbox.call(lambda: HumanAgent(summary=LLMSummary()), model=script)
        await caller.say("I was charged twice for the month of May")
        await caller.reaches(SUPERVISOR)
        assert "charged twice" in sandbox.targets[0].heard


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("step", [Hangs(60.0), Fails(500), ""])
async def test_the_model_of_a_consultation(kind: str, step: Any) -> None:
    """The consultation's model can hang, fail and say nothing, too; a key is an answer all the same."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Says("who is it please", when="take the call?")])
        caller = await sandbox.call(
            HumanAgent, kind=kind, model=[ASKS_FOR_HUMAN, "One moment."], consultation_model=[step] * 5
        )
        await caller.hears(GREETING)
        await caller.say("I was charged twice for the month of May")
        target = await sandbox.target(SUPERVISOR)
        await caller.until(Phase.ANSWERED)
        while not caller.consultation_script.asked:  # noqa: ASYNC110 # nothing tells of it
            await asyncio.sleep(0.5)
        await asyncio.sleep(3.0)
        await target.press("1")
        await caller.reaches(SUPERVISOR)


# The SDK's own hand-over to another agent


class Clerk(PlainAgent):
    """An agent that another one hands over to, and that goes on with what was said."""

    def __init__(self) -> None:
        super().__init__("I am the clerk.")
        self.inherit_context = True


class Desk(PlainAgent):
    """An agent that hands over to another one."""

    @function_tool
    async def to_clerk(self) -> Agent:
        """Hands the caller over to the clerk."""
        return Clerk()


async def test_an_agent_that_hands_over_to_another() -> None:
    """The SDK tells the next agent's model of it in words rather than in JSON: the model gets them, and goes on."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(Desk, model=[Calls("to_clerk"), "The clerk answers."])
        await caller.say("I want to talk to the clerk")
        await caller.hears("I am the clerk.")
        await caller.say("hello again")
        await caller.hears("The clerk answers.")
        assert ["Transferred to Clerk"] == caller.script.answers


async def test_a_realtime_model_that_hands_over() -> None:
    """On a realtime model the SDK's plugins report an agent that a tool returns as an error, and say nothing of it."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(Desk, kind="realtime", model=[Calls("to_clerk"), "Still the desk."])
        await caller.hears(GREETING)
        reported = errors_of(caller)
        await caller.say("I want to talk to the clerk")
        await asyncio.sleep(5.0)
        assert ["TypeError: Object of type Clerk is not JSON serializable"] == reported
        await caller.say("hello again")
        await caller.hears("Still the desk.")
