"""MusicExtractor itself: its scalar descriptors under a fixed schema.

Its pool has other names for very short tracks, so the columns are a list of our own. It reads files only, so it
gets a clean temporary wav; and it adds noise to silent frames, which is switched off where it can be and made the same
for every track where not (`spectra.fix_noise`), so that it is deterministic.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore_essentia.publications import bogdanov
from mirstore_essentia.spectra import essentia, fix_noise, levelled, sr

frame_names = {
    "lowlevel": [
        *(f"{bank}bands_{s}" for bank in ("bark", "erb", "mel")
          for s in ("crest", "flatness_db", "kurtosis", "skewness", "spread")),
        "dissonance", "hfc", "pitch_salience",
        *(f"silence_rate_{db}dB" for db in (20, 30, 60)),
        *(f"spectral_{s}" for s in (
            "centroid", "complexity", "decrease", "energy", "energyband_high", "energyband_low",
            "energyband_middle_high", "energyband_middle_low", "entropy", "flux", "kurtosis", "rms", "rolloff",
            "skewness", "spread", "strongpeak")),
        "zerocrossingrate", "loudness_ebu128.momentary", "loudness_ebu128.short_term",
    ],
    "rhythm": ["beats_loudness"],
    "tonal": ["chords_strength", "hpcp_crest", "hpcp_entropy"],
}  # fmt: skip
"""Descriptors that have a mean and a standard deviation over frames."""

single_names = {
    "lowlevel": [
        "average_loudness", "dynamic_complexity", "loudness_ebu128.integrated", "loudness_ebu128.loudness_range",
    ],
    "rhythm": [
        "beats_count", "bpm", "bpm_histogram_first_peak_bpm", "bpm_histogram_first_peak_weight",
        "bpm_histogram_second_peak_bpm", "bpm_histogram_second_peak_spread", "bpm_histogram_second_peak_weight",
        "danceability", "onset_rate",
    ],
    "tonal": [
        "chords_changes_rate", "chords_number_rate", "key_edma.strength", "key_krumhansl.strength",
        "key_temperley.strength", "tuning_diatonic_strength", "tuning_equal_tempered_deviation",
        "tuning_frequency", "tuning_nontempered_energy_ratio",
    ],
}  # fmt: skip

text_names = {
    "tonal": [
        "chords_key", "chords_scale", *(f"key_{p}.{s}" for p in ("edma", "krumhansl", "temperley")
                                        for s in ("key", "scale")),
    ],
}  # fmt: skip


def numbers() -> list[str]:
    """Return the names in MusicExtractor's pool that become number columns."""
    means = [f"{space}.{n}.{s}" for space, names in frame_names.items() for n in names for s in ("mean", "stdev")]
    return means + [f"{space}.{name}" for space, names in single_names.items() for name in names]


def texts() -> list[str]:
    """Return the names in MusicExtractor's pool that become text columns."""
    return [f"{space}.{name}" for space, names in text_names.items() for name in names]


def column_name(name: str) -> str:
    """Return ``lowlevel.spectral_flux.mean`` as ``lowlevel_spectral_flux_mean``.

    Parameters
    ----------
    name : str
        Of a descriptor.
    """
    return name.replace(".", "_").lower()


@dataclass
class EssentiaFull(Extractor):
    """MusicExtractor's scalar descriptors, its key and its chord names; null for silence."""

    name: ClassVar[str] = "essentia-full"
    version: ClassVar[int] = 1
    cost: ClassVar[float | None] = 0.03
    cite = (bogdanov,)

    def columns(self) -> Mapping[str, Column]:
        text = "MusicExtractor's {}."
        return {column_name(n): Column(pl.Float32, "", text.format(n), nullable=True) for n in numbers()} | {
            column_name(n): Column(pl.String, "", text.format(n), nullable=True) for n in texts()
        }

    def extract(self, track: Track) -> Row:
        x = track.audio(sr)
        pool = {} if levelled(x) is None else music_extractor(x)
        return {column_name(name): pool.get(name) for name in numbers() + texts()}


def music_extractor(x: np.ndarray) -> dict[str, Any]:
    """Return MusicExtractor's descriptors of ``x`` [shape=(n,), 44.1 kHz]; not a number becomes None.

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]
    """
    import soundfile

    stats = ["mean", "stdev"]
    extract = essentia().MusicExtractor(
        lowlevelSilentFrames="keep", tonalSilentFrames="keep", lowlevelStats=stats, rhythmStats=stats, tonalStats=stats
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "track.wav"
        soundfile.write(path, x, sr, subtype="FLOAT")
        fix_noise()
        pool, _ = extract(str(path))
    values = {name: pool[name] for name in pool.descriptorNames()}
    return {name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in values.items()}  # fmt: skip
