"""An agent whose routes are data: examples/routes.toml says where calls can go, when, and what happens if nobody is there.

calltransfer check examples/routes.toml
python examples/plan.py --sandbox
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from videosdk.agents import Agent, Pipeline

from calltransfer import Routes, TransferEvent, TransferMixin, VideoSDKPlatform
from calltransfer.sandbox import Calls, FastForwardLoop, Sandbox, Script

ROUTES = Path(__file__).with_name("routes.toml")
FIRST, SECOND, ON_CALL = "+14155550199", "+14155550188", "+14155550177"
NEW_YORK = ZoneInfo("America/New_York")


def make_pipeline() -> Pipeline:
    """Ears, brain and voice for a consultation, as for the caller; the sandbox has its own."""
    from videosdk.agents.inference import LLM, STT, TTS

    return Pipeline(stt=STT.deepgram(interim_results=True), llm=LLM.google(), tts=TTS.cartesia())


class SupportAgent(TransferMixin, Agent):
    """Knows no number and no hours: they are in the file."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You are a support agent of ConnectTel. You are on the phone: answer in one sentence.",
            transfers=Routes.from_toml(ROUTES),
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_sandbox", pipeline=make_pipeline),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Says how each attempt ended, and the whole."""
        if event.outcome is not None:
            print(f"  {event.phase}: {event.outcome}")


def model() -> Script:
    """A model that passes the caller on when they ask for it."""
    tool = Calls("transfer_call", {"destination": "supervisor", "reason": "a refund"})
    return Script([tool, "I am looking for somebody."], summary="They want a refund for May.")


async def rehearse() -> None:
    """Two calls: one on a Monday morning, and one in the night, when only a colleague is on call, who does not answer."""
    for when in (datetime(2026, 11, 23, 10, 0, tzinfo=NEW_YORK), datetime(2026, 11, 24, 3, 0, tzinfo=NEW_YORK)):
        print(f"{when:%A %H:%M}")
        async with Sandbox(now=when) as sandbox:
            sandbox.person(FIRST, answers_after=None)
            sandbox.person(SECOND, answers_after=3.0, says="yes please")
            sandbox.person(ON_CALL, answers_after=None)
            caller = await sandbox.call(SupportAgent, model=model())
            await caller.say("I want a human")
            if when.hour == 3:
                await caller.hears("just stop speaking.")
                await caller.say("this is Anna Miller please call me back about the refund for May")
            talks_to = await caller.talking_to()
            print(f"  the caller is talking to {'the second supervisor' if talks_to == SECOND else talks_to}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--sandbox"]:
        sys.exit(f"usage: {sys.argv[0]} --sandbox")
    with asyncio.Runner(loop_factory=FastForwardLoop) as runner:  # time passes at once
        runner.run(rehearse())
