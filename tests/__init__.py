"""The tests of calltransfer."""

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

KEPT: Final = ROOT / ".venv" / ".cache"
"""Where what tools keep from run to run is kept: nothing else in a checkout has to be writable."""

A_HANG: Final = 300.0
"""Seconds of the wall clock that nothing takes on the busiest machine, unless it hangs."""

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(KEPT / "hypothesis"))
