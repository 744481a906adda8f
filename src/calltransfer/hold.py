"""What a caller hears while the target is being consulted. Values and words; no I/O but the reading of a music file.

A hold is a short program: it plays and speaks until it is cancelled, which happens the moment the caller is off hold.
"""

import functools
import os
import stat
import wave
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from calltransfer.errors import ConfigurationError
from calltransfer.fields import seconds
from calltransfer.masking import shown

__all__ = ["SAMPLE_RATE", "HeldCaller", "Hold", "HoldMusic", "StayWithCaller", "music"]

SAMPLE_RATE: Final = 24_000
"""Samples a second of hold audio: what the agent's own audio track takes (mono, 16 bit)."""

_KEYS = frozenset("0123456789*#")


class HeldCaller(ABC):
    """The caller on hold, as a hold sees them: somebody to play and speak to, who is not heard."""

    @abstractmethod
    async def play(self, audio: bytes, *, seconds: float) -> None:
        """Plays `audio` (PCM, 24 kHz, mono, 16 bit) for `seconds`, over and over, and from where it stopped before."""

    @abstractmethod
    async def say(self, text: str) -> None:
        """Has the agent say `text`; returns when it has been heard.

        The same sentence is not heard again within 15 s: until then music is, and then it is said.
        """


class Hold(Protocol):
    """What a caller hears on hold, and how they get back.

    Anything with these is a hold:

        class Quotations:
            return_key = "*"
            at_once = True
            async def entertain(self, caller):
                while True:
                    await caller.say(next(quotations))
    """

    @property
    def return_key(self) -> str | None:
        """The key with which the caller goes back to the agent; None: there is none."""

    @property
    def at_once(self) -> bool:
        """Whether the caller is on hold from the start, and not only once the target has said yes."""

    async def entertain(self, caller: HeldCaller) -> None:
        """Plays and speaks until it is cancelled.

        Where it ends or raises, and while it plays and says nothing, music goes on: nobody on hold is left in silence.

        Args:
            caller: To whom.
        """


def _checked_key(_: Any, attribute: "attrs.Attribute[Any]", value: str | None) -> None:
    if value is not None and not (isinstance(value, str) and value in _KEYS):
        raise ConfigurationError(f"{attribute.name}= is one key, 0 to 9, '*' or '#', or None, not {shown(value)}")


_LARGEST_MUSIC = 64 * 2**20


def _sentences(value: str | Sequence[str]) -> tuple[str, ...]:
    sentences = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Sequence) else (None,)
    if not all(isinstance(sentence, str) and sentence.strip() for sentence in sentences):
        raise ConfigurationError("reassurance= takes sentences, none of them empty")
    return sentences


# Here and elsewhere no `@field.default`: type checkers other than mypy take such a field for one without a default.
def _still_connecting(hold: "HoldMusic") -> tuple[str, ...]:
    sentence = "Thank you for holding. I am still connecting you."
    if hold.return_key is None:
        return (sentence,)
    key = {"*": "star", "#": "pound"}.get(str(hold.return_key), hold.return_key)
    return (f"{sentence} To come back to me, press {key}.",)


@attrs.frozen(kw_only=True)
class HoldMusic:
    """Music, and at intervals a sentence that says that somebody is still there.

    Attributes:
        file: A WAV file, 24 kHz, mono, 16 bit; by default the loop that comes with calltransfer.
        reassurance: What is said at intervals, in turn; empty: nothing. In the language of the call. Without it, that
            the caller is still being connected, and with which key they come back.
        every: Seconds of music between two sentences. Callers who hear nothing new for half a minute hang up or speak. The
            same sentence is not said again within 15 s.
        return_key: The key with which the caller goes back to the agent; None: there is none.

    Raises:
        ConfigurationError: a value is wrong, or the file is none that can be played.
    """

    file: str | Path | None = None
    return_key: str | None = attrs.field(default="*", validator=_checked_key)
    reassurance: tuple[str, ...] = attrs.field(
        default=attrs.Factory(_still_connecting, takes_self=True), converter=_sentences
    )
    every: float = attrs.field(default=20.0, validator=seconds())

    def __attrs_post_init__(self) -> None:
        if self.file is not None and not isinstance(self.file, str | Path):
            raise ConfigurationError(f"file= is the path of a WAV file, not {shown(self.file)}")
        music(self.file)

    @property
    def at_once(self) -> bool:
        """The caller is on hold from the start."""
        return True

    async def entertain(self, caller: HeldCaller) -> None:
        """Plays the music, and between two stretches of it says a sentence."""
        said = 0
        while True:
            await caller.play(music(self.file), seconds=self.every)
            if self.reassurance:
                await caller.say(self.reassurance[said % len(self.reassurance)])
                said += 1


@attrs.frozen
class StayWithCaller:
    """The agent keeps talking with the caller until the target has said yes; what is said meanwhile is in the briefing.

    Attributes:
        then: What the caller hears from then on, while they are being connected.
    """

    then: Hold = attrs.field(factory=HoldMusic)

    @property
    def return_key(self) -> str | None:
        """That of `then`. While the agent talks with the caller no key is followed: they say what they want."""
        return self.then.return_key

    @property
    def at_once(self) -> bool:
        """The caller is not on hold until the target has said yes."""
        return False

    async def entertain(self, caller: HeldCaller) -> None:
        """As `then`."""
        await self.then.entertain(caller)


def _check_can_be_read(file: os.stat_result) -> None:
    """Raises for what has no end, or does not begin: it is read when the agent is built."""
    if stat.S_ISDIR(file.st_mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(file.st_mode):
        raise ValueError("it is no file but a device, a pipe or a socket")
    if file.st_size > _LARGEST_MUSIC:
        raise ValueError(f"it has {file.st_size // 2**20} MB, and may have {_LARGEST_MUSIC // 2**20} (twenty minutes)")


@functools.lru_cache(maxsize=16)
def music(file: str | Path | None = None) -> bytes:
    """The samples of a WAV file, or of the loop that comes with calltransfer.

    Args:
        file: The path of a WAV file of 24 kHz, mono, 16 bit; None: the loop.

    Raises:
        ConfigurationError: it cannot be read, or has another format.

    Returns:
        PCM, 24 kHz, mono, 16 bit.
    """
    source = resources.files("calltransfer") / "assets" / "hold.wav" if file is None else Path(file)
    try:
        if file is not None:
            _check_can_be_read(Path(file).stat())
        with source.open("rb") as opened, wave.open(opened) as recording:
            found = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
            samples: bytes = recording.readframes(recording.getnframes())
    except (OSError, EOFError, ValueError, wave.Error) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ConfigurationError(f"file={str(file)!r} cannot be played: {why}") from None
    if found != (SAMPLE_RATE, 1, 2) or not samples:
        raise ConfigurationError(
            f"file={str(file)!r} has {found[0]} Hz, {found[1]} channels, {8 * found[2]} bit; hold music is a WAV file of "
            f"{SAMPLE_RATE} Hz, 1 channel, 16 bit, such as: ffmpeg -i music.mp3 -ar {SAMPLE_RATE} -ac 1 hold.wav"
        )
    return samples
