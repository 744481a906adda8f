"""The agents and calls that the tests use."""

import asyncio
from typing import Any

from videosdk.agents import Agent

from calltransfer import (
    Call,
    CallWrapper,
    DirectTransfer,
    Outcome,
    Phase,
    Route,
    TransferEvent,
    TransferMixin,
    TransferStrategy,
    Wording,
)
from calltransfer.platform import PlatformCall
from calltransfer.sandbox import Caller, Calls, Sandbox

BILLING = "+14155550123"
SUPPORT = "+14155550124"
REASON = "a question about an invoice"

ASKS = "I have a question about my invoice please"
GREETING = "Hello, how can I help?"
CONNECTING = "I am connecting you to billing now."
SORRY = "I am sorry, billing could not be reached."

TO_BILLING = Calls("transfer_call", {"destination": "billing", "reason": REASON})
TO_SUPPORT = Calls("transfer_call", {"destination": "support", "reason": REASON})
WITHDRAWS = Calls("transfer_call", {"destination": "none"})

TRANSFERS: tuple[Any, ...] = (TO_BILLING, CONNECTING, SORRY)
"""What a model does that transfers the caller to billing, and is then told that it failed."""


def below(call: Call) -> PlatformCall:
    """The platform's call, which the strategy that is given `call` is not to see."""
    while isinstance(call, CallWrapper):
        call = call.wrapped
    assert isinstance(call, PlatformCall)
    return call


class PlainAgent(Agent):
    """An agent that only greets."""

    def __init__(self, greeting: str = GREETING) -> None:
        super().__init__(instructions="You are the customer-care agent of ConnectTel.")
        self.greeting = greeting

    async def on_enter(self) -> None:
        if self.greeting:
            await self.session.say(self.greeting)

    async def on_exit(self) -> None:
        """Says nothing."""


class SupportAgent(TransferMixin, Agent):
    """An agent as an author writes it: no super() calls, and a record of what it was told."""

    def __init__(
        self,
        billing: TransferStrategy | None = None,
        *,
        wording: Wording | None = None,
        platform: Any = None,
        **arguments: Any,
    ) -> None:
        self.events: list[TransferEvent] = []
        self.exited = False
        self.finished = asyncio.Event()
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[
                Route("billing", billing or DirectTransfer(to=BILLING), when="the caller asks about an invoice"),
                Route("support", DirectTransfer(to=SUPPORT), when="the caller's line is out of order"),
            ],
            wording=wording,
            platform=platform,
            **arguments,
        )

    async def on_enter(self) -> None:
        await self.session.say(GREETING)

    async def on_exit(self) -> None:
        self.exited = True

    def on_transfer_event(self, event: TransferEvent) -> None:
        self.events.append(event)
        if event.phase is Phase.FINISHED:
            self.finished.set()

    @property
    def phases(self) -> list[Phase]:
        """What happened, in order."""
        return [event.phase for event in self.events]

    @property
    def outcomes(self) -> list[Outcome | None]:
        """How its transfers ended, in order."""
        return [event.outcome for event in self.events if event.phase is Phase.FINISHED]

    def at(self, phase: Phase) -> float:
        """Seconds from the start of the first transfer to `phase`."""
        return next(event.at for event in self.events if event.phase is phase)


async def asking_caller(
    sandbox: Sandbox, agent: Any = SupportAgent, *, model: Any = TRANSFERS, **options: Any
) -> Caller:
    """A caller who has just asked to be transferred to billing."""
    caller = await sandbox.call(agent, model=model, **options)
    await caller.say(ASKS)
    return caller
