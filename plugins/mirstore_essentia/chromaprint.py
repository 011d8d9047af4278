"""Chromaprint, the fingerprint of AcoustID: by it copies of a recording are found, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track
from mirstore_essentia.spectra import essentia, sr


@dataclass
class Chromaprint(Extractor):
    """The fingerprint of a track's beginning; null for tracks under 3 s, which have none.

    Parameters
    ----------
    seconds : float > 0 [s]
        How much of the track; AcoustID uses 120 s.
    """

    name: ClassVar[str] = "chromaprint"
    version: ClassVar[int] = 1
    cost: ClassVar[float | None] = 0.0003
    seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise MirstoreError(f"seconds={self.seconds:g} must be above 0")

    def columns(self) -> Mapping[str, Column]:
        return {
            "fingerprint": Column(pl.String, "", "Chromaprint in base64.", nullable=True, fingerprint="chromaprint")
        }

    def extract(self, track: Track) -> Row:
        found = essentia().Chromaprinter(sampleRate=sr)(track.audio(sr, duration=self.seconds))
        return {"fingerprint": found or None}
