"""What a strategy is still doing in a task of its own when its transfer ends: it is ended, or followed to its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import attrs
import pytest
from typing_extensions import override

from calltransfer import (
    Briefing,
    Call,
    CallOver,
    Consultation,
    Destination,
    Hold,
    HoldMusic,
    LLMSummary,
    Outcome,
    Phase,
    TransferEvent,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
)
from calltransfer.phases import out_of_order
from calltransfer.platform import PlatformCall
from calltransfer.sandbox import Caller, Sandbox
from calltransfer.testing.witness import BOUND, Witness
from calltransfer.transfer import STRATEGY_TIMEOUT
from calltransfer.videosdk.call import VideoSDKCall
from tests.warm import ASKS, SORRY, SUPERVISOR, call, script, transferred

DECLINED = TransferResult(outcome=Outcome.DECLINED)
ROUND_TRIP = 0.3


def consulting(call: Call, request: TransferRequest) -> AbstractAsyncContextManager[Consultation]:
    return call.consult(Destination(SUPERVISOR), request, summary=LLMSummary(), briefing=Briefing())


OPENS: Mapping[str, Callable[[Call, TransferRequest], AbstractAsyncContextManager[Any]]] = {
    "the caller on hold": lambda call, _: call.on_hold(HoldMusic()),
    "a consultation": consulting,
    "a caller who is listened to": lambda call, _: call.dictation(),
    "the caller to others who move them": lambda call, _: call.being_moved(),
}
"""Everything that a call opens, by the words that the log has for it."""


@attrs.define
class Leaves:
    """A strategy that has a task of its own do `does`, and returns `after` that many seconds, or once that is set."""

    does: Callable[[Call, TransferRequest], Awaitable[Any]]
    after: float | Phase = 0.1
    waits_for_it: bool = False
    left: "list[asyncio.Task[Any]]" = attrs.field(factory=list)
    ended_with: list[Any] = attrs.field(factory=list)

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        async def inside() -> None:
            try:
                self.ended_with.append(await self.does(call, request))
            except BaseException as error:
                self.ended_with.append(type(error))
                raise

        task = asyncio.create_task(inside())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.left.append(task)
        if isinstance(self.after, Phase):
            await self.until(self.after)
        elif self.waits_for_it:
            async with asyncio.timeout(self.after):
                await asyncio.shield(task)
        else:
            await asyncio.sleep(self.after)
        return DECLINED

    until: Callable[[Phase], Awaitable[None]] = attrs.field(default=None, kw_only=True)


class SlowCall(VideoSDKCall):
    """A call of an author's own platform, on which whatever is opened takes a round trip before it is and one after."""

    async def round_trip(self) -> None:
        """Asks the platform for something."""
        await asyncio.sleep(ROUND_TRIP)

    @asynccontextmanager
    async def _slowly(self, inner: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
        await self.round_trip()
        async with inner as opened:
            await self.round_trip()
            try:
                yield opened
            finally:
                await self.round_trip()

    @override
    def on_hold(self, hold: Hold) -> Any:
        return self._slowly(super().on_hold(hold))

    @override
    def consult(self, destination: Destination, request: TransferRequest, **how: Any) -> Any:
        return self._slowly(super().consult(destination, request, **how))

    @override
    def dictation(self, *, done_key: str | None = None) -> Any:
        return self._slowly(super().dictation(done_key=done_key))

    @override
    def being_moved(self) -> Any:
        return self._slowly(super().being_moved())


class DeafCall(SlowCall):
    """One whose requests take no notice of being cancelled."""

    @override
    async def round_trip(self) -> None:
        asking = asyncio.ensure_future(asyncio.sleep(ROUND_TRIP))
        while not asking.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asking)


class PlatformOf(VideoSDKPlatform):
    """A platform with calls of `kind`."""

    kind: type[VideoSDKCall]

    @override
    def call_of(self, session: Any) -> PlatformCall:
        call: Any = super().call_of(session)
        call.__class__ = self.kind
        return cast("PlatformCall", call)


def platform_of(kind: type[VideoSDKCall]) -> VideoSDKPlatform:
    platform = PlatformOf(caller_id="+14155550100", routing_rule="rr_1")
    platform.kind = kind
    return platform


def finished(caller: Caller) -> TransferEvent:
    event: TransferEvent = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
    return event


async def is_with_the_agent(sandbox: Sandbox, caller: Caller) -> None:
    """The caller has been told, hears nothing else, and is heard; nobody else is on a line, nor ever is."""
    await caller.hears(SORRY)
    assert out_of_order(event.phase for event in caller.agent.events) is None
    await asyncio.sleep(60.0)
    now = asyncio.get_running_loop().time()
    assert 0 == caller.music_heard(now - 50.0, now)
    assert [] == [target.number for target in sandbox.targets if not target.leg.over]
    await caller.say("are you still there")
    assert "agent" == await caller.talking_to()


@pytest.mark.parametrize("kind", [SlowCall, DeafCall])
@pytest.mark.parametrize("waits_for_it", [False, True])
@pytest.mark.parametrize("after", [ROUND_TRIP / 2, ROUND_TRIP * 1.5])
@pytest.mark.parametrize("what", OPENS)
async def test_what_is_being_opened_when_a_transfer_ends_is_closed(
    what: str, after: float, waits_for_it: bool, kind: type[VideoSDKCall], caplog: pytest.LogCaptureFixture
) -> None:
    """It is over at `FINISHED`, however far it had come, and the task that was left, or shielded, gets `CallOver`."""

    async def opens(call: Call, request: TransferRequest) -> None:
        async with OPENS[what](call, request):
            await asyncio.Event().wait()

    leaves = Leaves(opens, after, waits_for_it)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, leaves, platform=platform_of(kind))
        assert [CallOver] == leaves.ended_with
        assert (Outcome.FAILED, f"Leaves left {what} behind") == (finished(caller).outcome, finished(caller).detail)
        assert finished(caller).at < after + 4 * ROUND_TRIP
        assert f"Leaves left {what} behind" in caplog.text
        assert "did not close" not in caplog.text
        assert "never retrieved" not in caplog.text
        await is_with_the_agent(sandbox, caller)
        again = await caller.agent.transfer("supervisor")
        assert f"Leaves left {what} behind" == again.detail


@pytest.mark.parametrize("what", OPENS)
async def test_what_does_not_come_to_be_open_in_time_is_closed_when_it_does(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A platform that answers minutes later keeps no caller waiting, and what it opens then is closed at once."""
    answers = asyncio.Event()

    class NeverAnswers(SlowCall):
        @override
        async def round_trip(self) -> None:
            while not answers.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await answers.wait()

    async def opens(call: Call, request: TransferRequest) -> None:
        async with OPENS[what](call, request):
            await asyncio.Event().wait()

    leaves = Leaves(opens)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, leaves, platform=platform_of(NeverAnswers))
        assert finished(caller).at < 16.0
        assert f"{what}, left by a strategy, was not opened in time" in caplog.text
        await caller.hears(SORRY)
        answers.set()
        await asyncio.wait(leaves.left)
        assert [CallOver] == leaves.ended_with
        await is_with_the_agent(sandbox, caller)


@pytest.mark.parametrize("what", OPENS)
async def test_what_is_being_closed_when_a_transfer_ends_is_waited_for(what: str) -> None:
    """A task that is closing what it has opened does so to the end, before the outcome is known; nobody is blamed for it."""

    async def opens(call: Call, request: TransferRequest) -> str:
        async with OPENS[what](call, request):
            await asyncio.sleep(0.1)
        return "closed"

    leaves = Leaves(opens, 0.2 + 2 * ROUND_TRIP)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, leaves, platform=platform_of(SlowCall))
        assert ["closed"] == leaves.ended_with
        assert Outcome.FAILED is not finished(caller).outcome or what == "the caller to others who move them"
        await is_with_the_agent(sandbox, caller)


async def test_what_is_being_opened_is_closed_although_the_end_is_cut_short() -> None:
    """A run that is cancelled, and again while it closes what is open, closes all of it."""

    async def opens(call: Call, request: TransferRequest) -> None:
        async with call.on_hold(HoldMusic()), consulting(call, request):
            await asyncio.Event().wait()

    leaves = Leaves(opens, 1.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, leaves, platform=platform_of(SlowCall))
        running = {task for task in asyncio.all_tasks() if not task.done()}
        await caller.say(ASKS)
        await caller.agent.until(Phase.ON_HOLD)
        (run,) = (task for task in asyncio.all_tasks() - running if task.get_name().startswith("transfer "))
        for _ in range(4):
            run.cancel()
            await asyncio.sleep(0.1)
        await asyncio.wait([run, *leaves.left])
        assert [CallOver] == leaves.ended_with
        assert all(target.leg.over for target in sandbox.targets)
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(10.0)
        assert 0 == caller.music_heard(now + 1.0, now + 10.0)


async def forwards(call: Call, request: TransferRequest) -> Outcome:
    return (await call.forward(Destination(SUPERVISOR))).outcome


async def test_a_forward_that_was_asked_for_is_followed_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the strategy has returned, who is forwarded is connected, and hears no word of anything else."""
    leaves = Leaves(forwards, 1.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await transferred(sandbox, leaves)
        assert Outcome.CONNECTED is finished(caller).outcome
        assert [Outcome.CONNECTED] == leaves.ended_with
        assert SUPERVISOR == await caller.talking_to()
        assert [Phase.FORWARDING, Phase.RINGING, Phase.FINISHED] == caller.agent.phases[-3:]
        assert SORRY not in caller.texts_heard
        assert "Leaves left a forward behind" in caplog.text


async def test_a_forward_that_was_asked_for_in_vain_is_over_before_the_caller_is_told() -> None:
    """They are with the agent, and the strategy is blamed."""
    leaves = Leaves(forwards, 1.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=4.0)
        caller = await transferred(sandbox, leaves)
        assert (Outcome.FAILED, "Leaves left a forward behind") == (finished(caller).outcome, finished(caller).detail)
        assert 1 == len(leaves.ended_with)
        assert CallOver not in leaves.ended_with
        await is_with_the_agent(sandbox, caller)


async def test_a_caller_who_hangs_up_in_a_forward_that_was_left_has_hung_up() -> None:
    """The transfer ends as it would have in the strategy's own task."""
    leaves = Leaves(forwards, 1.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox, leaves)
        await caller.say(ASKS)
        await caller.agent.until(Phase.RINGING)
        await caller.hang_up()
        await asyncio.wait_for(caller.over.wait(), timeout=60.0)
        assert finished(caller).outcome in {Outcome.CALLER_LEFT, Outcome.UNCONFIRMED}


async def test_a_forward_that_was_not_asked_for_yet_is_ended() -> None:
    """It waits for the caller's leg when the transfer ends: nobody's phone rings, and the caller is with the agent."""
    leaves = Leaves(forwards)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        sandbox.fault("GET", "", status=404)
        caller = await call(sandbox, leaves)
        sandbox.no_more_faults()
        sandbox.fault("GET", "", delay=2.0, times=2)
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        assert [CallOver] == leaves.ended_with
        assert (Outcome.FAILED, "Leaves left a forward behind") == (finished(caller).outcome, finished(caller).detail)
        await is_with_the_agent(sandbox, caller)
        assert Phase.FORWARDING not in caller.agent.phases
        assert "agent" == caller.connected_to


async def test_a_session_closes_in_time_in_a_forward_that_was_left() -> None:
    """It gets what any other forward gets, and no more."""
    leaves = Leaves(forwards, 1.0)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await call(sandbox, leaves)
        await caller.say(ASKS)
        await caller.agent.until(Phase.RINGING)
        now = asyncio.get_running_loop().time
        began = now()
        await caller.session.close()
        assert now() - began < 15.0
        assert Outcome.CANCELLED is finished(caller).outcome
        assert all(task.done() for task in leaves.left)


@pytest.mark.parametrize(
    ("fails", "outcome", "talks_to"), [(False, Outcome.CONNECTED, SUPERVISOR), (True, Outcome.FAILED, "agent")]
)
async def test_a_connection_that_was_asked_for_is_followed_to_its_end(
    fails: bool, outcome: Outcome, talks_to: str
) -> None:
    """Whatever the strategy has returned, who is being connected is, or comes back before the outcome is known."""

    async def connects(call: Call, request: TransferRequest) -> Any:
        async with consulting(call, request) as consultation, call.on_hold(HoldMusic()):
            await consultation.answered()
            await consultation.decision()
            return (await consultation.connect()).outcome

    leaves = Leaves(connects, Phase.CONNECTING)
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await call(sandbox, leaves)
        leaves.until = caller.agent.until
        if fails:
            sandbox.fault("POST", "/switch-room", status=400)
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        assert outcome is finished(caller).outcome
        assert [outcome] == leaves.ended_with
        assert talks_to == await caller.talking_to()
        assert [fails] == [target.leg.over for target in sandbox.targets]
        assert out_of_order(caller.agent.phases) is None


@pytest.mark.parametrize(
    ("company", "outcome", "talks_to"), [(True, Outcome.CONNECTED, SUPERVISOR), (False, Outcome.FAILED, "agent")]
)
@pytest.mark.parametrize("in_a_task", [True, False])
async def test_who_was_left_to_others_who_move_them_is_with_a_target_or_brought_back(
    in_a_task: bool, company: bool, outcome: Outcome, talks_to: str
) -> None:
    """What the platform shows then is the outcome, whatever the strategy has returned; and a way back takes its time."""
    moved = asyncio.Event()

    async def moves(call: Call, request: TransferRequest) -> TransferResult:
        await call.being_moved().__aenter__()
        api = caller.agent._call()._api
        room_id = await api.create_room({})
        if company:
            dialling = {"sipCallTo": SUPERVISOR, "sipCallFrom": "+14155550100", "routingRuleId": "rr_1"}
            await api.dial({**dialling, "destinationRoomId": room_id})
            await (await sandbox.target(SUPERVISOR)).sees("answered")
        await api.switch_room(call.leg_id, room_id=room_id, participant_id="moved", token=None)
        await caller.sees("switch-room-completed")
        moved.set()
        if in_a_task:
            await asyncio.Event().wait()
        return DECLINED

    @attrs.frozen
    class Moves:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            if not in_a_task:
                return await moves(call, request)
            tasks.append(asyncio.create_task(moves(call, request)))
            await moved.wait()
            return DECLINED

    tasks: list[asyncio.Task[TransferResult]] = []
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, Moves())
        await caller.say(ASKS)
        await caller.agent.finished.wait()
        assert outcome is finished(caller).outcome
        assert company == (Phase.ROLLED_BACK not in caller.agent.phases)
        assert talks_to == await caller.talking_to()
        assert out_of_order(caller.agent.phases) is None
        for task in tasks:
            task.cancel()


async def test_who_nobody_has_moved_is_with_the_agent_again_before_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """What was begun by other means, and left open, is reported as undone, and nothing of it as an error of ours."""

    @attrs.frozen
    class Forgets:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            await call.being_moved().__aenter__()
            return DECLINED

    async with Sandbox() as sandbox:
        caller = await transferred(sandbox, Forgets())
        assert [Phase.CONNECTING, Phase.ROLLED_BACK, Phase.FINISHED] == caller.agent.phases[1:4]
        assert "did not close" not in caplog.text
        await is_with_the_agent(sandbox, caller)


@attrs.frozen
class HangsAfterwards:
    """A strategy that does not end once it has connected the caller, or while somebody else is to move them."""

    does: str

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        if self.does == "forward":
            await call.forward(Destination(SUPERVISOR))
        elif self.does == "connect":
            async with consulting(call, request) as consultation:
                await consultation.answered()
                await consultation.decision()
                await consultation.connect()
        else:
            await call.being_moved().__aenter__()
        await asyncio.Event().wait()
        return DECLINED


@pytest.mark.parametrize("does", ["forward", "connect"])
async def test_a_strategy_that_hangs_once_it_has_connected_the_caller(
    does: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is ended within seconds, so that the agent watches over the two; the caller was connected."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await transferred(sandbox, HangsAfterwards(does))
        assert Outcome.CONNECTED is finished(caller).outcome
        assert SUPERVISOR == caller.connected_to
        assert "HangsAfterwards did not end within 3 s of connecting the caller" in caplog.text


async def test_a_strategy_that_hangs_while_the_caller_is_to_be_moved() -> None:
    """It has an end as any other that hangs, and the caller is with the agent."""
    async with Sandbox() as sandbox:
        caller = await transferred(sandbox, HangsAfterwards("move"), model=script(SORRY, "Yes, I am here."))
        assert "HangsAfterwards did not end within 360 s" == finished(caller).detail
        assert Phase.ROLLED_BACK in caller.agent.phases
        await is_with_the_agent(sandbox, caller)


async def test_whatever_a_strategy_does_its_transfer_is_over_in_time() -> None:
    """One that hangs, takes no notice of being cancelled, and opens what does not come to be open, keeps to the bound."""
    let_go = asyncio.Event()

    class NeverAnswers(SlowCall):
        @override
        async def round_trip(self) -> None:
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()

    @attrs.define
    class DoesEverything:
        opening: "list[asyncio.Task[None]]" = attrs.field(factory=list)

        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            self.opening += [asyncio.create_task(opens(call, request).__aenter__()) for opens in OPENS.values()]
            while not let_go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await let_go.wait()
            return DECLINED

    strategy = DoesEverything()
    async with Sandbox() as sandbox:
        caller = await call(sandbox, strategy, platform=platform_of(NeverAnswers))
        witness = Witness(sandbox, caller)
        await caller.say(ASKS)
        async with witness.watching():
            await caller.agent.finished.wait()
            await caller.hears(SORRY)
            let_go.set()
            ended = await asyncio.gather(*strategy.opening, return_exceptions=True)
        witness.look_back()
        assert [CallOver] * len(OPENS) == [type(error) for error in ended]
        assert STRATEGY_TIMEOUT < finished(caller).at < BOUND
        assert [] == witness.broken


async def test_what_was_opened_is_not_opened_again() -> None:
    """Who enters the same twice is told so, and the first one stays theirs to close."""
    raised: list[str] = []

    @attrs.frozen
    class Twice:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            async with call.on_hold(HoldMusic()) as _, contextlib.AsyncExitStack() as stack:
                hold = call.on_hold(HoldMusic())
                for _ in range(2):
                    try:
                        await stack.enter_async_context(hold)
                    except RuntimeError as error:
                        raised.append(str(error))
            return DECLINED

    async with Sandbox() as sandbox:
        caller = await transferred(sandbox, Twice())
        assert Outcome.DECLINED is finished(caller).outcome
        assert ["the caller on hold: this is opened once; call the method again for another one"] == raised
