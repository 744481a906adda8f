"""Every target, caller and platform of the tests' matrix in a warm transfer: ours in each, the SDK's own in one row each.

    python benchmarks/matrix.py [--write docs/explanation/matrix.md] [--jobs 2]

Ours runs the full product on fast-forwarded time, and every cell is held to the invariants; the exit code is 1 if one
broke. The SDK's own warm transfer runs in real time, once for each target, each caller and each platform.
"""

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from videosdk.agents import Agent, function_tool
from videosdk.agents.warm_transfer import SIPDestination, WarmTransferConfig

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the matrix is: with the tests

from tests.matrix import AXES, Cell, Row, ours, time_of
from tests.warm import ANSWER, ASKS, CALLERS, CONNECTING, REASON, SORRY, SUMMARY, SUPERVISOR

from calltransfer.sandbox import Caller, Calls, HangsUp, Sandbox, Script
from calltransfer.testing.scenes import PLATFORMS, TARGETS, breaks

# The SDK's

JOIN_TIMEOUT = 10.0
"""Seconds the SDK waits for the target; its own default is 120."""

BRIEFING_TIMEOUT = 20.0
"""Seconds the SDK waits for a decision, from the target's audio on; its own default is 180."""

LIMIT = 45.0
"""Seconds after the tool call when the SDK is not waited for any longer."""

SETTLED = 2.0
"""Seconds in which nothing happens on any line once the SDK has reported."""

MACHINE = ("leave a message", "press one")


class SDKAgent(Agent):
    """Transfers with the SDK's own warm transfer, from a tool, as its documentation shows."""

    def __init__(self) -> None:
        super().__init__(instructions="You are the customer-care agent of ConnectTel.")
        self.called_at: float | None = None
        self.reported = ""
        self.ended_at: float | None = None
        self.ended = asyncio.Event()
        self._phases: dict[str, asyncio.Event] = {}

    async def on_enter(self) -> None:
        """Greets the caller."""
        self.session.on("warm_transfer", self._note)
        await self.session.say("Hello, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""

    def _note(self, data: dict[str, Any]) -> None:
        self._event(data["phase"].value).set()

    def _event(self, phase: str) -> asyncio.Event:
        return self._phases.setdefault(phase, asyncio.Event())

    async def until(self, phase: str) -> None:
        """Waits until the SDK has said that something has happened."""
        await self._event(phase).wait()

    @function_tool
    async def transfer_call(self, destination: str = "", reason: str = "") -> str:
        """Passes the caller on to a supervisor."""
        now = asyncio.get_running_loop().time
        self.called_at = now()
        try:
            result = await self.session.warm_transfer(
                WarmTransferConfig(
                    destination=SIPDestination("rr_1", SUPERVISOR, "+14155550100"),
                    supervisor_join_timeout=JOIN_TIMEOUT,
                    briefing_timeout=BRIEFING_TIMEOUT,
                )
            )
            self.reported = "success" if result.success else str(result.error)
        except BaseException as error:
            self.reported = f"raises {type(error).__name__}"
            raise
        finally:
            self.ended_at = now()
            self.ended.set()
        return "Done."


def briefs(last: str) -> str | Calls:
    """A model that does what the SDK's briefing asks of it."""
    if "Narrate the call summary" in last:
        return f"{SUMMARY} Would you like to take the call?"
    if any(phrase in last for phrase in MACHINE):
        return Calls("voicemail_detected")
    if last.startswith("yes"):
        return Calls("done_briefing")
    if last.startswith("no"):
        return Calls("decline_transfer", {"reason": last})
    return ANSWER if last.startswith("who") else ""


async def _sdk_transfers(cell: Cell, send: Callable[[Row], None]) -> None:
    async with Sandbox() as sandbox:
        person = {"answers_after": 4.0, **TARGETS[cell.target]}
        if cell.target == "answers at the edge":
            person["answers_after"] = JOIN_TIMEOUT - 0.1
        elif cell.target == "hangs up in the greeting":
            person["says"] = [HangsUp(when="Hi,", after=0.1)]
        sandbox.person(SUPERVISOR, **person)
        caller = await sandbox.call(
            SDKAgent,
            model=Script([[CONNECTING, Calls("transfer_call", {"reason": REASON})], SORRY], summary=SUMMARY),
            consultation_model=Script(
                itertools.repeat(briefs),
                summary=lambda text: "yes" if any(phrase in text for phrase in MACHINE) else "no",
            ),
        )
        breaks(sandbox, cell.platform)
        # The SDK may block the loop for ever, or a thread that nobody can end.
        watchdog = threading.Timer(LIMIT, lambda: send(_sdk_row(cell, sandbox, caller)))
        watchdog.daemon = True
        watchdog.start()
        whoever_is_dialled = asyncio.ensure_future(_target(caller, sandbox, cell))
        whoever_calls = asyncio.ensure_future(_caller(caller, sandbox, cell))
        await caller.say(ASKS)
        await caller.agent.ended.wait()
        whoever_calls.cancel()
        whoever_is_dialled.cancel()
        while await caller.something_happens_within(SETTLED):
            pass
        send(_sdk_row(cell, sandbox, caller))


async def _caller(caller: Caller, sandbox: Sandbox, cell: Cell) -> None:
    agent: SDKAgent = caller.agent
    match cell.caller:
        case "hangs up before dial":
            await agent.until("started")
            await caller.hang_up()
        case "hangs up ringing":
            target = await sandbox.target(SUPERVISOR)
            await target.sees("ringing")
            await caller.hang_up()
        case "hangs up in the briefing":
            await agent.until("briefing_started")
            await asyncio.sleep(1.0)
            await caller.hang_up()
        case "hangs up after yes":
            await agent.until("briefing_complete")
            await caller.hang_up()
        case "hangs up during the switch":
            await caller.sees("switch-room-initiated")
            await caller.hang_up()
        case "speaks over everything":
            await agent.until("caller_on_hold")
            while True:
                await caller.say("is anybody there at all")
        case "presses the key":
            await agent.until("caller_on_hold")
            await asyncio.sleep(3.0)
            await caller.press("*")


async def _target(caller: Caller, sandbox: Sandbox, cell: Cell) -> None:
    if cell.target == "hangs up during the switch":
        await caller.sees("switch-room-initiated")
        await sandbox.targets[-1].hang_up()


def _sdk_row(cell: Cell, sandbox: Sandbox, caller: Caller) -> Row:
    agent: SDKAgent = caller.agent
    called_at = agent.called_at or 0.0
    ended_at = agent.ended_at or called_at + LIMIT
    until = min(ended_at, time_of(caller, "ended"))
    return Row(
        cell=cell,
        reported=agent.reported or f"nothing in {LIMIT:g} s",
        caller=caller.connected_to,
        silence=caller.longest_silence(called_at, until) if until > called_at else 0.0,
        orphan=any(not target.leg.over and target.connected_to != caller.number for target in sandbox.targets),
        took=ended_at - called_at,
    )


def _sdk_process(cell: Cell, answers: Connection) -> None:
    logging.disable(logging.CRITICAL)

    def send(row: Row) -> None:
        answers.send(row)
        os._exit(0)  # whatever still hangs

    try:
        asyncio.run(_sdk_transfers(cell, send))
    except BaseException as error:
        send(Row(cell=cell, reported=f"not run: {type(error).__name__}: {error}", caller=""))


def sdk(cell: Cell) -> Row:
    """The SDK's own warm transfer in one cell, in real time and in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    answers, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_sdk_process, args=(cell, theirs))
    process.start()
    theirs.close()
    try:
        row: Row = answers.recv()
    except EOFError:
        row = Row(cell=cell, reported="not run: its process ended", caller="")
    process.join()
    return row


# The table


def table(cells: Sequence[Row], sdk_rows: Iterable[Row]) -> str:
    """Ours against the SDK's, as Markdown."""
    our_row = {row.cell: row for row in cells}
    sdk_row = {row.cell: row for row in sdk_rows}
    lines = []
    for axis, row_cells in AXES.items():
        lines += [
            f"| {axis} | ours | caller with | silence | broken | SDK | caller with | orphan leg | silence |",
            "|---|---|---|--:|--:|---|---|---|--:|",
        ]
        for cell in row_cells:
            name = getattr(cell, axis)
            all_cells = [row for row in cells if getattr(row.cell, axis) == name]
            count = sum(bool(row.broken) for row in all_cells)
            ours_here, sdk_here = our_row[cell], sdk_row[cell]
            columns = [
                name,
                ours_here.reported,
                _role(ours_here.caller),
                f"{ours_here.silence:.1f} s",
                f"{count} of {len(all_cells)}",
                sdk_here.reported,
                _role(sdk_here.caller),
                "yes" if sdk_here.orphan else "no",
                f"{sdk_here.silence:.1f} s",
            ]
            lines.append(f"| {' | '.join(columns)} |")
        lines.append("")
    return "\n".join(lines)


def _role(connected_to: str) -> str:
    return {SUPERVISOR: "target"}.get(connected_to, connected_to)


def page(cells: Sequence[Row], sdk_rows: Sequence[Row]) -> str:
    """The page of the documentation."""
    count = sum(bool(row.broken) for row in cells)
    not_released = sum(row.orphan for row in cells)
    return f"""# What can go wrong in a warm transfer

How a warm transfer ends when target, caller and platform each do something else. {len(TARGETS)} targets,
{len(CALLERS)} callers and {len(PLATFORMS)} platforms make **{len(cells):,} warm transfers**, and every one is held to
[what always holds](invariants.md): **{count} broke an invariant**. The longest took {_longest(cells):.0f} s to its end.

Each row below is one target, caller or platform with the other two at their usual: a target who accepts, a caller who
stays, a healthy platform. "Broken" counts all cells of the product with that row. Beside it stands the SDK's own
`session.warm_transfer` in the same situation. "Silence" is the longest time without any sound for the caller, from the
model's tool call to the report (ours: until they have been told), or until they hung up; "orphan leg" says whether a
phone that was dialled was left ringing, or its owner alone on the line.

Written by `make matrix` on the [sandbox](../guides/sandbox.md): ours on fast-forwarded time, the SDK unpatched and in
real time, with the timeouts that it leaves to its user at {JOIN_TIMEOUT:g} s for the target to join (not 120) and
{BRIEFING_TIMEOUT:g} s for the briefing (not 180), so that "answers at the edge" answers after {JOIN_TIMEOUT - 0.1:g} s
there and 24.9 s here. A request that hangs or is refused stays so to the end: in {not_released} cells the platform ends
a leg by no means, which is reported as `NOT_RELEASED` and left to the limits it was dialled with.

[Outcomes and events](../reference/outcomes.md) says what each outcome means, [How a transfer works](how-it-works.md)
what happened before it, and [Compared with others](comparison.md) what is wrong in the SDK's column, one by one.

{table(cells, sdk_rows)}
{_broken_cells(cells)}"""


def _broken_cells(cells: Iterable[Row]) -> str:
    """The cells that broke, as a section of the page."""
    rows = [row for row in cells if row.broken]
    if not rows:
        return ""
    listed = "\n".join(
        f"| {row.cell.target} | {row.cell.caller} | {row.cell.platform} | {row.reported} | {'; '.join(row.broken)} |"
        for row in rows
    )
    return f"""## What broke

| target | caller | platform | ours | broken |
|---|---|---|---|---|
{listed}"""


def _longest(cells: Iterable[Row]) -> float:
    return max(row.took for row in cells)


def main() -> int:
    """Runs it all; returns 1 if a cell of ours broke an invariant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", type=Path, help="write the page of the documentation there")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes for ours; the SDK's has four times as many"
    )
    options = parser.parse_args()

    product = [Cell(*names) for names in itertools.product(TARGETS, CALLERS, PLATFORMS)]
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as processes:
        cells = list(_counted("ours", processes.map(ours, product, chunksize=20), len(product)))
    alone = list(dict.fromkeys(cell for row_cells in AXES.values() for cell in row_cells))
    with ThreadPoolExecutor(4 * options.jobs) as threads:
        sdk_rows = list(_counted("SDK", threads.map(sdk, alone), len(alone)))

    print(table(cells, sdk_rows))
    found = [row for row in cells if row.broken]
    for row in found:
        print(f"{row.cell.target} / {row.cell.caller} / {row.cell.platform} ({row.reported}): {'; '.join(row.broken)}")
    print(f"{len(cells)} cells, {len(found)} broken")
    if options.write is not None:
        options.write.write_text(page(cells, sdk_rows).rstrip() + "\n")
    return 1 if found else 0


def _counted(name: str, rows: Iterable[Row], total: int) -> Iterator[Row]:
    for count, row in enumerate(rows, start=1):
        if sys.stderr.isatty():
            print(f"\r{name}: {count} of {total}", end="" if count < total else "\n", file=sys.stderr, flush=True)
        yield row


if __name__ == "__main__":
    sys.exit(main())
