"""An extractor that never returns."""

import itertools
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Hangs(Extractor):
    """Length of a track; hangs where the file's name has ``only`` in it, and makes the file ``sign`` before it does."""

    name = "hangs"
    only: str = "bad"
    native: bool = False
    sign: str = ""

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if self.only in track.path.name:
            if self.sign:
                Path(self.sign).touch()
            if self.native:  # a loop in C: it keeps the GIL and never looks for signals
                deque(itertools.repeat(None), maxlen=0)
            while True:
                time.sleep(0.1)
        return {"seconds": track.duration}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Hangs]
