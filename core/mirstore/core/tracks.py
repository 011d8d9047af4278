"""A track: one recording, known by the SHA-256 of what its file stores beside its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mirstore.core.decoding import decoder
from mirstore.core.recording import Audio

if TYPE_CHECKING:
    import polars as pl


@dataclass
class Track:
    """One recording as an extractor sees it.

    Parameters
    ----------
    id : str
        See `mirstore.core.identity.track_id`.
    path : pathlib.Path
        Where the file is now.
    inputs : Mapping of str to pl.DataFrame
        This track's rows of the feature sets that the extractor declared; columns of tensors and sounds hold arrays
        (dtype ``pl.Object``).
    max_duration : float > 0 [s]
        Longer files are refused.
    recording : Audio, optional
        What is heard: a sound that stands for the file, or the file's audio once it is decoded.
    """

    id: str
    path: Path
    inputs: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    max_duration: float = 1200.0
    recording: Audio | None = None

    @property
    def decoded(self) -> Audio:
        """The audio as decoded, once per track; see `mirstore.core.audio.decode`."""
        if self.recording is None:
            self.recording = _decoded(self.path, self.max_duration)
        return self.recording

    @property
    def duration(self) -> float:
        """Length of the audio [s]."""
        return self.decoded.duration

    def audio(
        self, sr: int | None = None, mono: bool = True, offset: float = 0.0, duration: float | None = None
    ) -> np.ndarray:
        """Return the samples, decoded once per track and resampled once per rate.

        Parameters
        ----------
        sr : int > 0 [Hz] or None
            Sampling rate; None keeps the recording's own.
        mono : bool
            Mix all channels down (`mirstore.core.downmix`), or keep them, in the recording's order.
        offset : float >= 0 [s]
            Where the excerpt begins.
        duration : float > 0 [s] or None
            Length of the excerpt, shorter where the track ends before; None means to the end.

        Returns
        -------
        np.ndarray [shape=(n,) if mono else (channels, n), dtype=float32]
            Read-only, full scale is ±1.

        Raises
        ------
        AudioError
            If the file is not usable audio.

        Examples
        --------
        >>> stereo = Audio(np.zeros((2, 44100), np.float32), 44100, "pcm", "none", ("FL", "FR"))
        >>> track = Track("0" * 64, Path("a.wav"), recording=stereo)
        >>> track.audio(offset=0.5).shape, track.audio(mono=False, duration=0.1).shape
        ((22050,), (2, 4410))
        """
        sr = sr or self.decoded.sr
        first = round(offset * sr)
        last = None if duration is None else first + round(duration * sr)
        return self.decoded.resampled(sr, mono=mono)[..., first:last]

    def features(self, name: str) -> pl.DataFrame:
        """Return this track's rows of the input feature set ``name``, without the ``track`` column.

        Parameters
        ----------
        name : str
            One of the extractor's ``inputs``; ``name in track.inputs`` tells whether this track has an optional one.

        Returns
        -------
        pl.DataFrame
            One row, or several in their order; none where the answer is that there is nothing, or it is lacking.

        Raises
        ------
        KeyError
            If the extractor did not declare it.
        """
        return self.inputs[name]


def _decoded(path: Path, max_duration: float) -> Audio:
    if there := decoder():
        return Audio(**there.decode(path, max_duration))
    from mirstore.core.audio import decode  # not in interpreters that cannot

    return decode(path, max_duration=max_duration)
