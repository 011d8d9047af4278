"""Choosing the part of a track that an extractor looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mirstore.core import Extractor, MirstoreError, Track


@dataclass
class Excerpted(Extractor):
    """An extractor that looks at an excerpt, through a window, and says what a track gives that is too short for it.

    Parameters
    ----------
    offset : float >= 0 [s]
        Where the excerpt begins.
    duration : float > 0 [s] or None
        Length of the excerpt; None is all of the track, and ``offset`` is 0 then.
    window : str
        ``"hann"`` or ``"hamming"``.
    short : str
        What a track gives that ends before the excerpt does. ``"earlier"``: an excerpt that begins earlier, or all of
        the track if that is not enough, and so fewer frames. ``"null"``: null. ``"pad"``: the excerpt with digital
        silence at its end.
    """

    offset: float = 0.0
    duration: float | None = None
    window: Literal["hann", "hamming"] = field(default="hann", metadata={"was": "hann"})
    short: Literal["earlier", "null", "pad"] = field(default="earlier", metadata={"was": "earlier"})

    def __post_init__(self) -> None:
        for name, known in (("window", ("hann", "hamming")), ("short", ("earlier", "null", "pad"))):
            if getattr(self, name) not in known:
                raise MirstoreError(f"unknown {name} {getattr(self, name)!r}", hint=f"known: {', '.join(known)}")
        if self.offset < 0 or (self.duration is not None and self.duration <= 0):
            raise MirstoreError(f"offset={self.offset} must be 0 s or more, duration={self.duration} more than 0 s")
        if self.duration is None and self.offset:
            raise MirstoreError(f"offset={self.offset} needs a duration", hint="give duration, or leave offset out")

    def samples(self, track: Track, sr: int) -> np.ndarray | None:
        """Return the excerpt [shape=(n,), dtype=float32]; None for a track that is to give null.

        Parameters
        ----------
        track : Track
        sr : int > 0 [Hz]
            Sampling rate.
        """
        if self.duration is None:
            return track.audio(sr)
        if self.short == "earlier":
            return excerpt(track, sr, self.offset, self.duration, pad=False)
        samples = track.audio(sr, offset=self.offset, duration=self.duration)
        missing = round(self.duration * sr) - len(samples)
        if missing > 1 and self.short == "null":  # rounding of the rate may cost a sample
            return None
        return np.pad(samples, (0, max(missing, 0)))


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
