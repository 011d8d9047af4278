"""An extractor that takes all the memory there is."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Memory(Extractor):
    """Length of a track; fills memory where the file's name has ``only`` in it."""

    name = "memory"
    only: str = "bad"
    gib: int = 8  # [GiB]; where nothing limits the process this is as far as it goes

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if self.only in track.path.name:
            hoard = []
            for _ in range(8 * self.gib):
                hoard.append(np.ones(1 << 24))  # 128 MiB, touched
        return {"seconds": track.duration}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Memory]
