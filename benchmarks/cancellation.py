"""Ends a transfer from outside at every point at which it waits, one by one, and its clean-up at every point of that.

    python benchmarks/cancellation.py [NAME ...] [--jobs 2]

Each run is held to the invariants as the network sees them; the exit code is 1 if one broke. NAME is a part of a
scenario's name: without one, it is all of them.
"""

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the instrument is: with the tests

from tests.cancelling import SCENARIOS, Blow, ends, ends_of_clean_up, run

_CHUNK = 16

Job = tuple[str, tuple[Blow, ...], bool]


def _ended(job: Job) -> list[str]:
    name, blows, again = job
    became = run(SCENARIOS[name], blows, again=again)
    missed = ["the instrument: a point was not come to again"] if became.struck < len(blows) else []
    return [*became.broken, *missed]


def _jobs(name: str) -> tuple[int, list[Job]]:
    """How many points a scenario has, and its runs; every fourth goes on to a second transfer."""
    scenario = SCENARIOS[name]
    points = run(scenario).points[0]
    blows = [*ends(scenario, points), *ends_of_clean_up(scenario, points)]
    return len(points), [(name, each, number % 4 == 0) for number, each in enumerate(blows)]


def main() -> int:
    """Runs it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    names = [name for name in SCENARIOS if all(part in name for part in arguments.names)]
    began, totals = time.monotonic(), [0, 0, 0]
    print(f"{'':<48}{'points':>8}{'runs':>8}{'broke':>8}{'seconds':>9}")
    with ProcessPoolExecutor(arguments.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for name, (points, jobs) in zip(names, pool.map(_jobs, names), strict=True):
            since = time.monotonic()
            outcomes = zip(jobs, pool.map(_ended, jobs, chunksize=_CHUNK), strict=True)
            broken = [(blows, found) for (_, blows, _), found in outcomes if found]
            counts = (points, len(jobs), len(broken))
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            print(f"{name:<48}" + "".join(f"{count:>8}" for count in counts) + f"{time.monotonic() - since:>9.0f}")
            for blows, found in broken:
                print("    " + "; then ".join(str(blow) for blow in blows))
                print("".join(f"        {each}\n" for each in found), end="", flush=True)
    print(f"{'all':<48}" + "".join(f"{total:>8}" for total in totals) + f"{time.monotonic() - began:>9.0f}")
    return 1 if totals[2] else 0


if __name__ == "__main__":
    sys.exit(main())
