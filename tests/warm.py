"""Warm transfers as the tests run them: who does what, what goes wrong, and what was seen of it from outside."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from videosdk.agents import Agent

from calltransfer import (
    Outcome,
    Phase,
    Route,
    TransferEvent,
    TransferMixin,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, Calls, Sandbox, Script, Target
from calltransfer.sandbox.leg import Leg
from calltransfer.testing.scenes import CALLERS as _CALLERS
from calltransfer.testing.scenes import TARGETS, breaks, target_acts

SUPERVISOR = "+14155550199"
ASKS = "I want to talk to a human about my refund"
REASON = "wants a refund"
CONNECTING = "I am connecting you now."
SORRY = "I am sorry, that did not work."
SUMMARY = "They want a refund and have waited for three weeks."
ANSWER = "They paid twice."
OPENED = "Hello, this is the assistant"

TO_SUPERVISOR = Calls("transfer_call", {"destination": "supervisor", "reason": REASON})


class SupervisedAgent(TransferMixin, Agent):
    """An agent that can pass its caller to a supervisor."""

    def __init__(self, strategy: Any = None, *, platform: Any = None, **arguments: Any) -> None:
        self.events: list[TransferEvent] = []
        self.times: list[float] = []
        self.listeners: list[Callable[[TransferEvent], None]] = []
        self.finished = asyncio.Event()
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[Route("supervisor", strategy or WarmTransfer(SUPERVISOR), when="the caller asks for a human")],
            platform=platform or VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
            **arguments,
        )

    async def on_enter(self) -> None:
        await self.session.say("Hello, how can I help?")

    async def on_exit(self) -> None: ...

    def on_transfer_event(self, event: TransferEvent) -> None:
        self.events.append(event)
        self.times.append(asyncio.get_running_loop().time())
        for listener in self.listeners:
            listener(event)
        if event.phase is Phase.FINISHED:
            self.finished.set()

    def time_of(self, phase: Phase) -> float | None:
        """When something happened first, on the loop's clock."""
        return next((at for at, event in zip(self.times, self.events, strict=True) if event.phase is phase), None)

    async def until(self, phase: Phase) -> None:
        """Waits until something has happened."""
        happened = asyncio.Event()

        def listener(event: TransferEvent) -> None:
            if event.phase is phase:
                happened.set()

        self.listeners.append(listener)
        if phase not in self.phases:
            await happened.wait()

    @property
    def phases(self) -> list[Phase]:
        """What has happened in its transfers."""
        return [event.phase for event in self.events]

    @property
    def outcomes(self) -> list[Outcome]:
        """How its transfers have ended."""
        return [event.outcome for event in self.events if event.phase is Phase.FINISHED and event.outcome is not None]


def script(*after: Any) -> Script:
    """A model that transfers to the supervisor, and then does `after`."""
    return Script([TO_SUPERVISOR, CONNECTING, *(after or (SORRY,))], summary=SUMMARY)


async def call(sandbox: Sandbox, strategy: Any = None, *, model: Any = None, **how: Any) -> Caller:
    """Somebody calls an agent that can pass them to a supervisor."""
    platform = how.pop("platform", None)
    how.setdefault("consultation_model", [ANSWER])
    return await sandbox.call(lambda: SupervisedAgent(strategy, platform=platform), model=model or script(), **how)


async def transferred(sandbox: Sandbox, strategy: Any = None, **how: Any) -> Caller:
    """Somebody calls, asks for a human, and the transfer has ended."""
    caller = await call(sandbox, strategy, **how)
    await caller.say(ASKS)
    async with asyncio.timeout(400):
        await caller.agent.finished.wait()
    return caller


def leg_of(caller: Caller) -> Leg:
    """The caller's leg: they are on a phone."""
    assert caller.leg is not None
    return caller.leg


@attrs.define
class Seen:
    """What was seen of one warm transfer, from outside.

    Attributes:
        caller: The caller.
        targets: Whoever was dialled.
        events: What the agent's author was told.
        result: What the transfer returned.
        orphans: The dialled legs that were neither with the caller nor over when the transfer was reported finished.
        stranded: The longest time the caller was on the line, and with nobody.
        silence: The longest time without sound for the caller while they were on hold.
        connected_to: Whom the caller was talking to in the end.
    """

    caller: Caller
    events: list[TransferEvent]
    targets: list[Target] = attrs.field(factory=list)
    orphans: list[str] = attrs.field(factory=list)
    stranded: float = 0.0
    silence: float = 0.0
    connected_to: str = ""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended."""
        return next((event.outcome for event in self.events if event.phase is Phase.FINISHED), None)


CALLERS = (
    "stays",
    "hangs up before dial",
    "hangs up ringing",
    "hangs up in the briefing",
    "hangs up after yes",
    "hangs up during the switch",
    "speaks over everything",
    "presses the key",
)
"""Those of the table that the matrix has."""


async def seen(
    target: str = "accepts", caller_does: str = "stays", platform: str = "healthy", strategy: Any = None, **how: Any
) -> Seen:
    """Runs one warm transfer of the matrix to its end."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, **{"answers_after": 4.0, **TARGETS[target]})
        caller = await call(sandbox, strategy, **how)
        what = Seen(caller, caller.agent.events)
        breaks(sandbox, platform)
        async with _beside(_watch(what), _CALLERS[caller_does](caller), target_acts(sandbox, caller, target)):
            await caller.say(ASKS)
            async with asyncio.timeout(400):
                await caller.agent.finished.wait()
            what.targets = sandbox.targets
            what.orphans = [
                target.leg.id for target in what.targets if not target.leg.over and target.connected_to != caller.number
            ]
            what.connected_to = await caller.talking_to(settled_for=12.0)
        began = caller.agent.time_of(Phase.ON_HOLD)
        ended = min(
            filter(
                None,
                [
                    caller.agent.time_of(Phase.OFF_HOLD),
                    caller.agent.time_of(Phase.FINISHED),
                    # Where the platform has taken them, the longest time alone is what counts.
                    *(at for status, at in caller.statuses if status in {"ended", "switch-room-completed"}),
                ],
            )
        )
        if began is not None and ended > began:
            what.silence = caller.longest_silence(began, ended)
        return what


async def _watch(what: Seen) -> None:
    """Measures how long the caller is alone at a time; a quarter of a second is what it may miss."""
    now = asyncio.get_running_loop().time
    since: float | None = None
    while True:
        if what.caller.connected_to != "nobody":
            since = None
        else:
            since = now() if since is None else since
            what.stranded = max(what.stranded, now() - since)
        await asyncio.sleep(0.25)


@asynccontextmanager
async def _beside(*works: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, AssertionError):
                raise error
