"""DirectTransfer beside the SDK's own session.call_transfer: one sandbox, the same latency, one run.

    python benchmarks/direct.py [--rounds 5] [--json bench.json]

Everything runs on the wall clock and over loopback sockets. What counts are the ratios: absolute times are this machine's.
"""

import argparse
import asyncio
import itertools
import json
import logging
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table
from videosdk.agents import Agent, function_tool

from calltransfer import DirectTransfer, Route, TransferMixin
from calltransfer.sandbox import Caller, Calls, Sandbox

BILLING = "+14155550123"
LATENCY = 0.15
SENTENCE = "Sure, I am connecting you to our billing department now."
TRANSFER = "/v2/sip/call/transfer"


class OursAgent(TransferMixin, Agent):
    """Transfers with DirectTransfer."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You help.",
            transfers=[Route("billing", DirectTransfer(BILLING), when="the caller asks about an invoice")],
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("Hello.")

    async def on_exit(self) -> None:
        """Nothing to do."""

    async def pass_on(self) -> str:
        """From code: how it ended."""
        return str((await self.transfer("billing")).outcome)


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
        """Transfers the call, as the platform's example does."""
        await self.pass_on()
        return {"status": "transferring"}

    async def pass_on(self) -> str:
        """From code: what it reports."""
        return str(await self.session.call_transfer(BILLING))


@attrs.frozen
class Side:
    """One of the two that are compared, and what its model does in a spoken turn."""

    name: str
    agent: type
    model: list[Any]


TOOL = Calls("transfer_call", {"destination": "billing", "reason": "an invoice"})
OURS = Side("DirectTransfer", OursAgent, [TOOL, SENTENCE])
SDK = Side("session.call_transfer", SDKAgent, [[SENTENCE + " ", TOOL], ""])


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


@asynccontextmanager
async def watched() -> AsyncIterator[LoopStall]:
    """Measures the loop's longest stall in the block."""
    stall = LoopStall()
    watching = asyncio.create_task(stall.watch())
    try:
        yield stall
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def longest_gap(frames: list[float], since: float, until: float) -> float:
    """The longest time between two frames of the agent's audio, beyond the 20 ms of a frame."""
    played = [at for at in frames if since <= at <= until]
    return max((b - a - 0.02 for a, b in itertools.pairwise(played)), default=0.0)


async def when(caller: Caller, sandbox: Sandbox, path: str) -> float:
    """When the platform received a request; on the clock that both loops share."""
    async with asyncio.timeout(20):
        while True:
            received = [request.at for request in sandbox.requests if request.path == path]
            if received:
                return received[0]
            await caller.something_happens_within(0.05)


async def spoken(side: Side) -> dict[str, float]:
    """The caller asks, the model speaks and calls its tool."""
    async with Sandbox(latency=LATENCY) as sandbox:
        sandbox.person(BILLING, answers_after=0.5)
        caller = await sandbox.call(side.agent, model=side.model)
        await caller.say("I have a question about my invoice")
        async with watched() as stall:
            decided = await decision(caller)
            await caller.sees("transfer-ringing", timeout=20)
        ringing = asyncio.get_running_loop().time()
        forwarded = await when(caller, sandbox, TRANSFER)
        await caller.sees("transferred", timeout=20)
        sentence = caller.heard[-1]
        after = [r for r in sandbox.requests if sentence.ended <= r.at <= forwarded]
        return {
            "requests_decision_to_forward": sum(decided <= r.at <= forwarded for r in sandbox.requests),
            "requests_sentence_to_forward": len(after),
            "sentence_to_forward": forwarded - sentence.ended,
            "sentence_heard_before_forward": float(sentence.ended <= forwarded and sentence.text.endswith("now.")),
            "loop_stall": stall.longest,
            "audio_gap": longest_gap(sandbox.frames_played_at, decided - 0.1, ringing),
        }


async def decision(caller: Caller) -> float:
    """When the model called its tool."""
    loop = asyncio.get_running_loop()
    called: asyncio.Future[float] = loop.create_future()
    generation = caller.session.pipeline.orchestrator.content_generation

    def tool_called(_data: Any) -> None:
        if not called.done():
            called.set_result(loop.time())

    generation.on("tool_called", tool_called)
    async with asyncio.timeout(20):
        return await called


async def from_code(side: Side) -> dict[str, float]:
    """The author's code transfers a caller while nobody speaks: from the decision to the forward."""
    async with Sandbox(latency=LATENCY) as sandbox:
        sandbox.person(BILLING, answers_after=0.5)
        caller = await sandbox.call(side.agent)
        await caller.talking_to(settled_for=1.0)
        decided = asyncio.get_running_loop().time()
        transferring = asyncio.create_task(caller.agent.pass_on())
        forwarded = await when(caller, sandbox, TRANSFER)
        await transferring
        return {"decision_to_forward": forwarded - decided}


FAILURES: dict[str, Callable[[Sandbox, Caller], Awaitable[None] | None]] = {
    "HTTP 404": lambda sandbox, _: _fault(sandbox, status=404),
    "HTTP 500": lambda sandbox, _: _fault(sandbox, status=500),
    "connection reset": lambda sandbox, _: _fault(sandbox, reset=True),
    "answer is no JSON": lambda sandbox, _: _fault(sandbox, body="<html>"),
    "call is not listed": lambda sandbox, _: _fault(sandbox, "GET", "/call", body='{"data": []}'),
    "caller has hung up": lambda _, caller: caller.hang_up(),
    "carrier refuses later": lambda _sandbox, _caller: None,
    "answer lost, yet connected": lambda sandbox, _: _connected(sandbox),
}


def _fault(sandbox: Sandbox, method: str = "POST", path: str = TRANSFER, **how: Any) -> None:
    sandbox.fault(method, path, **how)


def _connected(sandbox: Sandbox) -> None:
    sandbox.person(BILLING, answers_after=0.5)
    sandbox.fault("POST", TRANSFER, reset=True, acted=True)


async def reported(side: Side, failure: str) -> str:
    """What is reported of a transfer that does not go as it should."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(side.agent)
        agent = caller.agent
        await caller.talking_to(settled_for=0.5)
        breaking = FAILURES[failure](sandbox, caller)
        if breaking is not None:
            await breaking
        return str(await agent.pass_on())


def import_cost() -> dict[str, float]:
    """Seconds to import the SDK alone, and with all of ours."""

    def seconds(code: str) -> float:
        timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
        runs = [
            float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)  # noqa: S603
            for _ in range(5)
        ]
        return statistics.median(runs)

    alone = seconds("import videosdk.agents")
    return {
        "import_sdk": alone,
        "import_sdk_and_calltransfer": seconds("import videosdk.agents, calltransfer"),
        "import_sdk_and_all_of_calltransfer": seconds(
            "import videosdk.agents; from calltransfer import TransferMixin, VideoSDKPlatform"
        ),
    }


async def measured(rounds: int) -> dict[str, Any]:
    """Both sides, in turn."""
    results: dict[str, Any] = {"latency": LATENCY, "rounds": rounds, "sides": {}, "failures": {}}
    samples: dict[str, list[dict[str, float]]] = {side.name: [] for side in (OURS, SDK)}
    for _ in range(rounds):
        for side in (OURS, SDK):
            samples[side.name].append({**await spoken(side), **await from_code(side)})
    for name, runs in samples.items():
        results["sides"][name] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    for failure in FAILURES:
        results["failures"][failure] = {side.name: await reported(side, failure) for side in (OURS, SDK)}
    return results


ROWS = [
    ("requests, decision to forward", "requests_decision_to_forward", "{:.0f}"),
    ("requests, end of the sentence to forward", "requests_sentence_to_forward", "{:.0f}"),
    ("the sentence was heard before the forward", "sentence_heard_before_forward", "{:.0f}"),
    ("end of the sentence to forward, s", "sentence_to_forward", "{:+.3f}"),
    ("decision to forward, from code, s", "decision_to_forward", "{:.3f}"),
    ("longest stall of the event loop, s", "loop_stall", "{:.4f}"),
    ("longest gap in the agent's audio, s", "audio_gap", "{:.4f}"),
]


def shown(results: dict[str, Any], console: Console) -> None:
    """Prints the tables."""
    ours, sdk = (results["sides"][side.name] for side in (OURS, SDK))
    table = Table(
        title=f"Medians of {results['rounds']} rounds; each request takes {LATENCY:g} s", title_justify="left"
    )
    for column in ("", OURS.name, SDK.name, "ratio"):
        table.add_column(column, justify="right" if column else "left")
    for label, key, form in ROWS:
        ratio = f"{ours[key] / sdk[key]:.3f}" if sdk[key] > 0 and ours[key] >= 0 else "-"
        table.add_row(label, form.format(ours[key]), form.format(sdk[key]), ratio)
    console.print(table)

    table = Table(title="What is reported when it does not go well", title_justify="left")
    for column in ("", OURS.name, SDK.name):
        table.add_column(column)
    for failure, reports in results["failures"].items():
        table.add_row(failure, reports[OURS.name], reports[SDK.name])
    console.print(table)

    cost = results["import"]
    more = cost["import_sdk_and_calltransfer"] - cost["import_sdk"]
    all_more = cost["import_sdk_and_all_of_calltransfer"] - cost["import_sdk"]
    console.print(
        f"import videosdk.agents: {cost['import_sdk']:.2f} s; import calltransfer adds {max(0.0, more) * 1000:.0f} ms, "
        f"and with everything that needs the SDK {max(0.0, all_more) * 1000:.0f} ms"
    )


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    for name in ("videosdk", "calltransfer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    results = {**asyncio.run(measured(options.rounds)), "import": import_cost()}
    shown(results, Console())
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {options.json}")


if __name__ == "__main__":
    main()
