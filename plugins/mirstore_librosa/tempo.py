"""The tempo of a track, from its Fourier tempogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track
from mirstore_librosa.publications import grosche
from mirstore_librosa.tempograms import fourier, fourier_bpm, read_envelope


@dataclass
class TempoFromTempogram(Extractor):
    """Tempo by Grosche and Müller: the strongest tempo of each frame of the Fourier tempogram, and its median.

    The tempogram is made of the onset envelope, so that none need be kept. A tempo between two of its rows (6.7 BPM) is
    found by a parabola through the logarithms of three. Frames without any onset within 4.5 s have no tempo; a track of
    such frames alone, or whose envelope is null, has null, and one of less than 8.9 s fails.

    Parameters
    ----------
    lowest, highest : float [BPM]
        Where a tempo is looked for, 14 to 1,280 BPM, and 6.8 BPM apart or more; an octave that lies outside cannot be
        mistaken for it.
    """

    name = "tempo-from-tempogram"
    cite = (grosche,)
    version = 1
    cost = 0.0001
    inputs = ("onset-envelope",)
    lowest: float = 60.0
    highest: float = 200.0

    def __post_init__(self) -> None:
        apart = self.highest - self.lowest >= fourier_bpm()[1]  # so that there is a row
        if not (self.lowest >= 14 and apart and self.highest <= 1280):
            raise MirstoreError(
                f"lowest={self.lowest} and highest={self.highest} must be 6.8 BPM apart or more, from 14 to 1280 BPM",
                hint="the default is 60 to 200",
            )

    def columns(self) -> dict[str, Column]:
        return {
            "bpm": Column(pl.Float32, "BPM", "tempo: median over frames", range=(0, None), nullable=True),
            "bpm_spread": Column(pl.Float32, "BPM", "interquartile range over frames", range=(0, None), nullable=True),
            "bpm_steady": Column(pl.Float32, "", "share of frames within 4 % of bpm", range=(0, 1), nullable=True),
        }

    def extract(self, track: Track) -> Row:
        envelope = read_envelope(track)
        tempi = np.empty(0) if envelope is None else tempo_curve(np.abs(fourier(envelope)), self.lowest, self.highest)
        tempi = tempi[~np.isnan(tempi)]
        if not len(tempi):
            return dict.fromkeys(self.columns())
        low, bpm, high = np.percentile(tempi, [25, 50, 75])
        steady = np.mean(np.abs(tempi - bpm) <= 0.04 * bpm)
        return {"bpm": float(bpm), "bpm_spread": float(high - low), "bpm_steady": float(steady)}


def tempo_curve(tempogram: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """Return the strongest tempo of each frame [shape=(frames,)] [BPM], NaN where there is none.

    Parameters
    ----------
    tempogram : np.ndarray [shape=(193, frames)]
        Magnitudes of a Fourier tempogram.
    lowest, highest : float [BPM]
        Where it is looked for.
    """
    bpm = fourier_bpm()
    first, last = np.searchsorted(bpm, lowest), np.searchsorted(bpm, highest, side="right")
    best = first + tempogram[first:last].argmax(axis=0)
    frames = np.arange(tempogram.shape[1])
    left, top, right = (np.log(np.maximum(tempogram[best + i, frames], 1e-9)) for i in (-1, 0, 1))
    curvature = np.minimum(left - 2 * top + right, -1e-9)
    shift = np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)  # beyond, the peak lies outside of the range
    return np.where(tempogram[best, frames] > 1e-6, (best + shift) * bpm[1], np.nan)
