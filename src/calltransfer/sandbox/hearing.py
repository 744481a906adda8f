"""What somebody on the phone hears: words, and whether there was any sound at all."""

from collections.abc import Iterator
from typing import overload

import attrs

from calltransfer.sandbox.speech import FRAME_SECONDS, Word


@attrs.define
class Heard:
    """Something that somebody on the phone heard somebody else say.

    Attributes:
        began: When its first word was over, in seconds on the loop's clock.
        ended: When its last word was over, in seconds on the same clock.
        words: The words that were played, and no others.
        utterance: Which utterance it is of.
        speaker: Who said it: "agent", or the number of another phone.
    """

    began: float
    ended: float
    words: list[str]
    utterance: int = attrs.field(repr=False)
    speaker: str = "agent"

    @property
    def text(self) -> str:
        """What was heard."""
        return " ".join(self.words)


class AllHeard:
    """Everything that somebody on the phone heard, in order; to be gone through and counted as a list is.

    Asked whether a text is in it, it says whether they heard that, in any case: `assert "refund" in target.heard`.
    """

    # No list of `Heard`: a type checker would take a text in it for a mistake.

    def __init__(self) -> None:
        self._heard: list[Heard] = []

    def __contains__(self, said: object) -> bool:
        if isinstance(said, str):
            return any(said.lower() in heard.text.lower() for heard in self._heard)
        return said in self._heard

    def __iter__(self) -> Iterator[Heard]:
        return iter(self._heard)

    def __len__(self) -> int:
        return len(self._heard)

    @overload
    def __getitem__(self, place: int) -> Heard: ...

    @overload
    def __getitem__(self, place: slice) -> list[Heard]: ...

    def __getitem__(self, place: int | slice) -> Heard | list[Heard]:
        return self._heard[place]

    def __eq__(self, other: object) -> bool:
        return self._heard == (other._heard if isinstance(other, AllHeard) else other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return repr([heard.text for heard in self._heard])

    def append(self, heard: Heard) -> None:
        """They begin to hear something."""
        self._heard.append(heard)


class Spans:
    """Stretches of time in which there was sound, in order; those that touch are one.

    Attributes:
        all: Each stretch: when it began and ended, in seconds on the loop's clock.
    """

    def __init__(self) -> None:
        self.all: list[tuple[float, float]] = []

    def add(self, begin: float, end: float) -> None:
        """Adds a stretch, that ends no earlier than the last one began."""
        # Less than half a frame between two of them is no silence: a frame was played a little late.
        slack = FRAME_SECONDS / 2
        while self.all and self.all[-1][1] >= begin - slack:
            earlier = self.all.pop()
            begin, end = min(begin, earlier[0]), max(end, earlier[1])
        self.all.append((begin, end))

    def longest_gap(self, begin: float, end: float) -> float:
        """Seconds of the longest time without sound between `begin` and `end`."""
        longest, silent_since = 0.0, begin
        for span in self.all:
            longest = max(longest, min(span[0], end) - silent_since)
            silent_since = max(silent_since, span[1])
        return max(longest, end - silent_since)

    def within(self, begin: float, end: float) -> float:
        """Seconds with sound between `begin` and `end`."""
        return sum(max(0.0, min(span[1], end) - max(span[0], begin)) for span in self.all)


@attrs.define
class Ear:
    """Everything that was audible to somebody on the phone."""

    heard: AllHeard = attrs.field(factory=AllHeard)
    audible: Spans = attrs.field(factory=Spans)
    music: Spans = attrs.field(factory=Spans)

    def word(self, word: Word, speaker: str, now: float) -> None:
        """Hears a word that is over now."""
        # Two may talk at once, and their words come in turns.
        utterance = next(
            (h for h in reversed(self.heard) if (h.utterance, h.speaker) == (word.utterance, speaker)), None
        )
        if utterance is None:
            utterance = Heard(now, now, [], word.utterance, speaker)
            self.heard.append(utterance)
        utterance.words.append(word.text)
        utterance.ended = now

    def sound(self, begin: float, end: float, *, speech: bool) -> None:
        """Hears a sound."""
        self.audible.add(begin, end)
        if not speech:
            self.music.add(begin, end)
