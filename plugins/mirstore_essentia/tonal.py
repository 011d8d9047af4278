"""Chroma, chords and key of the levelled signal, with MusicExtractor's settings.

Spectral peaks (60 largest, 20 to 3500 Hz) of frames of 4096 samples, every 2048, make harmonic pitch class profiles
(HPCP, Gómez 2006) of 36 bins, in tune with the recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirstore_essentia.spectra import essentia, frames, power

pitch_classes = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
flats = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
key_profiles = ("edma", "krumhansl", "temperley", "bgate", "diatonic", "edmm", "braw", "gomez", "noland", "shaath")
usual_profile = "edma"  # of MusicExtractor
resolution = 3  # bins per semitone


@dataclass
class Profiles:
    """Pitch class profiles [shape=(frames, 36)] from A upwards: plain for key and chroma, sharpened for chords."""

    plain: np.ndarray
    chords: np.ndarray


def profiles(x: np.ndarray) -> Profiles:
    """Return the profiles of a levelled signal [shape=(n,)].

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]
        44.1 kHz.
    """
    es = essentia()
    magnitude = np.sqrt(power(frames(x, 4096, 2048)))
    at = es.SpectralPeaks(maxPeaks=60, magnitudeThreshold=1e-5, minFrequency=20, maxFrequency=3500, orderBy="magnitude")
    peaks = [at(spectrum) for spectrum in magnitude]
    common = {"size": 12 * resolution, "referenceFrequency": tuning(magnitude), "weightType": "cosine"}
    common |= {"minFrequency": 20, "maxFrequency": 3500}
    plain = es.HPCP(bandPreset=False, windowSize=1.0, **common)
    chords = es.HPCP(harmonics=8, bandSplitFrequency=500, nonLinear=True, windowSize=0.5, **common)
    return Profiles(np.array([plain(*peak) for peak in peaks]), np.array([chords(*peak) for peak in peaks]))


def tuning(magnitude: np.ndarray) -> float:
    """Return the frequency of a' [Hz] that the peaks of spectra [shape=(frames, 2049)] are in tune with.

    Parameters
    ----------
    magnitude : np.ndarray [shape=(frames, 2049), dtype=float32]
    """
    es = essentia()
    at = es.SpectralPeaks(
        maxPeaks=10000, magnitudeThreshold=1e-5, minFrequency=40, maxFrequency=5000, orderBy="frequency"
    )
    histogram = es.TuningFrequency()  # keeps counting from frame to frame; its last answer knows them all
    frequency = 440.0
    for spectrum in magnitude:
        frequency, _ = histogram(*at(spectrum))
    return float(frequency)


def chroma(profile: np.ndarray) -> dict[str, float | None]:
    """Return each pitch class's share of the mean plain profile [shape=(frames, 36)]; a semitone is three bins.

    Parameters
    ----------
    profile : np.ndarray [shape=(frames, 36)]
        From A on.
    """
    mean = np.roll(profile.mean(axis=0, dtype=np.float64), 1).reshape(12, resolution).sum(axis=1)
    shares = np.roll(mean, -3) / mean.sum() if mean.any() else [None] * 12  # C is three semitones above A
    return {f"chroma_{name.lower()}": share for name, share in zip(pitch_classes, shares, strict=True)}


def chords(profile: np.ndarray) -> dict[str, float]:
    """Return how often the chord changes, how many of the 24 occur, and how well they fit.

    The first two are per frame, so that the second halves when the music goes on twice as long; ``chords_diversity`` is
    the number of equally frequent chords that would be as hard to guess, exp of the entropy of their shares.

    Parameters
    ----------
    profile : np.ndarray [shape=(frames, 36)]
        For chords; see `Profiles`.
    """
    es = essentia()
    names, strength = es.ChordsDetection()(profile)
    _, number_rate, changes_rate, _, _ = es.ChordsDescriptors()(names, "C", "major")  # rates ignore the key
    share = np.unique(names, return_counts=True)[1] / len(names)
    return {
        "chords_number_rate": float(number_rate),
        "chords_changes_rate": float(changes_rate),
        "chords_strength": float(np.mean(strength, dtype=np.float64)),
        "chords_diversity": float(np.exp(-share @ np.log(share))),
    }


def key(profile: np.ndarray, kind: str) -> tuple[str, str, float] | None:
    """Return tonic, ``"major"`` or ``"minor"`` and strength of the mean plain profile, None if it is empty.

    Bins below a fifth of the largest are left out and the rest is moved to the best of the three tunings, as
    essentia's streaming Key does.

    Parameters
    ----------
    profile : np.ndarray [shape=(frames, 36)]
    kind : str
        One of `key_profiles`.
    """
    mean = profile.mean(axis=0)
    if not mean.any():
        return None
    mean = np.where(mean < 0.2 * mean.max(), 0, mean / mean.max())
    best = int(mean.reshape(12, resolution).sum(axis=0).argmax())
    in_tune = np.roll(mean, -(best - resolution if best > resolution // 2 else best)).astype(np.float32)
    find = essentia().Key(
        numHarmonics=4, pcpSize=36, profileType=kind, slope=0.6, usePolyphony=True, useThreeChords=True
    )
    tonic, scale, strength, _ = find(in_tune)
    return flats.get(tonic, tonic), scale, float(strength)


def key_strength(profile: np.ndarray) -> float | None:
    """Return the correlation of the mean plain profile with the best key of `usual_profile`, None if it is empty.

    Parameters
    ----------
    profile : np.ndarray [shape=(frames, 36)]
    """
    found = key(profile, usual_profile)
    return None if found is None else found[2]
