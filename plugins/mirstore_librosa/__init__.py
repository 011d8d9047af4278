"""Mel-spectrograms and MFCC by librosa."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_librosa.mel import Mel
from mirstore_librosa.mfcc import MFCC, MFCCStats, MFCCWindows

__all__ = ["MFCC", "MFCCStats", "MFCCWindows", "Mel"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Mel, MFCC, MFCCStats, MFCCWindows]
