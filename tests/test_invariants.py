"""The invariants, under faults of the platform and in every order of events."""

import asyncio
import logging
import time
from typing import Any

import jwt
import pytest
import requests
from videosdk.agents import DTMFHandler, function_tool

from calltransfer import Outcome, Phase, VideoSDKPlatform
from calltransfer.sandbox import Caller, Calls, Sandbox, Unknowns
from calltransfer.transfers import CLOSE_TIMEOUT
from tests.agents import ASKS, BILLING, CONNECTING, SORRY, TO_BILLING, TRANSFERS, SupportAgent, asking_caller

TRANSFER = "/v2/sip/call/transfer"

REFUSALS: list[dict[str, Any]] = [
    {"status": 400},
    {"status": 401},
    {"status": 402},
    {"status": 403},
    {"status": 404},
    {"status": 409},
    {"status": 429},
    {"status": 500},
    {"status": 503},
    {"status": 302, "headers": {"Location": "http://127.0.0.1:9/elsewhere"}},
    {"hang": True},
    {"reset": True},
    {"body": "<html>not JSON</html>"},
    {"body": "[1, 2, 3]"},
    {"body": "[" * 100_000},
]


def named(faults: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(fault, id=" ".join(f"{k}={str(v)[:12]}" for k, v in fault.items())) for fault in faults]


async def with_the_agent_who_speaks(caller: Caller) -> None:
    """The caller is with the agent, who has told them; the model was told once, and every tool call was answered."""
    await caller.hears(SORRY, timeout=120)
    assert "agent" == await caller.talking_to()
    assert [Outcome.FAILED] == caller.agent.outcomes
    assert 1 == sum("did not happen" in asked for asked in caller.script.asked)
    assert 1 == len(caller.script.answers)


@pytest.mark.parametrize("fault", named(REFUSALS))
async def test_never_stranded_when_the_forward_is_refused(fault: dict[str, Any]) -> None:
    """Whatever the platform answers to the forward, the caller is soon spoken to by the agent, and a retry is possible."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sandbox.fault("POST", TRANSFER, **fault)
        caller = await asking_caller(sandbox, model=[*TRANSFERS, *TRANSFERS])
        await with_the_agent_who_speaks(caller)

        asked_at = next(request.at for request in sandbox.requests if request.path == TRANSFER)
        deadline = 10.0 if fault.get("hang") or fault.get("status") == 429 else 0.0
        sorry = await caller.hears(SORRY)
        assert sorry.began - asked_at < deadline + 2 + 0.3 + 0.3 + 0.1 + 1.1  # then the model, the voice, and its word

        sandbox.no_more_faults()
        await caller.say("could you please try that again")
        assert BILLING == await caller.talking_to()


@pytest.mark.parametrize("fault", named([{"status": 500}, {"reset": True}, {"hang": True}, {"body": "not JSON"}]))
@pytest.mark.parametrize("answers", [True, False])
async def test_truth_when_the_answer_is_lost_after_the_server_acted(fault: dict[str, Any], answers: bool) -> None:
    """When only the answer is lost, the transfer is followed to its real end, and the request is not sent again."""
    async with Sandbox() as sandbox:
        if answers:
            sandbox.person(BILLING, answers_after=4)
        sandbox.fault("POST", TRANSFER, acted=True, **fault)
        caller = await asking_caller(sandbox)

        assert (BILLING if answers else "agent") == await caller.talking_to()
        assert [Outcome.CONNECTED if answers else Outcome.FAILED] == caller.agent.outcomes
        assert 1 == sum(request.path == TRANSFER for request in sandbox.requests)


async def test_a_rate_limit_is_waited_out() -> None:
    """A 429 is sent again, because nothing was done; the transfer then succeeds."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sandbox.fault("POST", TRANSFER, status=429, times=2)
        caller = await asking_caller(sandbox)

        assert BILLING == await caller.talking_to()
        assert 3 == sum(request.path == TRANSFER for request in sandbox.requests)


@pytest.mark.parametrize("fault", named([f for f in REFUSALS if f.get("status") not in {404, 402}]))
async def test_never_stranded_when_the_platform_cannot_be_read(fault: dict[str, Any]) -> None:
    """When the caller's leg can never be looked up, nothing is forwarded, and the caller is told."""
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", **fault)
        caller = await asking_caller(sandbox)
        await with_the_agent_who_speaks(caller)

        assert not any(request.method == "POST" for request in sandbox.requests)


@pytest.mark.parametrize("fault", named([{"status": 500}, {"hang": True}, {"reset": True}, {"body": "{}"}]))
async def test_a_leg_that_is_known_is_forwarded_although_it_cannot_be_read_again(fault: dict[str, Any]) -> None:
    """A fault that begins after the caller's leg was found delays nothing: reading it again only warms the connection."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        sandbox.fault("GET", "", times=3, **fault)
        await caller.say(ASKS)

        assert BILLING == await caller.talking_to()


async def test_a_leg_that_was_not_found_early_is_found_when_it_is_needed() -> None:
    """A look-up that fails when the caller joins is made up for when they are to be transferred."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        fault = sandbox.fault("GET", "", status=500)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        await caller.talking_to()
        fault.times = 0
        await caller.say(ASKS)

        assert BILLING == await caller.talking_to()


@pytest.mark.parametrize("status", [402, 404])
async def test_a_leg_that_is_gone_is_looked_for_again(status: int) -> None:
    """A known leg that the platform no longer knows is looked up anew."""
    async with Sandbox(unknowns=Unknowns(unknown_call_status=status)) as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        assert caller.leg is not None
        sandbox.fault("GET", caller.leg.id, status=status, times=1)
        await caller.say(ASKS)

        assert BILLING == await caller.talking_to()


async def test_an_expired_token() -> None:
    """A token that is no longer good ends in a failure that names it, without showing it."""
    async with Sandbox() as sandbox:
        sandbox.fault("*", "", status=401, body='{"message": "Token is expired eyJhbGciOi.eyJhcGlrZXki.c2ln"}')
        caller = await asking_caller(sandbox)
        await with_the_agent_who_speaks(caller)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert "HTTP 401, the token has expired" in finished.detail


@pytest.mark.parametrize(
    "phase", [Phase.STARTED, Phase.PREPARED, Phase.SENTENCE_HEARD, Phase.FORWARDING, Phase.RINGING]
)
@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_caller_first(phase: Phase, kind: str) -> None:
    """A caller who hangs up, at any phase, is not forwarded any more, and the session ends as it would have without us."""
    hung_up: list[asyncio.Task[None]] = []

    class Watched(SupportAgent):
        def on_transfer_event(self, event: Any) -> None:
            super().on_transfer_event(event)
            if event.phase is phase:
                hung_up.append(asyncio.create_task(caller.hang_up()))

    async with Sandbox(latency=0.1) as sandbox:
        sandbox.person(BILLING, answers_after=5)
        caller = await sandbox.call(Watched, kind=kind, model=TRANSFERS)
        agent = caller.agent
        await caller.say(ASKS)
        assert "hung up" == await caller.talking_to()
        await caller.over.wait()

        # Once the carrier has the call, a leg that ends may be with the target as well.
        assert [Outcome.UNCONFIRMED if phase is Phase.RINGING else Outcome.CALLER_LEFT] == agent.outcomes
        assert agent.exited
        assert not any("did not happen" in asked for asked in caller.script.asked)
        assert not any(SORRY in said for said in caller.texts_heard)
        assert 1 == len(hung_up)


async def test_caller_first_while_the_leg_is_being_read() -> None:
    """A caller who hangs up just before the forward is found gone by the platform, and nobody is told anything."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)
        leg = caller.leg
        assert leg is not None
        leg.ended = 0.0  # the platform knows before the room does
        await asyncio.sleep(1.5)
        leg.ended = None
        await caller.hang_up()
        await caller.agent.finished.wait()

        assert [Outcome.CALLER_LEFT] == caller.agent.outcomes


async def test_a_caller_whose_leg_is_over_and_who_is_still_there_is_spoken_to() -> None:
    """When the platform says that the leg is over and the caller stays in the room, nothing is left unsaid."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        assert caller.leg is not None
        sandbox.fault("GET", caller.leg.id, body='{"data": {"id": "call-1", "status": "ended"}}')
        sandbox.fault("GET", "/call", body='{"data": []}')
        await caller.say(ASKS)
        await caller.hears(SORRY)

        assert [Outcome.FAILED] == caller.agent.outcomes


async def test_no_early_end_for_a_recorded_caller() -> None:
    """The SDK ends its session the moment a recorded caller leaves; while they are forwarded it waits for the truth."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        agent = caller.agent
        caller.job.room.recorded_participants.add(caller.peer_id)
        await caller.say(ASKS)

        assert BILLING == await caller.talking_to()
        await caller.over.wait()
        assert [Outcome.CONNECTED] == agent.outcomes
        assert agent.exited


async def test_the_session_ends_when_the_caller_has_been_forwarded() -> None:
    """After a handover the agent's session ends on its own, as after any caller who leaves."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        left_at = await caller.sees("transferred")
        await caller.over.wait()

        assert agent.exited
        assert 5.0 <= asyncio.get_running_loop().time() - left_at < 7.0


async def test_a_hang_up_after_the_handover_ends_nobody_s_call() -> None:
    """`session.hangup()` once the caller has been forwarded does not end the call they are in now."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)
        await caller.agent.finished.wait()
        await caller.session.hangup()
        await caller.over.wait()

        assert BILLING == caller.connected_to
        assert not any(request.path.endswith("/end") for request in sandbox.requests)


async def test_the_agent_falls_silent_after_the_handover() -> None:
    """A sentence that the agent was in the middle of when the caller was forwarded is not finished."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=6)
        endless = " ".join(["let me tell you something"] * 40)
        caller = await asking_caller(sandbox, model=[TO_BILLING, CONNECTING, endless])
        await caller.sees("transfer-ringing")
        await caller.say("are you still there I hear nothing")
        await caller.hears("let me tell you")
        session = caller.session
        await caller.sees("transferred")
        await caller.agent.finished.wait()
        await caller.talking_to(settled_for=1)

        assert "speaking" != session.agent_state.value
        assert BILLING == await caller.talking_to()


async def test_clean() -> None:
    """After a transfer that failed, nothing of ours is left on the SDK's objects, and everything of the author's is back."""
    woken: list[float] = []

    def wake_up() -> None:
        woken.append(asyncio.get_running_loop().time())

    keys: list[Any] = []
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=5)
        caller = await sandbox.call(
            SupportAgent,
            model=TRANSFERS,
            session_options={"wake_up": 3, "dtmf_handler": lambda: DTMFHandler(keys.append)},
        )
        caller.session.on_wake_up = wake_up
        room, session = caller.job.room, caller.session
        before = (room.auto_end_session, room._transfer_in_progress, session.dtmf_handler._callback)
        await caller.say(ASKS)
        await caller.hears(SORRY)
        await caller.talking_to()

        assert before == (room.auto_end_session, room._transfer_in_progress, session.dtmf_handler._callback)
        assert session.on_wake_up is wake_up
        assert "hangup" not in vars(session)
        assert woken
        await caller.press("5")
        await caller.press("#")
        await caller.talking_to()
        assert [5, "#"] == keys


async def test_nothing_else_speaks_or_ends_the_call_while_it_is_forwarded() -> None:
    """Wake-up, keys and the author's hang-up are held back while the caller is forwarded, and reported."""
    woken: list[str] = []
    keys: list[Any] = []

    class HangsUp(SupportAgent):
        @function_tool
        async def end_call(self) -> dict[str, str]:
            """Ends the call."""
            await self.hangup()
            return {"status": "ended"}

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=15)
        caller = await sandbox.call(
            HangsUp,
            model=[TO_BILLING, CONNECTING, Calls("end_call"), "Goodbye."],
            session_options={"wake_up": 2, "dtmf_handler": lambda: DTMFHandler(keys.append)},
        )
        caller.session.on_wake_up = lambda: woken.append("woken")
        await caller.say(ASKS)
        await caller.sees("transfer-ringing")
        woken.clear()
        await caller.press("1")
        await caller.say("please hang up the phone now")

        assert BILLING == await caller.talking_to()
        assert [] == woken
        assert [] == keys
        assert ["keypad", "hang-up (manual_hangup)"] == [
            event.detail for event in caller.agent.events if event.phase is Phase.HELD_BACK
        ]


async def test_private(caplog: pytest.LogCaptureFixture) -> None:
    """No number, and no token, is in what we log, in events, in results, or in anything's repr."""
    caplog.set_level(logging.DEBUG, logger="calltransfer")
    async with Sandbox() as sandbox:
        sandbox.fault("POST", TRANSFER, status=400, body=f'{{"message": "cannot reach {BILLING} with sandbox-token"}}')
        caller = await asking_caller(sandbox, lambda: SupportAgent(platform=VideoSDKPlatform(token="eyJhb.eyJh.c2ln")))
        await caller.hears(SORRY)
        result = await caller.agent.transfer("billing")

        ours = [record.getMessage() for record in caplog.records if record.name.startswith("calltransfer")]
        assert ours
        shown = "\n".join(
            [*ours, repr(result), str(result.destination), repr(caller.agent.events), str(caller.script.answers)]
        )
        for private in ("4155550123", "eyJhb", caller.number.lstrip("+")):
            assert private not in shown
        assert all("eyJhb.eyJh.c2ln" == request.authorization for request in sandbox.requests)


async def test_closing_the_session_while_the_agent_speaks_cancels_the_transfer() -> None:
    """A session that is closed before the call was forwarded takes the transfer with it."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        await caller.hears("connecting")
        await caller.session.close()

        assert [Outcome.CANCELLED] == agent.outcomes
        assert not any(request.path == TRANSFER for request in sandbox.requests)


@pytest.mark.parametrize("answers_after", [1.0, 60.0])
async def test_closing_the_session_while_it_rings_waits_for_the_truth(answers_after: float) -> None:
    """A session that is closed after the call was forwarded waits a few seconds for its end, and no longer."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=answers_after)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        await caller.sees("transfer-ringing")
        now = asyncio.get_running_loop().time
        began = now()
        await caller.session.close()

        assert now() - began <= CLOSE_TIMEOUT + (5.0 if answers_after > 5 else 0.1)
        assert [Outcome.CONNECTED if answers_after < 5 else Outcome.CANCELLED] == agent.outcomes
        await caller.hang_up()


async def test_shutting_the_worker_down_ends_the_transfer_before_the_session() -> None:
    """Our clean-up runs before the session's own close, which is the job's first shutdown callback."""
    order: list[str] = []

    class Watched(SupportAgent):
        def on_transfer_event(self, event: Any) -> None:
            super().on_transfer_event(event)
            if event.phase is Phase.FINISHED:
                order.append(event.outcome)

        async def on_exit(self) -> None:
            order.append("on_exit")

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, Watched)
        await caller.hears("connecting")
        await caller.job.shutdown()
        await caller.over.wait()

        assert [Outcome.CANCELLED, "on_exit"] == order


async def test_an_event_hook_that_raises_is_logged_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the author's `on_transfer_event` does not end a transfer that a caller waits for."""

    class Buggy(SupportAgent):
        def on_transfer_event(self, event: Any) -> None:
            super().on_transfer_event(event)
            raise ZeroDivisionError

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, Buggy)

        assert BILLING == await caller.talking_to()
        assert "on_transfer_event raised" in caplog.text


async def test_a_model_that_is_down_does_not_keep_the_caller_in_the_dark() -> None:
    """When the model fails as it is told, the caller hears a fixed apology instead."""

    def broken(_last: str) -> str:
        raise ConnectionError("the model's provider is down")

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[TO_BILLING, CONNECTING, broken])
        await caller.hears("I could not connect you. I am still here with you.")
        await caller.talking_to()

        assert Phase.TOLD == caller.agent.phases[-1]


async def test_a_bug_of_ours_is_a_failure_and_the_caller_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what should never happen ends as a failure that says so, with the caller at the agent."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)

        async def broken() -> None:
            raise KeyError(BILLING)

        monkeypatch.setattr(caller.agent._call(), "caller_left", broken)
        await caller.say(ASKS)
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert (Outcome.FAILED, "calltransfer raised ExceptionGroup") == (finished.outcome, finished.detail)


async def test_closing_twice_at_once_waits_for_one_end() -> None:
    """Whoever closes the session second does not overtake the clean-up of who closed it first."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=2)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        await caller.sees("transfer-ringing")
        await asyncio.gather(caller.job.shutdown(), caller.session.close())

        assert [Outcome.CONNECTED] == agent.outcomes
        assert Outcome.REFUSED is (await agent.transfer("billing")).outcome


async def test_a_second_phone_in_the_room_is_not_the_caller() -> None:
    """The caller is who was there first; somebody else on a phone who comes and goes is not taken for them."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        other = await sandbox._cloud.run(
            lambda network: network.connect_call(
                number="+14155550188", direction="inbound", room_id=caller.room_id, name="Colleague"
            )
        )
        await caller.talking_to()
        await sandbox._cloud.run(lambda network: network.hang_up(other.id))
        await caller.talking_to()
        result = await caller.agent.transfer("billing")

        assert caller.leg is not None
        assert (True, caller.leg.id) == (result.connected, result.leg_id)


async def test_of_two_live_legs_the_newest_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    """When the platform lists two live legs of the session, the newer one is the caller's, and the doubt is logged."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        stale = await sandbox._cloud.run(
            lambda network: network.connect_call(
                number="+14155550188", direction="inbound", room_id="support-line", name="Stale"
            )
        )
        await sandbox._cloud.run(lambda network: network.exit("support-line", f"sip-{stale.id}"))
        await asyncio.sleep(60)  # a minute later
        caller = await sandbox.call(SupportAgent, room_id="support-line")
        result = await caller.agent.transfer("billing")

        assert caller.leg is not None
        assert (True, caller.leg.id) == (result.connected, result.leg_id)
        assert "any of 2 legs" in caplog.text


async def test_a_caller_who_talks_for_long_before_they_agree_costs_no_handshake() -> None:
    """A caller who breaks in and is answered for a minute is still forwarded with one request on an open connection."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        sentence = "I am connecting you to our billing department now so please stay on the line with me"
        long_answer = " ".join(["let me explain this to you in some more detail"] * 5)
        caller = await asking_caller(sandbox, model=[TO_BILLING, sentence, long_answer, long_answer])
        for _ in range(2):
            await caller.hears("connecting" if _ == 0 else "explain")
            await caller.say("wait a moment please I do not understand " * 2)
        forwarded_at = await caller.sees("transfer-initiated")

        before = [request for request in sandbox.requests if request.at < forwarded_at - 0.01]
        forward = next(request for request in sandbox.requests if request.path == TRANSFER)
        assert before[-1].connection == forward.connection
        assert forwarded_at - before[-1].at < 20
        await caller.talking_to()


async def test_the_platform_of_the_room_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address or token of its own, the platform is the one whose room the agent is in, with the same token."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        await caller.talking_to()
        assert {"sandbox-token"} == {request.authorization for request in sandbox.requests}

        renewed = VideoSDKPlatform(token=lambda: "renewed").call_of(caller.session)
        await renewed.prepare()
        await renewed.close()
        assert "renewed" == sandbox.requests[-1].authorization


@pytest.mark.parametrize(
    ("account", "secret", "replaced"),
    [
        ("key", "s" * 32, True),
        ("key", None, False),
        ("key of another account", "s" * 32, False),
        (None, "s" * 32, False),
    ],
)
async def test_a_token_that_expires_during_the_call_is_replaced(
    account: str | None,
    secret: str | None,
    replaced: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A call may outlive the token the agent joined with; with its own account's secret one is signed that only asks."""
    if secret is not None:
        monkeypatch.setenv("VIDEOSDK_API_KEY", "key")
        monkeypatch.setenv("VIDEOSDK_SECRET_KEY", secret)
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        whose = {} if account is None else {"apikey": account}
        caller.job.videosdk_auth = jwt.encode({**whose, "exp": 1_000_000_000}, "another secret that is long enough")
        call = VideoSDKPlatform().call_of(caller.session)
        await call.prepare()
        await call.prepare()
        await call.close()
        asked_with = sandbox.requests[-1].authorization

        assert replaced == (asked_with != caller.job.videosdk_auth)
        assert int(not replaced) == caplog.text.count("the token that the agent joined with has expired")
        if replaced:
            claims = jwt.decode(asked_with, options={"verify_signature": False})
            assert ("key", ["crawler"], 300) == (claims["apikey"], claims["roles"], claims["exp"] - claims["iat"])


async def test_another_tool_that_raises_does_not_delay_the_bad_news() -> None:
    """The SDK stays "thinking" after a tool has raised; the caller is told of a failed transfer all the same, and soon."""

    class Broken(SupportAgent):
        @function_tool
        async def look_up_bill(self) -> dict[str, str]:
            """Looks up the bill."""
            raise ZeroDivisionError

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=8)
        caller = await asking_caller(sandbox, Broken, model=[TO_BILLING, CONNECTING, Calls("look_up_bill"), SORRY])
        await caller.sees("transfer-ringing")
        await caller.say("and how much is my bill")
        failed_at = await caller.sees("transfer-failed")

        assert (await caller.hears(SORRY)).began - failed_at < 2 + 2 + 0.3 + 0.1 + 0.3


async def test_clean_at_the_end_of_the_call() -> None:
    """When the call is over, no handler of ours is left on the session or the room, and no connection is open."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY)
        call, session, meeting = caller.agent._call(), caller.session, caller.job.room.meeting
        assert call._caller._listener in meeting.listeners
        await caller.talking_to()
        await caller.hang_up()
        await caller.over.wait()

        assert call._caller._listener not in meeting.listeners
        assert not any("calltransfer" in handler.__module__ for hs in session._handlers.values() for handler in hs)
        assert call._api._session is None
        assert 0 == sandbox.open_connections


async def test_no_orphan_leg() -> None:
    """A direct transfer dials nobody: after one that failed, the only leg there is, is the caller's."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY)
        await caller.talking_to()

        assert [caller.leg] == list(sandbox._cloud.network.legs.values())
        assert caller.leg is not None
        assert not caller.leg.over


async def test_the_caller_is_who_is_on_the_phone() -> None:
    """With somebody in the browser in the same room, the one on the phone is forwarded, and the other keeps the agent."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        visitor = {"id": "web-1", "displayName": "Colleague", "device": {}, "mode": "SEND_AND_RECV", "metaData": {}}
        await sandbox._cloud.run(lambda network: network.enter(caller.room_id, visitor))
        result = await caller.agent.transfer("billing")

        assert result.connected
        assert BILLING == await caller.talking_to()
        assert not caller.over.is_set()


async def test_live_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of ours blocks the event loop: no blocking request, and no sleep of a thread's, as the SDK's own has."""
    blocking: list[str] = []

    def request(_session: Any, method: str, url: str, **_: Any) -> Any:
        blocking.append(f"{method} {url}")
        raise requests.ConnectionError("refused")

    monkeypatch.setattr(requests.Session, "request", request)
    monkeypatch.setattr(time, "sleep", lambda seconds: blocking.append(f"sleep {seconds}"))
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)
        assert BILLING == await caller.talking_to()
        assert [] == blocking

        other = await sandbox.call(SupportAgent)
        await other.session.call_transfer(BILLING)
        assert blocking
