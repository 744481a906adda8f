"""The agent's own words that come back on the target's line, through their phone, and are recognised as the target's."""

import asyncio
import math

from calltransfer.briefing import normalised, spaceless
from calltransfer.summary import counted

_LASTS = 3.0
"""Seconds after what the agent has said in which it may still come back and be recognised."""

_FEWEST = 3
"""Words: whoever says as many in the order in which the agent does is the agent."""


class Echo:
    """Tells what the agent says from what the target does.

    Attributes:
        in_doubt: Whether something was taken for an echo that may have been the target's answer.
    """

    def __init__(self) -> None:
        self.in_doubt = False
        self._said = ""
        self._until = -math.inf

    def begins(self, text: str) -> None:
        """The agent begins to say this."""
        self._said, self._until = text, math.inf

    def ends(self) -> None:
        """It has been said."""
        self._until = asyncio.get_running_loop().time() + _LASTS

    def of(self, text: str, *, summary: str) -> bool:
        """Whether what was heard is the agent's.

        Args:
            text: What was heard.
            summary: What is being told of the call just now, in which the caller may be quoted; empty when nothing is.
        """
        heard = normalised(text)
        if not heard or asyncio.get_running_loop().time() > self._until:
            return False
        if counted(heard) >= _FEWEST and _has_words(normalised(self._said), heard):
            return True
        # A word or two, or words in another order, may be the target's. While a summary is spoken that has them, they
        # may be the caller's, and decide nothing: the question is asked once more.
        told = normalised(summary)
        words = [heard] if spaceless(heard) else heard.split()
        doubtful = bool(told) and "?" not in text and all(_has_words(told, word) for word in words)
        self.in_doubt = self.in_doubt or doubtful
        return doubtful


def _has_words(text: str, words: str) -> bool:
    return words in text if spaceless(words) else f" {words} " in f" {text} "
