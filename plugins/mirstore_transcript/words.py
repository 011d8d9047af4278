"""The words that may be believed, of all that Whisper writes.

Examples
--------
>>> from pathlib import Path
>>> segment = {
...     "start": 0.0, "end": 1.0, "no_speech_prob": 0.1, "avg_logprob": -0.3, "compression_ratio": 1.0,
...     "pieces": '[[" Well", 0.0, 0.4, 0.9], ["-known", 0.4, 0.6, 0.8], [" song", 0.6, 1.0, 0.7]]', "language": "en",
...     "detected": None,
... }
>>> heard = {"transcript-segments": pl.DataFrame([segment])}
>>> rows = Transcript(language="en").extract(Track("0" * 64, Path("a.wav"), heard))
>>> [(row["word"], row["start"], row["end"]) for row in rows]
[('Well-known', 0.0, 0.6), ('song', 0.6, 1.0)]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any, NamedTuple

import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.errors import ConfigError
from mirstore.core.languages import annotated, code
from mirstore_transcript.publications import whisper


class _Language(NamedTuple):
    """What a recording's language is, who says so, and why there are no words, if it is another than was written."""

    code: str | None
    source: str
    reason: str = ""


@dataclass
class Transcript(Extractor):
    """The words of a recording with their times, as Whisper hears them and as far as that may be believed.

    A segment's words count if its three numbers are within bounds, and if its words are likely and have the time that
    words take: what is invented is often crowded into none, above all at the end of a recording. The usual bounds were
    found on instrumental clips, of which none keeps a word.

    The language is the parameter, or what an annotation called ``language`` says of the track, or what the network
    detects; else that of the network is assumed. Where it is another one than the network writes, there are no words:
    a row without a word says why. So does one where nothing was heard and the language is only assumed, since a
    network does not hear songs in languages that it does not know. No rows at all mean that nobody sings or speaks.

    Parameters
    ----------
    no_speech : float
        The highest ``no_speech_prob``.
    compression : float
        The highest ``compression_ratio``.
    logprob : float
        The lowest ``avg_logprob``.
    anomaly : float
        The highest mean of what openai-whisper counts against words, over the first eight of a segment: 1 for a
        probability below 0.15, 15 for each second that a word is shorter than 0.133 s, 1 for each that it is longer
        than 2 s.
    language : str
        Of all recordings: ``"en"``, ``"eng"`` or ``"English"``.
    require_language : bool
        Whether there are no words where the language would be assumed.
    vocal_share : float, 0 to 1
        The lowest share of the voice in the energy of the track at which words are believed: the column of that name
        of ``vocal-share``, which is read if this is more than 0. Below it a row without a word says so.
    """

    name = "transcript"
    inputs = ("transcript-segments", "language")
    optional = frozenset({"language"})
    cost = 1e-5
    cite = (whisper,)
    no_speech: float = 0.75
    compression: float = 2.4
    logprob: float = -1.0
    anomaly: float = 0.75
    language: str = ""
    require_language: bool = False
    vocal_share: float = field(default=0.0, metadata={"was": 0.0})

    def __post_init__(self) -> None:
        if not 0 <= self.vocal_share <= 1:
            raise ValueError(f"vocal_share={self.vocal_share} must be a share, 0 to 1")
        if self.language:
            known = code(self.language)
            if known is None:
                raise ValueError(f"language={self.language!r} must be a code of ISO 639-1, as 'en'")
            self.language = known  # one identity for "en" and "English"

    def reads(self) -> dict[str, str | None]:
        return dict.fromkeys((*self.inputs, "vocal-share") if self.vocal_share else self.inputs)

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        if self.vocal_share and "vocal_share" not in inputs.get("vocal-share", {}):
            raise ConfigError(
                "transcript: what it reads as vocal-share has no column 'vocal_share'",
                hint='name features of the extractor vocal-share: inputs = { vocal-share = "vocal-share" }',
            )
        return {
            "start": Column(pl.Float64, "s", "where the word begins", (0, None)),
            "end": Column(pl.Float64, "s", "where it ends", (0, None)),
            "word": Column(pl.String, "", "as written, with capitals and punctuation", nullable=True),
            "probability": Column(pl.Float32, "", "that of the least sure of its parts", (0, 1), nullable=True),
            "segment": Column(
                pl.Int32, "", "number of its segment, of those with words, from 0", (0, None), nullable=True
            ),
            "language": Column(pl.String, "", "of the recording, in ISO 639-1", nullable=True),
            "language_source": Column(pl.String, "", "who says so: 'given', 'detected', 'assumed', 'unknown'"),
            "reason": Column(pl.String, "", "why there are no words", nullable=True),
        }

    def extract(self, track: Track) -> list[Row]:
        segments = track.features("transcript-segments")
        language = self._language(track, segments)
        reason = language.reason or self._unsung(track)
        said = {"language": language.code, "language_source": language.source, "reason": reason or None}
        believed = [] if reason else self._believed(segments)
        rows: list[Row] = [{**word, "segment": at, **said} for at, words in enumerate(believed) for word in words]
        if not rows and not reason and language.source == "assumed":
            said["reason"] = "no words are heard: nobody sings, or in a language that the network does not know"
        if not rows and said["reason"]:
            rows = [
                {"start": 0.0, "end": segments["end"].max(), "word": None, "probability": None, "segment": None, **said}
            ]
        return rows

    def _unsung(self, track: Track) -> str:
        """Return why hardly anybody can be singing, by the share of the voice; nothing if somebody may."""
        if not self.vocal_share:
            return ""
        share = track.features("vocal-share")["vocal_share"][0]
        if share is not None and share >= self.vocal_share:
            return ""
        found = "is null" if share is None else f"is below {self.vocal_share:g}"
        return f"hardly anybody sings: vocal_share {found}"

    def _believed(self, segments: pl.DataFrame) -> list[list[dict[str, Any]]]:
        """Return the words of each segment that has any and may be believed."""
        kept = segments.filter(
            pl.col("no_speech_prob") <= self.no_speech,
            pl.col("compression_ratio") <= self.compression,
            pl.col("avg_logprob") >= self.logprob,
        )
        found = []
        for row in kept.iter_rows(named=True):
            words = _words(json.loads(row["pieces"]))
            if words and mean(map(_anomaly, words[:8])) <= self.anomaly:
                found.append(words)
        return found

    def _language(self, track: Track, segments: pl.DataFrame) -> _Language:
        written, detected = segments["language"][0], segments["detected"][0] is not None
        given = self.language or ("language" in track.inputs and annotated(track.features("language")))
        if given:
            known = code(given)
            if known is None:
                doubt = f"language {given!r} is neither a code of ISO 639-1 nor a name that is known here"
                return _Language(None, "unknown", doubt)
            other = f"the language is {known!r}, and the network wrote {written!r}"
            return _Language(known, "given", "" if known == code(written) else other)  # Whisper's "no" is our "nb"
        if detected:
            return _Language(written, "detected")
        if self.require_language:
            return _Language(None, "unknown", "the language is not known")
        return _Language(written, "assumed")


def _anomaly(word: Mapping[str, Any]) -> float:
    """Return what speaks against a word, as openai-whisper counts it where it looks for inventions."""
    seconds = word["end"] - word["start"]
    return (word["probability"] < 0.15) + 15 * max(0.0, 0.133 - seconds) + max(0.0, seconds - 2.0)


def _words(pieces: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the words of a segment: a piece that does not begin with a blank belongs to the word before it."""
    found: list[list[Any]] = []
    for text, start, end, probability in pieces:
        if found and not text[:1].isspace():
            word = found[-1]
            found[-1] = [word[0] + text, word[1], end, min(word[3], probability)]
        else:
            found.append([text, start, end, probability])
    named = (dict(zip(("word", "start", "end", "probability"), word, strict=True)) for word in found)
    return [{**word, "word": word["word"].strip()} for word in named if word["word"].strip()]
