"""How clearly a pulse is heard: from the periodicity of onsets, as MIRtoolbox defines it, and without its bias.

An onset curve is the half-wave rectified slope of an envelope (`envelopes`); r is the autocorrelation of the curve
minus its mean, 1 at lag 0; only lags of 0.3 s to 1.5 s (200 to 40 BPM) count. A faster pulse counts by its multiples.

`clarities` follow Lartillot, Eerola, Toiviainen and Fornari 2008 ("Multi-feature modeling of pulse clarity", ISMIR), as
mirpulseclarity of MIRtoolbox does:

- Pulse clarity (there "MaxAutocor") is the largest r. It grows with the length of the track, because r sums over what
  is left of the curve after the lag: the same pulse of 60 BPM has 0.5 in 3 s and 0.9 in 60 s.
- Entropy clarity (there "EntropyAutocor", turned round so that more is clearer) is 1 - H(p) / log m, where p is the
  positive part of r divided by its sum, H its entropy and m the number of lags: 0 if all lags are alike, 1 if the
  curve repeats at one single lag. It falls with tempo, because a fast pulse repeats at several lags.

`unbiased_clarities` measure the same two ideas by r n / (n - lag), n the curve's length:

- Unbiased pulse clarity is its largest value: 1 for an even pulse, whatever the length.
- Beat sharpness is 1 - H(p) / log m over the lags within 0.1 s of that largest value, so that one repetition counts
  whatever the tempo.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mirstore_essentia.envelopes import rate

lags = slice(int(np.ceil(0.3 * rate)), int(1.5 * rate) + 1)
near = int(0.1 * rate)
slowest_bpm = 40.0
longest = int(1.5 * 60 / slowest_bpm * rate) + 5  # the longest rival's
shortest = 2 * lags.stop  # the longest lag must fit twice
rivals = (1 / 3, 2 / 3, 3 / 4, 4 / 3, 3 / 2)
"""Periods that a beat tracker mistakes for the beat's, in beats; octaves are none, because both are right."""


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
        row[f"pulse_clarity{suffix}"] = None if r is None else float(np.clip(r[lags].max(), 0, 1))
        row[f"entropy_clarity{suffix}"] = None if r is None else _concentration(r[lags])
    return row


def unbiased_clarities(envelopes: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Return unbiased pulse clarity and beat sharpness of each envelope, None as in `clarities`.

    Parameters
    ----------
    envelopes : Mapping of str to np.ndarray [shape=(n,)]
        By band; ``""`` is the whole signal.
    """
    row: dict[str, float | None] = {}
    for band, envelope in envelopes.items():
        r = _unbiased(envelope)
        suffix = f"_{band}" if band else ""
        clearest = 0 if r is None else lags.start + int(r[lags].argmax())
        row[f"pulse_clarity_unbiased{suffix}"] = None if r is None else float(np.clip(r[clearest], 0, 1))
        around = slice(clearest - near, clearest + near + 1)
        row[f"beat_sharpness{suffix}"] = None if r is None else _concentration(r[around])
    return row


def bpm_confidence(envelopes: Mapping[str, np.ndarray], bpm: float | None) -> float | None:
    """Return by how much onsets repeat better after a beat than after its `rivals`: 1 for clicks, below 0 if worse.

    The mean unbiased autocorrelation of the bands at the beat's period, minus the largest at a rival. It says nothing
    about octaves: half and double tempo are as confident.

    Parameters
    ----------
    envelopes : Mapping of str to np.ndarray [shape=(n,)]
        By band.
    bpm : float or None [BPM]

    Returns
    -------
    float or None
        None without a tempo of 40 BPM or more, for less than 3 s, or without onsets.
    """
    found = [r for envelope in envelopes.values() if (r := _unbiased(envelope)) is not None]
    if bpm is None or bpm < slowest_bpm or not found:
        return None
    r, period = np.mean(found, axis=0), 60 / bpm * rate

    def at(beats: float) -> float:
        lag = round(beats * period)
        return float(r[lag - 3 : lag + 4].max())  # the tempo is known to some percent

    return float(np.clip(at(1) - max(at(beats) for beats in rivals), -1, 1))


def periodicity(envelope: np.ndarray) -> np.ndarray | None:
    """Return the autocorrelation of an envelope's onset curve at lags up to 2.25 s, None if undefined.

    Parameters
    ----------
    envelope : np.ndarray [shape=(n,)]
    """
    curve = np.maximum(np.diff(envelope.astype(np.float64)), 0)
    curve -= curve.mean() if len(curve) else 0
    energy = curve @ curve
    if len(curve) < shortest or energy < 1e-12:
        return None
    spectrum = np.fft.rfft(curve, 1 << (len(curve) + longest).bit_length())
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2)[:longest] / energy)


def _unbiased(envelope: np.ndarray) -> np.ndarray | None:
    r, n = periodicity(envelope), len(envelope) - 1
    return None if r is None else r * n / (n - np.arange(longest))


def _concentration(r: np.ndarray) -> float | None:
    p = r[r > 0]
    if not len(p):
        return None
    p = p / p.sum()
    return float(np.clip(1 + (p @ np.log(p)) / np.log(len(r)), 0, 1))
