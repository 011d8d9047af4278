"""Functional harmony: what chords do to the chords after them."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_harmony.extractor import FunctionalHarmony

__all__ = ["FunctionalHarmony"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [FunctionalHarmony]
