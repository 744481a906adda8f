"""A strategy is an author's code: whatever is wrong with it, nobody is stranded, and the end says whose fault it was."""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import attrs
import pytest

from calltransfer import (
    Briefing,
    Call,
    CallOver,
    Choose,
    Consultation,
    Destination,
    DirectTransfer,
    Fallback,
    HeldCaller,
    HoldMusic,
    Limit,
    LLMSummary,
    Message,
    Outcome,
    Phase,
    Policy,
    RingGroup,
    TransferEvent,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
    direct_or_bridge,
)
from calltransfer.platform import PlatformCall
from calltransfer.sandbox import Caller, HangsUp, Sandbox, Script
from calltransfer.sandbox.realtime import ScriptedRealtimeModel
from calltransfer.videosdk.call import VideoSDKCall
from tests.warm import CONNECTING, OPENED, SORRY, SUPERVISOR, TO_SUPERVISOR, SupervisedAgent, call, leg_of, transferred

MANAGER = "+14155550188"
CONNECTED = TransferResult(outcome=Outcome.CONNECTED)
DECLINED = TransferResult(outcome=Outcome.DECLINED)


def consulting(
    call: Call, request: TransferRequest, number: str = SUPERVISOR
) -> AbstractAsyncContextManager[Consultation]:
    return call.consult(Destination(number), request, summary=LLMSummary(), briefing=Briefing())


@attrs.frozen
class Misbehaving:
    """A strategy that does not do what it should."""

    does: Callable[[Call, TransferRequest], Awaitable[Any]]

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        result: TransferResult = await self.does(call, request)
        return result


async def raises(call: Call, request: TransferRequest) -> Any:
    raise RuntimeError(f"could not find {SUPERVISOR}")


async def cancels_itself(call: Call, request: TransferRequest) -> Any:
    raise asyncio.CancelledError


async def declines(call: Call, request: TransferRequest) -> Any:
    await call.sentence_heard()
    return DECLINED


async def returns_nonsense(call: Call, request: TransferRequest) -> Any:
    return "connected"


async def hangs(call: Call, request: TransferRequest) -> Any:
    await asyncio.Event().wait()


async def lies(call: Call, request: TransferRequest) -> Any:
    return CONNECTED


def says(outcome: Outcome) -> Any:
    """What an author's code makes of a "cancelled" that is not the caller's, say."""

    async def claims(call: Call, request: TransferRequest) -> Any:
        return TransferResult(outcome=outcome, detail="the booking was cancelled", told=True)

    return claims


async def forgets_the_caller_on_hold(call: Call, request: TransferRequest) -> Any:
    await call.on_hold(HoldMusic()).__aenter__()
    return DECLINED


async def leaks_a_consultation(call: Call, request: TransferRequest) -> Any:
    consultation: Consultation = await consulting(call, request).__aenter__()
    await consultation.answered()
    return DECLINED


async def leaks_a_dictation_from_a_hold(call: Call, request: TransferRequest) -> Any:
    async with call.on_hold(HoldMusic()):
        await call.dictation().__aenter__()
    return DECLINED


async def leaks_both_and_raises(call: Call, request: TransferRequest) -> Any:
    await consulting(call, request).__aenter__()
    await call.on_hold(HoldMusic()).__aenter__()
    raise RuntimeError("lost")


async def leaks_from_a_task_of_its_own(call: Call, request: TransferRequest) -> Any:
    async def inside() -> None:
        consultation = await consulting(call, request).__aenter__()
        await consultation.answered()

    await asyncio.create_task(inside())
    return CONNECTED


def finished(caller: Caller) -> TransferEvent:
    event: TransferEvent = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
    return event


@pytest.mark.parametrize(
    ("does", "detail"),
    [
        (raises, "Misbehaving raised RuntimeError"),
        (returns_nonsense, "Misbehaving returned str instead of a TransferResult"),
        (cancels_itself, "Misbehaving ended by cancelling itself"),
        (hangs, "Misbehaving did not end within 360 s"),
        (lies, "Misbehaving returned CONNECTED, and nothing shows that the caller is connected to anybody"),
        (says(Outcome.CANCELLED), "Misbehaving returned CANCELLED, and the caller is on the line"),
        (says(Outcome.CALLER_LEFT), "Misbehaving returned CALLER_LEFT, and the caller is on the line"),
        (says(Outcome.UNCONFIRMED), "Misbehaving returned UNCONFIRMED, and the caller is on the line"),
        (says(Outcome.MESSAGE_TAKEN), "Misbehaving returned MESSAGE_TAKEN, and the caller has left no message"),
        (forgets_the_caller_on_hold, "Misbehaving left the caller on hold behind"),
        (leaks_a_consultation, "Misbehaving left a consultation behind"),
        (leaks_a_dictation_from_a_hold, "Misbehaving left a caller who is listened to behind"),
        (leaks_both_and_raises, "Misbehaving left the caller on hold and a consultation behind"),
        (leaks_from_a_task_of_its_own, "Misbehaving left a consultation behind"),
    ],
)
async def test_never_stranded_by_a_strategy(does: Any, detail: str, caplog: pytest.LogCaptureFixture) -> None:
    """It ends as a failure that says whose it is, with everybody released, and the agent hears and answers the caller."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, Misbehaving(does))
        assert (Outcome.FAILED, detail) == (finished(caller).outcome, finished(caller).detail)
        assert [] == [target.number for target in sandbox.targets if not target.leg.over]
        await caller.hears(SORRY)
        await caller.say("are you still there")
        assert "agent" == await caller.talking_to()
        assert "4155550199" not in caplog.text

        again = await caller.agent.transfer("supervisor")
        assert (Outcome.FAILED, detail) == (again.outcome, again.detail)


INSIDE: dict[str, Callable[[Any], Any]] = {
    "Fallback": lambda strategy: strategy,
    "Choose": lambda strategy: Choose(lambda call, request: strategy),
    "Limit": lambda strategy: Limit(strategy, attempts=3),
    "a plan": lambda strategy: Fallback(strategy),
}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome.CONNECTED, "nothing shows that the caller is connected to anybody"),
        (Outcome.CANCELLED, "the caller is on the line"),
        (Outcome.MESSAGE_TAKEN, "the caller has left no message"),
    ],
)
async def test_a_plan_goes_on_after_what_is_not_so(
    outcome: Outcome, why: str, inside: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a part of it says of the caller, who is there: the attempt has failed, and the next one is tried."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(
            sandbox, Fallback(INSIDE[inside](Misbehaving(says(outcome))), WarmTransfer(SUPERVISOR))
        )
        assert Outcome.CONNECTED is finished(caller).outcome
        assert SUPERVISOR == await caller.talking_to()
        attempts = [event for event in caller.agent.events if event.phase is Phase.ATTEMPTED]
        assert [Outcome.FAILED, Outcome.CONNECTED] == [event.outcome for event in attempts]
        assert f"Misbehaving returned {outcome.name}, and {why}" == attempts[0].detail
        (warned,) = [line for line in caplog.records if "and nobody" not in line.message and why in line.message]
        assert "WARNING" == warned.levelname


async def test_nobody_is_called_for_a_caller_who_is_connected_whatever_their_strategy_says() -> None:
    """A part of a plan that connects them, and raises then, has connected them: the plan is over."""

    async def connects_and_raises(call: Call, request: TransferRequest) -> Any:
        assert (await WarmTransfer(SUPERVISOR).transfer(call, request)).connected
        raise RuntimeError

    async with Sandbox() as sandbox:
        for number in (SUPERVISOR, MANAGER):
            sandbox.person(number, says="yes please")
        caller = await transferred(sandbox, Fallback(Misbehaving(connects_and_raises), WarmTransfer(MANAGER)))
        assert SUPERVISOR == await caller.talking_to()
        assert [SUPERVISOR] == [target.number for target in sandbox.targets]
        (attempt,) = [event for event in caller.agent.events if event.phase is Phase.ATTEMPTED]
        assert Outcome.CONNECTED is attempt.outcome


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.CALLER_LEFT])
@pytest.mark.parametrize(("moved", "ends"), [(False, Outcome.CALLER_LEFT), (True, Outcome.CANCELLED)])
async def test_how_a_caller_has_gone_is_what_is_seen_of_them(outcome: Outcome, moved: bool, ends: Outcome) -> None:
    """A strategy that says that they have gone, while they are going, need not know whether they hung up or were moved."""

    async def sees_it_first(call: Call, request: TransferRequest) -> Any:
        if moved:
            await sandbox._cloud.run(lambda network: network.transfer(leg_of(caller).id, MANAGER))
        else:
            hanging_up.set()
        return TransferResult(outcome=outcome)

    hanging_up = asyncio.Event()
    async with Sandbox() as sandbox:
        sandbox.person(MANAGER, answers_after=0.2)
        caller = await call(sandbox, Misbehaving(sees_it_first))
        await caller.say("I want to talk to a human about my refund")
        if not moved:
            await hanging_up.wait()
            await caller.hang_up()
        assert ends is (await caller.until(Phase.FINISHED)).outcome
        assert Phase.TOLD not in caller.agent.phases


@attrs.define
class Clings:
    """A strategy that has the caller on hold and a target on the line, and does not end when it is cancelled."""

    let_go: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        async with consulting(call, request) as consultation, call.on_hold(HoldMusic()):
            await consultation.answered()
            while not self.let_go.is_set():
                try:
                    await self.let_go.wait()
                except asyncio.CancelledError:
                    continue
        return CONNECTED


async def test_a_strategy_that_does_not_end_is_left_to_itself_when_the_caller_returns() -> None:
    """Who presses the key is with the agent within two seconds and a half, and the target's call is over."""
    clings = Clings()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, clings)
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.BRIEFING)
        pressed = asyncio.get_running_loop().time()
        await caller.press("*")
        await caller.agent.until(Phase.OFF_HOLD)
        assert asyncio.get_running_loop().time() - pressed < 2.5
        await caller.agent.finished.wait()
        assert Outcome.CALLER_RETURNED is finished(caller).outcome
        assert all(target.leg.over for target in sandbox.targets)
        await caller.say("are you still there")
        assert "agent" == await caller.talking_to()
        clings.let_go.set()


async def test_a_strategy_that_does_not_end_keeps_nobody_on_a_line_when_the_caller_has_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who hangs up ends it: the target is released, the session closes, and the log names the strategy."""
    clings = Clings()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, clings)
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.BRIEFING)
        await caller.hang_up()
        await asyncio.wait_for(caller.over.wait(), timeout=60.0)
        assert Outcome.CALLER_LEFT is finished(caller).outcome
        assert all(target.leg.over for target in sandbox.targets)
        assert "Clings does not end although it is cancelled" in caplog.text
        clings.let_go.set()


async def test_a_summary_that_does_not_end_keeps_no_caller_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """Who cannot be connected is told so at once, although an author's summary takes no notice of being cancelled."""
    let_go = asyncio.Event()

    class Clinging:
        async def summarise(self, call: Call, request: TransferRequest) -> str:
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()
            return ""

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, summary=Clinging()))
        await caller.hears(SORRY, timeout=3.0)
        assert "Clinging.summarise does not end although it is cancelled" in caplog.text
        let_go.set()


class Stubborn:
    """Code of an author's, in each place that there is for it, that takes no notice of being cancelled."""

    return_key = "*"
    at_once = True

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.heard_by: list[HeldCaller] = []

    async def find(self, _call: Call, _request: TransferRequest) -> None:
        while not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.let_go.wait()

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        await self.find(call, request)
        return ""

    async def deliver(self, _message: Message) -> None:
        while not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.let_go.wait()

    async def entertain(self, caller: HeldCaller) -> None:
        while not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await caller.say("please hold the line")


@pytest.mark.parametrize(
    ("strategy", "longest"),
    [
        (lambda stubborn: WarmTransfer(stubborn.find), 5.0),
        (lambda stubborn: DirectTransfer(stubborn.find), 5.0),
        (lambda stubborn: direct_or_bridge(stubborn.find), 5.0),
        (lambda stubborn: RingGroup(WarmTransfer(), targets=[stubborn.find, stubborn.find]), 5.0),
        (lambda stubborn: Fallback(WarmTransfer(stubborn.find), Choose(stubborn.find)), 8.0),
        (lambda stubborn: WarmTransfer(SUPERVISOR, hold=stubborn), 5.0),
        (lambda stubborn: WarmTransfer(SUPERVISOR, summary=stubborn), 5.0),
        (lambda stubborn: WarmTransfer(SUPERVISOR, summary=LLMSummary(otherwise=stubborn)), 5.0),
    ],
)
async def test_no_code_of_an_authors_is_waited_for_that_does_not_end(
    strategy: Any, longest: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is for, the caller is told within its deadline, and hears nothing of it from then on."""
    stubborn = Stubborn()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=3.0)
        model = Script([TO_SUPERVISOR, CONNECTING, *[SORRY] * 3], summary="I cannot help.")
        caller = await call(sandbox, strategy(stubborn), model=model)
        await caller.say("I want to talk to a human about my refund")
        await caller.hears(SORRY, timeout=longest + 6.0)
        assert finished(caller).at <= longest + 3.0
        assert "does not end although it is cancelled" in caplog.text
        heard = len(caller.heard)
        await asyncio.sleep(20.0)
        assert "please hold the line" not in caller.texts_heard[heard:]
        stubborn.let_go.set()


async def test_a_token_that_does_not_come_keeps_no_caller_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """A request ends at its deadline although the author's function for the token takes no notice of it."""
    stubborn = Stubborn()
    given = iter(["a-token"] * 3)

    async def token() -> str:
        for each in given:
            return each
        await stubborn.deliver(None)  # type: ignore[arg-type]
        return ""

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", token=token)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR), platform=platform)
        await caller.say("I want to talk to a human about my refund")
        await caller.hears(SORRY, timeout=60.0)
        assert "token does not end although it is cancelled" in caplog.text
        stubborn.let_go.set()


async def test_what_blocks_every_call_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A function that is not async cannot be ended: the log says which one held everybody up."""

    def looks_it_up(_call: Call, _request: TransferRequest) -> str:
        time.sleep(0.6)
        return SUPERVISOR

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(looks_it_up))
        assert Outcome.CONNECTED is caller.agent.outcomes[0]
        assert re.search(r"looks_it_up blocked every call of this process for \d+\.\d", caplog.text)


async def test_a_strategy_that_does_not_end_does_not_hold_the_session_up() -> None:
    """A session closes within its deadline although a strategy takes no notice of being cancelled."""
    clings = Clings()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, clings)
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.BRIEFING)
        now = asyncio.get_running_loop().time
        began = now()
        await caller.session.close()
        assert now() - began < 15
        assert Outcome.CANCELLED is finished(caller).outcome
        clings.let_go.set()


async def test_a_caller_comes_back_after_a_forward_that_a_strategy_follows_no_longer() -> None:
    """Whoever gives up a forward before its end, and consults somebody, has a transfer that the key ends as any other."""

    async def gives_up(call: Call, request: TransferRequest) -> Any:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                await call.forward(Destination(MANAGER))
        async with consulting(call, request) as consultation, call.on_hold(HoldMusic()):
            return consultation.result(await consultation.answered())

    async with Sandbox() as sandbox:
        for number in (SUPERVISOR, MANAGER):
            sandbox.person(number, answers_after=None)
        caller = await call(sandbox, Misbehaving(gives_up))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.ON_HOLD)
        await caller.press("*")
        await caller.agent.until(Phase.OFF_HOLD)
        await caller.agent.finished.wait()
        assert Outcome.CALLER_RETURNED is finished(caller).outcome


async def test_nobody_is_dialled_by_a_strategy_that_goes_on_although_it_is_cancelled() -> None:
    """Once a transfer is being ended no phone begins to ring, nor is the caller forwarded."""
    refused: list[str] = []

    async def goes_on(call: Call, request: TransferRequest) -> Any:
        async with call.on_hold(HoldMusic()):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            for dials in (
                lambda: consulting(call, request).__aenter__(),
                lambda: call.forward(Destination(SUPERVISOR)),
            ):
                try:
                    await dials()
                except CallOver as error:
                    refused.append(str(error))
        return DECLINED

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, Misbehaving(goes_on))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.ON_HOLD)
        await caller.press("*")
        await caller.agent.finished.wait()
        assert Outcome.CALLER_RETURNED is finished(caller).outcome
        assert ["the transfer is being ended"] * 2 == refused
        assert [] == sandbox.targets
        assert "agent" == await caller.talking_to()


async def test_after_its_transfer_a_strategy_can_do_nothing_any_more() -> None:
    """A task that it has left behind can neither dial, nor forward, nor put the caller on hold, nor connect or tell them."""
    over, refused = asyncio.Event(), []
    tasks: list[asyncio.Task[None]] = []

    async def leaves_a_task_behind(call: Call, request: TransferRequest) -> Any:
        opened = consulting(call, request)
        consultation = await opened.__aenter__()
        await consultation.answered()

        async def goes_on() -> None:
            await over.wait()
            attempts: list[Callable[[], Awaitable[Any]]] = [
                lambda: call.forward(Destination(SUPERVISOR)),
                lambda: consulting(call, request).__aenter__(),
                lambda: call.on_hold(HoldMusic()).__aenter__(),
                lambda: consultation.connect(),
                lambda: call.say("please hold the line"),
                lambda: call.sentence_heard(),
            ]
            for attempt in attempts:
                try:
                    await attempt()
                except CallOver as error:
                    refused.append(str(error))

        tasks.append(asyncio.create_task(goes_on()))
        return DECLINED

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, Misbehaving(leaves_a_task_behind))
        over.set()
        await asyncio.gather(*tasks)
        assert ["the transfer is over"] * 6 == refused
        assert "please hold the line" not in caller.texts_heard
        assert "agent" == await caller.talking_to()
        assert 1 == len(sandbox.targets)


async def test_a_caller_is_connected_to_one_target_whatever_a_strategy_asks_for() -> None:
    """Of two consultations that are connected at once one is, and the other target is released."""

    async def connects_both(call: Call, request: TransferRequest) -> Any:
        async def one(number: str) -> TransferResult:
            async with consulting(call, request, number) as consultation:
                await consultation.answered()
                await consultation.decision()
                return await consultation.connect()

        async with asyncio.TaskGroup() as group:
            both = [group.create_task(one(number)) for number in (SUPERVISOR, MANAGER)]
        results = [task.result() for task in both]
        assert [Outcome.CONNECTED, Outcome.FAILED] == sorted(result.outcome for result in results)
        assert {Outcome.FAILED} == {(await call.forward(Destination(SUPERVISOR))).outcome}
        return max(results, key=lambda result: result.connected)

    async with Sandbox() as sandbox:
        for number in (SUPERVISOR, MANAGER):
            sandbox.person(number, says="yes please")
        caller = await transferred(sandbox, Misbehaving(connects_both))
        assert Outcome.CONNECTED is finished(caller).outcome
        talks_to = await caller.talking_to()
        assert talks_to in {SUPERVISOR, MANAGER}
        assert [talks_to] == [target.number for target in sandbox.targets if not target.leg.over]


async def test_a_connection_made_by_other_means_is_believed_when_the_platform_shows_it() -> None:
    """A strategy that has somebody else move the caller into a room with a target on the line has connected them."""

    async def dials_by_itself(call: Call, request: TransferRequest) -> Any:
        await sandbox._cloud.run(
            lambda network: network.connect_call(
                number=SUPERVISOR, direction="outbound", room_id=call.room_id, name="Supervisor"
            )
        )
        return CONNECTED

    async with Sandbox() as sandbox:
        caller = await transferred(sandbox, Misbehaving(dials_by_itself))
        assert Outcome.CONNECTED is finished(caller).outcome


@pytest.mark.parametrize(
    ("company", "outcome", "talks_to"), [(True, Outcome.CONNECTED, SUPERVISOR), (False, Outcome.FAILED, "agent")]
)
async def test_a_caller_who_is_moved_by_others_is_with_a_target_or_brought_back(
    company: bool, outcome: Outcome, talks_to: str
) -> None:
    """Leaving the agent's room in such a move is no hang-up; and who is left alone in another room does not stay there."""

    async def moves(call: Call, request: TransferRequest) -> Any:
        async with call.being_moved():
            api = caller.agent._call()._api
            room_id = await api.create_room({})
            if company:
                dialling = {"sipCallTo": SUPERVISOR, "sipCallFrom": "+14155550100", "routingRuleId": "rr_1"}
                await api.dial({**dialling, "destinationRoomId": room_id})
                await (await sandbox.target(SUPERVISOR)).sees("answered")
            await api.switch_room(call.leg_id, room_id=room_id, participant_id="moved", token=None)
            await caller.sees("switch-room-completed")
        return CONNECTED

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, Misbehaving(moves))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.finished.wait()
        assert outcome is finished(caller).outcome
        assert talks_to == await caller.talking_to()
        assert company == (Phase.ROLLED_BACK not in caller.agent.phases)


async def test_a_policy_counts_those_whom_others_move() -> None:
    """Its limit holds for them as for whoever is dialled."""

    async def moves(call: Call, request: TransferRequest) -> Any:
        async with call.being_moved():
            pass
        return DECLINED

    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: SupervisedAgent(Misbehaving(moves), policy=Policy(attempts=1)))
        assert Outcome.DECLINED is (await caller.agent.transfer("supervisor")).outcome
        assert Outcome.REFUSED is (await caller.agent.transfer("supervisor")).outcome


async def test_who_is_moved_by_others_after_somebody_was_tried_is_told() -> None:
    """In a plan they hear that somebody else is tried, as before any other attempt."""

    async def moves(call: Call, request: TransferRequest) -> Any:
        async with call.being_moved():
            await caller.hears("I have not reached anybody yet.")
        return DECLINED

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=0.2)
        caller = await call(sandbox, Fallback(WarmTransfer(SUPERVISOR), Misbehaving(moves)))
        assert Outcome.DECLINED is (await caller.agent.transfer("supervisor")).outcome


@pytest.mark.parametrize("how", [{"status": 500}, {"hang": True}, {"body": "[]"}])
async def test_a_connection_that_cannot_be_seen_is_none(how: dict[str, Any]) -> None:
    """Where the platform cannot say whether the caller is connected, a strategy's word for it is not taken."""
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", **how)
        caller = await transferred(sandbox, Misbehaving(lies))
        assert Outcome.FAILED is finished(caller).outcome


class BrokenCall(VideoSDKCall):
    """A call of an author's own platform that cannot tell the model anything; nor, where `mute`, say anything."""

    mute = False

    async def tell_model(self, text: str) -> bool:
        raise RuntimeError("Anna Ruiz 4155550188")

    async def say(self, text: str) -> bool:
        if self.mute:
            raise RuntimeError("Anna Ruiz 4155550188")
        return await super().say(text)


class MuteCall(BrokenCall):
    """One that cannot say anything, either."""

    mute = True


class PlatformOfOurs(VideoSDKPlatform):
    """A platform of an author's own, with calls of `kind`."""

    kind: type[VideoSDKCall]

    def call_of(self, session: Any) -> PlatformCall:
        call: Any = super().call_of(session)
        call.__class__ = self.kind
        return cast("PlatformCall", call)


@pytest.mark.parametrize("kind", [BrokenCall, MuteCall])
@pytest.mark.parametrize("says", [["yes please", HangsUp(after=3.0)], "no thanks"])
async def test_an_error_while_a_caller_is_told(
    says: Any, kind: type[VideoSDKCall], caplog: pytest.LogCaptureFixture
) -> None:
    """Where telling the caller raises they hear the apology, the log has the place and no words, and the end is known."""
    platform = PlatformOfOurs(caller_id="+14155550100", routing_rule="rr_1")
    platform.kind = kind
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=says)
        caller = await transferred(sandbox, platform=platform)
        async with asyncio.timeout(60):
            await caller.agent.until(Phase.TOLD if kind is BrokenCall else Phase.NOT_TOLD)

        assert (kind is BrokenCall) == any("I could not connect you" in heard.text for heard in caller.heard)
        assert "telling the caller raised RuntimeError" in caplog.text
        assert "Anna" not in caplog.text
        assert "never retrieved" not in caplog.text


def realtime_model(script: Script) -> ScriptedRealtimeModel:
    """The model that follows `script`."""
    assert script.realtime is not None
    return script.realtime


async def test_a_provider_that_cancels_itself_while_a_caller_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A realtime model's plugin raises `CancelledError` by itself: the caller hears the apology, and the log says where."""
    async with Sandbox() as sandbox:
        caller = await call(sandbox, Misbehaving(declines), kind="realtime")
        realtime_model(caller.script).loses = ("did not happen",)
        await caller.say("I want to talk to a human about my refund")
        async with asyncio.timeout(20):
            await caller.agent.until(Phase.TOLD)

        assert any("I could not connect you" in heard for heard in caller.texts_heard)
        assert "CancelledByItself" in caplog.text
        assert "realtime.py" in caplog.text


class SelfCancellingCall(VideoSDKCall):
    """A call of an author's own platform that cannot tell the model anything: its code is cancelled by itself."""

    async def tell_model(self, text: str) -> bool:
        raise asyncio.CancelledError

    async def keep_company(self, sentence: str) -> None:
        raise asyncio.CancelledError


async def test_a_platform_that_cancels_itself_while_a_caller_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Where telling the caller ends as if it were cancelled they hear the apology, and the log has the place."""
    platform = PlatformOfOurs(caller_id="+14155550100", routing_rule="rr_1")
    platform.kind = SelfCancellingCall
    async with Sandbox() as sandbox:
        caller = await call(sandbox, Misbehaving(declines), platform=platform)
        await caller.say("I want to talk to a human about my refund")
        async with asyncio.timeout(20):
            await caller.agent.until(Phase.TOLD)

        assert any("I could not connect you" in heard for heard in caller.texts_heard)
        assert "telling the caller raised CancelledByItself" in caplog.text
        assert "the caller was not kept company: CancelledByItself" in caplog.text


async def test_a_target_is_released_where_a_provider_cancels_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The consultation's model cannot be made to say what it is about: the target is released, and the caller told."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=6.0)
        caller = await call(sandbox, kind="realtime")
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.ON_HOLD)
        realtime_model(caller.consultation_script).loses = (OPENED, "Would you")
        async with asyncio.timeout(40):
            await caller.agent.until(Phase.TOLD)
            await caller.agent.finished.wait()

        (target,) = sandbox.targets
        assert "I am sorry, the call could not be connected. Goodbye." in target.texts_heard
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert "could not be spoken to" in finished(caller).detail
        assert "CancelledByItself" in caplog.text


class ForgetfulCall(VideoSDKCall):
    """A call whose transcript is read by code that is cancelled by itself once somebody has answered."""

    def transcript(self) -> Any:
        if Phase.ANSWERED in self._session.agent.phases:
            raise asyncio.CancelledError
        return super().transcript()


async def test_nobody_waits_for_a_step_of_a_consultation_that_cancels_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The caller is told, and the target released, as soon as nothing can come of the consultation any more."""
    platform = PlatformOfOurs(caller_id="+14155550100", routing_rule="rr_1")
    platform.kind = ForgetfulCall
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, platform=platform)

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert "the target's call ended as if it had been cancelled" in finished(caller).detail
        assert finished(caller).at < 10.0
        assert sandbox.targets[-1].leg.over
        assert "a consultation: CancelledByItself" in caplog.text
        await caller.hears(SORRY)


def makes_no_pipeline() -> Any:
    """As reading the result of a future that was cancelled."""
    raise asyncio.CancelledError


async def test_an_authors_function_that_cancels_itself_is_named_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """A `pipeline=` that raises `CancelledError` ends the transfer while it rings, with what was wrong as its detail."""
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", pipeline=makes_no_pipeline)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=10.0)
        caller = await transferred(sandbox, platform=platform, consultation_model=None)

        assert [Outcome.FAILED] == caller.agent.outcomes
        assert "the consultation could not be opened: CancelledByItself" == finished(caller).detail
        assert Phase.ANSWERED not in caller.agent.phases
        assert "test_misbehaving.py" in caplog.text
        await caller.hears(SORRY)


class CancelsItself:
    """A summary and a hold of an author's that are cancelled by themselves."""

    return_key = None
    at_once = True

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        raise asyncio.CancelledError

    async def entertain(self, caller: HeldCaller) -> None:
        raise asyncio.CancelledError


async def test_a_hold_that_cancels_itself_leaves_no_silence(caplog: pytest.LogCaptureFixture) -> None:
    """The caller hears music in its place."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        broken: Any = CancelsItself()
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, hold=broken, summary=broken))
        await caller.say("I want to talk to a human about my refund")
        await caller.agent.until(Phase.SENTENCE_HEARD)
        now = asyncio.get_running_loop().time
        began = now()
        await asyncio.sleep(15.0)
        assert caller.longest_silence(began, now()) < 2.0
        assert "CancelsItself raised CancelledByItself" in caplog.text


class CancelledBriefing(Briefing):
    """A briefing of an author's that is cancelled by itself as it makes what is said."""

    def opening(self, summary: str) -> str:
        raise asyncio.CancelledError

    def instructions(self, transcript: Any, reason: str, summary: str | None) -> str:
        raise asyncio.CancelledError


async def test_a_briefing_that_cancels_itself_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """The target hears the opening that there is by default, and is connected when they agree."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, WarmTransfer(SUPERVISOR, briefing=CancelledBriefing()))
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert "Briefing.opening() raised CancelledByItself" in caplog.text


class BrokenLine:
    """A line that no music can be played on."""

    async def go_on(self) -> None:
        raise RuntimeError("Anna Ruiz 4155550188")


async def test_what_nobody_waits_for_is_logged_where_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Music for a caller who waits, and work beside a call: an error of theirs is logged once, with none of its words."""

    async def fails() -> None:
        await BrokenLine().go_on()

    async with Sandbox() as sandbox:
        caller = await call(sandbox)
        live: Any = caller.agent._call()
        live._own(fails(), "releasing")
        live._later(fails(), "beside")
        live._company._line = BrokenLine()
        async with live._company.music(after=0.1):
            await asyncio.sleep(1.0)

    for name in ("releasing", "beside", "music for a caller who waits for the agent's words"):
        assert 1 == caplog.text.count(f"{name} raised RuntimeError")
    assert "Anna" not in caplog.text
