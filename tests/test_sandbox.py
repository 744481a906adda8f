"""The sandbox is honest: the SDK's own transfer code, which nobody here wrote, runs on it unpatched but for its address."""

import asyncio
import threading

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from calltransfer import DestinationError, Outcome
from calltransfer.sandbox import LEG_STATES, Calls, FastForwardLoop, Fault, NothingToWaitFor, Sandbox, Script, Unknowns
from calltransfer.sandbox.pipelines import make_pipeline
from calltransfer.sandbox.speech import decoded, encoded, seconds_to_say, words
from tests.agents import ASKS, BILLING, GREETING, SORRY, TRANSFERS, SupportAgent, asking_caller


@pytest.mark.real_time
async def test_the_sdk_s_own_call_transfer() -> None:
    """`session.call_transfer` finds the leg and forwards it, over loopback sockets, and the caller gets there."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=0.2)
        caller = await sandbox.call(SupportAgent)
        assert await caller.session.call_transfer(BILLING) is None
        await caller.sees("transferred", timeout=10)

        assert [(request.method, request.path) for request in sandbox.requests[:3]] == [
            ("GET", "/v2/sip/call"),
            ("GET", "/v2/sip/call"),
            ("POST", "/v2/sip/call/transfer"),
        ]
        assert BILLING == caller.connected_to


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
        async with asyncio.timeout(10):
            await caller.over.wait()

        assert "hung up" == caller.connected_to


@pytest.mark.real_time
async def test_ours_over_loopback_sockets() -> None:
    """A transfer that fails, and one that connects, on the wall clock and over real sockets."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[*TRANSFERS, *TRANSFERS])
        await caller.hears(SORRY, timeout=20)
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
        async with asyncio.timeout(10):
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

        assert [GREETING] == caller.said_to_caller[:1]
        assert caller.said_to_caller[1].startswith("one two three four")
        assert "twelve" not in caller.said_to_caller[1]


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
    import aiohttp

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
    """A test that could only hang says so."""

    async def hang() -> None:
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=FastForwardLoop) as runner, pytest.raises(NothingToWaitFor):
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
        assert "GET" == sandbox.fault("get", "").method


async def test_a_script_that_calls_what_the_agent_does_not_have(caplog: pytest.LogCaptureFixture) -> None:
    """A script is a list, and one that calls a tool the agent does not have says so."""
    with pytest.raises(TypeError, match="a list of steps"):
        Script("One moment.")
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, kind="realtime", model=[Calls("look_up"), "One moment."])
        await caller.say(ASKS)
        await caller.talking_to()

    assert "the script calls 'look_up', and the agent has no such tool" in caplog.text
