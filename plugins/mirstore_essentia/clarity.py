"""How clearly a pulse is heard: pulse clarity and entropy clarity, from the periodicity of onsets.

Both follow Lartillot, Eerola, Toiviainen and Fornari 2008 ("Multi-feature modeling of pulse clarity", ISMIR), as in
mirpulseclarity of MIRtoolbox: an onset curve is the half-wave rectified slope of an envelope (`envelopes`); r is the
autocorrelation of the curve minus its mean, 1 at lag 0; only lags of 0.3 s to 1.5 s (200 to 40 BPM) count.

- Pulse clarity (there "MaxAutocor") is the largest r: 1 for an endless even pulse, near 0 for noise.
- Entropy clarity (there "EntropyAutocor", turned round so that more is clearer) is 1 - H(p) / log m, where p is the
  positive part of r divided by its sum, H its entropy and m the number of lags: 0 if all lags are alike, 1 if the
  curve repeats at one single lag.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .envelopes import rate

lags = slice(int(np.ceil(0.3 * rate)), int(1.5 * rate) + 1)
shortest = 2 * lags.stop  # the longest lag must fit twice


def clarities(envelopes: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Return pulse and entropy clarity of each envelope, None for less than 3 s or a band without onsets.

    Parameters
    ----------
    envelopes : Mapping of str to np.ndarray [shape=(n,)]
        By band; ``""`` is the whole signal.
    """
    row: dict[str, float | None] = {}
    for band, envelope in envelopes.items():
        r = periodicity(envelope)
        suffix = f"_{band}" if band else ""
        row[f"pulse_clarity{suffix}"] = None if r is None else float(np.clip(r.max(), 0, 1))
        row[f"entropy_clarity{suffix}"] = None if r is None else _entropy_clarity(r)
    return row


def periodicity(envelope: np.ndarray) -> np.ndarray | None:
    """Return the autocorrelation of an envelope's onset curve at lags from 0.3 s to 1.5 s, None if undefined.

    Parameters
    ----------
    envelope : np.ndarray [shape=(n,)]
    """
    curve = np.maximum(np.diff(envelope.astype(np.float64)), 0)
    curve -= curve.mean() if len(curve) else 0
    energy = curve @ curve
    if len(curve) < shortest or energy < 1e-12:
        return None
    spectrum = np.fft.rfft(curve, 1 << (len(curve) + lags.stop).bit_length())
    return np.fft.irfft(np.abs(spectrum) ** 2)[lags] / energy


def _entropy_clarity(r: np.ndarray) -> float | None:
    p = r[r > 0]
    if not len(p):
        return None
    p /= p.sum()
    return float(np.clip(1 + (p @ np.log(p)) / np.log(len(r)), 0, 1))
