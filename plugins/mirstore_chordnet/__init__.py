"""Chords of 25 types, with sevenths and basses, by trained networks: `chords-large`."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_chordnet.extractor import ChordsLarge

__all__ = ["ChordsLarge"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    """Return the extractor."""
    return [ChordsLarge]
