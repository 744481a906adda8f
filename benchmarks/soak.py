"""Two workers, two hundred calls at a time, for five minutes; one call in three brings a fault with it.

    python benchmarks/soak.py [--minutes 5] [--calls 200] [--workers 2] [--json soak.json] [--collect]

Every call is transferred warm. Whoever is connected talks for a while and hangs up, whoever is not is back with the agent
and hangs up; then the next one calls. After each call it is looked at from outside: where the caller was, for how long
they were alone, and whether a leg was left. The same load is then put on the bare SDK: as many pairs of sessions at a
time, which open, talk, have a caller moved from the one to the other, and close, just as long.

Each worker is a process of its own, with platform, phones and models in it; they are the same for both sides. The SDK's
`gc.collect()`, which it calls up to eleven times as a transferred call ends, is turned off unless `--collect` is given:
with a hundred calls alive in a process one of them takes a tenth of a second, and nothing else would be measured.
"""

import argparse
import asyncio
import gc
import itertools
import json
import logging
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table
from videosdk.agents import Agent

from calltransfer import Briefing, Outcome, Phase, Route, TransferEvent, TransferMixin, VideoSDKPlatform, WarmTransfer
from calltransfer.sandbox import Caller, Calls, HangsUp, Sandbox, Says, Script, Target
from calltransfer.testing.left import file_of, is_of_the_library

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.scale import ASKS, BARE, GREETING, OURS, QUESTION, SENTENCE, SUMMARY, BareCall, Lag, resident

RING = 3.0
TALK = 30.0
"""Seconds that who has been connected talks."""

ALONE = 6.0
"""Seconds that a caller may be alone: two, the platform's own time, of which a reading that hangs takes two, and what a
busy process takes to look. Faults are not each call's own here: two of them may meet in one."""

REQUEST_SECONDS = 0.05
LOOKS_EVERY = 0.25
MEASURES_EVERY = 5.0
WARM_UP = 60.0
"""Seconds until the first calls have been replaced by others."""

PEOPLE: dict[str, dict[str, Any]] = {
    "busy": {"refuses_after": 1.0},
    "declines": {"says": "no thanks"},
    "does not answer": {"answers_after": None},
    "voicemail": {"says": [Says("Hi, please leave a message after the tone", after=0.2)]},
    "hangs up in the briefing": {"says": [HangsUp(when="refund", after=0.2)]},
    "hangs up after yes": {"says": ["yes please", HangsUp(after=0.01)]},
}

REQUESTS: dict[str, dict[str, Any]] = {
    "a reading is lost": {"method": "GET", "path": "", "reset": True},
    "a reading hangs": {"method": "GET", "path": "", "hang": True},
    "a dial is lost after acting": {"method": "POST", "path": "/v2/sip/call", "reset": True, "acted": True},
    "a dial is refused": {"method": "POST", "path": "/v2/sip/call", "status": 400},
    "a room is refused": {"method": "POST", "path": "/v2/rooms", "status": 500},
    "a switch fails after acting": {"method": "POST", "path": "/switch-room", "status": 500, "acted": True},
    "a switch is refused": {"method": "POST", "path": "/switch-room", "status": 400},
    "an end is refused": {"method": "POST", "path": "/call/end", "status": 400},
    "an end is slow": {"method": "POST", "path": "/call/end", "delay": 2.0},
}

TROUBLES = ("switch_fails", "switched_leg_vanishes")


class SoakAgent(TransferMixin, Agent):
    """An agent that transfers its caller, and notes what happens."""

    def __init__(self, target: str) -> None:
        self.phases: list[Phase] = []
        self.outcome: Outcome | None = None
        super().__init__(
            instructions="You help.",
            transfers=[
                Route(
                    "supervisor",
                    WarmTransfer(target, ring_timeout=8.0, briefing=Briefing(greeting=GREETING, question=QUESTION)),
                    when="the caller asks for a human",
                )
            ],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("Hello.")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Notes what happens."""
        self.phases.append(event.phase)
        if event.phase is Phase.FINISHED:
            self.outcome = event.outcome


@attrs.define
class Report:
    """What was seen of all calls of one worker."""

    counts: Counter[str] = attrs.field(factory=Counter)
    broken: list[str] = attrs.field(factory=list)
    measured: list[dict[str, float]] = attrs.field(factory=list)


async def until(condition: Callable[[], bool], timeout: float) -> bool:
    """Waits for `condition`, looking four times a second; returns whether it came about."""
    try:
        async with asyncio.timeout(timeout):
            while not condition():  # noqa: ASYNC110 # the sandbox's own waits wake everybody on every word
                await asyncio.sleep(LOOKS_EVERY)
    except TimeoutError:
        return False
    return True


async def our_call(sandbox: Sandbox, index: int, report: Report) -> None:
    """One caller, from the call to the hang-up."""
    number, target_number = f"+1415202{index % 10_000:04d}", f"+1415201{index % 10_000:04d}"
    chance = random.Random(index)  # noqa: S311 # a load, not a secret
    person: dict[str, Any] = {"says": "yes please"}
    hangs_up_early = False
    if index % 3 == 0:
        report.counts["with a fault"] += 1
        fault = chance.choice([*PEOPLE, *REQUESTS, *TROUBLES, "hangs up while it rings"])
        person = PEOPLE.get(fault, person)
        if fault in REQUESTS:
            sandbox.fault(**REQUESTS[fault], times=1)
        elif fault in TROUBLES:
            setattr(sandbox.trouble, fault, getattr(sandbox.trouble, fault) + 1)
        hangs_up_early = fault == "hangs up while it rings"
    sandbox.person(target_number, **{"answers_after": RING, **person})
    tool = Calls("transfer_call", {"destination": "supervisor", "reason": "wants a refund"})
    caller = await sandbox.call(
        lambda: SoakAgent(target_number),
        model=Script([tool, SENTENCE], summary=SUMMARY, otherwise="All right."),
        number=number,
    )
    report.counts["calls"] += 1
    watching = asyncio.create_task(watch(caller, target_number, report))
    try:
        await caller.say(ASKS)
        if hangs_up_early:
            await until(lambda: Phase.RINGING in caller.agent.phases, 10.0)
        else:
            if not await until(lambda: caller.agent.outcome is not None, 150.0):
                report.broken.append("bounded: a transfer has no end")
            await asyncio.sleep(TALK)
            where, outcome = caller.connected_to, caller.agent.outcome
            report.counts[f"ended {outcome}"] += 1
            right = where == target_number if outcome is Outcome.CONNECTED else where == "agent"
            went = (
                outcome is Outcome.CONNECTED and where in {"hung up", "agent"} and "hangs up after yes" in str(person)
            )
            if not (right or went or Phase.RETURNED in caller.agent.phases):
                report.broken.append(f"never stranded: {outcome}, and the caller is with {where}")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await caller.hang_up()
    if not await until(caller.over.is_set, 60.0):
        report.broken.append("caller first: a session goes on after everybody has left")

    def live() -> list[Target]:
        return [target for target in sandbox.targets if target.number == target_number and not target.leg.over]

    if not await until(lambda: not live(), 30.0) and Phase.NOT_RELEASED not in caller.agent.phases:
        report.broken.append("no orphan leg: a target is on the line for a caller who has left")


async def watch(caller: Caller, target: str, report: Report) -> None:
    """Sees to it that a caller is not alone for long."""
    now = asyncio.get_running_loop().time
    since: float | None = None
    while True:
        if caller.connected_to in {"agent", target, "hung up"}:
            since = None
        elif since is None:
            since = now()
        elif now() - since > ALONE:
            phases, statuses = caller.agent.phases[-3:], [status for status, _ in caller.statuses][-4:]
            report.broken.append(f"never stranded: alone for more than {ALONE:g} s, {phases}, {statuses}")
            return
        await asyncio.sleep(LOOKS_EVERY)


async def bare_call(sandbox: Sandbox, index: int, report: Report) -> None:
    """The same on the bare SDK: two sessions, of which the one's caller is moved into the other's room."""
    call = BareCall(sandbox, index % 10_000)
    await call.open()
    report.counts["calls"] += 1
    await call.run()
    await asyncio.sleep(TALK)
    await call.leave()


async def worker(side: str, calls: int, seconds: float, first: int) -> dict[str, Any]:
    """What one process does."""
    now = asyncio.get_running_loop().time
    report, lag, numbers = Report(), Lag(), itertools.count(first)
    one = our_call if side == OURS else bare_call
    began = now()
    async with Sandbox(latency=REQUEST_SECONDS) as sandbox:

        async def line(after: float) -> None:
            await asyncio.sleep(after)
            while now() < began + seconds:
                try:
                    await one(sandbox, next(numbers), report)
                except Exception as error:
                    report.broken.append(f"bounded: {type(error).__name__}: {error}")

        async def measure() -> None:
            while True:
                await asyncio.sleep(MEASURES_EVERY)
                await sandbox.forget(over_for=20.0)
                sandbox.frames_played_at.clear()
                report.measured.append(
                    {
                        "at": now() - began,
                        "memory": resident(),
                        "tasks": float(len(asyncio.all_tasks())),
                        "sockets": float(sandbox.open_connections),
                    }
                )

        watching = [asyncio.create_task(lag.watch()), asyncio.create_task(measure())]
        used = time.process_time()
        await asyncio.gather(*(line(WARM_UP / 2 * number / calls) for number in range(calls)))
        took, used = now() - began, time.process_time() - used
        await asyncio.sleep(15.0)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        sockets_left = sandbox.open_connections
    ours = [task for task in asyncio.all_tasks() if is_of_the_library(file_of(task))]
    return {
        "counts": report.counts,
        "broken": report.broken,
        "measured": report.measured,
        "lag": lag.between(began + WARM_UP, began + seconds),
        "took": took,
        "busy": used / took,
        "left": {"tasks of ours": len(ours), "sockets": sockets_left},
    }


def child(options: argparse.Namespace) -> None:
    """What the process of one worker does: prints what it has measured."""
    for name in ("videosdk", "calltransfer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.setswitchinterval(0.0005)  # the platform's thread is in this process only here
    if not options.collect:
        gc.collect = lambda generation=2: 0  # the SDK looks the name up each time
    first = 10_000 * options.number
    print(json.dumps(asyncio.run(worker(options.child, options.calls, options.minutes * 60, first))))


def measured(options: argparse.Namespace, side: str) -> list[dict[str, Any]]:
    """All workers of one side, at once."""
    command = [sys.executable, __file__, "--child", side, "--calls", str(options.calls // options.workers)]
    command += ["--minutes", str(options.minutes), *(["--collect"] if options.collect else [])]
    children = [
        subprocess.Popen([*command, "--number", str(number)], stdout=subprocess.PIPE, text=True)  # noqa: S603
        for number in range(options.workers)
    ]
    return [json.loads(each.communicate()[0].splitlines()[-1]) for each in children]


def mean(result: dict[str, Any], what: str, begin: float, end: float) -> float:
    """The mean of what was measured between two moments, in seconds from the beginning."""
    values = [each[what] for each in result["measured"] if begin <= each["at"] <= end]
    return sum(values) / len(values) if values else 0.0


def shown(results: dict[str, list[dict[str, Any]]], seconds: float, console: Console) -> None:
    """Prints the table."""
    table = Table(title="A soak, both sides under the same load", title_justify="left")
    table.add_column("")
    columns = [(side, number, result) for side, workers in results.items() for number, result in enumerate(workers)]
    for side, number, _ in columns:
        table.add_column(f"{side}\nworker {number + 1}", justify="right", no_wrap=True)

    def row(label: str, cell: Callable[[dict[str, Any]], str]) -> None:
        table.add_row(label, *(cell(result) for _, _, result in columns))

    minutes = {"second minute": (WARM_UP, WARM_UP + 60.0), "last minute": (seconds - 60.0, seconds)}
    for name, unit, scale in (("memory", " MB", 1e-6), ("tasks", "", 1.0), ("sockets", "", 1.0)):
        for label, (begin, end) in minutes.items():
            means = [f"{mean(result, name, begin, end) * scale:.0f}{unit}" for _, _, result in columns]
            table.add_row(f"{name}, {label}", *means)
    for percentile in ("p50", "p99", "max"):
        lags = [f"{result['lag'][percentile] * 1000:.1f}" for _, _, result in columns]
        table.add_row(f"loop lag, {percentile}, ms", *lags)
    row("cores in use", lambda result: f"{result['busy']:.2f}")
    row("tasks of ours left", lambda result: str(result["left"]["tasks of ours"]))
    row("sockets left", lambda result: str(result["left"]["sockets"]))
    console.print(table)
    ended: Counter[str] = sum((Counter(result["counts"]) for result in results[OURS]), Counter())
    console.print(", ".join(f"{name} {count:,}" for name, count in ended.most_common()))
    for side, _, result in columns:
        for broken, times in Counter(result["broken"]).most_common():
            console.print(f"{side}: {broken} ({times} times)", markup=False)


def main() -> int:
    """Runs it all; returns 1 if an invariant was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--collect", action="store_true", help="leave the SDK's gc.collect() as it is")
    parser.add_argument("--json", type=Path, help="write what was measured there")
    parser.add_argument("--child", choices=(OURS, BARE), help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        child(options)
        return 0
    results = {side: measured(options, side) for side in (OURS, BARE)}
    shown(results, options.minutes * 60, Console(width=None if sys.stdout.isatty() else 120))
    if options.json is not None:
        options.json.write_text(json.dumps(results))
    return 1 if any(result["broken"] for result in results[OURS]) else 0


if __name__ == "__main__":
    sys.exit(main())
