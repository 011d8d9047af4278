"""Nine numbers about the words of a song.

Examples
--------
>>> from pathlib import Path
>>> texts = ["Merry Mary had a lamb", "and made some jam"]
>>> song = pl.DataFrame({"start": [0.0, 2.0], "end": [2.0, 4.0], "text": texts})
>>> found = Lyrics(language="en").extract(Track("0" * 64, Path("a.wav"), {"words": song}))
>>> found["total_syllables"], found["rhyme_density"], found["words_per_second"], found["language_source"]
(11, 1.0, 2.25, 'given')
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.languages import code
from mirstore_lyrics import measures
from mirstore_lyrics.languages import Language, first, language_of
from mirstore_lyrics.publications import cmudict, patakis
from mirstore_lyrics.sounds import spelled, spoken, spoken_syllables
from mirstore_lyrics.syllables import by_spelling
from mirstore_lyrics.texts import require_text, text_column
from mirstore_lyrics.words import Line, has_word_breaks, lines, sung

_Found = tuple[dict[str, Any], list[str]]  # numbers by name, and why others are null


@dataclass
class Lyrics(Extractor):
    """How the words of a song sound, how they repeat, and how dense they are.

    Where a number cannot be told it is null, and ``reason`` says why; all are of an instrumental, and where the input
    has no words and says why itself, in a column ``reason``. How each is defined: the page on lyrics.

    Parameters
    ----------
    column : str
        The column of text that is read: lines, words, or a whole text with line breaks. By default ``word``,
        ``words``, ``text``, ``line`` or ``lyrics``, or else the only one.
    language : str
        Of all texts: ``"en"``, ``"eng"`` or ``"English"``. By default what a column ``language`` of the input says of
        each track, or else English is assumed.
    require_language : bool
        Whether nothing that depends on the language is told where it would be assumed.
    sounds : str
        What alliteration, assonance, consonance and rhymes are found by: ``"phones"``, English pronunciations; or
        ``"letters"``, the spelling, in any language with Latin letters.
    per : str
        What words per second are divided by: ``"sung"``, the time from the first word to the end of the last;
        ``"track"``, the length of the audio, which is decoded for it.
    """

    name = "lyrics"
    version = 2  # 1 had no row for a track without words, which left it out of experiments
    inputs = ("words",)
    cost = 1e-5
    cite = (patakis, cmudict)
    column: str = ""
    language: str = ""
    require_language: bool = False
    sounds: Literal["phones", "letters"] = "phones"
    per: Literal["sung", "track"] = "sung"

    def __post_init__(self) -> None:
        if self.language:
            known = code(self.language)
            if known is None:
                raise ValueError(f"language={self.language!r} must be a code of ISO 639-1, as 'en'")
            self.language = known  # one identity for "en" and "English"

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        require_text(self.name, inputs["words"], self.column)
        near = f"share of pairs of near words that {{}}, by their {self.sounds}"
        vowel = "have the same stressed vowel" if self.sounds == "phones" else "have the same first vowels"
        return {
            "alliteration": _share(near.format("begin with the same consonant")),
            "assonance": _share(near.format(vowel)),
            "consonance": _share(near.format("end with the same consonant")),
            "rhyme_density": _share("share of lines whose last word rhymes with that of a line near by"),
            "syllables_per_word": Column(
                pl.Float64, "", "mean number of syllables of a word", (1, None), nullable=True
            ),
            "total_syllables": Column(pl.Int32, "", "number of syllables", (1, None), nullable=True),
            "repetition_rate": _share("share of words that come more than once"),
            "lexical_diversity": _share("number of different words by that of all words"),
            "words_per_second": Column(pl.Float64, "1/s", "words per second", (0, None), nullable=True),
            "language": Column(pl.String, "", "language of the words, in ISO 639-1", nullable=True),
            "language_source": Column(pl.String, "", "who says so: 'given', 'detected', 'assumed', 'unknown'"),
            "reason": Column(pl.String, "", "why numbers are null", nullable=True),
        }

    def extract(self, track: Track) -> Row:
        rows = track.features("words")
        column = text_column(dict(rows.schema), self.column) or self.column
        text = lines(sung(rows, column))
        if not text:
            return _silent(rows)
        tongue = Language(self.language, "given") if self.language else language_of(rows, text, self.require_language)
        told: dict[str, Any] = dict.fromkeys(_numbers)
        if not has_word_breaks(text):
            return {**told, **_said(tongue, ["words cannot be told apart: the script has no blanks between them"])}
        speed = self._words_per_second(track, rows, column, text)
        times = "to know when words end" if "start" in rows.columns else "times"
        reasons = [tongue.doubt, "" if speed is not None else f"words per second need {times}"]
        for found, lacking in (_counted(text), _syllabic(text, tongue.code), self._heard(text, tongue.code)):
            told |= found
            reasons += lacking
        return {**told, "words_per_second": speed, **_said(tongue, reasons)}

    def _heard(self, text: list[Line], language: str | None) -> _Found:
        if self.sounds == "phones" and language != "en":
            return {}, [f"pronunciations are known of English, not of {language!r}"] if language else []
        heard = spoken if self.sounds == "phones" else spelled
        found = measures.pairs(text, heard)._asdict() | {"rhyme_density": measures.rhyme_density(text, heard)}
        near = ["no two near words whose sounds are known"] if found["alliteration"] is None else []
        last = ["no two lines whose last words' sounds are known"] if found["rhyme_density"] is None else []
        return found, near + last

    def _words_per_second(self, track: Track, rows: pl.DataFrame, column: str, text: list[Line]) -> float | None:
        if self.per == "track":
            return sum(map(len, text)) / track.duration
        return measures.words_per_second(rows, column)


_numbers = (
    "alliteration", "assonance", "consonance", "rhyme_density", "syllables_per_word", "total_syllables",
    "repetition_rate", "lexical_diversity", "words_per_second",
)  # fmt: skip


def _share(text: str) -> Column:
    return Column(pl.Float64, "", text, (0, 1), nullable=True)


def _silent(rows: pl.DataFrame) -> Row:
    """Return nulls: there are no words, or what was read says why none are known."""
    reason = first(rows, "reason") or "no words"
    tongue = Language(first(rows, "language"), first(rows, "language_source") or "unknown")
    return {**dict.fromkeys(_numbers), **_said(tongue, [reason])}


def _counted(text: list[Line]) -> _Found:
    rate, diversity = measures.repetition_rate(text), measures.lexical_diversity(text)
    return {"repetition_rate": rate, "lexical_diversity": diversity}, []


def _syllabic(text: list[Line], language: str | None) -> _Found:
    words = [word for line in text for word in line]
    if language == "en":
        counts = [spoken_syllables(word) for word in words]
    else:
        counts = [count for word in words if language and (count := by_spelling(word, language)) is not None]
    if not counts:
        return {}, [f"no syllables: no hyphenation of language {language!r}"] if language else []
    return {"total_syllables": sum(counts), "syllables_per_word": sum(counts) / len(counts)}, []


def _said(tongue: Language, reasons: Sequence[str]) -> dict[str, str | None]:
    reason = "; ".join(filter(None, reasons)) or None
    return {"language": tongue.code, "language_source": tongue.source, "reason": reason}
