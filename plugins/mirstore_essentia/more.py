"""What else is useful beside SAMAT's 85: what the first version of them had, and better founded relatives of some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mirstore.core import Column, Extractor, Row, Track
from mirstore_essentia.attack import attacks
from mirstore_essentia.clarity import bpm_confidence, unbiased_clarities
from mirstore_essentia.columns import declared_more
from mirstore_essentia.envelopes import envelopes
from mirstore_essentia.heard import music
from mirstore_essentia.publications import bogdanov
from mirstore_essentia.rhythm import beats, beats_loudness, bpm
from mirstore_essentia.scalars import energy
from mirstore_essentia.spectra import sr
from mirstore_essentia.tonal import chords, profiles


@dataclass
class EssentiaMore(Extractor):
    """Twenty more: length, energy, three slopes, tempo's confidence, pulse and chords whatever the length and tempo."""

    name: ClassVar[str] = "essentia-more"
    version: ClassVar[int] = 1
    cost: ClassVar[float | None] = 0.006
    cite = (bogdanov,)

    def columns(self) -> Mapping[str, Column]:
        return declared_more()

    def extract(self, track: Track) -> Row:
        x = track.audio(sr)
        row = more_features(x)
        return {name: row.get(name) for name in self.columns()} | {"length": len(x) / sr}


def more_features(x: np.ndarray) -> dict[str, float | None]:
    """Return all features but the length of ``x`` [shape=(n,), 44.1 kHz]; none for silence.

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]

    Raises
    ------
    TrackError
        Reason ``"too short"``, below 50 ms.
    """
    audio = music(x)
    if audio is None:
        return {}
    found, curves = beats(audio.signal), envelopes(audio.signal)
    loudness, _ = beats_loudness(audio.signal, found)
    row: dict[str, float | None] = {
        "beats_loud": float(loudness.mean()) if len(loudness) else None,
        "spectral_energy": energy(audio.signal),
        "bpm_confidence": bpm_confidence(curves, bpm(found)),
    }
    return row | attacks(curves) | unbiased_clarities(curves) | chords(profiles(audio.signal).chords)
