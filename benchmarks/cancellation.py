"""Ends a transfer from outside at every point at which it waits, one by one, and its clean-up at every point of that.

    python benchmarks/cancellation.py [NAME ...] [--jobs 2]

Each run is held to the invariants as the network sees them; the exit code is 1 if one broke. NAME is a part of a
scenario's name: without one, it is all of them.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the instrument is: with the tests

from tests.cancelling import SCENARIOS, Blow, ends, ends_of_clean_up, run

_CHUNK = 16
_CHUNKS_OF_A_PROCESS = 40
"""After which it is a new one: the SDK keeps something of every session."""

Job = tuple[str, tuple[Blow, ...], bool]


def _ended(job: Job) -> list[str]:
    name, blows, again = job
    became = run(SCENARIOS[name], blows, again=again)
    missed = ["the instrument: a point was not come to again"] if became.struck < len(blows) else []
    return [*became.broken, *missed]


def _blows(name: str) -> tuple[int, list[tuple[Blow, ...]]]:
    """How many points a scenario has, and how it is ended there."""
    scenario = SCENARIOS[name]
    points = run(scenario).points[0]
    return len(points), [*ends(points), *ends_of_clean_up(scenario, points)]


def _jobs(name: str, blows: Sequence[tuple[Blow, ...]], known: set[tuple[str, tuple[Blow, ...]]]) -> list[Job]:
    """The runs of a scenario; every fourth goes on to a second transfer.

    A clean-up that is the same, wait for wait, as in another scenario of the strategy is not run again.
    """
    strategy = name.rpartition(", ")[0]
    new = [each for each in blows if len(each) == 1 or (strategy, each) not in known]
    known |= {(strategy, each) for each in blows}
    return [(name, each, number % 4 == 0) for number, each in enumerate(new)]


def main() -> int:
    """Runs it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    names = [name for name in SCENARIOS if all(part in name for part in arguments.names)]
    known: set[tuple[str, tuple[Blow, ...]]] = set()
    began, totals = time.monotonic(), [0, 0, 0]
    print(f"{'':<48}{'points':>8}{'runs':>8}{'broke':>8}{'seconds':>9}")
    # Not an executor: on 3.11 one that replaces its processes can wait for ever.
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, maxtasksperchild=_CHUNKS_OF_A_PROCESS) as pool:
        for name, (points, blows) in zip(names, pool.imap(_blows, names), strict=True):
            since = time.monotonic()
            jobs = _jobs(name, blows, known)
            outcomes = zip(jobs, pool.imap(_ended, jobs, chunksize=_CHUNK), strict=True)
            broken = [(job, found) for job, found in outcomes if found]
            counts = (points, len(jobs), len(broken))
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            print(
                f"{name:<48}" + "".join(f"{count:>8}" for count in counts) + f"{time.monotonic() - since:>9.0f}",
                flush=True,
            )
            for (_, blow, again), found in broken:
                print("    " + "; then ".join(map(str, blow)) + "; then again" * again)
                print("".join(f"        {each}\n" for each in found), end="", flush=True)
    print(f"{'all':<48}" + "".join(f"{total:>8}" for total in totals) + f"{time.monotonic() - began:>9.0f}")
    return 1 if totals[2] else 0


if __name__ == "__main__":
    sys.exit(main())
