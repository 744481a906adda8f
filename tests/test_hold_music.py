"""The hold music: what ships is a quiet loop without a seam or a silence, and the script that made it makes it again."""

import importlib.resources
import io
import runpy
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

HOLD_MUSIC = importlib.resources.files("calltransfer") / "assets" / "hold.wav"
SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "compose_hold_music.py"
SAMPLE_RATE = 24_000
FRAME = SAMPLE_RATE // 50  # 20 ms
FULL_SCALE = 32_768


@pytest.fixture(scope="module")
def loop() -> NDArray[np.float64]:
    """The samples of the file, of full scale."""
    with wave.open(io.BytesIO(HOLD_MUSIC.read_bytes())) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / FULL_SCALE


def decibels(amplitude: float) -> float:
    return float(20 * np.log10(amplitude))


def test_the_hold_music_is_a_mono_16_bit_wave_file_at_24_khz() -> None:
    """It needs no decoder and no resampling on its way into a 24 kHz audio track."""
    with wave.open(io.BytesIO(HOLD_MUSIC.read_bytes())) as file:
        assert (1, 2, SAMPLE_RATE) == (file.getnchannels(), file.getsampwidth(), file.getframerate())


def test_the_hold_music_is_short_and_made_of_whole_frames(loop: NDArray[np.float64]) -> None:
    """It weighs little in the package, and no 20 ms frame has to straddle the seam."""
    assert 12 <= len(loop) / SAMPLE_RATE <= 16
    assert len(loop) % FRAME == 0
    assert len(HOLD_MUSIC.read_bytes()) <= 800_000


def test_the_hold_music_is_quiet_and_never_clips(loop: NDArray[np.float64]) -> None:
    """It stays well under speech: about -24 dBFS on the whole, and no sample above -9."""
    assert decibels(np.sqrt(np.mean(loop**2))) == pytest.approx(-24, abs=1)
    assert decibels(np.max(np.abs(loop))) <= -9
    assert abs(np.mean(loop)) < 1e-4


def test_the_hold_music_is_never_silent(loop: NDArray[np.float64]) -> None:
    """Every 100 ms of it, those across the seam too, can be heard: nobody thinks the line is dead."""
    window = SAMPLE_RATE // 10
    energy = np.cumsum(np.concatenate(([0.0], loop, loop[:window])) ** 2)
    levels = np.sqrt((energy[window:] - energy[:-window]) / window)

    assert len(levels) == len(loop) + 1
    assert decibels(np.min(levels)) > -50


@pytest.mark.parametrize("order", [1, 2, 3], ids=["step", "bend", "jerk"])
def test_the_seam_does_not_click(loop: NDArray[np.float64], order: int) -> None:
    """Where the end meets the beginning, the signal moves no more abruptly than it does elsewhere."""
    inside = np.abs(np.diff(loop, order))
    across = np.abs(np.diff(np.concatenate((loop[-order:], loop[:order])), order))

    assert np.max(across) <= np.max(inside)


def test_the_hold_music_lies_in_the_band_of_a_telephone_line(loop: NDArray[np.float64]) -> None:
    """A caller on a narrow line hears nearly all of it: hardly any energy lies outside 300 to 3400 Hz."""
    power = np.abs(np.fft.rfft(loop)) ** 2
    frequencies = np.fft.rfftfreq(len(loop), 1 / SAMPLE_RATE)
    inside = (frequencies >= 290) & (frequencies <= 3400)

    assert np.sum(power[inside]) > 0.9 * np.sum(power)


def test_the_script_composes_the_file_byte_for_byte() -> None:
    """What ships is what `scripts/compose_hold_music.py` makes, so its origin can be checked."""
    script = runpy.run_path(str(SCRIPT))

    assert HOLD_MUSIC.read_bytes() == script["compose"]()
    assert script["TARGET"].parts[-4:] == ("src", "calltransfer", "assets", "hold.wav")
