"""The SDK's own `session.warm_transfer` as a strategy: it gets a place in a plan, and its word is checked.

On its own it can report success with nobody on the line. As a strategy it has to show that the caller is connected: a
success that the platform does not show is a failure, the caller is brought back, and the plan goes on.

    python examples/sdk_warm_transfer.py --sandbox
"""

import asyncio
import sys
from collections.abc import Callable

import attrs
from videosdk.agents import Agent, AgentSession
from videosdk.agents.warm_transfer import SIPDestination, WarmTransferConfig, WarmTransferError

from calltransfer import (
    Call,
    DirectTransfer,
    Fallback,
    Outcome,
    Route,
    TransferMixin,
    TransferRequest,
    TransferResult,
    TransferStrategy,
)
from calltransfer.sandbox import Calls, Sandbox, Says, Script

SUPERVISOR, SWITCHBOARD = "+14155550199", "+14155550123"

OUTCOMES = {
    "declined": Outcome.DECLINED,
    "voicemail": Outcome.VOICEMAIL,
    "supervisor_disconnected": Outcome.TARGET_LEFT,
}


@attrs.frozen
class SDKWarmTransfer:
    """Has the SDK move the caller.

    Attributes:
        session: The agent's session, once there is one.
        config: What the SDK is to do.
    """

    session: Callable[[], AgentSession]
    config: WarmTransferConfig

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Hands over to the SDK; what it reports is held to what the platform shows."""
        await call.sentence_heard()
        try:
            async with call.being_moved():
                result = await self.session().warm_transfer(self.config)
        except WarmTransferError as error:
            return TransferResult(outcome=Outcome.FAILED, detail=str(error))
        outcome = Outcome.CONNECTED if result.success else OUTCOMES.get(result.error or "", Outcome.FAILED)
        return TransferResult(outcome=outcome, summary=result.summary, detail=result.error or "")


class SupportAgent(TransferMixin, Agent):
    """Has the SDK ask the supervisor, and forwards the call to the switchboard when that comes to nothing."""

    def __init__(self) -> None:
        supervisor: TransferStrategy = SDKWarmTransfer(
            session=lambda: self.session,
            config=WarmTransferConfig(destination=SIPDestination("rr_sandbox", SUPERVISOR, "+14155550100")),
        )
        super().__init__(
            instructions="You are a support agent of ConnectTel. You are on the phone: answer in one sentence.",
            transfers=[
                Route(
                    "supervisor",
                    Fallback(supervisor, DirectTransfer(to=SWITCHBOARD)),
                    when="the caller is upset or asks for a human",
                )
            ],
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""


async def rehearse() -> None:
    """One call on the sandbox: the SDK briefs the supervisor and moves the caller, and the platform shows it."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=0.5, says=[Says("yes", when="ready?")])
        caller = await sandbox.call(
            SupportAgent,
            model=Script([Calls("transfer_call", {"destination": "supervisor", "reason": "a refund"}), "One moment."]),
            consultation_model=["They want a refund. Are you ready?", Calls("done_briefing"), ""],
        )
        await caller.say("I want a human")
        await caller.sees("switch-room-completed")
        talks_to = await caller.talking_to(settled_for=2.0)
        print(f"the caller is talking to {'the supervisor' if talks_to == SUPERVISOR else talks_to}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--sandbox"]:
        sys.exit(f"usage: {sys.argv[0]} --sandbox")
    asyncio.run(rehearse())  # the SDK calls the platform with blocking requests: time cannot be made to pass at once
