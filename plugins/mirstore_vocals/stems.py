"""What both separators hear and make: stereo at the rate of their nets."""

from __future__ import annotations

import numpy as np

from mirstore.core import Column, Sound, Track

sr = 44100  # [Hz] that both nets learned from


def columns() -> dict[str, Column]:
    """Return the declaration of the two sounds."""
    kind = Sound(sr, 2)
    return {
        "vocals": Column(kind, "", "voices, sung or spoken"),
        "accompaniment": Column(kind, "", "all that is no voice"),
    }


def stereo(track: Track) -> np.ndarray:
    """Return what is separated [shape=(2, n)], read-only; what is not stereo is mixed down to mono, in both channels.

    Parameters
    ----------
    track : Track
    """
    if track.decoded.channels == 2:
        return track.audio(sr, mono=False)
    mono = track.audio(sr)
    return np.broadcast_to(mono, (2, len(mono)))
