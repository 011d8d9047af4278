"""Shares of values over a track.

Examples
--------
>>> from pathlib import Path
>>> chords = pl.DataFrame({"start": [0.0, 3.0], "end": [3.0, 4.0], "chord": ["C:maj", "G:maj"]})
>>> Histogram("chord", values=["C:maj"]).extract(Track("0" * 64, Path("a.wav"), {"rows": chords}))
{'chord_c_maj': 0.75, 'chord_other': 0.25, 'rows': 2}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.errors import ConfigError
from mirstore_aggregates.rows import count, lengths, values


@dataclass
class Histogram(Extractor):
    """How much of a track has each value of a column, or a value in each bin.

    A share is Σ w over the rows with that value, by Σ w over the rows that have any value; w is a row's length
    (``end - start``), and 1 where rows have no ``end``. All shares and that of others add up to 1; they are null where
    no row has a value, and ``rows`` says how many rows there are.

    Parameters
    ----------
    column : str
        Which column.
    values : list of str
        Of a column of text: the values, a share each, in columns such as ``chord_c_maj``; all others are
        ``chord_other``.
    bins : list of float
        Of a column of numbers: the edges, rising; from each (inclusive) to the next (exclusive, but for the last), in
        columns ``bpm_bin_0`` …; what lies outside is ``bpm_other``.
    """

    name = "histogram"
    inputs = ("rows",)
    cost = 1e-5
    column: str = ""
    values: list[str] = field(default_factory=list)
    bins: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.values and self.bins:
            raise ValueError("give either values of a column of text, or bins of a column of numbers")
        if len(set(self.values)) < len(self.values):
            raise ValueError("a value stands in values twice")
        if self.bins and (len(self.bins) < 2 or np.any(np.diff(self.bins) <= 0)):
            raise ValueError(f"bins={self.bins} must be two or more rising numbers")

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        if not (self.values or self.bins):
            raise ConfigError("histogram: needs values of a column of text, or bins of a column of numbers")
        column = inputs["rows"].get(self.column)
        wanted = "a text" if self.values else "a number"
        if column is None or not _fits(column, bool(self.values)):
            texts = [name for name, each in inputs["rows"].items() if _fits(each, bool(self.values))]
            raise ConfigError(
                f"histogram: what it reads has no column {self.column!r} that is {wanted}",
                hint=f"columns: {', '.join(texts) or 'none'}",
            )
        named = zip(self._names(), self._meanings(column), strict=True)
        shares = {name: Column(pl.Float64, "", f"share of {text}", (0, 1), nullable=True) for name, text in named}
        return {**shares, "rows": count}

    def extract(self, track: Track) -> Row:
        rows = track.features("rows")
        places = self._places(rows)
        weights = lengths(rows)[places >= 0]
        there = places[places >= 0]
        weights = weights if weights.sum() > 0 else np.ones(len(there))
        shares = np.bincount(there, weights, minlength=len(self._names())) / weights.sum() if len(there) else None
        found = {name: None if shares is None else float(shares[at]) for at, name in enumerate(self._names())}
        return {**found, "rows": rows.height}

    def _places(self, rows: pl.DataFrame) -> np.ndarray:
        """Return the position of each row's value among the shares [shape=(n,)], -1 where it has none."""
        other = len(self._names()) - 1
        if self.values:
            at = {value: number for number, value in enumerate(self.values)}
            found = [-1 if value is None else at.get(value, other) for value in rows[self.column]]
            return np.array(found, dtype=np.int64)
        numbers = values(rows, self.column)
        found_bins = np.searchsorted(self.bins, numbers, side="right") - 1
        found_bins[numbers == self.bins[-1]] -= 1
        found_bins[(numbers < self.bins[0]) | (numbers > self.bins[-1])] = other
        return np.where(np.isnan(numbers), -1, found_bins)

    def _names(self) -> list[str]:
        """Return the columns, that of others last; a value that would have the name of another gets a number."""
        if self.bins:
            return [*(f"{self.column}_bin_{number}" for number in range(len(self.bins) - 1)), f"{self.column}_other"]
        names: list[str] = []
        for value in self.values:
            plain = re.sub(r"\W+", "_", value.replace("#", "_sharp_")).strip("_").lower() or "empty"
            name, number = f"{self.column}_{plain}", 1
            while name in names or name == f"{self.column}_other":
                number += 1
                name = f"{self.column}_{plain}_{number}"
            names.append(name)
        return [*names, f"{self.column}_other"]

    def _meanings(self, column: Column) -> list[str]:
        if self.values:
            return [*(f"{value!r} in {column.text}" for value in self.values), f"all other values in {column.text}"]
        unit = f" {column.unit}" if column.unit else ""
        edges = [f"{low:g} to {high:g}{unit}" for low, high in zip(self.bins, self.bins[1:], strict=False)]
        return [*(f"{edge} in {column.text}" for edge in edges), f"values outside of the bins in {column.text}"]


def _fits(column: Column, text: bool) -> bool:
    return bool(column.dtype == pl.String if text else not column.is_packed and column.dtype.is_numeric())
