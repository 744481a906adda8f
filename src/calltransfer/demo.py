"""What `calltransfer demo` shows: the real SDK and the real adapter, on the sandbox."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping

from rich.console import Console
from videosdk.agents import Agent

from calltransfer.agent import TransferMixin
from calltransfer.call import RING_TIMEOUT, TransferStrategy
from calltransfer.events import TransferEvent
from calltransfer.lanes import PAUSE, Lanes
from calltransfer.masking import masked_address
from calltransfer.narrator import Narrator
from calltransfer.route import Route
from calltransfer.sandbox import Caller, Calls, Sandbox, Script, Target
from calltransfer.strategies.direct import DirectTransfer
from calltransfer.strategies.fallback import Fallback
from calltransfer.strategies.ring_group import RingGroup
from calltransfer.strategies.take_message import Message, TakeMessage
from calltransfer.strategies.warm import WarmTransfer
from calltransfer.videosdk.platform import VideoSDKPlatform

BILLING = "+14155550123"
SUPERVISOR = "+14155550199"
DANA, LEE = SUPERVISOR, "+14155550188"
_ONE = WarmTransfer(to=SUPERVISOR)
_BOTH = {DANA: "Dana", LEE: "Lee"}

SETTLED = 1.7
"""Seconds without anything happening after which a call has settled: more than the agent takes to answer."""


class ConnectTelAgent(TransferMixin, Agent):
    """The agent of the demo."""

    def __init__(self, show: Callable[[TransferEvent], None], *, supervisor: TransferStrategy = _ONE) -> None:
        self._show = show
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[
                Route("billing", DirectTransfer(to=BILLING), when="the caller asks about an invoice"),
                Route("supervisor", supervisor, when="the caller is upset or asks for a human"),
            ],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_demo"),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Shows what happens."""
        self._show(event)


async def show(console: Console) -> None:
    """Shows two direct transfers, three warm ones, and two calls of a plan."""
    logging.disable()  # of the SDK, and of ours: everything is on the screen
    try:
        async with Sandbox(latency=0.05) as sandbox:
            await _show_direct(console, sandbox)
            console.print("\nFrom here on, a lane for each: what they say, hear and do.", soft_wrap=True)
            await _show_accepted(console, sandbox)
            await _show_declined(console, sandbox)
            await _show_caller_leaves(console, sandbox)
            await _show_two_at_once(console, sandbox)
            await _show_message(console, sandbox)
    finally:
        logging.disable(logging.NOTSET)
    console.print()


# Direct


async def _show_direct(console: Console, sandbox: Sandbox) -> None:
    narrator = Narrator(console)
    asks = "I have a question about my invoice"
    connecting = "I am connecting you to billing now."
    tool = Calls("transfer_call", {"destination": "billing", "reason": "a question about an invoice"})
    narrator.title("1. A direct transfer: the call is forwarded to billing")
    sandbox.person(BILLING, answers_after=1.5)
    await _direct(sandbox, narrator, asks, [tool, connecting])

    narrator.title("2. A direct transfer that the carrier refuses")
    sandbox.person(BILLING, refuses_after=1.0)
    sorry = "I am sorry, billing cannot be reached."
    await _direct(sandbox, narrator, asks, [tool, connecting, sorry])


async def _direct(sandbox: Sandbox, narrator: Narrator, asks: str, model: list[str | Calls]) -> None:
    caller = await sandbox.call(lambda: ConnectTelAgent(narrator.event), model=model)
    narrator.line("caller", "calls", at=caller.statuses[0][1])
    async with narrator.follow(caller):
        began = asyncio.get_running_loop().time()
        await caller.say(asks)
        narrator.line("caller", f'"{asks}"', at=began)
        who = await caller.talking_to(settled_for=SETTLED)
    talks_to = "the agent" if who == "agent" else f"billing ({masked_address(who)})"
    narrator.line("caller", f"is now talking to {talks_to}")


# Warm


async def _show_accepted(console: Console, sandbox: Sandbox) -> None:
    title = "3. A warm transfer: the supervisor is told what it is about, and accepts"
    async with _warm(console, sandbox, title) as (lanes, caller):
        supervisor = await sandbox.target(SUPERVISOR)
        await supervisor.hears("?")
        await lanes.says(supervisor, "Yes, put them through")
        await _they_talk(lanes, caller, supervisor)


async def _they_talk(lanes: Lanes, caller: Caller, *supervisors: Target) -> None:
    """The caller and whoever of them has the call, from when they are connected to when the caller hangs up."""
    await caller.sees("switch-room-completed")
    await asyncio.sleep(0.3)
    supervisor = next(each for each in supervisors if each.number == caller.connected_to)
    name = _BOTH[supervisor.number]
    lane, called = (name, name) if len(supervisors) > 1 else ("supervisor", "the supervisor")
    await lanes.says(supervisor, f"Hello, this is {name}")
    await lanes.says(caller, f"Hi {name}")
    talks_to = await caller.talking_to(settled_for=SETTLED)
    lanes.note("caller", f"talks to {called if talks_to == supervisor.number else talks_to}")
    lanes.note("agent", "stays, deaf and silent, until one of the two leaves")
    with_caller = supervisor.connected_to == caller.number
    lanes.note(lane, f"talks to the {'caller' if with_caller else supervisor.connected_to}")
    await asyncio.sleep(0.5)
    lanes.note("caller", "hangs up")
    await caller.hang_up()
    await supervisor.sees("ended")


async def _show_declined(console: Console, sandbox: Sandbox) -> None:
    title = "4. A warm transfer that is declined"
    sorry = "They cannot come to the phone. Shall they call you back?"
    async with _warm(console, sandbox, title, sorry) as (lanes, caller):
        supervisor = await sandbox.target(SUPERVISOR)
        await supervisor.hears("?")
        await lanes.says(supervisor, "Not now")
        talks_to = await caller.talking_to(settled_for=SETTLED)
        lanes.note("caller", f"talks to the {talks_to}")


async def _show_caller_leaves(console: Console, sandbox: Sandbox) -> None:
    title = "5. A caller who hangs up while the supervisor's phone rings"
    async with _warm(console, sandbox, title, answers_after=None) as (lanes, caller):
        supervisor = await sandbox.target(SUPERVISOR)
        await caller.hears("connecting you now.")
        await asyncio.sleep(1.0)
        lanes.note("caller", "hangs up")
        await caller.hang_up()
        await supervisor.sees("ended")
        await asyncio.wait_for(caller.over.wait(), timeout=15.0)


# A plan


class _Plan:
    """Both supervisors at once; where neither takes the call, a message."""

    def __init__(self, *, ring_timeout: float = RING_TIMEOUT) -> None:
        self.delivered: list[Message] = []
        both = RingGroup(WarmTransfer(ring_timeout=ring_timeout), targets=[DANA, LEE])
        self.strategy = Fallback(both, TakeMessage(self._deliver))

    async def _deliver(self, message: Message) -> None:
        self.delivered.append(message)


async def _show_two_at_once(console: Console, sandbox: Sandbox) -> None:
    title = "6. A plan: two supervisors, Dana and Lee, are called at once, and both say yes"
    sandbox.person(DANA, answers_after=1.5)
    sandbox.person(LEE, answers_after=1.7)
    async with _lanes(console, sandbox, title, _BOTH, _Plan().strategy) as (lanes, caller):
        supervisors = [await sandbox.target(number) for number in _BOTH]
        async with asyncio.TaskGroup() as group:
            for supervisor in supervisors:
                group.create_task(_says_yes(lanes, supervisor))
        await _they_talk(lanes, caller, *supervisors)


async def _says_yes(lanes: Lanes, supervisor: Target) -> None:
    await supervisor.hears("?")
    await lanes.says(supervisor, "Yes, put them through")


async def _show_message(console: Console, sandbox: Sandbox) -> None:
    title = "7. The same plan, ringing for 5 s: Lee says no, Dana is out, a message is left"
    plan = _Plan(ring_timeout=5.0)
    sandbox.person(DANA, answers_after=None)
    sandbox.person(LEE, answers_after=0.5)
    then = "What else can I do for you?"
    async with _lanes(console, sandbox, title, _BOTH, plan.strategy, then) as (lanes, caller):
        lee = await sandbox.target(LEE)
        await lee.hears("for you.")
        lanes.note("Lee", "presses 2")
        await lee.press("2")
        await caller.hears("stop speaking.")
        await asyncio.sleep(0.4)
        await lanes.says(caller, "Please call me back")
        lanes.note("caller", "presses #")
        await caller.press("#")
        await caller.hears("pass it on.")
        await caller.hears("else can I do for you?")
        await caller.talking_to(settled_for=PAUSE)
        lanes.note("caller", "hangs up")
        await caller.hang_up()
    for message in plan.delivered:
        sender = masked_address(message.details.number or "")
        console.print(f'[dim]Delivered, from {sender}, who {message.reason}: "{message.text}"[/dim]', soft_wrap=True)


@contextlib.asynccontextmanager
async def _warm(
    console: Console, sandbox: Sandbox, title: str, *then: str, answers_after: float | None = 2.0
) -> AsyncIterator[tuple[Lanes, Caller]]:
    """A call on which the agent begins to pass the caller to the supervisor, drawn in lanes."""
    sandbox.person(SUPERVISOR, answers_after=answers_after)
    async with _lanes(console, sandbox, title, {SUPERVISOR: "supervisor"}, _ONE, *then) as drawn:
        yield drawn


@contextlib.asynccontextmanager
async def _lanes(
    console: Console, sandbox: Sandbox, title: str, targets: Mapping[str, str], strategy: TransferStrategy, *then: str
) -> AsyncIterator[tuple[Lanes, Caller]]:
    """A call on which the agent begins to pass the caller on by `strategy`, with a lane for each of `targets`."""
    console.print(f"\n[bold]{title}[/bold]")
    asks, reason = "I was charged twice, I want a human", "was charged twice"
    tool = Calls("transfer_call", {"destination": "supervisor", "reason": reason})
    model = Script([tool, "I am connecting you now.", *then], summary="The caller was charged twice for May.")
    lanes = Lanes(console, sandbox, targets)
    caller = await sandbox.call(lambda: ConnectTelAgent(lanes.event, supervisor=strategy), model=model)
    async with lanes.follow(caller):
        await lanes.says(caller, asks)
        yield lanes, caller
    for line in lanes.summing_up():
        console.print(f"[dim]{line}[/dim]", soft_wrap=True)
