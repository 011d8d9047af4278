"""Single spectral and loudness descriptors, and MFCC: means over frames of 2048 samples, every 1024.

Each is defined as MusicExtractor (essentia 2.1b6) defines the descriptor of the same name; its spectral centroid,
spread, skewness, kurtosis and entropy see the signal through an equal-loudness filter. Frames of digital silence are
kept and count as it counts them: 0, and -3 for kurtosis.
"""

from __future__ import annotations

import numpy as np

from mirstore_essentia.spectra import essentia, frames_from_zero, power, sr
from mirstore_essentia.spectra import frames as cut_frames

size = 2048
hop = 1024


def timbre(cut: np.ndarray, power: np.ndarray, magnitude: np.ndarray) -> dict[str, float]:
    """Return the descriptors of the levelled signal.

    Parameters
    ----------
    cut : np.ndarray [shape=(frames, 2048)]
        Frames without a window.
    power, magnitude : np.ndarray [shape=(frames, 1025)]
        Their spectra.
    """
    es = essentia()
    salience, complexity = es.PitchSalience(), es.SpectralComplexity(magnitudeThreshold=0.005)
    mfcc = es.MFCC(numberBands=40)
    coefficients = np.array([mfcc(spectrum)[1] for spectrum in magnitude]).mean(axis=0, dtype=np.float64)
    return {
        "zerocr": float(np.diff(cut > 0, axis=1).sum(axis=1).mean() / size),
        "spectral_rms": float(np.sqrt(power.mean(axis=1)).mean()),
        "spectral_rolloff": rolloff(power),
        "spectral_decrease": decrease(power),
        "spectral_complexity": float(np.mean([complexity(spectrum) for spectrum in magnitude])),
        "pitch_salience": float(np.mean([salience(spectrum) for spectrum in magnitude])),
    } | {f"mfcc_{i}": float(value) for i, value in enumerate(coefficients, start=1)}


def energy(x: np.ndarray) -> float:
    """Return the mean energy of the spectrum of the levelled signal.

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]
        44.1 kHz.
    """
    return float(power(cut_frames(x, size, hop)).sum(axis=1).mean())


def shape(filtered: np.ndarray) -> dict[str, float]:
    """Return centroid, spread, skewness, kurtosis and entropy of the equal-loudness filtered signal [shape=(n,)].

    Parameters
    ----------
    filtered : np.ndarray [shape=(n,)]
        44.1 kHz.
    """
    energy = power(cut_frames(filtered, size, hop)).astype(np.float64)
    energy = energy[energy.any(axis=1)]
    total_frames = 1 + -(-len(filtered) // hop)
    silent = total_frames - len(energy)
    magnitude = np.sqrt(energy)
    x = np.linspace(0, 1, energy.shape[1])  # in units of 22.05 kHz, so that fourth powers keep their digits
    p = magnitude / magnitude.sum(axis=1, keepdims=True)
    m2, m3, m4 = _central_moments(*(p @ x**k for k in (1, 2, 3, 4)))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.einsum("ij,ij->i", p, np.log2(p, where=p > 0, out=np.zeros_like(p)))
        skewness, kurtosis = m3 / m2**1.5, m4 / m2**2 - 3

    def mean(values: np.ndarray, of_silence: float = 0.0) -> float:
        return float((values.sum() + silent * of_silence) / total_frames)

    return {
        "spectral_centroid": mean((energy @ x) / energy.sum(axis=1) * sr / 2),
        "spectral_spread": mean(m2 * (sr / 2) ** 2),
        "spectral_skewness": mean(np.nan_to_num(skewness)),
        "spectral_kurtosis": mean(np.nan_to_num(kurtosis, nan=-3.0), of_silence=-3.0),
        "spectral_entropy": mean(entropy),
    }


def _central_moments(
    first: np.ndarray, second: np.ndarray, third: np.ndarray, fourth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m2 = second - first**2
    m3 = third - 3 * first * second + 2 * first**3
    m4 = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    return m2, m3, m4


def rolloff(power: np.ndarray) -> float:
    """Return the mean frequency below which 85 % of a frame's energy lies [Hz].

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
    """
    cumulated = np.cumsum(power, axis=1, dtype=np.float64)
    first = (cumulated < 0.85 * cumulated[:, -1:]).sum(axis=1)
    return float(first.mean() * sr / 2 / (power.shape[1] - 1))


def decrease(power: np.ndarray) -> float:
    """Return the mean slope of the straight line through a frame's power spectrum [1/Hz].

    Parameters
    ----------
    power : np.ndarray [shape=(frames, bins)]
    """
    x = np.linspace(0, sr / 2, power.shape[1])
    x -= x.mean()
    return float((power.mean(axis=0, dtype=np.float64) @ x) / (x @ x))


def loudness(x: np.ndarray) -> float:
    """Return how close the mean loudness (energy ** 0.67) of 2 s windows is to the largest, squeezed to 0 to 1.

    MusicExtractor's ``average_loudness``: 0 for a large and 1 for a small dynamic range.

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]
        44.1 kHz.
    """
    levels = np.square(frames_from_zero(x, 2 * sr, sr), dtype=np.float64).sum(axis=1) ** 0.67
    levels = np.maximum(levels / max(levels.max(), 1e-4), 1e-4)
    level_db = 10 * np.log10(levels.mean())
    return float(0.5 + 0.5 * np.tanh(-1 + 2 * (level_db + 5) / 3))
