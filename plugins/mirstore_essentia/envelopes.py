"""Amplitude envelopes of the whole signal and of the five bands, which attacks and pulse are read from."""

from __future__ import annotations

import numpy as np

from mirstore_essentia.bands import bands, bins, whole
from mirstore_essentia.spectra import power, sr

size = 1024
hop = 256
rate = sr / hop
"""Envelope samples per second, about 172 [Hz]."""

audible_db = 50.0
"""How far below the whole's largest energy a band's largest energy may be [dB]; in music it is 31 at most."""


def envelopes(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return each band's envelope: the root of its energy in frames of 23 ms, every 5.8 ms.

    Frames lie wholly inside the signal, because a frame that reaches over its ends would show an attack that the
    music does not have. A band whose largest energy is 50 dB below the whole's has an envelope of zeros: what is
    there of other bands' tones is what the window spreads, and would show attacks that nobody played.

    Parameters
    ----------
    x : np.ndarray [shape=(n,)]
        At 44.1 kHz.

    Returns
    -------
    dict of str to np.ndarray [shape=(frames,)]
        ``""`` is the whole band; scaled so that its largest value is 1.
    """
    cut = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    spectra = power(cut)
    edges = {"": whole} | bands
    energy = {name: spectra[:, bins(band, spectra.shape[1])].sum(axis=1) for name, band in edges.items()}
    least = energy[""].max() * 10 ** (-audible_db / 10)
    return {name: _to_one(values, least) for name, values in energy.items()}


def _to_one(energy: np.ndarray, least: float) -> np.ndarray:
    top = energy.max()
    return np.asarray(np.sqrt(energy / top)) if top > least else np.zeros_like(energy)
