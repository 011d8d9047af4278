"""An extractor that takes its time, and no CPU."""

import time
from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Slow(Extractor):
    """Length of a track; comes late where the file's name has ``only`` in it, which is everywhere by default."""

    name = "slow"
    only: str = ""
    delay: float = 0.5  # [s]
    quiet: bool = False

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if self.only in track.path.name:
            time.sleep(self.delay)
            if not self.quiet:
                print("slept")  # so that a test can see how far an ingest is
        return {"seconds": track.duration}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Slow]
