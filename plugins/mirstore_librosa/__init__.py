"""Mel-spectrograms, MFCC, harmonic and percussive parts, onsets, tempograms and tempo by librosa."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_librosa.hpss import HPSS
from mirstore_librosa.mel import Mel
from mirstore_librosa.mfcc import MFCC, MFCCStats, MFCCWindows
from mirstore_librosa.onsets import OnsetEnvelope
from mirstore_librosa.tempo import TempoFromTempogram
from mirstore_librosa.tempograms import TempogramAutocorrelation, TempogramFourier, autocorrelation_bpm, fourier_bpm

__all__ = [
    "HPSS",
    "MFCC",
    "MFCCStats",
    "MFCCWindows",
    "Mel",
    "OnsetEnvelope",
    "TempoFromTempogram",
    "TempogramAutocorrelation",
    "TempogramFourier",
    "autocorrelation_bpm",
    "fourier_bpm",
]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [
        Mel,
        HPSS,
        MFCC,
        MFCCStats,
        MFCCWindows,
        OnsetEnvelope,
        TempogramFourier,
        TempogramAutocorrelation,
        TempoFromTempogram,
    ]
