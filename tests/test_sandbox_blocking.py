"""What the SDK asks the platform with blocking requests, on fast-forwarded time: it is answered, and time passes."""

import asyncio
from typing import Any

import pytest
import requests
from videosdk.agents import function_tool
from videosdk.agents.warm_transfer import SIPDestination, WarmTransferConfig, WarmTransferResult

from calltransfer.sandbox import Caller, Calls, Sandbox, Says
from tests.agents import BILLING, GREETING, PlainAgent

SUPERVISOR = "+14155550199"
HEADERS = {"Authorization": "token"}


def now() -> float:
    """Seconds on the loop's clock."""
    return asyncio.get_running_loop().time()


async def in_job(caller: Caller, work: Any) -> None:
    """Does what the author's code does, inside the job."""
    await asyncio.create_task(work, context=caller.context)


async def test_the_sdk_s_hang_up() -> None:
    """`session.hangup()` ends the caller's leg, and the session."""
    async with Sandbox(latency=0.2) as sandbox:
        caller = await sandbox.call(PlainAgent)
        await caller.hears(GREETING)
        began = now()
        await in_job(caller, caller.session.hangup())
        await caller.over.wait()

        assert "hung up" == caller.connected_to
        assert ["GET", "POST"] == [request.method for request in sandbox.requests]
        assert 0.4 == pytest.approx(now() - began)


async def test_the_sdk_s_call_transfer() -> None:
    """`session.call_transfer()` forwards the caller."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(PlainAgent)
        await caller.hears(GREETING)
        await in_job(caller, caller.session.call_transfer(BILLING))
        await caller.reaches(BILLING)


class Escalates(PlainAgent):
    """An agent that transfers its caller as the SDK's documentation shows."""

    result: WarmTransferResult | None = None

    @function_tool
    async def escalate(self) -> str:
        """Passes the caller on to a supervisor."""
        destination = SIPDestination("rr_1", SUPERVISOR, "+14155550100")
        self.result = await self.session.warm_transfer(WarmTransferConfig(destination=destination))
        return "Done."


async def test_the_sdk_s_warm_transfer() -> None:
    """`session.warm_transfer()` dials a supervisor, and moves the caller there."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=[Says("yes, I can take them", when="ready?")])
        caller = await sandbox.call(
            Escalates,
            model=[Calls("escalate"), "One moment."],
            consultation_model=["They want a refund. Are you ready?", Calls("done_briefing"), ""],
        )
        await caller.say("I want to talk to a human")
        await caller.reaches(SUPERVISOR)


async def test_the_sdk_s_recording() -> None:
    """What the SDK asks for in a thread is answered there, and the loop goes on meanwhile."""
    async with Sandbox(latency=0.5) as sandbox:
        caller = await sandbox.call(PlainAgent, room_options={"recording": True})
        await caller.hears(GREETING)
        await caller.talking_to()
        assert caller.peer_id in [who for what, _, who in sandbox.recordings if what == "track/start"]
        await caller.hang_up()


async def test_time_passes_while_the_loop_is_blocked() -> None:
    """An answer takes its time, and what was due meanwhile comes late: nothing else happens until it is there."""
    happened: list[float] = []
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "/call", delay=3.0)
        began = now()
        asyncio.get_running_loop().call_later(1.0, lambda: happened.append(now() - began))
        requests.get(f"{sandbox.base_url}/v2/sip/call", headers=HEADERS)  # noqa: ASYNC210, S113 # it is what is tested
        assert (3.0, []) == (now() - began, happened)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [3.0] == happened


async def test_time_passes_as_usual_for_a_thread_that_waits() -> None:
    """A request of a thread blocks that thread only."""
    happened: list[float] = []
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "/call", delay=3.0)
        began = now()
        asyncio.get_running_loop().call_later(1.0, lambda: happened.append(now() - began))
        answer = await asyncio.to_thread(requests.get, f"{sandbox.base_url}/v2/sip/call", headers=HEADERS)
        assert (3.0, [1.0], 200) == (now() - began, happened, answer.status_code)


@pytest.mark.parametrize("thread", [False, True])
async def test_faults_of_blocking_requests(thread: bool) -> None:
    """A fault comes to the SDK as it does from the platform: a status, a reset, an answer that is no JSON, or none."""

    async def get(url: str, **options: Any) -> requests.Response:
        if thread:
            return await asyncio.to_thread(requests.get, url, headers=HEADERS, **options)
        return requests.get(url, headers=HEADERS, **options)  # noqa: ASYNC210, S113 # it is what is tested

    async with Sandbox() as sandbox:
        url = f"{sandbox.base_url}/v2/sip/call"
        sandbox.fault("GET", "/call", status=429, headers={"Retry-After": "2"}, times=1)
        sandbox.fault("GET", "/call", body="<html>", times=1)
        sandbox.fault("GET", "/call", reset=True, times=1)
        sandbox.fault("GET", "/call", hang=True)
        answer = await get(url)
        assert (429, "2", "as asked for") == (
            answer.status_code,
            answer.headers["Retry-After"],
            answer.json()["message"],
        )
        assert "<html>" == (await get(url)).text
        with pytest.raises(requests.ConnectionError, match="reset"):
            await get(url)
        began = now()
        with pytest.raises(requests.ReadTimeout, match="no answer within 7 s"):
            await get(url, timeout=7.0)
        with pytest.raises(requests.ReadTimeout, match="no answer within 5 s"):
            await get(url, timeout=(3.0, 5.0))
        assert 12.0 == pytest.approx(now() - began)


async def test_what_is_asked_for_arrives() -> None:
    """Path, query, header and body of a blocking request come to the platform as they are sent."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent)
        other = await sandbox.call(PlainAgent)
        url, here = f"{sandbox.base_url}/v2/sip/call", {"roomId": caller.room_id}
        answer = requests.get(url, params=here, headers=HEADERS)  # noqa: ASYNC210, S113 # it is what is tested
        assert caller.leg is not None
        assert [caller.leg.id] == [leg["callId"] for leg in answer.json()["data"]]
        assert 401 == requests.get(url).status_code  # noqa: ASYNC210, S113
        assert 404 == requests.get(f"{url}/x/y", headers=HEADERS).status_code  # noqa: ASYNC210, S113
        assert other.leg is not None
        ended = requests.post(f"{url}/end", json={"callId": other.leg.id}, headers=HEADERS)  # noqa: ASYNC210, S113
        assert (200, {"callId": other.leg.id}) == (ended.status_code, sandbox.requests[-1].body)
        assert "hung up" == other.connected_to


async def test_requests_to_others_are_sent_to_them() -> None:
    """Only what is for the platform is answered by it."""
    async with Sandbox():
        with pytest.raises(requests.ConnectionError):
            await asyncio.to_thread(requests.get, "http://127.0.0.1:9/customers", timeout=1.0)
