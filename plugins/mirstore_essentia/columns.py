"""What the 85 columns and the others are called, measured in and mean."""

from __future__ import annotations

import polars as pl

from mirstore.core import Column
from mirstore_essentia.attack import slope_bands
from mirstore_essentia.bands import bands
from mirstore_essentia.tonal import pitch_classes

share = (0.0, 1.0)
positive = (0.0, float("inf"))
Range = tuple[float, float] | None

singles: dict[str, tuple[str, str, Range]] = {
    "bpm": ("BPM", "Tempo of the whole track.", (0.0, 500.0)),
    "meter": ("", "Beats of a bar: 3, or 4 where it is 2 or 4; rarely another odd number.", (3.0, 16.0)),
    "onset_rate": ("1/s", "Onsets of notes per second.", positive),
    "danceability": ("", "How regular the loudness is at time scales of beats and bars; some 0 to 3.", positive),
    "loudness": ("", "How close the mean loudness is to the largest; 1 is a small dynamic range.", share),
    "dynamic_complexity": ("dB", "Mean distance of the loudness from its own mean.", positive),
    "key_strength": ("", "Correlation of the pitch classes with the best key (edma).", (-1.0, 1.0)),
    "chords_strength": ("", "Mean correlation of the pitch classes with the best major or minor triad.", (-1.0, 1.0)),
    "chords_changes_rate": ("", "Chord changes per frame of 46 ms.", share),
    "chords_number_rate": ("", "Different chords per frame of 46 ms; falls with the length of the music.", share),
    "pitch_salience": ("", "Strength of the pitch sensation: noise and pure tones are low, harmonics high.", share),
    "zerocr": ("", "Share of samples at which the signal changes its sign.", share),
    "spectral_centroid": ("Hz", "Centre of gravity of the spectrum: brightness.", (0.0, 22050.0)),
    "spectral_spread": ("Hz²", "Variance of the spectrum around its mean frequency.", positive),
    "spectral_skewness": ("", "Asymmetry of the spectrum; positive if it leans to low frequencies.", None),
    "spectral_kurtosis": ("", "Peakedness of the spectrum; 0 for a normal distribution.", None),
    "spectral_entropy": ("bit", "Evenness of the spectrum; noise is high.", (0.0, 10.01)),
    "spectral_rolloff": ("Hz", "Frequency below which 85 % of the energy lies.", (0.0, 22050.0)),
    "spectral_decrease": ("1/Hz", "Slope of a straight line through the power spectrum.", None),
    "spectral_complexity": ("", "Number of spectral peaks.", (0.0, 100.0)),
    "spectral_rms": ("", "Root mean square of the magnitude spectrum.", positive),
}

families: dict[str, tuple[str, str, Range]] = {
    "spectral_flux": ("", "Change of the spectrum from frame to frame", positive),
    "spectral_energyband": ("", "Energy of the spectrum", positive),
    "spectral_flatness": ("", "Evenness of the spectrum down to 60 dB below its peak, 1 is flat and 0 a tone", share),
    "attack_time": ("s", "Mean time from valley to peak of an onset", positive),
    "pulse_clarity": ("", "How evenly onsets repeat at 40 to 200 BPM, less in short music", share),
    "entropy_clarity": ("", "How few of the periods from 40 to 200 BPM onsets repeat at, less in fast music", share),
}

more_singles: dict[str, tuple[str, str, Range]] = {
    "beats_loud": ("", "Mean energy of the spectrum at the beats.", positive),
    "spectral_energy": ("", "Energy of the spectrum, all frequencies.", positive),
    "attack_slope": ("1/s", "Mean rise of an onset per second, whole band.", positive),
    "attack_slope_low": ("1/s", "Mean rise of an onset per second, 20 to 150 Hz.", positive),
    "attack_slope_middle_low": ("1/s", "Mean rise of an onset per second, 150 to 800 Hz.", positive),
    "bpm_confidence": ("", "How much better onsets repeat at bpm than at thirds and quarters of it.", (-1.0, 1.0)),
    "chords_diversity": ("", "Effective number of chords: exp of the entropy of their shares.", (1.0, 24.01)),
}

more_families: dict[str, tuple[str, str, Range]] = {
    "pulse_clarity_unbiased": ("", "How evenly onsets repeat at 40 to 200 BPM, whatever the length", share),
    "beat_sharpness": ("", "How exactly onsets repeat at the clearest period, whatever the tempo", share),
}


def declared() -> dict[str, Column]:
    """Return the 85 columns; null for silence, and where a track has no answer."""
    columns = {name: _column(unit, text, limits) for name, (unit, text, limits) in singles.items()}
    columns |= _six_band(families)
    for band in slope_bands:
        columns[f"attack_slope_{band}"] = _column("1/s", f"Mean rise of an onset per second, {_hertz(band)}.", positive)
    for name in pitch_classes:
        columns[f"chroma_{name.lower()}"] = _column("", f"Share of pitch class {name} in the chroma.", share)
    for i in range(1, 14):
        columns[f"mfcc_{i}"] = _column("", f"Mel-frequency cepstral coefficient {i} of 13 (40 bands).", None)
    return columns


def declared_more() -> dict[str, Column]:
    """Return the 20 other columns; all but the length are null for silence, and where a track has no answer."""
    length = {"length": Column(pl.Float32, "s", "Duration of the audio, silence included.", range=positive)}
    columns = {name: _column(unit, text, limits) for name, (unit, text, limits) in more_singles.items()}
    return length | columns | _six_band(more_families)


def _six_band(families: dict[str, tuple[str, str, Range]]) -> dict[str, Column]:
    columns = {}
    for family, (unit, text, limits) in families.items():
        everywhere = "mean of the five bands" if family == "spectral_energyband" else "whole band"
        columns[family] = _column(unit, f"{text}, {everywhere}.", limits)
        for band in bands:
            columns[f"{family}_{band}"] = _column(unit, f"{text}, {_hertz(band)}.", limits)
    return columns


def _column(unit: str, text: str, limits: Range) -> Column:
    return Column(pl.Float32, unit, text, range=limits, nullable=True)


def _hertz(band: str) -> str:
    low, high = bands[band]
    return f"{low:.0f} to {high:.0f} Hz"
