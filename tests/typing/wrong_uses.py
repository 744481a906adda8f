# mypy: ignore-errors
# ruff: noqa: B018, D101, F401, I001
"""Mistakes that a type checker finds: what each line is found with stands at its end, for mypy and for pyright."""

from videosdk.agents import Agent

from calltransfer import DirectTransfr  # error: attr-defined, reportAttributeAccessIssue
from calltransfer import (
    Call,
    DirectTransfer,
    Fallback,
    HeldCaller,
    HoldMusic,
    Outcome,
    Policy,
    RingGroup,
    Route,
    Routes,
    TakeMessage,
    TransferMixin,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Sandbox

WARM = WarmTransfer(to="+14155550199")
ROUTES = [Route("supervisor", WARM, when="the caller asks for a human")]


class MisspeltKeyword(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__(instructions="", transfers=ROUTES, polcy=Policy())  # error: call-arg, reportCallIssue


class KeywordOfNobody(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("", transfers=ROUTES, voice="nova")  # error: call-arg, reportCallIssue


class WithoutRoutes(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("")  # error: call-arg, reportCallIssue


class NumberAsRoute(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("", transfers="+14155550199")  # error: arg-type, reportArgumentType


class MappingAsRoutes(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("", transfers={"supervisor": WARM})  # error: arg-type, reportArgumentType


class WrongPlatform(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("", transfers=WARM, platform="+14155550100")  # error: arg-type, reportArgumentType


class WrongToolName(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("", transfers=WARM, agent_id=1)  # error: arg-type, reportArgumentType


class AsyncListener(TransferMixin, Agent):
    async def on_transfer_event(self, event: object) -> None:  # error: override, reportIncompatibleMethodOverride
        pass


async def forgotten_await(agent: MisspeltKeyword) -> None:
    agent.transfer("supervisor").outcome  # error: attr-defined, reportAttributeAccessIssue


async def misspelt_argument(agent: MisspeltKeyword) -> TransferResult:
    return await agent.transfer(route="supervisor", raeson="x")  # error: call-arg, reportCallIssue


async def awaits_what_is_no_coroutine(call: Call) -> None:
    await call.transcript()  # error: misc, reportGeneralTypeIssues


async def ends_the_call(call: Call) -> None:
    await call.close()  # error: attr-defined, reportAttributeAccessIssue


class Sync:
    def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        return TransferResult(outcome=Outcome.FAILED)


class WithoutRequest:
    async def transfer(self, call: Call) -> TransferResult:
        return TransferResult(outcome=Outcome.FAILED)


class ReturnsAnOutcome:
    async def transfer(self, call: Call, request: TransferRequest) -> Outcome:
        return Outcome.FAILED


class HoldWithoutKey:
    at_once = True

    async def entertain(self, caller: HeldCaller) -> None: ...


class SyncSummary:
    def summarise(self, call: Call, request: TransferRequest) -> str:
        return request.reason


def deliver(message: str) -> None: ...


Route("sync", Sync(), when="x")  # error: arg-type, reportArgumentType
Route("without-request", WithoutRequest(), when="x")  # error: arg-type, reportArgumentType
Route("returns-an-outcome", ReturnsAnOutcome(), when="x")  # error: arg-type, reportArgumentType
Route("a-number", "+14155550199", when="x")  # error: arg-type, reportArgumentType
Route("a-class", WarmTransfer, when="x")  # error: arg-type, reportArgumentType
Route("without-when", WARM)  # error: call-arg, reportCallIssue
WarmTransfer(to="+14155550199", holds=HoldMusic())  # error: call-arg, reportCallIssue
WarmTransfer(to="+14155550199", hold=HoldWithoutKey())  # error: arg-type, reportArgumentType
WarmTransfer(to="+14155550199", summary=SyncSummary())  # error: arg-type, reportArgumentType
WarmTransfer(to="+14155550199", briefing="Hello")  # error: arg-type, reportArgumentType
WarmTransfer(to="+14155550199", move="supervisor")  # error: arg-type, reportArgumentType
WarmTransfer(to="+14155550199", ring_timeout="25")  # error: arg-type, reportArgumentType
WarmTransfer(to=14155550199)  # error: arg-type, reportArgumentType
DirectTransfer(14155550123)  # error: arg-type, reportArgumentType
DirectTransfer(to="+14155550123", dialtone=True)  # error: call-arg, reportCallIssue
Fallback(WARM, "+14155550123")  # error: arg-type, reportArgumentType
RingGroup(DirectTransfer(), targets=["+14155550199"])  # error: arg-type, reportArgumentType
TakeMessage(deliver)  # error: arg-type, reportArgumentType
HoldMusic(every="20")  # error: arg-type, reportArgumentType
VideoSDKPlatform(callerid="+14155550100")  # error: call-arg, reportCallIssue
Routes.from_toml(1)  # error: arg-type, reportArgumentType
WARM.move = "target"  # error: misc, reportAttributeAccessIssue


async def test_misspelt(sandbox: Sandbox) -> None:
    sandbox.person("+14155550199", answer_after=4.0)  # error: call-arg, reportCallIssue
