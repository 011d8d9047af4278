"""The signal that all descriptors see, and its spectra: levelled, cut and windowed as MusicExtractor does."""

from __future__ import annotations

import ctypes
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from mirstore.core import TrackError

sr = 44100
block = sr // 20  # samples; replay gain looks at blocks of 50 ms
reference_db = -31.462667  # of essentia's streaming ReplayGain; its standard one has -31.492596
preamp_db = 6.0  # players add it, and so does MusicExtractor
silent_above_db = 40.0  # MusicExtractor calls a track silent that needs more gain than this


def fix_noise() -> None:
    """Make essentia's noise the same from here on: it is the C library's ``rand()``, shared by the whole process.

    TempoTapDegara breaks ties by it and MusicExtractor's beat tracker and loudness fill silent frames with it, so
    that tempi of tracks with digital silence would differ from run to run (essentia issue 1097).
    """
    ctypes.CDLL(None).srand(1)


class Levelled(NamedTuple):
    """A track's audio at MusicExtractor's level, 44.1 kHz.

    Parameters
    ----------
    signal, filtered : np.ndarray [shape=(n,), dtype=float32]
        As it is, and after an equal-loudness filter.
    """

    signal: np.ndarray
    filtered: np.ndarray


@cache
def essentia() -> ModuleType:
    """Return ``essentia.standard``, imported without its notes on stderr."""
    import essentia as library

    library.log.infoActive = False
    library.log.warningActive = False
    import essentia.standard as standard

    return standard


def levelled(x: np.ndarray) -> Levelled | None:
    """Return ``x`` [shape=(n,), 44.1 kHz] at the level of ReplayGain 1.0 plus 6 dB, None if it is silent.

    What goes beyond full scale then is clipped, as MusicExtractor does.

    Parameters
    ----------
    x : np.ndarray [shape=(n,)]
        Full scale is ±1.

    Raises
    ------
    TrackError
        Reason ``"too short"``, below 50 ms.
    """
    refuse_short(x)
    x = np.ascontiguousarray(x, dtype=np.float32)
    filtered = essentia().EqualLoudness()(x)
    gain_db = replay_gain(filtered)
    if gain_db > silent_above_db:
        return None
    gain = np.float32(10 ** ((gain_db + preamp_db) / 20))
    signal = x * gain
    if np.abs(signal).max() <= 1:
        return Levelled(signal, filtered * gain)  # the filter is linear: no need to run it again
    signal = np.clip(signal, -1, 1)
    return Levelled(signal, essentia().EqualLoudness()(signal))


def refuse_short(x: np.ndarray) -> None:
    """Raise a TrackError, reason ``"too short"``, for ``x`` [shape=(n,), 44.1 kHz] below 50 ms.

    Parameters
    ----------
    x : np.ndarray [shape=(n,)]
    """
    if len(x) < block:
        raise TrackError("too short", f"{len(x) / sr:.3f} s of audio, at least {block / sr} s are needed")


def replay_gain(filtered: np.ndarray) -> float:
    """Return what brings the 95th percentile of the blocks' power to the reference [dB]; inf for digital silence.

    Parameters
    ----------
    filtered : np.ndarray [shape=(n,)]
        44.1 kHz, filtered for equal loudness.
    """
    blocks = np.pad(filtered, (0, -len(filtered) % block)).reshape(-1, block)
    powers = np.sort(np.square(blocks, dtype=np.float64).mean(axis=1))
    loud = powers[int(0.95 * len(powers))]
    return float(reference_db - 10 * np.log10(loud)) if loud > 0 else float("inf")


def frames(x: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Return the frames that essentia's FrameCutter cuts [shape=(1 + ceil(n / hop), size)].

    The first is centred on sample 0; zeros stand before the first and after the last sample.

    Parameters
    ----------
    x : np.ndarray [shape=(n,)]
    size, hop : int > 0
        In samples.

    Examples
    --------
    >>> frames(np.arange(1.0, 5.0), size=4, hop=2).tolist()
    [[0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 0.0, 0.0]]
    """
    count = 1 + -(-len(x) // hop)
    padded = np.pad(x, (size // 2, size + hop))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]


def frames_from_zero(x: np.ndarray, size: int, hop: int) -> np.ndarray:
    """Return the frames of a FrameCutter with startFromZero: the first begins at sample 0, the last holds the end.

    Parameters
    ----------
    x : np.ndarray [shape=(n,)]
    size, hop : int > 0
        In samples.

    Examples
    --------
    >>> frames_from_zero(np.arange(1.0, 6.0), size=4, hop=2).tolist()
    [[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 0.0]]
    """
    count = 1 + max(0, -(-(len(x) - size) // hop))
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, (0, size + hop)), size)[::hop][:count]


@cache
def window(size: int, kind: str = "blackmanharris62") -> np.ndarray:
    """Return an essentia window, scaled to an area of 2 [shape=(size,)].

    Parameters
    ----------
    size : int > 0
        In samples.
    kind : str
        As essentia's ``Windowing`` calls it.
    """
    cut = essentia().Windowing(type=kind, size=size, zeroPhase=False)
    return np.asarray(cut(np.ones(size, np.float32)))


def power(cut: np.ndarray) -> np.ndarray:
    """Return power spectra of frames [shape=(frames, size / 2 + 1)].

    Parameters
    ----------
    cut : np.ndarray [shape=(frames, size)]
    """
    spectra = np.fft.rfft(cut * window(cut.shape[1]))
    return np.square(spectra.real) + np.square(spectra.imag)  # a third of the time of abs()
