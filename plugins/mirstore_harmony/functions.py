"""What each chord does to the one after it, as rows with times: to be read beside the music."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Row, Track
from mirstore_harmony.extractor import ReadsChords
from mirstore_harmony.ngrams import functions_of, tokens
from mirstore_harmony.publications import kantarelis

_functions = {"tonic": "tonic", "sub": "subdominant", "minor_fourth": "subdominant"}  # the other tokens are dominants


@dataclass
class ChordFunctions(ReadsChords):
    """The function of each chord in front of the next: dominant, subdominant, or tonic after a dominant.

    Chords are reduced, merged and left out as for `functional-harmony`, with the same parameters: the rows are the
    chords that it counts. A track in which nothing counts as a chord has none.

    Parameters
    ----------
    vocabulary : {"majmin", "sevenths"}
        What chords are reduced to: 2 triads by their third, or 4 triads and 7 seventh chords.
    min_duration : float >= 0 [s]
        Shorter chords are left out.
    merge_repeats : bool
        Whether a chord that comes again right after itself is one chord.
    break_gap : float >= 0 [s], optional
        After a longer time without a chord nothing leads to the next one; by default chords lead on over any gap.
    ontology : str, optional
        Path of the published Functional Harmony Ontology (RDF/XML), to be used instead of the plugin's own.
    """

    name = "chord-functions"
    cost = 1e-5
    cite = (kantarelis,)

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        self.check(inputs["chords"])
        return {
            "start": Column(pl.Float64, "s", "where the chord begins", range=(0, None)),
            "end": Column(pl.Float64, "s", "where the chord ends", range=(0, None)),
            "function": Column(
                pl.String, "", "what it does: dominant or subdominant of the next chord, or tonic", nullable=True
            ),
            "label": Column(pl.String, "", "the chord as it was read, the first of those that are merged"),
        }

    def extract(self, track: Track) -> list[Row]:
        table, found = self.table(), list[Row]()
        for part in self.parts(track.features("chords")):
            said = tokens(functions_of([sounding.chord for sounding in part], table))
            for sounding, token in zip(part, said, strict=True):
                function = token and _functions.get(token, "dominant")
                found.append(
                    {"start": sounding.start, "end": sounding.end, "function": function, "label": sounding.label}
                )
        return found
