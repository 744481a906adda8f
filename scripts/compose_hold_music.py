"""Compose the hold music that ships with calltransfer: `src/calltransfer/assets/hold.wav`.

The piece was made for this project and uses no recording and no sample: four bars in F major, a pad and an electric
piano that walks up and down each chord, at a slow 67 beats a minute. Everything is rendered around a circle: a note or
an echo that outlasts the end sounds on at the beginning, so the last sample flows into the first and the loop has no
seam. What a telephone line would cut away, below 300 and above 3400 Hz, is softly rolled off here already.

    python scripts/compose_hold_music.py

rewrites the file byte for byte identically: nothing is random, and rounding to 16 bits hides the last-digit differences
between processors. It needs numpy.
"""

import io
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

TARGET = Path(__file__).resolve().parent.parent / "src" / "calltransfer" / "assets" / "hold.wav"

SAMPLE_RATE = 24_000
EIGHTH = 10_800  # samples: 0.45 s
BAR = 8 * EIGHTH  # 3.6 s, and 180 frames of 20 ms
LEVEL = 10 ** (-24 / 20)  # the RMS of the whole, of full scale: quiet enough under speech
FULL_SCALE = 32_768

ORDER = (0, 1, 2, 3, 4, 3, 2, 1)  # which tone of the chord each eighth plays
ACCENTS = (1.0, 0.7, 0.8, 0.7, 0.9, 0.65, 0.75, 0.6)

ECHO_DELAYS = (977, 1129, 1307, 1471, 1657, 1811)  # samples, all prime, so that the echoes do not pile up
DIFFUSER_DELAYS = (113, 337)
ECHO_FEEDBACK = 0.8
DIFFUSER_FEEDBACK = 0.6
WETNESS = 0.12


class Chord(NamedTuple):
    """One bar of the piece, its tones as MIDI note numbers (69 is the A of 440 Hz)."""

    bass: int
    pad: tuple[int, ...]
    arpeggio: tuple[int, int, int, int, int]


CHORDS = (
    Chord(bass=53, pad=(64, 67, 69, 72), arpeggio=(65, 69, 72, 76, 79)),  # F major ninth
    Chord(bass=50, pad=(62, 65, 69, 72), arpeggio=(65, 69, 72, 74, 76)),  # D minor ninth
    Chord(bass=46, pad=(62, 65, 69, 74), arpeggio=(65, 70, 72, 74, 77)),  # B flat major ninth
    Chord(bass=48, pad=(62, 65, 67, 70), arpeggio=(67, 70, 72, 74, 77)),  # C ninth, suspended: it leads home to F
)
LENGTH = len(CHORDS) * BAR  # 14.4 s


def phase(note: float, length: int) -> Signal:
    """The angle, sample by sample, of a sine at the note's pitch."""
    return 2 * math.pi * 440 * math.exp2((note - 69) / 12) * np.arange(length) / SAMPLE_RATE


def ramp(position: Signal) -> Signal:
    """From 0 to 1 without a corner while the position does the same."""
    return np.square(np.sin(np.pi / 2 * np.clip(position, 0, 1)))


def swell(length: int, attack: int, release: int) -> Signal:
    """An envelope that rises, stays and falls."""
    position = np.arange(length)
    return ramp(position / attack) * ramp((length - position) / release)


def pad(note: int, length: int = BAR + 4 * EIGHTH) -> Signal:
    """A soft, sustained tone: two slightly detuned voices, each with a few quickly weakening harmonics."""
    tone = np.zeros(length)
    for voice in (phase(note - 0.03, length), phase(note + 0.03, length)):
        for multiple in (1, 2, 3, 4):
            tone += np.sin(multiple * voice) / multiple**2
    return tone * swell(length, attack=3 * EIGHTH, release=4 * EIGHTH)


def electric_piano(note: int, length: int = 7 * EIGHTH) -> Signal:
    """A struck tone: a sine, phase-modulated by its own pitch, that mellows as it dies away."""
    seconds = np.arange(length) / SAMPLE_RATE
    angle = phase(note, length)
    tone = np.sin(angle + (0.25 + 0.75 * np.exp(-seconds / 0.5)) * np.sin(angle))
    tine = 0.06 * np.sin(4 * angle) * np.exp(-seconds / 0.12)
    return (tone + tine) * np.exp(-seconds / 0.9) * swell(length, attack=SAMPLE_RATE // 80, release=2 * EIGHTH)


def score() -> Iterator[tuple[int, Signal]]:
    """Every note of the piece, and the sample at which it starts."""
    for bar, chord in enumerate(CHORDS):
        start = bar * BAR
        yield start, 0.5 * electric_piano(chord.bass, length=BAR + 2 * EIGHTH)
        for note in (chord.bass, *chord.pad):
            yield start - EIGHTH, 0.16 * pad(note)  # a slow attack: it is there when the bar begins
        for eighth, (tone, accent) in enumerate(zip(ORDER, ACCENTS, strict=True)):
            yield start + eighth * EIGHTH, 0.45 * accent * electric_piano(chord.arpeggio[tone])


def room_and_line() -> NDArray[np.complex128]:
    """The response, over the loop's own frequencies, of a small warm room and of a telephone line's band."""
    frequencies = np.fft.rfftfreq(LENGTH, 1 / SAMPLE_RATE)
    feedback = ECHO_FEEDBACK / (1 + np.square(frequencies / 3000))  # walls swallow the high tones first
    room = np.zeros(len(frequencies), np.complex128)
    for delay in ECHO_DELAYS:
        echo = np.exp(-2j * np.pi * frequencies * delay / SAMPLE_RATE)
        room += echo / (1 - feedback * echo)
    for delay in DIFFUSER_DELAYS:
        echo = np.exp(-2j * np.pi * frequencies * delay / SAMPLE_RATE)
        room *= (echo - DIFFUSER_FEEDBACK) / (1 - DIFFUSER_FEEDBACK * echo)
    line = ramp((frequencies - 150) / 150) * ramp((3400 - frequencies) / 800)
    return (1 + WETNESS * room) * line


def compose() -> bytes:
    """The hold music as a WAV file: mono, 16 bits, 24 kHz."""
    loop = np.zeros(LENGTH)
    for start, tone in score():
        np.add.at(loop, np.arange(start, start + len(tone)) % LENGTH, tone)
    loop = np.fft.irfft(np.fft.rfft(loop) * room_and_line(), LENGTH)  # a product of spectra echoes around the circle
    loop *= LEVEL / np.sqrt(np.mean(np.square(loop)))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(np.round(loop * FULL_SCALE).astype("<i2").tobytes())
    return file.getvalue()


if __name__ == "__main__":
    TARGET.write_bytes(compose())
