"""The smallest agent that can pass its caller on.

On the real platform (see the README for what it needs):

    export VIDEOSDK_AUTH_TOKEN=...  VIDEOSDK_CALL_TRANSFER_TO=+14155550123
    python examples/call_transfer.py

On this machine, without an account or a phone:

    python examples/call_transfer.py --sandbox
"""

import asyncio
import os
import sys

from videosdk.agents import Agent, AgentSession, JobContext, Options, Pipeline, RoomOptions, WorkerJob

from calltransfer import DirectTransfer, Route, TransferMixin
from calltransfer.sandbox import Calls, FastForwardLoop, Sandbox


class SupportAgent(TransferMixin, Agent):
    """Helps, and passes callers who ask for it on to the number in VIDEOSDK_CALL_TRANSFER_TO."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You are a friendly support agent. You are on the phone: answer in one or two sentences.",
            transfers=[Route("human", DirectTransfer(), when="the caller asks for a human, or you cannot help them")],
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("Hello, how can I help?")

    async def on_exit(self) -> None:
        """Says goodbye, to who is still there."""
        await self.session.say("Goodbye.")


def make_pipeline() -> Pipeline:
    """Ears, brain and voice, all through VideoSDK's gateway, so that one token is enough."""
    from videosdk.agents.inference import LLM, STT, TTS

    return Pipeline(stt=STT.deepgram(interim_results=True), llm=LLM.google(), tts=TTS.cartesia())


async def entrypoint(context: JobContext) -> None:
    """Runs one call."""
    session = AgentSession(agent=SupportAgent(), pipeline=make_pipeline())
    await session.start(wait_for_participant=True, run_until_shutdown=True)


def make_context() -> JobContext:
    """What the worker's calls have in common."""
    return JobContext(room_options=RoomOptions(name="Support", playground=False))


async def rehearse() -> None:
    """The same agent, on the sandbox, with a scripted model."""
    human = os.environ.setdefault("VIDEOSDK_CALL_TRANSFER_TO", "+14155550123")
    async with Sandbox() as sandbox:
        sandbox.person(human, answers_after=1.0)
        caller = await sandbox.call(
            SupportAgent,
            model=[Calls("transfer_call", {"destination": "human", "reason": "wants a human"}), "I am connecting you."],
        )
        await caller.say("I would like to talk to a human")
        talks_to = await caller.talking_to(settled_for=2.0)
        for sentence in caller.texts_heard:
            print(f"agent: {sentence}")
        print(f"the caller is talking to {'the human' if talks_to == human else talks_to}")


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
