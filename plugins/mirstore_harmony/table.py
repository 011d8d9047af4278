"""The functions of all pairs of chords: a small table that comes with the plugin, derived from its ontology."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mirstore_harmony.theory import qualities

Pair = tuple[int, str, str]
"""Semitones from the next chord's root up to the chord's, its quality, the next chord's quality."""

Table = Mapping[Pair, frozenset[str]]
"""Pair of chords to the columns in which the first of them counts; pairs without a function are left out."""

path = Path(__file__).parent / "functions.csv"


def pairs() -> Iterator[Pair]:
    """Yield all pairs of triads and seventh chords."""
    return ((interval, a, b) for interval in range(12) for a in qualities for b in qualities)


@cache
def shipped() -> Table:
    """Return the table of all triads and seventh chords, which holds for each vocabulary."""
    with path.open(newline="") as file:
        return {
            (int(row["interval"]), row["quality"], row["next"]): frozenset(row["functions"].split())
            for row in csv.DictReader(file)
        }
