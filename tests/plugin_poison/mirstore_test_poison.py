"""An extractor that returns, or raises, what cannot be stored."""

from dataclasses import dataclass

import polars as pl

from mirstore.core import Column, Extractor, Row, Track, TrackError, hookimpl


class LocalError(Exception):
    """An error that arrives nowhere: it does not pickle."""

    def __init__(self) -> None:
        super().__init__("cannot travel")
        self.trace = lambda: None


@dataclass
class Poison(Extractor):
    """A number and a text; poisoned where the file's name has ``only`` in it."""

    name = "poison"
    only: str = "bad"
    how: str = "int32"

    def columns(self) -> dict[str, Column]:
        return {
            "small": Column(pl.Int32, "", "a small integer"),
            "large": Column(pl.Int64, "", "a large integer"),
            "level": Column(pl.Float32, "", "a small number"),
            "text": Column(pl.String, "", "some text"),
        }

    def extract(self, track: Track) -> Row:
        row = {"small": 1, "large": 1, "level": 1.0, "text": "good"}
        if self.only not in track.path.name:
            return row
        if self.how == "message":
            raise TrackError(f"no beats \udce9 {track.path}", f"no beats in {track.path}")
        if self.how == "error":
            raise ValueError(f"no beats in {track.path}")
        if self.how == "long":
            raise ValueError("x" * 50_000_000)
        if self.how == "local":
            raise LocalError
        return (
            row
            | {
                "int32": {"small": 2**31},
                "int64": {"large": 10**30},
                "float": {"level": 1e39},
                "huge": {"level": 10**400},
                "surrogate": {"text": "caf\udce9"},
                "nul": {"text": "a\0b"},
                "book": {"text": "a" * 100_000_000},
                "object": {"text": object},
            }[self.how]
        )


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Poison]
