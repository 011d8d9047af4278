"""Choosing the part of a track that an extractor looks at."""

from __future__ import annotations

import numpy as np

from mirstore.core import Track


def excerpt(track: Track, sr: int, offset: float, duration: float, *, pad: bool) -> np.ndarray:
    """Return ``duration`` seconds from ``offset`` on, from earlier on if the track ends before.

    Parameters
    ----------
    track : Track
        To read from.
    sr : int > 0 [Hz]
        Sampling rate.
    offset, duration : float [s]
        Wanted excerpt.
    pad : bool
        Repeat a track that is shorter than the excerpt until it fits.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float32]
    """
    offset = min(offset, max(0.0, track.duration - duration))
    samples = track.audio(sr, offset=offset, duration=duration)
    wanted = round(duration * sr)
    if pad and len(samples) < wanted:
        samples = np.tile(samples, -(-wanted // len(samples)))[:wanted]
    return samples
