"""Speech as text, carried by real audio frames.

What is said travels the SDK's real path, as PCM in the frames of an audio track, and is read from the frames at the
other end. So a person heard what came out of the track, word by word, and not what somebody meant to say: a sentence
that was cut off was heard up to the cut.
"""

import json
from collections.abc import Iterator

import attrs

SAMPLE_RATE = 24_000
FRAME_SECONDS = 0.02
FRAME_BYTES = int(SAMPLE_RATE * FRAME_SECONDS) * 2

_MAGIC = b"\xffSAY"  # what follows is ASCII, so that it cannot occur there
_HEADER = len(_MAGIC) + 2
_SECONDS_PER_CHARACTER = 0.055  # about 165 words a minute
_SHORTEST_WORD = 0.12


@attrs.frozen
class Word:
    """One word of an utterance: number `index` of `count`, the utterance being `utterance`."""

    text: str
    utterance: int
    index: int
    count: int

    @property
    def last(self) -> bool:
        """Whether nothing follows it."""
        return self.index == self.count - 1

    @property
    def seconds(self) -> float:
        """How long it takes to say."""
        return max(_SHORTEST_WORD, len(self.text) * _SECONDS_PER_CHARACTER)

    def frames(self) -> int:
        """How many frames that is."""
        return max(1, round(self.seconds / FRAME_SECONDS))


def words(text: str, utterance: int, *, after: int = 0) -> list[Word]:
    """The words of `text`, which comes after so many words of the same utterance."""
    parts = text.split()
    count = after + len(parts)
    return [Word(part, utterance, index, count) for index, part in enumerate(parts, start=after)]


def encoded(word: Word, *, frames: int | None = None) -> bytes:
    """The word as PCM: as many frames as it takes to say it, each of which carries it."""
    content = json.dumps([word.text[:200], word.utterance, word.index, word.count]).encode()
    frame = _MAGIC + len(content).to_bytes(2, "big") + content
    return frame.ljust(FRAME_BYTES, b"\x00") * (word.frames() if frames is None else frames)


def decoded(pcm: bytes) -> Iterator[Word]:
    """The words in `pcm`, one for each frame that carries one."""
    start = pcm.find(_MAGIC)
    while start >= 0:
        try:
            text, utterance, index, count = json.loads(_content(pcm, start))
        except ValueError:
            pass  # faded out: it was cut off
        else:
            yield Word(text, utterance, index, count)
        start = pcm.find(_MAGIC, start + 1)


def _content(pcm: bytes, start: int) -> bytes:
    size = int.from_bytes(pcm[start + len(_MAGIC) : start + _HEADER], "big")
    return pcm[start + _HEADER : start + _HEADER + size]


class Listener:
    """Reads words from audio that comes frame by frame, wherever in a frame they begin."""

    def __init__(self) -> None:
        self._tail = b""

    def words(self, frame: bytes) -> list[Word]:
        """The words that are complete with this frame."""
        pcm = self._tail + frame
        last = pcm.rfind(_MAGIC)
        if last < 0 or len(pcm) - last >= FRAME_BYTES:
            self._tail = pcm[1 - len(_MAGIC) :]
            return list(decoded(pcm))
        self._tail = pcm[last:]
        return list(decoded(pcm[:last]))


def carries_words(pcm: bytes) -> bool:
    """Whether any of it is speech."""
    return _MAGIC in pcm


def is_silent(pcm: bytes) -> bool:
    """Whether it is digital silence."""
    return not pcm.strip(b"\x00")


def seconds_to_say(text: str) -> float:
    """How long `text` takes to say."""
    return sum(word.seconds for word in words(text, 0))
