"""The published Functional Harmony Ontology instead of ours: its names for chords and functions.

There chords are classes, ``Cmin7`` and ``Fsdim`` among them, and functions are told for each of the twelve keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mirstore.core.errors import ConfigError
from mirstore_harmony import ontology
from mirstore_harmony.labels import Chord
from mirstore_harmony.reasoning import Rules
from mirstore_harmony.table import Table, pairs

_namespace = "http://purl.org/ontology/fho/"
_roots = "C Db D Eb E F Fs G Ab A Bb B".split()
_suffixes = {"maj": "", "hdim7": "dim7", "dim7": "dimb7"}  # its dim7 is half-diminished, its dimb7 fully diminished
_functions = {
    "dominants": "DominantChordFunction",
    "subdominants": "SubdominantChordFunction",
    "major_dominants": "IonianDominant|HarmonicMinorDominant",
    "mixolydian_seventh_dominants": "MixolydianSeventhDominant",
    "aeolian_seventh_dominants": "AeolianRelativeDominant",
    "minor_fourth_subdominants": "[A-G][bs]?_AeolianParallelSubdominant",
}


@cache
def table(path: Path) -> Table:
    """Return the functions of all pairs of chords that a file with that ontology implies.

    Its axioms are the same for all roots, but it lacks some chords on some: a pair is looked up where both are there.

    Parameters
    ----------
    path : path
        RDF/XML.

    Raises
    ------
    ConfigError
        If the file cannot be read, or has other names.
    """
    functions = reasoned(path)
    found = {}
    for interval, quality, following in pairs():
        told = (functions(((root + interval) % 12, quality), (root, following)) for root in range(12))
        if named := next((each for each in told if each is not None), None):
            found[interval, quality, following] = named
    return found


def reasoned(path: Path) -> Callable[[Chord, Chord], frozenset[str] | None]:
    """Return what tells the columns in which a chord counts before another; None if the file lacks one of them.

    Parameters
    ----------
    path : path
        RDF/XML.

    Raises
    ------
    ConfigError
        If the file cannot be read, or has other names.
    """
    world = _loaded(path)
    rules = Rules(world)
    columns = {kind: name for name, pattern in _functions.items() for kind in _matching(world, pattern)}
    if lacking := [pattern for name, pattern in _functions.items() if name not in columns.values()]:
        raise ConfigError(
            f"{path}: has no class {lacking[0]} in {_namespace}",
            hint="give the file of the Functional Harmony Ontology",
        )

    def functions(chord: Chord, following: Chord) -> frozenset[str] | None:
        known = [world[f"{_namespace}{_roots[root]}{_suffixes.get(q, q)}"] for root, q in (chord, following)]
        if None in known:
            return None
        classes, _ = rules.classes([known[0]], [known[1]])
        return frozenset(columns[kind] for kind in classes if kind in columns)

    return functions


def _loaded(path: Path) -> Any:
    import owlready2

    try:
        return ontology.load(path).world
    except (OSError, owlready2.base.OwlReadyError) as error:
        raise ConfigError(f"{path}: cannot be read as an ontology: {error}", hint="give a file in RDF/XML") from None


def _matching(world: Any, pattern: str) -> Iterator[Any]:
    for kind in world.classes():
        if kind.iri.startswith(_namespace) and re.fullmatch(pattern, kind.iri.removeprefix(_namespace)):
            yield kind
