"""An extractor that takes its process down, as a crash in native code does."""

import os
from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Aborts(Extractor):
    """Length of a track; aborts where the file's name has ``only`` in it."""

    name = "aborts"
    only: str = "bad"

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if self.only in track.path.name:
            os.abort()
        return {"seconds": track.duration}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Aborts]
