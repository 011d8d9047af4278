"""A progression that anyone can hear, for tests of what reads chords."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from mirstore.core import Column, Extractor, Row, Track

columns = {
    "start": Column(pl.Float64, "s", "where the chord begins", (0, None)),
    "end": Column(pl.Float64, "s", "where the chord ends", (0, None)),
    "label": Column(pl.String, "", "chord in Harte's syntax"),
    "root": Column(pl.String, "", "root", nullable=True),
    "quality": Column(pl.String, "", "quality", nullable=True),
    "confidence": Column(pl.Float32, "", "confidence", (0, 1), nullable=True),
}


@dataclass
class Progression(Extractor):
    """The same chords over and over, each of one length, until the track ends."""

    name = "progression"
    labels: list[str] = field(default_factory=lambda: ["C:maj", "A:min", "D:min", "G:7"])
    seconds: float = 0.5

    def columns(self) -> dict[str, Column]:
        return columns

    def extract(self, track: Track) -> list[Row]:
        count = int(track.duration / self.seconds)
        return [
            row(at * self.seconds, (at + 1) * self.seconds, self.labels[at % len(self.labels)]) for at in range(count)
        ]


def row(start: float, end: float, label: str) -> Row:
    """Return one chord as the extractors of chords write it."""
    root, _, quality = label.partition(":")
    return {"start": start, "end": end, "label": label, "root": root, "quality": quality, "confidence": 1.0}
