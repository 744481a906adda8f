"""A support agent that passes callers to a supervisor, who is told what it is about first and says yes or no.

On the real platform (see the README for what it needs):

    export VIDEOSDK_AUTH_TOKEN=...  VIDEOSDK_CALLER_ID=+14155550100  VIDEOSDK_ROUTING_RULE=rr_...
    export SUPERVISOR_NUMBER=+14155550199  BILLING_NUMBER=+14155550123
    python examples/warm_transfer.py

The caller id is the number the supervisor sees, one that the account may send; the routing rule is the outbound rule by
which they are dialled. The supervisor's phone has to be reachable by it.

On this machine, without an account or a phone:

    python examples/warm_transfer.py --sandbox
"""

import asyncio
import os
import sys

from videosdk.agents import Agent, AgentSession, JobContext, Options, Pipeline, RoomOptions, WorkerJob

from calltransfer import (
    DirectTransfer,
    HoldMusic,
    Route,
    TransferMixin,
    VideoSDKPlatform,
    WarmTransfer,
    shut_down_on_sigterm,
)
from calltransfer.sandbox import Calls, FastForwardLoop, Sandbox, Says, Script

BILLING = os.environ.get("BILLING_NUMBER", "+14155550123")
SUPERVISOR = os.environ.get("SUPERVISOR_NUMBER", "+14155550199")

HOLD = HoldMusic(
    reassurance=(
        "Thank you for holding, I am still trying to reach a supervisor. Press star to come back to me.",
        "I have not forgotten you. Press star to come back to me.",
    ),
    every=10.0,
)


def make_pipeline() -> Pipeline:
    """Ears, brain and voice, all through one gateway; made for the caller, and anew for each consultation."""
    from videosdk.agents.inference import LLM, STT, TTS

    return Pipeline(stt=STT.deepgram(interim_results=True), llm=LLM.google(), tts=TTS.cartesia())


class SupportAgent(TransferMixin, Agent):
    """Forwards questions about money, and asks a supervisor before it passes an upset caller on."""

    def __init__(self) -> None:
        super().__init__(
            instructions=(
                "You are a support agent of ConnectTel, a telephone company. You are on the phone: answer in one or two "
                "sentences. Ask for the caller's name and what is wrong before you pass them to a supervisor."
            ),
            transfers=[
                Route("billing", DirectTransfer(to=BILLING), when="the caller asks about an invoice"),
                Route(
                    "supervisor",
                    WarmTransfer(to=SUPERVISOR, hold=HOLD),
                    when="the caller is upset or asks for a human",
                ),
            ],
            platform=VideoSDKPlatform(pipeline=make_pipeline),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel support, how can I help?")

    async def on_exit(self) -> None:
        """Says goodbye, to who is still there."""
        await self.session.say("Goodbye.")


async def entrypoint(context: JobContext) -> None:
    """Runs one call."""
    shut_down_on_sigterm(context)
    session = AgentSession(agent=SupportAgent(), pipeline=make_pipeline())
    await session.start(wait_for_participant=True, run_until_shutdown=True)


def make_context() -> JobContext:
    """What the worker's calls have in common."""
    return JobContext(room_options=RoomOptions(name="ConnectTel support", playground=False))


async def rehearse() -> None:
    """The same agent, on the sandbox, with a scripted model: the supervisor asks something, and then takes the call."""
    os.environ.setdefault("VIDEOSDK_CALLER_ID", "+14155550100")
    os.environ.setdefault("VIDEOSDK_ROUTING_RULE", "rr_sandbox")
    async with Sandbox() as sandbox:
        sandbox.person(
            SUPERVISOR,
            answers_after=6.0,
            says=[Says("Who is it?", when="take the call?"), Says("Yes, put her through", when="Anna Miller")],
        )
        caller = await sandbox.call(
            SupportAgent,
            model=Script(
                [
                    Calls("transfer_call", {"destination": "supervisor", "reason": "her line has been dead for days"}),
                    "I am getting a supervisor for you.",
                ],
                summary="Anna Miller's line has been dead for three days, and two appointments were missed.",
            ),
            consultation_model=["It is Anna Miller."],
        )
        await caller.say("This is Anna Miller, my line is dead, get me a human")
        talks_to = await caller.talking_to()
        for sentence in caller.texts_heard:
            print(f"the caller heard: {sentence}")
        for sentence in sandbox.targets[-1].texts_heard:
            print(f"the supervisor heard: {sentence}")
        print(f"the caller is talking to {'the supervisor' if talks_to == SUPERVISOR else talks_to}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--sandbox"]:
        with asyncio.Runner(loop_factory=FastForwardLoop) as runner:  # time passes at once
            runner.run(rehearse())
    elif sys.argv[1:] not in ([], ["console"]):  # "console" is the SDK's: talk to the agent in this terminal
        sys.exit(f"usage: {sys.argv[0]} [--sandbox | console]")
    else:
        WorkerJob(
            entrypoint=entrypoint, jobctx=make_context, options=Options(agent_id="support", register=True)
        ).start()
