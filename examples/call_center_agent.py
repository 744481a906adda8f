"""Customer care of a telephone company: bills, plans, outages, and a human when one is needed.

On the real platform (see the README for what it needs):

    export VIDEOSDK_AUTH_TOKEN=...  BILLING_NUMBER=+14155550123  SUPERVISOR_NUMBER=+14155550199
    python examples/call_center_agent.py

On this machine, without an account or a phone:

    python examples/call_center_agent.py --sandbox
"""

import asyncio
import logging
import os
import sys

from videosdk.agents import Agent, AgentSession, JobContext, Options, Pipeline, RoomOptions, WorkerJob, function_tool

from calltransfer import DirectTransfer, Outcome, Phase, Route, TransferEvent, TransferMixin, Wording
from calltransfer.sandbox import Calls, FastForwardLoop, Sandbox

logger = logging.getLogger("connecttel")

BILLING = os.environ.get("BILLING_NUMBER", "+14155550123")
SUPERVISOR = os.environ.get("SUPERVISOR_NUMBER", "+14155550199")

BILLS = {"1001": {"amount": "42.50 dollars", "due": "the fifth of December", "paid": False}}
PLANS = {"basic": "10 gigabytes for 20 dollars", "family": "40 gigabytes for 45 dollars, up to four lines"}
OUTAGES = {"94103": "Fixed-line internet is down; our engineers expect it back by six this evening."}


class CustomerCareAgent(TransferMixin, Agent):
    """Knows bills, plans and outages, and hands over what it cannot do itself."""

    def __init__(self) -> None:
        super().__init__(
            instructions=(
                "You are the customer-care agent of ConnectTel, a telephone company. You are on the phone: be brief and "
                "kind. Look bills, plans and outages up with your tools and never make anything up."
            ),
            transfers=[
                Route("billing", DirectTransfer(to=BILLING), when="the caller disputes a bill or wants to pay now"),
                Route("supervisor", DirectTransfer(to=SUPERVISOR), when="the caller is upset or asks for a human"),
            ],
            wording=Wording(
                sentences={Outcome.NO_ANSWER: "I am sorry, nobody picked up. I am still here; what can I do for you?"}
            ),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel customer care, how can I help you today?")

    async def on_exit(self) -> None:
        """Says goodbye, to who is still there."""
        await self.session.say("Thank you for calling ConnectTel.")

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Counts how transfers end; this is where one would write to the CRM."""
        if event.phase is Phase.FINISHED:
            logger.info("transfer to %s ended as %s after %.1f s", event.route, event.outcome, event.at)

    @function_tool
    async def look_up_bill(self, account: str) -> dict[str, object]:
        """Looks up the current bill of an account.

        Args:
            account: The account number, four digits.
        """
        bill = BILLS.get(account)
        return {"found": True, **bill} if bill else {"found": False}

    @function_tool
    async def list_plans(self) -> dict[str, str]:
        """Lists the plans one can choose."""
        return PLANS

    @function_tool
    async def check_outage(self, zip_code: str) -> dict[str, str]:
        """Says whether there is an outage somewhere.

        Args:
            zip_code: The zip code of the caller's address.
        """
        return {"status": OUTAGES.get(zip_code, "No outage is known there.")}


def make_pipeline() -> Pipeline:
    """Ears, brain and voice, all through VideoSDK's gateway, so that one token is enough."""
    from videosdk.agents.inference import LLM, STT, TTS

    return Pipeline(stt=STT.deepgram(interim_results=True), llm=LLM.google(), tts=TTS.cartesia())


async def entrypoint(context: JobContext) -> None:
    """Runs one call."""
    session = AgentSession(agent=CustomerCareAgent(), pipeline=make_pipeline())
    await session.start(wait_for_participant=True, run_until_shutdown=True)


def make_context() -> JobContext:
    """What the worker's calls have in common."""
    return JobContext(room_options=RoomOptions(name="ConnectTel customer care", playground=False))


async def rehearse() -> None:
    """One call on the sandbox, with a scripted model: a bill, an outage, and a supervisor who cannot be reached at first."""

    def to_supervisor(reason: str) -> Calls:
        return Calls("transfer_call", {"destination": "supervisor", "reason": reason})

    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, refuses_after=1.0)
        caller = await sandbox.call(
            CustomerCareAgent,
            model=[
                Calls("look_up_bill", {"account": "1001"}),
                "Your bill is 42 dollars 50, due on the fifth of December.",
                Calls("check_outage", {"zip_code": "94103"}),
                "Yes, there is an outage; it should be over by six this evening.",
                to_supervisor("the outage has lasted for days"),
                "I am connecting you to a supervisor.",
                "I am sorry, the supervisor cannot be reached. Shall I try once more?",
                to_supervisor("asked for a second try"),
                "I am trying once more.",
            ],
        )
        said = [
            ("How much is my bill, the account is 1001", "fifth of December"),
            ("And is there an outage in 94103", "by six this evening"),
            ("This is the third day, I want to talk to a human", "try once more"),
        ]
        for question, answered_with in said:
            await caller.say(question)
            await caller.hears(answered_with)
        sandbox.person(SUPERVISOR, answers_after=1.0)
        await caller.say("Yes please try again")
        talks_to = await caller.talking_to(settled_for=2.0)
        for sentence in caller.texts_heard:
            print(f"agent: {sentence}")
        print(f"the caller is talking to {'the supervisor' if talks_to == SUPERVISOR else talks_to}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--sandbox"]:
        with asyncio.Runner(loop_factory=FastForwardLoop) as runner:  # time passes at once
            runner.run(rehearse())
    elif sys.argv[1:] not in ([], ["console"]):  # "console" is the SDK's: talk to the agent in this terminal
        sys.exit(f"usage: {sys.argv[0]} [--sandbox | console]")
    else:
        WorkerJob(
            entrypoint=entrypoint, jobctx=make_context, options=Options(agent_id="customer-care", register=True)
        ).start()
