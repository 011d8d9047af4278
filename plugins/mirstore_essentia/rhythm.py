"""Tempo, onsets and danceability of the levelled signal, by essentia's algorithms as MusicExtractor uses them."""

from __future__ import annotations

import numpy as np

from .spectra import essentia, sr

onset_hop = 512  # of essentia's OnsetRate


def rhythm(x: np.ndarray) -> dict[str, float | None]:
    """Return bpm, the beats' mean energy, onsets per second, danceability and dynamic complexity.

    MusicExtractor writes 0 where it finds no beat or too little audio; here the value is None. Beats come from its
    default tracker, Degara et al. 2012, 40 to 208 BPM. Its onset detector adds noise to digital silence, this one does
    not, so a track may have an onset more or less.
    """
    es = essentia()
    beats = es.BeatTrackerDegara()(x)
    energies = es.BeatsLoudness(beats=beats)(x)[0] if len(beats) else np.array([])
    onsets, _ = es.OnsetRate()(x)
    analysed = (1 - (-len(x) // onset_hop)) * onset_hop / sr  # [s]; the last frame reaches over the end
    return {
        "bpm": bpm(beats),
        "beats_loud": float(energies.mean()) if len(energies) else None,
        "onset_rate": len(onsets) / analysed,
        "danceability": float(es.Danceability()(x)[0]) or None,
        "dynamic_complexity": float(es.DynamicComplexity()(x)[0]),
    }


def bpm(beats: np.ndarray) -> float | None:
    """Return the tempo [BPM] of beats [s]: the mean of the intervals' tempi within 5 BPM of the most frequent one.

    RhythmExtractor2013 does the same (tempi are counted in bins of 2 BPM), but making one costs 0.08 s.
    """
    if len(beats) < 2:
        return None
    tempi = 60 / np.diff(beats)
    most_frequent = 2 * np.bincount((tempi / 2 + 0.5).astype(int)).argmax()
    near = tempi[np.abs(tempi - most_frequent) < 5]
    return float(near.mean()) if len(near) else float(most_frequent)
