"""How often chords act as dominants, subdominants and tonics, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.errors import ConfigError, TrackError
from mirstore_harmony import ngrams, progression, published, table
from mirstore_harmony.progression import Sounding
from mirstore_harmony.publications import kantarelis, patakis
from mirstore_harmony.table import Table

_meanings = {
    "dominants": "share of chords that act as dominants",
    "subdominants": "share of chords that act as subdominants",
    "major_dominants": "share of chords that are major dominants: V before I or i",
    "mixolydian_seventh_dominants": "share of chords that are dominants on the Mixolydian seventh: bVII before I",
    "aeolian_seventh_dominants": "share of chords that are dominants on the Aeolian seventh: bVII before i",
    "minor_fourth_subdominants": "share of chords that are minor subdominants: iv before I or i",
    "tonics": "share of chords without a function of their own right after a dominant",
}
_words = {
    "dom": "another dominant",
    "sub": "another subdominant",
    "glob": "major dominant",
    "aelian": "Aeolian seventh",
    "mixolydian": "Mixolydian seventh",
    "minor_fourth": "minor subdominant",
    "tonic": "tonic",
}


@dataclass
class ReadsChords(Extractor):
    """What extractors have in common that reduce chords to progressions and look functions up.

    Each says itself what its parameters are, since that is what its users see.
    """

    inputs = ("chords",)
    vocabulary: Literal["majmin", "sevenths"] = "majmin"
    min_duration: float = 0.1
    merge_repeats: bool = True
    break_gap: float | None = None
    ontology: str | None = None

    def __post_init__(self) -> None:
        if not self.min_duration >= 0:
            raise ValueError(f"min_duration={self.min_duration} must be 0 or more [s]")
        if self.break_gap is not None and not self.break_gap >= 0:
            raise ValueError(f"break_gap={self.break_gap} must be 0 or more [s]")
        if self.ontology is not None and not Path(self.ontology).is_file():
            raise ValueError(f"ontology={self.ontology!r} is no file")

    def params(self) -> dict[str, Any]:
        """Return the parameters, with the hash of the ontology's file in place of its path."""
        given = super().params()
        if self.ontology is not None:
            given["ontology"] = hashlib.sha256(Path(self.ontology).read_bytes()).hexdigest()
        return given

    def check(self, read: Mapping[str, Column]) -> None:
        """Refuse what has no chords to read.

        Parameters
        ----------
        read : Mapping of str to Column
            What it reads, as declared.

        Raises
        ------
        ConfigError
            If a column is not there, or the labels are no text.
        """
        for name, kind in (("start", None), ("end", None), ("label", pl.String)):
            if name not in read or (kind and read[name].dtype != kind):
                raise ConfigError(
                    f"{self.name}: what it reads has no column {name!r}{' of text' if kind else ''}",
                    hint="it needs start, end [s] and label, a chord in Harte's syntax as C:maj",
                )

    def rdf(self, inputs: Mapping[str, pl.DataFrame]) -> str:
        from mirstore_harmony.rdf import graph

        return str(graph(inputs["chords"], self).serialize(format="turtle"))

    def parts(self, rows: pl.DataFrame) -> list[list[Sounding]]:
        """Return the chords that count, in parts between which there is a gap.

        Parameters
        ----------
        rows : pl.DataFrame
            Of one track, with ``start``, ``end`` [s] and ``label``.
        """
        return progression.parts(rows, self.vocabulary, self.min_duration, self.merge_repeats, self.break_gap)

    def table(self) -> Table:
        """Return the functions of pairs of chords, by the plugin's ontology or by the given one."""
        return published.table(Path(self.ontology)) if self.ontology else table.shipped()


@dataclass
class FunctionalHarmony(ReadsChords):
    """Dominants, subdominants and tonics in a progression, and the 312 sequences of two and three of them.

    A function follows from a chord and the next one alone, as the plugin's ontology says; no key is needed. Shares are
    by the number of chords n, those of pairs by n - 1, of triples by n - 2. A track without chords fails with
    ``no chords``, one with labels of another syntax with ``not harte``: neither has a row.

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

    name = "functional-harmony"
    cost = 1e-5
    cite = (patakis, kantarelis)

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        self.check(inputs["chords"])
        grams = (*ngrams.bigrams, *ngrams.trigrams)
        meanings = _meanings | {ngrams.column(gram): _meaning(gram) for gram in grams}
        return {name: Column(pl.Float64, "", text, (0, 1)) for name, text in meanings.items()}

    def extract(self, track: Track) -> Row:
        rows = track.features("chords")
        parts = self.parts(rows)
        if not parts:
            labels = rows["label"].drop_nulls().unique(maintain_order=True).to_list()
            seen = f"{rows.height} rows, with labels such as {', '.join(labels[:3])}" if labels else "no labels"
            raise TrackError("no chords", f"nothing that counts as a chord: {seen}")
        return ngrams.ratios([[sounding.chord for sounding in part] for part in parts], self.table())


def _meaning(gram: tuple[str, ...]) -> str:
    among = "pairs" if len(gram) == 2 else "triples"
    return f"share of {among} of neighbouring chords: {', '.join(_words[token] for token in gram)}"
