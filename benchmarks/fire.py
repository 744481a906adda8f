"""Calls under fire, for long: what is found is told as a program that has it again, and as a timeline.

    python benchmarks/fire.py [--minutes 10] [--seed 1] [--jobs 2]

Each job is a process that makes batches of calls, one after the other, each from a seed of its own: `--seed 1`, the
number of the job, and that of the batch. `--replay 1-0-17` makes one batch again.
"""

import argparse
import itertools
import json
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the machine is: with the tests

from tests.fire import PhoneCall

from calltransfer.testing import INVARIANTS

BATCH = 50
STEPS = 25
_SETTINGS = settings(
    max_examples=BATCH,
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Counted(PhoneCall):
    """A call of which a broken invariant is kept, and that goes on."""

    found: ClassVar[list[str]] = []

    def failed(self) -> None:
        """Nothing, until the call is over."""

    def teardown(self) -> None:
        """Keeps what did not hold."""
        super().teardown()
        if self.witness.broken:
            self.found.append("\n".join(self.told()))


def batch(name: str) -> list[str]:
    """Makes the calls of one batch; returns what was found in them."""
    Counted.found.clear()
    run_state_machine_as_test(seed(name)(type("Batch", (Counted,), {})), settings=_SETTINGS)
    return [f"seed {name}\n{found}" for found in Counted.found]


def job(first: str, until: float) -> dict[str, Any]:
    """What the process of one job does."""
    quiet()
    found: list[str] = []
    for number in itertools.count():
        if time.time() > until:
            break
        found += batch(f"{first}-{number}")
    return {"counts": PhoneCall.counts, "broken": PhoneCall.broken, "found": found}


def quiet() -> None:
    """Everything goes wrong here: what is logged of it is not worth reading."""
    logging.getLogger("videosdk").setLevel(logging.CRITICAL)
    logging.getLogger("calltransfer").propagate = False


def main() -> int:
    """Runs it all; returns 1 if a call broke an invariant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", help="the seed of one batch, as it was printed")
    parser.add_argument("--json", type=Path, help="write the counts there")
    options = parser.parse_args()

    if options.replay:
        quiet()
        found = batch(options.replay)
        print("\n\n".join(found) or "nothing was found")
        return 1 if found else 0

    began = time.time()
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as processes:
        firsts = [f"{options.seed}-{number}" for number in range(options.jobs)]
        results = list(processes.map(job, firsts, [began + options.minutes * 60] * options.jobs))
    counts: Counter[str] = sum((result["counts"] for result in results), Counter())
    broken: Counter[str] = sum((result["broken"] for result in results), Counter())
    for found in (found for result in results for found in result["found"]):
        print(found, end="\n\n")
    seconds = time.time() - began
    print(
        f"seed {options.seed}: {counts['calls']:,} calls in {seconds:.0f} s ({counts['calls'] / seconds:.1f} a second, "
        f"{options.jobs} processes), {counts['steps']:,} steps, {counts['faults']:,} faults, "
        f"{counts['transfers']:,} transfers"
    )
    ended = sorted(((name, count) for name, count in counts.items() if name.startswith("ended ")), key=lambda e: -e[1])
    print("transfers that " + ", ".join(f"{name} {count:,}" for name, count in ended))
    for invariant in INVARIANTS:
        print(f"  {invariant:<22}{broken[invariant]:>5} calls broke it")
    if options.json:
        options.json.write_text(json.dumps({"seconds": seconds, "counts": counts, "broken": broken}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
