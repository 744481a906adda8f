"""Events in the order in which nobody expects them: what a review or a user found, each with the fix it led to."""

import asyncio
import json
from typing import Any

import attrs
import pytest
from videosdk.agents import function_tool

from calltransfer import (
    Call,
    CallOver,
    ConfigurationError,
    Destination,
    DirectTransfer,
    Outcome,
    Phase,
    Platform,
    Presence,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    Wording,
)
from calltransfer.platform import PlatformCall
from calltransfer.sandbox import PIPELINE_KINDS, Calls, Ears, Sandbox, Unknowns, models
from calltransfer.transfers import Transfers
from calltransfer.videosdk.conversation import FIRST_ANSWER_TIMEOUT, FIRST_WORD_TIMEOUT, TALK_TIMEOUT
from calltransfer.videosdk.forwarding import POLL_INTERVAL
from tests.agents import (
    ASKS,
    BILLING,
    CONNECTING,
    SORRY,
    SUPPORT,
    TO_BILLING,
    TO_SUPPORT,
    TRANSFERS,
    WITHDRAWS,
    SupportAgent,
    asking_caller,
)

TRANSFER = "/v2/sip/call/transfer"


class Then:
    """A strategy that tries one destination after the other, and may do something in between."""

    def __init__(self, *addresses: str, between: Any = None) -> None:
        self.addresses = addresses
        self.between = between

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        await call.prepare()
        await call.sentence_heard()
        result = TransferResult(outcome=Outcome.REFUSED)
        for address in self.addresses:
            result = await call.forward(Destination(address))
            if result.connected:
                break
            if self.between is not None:
                await self.between(call)
        return result


class Does:
    """A strategy that does what a function does."""

    def __init__(self, what: Any) -> None:
        self.what = what

    async def transfer(self, call: Call, request: TransferRequest) -> Any:
        return await self.what(call)


@pytest.mark.parametrize("kind", PIPELINE_KINDS)
@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 401, "delay": 1.6}])
async def test_the_model_is_told_of_a_transfer_that_fails_before_it_has_spoken(
    kind: str, fault: dict[str, Any]
) -> None:
    """A failure that is known before the model has said its sentence is told after it, and taken by the provider."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, kind=kind, model=TRANSFERS)
        sandbox.fault("GET", "", **fault)
        await caller.say(ASKS)
        await caller.talking_to()

        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)
        assert Phase.TOLD is caller.agent.phases[-1]


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_model_that_is_busy_with_a_slow_tool_is_told_when_it_is_free(kind: str) -> None:
    """While a slow tool runs, a realtime provider refuses the news, and the SDK would put it off; it is told once."""

    class Slow(SupportAgent):
        @function_tool
        async def look_up_bill(self) -> dict[str, str]:
            """Looks up the bill."""
            await asyncio.sleep(14)
            return {"amount": "forty dollars"}

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=6)
        caller = await asking_caller(
            sandbox, Slow, kind=kind, model=[TO_BILLING, CONNECTING, Calls("look_up_bill"), "Forty dollars.", SORRY]
        )
        await caller.sees("transfer-ringing")
        await caller.say("and how much is my bill")
        await caller.hears(SORRY)

        assert [CONNECTING, "Forty dollars.", SORRY] == caller.texts_heard[-3:]
        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)
        if kind == "realtime":
            assert caller.script.realtime is not None
            assert caller.script.realtime.errors


async def test_a_model_that_hangs_is_spoken_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes the bad news and then says nothing does not keep the caller waiting."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=3)
        caller = await asking_caller(sandbox)
        await caller.sees("transfer-ringing")
        monkeypatch.setattr(models, "FIRST_TOKEN_SECONDS", 1_000.0)
        heard = await caller.hears("I could not connect you")

        finished = next(at for status, at in caller.statuses if status == "transfer-failed")
        assert heard.began - finished < POLL_INTERVAL + FIRST_ANSWER_TIMEOUT + FIRST_WORD_TIMEOUT + 1.0


async def test_a_caller_who_never_stops_talking_is_connected_in_the_end() -> None:
    """A caller who breaks in again and again is still connected after two minutes, as they had asked."""
    long = " ".join(["of course I will connect you in a moment"] * 4)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, model=[TO_BILLING, *[long] * 100])
        agent = caller.agent
        while Phase.FORWARDING not in agent.phases:
            await caller.say("wait a moment please")
            await asyncio.sleep(3)

        assert BILLING == await caller.talking_to()
        assert TALK_TIMEOUT < agent.at(Phase.FORWARDING) < TALK_TIMEOUT + 15


async def test_a_leg_that_is_reported_over_while_its_caller_is_there() -> None:
    """A forwarded leg that the platform calls ended, with the caller still in the room, is a failure that is told."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=None)
        caller = await asking_caller(sandbox)
        await caller.sees("transfer-ringing")
        assert caller.leg is not None
        sandbox.fault("GET", "", body=json.dumps({"data": {"id": caller.leg.id, "status": "ended"}}))
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert Outcome.FAILED is finished.outcome
        assert finished.detail.endswith("but the caller is in the room")


async def test_a_caller_who_calls_again_in_the_same_room() -> None:
    """When somebody on a phone comes after the caller has left, it is their leg that is forwarded."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, room_options={"auto_end_session": False})
        first = caller.agent._call().leg_id
        await caller.hang_up()
        await caller.agent._call().caller_left()

        assert Outcome.CALLER_LEFT is (await caller.agent.transfer("billing")).outcome
        assert "closed" == (await caller.agent.transfer_call("billing"))["status"]

        again = await sandbox._cloud.run(
            lambda network: network.connect_call(
                number="+14155550188", direction="inbound", room_id=caller.room_id, name="Caller"
            )
        )
        while caller.agent._call().caller is not Presence.HERE:
            await caller.something_happens_within(1)
        result = await caller.agent.transfer("billing")

        assert (True, again.id) == (result.connected, result.leg_id)
        assert first != again.id
        assert BILLING == again.talking_to


async def test_a_caller_who_hangs_up_long_after_nobody_answered() -> None:
    """A hang-up after a transfer that was given up contradicts nothing."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=900)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        await caller.hears(SORRY)
        await caller.hang_up()
        await caller.over.wait()

        assert [Outcome.NO_ANSWER] == agent.outcomes
        assert Phase.CONTRADICTED not in agent.phases


async def test_a_newer_request_replaces_one_that_is_not_confirmed() -> None:
    """Before the caller has finished, the last destination the model chose is the one that counts."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT)
        caller = await asking_caller(
            sandbox, model=[TO_BILLING, TO_SUPPORT, "Connecting you."], ears=Ears(preemptive=True, final_after=1.5)
        )

        assert SUPPORT == await caller.talking_to()
        assert [Outcome.CANCELLED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_two_platforms_in_one_call() -> None:
    """Agents with platforms of their own each have a call, and both are closed with the session."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        second = SupportAgent(platform=VideoSDKPlatform(token=lambda: "another"))
        second.session = caller.session
        assert second._call() is not caller.agent._call()
        call, session = second._call(), caller.session
        await session.close()

        assert () == call.transcript()
        with pytest.raises(CallOver):
            Transfers.of(session).call(VideoSDKPlatform(), session)
        await caller.talking_to()
        assert 0 == sandbox.open_connections


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_nothing_is_said_twice_after_a_lecture(kind: str) -> None:
    """A failure that becomes known during a very long answer interrupts it, and is told once."""
    lecture = " ".join(["and another thing that you should know"] * 60)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=8)
        caller = await asking_caller(sandbox, kind=kind, model=[TO_BILLING, CONNECTING, lecture, SORRY])
        await caller.sees("transfer-ringing")
        await caller.say("are you still there I hear nothing")
        await caller.hears(SORRY)
        await caller.talking_to()

        assert not any("I could not connect you" in said for said in caller.texts_heard)
        assert 1 == caller.texts_heard.count(SORRY)


async def test_a_tool_that_tells_the_model_itself() -> None:
    """With `tell_model=False` an author's tool that waits for a transfer is the only one to say how it ended."""

    class Waits(SupportAgent):
        @function_tool
        async def pass_on(self) -> dict[str, str]:
            """Passes the caller on."""
            return {"outcome": (await self.transfer("billing", tell_model=False)).outcome}

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, Waits, model=[Calls("pass_on"), "It did not work, sorry."])
        await caller.hears("It did not work, sorry.")
        await caller.talking_to()

        assert not any("did not happen" in asked for asked in caller.script.asked)


class PassesOn(SupportAgent):
    """Has tools of its own that pass the caller on: one that waits for the end, and one that does not."""

    @function_tool
    async def pass_on(self) -> dict[str, str]:
        """Passes the caller on."""
        return {"outcome": (await self.transfer("billing")).outcome}

    @function_tool
    async def begin_to(self) -> dict[str, str]:
        """Passes the caller on."""
        self.task = asyncio.create_task(self.transfer("billing"))
        return {"status": "transferring"}


def warned_of_waiting(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "waits for transfer(" in record.getMessage()]


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_tool_that_waits_for_a_transfer(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log says so and what to do, the caller is told once, by the tool's answer, and is not left in silence first."""
    async with Sandbox() as sandbox:
        sandbox.trouble.carrier_refuses = True
        steps = [Calls("pass_on"), SORRY, Calls("pass_on"), "It does not work."]
        caller = await asking_caller(sandbox, PassesOn, kind=kind, model=steps)
        await caller.hears(SORRY)
        await caller.talking_to()
        await caller.say("please try it again")
        await caller.hears("It does not work.")
        await caller.talking_to()

        assert 2 == len(caller.agent.outcomes)
        assert caller.agent.at(Phase.FORWARDING) < 1.5
        assert [SORRY, "It does not work."] == [
            said for said in caller.texts_heard if said in {SORRY, "It does not work."}
        ]
        assert not any("did not happen" in asked for asked in caller.script.asked)
    (said,) = warned_of_waiting(caplog)
    assert said.startswith("the function tool 'pass_on' waits for transfer('billing')")
    assert "let the model call transfer_call with destination 'billing'" in said


async def test_what_was_said_before_such_a_tool_is_heard() -> None:
    """Words that the model says before it calls a tool that waits are heard to their end before the caller is forwarded."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        words = "One moment please, I am looking whether billing can take your call now."
        caller = await asking_caller(sandbox, PassesOn, model=[[words, Calls("pass_on")]])

        assert BILLING == await caller.talking_to()
        assert any(words in said for said in caller.texts_heard)
        assert caller.agent.at(Phase.FORWARDING) > 3.0


async def test_a_tool_that_waits_and_is_broken_off() -> None:
    """A caller who breaks in ends the tool, which can tell the model nothing any more: the agent tells them then, once."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=8)
        steps = [[CONNECTING, Calls("pass_on")], "Of course, I am still trying.", SORRY]
        caller = await asking_caller(sandbox, PassesOn, model=steps)
        await caller.hears(CONNECTING)
        await caller.say("are you still there")
        await caller.hears(SORRY, timeout=60.0)
        await caller.talking_to()

        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)
        assert 1 == caller.texts_heard.count(SORRY)


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_a_tool_that_does_not_wait(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A tool that starts a transfer as a task and returns is answered at once, and the agent tells how it ended."""
    async with Sandbox() as sandbox:
        sandbox.trouble.carrier_refuses = True
        caller = await asking_caller(sandbox, PassesOn, kind=kind, model=[Calls("begin_to"), CONNECTING, SORRY])
        await caller.hears(SORRY)
        await caller.talking_to()

        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)
    assert not warned_of_waiting(caplog)


@pytest.mark.parametrize("unknowns", [Unknowns(), Unknowns(status_after_failed_transfer=None)])
async def test_of_two_forwards_the_first_one_s_end_is_not_the_second_one_s(unknowns: Unknowns) -> None:
    """A strategy that tries a second line after the first refused reports the second one's end."""
    async with Sandbox(unknowns=unknowns) as sandbox:
        sandbox.person(SUPPORT, answers_after=4)
        caller = await asking_caller(sandbox, lambda: SupportAgent(Then(BILLING, SUPPORT)))

        assert SUPPORT == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_second_transfer_whose_leg_could_not_be_read_again() -> None:
    """An old failure is not taken for the new transfer's end when the reading in between failed."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, model=[*TRANSFERS, *TRANSFERS])
        await caller.hears(SORRY)
        sandbox.person(BILLING, answers_after=4)
        sandbox.fault("GET", "", status=500, times=3)
        await caller.say("could you please try that again")

        assert BILLING == await caller.talking_to()
        assert [Outcome.FAILED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_hang_up_with_another_phone_in_the_history_of_the_room() -> None:
    """`session.hangup()` after the handover ends nobody's call, although somebody else on a phone had been there."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        other = await sandbox._cloud.run(
            lambda network: network.connect_call(
                number="+14155550188", direction="inbound", room_id=caller.room_id, name="Colleague"
            )
        )
        await sandbox._cloud.run(lambda network: network.hang_up(other.id))
        assert (await caller.agent.transfer("billing")).connected
        await caller.session.hangup()
        await caller.over.wait()

        assert BILLING == caller.connected_to


async def test_a_token_source_that_fails_while_it_rings() -> None:
    """A token that cannot be had for a while does not end the following of a call that has been forwarded."""
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        if 4 < asked < 8:
            raise ConnectionError("the vault is sealed")
        return "token"

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=6)
        caller = await asking_caller(sandbox, lambda: SupportAgent(platform=VideoSDKPlatform(token=token)))

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_following_a_forwarded_call_is_not_cut_short() -> None:
    """The deadline of a hung strategy does not run while a call is being forwarded, which has its own."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=200)

        async def slowly(call: Call) -> TransferResult:
            await asyncio.sleep(200)
            return await call.forward(Destination(BILLING), timeout=240)

        caller = await asking_caller(sandbox, lambda: SupportAgent(Does(slowly)))
        await caller.sees("transferred", timeout=600)
        await caller.agent.finished.wait()

        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_following_that_is_cut_short_is_made_up_for() -> None:
    """A strategy that gives a forwarded call up too early is contradicted when it comes true."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=10)

        async def impatiently(call: Call) -> TransferResult:
            await call.prepare()
            async with asyncio.timeout(3):
                return await call.forward(Destination(BILLING))

        caller = await asking_caller(sandbox, lambda: SupportAgent(Does(impatiently)))
        await caller.sees("transferred")
        await caller.talking_to()

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert Phase.CONTRADICTED is caller.agent.phases[-1]


@pytest.mark.parametrize("detail", [ValueError("no such queue"), None, 404])
async def test_a_result_with_an_odd_detail(detail: Any) -> None:
    """A strategy may give anything for a detail; it is taken as text."""

    async def oddly(_call: Call) -> TransferResult:
        return TransferResult(outcome="failed", detail=detail)

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(Does(oddly)))
        await caller.hears(SORRY)

        assert [Outcome.FAILED] == caller.agent.outcomes


async def test_a_destination_that_is_only_a_string() -> None:
    """A strategy that forwards to a string fails by name, before anything has been asked for."""

    async def carelessly(call: Call) -> TransferResult:
        return await call.forward(BILLING)  # type: ignore[arg-type]

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(Does(carelessly)))
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert finished.detail == (
            "Does raised ConfigurationError: forward() takes a Destination, not a str: call.forward(Destination(...))"
        )
        assert Phase.FORWARDING not in caller.agent.phases


async def test_an_error_of_ours_with_an_author_s_words() -> None:
    """What an author says in an error of our type may quote the caller: it is not in the result."""

    async def tells(call: Call) -> TransferResult:
        raise ConfigurationError("no agent for the customer John Smith")

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(Does(tells)))
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert finished.detail == "Does raised ConfigurationError"


async def test_a_self_check_that_raises() -> None:
    """The tool answers although the strategy's own check has a bug that only shows at call time."""

    class Checks(Does):
        broken = False

        def problems(self) -> list[str]:
            if self.broken:
                raise ZeroDivisionError
            return []

    strategy = Checks(None)
    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: SupportAgent(strategy), model=[TO_BILLING, "I cannot do that."])
        strategy.broken = True
        await caller.say(ASKS)
        await caller.hears("I cannot do that.")

        assert "error" == caller.script.answers[0]["status"]


async def test_a_platform_with_a_bug_does_not_keep_the_agent_from_greeting() -> None:
    """What goes wrong in following the call is said when a transfer is asked for; the caller is greeted before that."""

    @attrs.define
    class Broken(Platform):
        """Unhashable, as attrs makes its classes, and broken."""

        def call_of(self, session: Any) -> PlatformCall:
            raise KeyError("room")

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(platform=Broken()), model=[TO_BILLING, "I cannot."])
        await caller.hears("Hello")
        await caller.hears("I cannot.")

        assert "error" == caller.script.answers[0]["status"]


async def test_a_closing_that_is_cut_short_is_finished_by_the_next() -> None:
    """An author who gives `session.close()` too little time leaves nothing half closed."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=900)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        await caller.sees("transfer-ringing")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.session.close(), 1)
        await caller.session.close()

        assert agent.exited
        await caller.hang_up()
        await caller.over.wait()
        await caller.talking_to()
        assert 0 == sandbox.open_connections


async def test_a_call_that_cannot_be_closed_does_not_keep_the_session_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's own close comes after ours, whatever becomes of ours."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        agent, call = caller.agent, caller.agent._call()
        close = call.close

        async def broken() -> None:
            await close()
            raise OSError("no more sockets")

        monkeypatch.setattr(call, "close", broken)
        await caller.session.close()

        assert agent.exited


async def test_a_caller_who_leaves_between_two_forwards() -> None:
    """A caller who hangs up after the first line refused is not forwarded to the second, and the session ends."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT)
        callers: list[Any] = []

        async def hang_up(_call: Call) -> None:
            assert "in_progress" == (await callers[0].agent.transfer_call("support"))["status"]
            await callers[0].hang_up()
            await callers[0].agent._call().caller_left()

        caller = await sandbox.call(lambda: SupportAgent(Then(BILLING, SUPPORT, between=hang_up)), model=TRANSFERS)
        agent = caller.agent
        callers.append(caller)
        await caller.say(ASKS)
        await caller.over.wait()

        assert [Outcome.CALLER_LEFT] == agent.outcomes
        assert 1 == sum(request.path == TRANSFER for request in sandbox.requests)


async def test_withdrawing_between_two_forwards() -> None:
    """After a first line refused, and before a second is asked, the caller can still take it back."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT)
        refused = asyncio.Event()

        async def wait(_call: Call) -> None:
            refused.set()
            await asyncio.sleep(5)

        caller = await asking_caller(sandbox, lambda: SupportAgent(Then(BILLING, SUPPORT, between=wait)))
        await refused.wait()
        assert "withdrawn" == (await caller.agent.transfer_call("none"))["status"]
        await caller.agent.finished.wait()

        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes


async def test_two_agents_of_one_call_share_it() -> None:
    """Agents that each make the default platform follow the call once, and know what the library has said in it."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY)
        second = SupportAgent()
        second.session = caller.session

        assert second._call() is caller.agent._call()


async def test_a_contradiction_is_told_of_the_transfer_that_it_contradicts() -> None:
    """When an old transfer comes true while a new one is being prepared, the event carries the old one's route."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=45)
        long = " ".join(["I will try our support department for you now"] * 3)
        caller = await asking_caller(sandbox, model=[TO_BILLING, CONNECTING, [SORRY, TO_SUPPORT], long])
        await caller.sees("transferred", timeout=120)
        await caller.talking_to()

        late = next(event for event in caller.agent.events if event.phase is Phase.CONTRADICTED)
        assert ("billing", 1) == (late.route, late.attempt)
        assert [Outcome.NO_ANSWER, Outcome.CANCELLED] == caller.agent.outcomes


async def test_a_contradiction_is_told_although_the_session_ends_at_once() -> None:
    """The SDK ends the session of a recorded caller as they leave; that they were forwarded after all is still told."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=60)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        agent = caller.agent
        caller.job.room.recorded_participants.add(caller.peer_id)
        await caller.say(ASKS)
        await caller.over.wait()

        assert Phase.CONTRADICTED is agent.phases[-1]


async def test_a_tool_that_is_called_while_the_session_closes() -> None:
    """Once the closing has begun the tool says that the call is over, and follows nothing any more."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        answers: list[Any] = []
        agent = caller.agent

        async def late() -> None:
            answers.append(await agent.transfer_call("billing"))

        caller.job._shutdown_callbacks.insert(1, late)  # after ours, before the session's own
        await caller.job.shutdown()
        await caller.over.wait()

        assert ["closed"] == [answer["status"] for answer in answers]
        assert 0 == sandbox.open_connections


async def test_an_unfinished_sentence_takes_nothing_back() -> None:
    """A withdrawal on words that turned out otherwise withdraws nothing; the transfer waits for the caller to finish."""

    def step(last: str) -> Any:
        if "status" in last or "transferring" in last:
            return "I am connecting you to our billing department now so please stay on the line with me"
        return TO_BILLING if "invoice" in last else WITHDRAWS if last.endswith("cancel it") else "Fine, I connect you."

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(
            SupportAgent, model=[step] * 9, ears=Ears(preemptive=True, preflight_words=4, resumes=False)
        )
        await caller.say(ASKS)
        await caller.hears("connecting")
        await caller.say("do not cancel it notwithstanding please go on")

        assert BILLING == await caller.talking_to()
        assert Outcome.CONNECTED is caller.agent.outcomes[-1]
        assert Outcome.CALLER_RETURNED not in caller.agent.outcomes


async def test_a_finished_sentence_takes_it_back_although_it_was_answered_early() -> None:
    """A withdrawal on words that turned out right withdraws the transfer as soon as they have."""

    def step(last: str) -> Any:
        if "status" in last or "transferring" in last:
            return "I am connecting you to our billing department now so please stay on the line with me"
        return TO_BILLING if "invoice" in last else WITHDRAWS

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=[step] * 9, ears=Ears(preemptive=True, final_after=1.0))
        await caller.say(ASKS)
        await caller.hears("connecting")
        await caller.say("no please cancel it")
        await caller.agent.finished.wait()

        assert "agent" == await caller.talking_to()
        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes


async def test_a_strategy_in_a_hurry_waits_for_the_caller_s_last_words() -> None:
    """A strategy that does not wait for the sentence still waits until it is known whether the caller takes it back."""
    asked = asyncio.Event()

    async def hastily(call: Call) -> TransferResult:
        await call.prepare()
        await asked.wait()
        await call.sentence_heard(timeout=0)
        return await call.forward(Destination(BILLING))

    def step(last: str) -> Any:
        if "withdrawn" in last:
            asked.set()
            return "I am not connecting you."
        return TO_BILLING if "invoice" in last else WITHDRAWS if "cancel" in last else CONNECTING

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(
            lambda: SupportAgent(Does(hastily)), model=[step] * 9, ears=Ears(preemptive=True, final_after=2.0)
        )
        await caller.say(ASKS)
        await caller.hears(CONNECTING)
        while await caller.something_happens_within(1):
            pass
        await caller.say("no please cancel it")
        await caller.agent.finished.wait()

        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert not any(request.path == TRANSFER for request in sandbox.requests)


async def test_what_an_author_sets_meanwhile_stays() -> None:
    """What the author's code sets while the caller is being forwarded is not overwritten afterwards."""

    def woken() -> None: ...

    async def hangup_of_author(_reason: str = "") -> None: ...

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=5)
        caller = await asking_caller(sandbox)
        caller.session.hangup = hangup_of_author
        await caller.sees("transfer-ringing")
        caller.session.on_wake_up = woken
        await caller.hears(SORRY)

        assert caller.session.on_wake_up is woken
        assert caller.session.hangup is hangup_of_author


async def test_closing_while_the_bad_news_is_being_told() -> None:
    """A session that is closed in the middle of a long apology breaks it off, for the sentence that the agent leaves."""
    async with Sandbox() as sandbox:
        long = " ".join([SORRY] * 10)
        caller = await asking_caller(sandbox, model=[TO_BILLING, CONNECTING, long])
        await caller.hears("billing could not")
        now = asyncio.get_running_loop().time
        began = now()
        await caller.session.close()

        assert Wording().closing == caller.texts_heard[-1]
        assert now() - began < 5.0


async def test_never_stranded_when_the_refusal_comes_while_a_reading_hangs() -> None:
    """A refusal is told within seconds although the readings beside it hang."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        sandbox.fault("POST", TRANSFER, status=400, delay=0.6)
        await caller.say(ASKS)
        await caller.hears(CONNECTING)
        sandbox.fault("GET", "", hang=True)
        await caller.hears(SORRY)

        asked_at = next(request.at for request in sandbox.requests if request.path == TRANSFER)
        assert (await caller.hears(SORRY)).began - asked_at < 0.6 + 2.5 + 0.3 + 0.3 + 0.1


async def test_updating_an_agent_s_tools_with_its_own() -> None:
    """Giving an agent the tools it has leaves it with the transfer tool once."""
    agent = SupportAgent()
    agent.update_tools(agent.tools)

    assert 1 == sum(tool._tool_info.name == "transfer_call" for tool in agent.tools)


async def test_ringing_is_reported_when_it_rings() -> None:
    """A call that rang and has ended by the time it is read is not reported as ringing."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=20)
        caller = await asking_caller(sandbox)
        agent = caller.agent
        await caller.sees("transfer-ringing")
        await caller.hang_up()
        await caller.over.wait()

        assert ["transfer-ringing"] * agent.phases.count(Phase.RINGING) == [
            event.status for event in agent.events if event.phase is Phase.RINGING
        ]


async def test_direct_transfers_share_nothing_between_calls() -> None:
    """Two calls of one strategy at the same time each get their own end."""
    strategy = DirectTransfer(BILLING)
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, lines=2)
        first, second = await asyncio.gather(
            sandbox.call(lambda: SupportAgent(strategy)), sandbox.call(lambda: SupportAgent(strategy))
        )
        results = await asyncio.gather(first.agent.transfer("billing"), second.agent.transfer("billing"))

        assert [True, True] == [result.connected for result in results]
        assert results[0].leg_id != results[1].leg_id
