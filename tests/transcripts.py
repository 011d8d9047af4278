"""Segments as Whisper writes them, real ones and made ones, and what is believed of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.core import Audio, Column
from mirstore.core.columns import check_rows
from mirstore.core.resolve import build
from mirstore.core.tracks import Track
from mirstore_transcript import Transcript, TranscriptSegments


def segment(start: float, end: float, *pieces: str, nsp=0.1, lp=-0.3, cr=1.2, language="en", detected=None):
    times = np.linspace(start, end, len(pieces) + 1)
    told = [[text, times[at], times[at + 1], 0.9 - 0.1 * at] for at, text in enumerate(pieces)]
    numbers = {"no_speech_prob": nsp, "avg_logprob": lp, "compression_ratio": cr}
    said = {"language": language, "detected": detected}
    return {"start": start, "end": end, "text": "".join(pieces), **numbers, "pieces": json.dumps(told), **said}


def silence(seconds: float = 5.0):
    return segment(0.0, seconds, nsp=None, lp=None, cr=None)


def heard(*segments, language: str | None = None, share: float | None = None, **params):
    """What the extractor makes of segments and the share of the voice, checked as a worker does."""
    columns = TranscriptSegments().columns()
    schema = {name: column.dtype for name, column in columns.items()}
    inputs = {"transcript-segments": pl.DataFrame(segments, schema)}
    if language is not None:
        inputs["language"] = pl.DataFrame({"start": [0.0], "text": [language]})
    inputs["vocal-share"] = pl.DataFrame({"vocal_share": [share]}, {"vocal_share": pl.Float32})
    extractor = build(Transcript, params, "features.t.params")
    declared = extractor.columns({"vocal-share": {"vocal_share": Column(pl.Float32, "", "energy", nullable=True)}})
    return check_rows(extractor.extract(Track("0" * 64, Path("a.wav"), inputs)), declared)


def words(rows) -> list[str]:
    return [row["word"] for row in rows if row["word"] is not None]


def segments_of(samples: np.ndarray, **params):
    recording = Audio(np.float32(samples)[None], 16_000, "pcm", "none", ("FC",))
    extractor = TranscriptSegments(**params)
    return check_rows(extractor.extract(Track("0" * 64, Path("a.wav"), recording=recording)), extractor.columns())


def believed(rows, **params) -> str:
    return " ".join(words(heard(*rows, **params)))


def file_of(path: Path) -> Track:
    return Track("0" * 64, path)
