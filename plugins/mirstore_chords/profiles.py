"""Harmonic pitch class profiles over time (HPCP, Gómez 2006), and where nothing sounds.

Frames of 8192 samples, every 2048, give the 60 largest spectral peaks from 20 to 3500 Hz; whitened, they make profiles
of 36 bins. Peaks of all frequencies count alike: with essentia's own band preset, chords are found less often.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

sr = 44100
size, hop = 8192, 2048
bins = 36
silent_below_db = -60.0  # the peaks of a frame, below those of the loudest


class Profiles(NamedTuple):
    """Pitch class profiles of a track.

    Parameters
    ----------
    values : np.ndarray [shape=(frames, 36), dtype=float32]
        Up to 1; from A upwards, three bins to the semitone. Zeros where nothing sounds.
    silent : np.ndarray [shape=(frames,), dtype=bool]
        Where there is next to nothing from 20 to 3500 Hz: also in a constant voltage, and under a high whistle.
    edges : np.ndarray [shape=(frames + 1,)]
        Where one frame's share of time ends and the next one's begins [s]: half way between their middles.
    """

    values: np.ndarray
    silent: np.ndarray
    edges: np.ndarray


@cache
def essentia() -> ModuleType:
    """Return ``essentia.standard``, imported without its notes on stderr."""
    import essentia as library

    library.log.infoActive = False
    library.log.warningActive = False
    import essentia.standard as standard

    return standard


def profiles(x: np.ndarray) -> Profiles:
    """Return the profiles of a signal, whatever its level.

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]
        44.1 kHz.
    """
    es = essentia()
    x = np.ascontiguousarray(x / max(np.abs(x).max(initial=0), np.finfo(np.float32).tiny), dtype=np.float32)
    window, spectrum = es.Windowing(type="blackmanharris62", size=size), es.Spectrum(size=size)
    find = es.SpectralPeaks(
        maxPeaks=60, magnitudeThreshold=1e-5, minFrequency=20, maxFrequency=3500, orderBy="magnitude"
    )
    whiten = es.SpectralWhitening(maxFrequency=3500)
    profile = es.HPCP(size=bins, bandPreset=False, minFrequency=20, maxFrequency=3500)
    values, levels = [], []
    for frame in es.FrameGenerator(x, frameSize=size, hopSize=hop):
        magnitude = spectrum(window(frame))
        frequencies, peaks = find(magnitude)
        values.append(profile(frequencies, whiten(magnitude, frequencies, peaks)))
        levels.append(float(peaks @ peaks))
    silent = np.array(levels) <= max(levels) * 10 ** (silent_below_db / 10)
    edges = np.clip((np.arange(len(levels) + 1) - 0.5) * hop / sr, 0, len(x) / sr)
    edges[-1] = len(x) / sr
    return Profiles(np.where(silent[:, None], np.float32(0), np.array(values)), silent, edges)


def semitones(values: np.ndarray) -> np.ndarray:
    """Return profiles of 12 pitch classes from C upwards [shape=(frames, 12)].

    Parameters
    ----------
    values : np.ndarray [shape=(frames, 36)]
        From A upwards; a semitone is the bin of its name and the two beside it.
    """
    from_a = np.roll(values, 1, axis=1).reshape(len(values), 12, bins // 12).sum(axis=2)
    return np.roll(from_a, -3, axis=1)
