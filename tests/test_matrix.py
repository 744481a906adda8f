"""Whoever does what, and whatever goes wrong: the invariants hold. `make matrix` runs every cell, this a part of them."""

import pytest

from calltransfer.testing.scenes import PLATFORMS, TARGETS
from tests.matrix import Cell, ours
from tests.warm import CALLERS

PEOPLE = [Cell(target, caller) for target in TARGETS for caller in CALLERS]
"""Every target with every caller, on a healthy platform."""

FAULTS = [
    Cell(target, caller, platform)
    for platform in PLATFORMS
    if platform != "healthy"
    for target, caller in (
        ("accepts", "stays"),
        ("declines", "speaks over everything"),
    )
]
"""Every fault of the platform, with those who make the most of it."""

FOUND = [
    Cell("declines", "hangs up after yes", "readings slow"),
    Cell("accepts", "speaks over everything", "switch accepted, then fails"),
]
"""What was wrong once, and is in none of the others: a hang-up that takes long to read, and a target who is
moved to a caller who is speaking."""


@pytest.mark.parametrize(
    "cell", [*PEOPLE, *FAULTS, *FOUND], ids=lambda cell: f"{cell.target}-{cell.caller}-{cell.platform}"
)
def test_the_invariants_hold(cell: Cell) -> None:
    """Nobody is stranded, no leg is left, nothing untrue is reported, nobody is connected unasked, and all ends in time."""
    assert [] == list(ours(cell).broken)
