"""Chords by Omnizart's network: `chords-omnizart`."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_omnizart.extractor import ChordsOmnizart

__all__ = ["ChordsOmnizart"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    """Return the extractor."""
    return [ChordsOmnizart]
