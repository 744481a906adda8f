"""Ring groups of ten targets at random, a thousand of them: nobody is left on a line, whatever happens.

    python benchmarks/rings.py [--runs 1000] [--seed 0]

Each is the same again for the same seed: `rung(seed)` of tests/rings.py.
"""

import argparse
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # tests/ is beside src/, and in no package that is installed

from tests.rings import Rung, rung  # noqa: E402


def quiet() -> None:
    """Everything goes wrong here: what is said of it is not worth reading."""
    logging.disable()


def main() -> int:
    """Runs them all; fails when anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first")
    options = parser.parse_args()
    began = time.monotonic()
    outcomes: Counter[str] = Counter()
    broken = dialled = told = 0
    seeds = range(options.seed, options.seed + options.runs)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), quiet, maxtasksperchild=50) as pool:
        for seed, one in zip(seeds, pool.imap(rung, seeds), strict=True):
            outcomes[str(one.outcome)] += 1
            dialled += one.dialled
            told += one.told_taken
            broken += bool(one.broken)
            _show(seed, one)
    ends = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    print(f"{options.runs} groups of ten in {time.monotonic() - began:.0f} s: {ends}")
    print(
        f"{dialled} targets dialled, {told} told that somebody else had taken the call; {broken} groups broke something"
    )
    return int(broken > 0)


def _show(seed: int, one: Rung) -> None:
    for line in one.broken:
        print(f"seed {seed}: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
