"""Sounds that extractors are tried on, made here so that nothing needs downloading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

_chords = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))  # Am F C G, as MIDI notes
_beat = 0.5  # [s], 120 BPM


def music(seconds: float = 20.0, sr: int = 22050) -> np.ndarray:
    """Return plucked chords and a bass, one chord per bar of 4/4, with a noise burst on each beat [shape=(n,)].

    Parameters
    ----------
    seconds : float > 0 [s]
    sr : int > 0 [Hz]
    """
    t = np.arange(round(seconds * sr)) / sr
    since_beat = t % _beat
    bars = (t // (4 * _beat)).astype(int) % len(_chords)
    samples = np.zeros_like(t)
    for bar, chord in enumerate(_chords):
        here = bars == bar
        for note in (chord[0] - 12, *chord):
            frequency = 440.0 * 2 ** ((note - 69) / 12)
            for harmonic in (1, 2, 3):
                samples[here] += np.sin(2 * np.pi * harmonic * frequency * t[here]) / harmonic**2
    samples *= np.exp(-3.0 * since_beat)
    samples += noise(seconds, sr) * np.exp(-60.0 * since_beat)
    return 0.7 * samples / np.abs(samples).max()


def noise(seconds: float = 3.0, sr: int = 22050) -> np.ndarray:
    """Return uniform white noise up to full scale [shape=(n,)].

    Parameters
    ----------
    seconds : float > 0 [s]
    sr : int > 0 [Hz]
    """
    return np.random.default_rng(0).uniform(-1, 1, round(seconds * sr))


def click(seconds: float = 3.0, sr: int = 22050) -> np.ndarray:
    """Return one sample at full scale in the middle of digital silence [shape=(n,)].

    Parameters
    ----------
    seconds : float > 0 [s]
    sr : int > 0 [Hz]

    Examples
    --------
    >>> len(click(1.0, 8000)), np.flatnonzero(click(1.0, 8000)).tolist()
    (8000, [4000])
    """
    samples = np.zeros(round(seconds * sr))
    samples[len(samples) // 2] = 1.0
    return samples


def near_silence(seconds: float = 3.0, sr: int = 22050) -> np.ndarray:
    """Return the last bit of a 16-bit recording, flickering [shape=(n,)].

    Parameters
    ----------
    seconds : float > 0 [s]
    sr : int > 0 [Hz]
    """
    return np.random.default_rng(0).integers(-1, 2, round(seconds * sr)) / 32768


def clipped(seconds: float = 3.0, sr: int = 22050) -> np.ndarray:
    """Return a 100 Hz square wave at full scale [shape=(n,)].

    Parameters
    ----------
    seconds : float > 0 [s]
    sr : int > 0 [Hz]
    """
    return np.where(np.arange(round(seconds * sr)) * 200 // sr % 2, -1.0, 1.0)


@contextmanager
def recording(samples: np.ndarray, sr: int = 22050) -> Iterator[Path]:
    """Write samples [shape=(n,) or (n, channels)] as a 16-bit wav that lives inside the with block.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,) or (n, channels)]
        Full scale is ±1; what exceeds it is clipped.
    sr : int > 0 [Hz]
    """
    with TemporaryDirectory(prefix="mirstore-check-") as folder:
        path = Path(folder) / "signal.wav"
        soundfile.write(path, samples, sr, subtype="PCM_16")
        yield path
