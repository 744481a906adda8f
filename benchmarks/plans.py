"""What a plan costs beside the strategies in it: one sandbox, the same latencies, one run.

    python benchmarks/plans.py [--rounds 5]

Everything runs on the wall clock and over loopback sockets. What counts are the ratios: absolute times are this machine's.
"""

import argparse
import asyncio
import logging
import statistics
import sys
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table
from videosdk.agents import Agent

from calltransfer import (
    Fallback,
    Phase,
    RingGroup,
    TransferEvent,
    TransferMixin,
    TransferStrategy,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Sandbox, Script

FIRST, SECOND = "+14155550199", "+14155550188"
GROUP = [f"+1415555{2000 + place}" for place in range(10)]
LATENCY = 0.15
AT_MOST = 0.050
"""Seconds of our own from the end of one attempt to the dial of the next."""


class PlanningAgent(TransferMixin, Agent):
    """Notes when what happened, on the loop's clock."""

    def __init__(self, strategy: TransferStrategy) -> None:
        self.seen: list[tuple[float, TransferEvent]] = []
        super().__init__(
            instructions="You help.",
            transfers=strategy,
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("Hello.")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Notes it."""
        self.seen.append((asyncio.get_running_loop().time(), event))

    def when(self, phase: Phase) -> float:
        """When something happened first."""
        return next(at for at, event in self.seen if event.phase is phase)


@attrs.frozen
class End:
    """How the first attempt of a plan ends, and by which event that is known."""

    name: str
    person: dict[str, Any]
    known_by: Phase


ENDS = (
    End("declined", {"says": "no thanks"}, Phase.DECIDED),
    End("busy", {"refuses_after": 1.0}, Phase.ATTEMPTED),
    End("did not answer", {"answers_after": None}, Phase.ATTEMPTED),
)


async def gap(end: End) -> float:
    """Seconds from the end of one attempt to the dial of the next."""
    plan = Fallback(WarmTransfer(FIRST, ring_timeout=3.0), WarmTransfer(SECOND))
    async with Sandbox(latency=LATENCY) as sandbox:
        sandbox.person(FIRST, **{"answers_after": 1.0, **end.person})
        sandbox.person(SECOND, says="yes please")
        caller = await sandbox.call(lambda: PlanningAgent(plan), model=Script([], summary="A refund."))
        await caller.agent.transfer("human")
        _, dialled = (r.at for r in sandbox.requests if (r.method, r.path) == ("POST", "/v2/sip/call"))
        return float(dialled - caller.agent.when(end.known_by))


async def connecting(strategy: TransferStrategy) -> tuple[float, float]:
    """Seconds from a yes to the connection, and until everybody else is released."""
    async with Sandbox(latency=LATENCY) as sandbox:
        for number in GROUP:
            sandbox.person(number, answers_after=1.5)
        sandbox.person(GROUP[0], answers_after=1.0, says="yes please")
        caller = await sandbox.call(lambda: PlanningAgent(strategy), model=Script([], summary="A refund."))
        transferring = asyncio.create_task(caller.agent.transfer("human"))
        connected = await caller.sees("switch-room-completed")
        yes = caller.agent.when(Phase.DECIDED)
        await transferring
        return connected - yes, caller.agent.when(Phase.FINISHED) - yes


async def measured(rounds: int) -> dict[str, Any]:
    """Everything, side by side in each round."""
    gaps: dict[str, list[float]] = {end.name: [] for end in ENDS}
    alone, grouped, released = [], [], []
    for _ in range(rounds):
        for end in ENDS:
            gaps[end.name].append(await gap(end))
        alone.append((await connecting(WarmTransfer(GROUP[0])))[0])
        of_group, all_released = await connecting(RingGroup(WarmTransfer(), targets=GROUP))
        grouped.append(of_group)
        released.append(all_released)
    return {
        "gaps": {name: statistics.median(values) for name, values in gaps.items()},
        "alone": statistics.median(alone),
        "group": statistics.median(grouped),
        "released": statistics.median(released),
    }


def main() -> int:
    """Runs it all; fails when a plan takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for name in ("videosdk", "calltransfer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    results = asyncio.run(measured(options.rounds))

    console = Console()
    table = Table(title=f"Medians of {options.rounds} rounds; each request takes {LATENCY:g} s", title_justify="left")
    for column in ("the first target", "to the next dial", "the request for its room", "our own", "ratio"):
        table.add_column(column, justify="left" if column == "the first target" else "right")
    for name, seconds in results["gaps"].items():
        own = seconds - LATENCY
        table.add_row(name, f"{seconds:.3f}", f"{LATENCY:.3f}", f"{own:.3f}", f"{seconds / LATENCY:.2f}")
    console.print(table)
    ratio = results["group"] / results["alone"]
    console.print(
        f"From a yes to the connection: {results['group']:.3f} s in a group of ten, {results['alone']:.3f} s alone, ratio "
        f"{ratio:.2f}; the other nine are released, each with a sentence, {results['released']:.1f} s after the yes."
    )
    return int(any(seconds - LATENCY > AT_MOST for seconds in results["gaps"].values()))


if __name__ == "__main__":
    sys.exit(main())
