"""Signal features by essentia: SAMAT's 85 scalars and 20 more, the key, MusicExtractor itself, and Chromaprint.

The 85 columns of ``essentia`` are those of SAMAT (Patakis et al.), whose supplement counts them as

==============  ==  ==========================================================================================
single items    21  see `columns.singles`
six-band        36  spectral flux, energy band, flatness, attack time, pulse clarity, entropy clarity: five bands
                    (`bands`) and one column without a band's name for the whole
attack slope     3  high, middle-high, middle
chroma          12  share of each pitch class
MFCC            13  means
==============  ==  ==========================================================================================

Dissonance is left out, because SAMAT takes it from its mid-level network. Names are SAMAT's with ``-`` written ``_``.

Silence before and after the music and a constant offset are taken away first, and what is left is brought to one level
(`heard`), as MusicExtractor does. Where that defines a descriptor (``loudness`` is its ``average_loudness``, ``zerocr``
its ``zerocrossingrate``, ``beats_loud`` the mean of its ``beats_loudness``), the value is equal to its own for the same
samples.

Some of SAMAT's descriptors depend on the length or the tempo of the music. They stay under their names, and
``essentia-more`` has better founded ones beside them (`clarity`, `tonal.chords`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track, hookimpl
from mirstore_essentia.attack import attacks
from mirstore_essentia.bands import energies, flatness, flux
from mirstore_essentia.chromaprint import Chromaprint
from mirstore_essentia.clarity import clarities
from mirstore_essentia.columns import declared
from mirstore_essentia.envelopes import envelopes
from mirstore_essentia.full import EssentiaFull
from mirstore_essentia.heard import music
from mirstore_essentia.more import EssentiaMore, more_features
from mirstore_essentia.publications import bogdanov
from mirstore_essentia.rhythm import rhythm
from mirstore_essentia.scalars import hop, loudness, shape, size, timbre
from mirstore_essentia.spectra import frames, levelled, power, sr
from mirstore_essentia.tonal import chords, chroma, key, key_profiles, key_strength, profiles, usual_profile

__all__ = ["Chromaprint", "Essentia", "EssentiaFull", "EssentiaKey", "EssentiaMore", "more_features", "signal_features"]


@dataclass
class Essentia(Extractor):
    """SAMAT's 85 signal features of the whole track; null for silence, and where a track has no answer."""

    name: ClassVar[str] = "essentia"
    version: ClassVar[int] = 2
    cost: ClassVar[float | None] = 0.009
    cite = (bogdanov,)

    def columns(self) -> Mapping[str, Column]:
        return declared()

    def extract(self, track: Track) -> Row:
        row = signal_features(track.audio(sr))
        return {name: row.get(name) for name in self.columns()}


def signal_features(x: np.ndarray) -> dict[str, float | None]:
    """Return the features of ``x`` [shape=(n,), 44.1 kHz], and some that they come with; none for silence.

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
    signal = audio.signal
    cut = frames(signal, size, hop)
    spectra = power(cut)
    magnitude = np.sqrt(spectra)
    row: dict[str, float | None] = {"loudness": loudness(signal)}
    row |= timbre(cut, spectra, magnitude) | shape(audio.filtered) | rhythm(signal)
    row |= flux(magnitude) | energies(spectra) | flatness(spectra)
    pitch = profiles(signal)
    row |= chroma(pitch.plain) | chords(pitch.chords) | {"key_strength": key_strength(pitch.plain)}
    curves = envelopes(signal)
    row |= attacks(curves) | clarities(curves)
    return {name: value if value is not None and math.isfinite(value) else None for name, value in row.items()}


@dataclass
class EssentiaKey(Extractor):
    """The key of the whole track; null for silence.

    Parameters
    ----------
    profile : str
        One of `tonal.key_profiles`.
    """

    name: ClassVar[str] = "essentia-key"
    version: ClassVar[int] = 1
    cost: ClassVar[float | None] = 0.002
    cite = (bogdanov,)
    profile: str = usual_profile

    def __post_init__(self) -> None:
        if self.profile not in key_profiles:
            raise MirstoreError(f"unknown key profile {self.profile!r}", hint=f"known: {', '.join(key_profiles)}")

    def columns(self) -> Mapping[str, Column]:
        return {
            "key": Column(pl.String, "", "Tonic: C, Db, D, Eb, E, F, Gb, G, Ab, A, Bb or B.", nullable=True),
            "scale": Column(pl.String, "", "major or minor.", nullable=True),
            "strength": Column(pl.Float32, "", "Correlation with the key profile.", (-1, 1), nullable=True),
        }

    def extract(self, track: Track) -> Row:
        audio = levelled(track.audio(sr))
        found = None if audio is None else key(profiles(audio.signal).plain, self.profile)
        return dict(zip(self.columns(), found or (None, None, None), strict=True))


@hookimpl
def register_extractors() -> Sequence[type[Extractor]]:
    """Return the five extractors."""
    return Essentia, EssentiaMore, EssentiaKey, EssentiaFull, Chromaprint
