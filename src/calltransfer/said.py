"""What a caller has been told while they wait, and when: they are not told the same again at once, whoever says it."""

import asyncio

from calltransfer.briefing import normalised
from calltransfer.call import Call

SAID_AGAIN_AFTER = 15.0
"""Seconds within which a caller who waits does not hear the same sentence again: twice in one breath it sounds broken."""

_TICK = 0.001
"""Seconds that a clock of floating-point numbers may be behind."""


class Said:
    """The sentences that one caller has been told while they wait: by holds, by plans, and by plans inside plans."""

    @classmethod
    def on(cls, call: Call) -> "Said":
        """The one of a call, whoever sees it."""
        said: Said = call.memory.setdefault(cls, cls())
        return said

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def note(self, text: str) -> None:
        """Notes that the caller is told `text` now, or has just been told it."""
        self._at[normalised(text)] = asyncio.get_running_loop().time()

    def too_soon(self, text: str) -> float:
        """Seconds until they may be told `text` again; 0: they may be now."""
        at = self._at.get(normalised(text))
        left = 0.0 if at is None else at + SAID_AGAIN_AFTER - asyncio.get_running_loop().time()
        return left if left > _TICK else 0.0
