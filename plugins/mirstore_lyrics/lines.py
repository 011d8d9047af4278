"""The lines of a song: as they are given, or else as they are heard.

Examples
--------
>>> from pathlib import Path
>>> heard = pl.DataFrame({"start": [1.0, 2.0], "end": [2.0, 3.0], "word": ["one", "two"], "segment": [0, 0]})
>>> rows = LyricLines().extract(Track("0" * 64, Path("a.wav"), {"transcript": heard}))
>>> [(row["start"], row["end"], row["text"], row["source"]) for row in rows]
[(1.0, 3.0, 'one two', 'heard')]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, TrackError
from mirstore.core.languages import annotated
from mirstore_lyrics.texts import require_text, text_column
from mirstore_lyrics.words import are_words


@dataclass
class LyricLines(Extractor):
    """The lines of a song: those of ``words``, which are given, where a track has them; else those of ``transcript``.

    A recording is transcribed only where no text is given. Words one by one are a line for each ``segment``. What
    either says of the language is kept; of what is given, an annotation ``language`` may say it.

    Parameters
    ----------
    column : str
        The column of text of what is given; by default ``word``, ``words``, ``text``, ``line`` or ``lyrics``, or else
        the only one.
    """

    name = "lyric-lines"
    inputs = ("words", "transcript", "language")
    optional = frozenset({"words", "transcript", "language"})
    fallbacks: ClassVar[Mapping[str, str]] = {"transcript": "words"}
    cost = 1e-5
    column: str = ""

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        for name, column in (("words", self.column), ("transcript", "")):
            if name in inputs:
                require_text(self.name, inputs[name], column)
        return {
            "start": Column(pl.Float64, "s", "where the line begins", (0, None)),
            "end": Column(pl.Float64, "s", "where it ends, as far as that is said", (0, None), nullable=True),
            "text": Column(pl.String, "", "the line, or all lines", nullable=True),
            "source": Column(pl.String, "", "'given' or 'heard'"),
            "language": Column(pl.String, "", "of the words, as it is said", nullable=True),
            "language_source": Column(pl.String, "", "who says so", nullable=True),
            "reason": Column(pl.String, "", "why there are no words", nullable=True),
        }

    def extract(self, track: Track) -> list[Row]:
        if "words" in track.inputs:
            language = annotated(track.features("language")) if "language" in track.inputs else None
            said = {"source": "given", "language": language, "language_source": "given" if language else None}
            return _lines(track.features("words"), self.column, said)
        if "transcript" in track.inputs:
            return _lines(track.features("transcript"), "", {"source": "heard"})
        raise TrackError("no words", "no text is given, and none could be heard")


_kept = ("language", "language_source", "reason")


def _lines(rows: pl.DataFrame, wanted: str, said: Mapping[str, Any]) -> list[Row]:
    """Return rows as they are, or those of words that make a line as one; what rows say themselves goes first."""
    column = text_column(dict(rows.schema), wanted) or wanted
    each = rows.to_dicts()
    parts = (
        groupby(each, key=lambda row: row.get("segment")) if are_words(rows, column) else ((0, [row]) for row in each)
    )
    found: list[Row] = []
    for _, group in parts:
        line = list(group)
        text = " ".join(row[column] for row in line if row[column]) or None
        own = {name: line[0][name] for name in _kept if line[0].get(name) is not None}
        times = {"start": line[0].get("start") or 0.0, "end": line[-1].get("end")}
        found.append({**dict.fromkeys(_kept), **said, **own, **times, "text": text})
    return found
