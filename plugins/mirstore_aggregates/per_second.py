"""Means over each second.

Examples
--------
>>> from pathlib import Path
>>> rows = pl.DataFrame({"start": [0.0, 0.5], "end": [0.5, 2.0], "level": [0.0, 1.0]})
>>> PerSecond().extract(Track("0" * 64, Path("a.wav"), {"rows": rows}))
[{'start': 0.0, 'level': 0.5, 'rows': 2}, {'start': 1.0, 'level': 1.0, 'rows': 1}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.errors import ConfigError, TrackError
from mirstore_aggregates.rows import count, mean, numbers, numeric, values

grid = "every 1 s"
_most = 100_000  # seconds, more than a day


@dataclass
class PerSecond(Extractor):
    """The mean of each column of numbers, over each second of a track.

    Second k is [k, k + 1). A row counts in it as long as it overlaps with it, from ``start`` to ``end``; where rows
    have no ``end``, those that start in it count alike; so do rows of no length in a second that no other row reaches.
    A second with no row has nulls, and ``rows`` 0. There are as many seconds as the last row reaches; none if there are
    no rows.
    """

    name = "per-second"
    inputs = ("rows",)
    cost = 1e-5

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        read = inputs["rows"]
        if "start" not in read:
            raise ConfigError("per-second: what it reads has one row per track, without 'start'")
        means = {
            name: Column(pl.Float64, column.unit, f"mean over a second of {column.text}", column.range, nullable=True)
            for name, column in numbers(read, self.name).items()
        }
        start = Column(pl.Float64, "s", "where the second begins", (0, None), grid=grid)
        return {"start": start, **means, "rows": count}

    def extract(self, track: Track) -> Sequence[Row]:
        rows = track.features("rows")
        if rows.is_empty():
            return []
        row, second, weight = _overlaps(rows)
        last = int(second.max()) + 1
        bounds = np.searchsorted(second, np.arange(last + 1))
        spread = {name: values(rows, name)[row] for name in numeric(rows)}
        return [
            {
                "start": float(k),
                **{name: mean(each[low:high], weight[low:high]) for name, each in spread.items()},
                "rows": high - low,
            }
            for k, (low, high) in enumerate(zip(bounds.tolist(), bounds[1:].tolist(), strict=False))
        ]


def _overlaps(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return row, second and overlap [s] of all pairs that meet [shape=(m,) each], by second."""
    start = values(rows, "start")
    end = values(rows, "end") if "end" in rows.columns else start
    end = np.where(np.isnan(end), start, np.maximum(end, start))
    if end.max() > _most:
        raise TrackError("too many rows", f"reaches {end.max():g} s; {_most:,} are the most")
    first = np.floor(start).astype(np.int64)
    many = np.maximum(np.ceil(end).astype(np.int64) - first, 1)
    row = np.repeat(np.arange(len(start)), many)
    second = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + first[row]
    weight = np.minimum(end[row], second + 1) - np.maximum(start[row], second)
    if "end" not in rows.columns:
        weight = np.ones(len(row))
    order = np.argsort(second, kind="stable")
    return row[order], second[order], weight[order]
