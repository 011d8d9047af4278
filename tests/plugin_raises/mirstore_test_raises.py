"""An extractor that raises."""

from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Raises(Extractor):
    """Length of a track; raises where the file's name has ``only`` in it."""

    name = "raises"
    only: str = "bad"

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if "exit" in track.path.name:
            raise SystemExit(0)
        if self.only in track.path.name:
            raise ValueError("the moon is in the wrong phase")
        return {"seconds": track.duration}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Raises]
