"""Progressions as RDF, for SPARQL: chords as individuals of the ontology's classes.

Examples
--------
>>> rows = {"track": ["a", "a"], "start": [0.0, 1.0], "end": [1.0, 2.0], "label": ["G:7", "C:maj"]}
>>> made = graph(pl.DataFrame(rows))
>>> question = "SELECT (COUNT(?chord) AS ?count) WHERE { ?chord a h:MajorDominant; h:hasNext/a h:MajorTriad }"
>>> [int(row[0]) for row in made.query(question)]
[1]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from mirstore_harmony import ontology
from mirstore_harmony.extractor import FunctionalHarmony, ReadsChords
from mirstore_harmony.ngrams import functions_of
from mirstore_harmony.progression import Sounding
from mirstore_harmony.table import Table
from mirstore_harmony.theory import functions

if TYPE_CHECKING:
    import rdflib
    from rdflib.term import Node

    _Triple = tuple[Node, Node, Node]


def graph(chords: pl.DataFrame, harmony: ReadsChords | None = None) -> rdflib.Graph:
    """Return chords of any number of tracks as a graph in which each function that a chord has is one of its types.

    Prefix ``h`` is the ontology. A chord has a type for its quality, for the distance to the next one's root, and for
    each function; `h:hasNext`, `h:start`, `h:end` [s], `rdfs:label`, and `dcterms:isPartOf`, which is its track.

    Parameters
    ----------
    chords : pl.DataFrame
        With ``track``, ``start``, ``end`` and ``label``, as ``Store.features("chords")`` gives them.
    harmony : ReadsChords, optional
        With the parameters by which chords are reduced and left out; those by default if there is none.
    """
    import rdflib

    told, harmony = rdflib.Graph(), harmony or FunctionalHarmony()
    told.bind("h", ontology.iri)
    for (track,), rows in chords.sort("track", "start").group_by("track", maintain_order=True):
        whole, number = f"urn:mirstore:track:{track}", 0
        for part in harmony.parts(rows):
            for triple in _triples(part, whole, number, harmony.table()):
                told.add(triple)
            number += len(part)
    return told


def _triples(part: Sequence[Sounding], track: str, number: int, table: Table) -> Iterator[_Triple]:
    """Yield what there is to say of chords that lead from one to the next; the first has this number in its track."""
    from rdflib import Literal, Namespace, URIRef
    from rdflib.namespace import DCTERMS, RDF, RDFS

    ours = Namespace(ontology.iri)
    names = [URIRef(f"{track}#chord-{number + at}") for at in range(len(part))]
    found = functions_of([sounding.chord for sounding in part], table)
    for name, sounding, columns in zip(names, part, found, strict=True):
        for kind in (ontology.quality_classes[sounding.chord[1]], *(functions[column] for column in sorted(columns))):
            yield name, RDF.type, ours[kind]
        yield name, RDFS.label, Literal(sounding.label)
        yield name, DCTERMS.isPartOf, URIRef(track)
        yield name, ours.start, Literal(sounding.start)
        yield name, ours.end, Literal(sounding.end)
    for (name, following), (this, that), columns in zip(pairwise(names), pairwise(part), found, strict=False):
        yield name, RDF.type, ours[ontology.distance_class((this.chord[0] - that.chord[0]) % 12)]
        yield name, ours.hasNext, following
        if "dominants" in columns:
            yield following, RDF.type, ours.Tonic
