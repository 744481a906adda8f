"""WarmTransfer beside the SDK's own session.warm_transfer: one sandbox, the same latencies, one run.

    python benchmarks/warm.py [--rounds 3] [--json bench.json]

Everything runs on the wall clock and over loopback sockets. Both tell the target the same, ask the same, and get the
same answer, two seconds after the question. What counts are the ratios: absolute times are this machine's.
"""

import argparse
import asyncio
import json
import logging
import statistics
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table
from videosdk.agents import Agent, function_tool
from videosdk.agents.warm_transfer import SIPDestination, WarmTransferConfig

from calltransfer import Briefing, Route, TransferMixin, VideoSDKPlatform, WarmTransfer
from calltransfer.sandbox import Caller, Calls, Heard, Sandbox, Says, Script, Target, Unknowns
from calltransfer.sandbox.models import FIRST_AUDIO_SECONDS, FIRST_TOKEN_SECONDS, RECOGNITION_SECONDS
from calltransfer.sandbox.speech import seconds_to_say

SUPERVISOR = "+14155550199"
CALLER_ID = "+14155550100"

SUMMARY_SECONDS = 2.0
ROOM_SECONDS = 0.3
JOIN_SECONDS = 0.8
DIAL_SECONDS = 0.3
RING_SECONDS = 4.0
DECISION_SECONDS = 2.0
SWITCH_SECONDS = 0.3
READING_SECONDS = 0.05
PAUSE = 0.5
"""Seconds that a target thinks who says no; nothing that is measured depends on it."""

ASKS = "I want to talk to a human about my refund"
SENTENCE = "Sure, I am connecting you now."
SUMMARY = "They want a refund and have waited for three weeks."
QUESTION = "Are you ready to take the call?"
YES = "yes please"
NO = "no thanks"
SORRY = "I am sorry, they cannot take the call."


class OursAgent(TransferMixin, Agent):
    """Transfers with WarmTransfer."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You help.",
            transfers=[
                Route(
                    "supervisor",
                    WarmTransfer(SUPERVISOR, briefing=Briefing(question=QUESTION)),
                    when="the caller asks for a human",
                )
            ],
            platform=VideoSDKPlatform(caller_id=CALLER_ID, routing_rule="rr_1"),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("Hello.")

    async def on_exit(self) -> None:
        """Nothing to do."""


class SDKAgent(Agent):
    """Transfers with the SDK's own call."""

    def __init__(self) -> None:
        super().__init__(instructions="You help.")

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("Hello.")

    async def on_exit(self) -> None:
        """Nothing to do."""

    @function_tool
    async def transfer_call(self, destination: str = "", reason: str = "") -> dict[str, str]:
        """Transfers the call from a tool, as the SDK's documentation shows."""
        config = WarmTransferConfig(destination=SIPDestination("rr_1", SUPERVISOR, CALLER_ID))
        result = await self.session.warm_transfer(config)
        return {"status": "transferred" if result.success else "failed"}


@attrs.frozen
class Side:
    """One of the two that are compared.

    Attributes:
        name: What it is called.
        agent: Its agent.
        model: What the agent's model does once the caller has asked.
        consultation: What the consultation's model does, by what the target answers.
    """

    name: str
    agent: type
    model: list[Any]
    consultation: dict[str, list[Any]]


TOOL = Calls("transfer_call", {"destination": "supervisor", "reason": "wants a refund"})
OURS = Side("WarmTransfer", OursAgent, [TOOL, SENTENCE, SORRY], {YES: [], NO: []})
SDK = Side(
    "session.warm_transfer",
    SDKAgent,
    [[SENTENCE + " ", TOOL], SORRY],
    {
        YES: [f"{SUMMARY} {QUESTION}", Calls("done_briefing"), ""],
        NO: [f"{SUMMARY} {QUESTION}", Calls("decline_transfer", {"reason": "busy"}), ""],
    },
)


class LoopStall:
    """The longest time that the event loop did not come round."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Comes round every millisecond."""
        now = asyncio.get_running_loop().time
        while True:
            before = now()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, now() - before - 0.001)


@attrs.frozen
class Asked:
    """A caller who has asked for a human.

    Attributes:
        caller: Them.
        called: When the model called its tool.
        stall: How long the event loop has stood still, at the longest, since they asked.
    """

    caller: Caller
    called: float
    stall: LoopStall


@asynccontextmanager
async def transferring(
    side: Side, answer: str, *, ring: float, summary: float, pause: float
) -> AsyncIterator[tuple[Sandbox, Asked]]:
    """The world in which both transfer: the same platform, the same target, and a caller who has asked for a human."""
    unknowns = Unknowns(step=0.0, audio_after=0.0, switch_after=SWITCH_SECONDS - READING_SECONDS)
    async with Sandbox(latency=READING_SECONDS, unknowns=unknowns) as sandbox:
        sandbox.person(SUPERVISOR, answers_after=ring, says=[Says(answer, when="?", after=pause)])
        sandbox.fault("POST", "/v2/rooms", delay=ROOM_SECONDS - READING_SECONDS)
        sandbox.fault("POST", "/v2/sip/call", delay=DIAL_SECONDS - READING_SECONDS)
        caller = await sandbox.call(
            side.agent,
            model=Script(side.model, summary=SUMMARY, summary_seconds=summary),
            consultation_model=Script(side.consultation[answer], otherwise=""),
        )
        sandbox.trouble.join_seconds = JOIN_SECONDS  # from now on: the consultation's room
        await caller.hears("Hello.")
        stall = LoopStall()
        watching = asyncio.create_task(stall.watch())
        decided = asyncio.create_task(decision(caller))
        try:
            await caller.say(ASKS)
            yield sandbox, Asked(caller, await decided, stall)
        finally:
            watching.cancel()
            await asyncio.gather(watching, decided, return_exceptions=True)


async def decision(caller: Caller) -> float:
    """When the model called its tool."""
    loop = asyncio.get_running_loop()
    called: asyncio.Future[float] = loop.create_future()

    def tool_called(_data: Any) -> None:
        if not called.done():
            called.set_result(loop.time())

    caller.session.pipeline.orchestrator.content_generation.on("tool_called", tool_called)
    async with asyncio.timeout(20):
        return await called


async def until(caller: Caller, condition: Callable[[], bool]) -> float:
    """When `condition` came about."""
    async with asyncio.timeout(60):
        while not condition():
            await caller.something_happens_within(0.01)
    return asyncio.get_running_loop().time()


def first_word(heard: Heard) -> float:
    """When its first word began; what is noted is when that was over."""
    return heard.began - seconds_to_say(heard.words[0])


def asked_of(target: Target) -> Heard:
    """What the agent asked the target."""
    return next(heard for heard in target.heard if heard.speaker == "agent" and heard.text.endswith("?"))


def answered_at(target: Target) -> float:
    """When the target's leg became answered."""
    return dict(target.leg.log)["answered"]


async def accepted(side: Side) -> dict[str, float]:
    """The target says yes: what the caller waits for, and what they hear meanwhile."""
    async with transferring(side, YES, ring=RING_SECONDS, summary=SUMMARY_SECONDS, pause=DECISION_SECONDS) as (
        sandbox,
        asked,
    ):
        caller, called = asked.caller, asked.called
        together = await until(caller, lambda: caller.connected_to == SUPERVISOR)
        target = sandbox.targets[0]
        answered, question = answered_at(target), asked_of(target)
        ring = answered - dict(target.leg.log)["initiated"]
        said_yes = question.ended + DECISION_SECONDS + seconds_to_say(YES)
        words = [heard for heard in target.heard if heard.speaker == "agent" and heard.ended <= question.ended]
        spoken = sum(seconds_to_say(heard.text) for heard in words)
        wait = together - called
        floor = ring + (said_yes - answered) + SWITCH_SECONDS
        bare_floor = ring + spoken + DECISION_SECONDS + seconds_to_say(YES) + SWITCH_SECONDS
        heard = sum(min(end, together) - max(begin, called) for begin, end in caller.audible if end > called)
        return {
            "wait": wait,
            "floor": floor,
            "beyond_floor": wait - floor,
            "beyond_floor_less_recognition": wait - floor - RECOGNITION_SECONDS,
            "beyond_words": wait - bare_floor,
            "call_to_dialled": dict(target.leg.log)["initiated"] - called,
            "yes_to_connected": together - said_yes,
            "silence_total": wait - heard,
            "silence_longest": caller.longest_silence(called, together),
            "answer_to_first_word": target.audible[0][0] - answered - FIRST_AUDIO_SECONDS,
            "loop_stall": asked.stall.longest,
            **{f"at_{stage}": at - called for stage, at in stages(target, together).items()},
        }


def stages(target: Target, together: float) -> dict[str, float]:
    """When each stage of the caller's wait was over, as the phones and the platform show it."""
    return {
        "dialled": dict(target.leg.log)["initiated"],
        "answered": answered_at(target),
        "greeted": target.audible[0][0],
        "asked": asked_of(target).ended,
        "accepted": asked_of(target).ended + DECISION_SECONDS + seconds_to_say(YES),
        "connected": together,
    }


async def declined(side: Side) -> dict[str, float]:
    """The target says no, after a short ring and a short pause: how soon the caller is spoken to."""
    async with transferring(side, NO, ring=1.0, summary=0.3, pause=PAUSE) as (sandbox, asked):
        caller = asked.caller
        target = await sandbox.target(SUPERVISOR)
        await target.hears(QUESTION)
        said_no = asked_of(target).ended + PAUSE + seconds_to_say(NO)

        def spoken_to() -> list[Heard]:
            return [heard for heard in caller.heard if heard.began > said_no]

        await until(caller, lambda: bool(spoken_to()))
        told = first_word(spoken_to()[0]) - said_no
        return {"decline_to_first_word": told - FIRST_TOKEN_SECONDS - FIRST_AUDIO_SECONDS}


async def measured(rounds: int) -> dict[str, Any]:
    """Both sides, in turn."""
    samples: dict[str, list[dict[str, float]]] = {side.name: [] for side in (OURS, SDK)}
    for _ in range(rounds):
        for side in (OURS, SDK):
            samples[side.name].append({**await accepted(side), **await declined(side)})
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in samples.items()
    }
    return {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "rounds": rounds,
        "sides": medians,
        "samples": samples,
    }


@attrs.frozen
class Row:
    """One line of the table; `target` is what ours is to be at most."""

    label: str
    key: str
    target: float | None = None


ROWS = (
    Row("the caller waits, tool call to connected", "wait"),
    Row("  floor: ring, answer to yes, switch", "floor"),
    Row("  beyond the floor", "beyond_floor"),
    Row("  beyond the floor, less recognition", "beyond_floor_less_recognition", 0.8),
    Row("  beyond ring, words, decision, switch", "beyond_words"),
    Row("  tool call to dialled", "call_to_dialled"),
    Row("  end of the yes to connected", "yes_to_connected"),
    Row("the caller hears nothing, in all", "silence_total"),
    Row("  at a time", "silence_longest", 1.0),
    Row("answer to the target's first word (1)", "answer_to_first_word", 0.3),
    Row("decline to the caller's first word (2)", "decline_to_first_word", 0.5),
    Row("longest stall of the event loop", "loop_stall"),
)


def shown(results: dict[str, Any], console: Console) -> None:
    """Prints the table."""
    ours, sdk = (results["sides"][side.name] for side in (OURS, SDK))
    table = Table(
        title=(
            f"Warm transfer, seconds, medians of {results['rounds']} rounds\n"
            f"Summary {SUMMARY_SECONDS:g}, room {ROOM_SECONDS:g}, join {JOIN_SECONDS:g}, dial {DIAL_SECONDS:g}, "
            f"ring {RING_SECONDS:g},\ndecision {DECISION_SECONDS:g}, switch {SWITCH_SECONDS:g}, "
            f"other requests {READING_SECONDS:g}"
        ),
        title_justify="left",
    )
    for column in ("", "Warm\nTransfer", "session.\nwarm_transfer", "ratio", "at\nmost", ""):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in ROWS:
        mine, theirs = ours[row.key], sdk[row.key]
        ratio = f"{mine / theirs:.2f}" if mine > 0 and theirs > 0 else "-"
        target = "" if row.target is None else f"{row.target:g}"
        met = "" if row.target is None else "met" if mine <= row.target else "missed"
        table.add_row(row.label, f"{mine:+.3f}", f"{theirs:+.3f}", ratio, target, met)
    console.print(table)
    console.print(
        f"Recognition takes {RECOGNITION_SECONDS:g} s from the last word, the model {FIRST_TOKEN_SECONDS:g} s to its "
        f"first word, the voice {FIRST_AUDIO_SECONDS:g} s to its first sound.\n"
        "(1) less the voice's time  (2) less the model's and the voice's time"
    )


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    for name in ("videosdk", "calltransfer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    results = asyncio.run(measured(options.rounds))
    shown(results, Console(width=None if sys.stdout.isatty() else 120))
    before = json.loads(options.json.read_text()) if options.json.exists() else {}
    options.json.write_text(json.dumps({**before, "warm": results}, indent=2) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
