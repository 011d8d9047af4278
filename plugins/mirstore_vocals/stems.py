"""What both separators hear and make, stereo at the rate of their nets; and how others read it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mirstore.core import Column, Sound, Track
from mirstore.core.errors import ConfigError

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


def rate(read: Mapping[str, Column], of: str) -> int:
    """Return the sampling rate [Hz] of the voice in what is read.

    Parameters
    ----------
    read : Mapping of str to Column
        The columns of a separator: `columns`, or another's, at any rate.
    of : str
        Who reads it, for messages.

    Raises
    ------
    ConfigError
        If it has no such sounds.
    """
    for name in columns():
        if name not in read or not read[name].is_sound:
            hint = 'inputs = { vocals = "vocals-spleeter" }'
            raise ConfigError(f"{of}: what it reads has no sound {name!r}", hint=hint)
    return int(read["vocals"].dtype.sr)


def part(track: Track, name: str) -> np.ndarray:
    """Return a sound that a track has as what is read [shape=(channels, n)].

    Parameters
    ----------
    track : Track
    name : {"vocals", "accompaniment"}
    """
    return np.atleast_2d(track.features("vocals")[name][0])
