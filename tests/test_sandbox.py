"""The sandbox is honest: the SDK's own transfer code, which nobody here wrote, runs on it unpatched but for its address."""

import asyncio
import re
import sys
import threading
from collections.abc import Mapping
from typing import Any

import aiohttp
import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from videosdk import PubSubSubscribeConfig
from videosdk.agents import Agent, ChatContext, ChatRole, DTMFHandler, Pipeline, function_tool
from videosdk.agents.warm_transfer import SIPDestination, WarmTransferConfig, WarmTransferResult

from calltransfer import (
    ConfigurationError,
    ConfigurationWarning,
    DestinationError,
    Outcome,
    Phase,
    Route,
    TransferMixin,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import (
    LEG_STATES,
    Caller,
    Calls,
    FastForwardLoop,
    Fault,
    HangsUp,
    NothingToWaitFor,
    Phone,
    Presses,
    Sandbox,
    Says,
    Script,
    Target,
    Unknowns,
    _patches,
)
from calltransfer.sandbox.models import ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD
from calltransfer.sandbox.pipelines import make_pipeline
from calltransfer.sandbox.realtime import ScriptedRealtimeModel
from calltransfer.sandbox.speech import decoded, encoded, seconds_to_say, words
from tests import A_HANG
from tests.agents import ASKS, BILLING, GREETING, SORRY, TRANSFERS, PlainAgent, SupportAgent, asking_caller

COLLEAGUE = "+14155550125"
SUPERVISOR = "+14155550199"

TONE = np.full(480, 1_000, dtype=np.int16).tobytes()
"""A frame of something that is no speech."""


@pytest.mark.real_time
async def test_the_sdk_s_own_call_transfer() -> None:
    """`session.call_transfer` finds the leg and forwards it, over loopback sockets, and the caller gets there."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=0.2)
        caller = await sandbox.call(SupportAgent)
        assert await caller.session.call_transfer(BILLING) is None
        await caller.sees("transferred", timeout=A_HANG)

        assert [(request.method, request.path) for request in sandbox.requests[:3]] == [
            ("GET", "/v2/sip/call"),
            ("GET", "/v2/sip/call"),
            ("POST", "/v2/sip/call/transfer"),
        ]
        assert BILLING == caller.connected_to


async def test_connections_on_fast_forwarded_time() -> None:
    """Whatever connects to the network on the loop is told how it could be done, by aiohttp and without it."""
    with pytest.raises(
        aiohttp.ClientConnectorError, match=r"127\.0\.0\.1:9 .*fast-forwarded time .* asyncio\.to_thread"
    ):
        async with aiohttp.ClientSession() as http:
            await http.get("https://127.0.0.1:9/customers")
    with pytest.raises(ConnectionRefusedError, match=r"nobody listens at crm\.example:443 .* asyncio\.to_thread"):
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, "crm.example", 443, ssl=True)


@pytest.mark.real_time
async def test_the_sdk_s_own_sip_manager() -> None:
    """Each verb of the SDK's `SIPManager` that this sandbox serves works on it, and raises where it refuses."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=30)
        caller = await sandbox.call(SupportAgent)
        room = caller.job.room
        call = await asyncio.to_thread(room.sip_manager.fetch_call_info, room.meeting.session_id)
        assert caller.leg is not None
        assert caller.leg.id == call["callId"]

        answer = await asyncio.to_thread(room.sip_manager.transfer_call, call["callId"], BILLING)
        assert "answered" == answer["data"]["status"]
        with pytest.raises(requests.HTTPError, match="400"):
            await asyncio.to_thread(room.sip_manager.transfer_call, call["callId"], BILLING)
        with pytest.raises(requests.HTTPError, match="404"):
            await asyncio.to_thread(room.sip_manager.transfer_call, "call-9999", BILLING)

        await asyncio.to_thread(room.sip_manager.end_call, call["callId"])
        assert "hung up" == caller.connected_to
        with pytest.raises(requests.HTTPError, match="400"):
            await asyncio.to_thread(room.sip_manager.end_call, call["callId"])


@pytest.mark.real_time
async def test_the_sdk_transfers_the_ended_leg_when_it_is_listed_first() -> None:
    """A known defect of the SDK shows on the sandbox: of two legs of a session it takes the first, which has ended."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, earlier_legs=1)
        await caller.session.call_transfer(BILLING)

        assert caller.leg.status == "answered" if caller.leg else None
        transfer = next(request for request in sandbox.requests if request.method == "POST")
        assert caller.leg is not None
        assert caller.leg.id != transfer.body["callId"]


@pytest.mark.real_time
async def test_the_sdk_s_hang_up_ends_the_leg() -> None:
    """`session.hangup()` ends the caller's leg on the platform, and then the session."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        await caller.session.hangup()
        async with asyncio.timeout(A_HANG):
            await caller.over.wait()

        assert "hung up" == caller.connected_to


@pytest.mark.real_time
async def test_ours_over_loopback_sockets() -> None:
    """A transfer that fails, and one that connects, on the wall clock and over real sockets."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[*TRANSFERS, *TRANSFERS])
        await caller.hears(SORRY, timeout=A_HANG)
        sandbox.person(BILLING, answers_after=0.2)
        result = await caller.agent.transfer("billing")

        assert result.connected
        assert [Outcome.FAILED, Outcome.CONNECTED] == caller.agent.outcomes


@pytest.mark.real_time
async def test_a_recorded_caller_on_the_real_recording_path() -> None:
    """With the SDK's recording switched on, a forwarded caller's leave ends the session only when the truth is known."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=0.5)
        caller = await sandbox.call(SupportAgent, room_options={"recording": True})
        agent = caller.agent
        await caller.talking_to(settled_for=0.5)
        assert caller.peer_id in caller.job.room.recorded_participants
        result = await agent.transfer("billing")
        async with asyncio.timeout(A_HANG):
            await caller.over.wait()

        assert result.connected
        assert agent.exited


@pytest.mark.real_time
async def test_nothing_of_the_sandbox_is_left() -> None:
    """Leaving the sandbox ends its thread, and puts back what it took the place of."""
    import videosdk.videosdk as rtc
    from videosdk.agents.room import _sip_manager

    before = (rtc.RoomClient, _sip_manager.TRANSFER_CALL_URL, threading.active_count())
    async with Sandbox() as sandbox:
        await sandbox.call(SupportAgent)
        assert before[1] != _sip_manager.TRANSFER_CALL_URL
    names = [thread.name for thread in threading.enumerate()]

    assert (rtc.RoomClient, _sip_manager.TRANSFER_CALL_URL) == before[:2]
    assert "sandbox cloud" not in names


async def test_what_is_heard_is_what_was_played() -> None:
    """A sentence that is cut off was heard up to the cut, and no further."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(
            SupportAgent, model=["one two three four five six seven eight nine ten eleven twelve"]
        )
        await caller.say(ASKS)
        await caller.hears("four")
        await caller.hang_up()
        await caller.over.wait()

        assert [GREETING] == caller.texts_heard[:1]
        assert caller.texts_heard[1].startswith("one two three four")
        assert "twelve" not in caller.texts_heard[1]


async def test_speech_takes_its_time() -> None:
    """What the agent says takes as long to hear as it takes to say."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        greeting = await caller.hears(GREETING)

        said_in = greeting.ended - greeting.began
        assert said_in == pytest.approx(seconds_to_say(GREETING) - words(GREETING, 0)[0].seconds, abs=0.15)


@given(st.lists(st.from_regex(r"[^\s\x00-\x1f]{1,12}", fullmatch=True), min_size=1, max_size=8))
def test_words_survive_the_audio(text: list[str]) -> None:
    """Every word that is put into audio frames is read from them again."""
    spoken = words(" ".join(text), 7)
    assert spoken == [word for part in spoken for word in list(decoded(encoded(part)))[:1]]


async def test_not_hearing_says_what_was_heard_instead() -> None:
    """An expectation that fails shows what happened."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        with pytest.raises(AssertionError, match=r"never heard 'goodbye', but \['Hello, how can I help\?'\]"):
            await caller.hears("goodbye", timeout=5)
        with pytest.raises(AssertionError, match="the leg was never ended"):
            await caller.sees("ended", timeout=5)


async def test_who_the_caller_talks_to() -> None:
    """A caller is with the agent, with a target, alone, or has hung up."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, hangs_up_after=5)
        caller = await sandbox.call(SupportAgent)
        assert "agent" == await caller.talking_to()
        await caller.agent.transfer("billing")
        assert BILLING == caller.connected_to
        assert "nobody" == await caller.talking_to()

        second = await sandbox.call(SupportAgent)
        await second.job.shutdown()
        assert "nobody" == await second.talking_to()
        await second.hang_up()
        assert "hung up" == second.connected_to


async def test_an_agent_that_cannot_start_is_an_error() -> None:
    """What is wrong with an agent's construction is raised where the call is made."""

    def broken() -> None:
        raise RuntimeError("no such model")

    async with Sandbox() as sandbox:
        with pytest.raises(RuntimeError, match="no such model"):
            await sandbox.call(broken)


class AsksAProcess(PlainAgent):
    """An agent that asks a process of its own something before it greets, as one with an MCP server over stdio does."""

    process: asyncio.subprocess.Process

    async def on_enter(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import time; time.sleep(60)", stdout=asyncio.subprocess.PIPE
        )
        try:
            await self.asks()
        finally:
            self.process.kill()
            await self.process.wait()

    async def asks(self) -> None:
        """Waits for its answer."""
        assert self.process.stdout is not None
        await self.process.stdout.readline()


async def test_an_agent_that_does_not_start_says_why() -> None:
    """One that waits for a process on fast-forwarded time is an error that says where it waits; then it is ended."""
    made: list[AsksAProcess] = []

    def agent() -> AsksAProcess:
        made.append(AsksAProcess())
        return made[-1]

    why = (
        r"^the agent did not start within 30 s; it waited in .*asks \(test_sandbox\.py:\d+\) > readline .*"
        r"an MCP server over stdio.* goes through asyncio\.to_thread.* marked @pytest\.mark\.real_time$"
    )
    async with Sandbox() as sandbox:
        with pytest.raises(TimeoutError, match=why):
            await sandbox.call(agent)
        assert made[0].process.returncode is not None

        caller = await sandbox.call(SupportAgent)  # the sandbox is as before
        await caller.hears(GREETING)


class GivesUp(PlainAgent):
    """An agent that gives up waiting by itself, without a word, as the SDK's MCP client does."""

    async def on_enter(self) -> None:
        async with asyncio.timeout(5.0):
            await asyncio.Event().wait()


async def test_an_agent_that_gives_up_says_why() -> None:
    """A start that ends in a bare `TimeoutError` is an error that says where that was."""
    why = r"^the agent did not start: TimeoutError; it waited in .*on_enter \(test_sandbox\.py:\d+\) .*an MCP server"
    async with Sandbox() as sandbox:
        with pytest.raises(TimeoutError, match=why):
            await sandbox.call(GivesUp)


def test_an_unknown_kind_of_pipeline_is_an_error() -> None:
    """A misspelt kind names the ones there are."""
    with pytest.raises(ValueError, match="cascade, cascade_without_voice"):
        make_pipeline("cascada", Script())


async def test_legs_move_only_as_the_table_says() -> None:
    """No leg of the sandbox takes a step that is not in its table."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        assert caller.leg is not None
        for status in sorted(set(LEG_STATES) - LEG_STATES["answered"]):
            with pytest.raises(ValueError, match=f"cannot become {status}"):
                caller.leg.move(status)


async def test_the_platform_refuses_what_makes_no_sense() -> None:
    """Requests without a token, or without what they need, are refused as the platform refuses them."""
    async with Sandbox(unknowns=Unknowns(unknown_call_status=402)) as sandbox, aiohttp.ClientSession() as http:
        async with http.get(f"{sandbox.base_url}/v2/sip/call") as answer:
            assert 401 == answer.status
        headers = {"Authorization": "token"}
        async with http.post(f"{sandbox.base_url}/v2/sip/call/transfer", json={}, headers=headers) as answer:
            assert 400 == answer.status
        async with http.get(f"{sandbox.base_url}/v2/sip/call/call-9999", headers=headers) as answer:
            assert 402 == answer.status
        async with http.post(f"{sandbox.base_url}/v2/rooms", headers=headers) as answer:
            assert "roomId" in await answer.json()


async def test_a_late_answer() -> None:
    """A fault can make an answer late without changing it."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sandbox.fault("POST", "/transfer", delay=3.0)
        caller = await asking_caller(sandbox)

        assert BILLING == await caller.talking_to()
        assert isinstance(sandbox._cloud.server.faults[0], Fault)


def test_waiting_for_nothing_is_an_error() -> None:
    """A test that could only hang says so, and what it may have been waiting for."""

    async def hang() -> None:
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=FastForwardLoop) as runner:  # noqa: SIM117
        with pytest.raises(NothingToWaitFor, match=r"no timer is set: .* goes through asyncio\.to_thread"):
            runner.run(hang())


def test_the_clock_waits_for_threads() -> None:
    """While a thread works, no time passes on the fast-forwarded clock."""

    async def work() -> float:
        now = asyncio.get_running_loop().time
        began = now()
        release = threading.Event()
        working = asyncio.ensure_future(asyncio.to_thread(release.wait))
        asyncio.get_running_loop().call_later(100, release.set)
        threading.Timer(0.05, release.set).start()
        await working
        return now() - began

    with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
        assert 0.0 == runner.run(work())


async def test_there_is_one_sandbox_at_a_time() -> None:
    """A second sandbox, one that is used twice, and one that is not open each say so."""
    async with Sandbox() as sandbox:
        with pytest.raises(RuntimeError, match="one at a time"):
            await Sandbox().__aenter__()
        caller = await sandbox.call(SupportAgent)
        assert "agent" == caller.connected_to
    with pytest.raises(RuntimeError, match="used once"):
        await sandbox.__aenter__()
    with pytest.raises(RuntimeError, match="async with"):
        Sandbox().person(BILLING)


async def test_what_a_sandbox_is_told_is_checked() -> None:
    """An agent that is made already and a number that does not exist are refused; spelling is made one."""
    async with Sandbox() as sandbox:
        with pytest.raises(TypeError, match="makes an agent, not SupportAgent"):
            await sandbox.call(SupportAgent())
        with pytest.raises(DestinationError):
            sandbox.person("5550123")
        assert BILLING == sandbox.person("+1 (415) 555-0123").number
        assert "GET" == sandbox.fault("get", "", status=500).method


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda _: Says(3), "Says takes the words that are said, not 3"),  # type: ignore[arg-type]
        (lambda _: Presses("12"), r"one key is pressed at a time, 0 to 9, '\*' or '#', not '12'"),
        (lambda sandbox: sandbox.person(BILLING, says=[Calls("x")]), "says= takes a sentence, or a list .* not Calls"),
        (lambda sandbox: sandbox.person(BILLING, says=Says("yes")), "says= takes a sentence, or a list .* not Says"),
        (lambda sandbox: sandbox.fault("PSOT", "", status=500), r"a fault is of GET, .*, \*, not of 'PSOT'"),
        (
            lambda sandbox: sandbox.fault("POST", "/v2/sip/call"),
            "a fault needs status=, body=, delay=, hang= or reset=",
        ),
    ],
)
async def test_what_would_never_happen_is_refused_at_once(wrong: Any, why: str) -> None:
    """What a person could not do, and a fault that is none, is an error where it is written."""
    async with Sandbox() as sandbox:
        with pytest.raises(ConfigurationError, match=why):
            wrong(sandbox)


async def test_what_is_waited_for_in_vain_is_refused_at_once() -> None:
    """A misspelt phase, status, key or direction is an error, and not a long wait for what never comes."""
    async with Sandbox() as sandbox:
        caller: Any = await sandbox.call(SupportAgent)
        began = asyncio.get_running_loop().time()
        with pytest.raises(ValueError, match="'onhold' is not a valid Phase"):
            await caller.until("onhold")
        with pytest.raises(ConfigurationError, match="a leg has no status 'answerd'; there are initiated, incoming"):
            await caller.sees("answerd")
        with pytest.raises(ConfigurationError, match="one key is pressed at a time"):
            await caller.press("10")
        with pytest.raises(ConfigurationError, match="direction= is 'inbound' or 'outbound', not 'in'"):
            await sandbox.call(SupportAgent, direction="in")  # type: ignore[arg-type]
        assert began == asyncio.get_running_loop().time()


async def test_a_script_that_calls_what_the_agent_does_not_have() -> None:
    """One that calls a tool the agent does not have says so in the timeline, and where something is waited for in vain."""
    instead = re.escape("; the model called look_up(42) -> error: the agent has no such tool; it has transfer_call")
    async with Sandbox() as sandbox:
        model = [Calls("look_up", {"account": 42}), "One moment."]
        caller = await sandbox.call(SupportAgent, kind="realtime", model=model)
        await caller.hears(GREETING)
        await caller.say(ASKS)
        with pytest.raises(AssertionError, match=f"never heard 'account', but .*{instead}$"):
            await caller.hears("account", timeout=5)

    assert said_by("model", caller)[0].startswith("look_up(42) -> error: the agent has no such tool")


async def test_a_language_model_that_calls_what_the_agent_does_not_have() -> None:
    """So does one in a cascade: the SDK 1.0.30 breaks off there, without a word to model or caller."""
    script = Script([Calls("look_up")])
    async for _ in ScriptedLLM(script).chat(chat_context((ChatRole.USER, "hello")), tools=[]):
        assert "look_up() -> error: the agent has no such tool; it has none" == script.last_error


@pytest.mark.parametrize(
    "steps",
    ["One moment.", {"tool": "x"}, [{"tool": "x"}], [["One moment.", 1]], [None], Calls("transfer_call")],
)
def test_a_script_is_made_of_steps(steps: Any) -> None:
    """What is no list of steps is refused when the script is made."""
    with pytest.raises(TypeError, match=r"a (step of a )?script is"):
        Script(steps)


async def test_a_function_makes_a_step() -> None:
    """A step that is a function is asked for one when its turn comes, and one that makes something else is refused."""
    script = Script([lambda last: [last, "too"], lambda last: {"tool": last}])

    assert ["hello", "too"] == script.next("hello")
    with pytest.raises(TypeError, match=r"not {'tool': 'hello'}"):
        script.next("hello")


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_what_the_model_was_refused_is_said(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer that the tool refuses is in the timeline, and in what fails for want of it; so is a script that is over."""
    monkeypatch.delenv("VIDEOSDK_CALLER_ID", raising=False)
    call = Calls("transfer_call", {"destination": "supervisor", "reason": "a refund"})
    refused = r"transfer_call\(supervisor\) -> error: This transfer is not set up: .* caller_id="
    async with Sandbox() as sandbox:
        with pytest.warns(ConfigurationWarning, match="caller_id="):
            caller = await sandbox.call(NotSetUpAgent, kind=kind, model=[call, "One moment."])
        await caller.hears(GREETING)
        await caller.say(ASKS)
        await caller.hears("One moment.")
        await caller.say("I am still waiting for a human")
        with pytest.raises(AssertionError, match=f"the last thing they heard is .*; the model called {refused}"):
            await caller.reaches(SUPERVISOR, timeout=5)
        with pytest.raises(
            AssertionError, match=f"no transfer was finished within 1 s: .*; the model called {refused}"
        ):
            await caller.until(Phase.FINISHED, timeout=1)
        with pytest.raises(AssertionError, match=rf"at \*\*\*0199: nobody was dialled; the model called {refused}"):
            await sandbox.target(SUPERVISOR, timeout=1)
        said = said_by("model", caller)

    assert re.match(refused, said[0])
    assert ["the script is over, so it says otherwise='Is there anything else?'"] == said[1:]


async def test_a_number_with_nobody_at_it_is_said() -> None:
    """Who is dialled, or forwarded to, without having been put there is named, masked, with how to put them there."""
    said = "nobody is at ***0123 in this sandbox: sandbox.person('***0123', ...) puts somebody there"
    async with Sandbox() as sandbox:
        forwarded = await asking_caller(sandbox, model=TRANSFERS)
        with pytest.raises(AssertionError, match=re.escape(f"; {said}") + "$"):
            await forwarded.reaches(BILLING, timeout=20)
        dialled_for = await sandbox.call(PlainAgent)
        await posted(
            sandbox,
            "sip/call",
            {
                "sipCallTo": BILLING,
                "sipCallFrom": "+14155550100",
                "routingRuleId": "rr_1",
                "destinationRoomId": dialled_for.room_id,
            },
        )
        await dialled_for.talking_to()

        assert [said] == said_by("sandbox", dialled_for)
        assert [said, said] == said_by("sandbox", forwarded)


def said_by(who: str, caller: Caller) -> list[str]:
    """What stands in the timeline of a call by `who`."""
    return [entry.what for entry in caller.timeline if entry.who == who]


# Phones, rooms and people


class NotSetUpAgent(TransferMixin, Agent):
    """An agent that has a warm transfer, and no caller ID to dial anybody with."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[Route("supervisor", WarmTransfer(to=SUPERVISOR), when="the caller asks for a human")],
            platform=VideoSDKPlatform(routing_rule="rr_1"),
        )

    async def on_enter(self) -> None:
        await self.session.say(GREETING)

    async def on_exit(self) -> None:
        """Says nothing."""


async def posted(sandbox: Sandbox, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
    """What the platform answers."""
    headers = {"Authorization": "token"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{sandbox.base_url}/v2/{path}", json=body) as answer,
    ):
        return answer.status, await answer.json()


async def dialled(sandbox: Sandbox, caller: Caller, number: str = COLLEAGUE, **options: Any) -> Target:
    """Somebody who is being called into the caller's room."""
    body = {
        "sipCallTo": number,
        "sipCallFrom": "+14155550100",
        "routingRuleId": "rr_1",
        "destinationRoomId": caller.room_id,
    }
    status, answer = await posted(sandbox, "sip/call", {**body, **options})
    assert (200, "initiated", caller.room_id) == (status, answer["data"]["status"], answer["data"]["roomId"])
    return await sandbox.target(number)


async def switched(sandbox: Sandbox, phone: Phone, room_id: str, **options: Any) -> None:
    """Somebody who is being moved to another room."""
    assert phone.leg is not None
    body = {"callId": phone.leg.id, "roomId": room_id, **options}
    status, answer = await posted(sandbox, "sip/call/switch-room", body)
    data = answer["data"]
    assert (200, "answered", room_id) == (status, data["status"], data["roomId"])


def statuses_of(phone: Phone) -> list[str]:
    """Every status of a leg, in order."""
    return [status for status, _ in phone.statuses]


@pytest.mark.parametrize(
    ("person", "statuses"),
    [
        ({"answers_after": 4.0}, ["initiated", "ringing", "answered"]),
        ({"answers_after": 4.0, "hangs_up_after": 3.0}, ["initiated", "ringing", "answered", "ended"]),
        ({"refuses_after": 3.0}, ["initiated", "ringing", "rejected"]),
        ({"answers_after": None}, ["initiated", "ringing", "not-answered"]),
        (None, ["initiated", "failed"]),
    ],
)
async def test_how_a_dialled_phone_is_answered(person: dict[str, Any] | None, statuses: list[str]) -> None:
    """A leg that is dialled rings, and is answered, refused, given up, or fails where nobody is at the number."""
    async with Sandbox() as sandbox:
        if person is not None:
            sandbox.person(COLLEAGUE, **person)
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller)
        await target.talking_to()

        assert statuses == [name for name, _ in target.leg.log]
        assert statuses[1:] == statuses_of(target)
        assert [target] == sandbox.targets
        answered = statuses[-1] == "answered"
        assert (caller.number if answered else "hung up" if "ended" in statuses else "nobody") == target.connected_to


@pytest.mark.parametrize(("asked_for", "rings_for"), [({"ringingTimeout": 20}, 20), ({}, 30)])
async def test_how_long_a_phone_rings(asked_for: dict[str, Any], rings_for: float) -> None:
    """A phone rings for as long as the request says, or else until the carrier gives up."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, answers_after=None)
        target = await dialled(sandbox, await sandbox.call(PlainAgent), **asked_for)

        rings_at = await target.sees("ringing")
        assert rings_for == pytest.approx(await target.sees("not-answered") - rings_at)


async def test_a_dialled_call_is_ended_in_time() -> None:
    """A call lasts no longer than the request that dialled it allows, and can be ended while it rings."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, answers_after=5)
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller, maxCallDuration=60)
        answered_at = await target.sees("answered")
        assert 60 == pytest.approx(await target.sees("ended", timeout=70) - answered_at)

        target = await dialled(sandbox, caller)
        await target.sees("ringing")
        assert 200 == (await posted(sandbox, "sip/call/end", {"callId": target.leg.id}))[0]
        assert "hung up" == await target.talking_to()
        assert "answered" not in statuses_of(target)


async def test_what_a_request_to_dial_needs() -> None:
    """A request without a number on either side, or without a way out, is refused."""
    whole = {"sipCallTo": COLLEAGUE, "sipCallFrom": "+14155550100", "gatewayId": "gw_1"}
    async with Sandbox() as sandbox:
        for missing in whole:
            body = {name: value for name, value in whole.items() if name != missing}
            assert 400 == (await posted(sandbox, "sip/call", body))[0]
        assert 200 == (await posted(sandbox, "sip/call", whole))[0]


@pytest.mark.parametrize("honours", [True, False])
async def test_who_a_dialled_leg_is_in_its_room(honours: bool) -> None:
    """A dialled leg has the id and the name that were asked for, or its own, and is known for an outbound one."""
    async with Sandbox(unknowns=Unknowns(honours_participant_id=honours)) as sandbox:
        sandbox.person(COLLEAGUE, name="Maria", lines=2)
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller, participant={"id": "target-1"}, metadata={"reason": "invoice"})
        await target.sees("answered")
        await caller.talking_to()

        known = caller.job.room.meeting.participants[target.peer_id]
        assert ("target-1" if honours else f"sip-{target.leg.id}") == known.id
        assert ("Maria", {"sipUser": True, "callType": "outbound"}) == (known.display_name, known.meta_data)
        assert {"reason": "invoice"} == target.leg.document(keeps_log=True)["metadata"]

        other = await dialled(sandbox, caller, participant={"name": "Supervisor"})
        await other.sees("answered")
        await caller.talking_to()
        assert "Supervisor" == caller.job.room.meeting.participants[other.peer_id].display_name


async def test_what_a_person_does_when_they_have_answered() -> None:
    """A person follows their script: speaks, answers what they are asked, presses a key when told to, and hangs up."""
    pressed: list[Any] = []
    async with Sandbox() as sandbox:
        sandbox.person(
            COLLEAGUE,
            says=[
                Says("good afternoon support here"),
                "yes please do",
                Presses("1", when="PRESS"),
                HangsUp(when="bye"),
            ],
        )
        caller = await sandbox.call(
            lambda: PlainAgent(greeting=""),
            model=["May I put them through?", "Then press one now."],
            session_options={"dtmf_handler": lambda: DTMFHandler(pressed.append)},
        )
        target = await dialled(sandbox, caller)
        asked = await target.hears("through?")
        pressing = await target.hears("Then press one now.")
        await target.talking_to()
        assert [1] == pressed
        await caller.agent.session.say("Good bye.")

        assert "hung up" == await target.talking_to()
        assert ["agent"] * 3 == [heard.speaker for heard in target.heard]
        assert ["good afternoon support here", "yes please do"] == caller.script.asked
        assert asked.ended < pressing.began


async def test_a_plain_sentence_answers_a_question() -> None:
    """A person whose script is one sentence says it when they have been asked something, and not before."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, says="yes, put them through")
        caller = await sandbox.call(lambda: PlainAgent(greeting=""))
        target = await dialled(sandbox, caller)
        await target.sees("answered")
        await caller.agent.session.say("There is somebody on the line.")
        await caller.talking_to()
        assert [] == caller.script.asked
        await caller.agent.session.say("Is that all right?")
        await target.talking_to()

        assert ["yes, put them through"] == caller.script.asked
        # The caller, who is in the same room, heard both.
        assert "yes, put them through" in [heard.text for heard in caller.heard if heard.speaker == COLLEAGUE]
        assert COLLEAGUE == caller.connected_to


async def test_waiting_for_somebody_to_be_dialled() -> None:
    """Who is dialled later is waited for, of two the newest counts, and nobody's being dialled is an error."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE)
        caller = await sandbox.call(PlainAgent)
        waiting = asyncio.ensure_future(sandbox.target("+1 (415) 555-0125"))
        await caller.talking_to()
        first = await dialled(sandbox, caller)
        assert first is await waiting
        second = await dialled(sandbox, caller)
        assert second is not first
        await second.hang_up()
        await second.sees("ended")
        assert first is await sandbox.target(COLLEAGUE)
        with pytest.raises(AssertionError, match=r"at \*\*\*0123: dialled so far: \*\*\*0125 \(answered\), \*\*\*"):
            await sandbox.target(BILLING, timeout=5)
        with pytest.raises(AssertionError, match="the target never heard 'unheard of'"):
            await first.hears("unheard of", timeout=5)


@pytest.mark.parametrize("early_media", [True, False])
async def test_early_media(early_media: bool) -> None:
    """With early media a leg is in its room, with audio, while it still rings; whoever rings hears nothing."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, answers_after=10, early_media=early_media)
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller, waitUntilAnswered=True)
        await asyncio.sleep(5)
        assert "ringing" == target.leg.status
        participant = caller.job.room.meeting.participants.get(target.peer_id)
        assert early_media is (participant is not None and bool(participant.streams))
        await caller.agent.session.say("Only the caller hears this.")
        assert ("nobody", "agent") == (target.connected_to, caller.connected_to)
        await target.sees("answered")
        await caller.agent.session.say("Both of you hear this.")

        assert ["Both of you hear this."] == target.texts_heard
        assert COLLEAGUE == caller.connected_to


async def test_early_media_of_a_phone_that_nobody_answers() -> None:
    """A leg that was in its room before anybody had answered leaves it when nobody does."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, refuses_after=5, early_media=True)
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller)
        await asyncio.sleep(2)
        assert target.peer_id in caller.job.room.meeting.participants
        await target.sees("rejected")
        await caller.talking_to()

        assert target.peer_id not in caller.job.room.meeting.participants


async def test_hearing_follows_rooms() -> None:
    """Who is moved to another room hears, and is heard by, those who are there, in the middle of a sentence too."""
    async with Sandbox() as sandbox:
        first = await sandbox.call(PlainAgent)
        second = await sandbox.call(PlainAgent, number="+14155550112")
        speaking = asyncio.ensure_future(first.agent.session.say("one two three four five six seven eight nine ten"))
        await first.hears("three")
        await switched(sandbox, first, second.room_id)
        await first.sees("switch-room-completed")
        await second.agent.session.say("Welcome to you both.")
        await first.say("good to meet you")
        await second.talking_to()
        await speaking

        assert first.texts_heard[1].startswith("one two three")
        assert "ten" not in first.texts_heard[1]
        assert ["Welcome to you both.", "Is there anything else?"] == first.texts_heard[2:]
        assert ["good to meet you"] == second.script.asked
        assert ([], []) == (first.script.asked, [text for text in second.texts_heard if "two" in text])
        assert "good to meet you" in [heard.text for heard in second.heard if heard.speaker == first.number]
        assert (second.number, first.number) == (first.connected_to, second.connected_to)
        await second.hang_up()
        assert "agent" == await first.talking_to()


async def test_moving_to_another_room_takes_its_time() -> None:
    """A switch is answered before it happens; then the leg is in the other room, by the id that was asked for."""
    async with Sandbox(unknowns=Unknowns(switch_after=2.0)) as sandbox:
        first, second = await sandbox.call(PlainAgent), await sandbox.call(PlainAgent)
        assert first.leg is not None
        assert second.leg is not None
        rooms = first.job.room.meeting, second.job.room.meeting
        await switched(sandbox, first, second.room_id, participantId="caller-1")
        initiated_at = await first.sees("switch-room-initiated")
        assert (first.room_id, "agent") == (first.leg.room_id, first.connected_to)
        assert 2.0 == pytest.approx(await first.sees("switch-room-completed") - initiated_at)
        await first.talking_to()

        assert ["switch-room-initiated", "switch-room-completed", "answered"] == statuses_of(first)[-3:]
        assert (second.room_id, second.leg.session_id) == (first.leg.room_id, first.leg.session_id)
        assert "caller-1" == first.peer_id
        assert ("caller-1" in rooms[0].participants, "caller-1" in rooms[1].participants) == (False, True)
        assert f"sip-{first.leg.id}" not in rooms[0].participants
        listed = [leg["callId"] for leg in (await listed_in(sandbox, second.room_id))]
        assert [first.leg.id, second.leg.id] == listed


async def listed_in(sandbox: Sandbox, room_id: str) -> list[dict[str, Any]]:
    """The calls that the platform lists in a room."""
    async with (
        aiohttp.ClientSession(headers={"Authorization": "token"}) as http,
        http.get(f"{sandbox.base_url}/v2/sip/call", params={"roomId": room_id}) as answer,
    ):
        legs: list[dict[str, Any]] = (await answer.json())["data"]
        return legs


@pytest.mark.parametrize("afterwards", ["answered", None])
async def test_a_leg_can_be_moved_and_forwarded_after_it_was_moved(afterwards: str | None) -> None:
    """Whatever a leg's status becomes after a switch, it can be moved back, and be forwarded."""
    async with Sandbox(unknowns=Unknowns(status_after_switch=afterwards)) as sandbox:
        sandbox.person(BILLING)
        first = await sandbox.call(PlainAgent, room_options={"auto_end_session": False})
        second = await sandbox.call(PlainAgent)
        assert first.leg is not None
        await switched(sandbox, first, second.room_id)
        await first.talking_to()
        await switched(sandbox, first, first.room_id)
        assert "agent" == await first.talking_to()
        assert (afterwards or "switch-room-completed") == first.leg.status
        await posted(sandbox, "sip/call/transfer", {"callId": first.leg.id, "transferTo": BILLING})

        assert BILLING == await first.talking_to()


async def test_where_a_leg_cannot_be_moved() -> None:
    """A leg is not moved to a room with nobody in it, nor without a room, nor while it moves, nor when it is over."""
    async with Sandbox() as sandbox:
        caller, other = await sandbox.call(PlainAgent), await sandbox.call(PlainAgent)
        assert caller.leg is not None
        _, empty = await posted(sandbox, "rooms", {})

        async def status(**body: str) -> int:
            assert caller.leg is not None
            return (await posted(sandbox, "sip/call/switch-room", {"callId": caller.leg.id, **body}))[0]

        assert 400 == await status(roomId=empty["roomId"])
        assert 400 == await status(roomId="no-such-room")
        assert 400 == await status()
        assert 404 == await status(callId="call-9999", roomId=other.room_id)
        assert 200 == await status(roomId=other.room_id)
        assert 400 == await status(roomId=other.room_id)
        await caller.hang_up()
        assert 400 == await status(roomId=other.room_id)
        await caller.talking_to()
        assert "switch-room-completed" not in statuses_of(caller)


async def test_a_switch_that_fails() -> None:
    """In trouble, a switch that was accepted fails, so often as was asked for, and the leg stays where it is."""
    async with Sandbox() as sandbox:
        sandbox.trouble.switch_fails = 1
        caller, other = await sandbox.call(PlainAgent), await sandbox.call(PlainAgent)
        await switched(sandbox, caller, other.room_id)
        assert "agent" == await caller.talking_to()
        assert ["switch-room-initiated", "switch-room-failed", "answered"] == statuses_of(caller)[-3:]

        await switched(sandbox, caller, other.room_id)
        assert other.number == await caller.talking_to()


async def test_a_leg_that_vanishes_when_it_is_moved() -> None:
    """In trouble, a switch completes and the leg is in neither room; moved once more, it is back."""
    async with Sandbox() as sandbox:
        sandbox.trouble.switched_leg_vanishes = 1
        caller = await sandbox.call(PlainAgent, room_options={"auto_end_session": False})
        other = await sandbox.call(PlainAgent)
        await switched(sandbox, caller, other.room_id)
        assert "nobody" == await caller.talking_to()
        assert "switch-room-completed" in statuses_of(caller)
        assert "agent" == other.connected_to

        await switched(sandbox, caller, caller.room_id)
        assert "agent" == await caller.talking_to()


async def test_a_leg_that_is_answered_and_never_appears() -> None:
    """In trouble, a dialled leg is answered, and its peer never comes into the room."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE)
        sandbox.trouble.answered_leg_never_appears = True
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller)
        await target.sees("answered")

        assert "nobody" == await target.talking_to()
        assert ("agent", "answered") == (caller.connected_to, target.leg.status)


@pytest.mark.parametrize("disabled", [False, True])
async def test_an_agent_that_does_not_get_into_its_room(disabled: bool) -> None:
    """In trouble, and in a room that was deactivated, `connect` returns as ever and the agent is not in the room."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent)
        _, room = await posted(sandbox, "rooms", {})
        if disabled:
            status, answer = await posted(sandbox, "rooms/deactivate", {"roomId": room["roomId"]})
            assert (200, True) == (status, answer["disabled"])
        else:
            sandbox.trouble.join_fails = True
        with _patches.job(room["roomId"], sandbox.base_url, {}) as job:
            await job.connect()
            assert job.room._meeting_joined_data is None
            await job.shutdown()

        body = {"callId": caller.leg.id if caller.leg else "", "roomId": room["roomId"]}
        assert 400 == (await posted(sandbox, "sip/call/switch-room", body))[0]
        assert "agent" == await caller.talking_to()


async def test_joining_a_room_takes_time() -> None:
    """In trouble, an agent is in its room only after a while, and one that gives up meanwhile never is."""
    async with Sandbox() as sandbox:
        sandbox.trouble.join_seconds = 3.0
        began = asyncio.get_running_loop().time()
        await sandbox.call(PlainAgent)
        assert asyncio.get_running_loop().time() - began >= 3.0

        _, room = await posted(sandbox, "rooms", {})
        with _patches.job(room["roomId"], sandbox.base_url, {}) as job:
            connecting = asyncio.ensure_future(job.connect())
            await asyncio.sleep(1)
            await job.room.leave()
            await connecting
            await job.shutdown()
        assert [] == sandbox._cloud.network.rooms[room["roomId"]].members


async def test_music_is_audible_and_no_words() -> None:
    """Background audio, and PCM in the agent's own track, are heard as sound without words, for as long as they play."""
    now = asyncio.get_running_loop().time
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent, room_options={"background_audio": True})
        await caller.talking_to()
        heard = list(caller.texts_heard)

        began = now()
        await caller.job.room.audio_track.add_background_bytes(TONE * 100)
        await asyncio.sleep(5)
        assert 2.0 == pytest.approx(caller.music_heard(began, now()))
        assert 3.0 == pytest.approx(caller.longest_silence(began, now()))

        # Of a length that fills no whole number of frames: the words behind it are read all the same.
        began = now()
        await caller.job.room.audio_track.add_new_bytes(TONE * 50 + TONE[:400])
        await caller.agent.session.say("There you are.")
        await caller.talking_to()
        assert 1.0 == pytest.approx(caller.music_heard(began, now()), abs=0.05)
        assert [*heard, "There you are."] == caller.texts_heard
        assert caller.audible[-1][1] > caller.audible[-1][0]


async def test_the_sdk_s_own_background_audio() -> None:
    """The SDK's player of background audio runs on fast-forwarded time, and words that are said to it are understood."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent, room_options={"background_audio": True})
        await caller.talking_to()
        began = asyncio.get_running_loop().time()
        await caller.agent.play_background_audio(looping=True, override_thinking=False)
        await asyncio.sleep(10)
        await caller.agent.session.say("Nobody has answered yet.")
        await caller.agent.stop_background_audio()

        assert "Nobody has answered yet." == caller.texts_heard[-1]
        assert caller.longest_silence(began + 0.1, began + 10) < 0.1
        assert 10 == pytest.approx(caller.music_heard(began, began + 10), abs=0.2)


async def test_speech_between_phones_is_audible() -> None:
    """What one phone says is sound on the other, and silence on its own."""
    now = asyncio.get_running_loop().time
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, answers_after=0.5)
        caller = await sandbox.call(PlainAgent, model=[""] * 9)
        target = await dialled(sandbox, caller)
        await target.talking_to()
        began = now()
        await target.say("thank you for waiting")

        assert now() - began == pytest.approx(seconds_to_say("thank you for waiting"))
        assert 0 == pytest.approx(caller.longest_silence(began, now()))
        assert now() - began == target.longest_silence(began, now())
        assert 0 == caller.music_heard(began, now())


async def test_a_key_says_who_pressed_it() -> None:
    """A key arrives at the agents in the presser's room only, with the id of who pressed it."""
    messages: list[tuple[str, Any]] = []
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE, says=[Presses("#")])
        caller, other = await sandbox.call(PlainAgent), await sandbox.call(PlainAgent)
        for who in (caller, other):
            room_id = who.room_id
            config = PubSubSubscribeConfig(
                topic="DTMF_EVENT",
                cb=lambda message, room_id=room_id: messages.append((room_id, message)),
            )
            await who.job.room.subscribe_to_pubsub(config)
        target = await dialled(sandbox, caller)
        await target.talking_to()

        topic = {"topic": "DTMF_EVENT", "senderId": target.peer_id, "payload": {"number": "#"}}
        assert [(caller.room_id, topic)] == messages


async def test_ending_a_session_removes_everybody() -> None:
    """When the platform ends a session, agents are out of the room, and the legs of those in it have ended."""
    async with Sandbox() as sandbox:
        sandbox.person(COLLEAGUE)
        caller = await sandbox.call(PlainAgent)
        target = await dialled(sandbox, caller)
        await target.talking_to()
        assert 200 == (await posted(sandbox, "sessions/end", {"roomId": caller.room_id}))[0]
        assert 402 == (await posted(sandbox, "sessions/end", {"roomId": "no-such-room"}))[0]
        await caller.over.wait()

        assert ("hung up", "hung up") == (await caller.talking_to(), await target.talking_to())
        assert not sandbox._cloud.network.rooms[caller.room_id].live


async def test_recordings() -> None:
    """Who is in a room can be recorded there, participant or agent, and who is not yet is refused."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent)
        agent_id = caller.job.room.meeting.local_participant.id

        async def status(action: str, participant_id: str) -> tuple[int, Any]:
            body = {"roomId": caller.room_id, "participantId": participant_id, "kind": "audio"}
            return await posted(sandbox, f"recordings/participant/{action}", body)

        assert (200, {}) == await status("start", agent_id)
        assert (200, {}) == await status("track/start", caller.peer_id)
        assert (200, {}) == await status("track/stop", caller.peer_id)
        assert (200, {}) == await status("stop", agent_id)
        assert (400, {"message": "participant is not yet joined the meeting"}) == await status("start", "caller-1")
        body = {"roomId": caller.room_id, "channel1": [{"participantId": agent_id}], "channel2": []}
        assert 200 == (await posted(sandbox, "recordings/participant/merge", body))[0]

        assert [
            ("start", caller.room_id, agent_id),
            ("track/start", caller.room_id, caller.peer_id),
            ("track/stop", caller.room_id, caller.peer_id),
            ("stop", caller.room_id, agent_id),
            ("merge", caller.room_id, agent_id),
        ] == sandbox.recordings


# Scripted models


def chat_context(*messages: tuple[ChatRole, str]) -> ChatContext:
    """What a model is given."""
    context = ChatContext.empty()
    for role, content in messages:
        context.add_message(role=role, content=content)
    return context


async def test_a_request_for_a_summary_takes_no_step() -> None:
    """A request of one system and one user message and no tools is answered with a summary, in its time."""
    script = Script(["One moment."], summary=lambda text: f"They said {text}", summary_seconds=2.0)
    request = chat_context((ChatRole.SYSTEM, "Summarise."), (ChatRole.USER, "Caller: hello"))
    began = asyncio.get_running_loop().time()
    answer = [part.content async for part in ScriptedLLM(script).chat(request)]
    assert (["They said Caller: hello"], 2.0) == (answer, asyncio.get_running_loop().time() - began)
    assert ([("Summarise.", "Caller: hello")], [], []) == (script.summaries_asked, script.asked, script.system)

    answer = [part.content async for part in ScriptedLLM(script).chat(request, tools=[])]
    assert (["One moment."], ["Summarise."]) == (answer, script.system)


async def test_models_that_are_built_again_follow_the_consultation_s_script() -> None:
    """A model that is made from its class alone, as the SDK makes a consultation's, follows the consultation's script."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent, model=["One moment."], consultation_model=["Are you there?"])
        pipeline = Pipeline(*(type(part)() for part in (ScriptedSTT(), ScriptedLLM(), ScriptedTTS(), ScriptedVAD())))

        assert pipeline.llm.script is caller.consultation_script is not caller.script
        assert ScriptedRealtimeModel().script is caller.consultation_script
        await caller.say("hello there")
        await caller.hears("One moment.")
        assert (["hello there"], []) == (caller.script.asked, caller.consultation_script.asked)
        assert ["You are the customer-care agent of ConnectTel."] == caller.script.system


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_caller_who_is_cut_off_has_said_what_was_heard(kind: str) -> None:
    """When a caller's frames become silence in the middle of a sentence, the sentence ends there."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent, kind=kind)
        await caller.talking_to()
        pipeline = caller.job.room.input_stream_manager.pipeline
        for word in words("I would like to know why my invoice", 900)[:4]:
            await pipeline.on_audio_delta(encoded(word))
        await pipeline.on_audio_delta(bytes(960))
        await caller.talking_to()

        assert ["I would like to"] == caller.script.asked


class EscalatingAgent(PlainAgent):
    """An agent that transfers its caller as the SDK's documentation shows."""

    result: WarmTransferResult | None = None
    timeout = 10.0

    @function_tool
    async def escalate(self) -> str:
        """Passes the caller on to a supervisor."""
        destination = SIPDestination("rr_1", SUPERVISOR, "+14155550100")
        config = WarmTransferConfig(destination=destination, supervisor_join_timeout=self.timeout)
        self.result = await self.session.warm_transfer(config)
        return "Done."
