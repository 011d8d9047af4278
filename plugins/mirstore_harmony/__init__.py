"""Functional harmony: what chords do to the chords after them."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_harmony.extractor import FunctionalHarmony
from mirstore_harmony.functions import ChordFunctions
from mirstore_harmony.rdf import graph

__all__ = ["ChordFunctions", "FunctionalHarmony", "graph"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [FunctionalHarmony, ChordFunctions]
