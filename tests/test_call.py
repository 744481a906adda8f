"""The contract that strategies and platforms are written against."""

import asyncio
import inspect
from typing import Any, cast

import pytest

from calltransfer import (
    Briefing,
    Call,
    CallWrapper,
    Destination,
    DirectTransfer,
    HoldMusic,
    NoConsultation,
    NoLiveCall,
    NoTextModel,
    Outcome,
    Phase,
    Platform,
    TransferRequest,
    TransferResult,
)
from calltransfer.platform import PlatformCall
from calltransfer.sandbox import Sandbox
from calltransfer.videosdk.leg import PREPARE_TIMEOUT
from tests.agents import BILLING, SORRY, SupportAgent, asking_caller


class Recorded:
    """A strategy that notes the call it is given."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        self.calls.append(call)
        return TransferResult(outcome=Outcome.REFUSED)


async def test_a_wrapper_delegates_everything() -> None:
    """A `CallWrapper` has every member of `Call`, and what it does not override is the wrapped call's."""
    assert set(CallWrapper.__dict__) >= {name for name in vars(Call) if not name.startswith("_")}

    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent)
        inner = caller.agent._call()
        outer = CallWrapper(CallWrapper(inner))
        seen: list[Any] = []
        inner.listener = lambda *arguments, **named: seen.append((*arguments, named))

        assert inner.room_id == outer.room_id
        assert inner.leg_id == outer.leg_id
        assert inner.caller is outer.caller
        assert inner.direction == outer.direction == "inbound"
        assert inner.transcript() == outer.transcript()
        outer.report(Phase.RINGING, "for the test")
        assert [(Phase.RINGING, "for the test", None, {"destination": None})] == seen
        await outer.prepare()
        await outer.sentence_heard()
        assert await outer.say("I am talking through the wrapper.")
        sandbox.person(BILLING)
        result = await outer.forward(DirectTransfer(BILLING).to)  # type: ignore[arg-type]
        assert result.connected
        assert "I am talking through the wrapper." in caller.texts_heard


async def test_a_strategy_sees_a_call_and_nothing_below_it() -> None:
    """What a strategy is given has the members of the contract, and no session, room or client among its public ones."""
    strategy = Recorded()
    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: SupportAgent(strategy))
        await caller.agent.transfer("billing")

    public = {name for name, _ in inspect.getmembers(strategy.calls[0]) if not name.startswith("_")}
    assert public - {"wrapped"} == {name for name, _ in inspect.getmembers(Call) if not name.startswith("_")}


@pytest.mark.parametrize("found", [BILLING, "+1 415 555 0123", DirectTransfer(BILLING).to])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_destination_found_at_call_time(found: Any, is_async: bool) -> None:
    """`to=` can be a callable, async or not, that gives a destination for this call and request."""
    requests: list[TransferRequest] = []

    def find(_call: Call, request: TransferRequest) -> Any:
        requests.append(request)
        return found

    async def find_async(call: Call, request: TransferRequest) -> Any:
        return find(call, request)

    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, lambda: SupportAgent(DirectTransfer(find_async if is_async else find)))

        assert BILLING == await caller.talking_to()
        assert [("billing", "a question about an invoice", 1)] == [(r.route, r.reason, r.attempt) for r in requests]


@pytest.mark.parametrize(
    ("found", "outcome", "detail"),
    [
        (None, Outcome.REFUSED, "there is no destination now"),
        ("+19005550123", Outcome.REFUSED, "premium-rate"),
        ("4155550123", Outcome.REFUSED, "the country code"),
        (ZeroDivisionError(), Outcome.FAILED, "find raised ZeroDivisionError"),
    ],
)
async def test_a_destination_that_is_not_found(found: Any, outcome: Outcome, detail: str) -> None:
    """Policies hold at call time too; the caller stays with the agent, who knows why."""

    def find(_call: Call, _request: TransferRequest) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(DirectTransfer(find)))
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert outcome is finished.outcome
        assert detail in finished.detail
        assert "5550123" not in finished.detail


async def test_a_destination_that_takes_too_long_to_find() -> None:
    """A callable that hangs does not hold the caller up for long."""

    async def find(_call: Call, _request: TransferRequest) -> None:
        await asyncio.Event().wait()

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(DirectTransfer(find)))
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert 5.0 == finished.at
        assert finished.detail.startswith("to= ")
        assert finished.detail.endswith("find did not return within 5 s")


async def test_without_the_runner() -> None:
    """A `Call` works by itself, too, and prepares itself when nobody has."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        call = caller.agent._call()
        result = await call.forward(Destination(BILLING))

        assert result.connected
        assert Outcome.CALLER_LEFT is (await call.forward(Destination(BILLING))).outcome


async def test_forwarding_without_a_leg() -> None:
    """A call whose leg cannot be found is not forwarded, and says why."""
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", body='{"data": []}')
        caller = await sandbox.call(SupportAgent)
        result = await caller.agent._call().forward(Destination(BILLING))

        assert Outcome.FAILED is result.outcome
        assert "the platform lists no live leg of the caller; is the token of the account" in result.detail


async def test_forwarding_twice_at_once() -> None:
    """A caller who is being forwarded is not forwarded again."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent)
        call = caller.agent._call()
        first, second = await asyncio.gather(call.forward(Destination(BILLING)), call.forward(Destination(BILLING)))

        assert first.connected
        assert (Outcome.FAILED, "the caller is already being forwarded") == (second.outcome, second.detail)


async def test_a_caller_who_hangs_up_while_their_leg_is_looked_for() -> None:
    """A strategy learns that the caller has left, not that there never was a call."""
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", body='{"data": []}')
        caller = await sandbox.call(SupportAgent, room_options={"auto_end_session": False})
        call = caller.agent._call()
        request = TransferRequest(route="billing", reason="", attempt=1)
        transfer = asyncio.create_task(DirectTransfer(BILLING).transfer(call, request))
        await caller.hang_up()

        assert Outcome.CALLER_LEFT is (await transfer).outcome


async def test_a_browser_has_no_leg() -> None:
    """Preparing a call that nobody on a phone is on says so."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, phone=False)
        with pytest.raises(NoLiveCall, match="nobody on a phone"):
            await caller.agent._call().prepare()


async def test_a_platform_that_hangs_is_not_waited_for_long() -> None:
    """A leg that cannot be found in time is a transfer that failed."""
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", hang=True)
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY)

        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert Outcome.FAILED is finished.outcome
        assert finished.at <= PREPARE_TIMEOUT


async def test_a_platform_that_cannot_consult_says_so() -> None:
    """A call of a platform that knows no consultation is still a call: what it cannot do is an error with a name."""
    bare: Any = type("Bare", (PlatformCall,), dict.fromkeys(PlatformCall.__abstractmethods__))
    call = bare()

    with pytest.raises(NoTextModel):
        await call.ask_model("Summarise.", "Nothing.")
    with pytest.raises(NoConsultation, match="Bare cannot put a caller on hold"):
        call.on_hold(HoldMusic())
    with pytest.raises(NoConsultation, match="Bare cannot consult a target"):
        call.consult(Destination("+14155550199"), TransferRequest(route="x"), summary=None, briefing=Briefing())
    await call.released()
    assert () == Platform.dialling_problems(call, None)
    returned = asyncio.ensure_future(call.caller_returned())
    await asyncio.wait([returned], timeout=60.0)
    assert not returned.done()
    returned.cancel()


async def test_a_wrapper_passes_everything_on() -> None:
    """What a wrapper does not override reaches the call inside it, consultations included."""
    asked: list[str] = []

    class Inner:
        def __getattr__(self, name: str) -> Any:
            def method(*_arguments: Any, **_named: Any) -> Any:
                asked.append(name)
                result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                result.set_result(None)
                return result

            return method

    wrapper = CallWrapper(cast("Call", Inner()))
    await wrapper.ask_model("a", "b")
    wrapper.on_hold(HoldMusic())
    wrapper.consult(
        Destination("+14155550199"), TransferRequest(route="x"), summary=cast("Any", None), briefing=Briefing()
    )
    await wrapper.say("c")

    assert ["ask_model", "on_hold", "consult", "say"] == asked
