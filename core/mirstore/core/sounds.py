"""A sound as it is kept: 16-bit samples below its own peak, which are mapped without any decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore.core.downmix import name_channels
from mirstore.core.recording import Audio, frozen

steps = 32767  # from silence to the peak
faintest, loudest = 1e-33, 1e38
"""Peaks between which every step of a sound is a float32 of full precision."""

_block = 1 << 20  # [samples] that are quantised at once


@dataclass(frozen=True, eq=False)
class PCM:
    """Quantised audio; as an array it is float32 [shape=(channels, n), or (n,) if there is one channel].

    Attributes
    ----------
    samples : np.ndarray [shape=(channels, n), dtype=int16]
    sr : int [Hz]
        Sampling rate.
    scale : float
        What one step of the samples stands for; full scale is ±1.
    """

    samples: np.ndarray
    sr: int
    scale: float

    @classmethod
    def quantised(cls, samples: np.ndarray, sr: int) -> PCM:
        """Return finite samples [shape=(channels, n)] in 16 bits below their peak.

        Parameters
        ----------
        samples : np.ndarray [shape=(channels, n)]
            Full scale is ±1, which peaks may exceed.
        sr : int > 0 [Hz]

        Examples
        --------
        >>> pcm = PCM.quantised(np.array([[0.0, 0.5, -0.5]]), 44100)
        >>> pcm.samples.tolist()
        [[0, 32767, -32767]]
        """
        peak = float(np.abs(samples).max(initial=0.0))
        scale = peak / steps or 1.0
        quantised = np.empty(samples.shape, np.int16)
        for at in range(0, samples.shape[1], _block):  # no second copy of 20 minutes
            part = samples[:, at : at + _block]
            quantised[:, at : at + _block] = np.rint(part / scale)
        return cls(quantised, sr, scale)

    @property
    def duration(self) -> float:
        """Length [s]."""
        return self.samples.shape[1] / self.sr

    @property
    def audio(self) -> Audio:
        """The sound as if it had been decoded from a file."""
        channels, _ = self.samples.shape
        layout, _ = name_channels([""] * channels)
        return Audio(self._floats(), self.sr, "pcm_s16", "mirstore", layout)

    def _floats(self) -> np.ndarray:
        return frozen(np.multiply(self.samples, np.float32(self.scale), dtype=np.float32))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        floats = self._floats()
        return np.asarray(floats[0] if len(floats) == 1 else floats, dtype)
