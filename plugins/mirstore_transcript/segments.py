"""What Whisper writes of a recording, segment by segment, believed or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, TrackError, Weights
from mirstore_transcript.model import digest, load, tiny_en
from mirstore_transcript.publications import whisper

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment


@dataclass
class TranscriptSegments(Extractor):
    """What Whisper writes of a recording, segment by segment, with the numbers that tell words from inventions.

    Whisper writes something of anything: of instrumental music, noise and silence too. Here stands all of it;
    ``transcript`` has the words that may be believed. Decoded without chance (temperature 0), so that the same
    recording has the same text. A recording of which nothing is written has one row, without text.

    Parameters
    ----------
    folder : str
        Of another Whisper network in CTranslate2's format; by default the weights ``whisper-tiny.en``. The path is no
        part of the identity, what is in the folder is.
    language : str
        What a network of many languages is told, as ``"es"``; by default it detects the language of each recording.
    beam_size : int
        How many texts are followed at once; 1 is faster.
    compute_type : str
        How CTranslate2 computes: ``"int8"`` is 2.4 times as fast as ``"float32"``, and as good on speech.
    """

    name = "transcript-segments"
    place = "gpu"
    cost = 0.06
    cite = (whisper,)
    needs = (tiny_en,)
    folder: str = field(default="", compare=False)
    language: str = ""
    beam_size: int = 5
    compute_type: str = "int8"

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ValueError(f"beam_size={self.beam_size} must be 1 or more")
        if self.compute_type not in _compute_types:
            raise ValueError(f"compute_type={self.compute_type!r} must be one of {', '.join(_compute_types)}")
        if self.language and not self.folder:
            raise ValueError("language is for a network of many languages in a folder: whisper-tiny.en writes English")

    def uses(self) -> tuple[Weights, ...]:
        return () if self.folder else self.needs

    def weights(self) -> str | None:
        return digest(Path(self.folder)) if self.folder else super().weights()

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "where the segment begins", (0, None)),
            "end": Column(pl.Float64, "s", "where it ends", (0, None)),
            "text": Column(pl.String, "", "what the network wrote, believed or not"),
            "no_speech_prob": Column(
                pl.Float32, "", "how sure it is that nobody speaks or sings", (0, 1), nullable=True
            ),
            "avg_logprob": Column(
                pl.Float32, "", "mean log probability of what it wrote, for each token", (None, 0), nullable=True
            ),
            "compression_ratio": Column(
                pl.Float32, "", "length of the text by that of its zip: high where it repeats", (0, None), nullable=True
            ),
            "pieces": Column(
                pl.String, "", "parts of words, as JSON: text, start [s], end [s] and probability of each"
            ),
            "language": Column(pl.String, "", "in which it wrote, in ISO 639-1"),
            "detected": Column(
                pl.Float32, "", "probability of that language, where the network detects it", (0, 1), nullable=True
            ),
        }

    @cached_property
    def model(self) -> WhisperModel:
        folder = Path(self.folder) if self.folder else tiny_en.path()
        try:
            return load(folder, self.compute_type)
        except (RuntimeError, ValueError) as error:
            raise TrackError("wrong model", f"{folder}: {error}") from None

    def extract(self, track: Track) -> list[Row]:
        samples = track.audio(16_000)
        if self.model.model.is_multilingual and self.language not in ("", *self.model.supported_languages):
            raise TrackError("wrong model", f"the network in {self.folder} knows no language {self.language!r}")
        try:
            segments, info = self.model.transcribe(
                samples,
                language=self.language or None,
                beam_size=self.beam_size,
                temperature=0.0,  # others draw by chance
                no_speech_threshold=None,  # whatever is left out here, nobody can look at
                log_prob_threshold=None,
                compression_ratio_threshold=None,
                word_timestamps=True,
            )
            rows = list(_rows(segments, track.duration))  # it computes only now
        except RuntimeError as error:
            if "cannot be loaded" not in str(error):
                raise
            raise TrackError("no CUDA libraries", f"{error}; {_remedy}") from None
        told = not self.model.model.is_multilingual or bool(self.language)
        said = {"language": info.language, "detected": None if told else info.language_probability}
        return [{**row, **said} for row in rows] or [{**_nothing(track.duration), **said}]


_remedy = (
    "CTranslate2 needs it for the GPU: pip install nvidia-cublas-cu12 nvidia-cudnn-cu12, and their folders in "
    "LD_LIBRARY_PATH; or CUDA_VISIBLE_DEVICES= before the command, which computes on processors"
)
_compute_types = ("int8", "int8_float32", "int8_float16", "float32", "float16", "bfloat16")


def _rows(segments: Iterator[Segment], duration: float) -> Iterator[dict[str, Any]]:
    for segment in segments:
        words = segment.words or []
        pieces = [[w.word, *_times(w.start, w.end, duration), round(float(w.probability), 3)] for w in words]
        start, end = _times(segment.start, segment.end, duration)
        yield {
            "start": start,
            "end": end,
            "text": segment.text.strip(),
            "no_speech_prob": segment.no_speech_prob,
            "avg_logprob": min(segment.avg_logprob, 0.0),
            "compression_ratio": segment.compression_ratio,
            "pieces": json.dumps(pieces, ensure_ascii=False),
        }


def _times(start: float, end: float, duration: float) -> tuple[float, float]:
    """Return times to 0.01 s that lie in the recording: the network hears 30 s, of which the rest is silence."""
    start, end = (round(min(float(time), duration), 2) for time in (start, end))
    return start, max(start, end)


def _nothing(duration: float) -> dict[str, Any]:
    numbers = dict.fromkeys(("no_speech_prob", "avg_logprob", "compression_ratio"))
    return {"start": 0.0, "end": round(duration, 2), "text": "", **numbers, "pieces": "[]"}
