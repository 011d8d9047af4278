"""An extractor that breaks its own declaration."""

from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, hookimpl


@dataclass
class Wrong(Extractor):
    """Length of a track; breaks its declaration where the file's name has ``only`` in it."""

    name = "wrong"
    only: str = "bad"
    how: str = "extra"  # "missing", "extra", "type", "nan" or "rows"

    def columns(self) -> dict[str, Column]:
        return {"seconds": Column(pl.Float64, "s", "length of the track", range=(0, 1200))}

    def extract(self, track: Track) -> Row:
        if self.only in track.path.name:
            return self._breach(track.duration)
        return {"seconds": track.duration}

    def _breach(self, seconds: float) -> Row | list[Row]:
        breaches: dict[str, Row | list[Row]] = {
            "missing": {},
            "extra": {"seconds": seconds, "minutes": seconds / 60},
            "type": {"seconds": "long"},
            "nan": {"seconds": float("nan")},
            "rows": [{"seconds": seconds}, {"seconds": seconds}],
        }
        return breaches[self.how]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Wrong]
