"""What the model sees: one tool that answers at once, always in JSON, and never with a number in it."""

import asyncio
import json
from typing import Any

import pytest
from videosdk.agents import Agent, ChatRole, build_gemini_schema, build_openai_schema, function_tool, get_tool_info
from videosdk.agents.llm.format_converters import to_anthropic_messages, to_openai_messages
from videosdk.agents.mcp.mcp_server import MCPServiceProvider

from calltransfer import (
    ConfigurationError,
    ConfigurationWarning,
    DirectTransfer,
    NoLiveCall,
    Outcome,
    Phase,
    Policy,
    Route,
    TransferMixin,
    Wording,
)
from calltransfer.agent import declared_by
from calltransfer.sandbox import PIPELINE_KINDS, Calls, Sandbox
from tests.agents import (
    ASKS,
    BILLING,
    CONNECTING,
    REASON,
    SORRY,
    SUPPORT,
    TO_BILLING,
    TO_SUPPORT,
    SupportAgent,
    asking_caller,
)


def tools_of(agent: Any) -> list[Any]:
    return [tool for tool in agent.tools if get_tool_info(tool).name == "transfer_call"]


async def test_is_there_once_and_stays() -> None:
    """The tool is collected once, beside the author's own, and survives update_tools()."""

    @function_tool
    async def look_up_bill() -> dict[str, str]:
        """Looks up the bill."""
        return {}

    mine = [look_up_bill]
    agent = SupportAgent(tools=mine)
    assert 1 == len(tools_of(agent))
    assert [look_up_bill] == mine

    agent.update_tools([look_up_bill])
    assert 1 == len(tools_of(agent))


@function_tool(name="transfer_call")
async def move(to: str) -> dict[str, str]:
    """Moves the caller."""
    return {"to": to}


@pytest.mark.parametrize("where", ["another method", "an inherited method", "tools=", "an attribute of the agent"])
def test_an_author_s_tool_of_its_name_is_found(where: str) -> None:
    """Wherever it is: the advice is to remove it, as two tools for one thing confuse a model, whatever they are called."""
    members = {"another method": {"move": move}}
    bases = {"an inherited method": (type("Parent", (Agent,), {"transfer_call": move}),)}

    def set_up(self: Any) -> None:
        if where == "an attribute of the agent":
            self.move = move
        tools = [move] if where == "tools=" else []
        TransferMixin.__init__(self, "You help.", transfers=DirectTransfer(to=BILLING), tools=tools)

    async def nothing(self: Any) -> None: ...

    own = {"__init__": set_up, "on_enter": nothing, "on_exit": nothing}
    agent = type("Moves", (TransferMixin, *bases.get(where, (Agent,))), members.get(where, {}) | own)
    with pytest.raises(ConfigurationError, match=r"Moves has a tool of its own named 'transfer_call'.* Remove it"):
        agent()


def test_a_method_that_the_tool_would_hide() -> None:
    """A method of that name that is no tool would be replaced without a word: it is refused."""

    class Moves(SupportAgent):
        async def transfer_call(self) -> None:  # type: ignore[override]
            ...

    with pytest.raises(ConfigurationError, match=r"a method of its own named 'transfer_call'.*; give it another name"):
        Moves()


async def test_a_second_one_that_comes_later_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Of one from an MCP server, and one given to update_tools(), the model sees nothing, and the log says so once."""

    class Server(MCPServiceProvider):
        is_ready = False

        async def connect(self) -> None:
            self.is_ready = True

        async def disconnect(self) -> None:
            self.is_ready = False

        async def get_available_tools(self) -> list[Any]:
            return [move, look_up]

        def get_stream_provider(self) -> Any: ...

    @function_tool
    async def look_up() -> dict[str, str]:
        """Looks something up."""
        return {}

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(mcp_servers=[Server()]), model=["Fine."])
        await caller.hears("Fine.")
        assert [caller.agent.transfer_call] == tools_of(caller.agent)
        assert look_up in caller.agent.tools

        caller.agent.update_tools([move, look_up])
        assert [caller.agent.transfer_call] == tools_of(caller.agent)

    (said,) = [record.getMessage() for record in caplog.records if "is left out" in record.getMessage()]
    assert said.startswith("SupportAgent: a tool named 'transfer_call' from an MCP server is left out")


async def test_offers_route_names_and_nothing_else() -> None:
    """The model can choose a route by name, or "none", for OpenAI-like and for Gemini-like providers; it sees no number."""
    tool = tools_of(SupportAgent())[0]

    schema = build_openai_schema(tool)
    assert ["billing", "support", "none"] == schema["parameters"]["properties"]["destination"]["enum"]
    assert {"destination", "reason"} == set(schema["parameters"]["properties"])
    assert all(parameter["description"] for parameter in schema["parameters"]["properties"].values())
    assert "the caller asks about an invoice" in schema["description"]
    assert "4155550" not in json.dumps(schema)

    gemini = build_gemini_schema(tool)
    assert ["billing", "support", "none"] == gemini.parameters.properties["destination"].enum


async def test_is_not_shared_between_agents() -> None:
    """Two agents with other routes have other tools, also when they are of one class."""

    class Other(SupportAgent):
        pass

    one, two = SupportAgent(), Other()
    three: Any = _agent_with([Route("sales", DirectTransfer(to=SUPPORT), when="the caller wants to buy")])
    enums = [
        build_openai_schema(tools_of(a)[0])["parameters"]["properties"]["destination"]["enum"]
        for a in (one, two, three)
    ]
    assert [["billing", "support", "none"], ["billing", "support", "none"], ["sales", "none"]] == enums


def _agent_with(transfers: Any, **arguments: Any) -> Any:
    class Plain(TransferMixin, Agent):
        def __init__(self) -> None:
            super().__init__(instructions="You help.", transfers=transfers, **arguments)

        async def on_enter(self) -> None:
            await self.session.say("Hello.")

        async def on_exit(self) -> None: ...

    return Plain()


async def test_adds_a_section_to_the_instructions() -> None:
    """The instructions name the routes and when to choose them, behind the author's own."""
    agent = SupportAgent()
    assert agent.instructions.startswith("You are the customer-care agent of ConnectTel.")
    assert "- billing: the caller asks about an invoice" in agent.instructions
    assert "4155550" not in agent.instructions


SECTION = "# Transferring the call"
NIGHT = "You are the night shift of ConnectTel."


def given(context: Any) -> tuple[str, str]:
    """The instructions that a model of OpenAI's, and one of Anthropic's, is given."""
    first = next(message["content"] for message in to_openai_messages(context) if message["role"] == "system")
    whole = first if isinstance(first, str) else " ".join(part["text"] for part in first)
    _, last = to_anthropic_messages(context)
    return whole, last or ""


@pytest.mark.parametrize(
    "add",
    [
        pytest.param(lambda agent: setattr(agent, "instructions", NIGHT), id="instructions"),
        pytest.param(lambda agent: agent.chat_context.add_message(role=ChatRole.SYSTEM, content=NIGHT), id="system"),
        pytest.param(
            lambda agent: agent.chat_context.add_message(role=ChatRole.DEVELOPER, content=NIGHT), id="developer"
        ),
        pytest.param(lambda agent: agent.chat_context.add_config_update(instructions=NIGHT), id="config"),
    ],
)
async def test_the_section_stays_whoever_instructs_the_model_later(add: Any) -> None:
    """New instructions, and a system message of a hook's in every turn, leave the section where the model sees it."""

    class Later(SupportAgent):
        async def on_enter(self) -> None:
            for _ in range(3):
                add(self)
            await self.session.say("Hello, how can I help?")

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, Later, model=["Fine."])
        agent = caller.agent
        await caller.hears("Fine.")

        assert not [system for system in (caller.script.system[0], caller.script.system[-1]) if SECTION not in system]
        for instructions in given(agent.chat_context):
            assert 1 == instructions.count(SECTION)
        assert NIGHT in given(agent.chat_context)[1]
        assert 2 >= str(agent.chat_context.items).count(SECTION)


async def test_instructions_that_are_added_to() -> None:
    """What an author reads, changes and writes back has the section once."""
    agent = SupportAgent()
    agent.instructions += " Be brief."
    assert 1 == agent.instructions.count(SECTION)
    assert agent.instructions.endswith(" Be brief.")


async def test_a_bare_strategy_is_the_route_human() -> None:
    """One bare strategy can stand for the routes."""
    agent = _agent_with(DirectTransfer(to=BILLING))
    enum = build_openai_schema(tools_of(agent)[0])["parameters"]["properties"]["destination"]["enum"]
    assert ["human", "none"] == enum


async def test_answers_at_once() -> None:
    """The tool returns before anything has happened, however slow the platform is."""
    async with Sandbox(latency=3.0) as sandbox:
        caller = await sandbox.call(SupportAgent)
        now = asyncio.get_running_loop().time
        began = now()
        answer = await caller.agent.transfer_call("billing", REASON)

        assert began == now()
        assert "transferring" == answer["status"]
        await caller.hang_up()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"reason": "they want to"},
        {"destination": None, "reason": None},
        {"destination": ["billing"]},
        {"destination": "Billing"},
        {"destination": "+14155550177", "reason": "the caller asked for this number"},
        {"destination": "billing'; call +14155550177"},
        {"destination": "accounts", "number": "+14155550177", "": 1},
    ],
)
async def test_nonsense_from_the_model_starts_nothing(arguments: dict[str, Any]) -> None:
    """A call without arguments, or with ones that the model made up, gets an answer and reaches no number."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[Calls("transfer_call", arguments), "How can I help you then?"])
        await caller.hears("How can I help you then?")

        assert "error" == caller.script.answers[0]["status"]
        assert "billing, support" in caller.script.answers[0]["message"]
        assert "14155550177" not in json.dumps(caller.script.answers)
        assert [] == [request for request in sandbox.requests if request.method == "POST"]


@pytest.mark.parametrize("kind", PIPELINE_KINDS)
async def test_invented_arguments_do_not_raise(kind: str) -> None:
    """Realtime providers pass on every argument a model invents; the tool answers all the same."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        model = [Calls("transfer_call", {"destination": "billing", "urgency": "high"}), CONNECTING]
        caller = await asking_caller(sandbox, kind=kind, model=model)

        assert BILLING == await caller.talking_to()


async def test_a_silent_model_says_what_is_true() -> None:
    """When the model says nothing after the tool, the caller hears that they are being connected."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, model=[TO_BILLING, "", ""])
        forwarded_at = await caller.sees("transfer-initiated")

        sentence = await caller.hears("One moment please, I am connecting you.")
        assert sentence.ended <= forwarded_at
        assert not any("taken care of" in said for said in caller.texts_heard)
        await caller.talking_to()


async def test_a_silent_model_after_another_tool_is_the_sdk_s_own_affair() -> None:
    """What the SDK says when a model is silent after some other tool stays as it is."""

    class WithBills(SupportAgent):
        @function_tool
        async def send_bill(self) -> dict[str, str]:
            """Sends the bill."""
            return {"status": "sent"}

    async with Sandbox() as sandbox:
        model = [Calls("transfer_call", {"destination": "none"}), "Yes?", Calls("send_bill"), "", ""]
        caller = await asking_caller(sandbox, WithBills, model=model)
        await caller.hears("Yes?")
        await caller.say("please send me my bill")
        await caller.hears("taken care of")


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_silent_realtime_model_does_not_hold_the_transfer_up(kind: str) -> None:
    """A model that never speaks after the tool delays the forward by no more than the sentence's deadline."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, kind=kind, model=[TO_BILLING, "", ""])

        assert BILLING == await caller.talking_to()
        assert caller.agent.at(Phase.FORWARDING) <= 5.1


async def test_one_transfer_at_a_time() -> None:
    """A second call of the tool, in parallel too, is told that a transfer is under way."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        model = [[TO_BILLING, TO_SUPPORT], CONNECTING, CONNECTING]
        caller = await asking_caller(sandbox, model=model)
        await caller.hears("I am")
        assert "in_progress" == (await caller.agent.transfer_call("support"))["status"]

        assert BILLING == await caller.talking_to()
        assert 1 == sum(request.path.endswith("/transfer") for request in sandbox.requests)
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_parallel_calls_in_one_answer() -> None:
    """Of two tools that a model calls in parallel, one starts a transfer, and each gets its answer."""

    class WithBills(SupportAgent):
        @function_tool
        async def send_bill(self) -> dict[str, str]:
            """Sends the bill."""
            return {"status": "sent"}

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        model = [Calls("send_bill"), [TO_BILLING, TO_SUPPORT], CONNECTING]
        caller = await asking_caller(sandbox, WithBills, model=model)

        assert BILLING == await caller.talking_to()
        assert ["sent", "transferring", "in_progress"] == [answer["status"] for answer in caller.script.answers]


async def test_closed_after_the_caller_is_connected() -> None:
    """Once the caller is with somebody else, the tool says so and starts nothing."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)
        await caller.sees("transferred")
        assert "in_progress" == (await caller.agent.transfer_call("support"))["status"]
        await caller.agent.finished.wait()

        assert "closed" == (await caller.agent.transfer_call("support"))["status"]
        result = await caller.agent.transfer("billing")
        assert (Outcome.REFUSED, "the call is over") == (result.outcome, result.detail)
        await caller.talking_to()


async def test_closed_after_the_session() -> None:
    """An agent whose session is closed answers that there is nothing to transfer."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        agent = caller.agent
        await caller.hang_up()
        await caller.over.wait()

        assert "closed" == (await agent.transfer_call("billing"))["status"]


async def test_not_a_phone_call() -> None:
    """A caller in the browser is told that only phone calls can be transferred."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, phone=False, model=[TO_BILLING, "I cannot transfer you."])

        answer = await caller.agent.transfer_call("billing")
        assert "error" == answer["status"]
        assert "not a phone call" in answer["message"]
        result = await caller.agent.transfer("billing")
        assert Outcome.REFUSED is result.outcome
        assert "this is not a phone call: nobody in the room has come by SIP" == result.detail


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "calltransfer" and record.levelname == "WARNING" and "refused" in record.getMessage()
    ]


async def test_a_refused_call_of_the_tool_is_in_the_log_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No such route, not set up, used up: one warning each, however often the model tries."""
    monkeypatch.setenv("VIDEOSDK_CALL_TRANSFER_TO", BILLING)
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT, refuses_after=0.5)
        caller = await sandbox.call(lambda: SupportAgent(DirectTransfer(), policy=Policy(attempts=1)), model=["Hello?"])
        agent = caller.agent
        monkeypatch.delenv("VIDEOSDK_CALL_TRANSFER_TO")
        for name in ("accounts", "+14155550177\nERROR", "none", "billing", "billing"):
            await agent.transfer_call(name)
        await agent.transfer("support")
        for name in ("support", "support"):
            await agent.transfer_call(name)

        assert refusals(caplog) == [
            "transfer_call is refused: the model named a route that there is not; there are: billing, support",
            "transfer_call to billing is refused: it is not set up: VIDEOSDK_CALL_TRANSFER_TO is not set; set it, "
            "or give DirectTransfer a destination",
            "transfer_call to support is refused: the policy allows 1 attempt on one call",
        ]


async def test_a_refused_web_caller_is_in_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    """That this is no phone call is said once on a call."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, phone=False, model=[TO_BILLING, "I cannot transfer you."])
        await caller.hears("I cannot transfer you.")
        await caller.agent.transfer_call("billing")

        assert refusals(caplog) == [
            "transfer_call is refused: this is not a phone call: nobody in the room has come by SIP"
        ]


async def test_from_code() -> None:
    """`self.transfer()` does the same as the tool, and returns how it ended."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        result = await caller.agent.transfer("billing", reason=REASON)

        assert result.connected
        assert BILLING == result.destination.address
        assert caller.leg is not None
        assert (caller.leg.id, caller.room_id) == (result.leg_id, result.room_id)
        assert "transferred" == result.status
        assert [
            Phase.STARTED,
            Phase.PREPARED,
            Phase.SENTENCE_HEARD,
            Phase.FORWARDING,
            Phase.RINGING,
            Phase.FINISHED,
        ] == [event.phase for event in result.timeline]
        await caller.talking_to()


async def test_from_code_while_one_is_under_way() -> None:
    """A transfer from code while another is under way is refused, as a value."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        first = asyncio.create_task(caller.agent.transfer("billing"))
        await asyncio.sleep(0)
        second = await caller.agent.transfer("support")

        assert (Outcome.REFUSED, "a transfer is already under way") == (second.outcome, second.detail)
        assert (await first).connected


async def test_from_code_with_an_unknown_route() -> None:
    """A route that does not exist is a bug in the author's code, and is said at once."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        with pytest.raises(ValueError, match="there is no route 'accounts'; there are: billing, support"):
            await caller.agent.transfer("accounts")


async def test_from_code_inside_a_tool_of_the_author_s() -> None:
    """A tool that waits for a transfer gets its result, although its own turn is the sentence that is waited for."""
    results = []

    class Impatient(SupportAgent):
        @function_tool
        async def pass_on(self) -> dict[str, str]:
            """Passes the caller on."""
            results.append(await self.transfer("billing"))
            return {"outcome": results[-1].outcome}

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, Impatient, model=[Calls("pass_on"), "It did not work, sorry."])
        await caller.hears("It did not work, sorry.")

        assert [Outcome.FAILED] == [result.outcome for result in results]


async def test_cancelling_the_wait_does_not_end_the_transfer() -> None:
    """A transfer belongs to the call, not to who waits for it."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        waiting = asyncio.create_task(caller.agent.transfer("billing"))
        await caller.sees("transfer-initiated")
        waiting.cancel()

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_without_a_destination_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DirectTransfer()` with nothing configured: a warning when the agent is built, an error for the model when used."""
    with pytest.warns(UserWarning, match="'billing' cannot be used .* VIDEOSDK_CALL_TRANSFER_TO is not set"):
        SupportAgent(DirectTransfer())

    async with Sandbox() as sandbox:
        monkeypatch.setenv("VIDEOSDK_CALL_TRANSFER_TO", BILLING)
        caller = await sandbox.call(
            lambda: SupportAgent(DirectTransfer()), model=[TO_BILLING, "I cannot transfer you."]
        )
        monkeypatch.delenv("VIDEOSDK_CALL_TRANSFER_TO")
        await caller.say("please transfer me to billing")
        await caller.hears("I cannot transfer you.")

        assert "error" == caller.script.answers[0]["status"]
        assert "VIDEOSDK_CALL_TRANSFER_TO is not set" in caller.script.answers[0]["message"]


async def test_the_destination_is_read_from_the_environment_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DirectTransfer()` goes where the environment says at call time."""
    monkeypatch.setenv("VIDEOSDK_CALL_TRANSFER_TO", "+1 (415) 555-0123")
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, lambda: SupportAgent(DirectTransfer()))

        assert BILLING == await caller.talking_to()


@pytest.mark.parametrize("configured", ["4155550123", "112", "+19005550123", "sip:+19005550123@pbx.example.com"])
async def test_a_wrong_number_in_the_environment(monkeypatch: pytest.MonkeyPatch, configured: str) -> None:
    """A number in the environment that may not be dialled is told of when the agent is built; the model sees no digit."""
    monkeypatch.setenv("VIDEOSDK_CALL_TRANSFER_TO", configured)
    with pytest.warns(ConfigurationWarning, match="VIDEOSDK_CALL_TRANSFER_TO holds no number in international form"):
        agent = SupportAgent(DirectTransfer())
    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: agent, model=[TO_BILLING, "I cannot do that."])
        await caller.say(ASKS)
        await caller.hears("I cannot do that.")

        assert "error" == caller.script.answers[0]["status"]
        assert not any(character.isdigit() for character in caller.script.answers[0]["message"])


async def test_fixed_sentences() -> None:
    """Where the author gave a sentence for an outcome, the caller hears it as it is, and the model is not asked."""
    wording = Wording(sentences={Outcome.FAILED: "Leider ist gerade niemand erreichbar."})
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(wording=wording))
        await caller.hears("Leider ist gerade niemand erreichbar.")
        await caller.talking_to()

        assert not any("did not happen" in asked for asked in caller.script.asked)


@pytest.mark.parametrize("kind", PIPELINE_KINDS)
async def test_fixed_sentences_on_every_pipeline(kind: str) -> None:
    """A fixed sentence is said by the voice there is; where there is none, the model is asked to say it."""
    sentence = "Nobody can be reached now."
    async with Sandbox() as sandbox:
        caller = await asking_caller(
            sandbox, lambda: SupportAgent(wording=Wording(sentences={Outcome.FAILED: sentence})), kind=kind
        )
        await caller.talking_to()

        heard = any(sentence in said for said in caller.texts_heard)
        asked = any(sentence in asked for asked in caller.script.asked)
        assert heard or asked
        assert Phase.TOLD == caller.agent.phases[-1]


async def test_words_of_ours_are_not_the_caller_s() -> None:
    """What the library tells the model is no part of the transcript."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY)
        await caller.talking_to()
        call = caller.agent._call()

        assert "did not happen" in str(caller.session.get_context_history())
        assert [
            ("agent", "Hello, how can I help?"),
            ("caller", "I have a question about my invoice please"),
            ("agent", CONNECTING),
            ("agent", SORRY),
        ] == [(said.speaker, said.text) for said in call.transcript()]


async def test_a_reply_of_the_author_s_under_way_is_waited_for() -> None:
    """The SDK drops a reply during another one without a word; the model is told all the same, once."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(
            SupportAgent, model=["Our offer of the week is a new phone with every contract.", "Sorry about that."]
        )
        transfer = asyncio.create_task(caller.agent.transfer("billing"))
        await caller.sees("transfer-initiated")
        reply = asyncio.create_task(caller.session.reply("Tell the caller about the offer of the week."))
        await transfer
        await caller.hears("Sorry about that.")
        await reply

        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)


async def test_agents_swapped_in_the_middle_of_a_transfer() -> None:
    """A transfer goes on when the SDK hands the call to another agent, who knows that one is under way."""

    class Second(SupportAgent):
        async def on_enter(self) -> None:
            await self.session.say("I am taking over.")

    class First(SupportAgent):
        @function_tool
        async def hand_over(self) -> Agent:
            """Hands over to a colleague."""
            return Second()

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=10)
        caller = await asking_caller(sandbox, First, model=[TO_BILLING, CONNECTING, Calls("hand_over")])
        await caller.sees("transfer-ringing")
        first = caller.agent
        await caller.say("what is happening now please")
        await caller.hears("I am taking over.")
        second = caller.session.agent

        assert isinstance(second, Second)
        assert "in_progress" == (await second.transfer_call("support"))["status"]
        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == first.outcomes


async def test_an_agent_that_is_none_of_ours_takes_over() -> None:
    """A transfer ends well, and leaves nothing behind, when the call has been handed to an agent without our mixin."""

    class Plain(Agent):
        def __init__(self) -> None:
            super().__init__(instructions="You help.")

        async def on_enter(self) -> None:
            await self.session.say("I am taking over.")

        async def on_exit(self) -> None: ...

    class First(SupportAgent):
        @function_tool
        async def hand_over(self) -> Agent:
            """Hands over to a colleague."""
            return Plain()

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=8)
        caller = await asking_caller(sandbox, First, model=[TO_BILLING, CONNECTING, Calls("hand_over")])
        await caller.sees("transfer-ringing")
        first = caller.agent
        await caller.say("what is happening now please")

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == first.outcomes


async def test_before_the_agent_has_a_session() -> None:
    """An agent that is in no call says so."""
    agent = SupportAgent()
    assert "closed" == (await agent.transfer_call("billing"))["status"]


async def test_no_live_call_is_an_error_of_ours() -> None:
    """Whoever reaches for the call of a session without a room gets a typed error."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        room, caller.job.room = caller.job.room, None
        try:
            with pytest.raises(NoLiveCall):
                declared_by(SupportAgent()).platform.call_of(caller.session)
        finally:
            caller.job.room = room
