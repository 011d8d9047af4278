"""Mean and spread over a track.

Examples
--------
>>> from pathlib import Path
>>> rows = pl.DataFrame({"start": [0.0, 1.0], "end": [1.0, 4.0], "bpm": [100.0, 120.0]})
>>> Mean().extract(Track("0" * 64, Path("a.wav"), {"rows": rows}))
{'bpm': 115.0, 'rows': 2}
>>> rows = pl.DataFrame({"start": [0.0, 1.0], "bpm": [100.0, 120.0]})
>>> Std().extract(Track("0" * 64, Path("a.wav"), {"rows": rows}))
{'bpm': 10.0, 'rows': 2}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore_aggregates.rows import count, lengths, mean, numbers, numeric, values


@dataclass
class Mean(Extractor):
    """The mean of each column of numbers, over all rows of a track.

    With weights w (a row's length, ``end - start``; 1 where rows have no ``end``) it is Σ w x / Σ w over the rows that
    have a value x. It is null where none has, and ``rows`` says how many rows there are.
    """

    name = "mean"
    inputs = ("rows",)
    cost = 1e-5

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        found = numbers(inputs["rows"], self.name)
        means = {
            name: Column(pl.Float64, column.unit, f"mean of {column.text}", column.range, nullable=True)
            for name, column in found.items()
        }
        return {**means, "rows": count}

    def extract(self, track: Track) -> Row:
        rows = track.features("rows")
        weights = lengths(rows)
        means = {name: mean(values(rows, name), weights) for name in numeric(rows)}
        return {**means, "rows": rows.height}


@dataclass
class Std(Extractor):
    """The standard deviation of each column of numbers, over all rows of a track.

    With the weights and the mean m of ``mean`` it is √(Σ w (x - m)² / Σ w): that of these rows, not an estimate for
    others. It is null where no row has a value, and 0 where one has.
    """

    name = "std"
    inputs = ("rows",)
    cost = 1e-5

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        found = numbers(inputs["rows"], self.name)
        spreads = {
            name: Column(pl.Float64, column.unit, f"standard deviation of {column.text}", (0, None), nullable=True)
            for name, column in found.items()
        }
        return {**spreads, "rows": count}

    def extract(self, track: Track) -> Row:
        rows = track.features("rows")
        weights = lengths(rows)
        return {**{name: _spread(values(rows, name), weights) for name in numeric(rows)}, "rows": rows.height}


def _spread(values: np.ndarray, weights: np.ndarray) -> float | None:
    middle = mean(values, weights)
    square = None if middle is None else mean((values - middle) ** 2, weights)
    return None if square is None else float(np.sqrt(square))
