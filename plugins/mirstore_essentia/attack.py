"""How fast sounds begin: attack time and attack slope, after mirattacktime and mirattackslope of MIRtoolbox.

An onset is a rise of an envelope (`envelopes`) from a valley to the next peak by more than a tenth of the envelope's
largest value. Its attack runs from 10 % to 90 % of that rise; dividing its length by 0.8 gives the time that a
straight ramp would take from valley to peak, so a linear ramp's attack time is the ramp's length. The slope is the
rise over the attack time. MIRtoolbox (Lartillot and Toiviainen 2007; manual 1.7, mirattacktime) takes valley and peak
themselves, which a long plateau moves; the inner part of the rise is the remedy of Peeters 2004 (log-attack-time).

A frame of the envelope is 23 ms long, so that a sudden attack looks as if it took 14 to 18 ms.

SAMAT has three slopes: high, middle-high and middle.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mirstore_essentia.envelopes import rate

contrast = 0.1  # MIRtoolbox's default of mirpeaks, as a share of the largest value
slope_bands = ("high", "middle_high", "middle")  # of SAMAT


def attacks(envelopes: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """Return mean attack times [s] and slopes [1/s] over all onsets, None where a band has no onset.

    Parameters
    ----------
    envelopes : Mapping of str to np.ndarray [shape=(n,)]
        By band; ``""`` is the whole signal.
    """
    row: dict[str, float | None] = {}
    for band, envelope in envelopes.items():
        times, rises = onsets(envelope)
        suffix = f"_{band}" if band else ""
        row[f"attack_time{suffix}"] = float(times.mean()) if len(times) else None
        row[f"attack_slope{suffix}"] = float((rises / times).mean()) if len(times) else None
    return row


def onsets(envelope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the attack time [s] and the rise of each onset of an envelope whose largest value is 1.

    Parameters
    ----------
    envelope : np.ndarray [shape=(n,)]
    """
    found = [(_attack_time(envelope[v : p + 1]), envelope[p] - envelope[v]) for v, p in _rises(envelope)]
    times, rises = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return times, rises


def _rises(envelope: np.ndarray) -> list[tuple[int, int]]:
    """Return (valley, peak) of each rise that is larger than the contrast and ends in a fall that is, or in the end."""
    turns = np.flatnonzero(np.diff(np.sign(np.diff(envelope)))) + 1
    valley, peak, rising = 0, 0, False
    found = []
    for i in [*turns.tolist(), len(envelope) - 1]:
        value = envelope[i]
        if rising:
            if value > envelope[peak]:
                peak = i
            elif envelope[peak] - value > contrast:
                found.append((valley, peak))
                valley, rising = i, False
        elif value < envelope[valley]:
            valley = i
        elif value - envelope[valley] > contrast:
            peak, rising = i, True
    return [*found, (valley, peak)] if rising else found


def _attack_time(rise: np.ndarray) -> float:
    low, top = rise[0], rise[-1]
    start = _crossing(rise, low + 0.1 * (top - low), last=True)
    stop = _crossing(rise, low + 0.9 * (top - low), last=False)
    return max(stop - start, 0.1) / 0.8 / rate  # at least a tenth of an envelope sample


def _crossing(rise: np.ndarray, level: float, *, last: bool) -> float:
    """Return where ``rise`` passes ``level`` for the first or last time, between samples."""
    above = rise >= level
    passes = np.flatnonzero(above[1:] & ~above[:-1])
    i = int(passes[-1] if last else passes[0])
    return i + float((level - rise[i]) / (rise[i + 1] - rise[i]))
