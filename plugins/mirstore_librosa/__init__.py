"""Mel-spectrograms, MFCC, harmonic and percussive parts by librosa."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_librosa.hpss import HPSS
from mirstore_librosa.mel import Mel
from mirstore_librosa.mfcc import MFCC, MFCCStats, MFCCWindows

__all__ = ["HPSS", "MFCC", "MFCCStats", "MFCCWindows", "Mel"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Mel, HPSS, MFCC, MFCCStats, MFCCWindows]
