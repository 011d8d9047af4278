"""Chords over time, by two methods that share how they hear: `chords` and `chords-template`.

Both write a row for each chord: ``start``, ``end``, ``label`` in Harte's syntax, ``root``, ``quality`` and
``confidence``. Notes are spelled with flats (Db, Eb, Gb, Ab, Bb), whatever the key.
"""

from __future__ import annotations

from collections.abc import Sequence

from mirstore.core import Extractor, hookimpl
from mirstore_chords.detection import Chords
from mirstore_chords.template import ChordsTemplate

__all__ = ["Chords", "ChordsTemplate"]


@hookimpl
def register_extractors() -> Sequence[type[Extractor]]:
    """Return both extractors."""
    return Chords, ChordsTemplate
