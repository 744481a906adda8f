"""An agent as its author writes it: routes, a platform, and own parts for what the library lets one replace."""

import logging
from collections.abc import Sequence

from videosdk.agents import Agent, JobContext, Pipeline, function_tool  # pyright: ignore[reportUnknownVariableType]

from calltransfer import (
    Briefing,
    Call,
    CallWrapper,
    Choose,
    ConfigurationError,
    Destination,
    DirectTransfer,
    Fallback,
    Gate,
    HeldCaller,
    HoldMusic,
    LLMSummary,
    Message,
    OpenHours,
    Outcome,
    Phase,
    Policy,
    RingGroup,
    Route,
    Routes,
    Schedule,
    TakeMessage,
    TransferEvent,
    TransferMixin,
    TransferRequest,
    TransferResult,
    TransferStrategy,
    Utterance,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
    direct_or_bridge,
    shut_down_on_sigterm,
)
from calltransfer.hold import music

logger = logging.getLogger(__name__)

SUPERVISOR = "+14155550199"
FRONT_DESK = Destination("+14155550123", display_name="Front desk")


class SaysHowLong:
    """A hold: music, and every quarter of a minute how long it has been."""

    return_key = "*"
    at_once = True

    async def entertain(self, caller: HeldCaller) -> None:
        for waited in range(15, 600, 15):
            await caller.play(music(), seconds=15.0)
            await caller.say(f"You have been waiting for {waited} seconds. To come back to me, press star.")


class Short(Briefing):
    """A briefing that comes to the point."""

    def opening(self, summary: str) -> str:
        return f"{summary} Press one to take the call, or two."


class LastWords:
    """A summary: what the caller said last."""

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        said: list[Utterance] = [line for line in call.transcript() if line.speaker == "caller"]
        return said[-1].text if said else request.reason


class WithTheReason(CallWrapper):
    """A call whose log says why it is passed on."""

    async def forward(
        self, destination: Destination, *, timeout: float = 40.0, play_dialtone: bool = False
    ) -> TransferResult:
        logger.info("forwarded")
        return await super().forward(destination, timeout=timeout, play_dialtone=play_dialtone)


class ToTheFrontDesk:
    """A strategy, around another one."""

    def __init__(self, otherwise: TransferStrategy) -> None:
        self.otherwise = otherwise

    @property
    def parts(self) -> Sequence[tuple[str, TransferStrategy]]:
        return [("otherwise", self.otherwise)]

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        await call.sentence_heard()
        result = await WithTheReason(call).forward(FRONT_DESK)
        match result.outcome:
            case Outcome.CONNECTED | Outcome.CALLER_LEFT:
                return result
            case _:
                return await self.otherwise.transfer(call, request)


class ByHand:
    """A strategy that consults a target step by step."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        async with call.consult(FRONT_DESK, request, summary=LLMSummary(), briefing=Briefing()) as consultation:
            await call.sentence_heard()
            response = await consultation.answered()
            if response.outcome is not None:
                return consultation.result(response)
            async with call.on_hold(HoldMusic()):
                return await consultation.connect(move="target", timeout=5.0)


async def line_of(call: Call, request: TransferRequest) -> str | None:
    return SUPERVISOR if request.attempt == 1 else None


def chosen(call: Call, request: TransferRequest) -> TransferStrategy | None:
    return DirectTransfer(to=FRONT_DESK) if call.direction == "inbound" else None


async def deliver(message: Message) -> None:
    logger.info("a message for %s, taken at %s: %d words", message.route, message.taken_at, len(message.text.split()))


OFFICE = Schedule("America/New_York", {"mon-fri": "09:00-17:00"}, {"2026-12-25": "closed"})

ROUTES = [
    Route("billing", DirectTransfer(to="+14155550123", play_dialtone=True), when="the caller asks about an invoice"),
    Route("engineer", DirectTransfer(line_of), when="the caller reports a fault"),
    Route("front-desk", ToTheFrontDesk(otherwise=ByHand()), when="the caller asks for the front desk"),
    Route(
        "supervisor",
        Fallback(
            RingGroup(WarmTransfer(hold=SaysHowLong()), targets=[SUPERVISOR, FRONT_DESK]),
            WarmTransfer(
                to=SUPERVISOR,
                summary=LastWords(),
                briefing=Short(gate=Gate.KEYS_ONLY),
                move="target",
                ring_timeout=20.0,
            ),
            OpenHours(OFFICE, inside=direct_or_bridge("+14155550123"), outside=None),
            Choose(chosen, default=None),
            TakeMessage(deliver),
        ),
        when="the caller is upset or asks for a human",
    ),
]


def make_pipeline() -> Pipeline:
    return Pipeline()


class SupportAgent(TransferMixin, Agent):
    """The agent of ConnectTel."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=ROUTES,
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", pipeline=make_pipeline),
            policy=Policy(countries={"US", "CA"}, attempts=5),
            wording=Wording(),
            agent_id="support",
        )
        self.ends: list[Outcome] = []

    async def on_enter(self) -> None:
        await self.session.say("Hello, how can I help?")

    async def on_exit(self) -> None: ...

    def on_transfer_event(self, event: TransferEvent) -> None:
        match event:
            case TransferEvent(phase=Phase.FINISHED, outcome=Outcome() as outcome):
                self.ends.append(outcome)
            case TransferEvent(phase=Phase.CONTRADICTED, detail=str(detail)):
                logger.warning("%s: %s", event.route, detail)
            case _:
                pass

    @function_tool
    async def escalate(self) -> dict[str, str]:
        """Passes the caller on without asking the model where to."""
        result: TransferResult = await self.transfer("supervisor", reason="asked for by code", tell_model=False)
        tried = [attempt.outcome.value for attempt in result.attempts]
        return {"outcome": result.outcome.value, "detail": result.detail, "tried": ", ".join(tried)}


class FromAFile(TransferMixin, Agent):
    """An agent whose routes are data."""

    def __init__(self, path: str) -> None:
        super().__init__("You are the customer-care agent of ConnectTel.", transfers=routes_of(path))

    async def on_enter(self) -> None: ...

    async def on_exit(self) -> None: ...


def routes_of(path: str) -> Routes:
    try:
        return Routes.from_toml(path)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from error


async def entrypoint(context: JobContext) -> None:
    shut_down_on_sigterm(context)
