"""Columns: what an extractor promises about each value that it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.errors import TrackError

type_names = {"float16", "float32", "int16", "int32", "uint8"}

Row = Mapping[str, Any]
"""One row of features: column name to value; a tensor's value is an array."""


@dataclass(frozen=True)
class Tensor:
    """The type of a matrix that is kept outside the table, in a safetensors pack.

    Parameters
    ----------
    dtype : str
        ``"float16"``, ``"float32"``, ``"int16"``, ``"int32"`` or ``"uint8"``.
    shape : tuple of (int or None)
        None where the size differs from track to track, e.g. ``(128, None)`` for bands × frames.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def __post_init__(self) -> None:
        if self.dtype not in type_names:
            raise ValueError(f"dtype={self.dtype!r} must be one of {sorted(type_names)}")

    def __str__(self) -> str:
        return f"{self.dtype}[{' × '.join('n' if n is None else str(n) for n in self.shape)}]"


@dataclass(frozen=True)
class Column:
    """One column of a feature set, declared once for checks, docs, SQL views and reports.

    Parameters
    ----------
    dtype : polars data type or Tensor
        ``pl.Float32``, ``pl.Int32``, ``pl.String``, ``pl.Boolean``, ``pl.Array(pl.Float32, n)`` for vectors up
        to some 2,000 values, or a `Tensor`.
    unit : str
        ``"Hz"``, ``"BPM"``, ``"dB"``, ``"s"``; ``""`` if it has none.
    text : str
        What it means, in a sentence that a musicologist can read.
    range : tuple of (float, float), optional
        Smallest and largest possible value.
    nullable : bool
        Whether a track may have no value here (null; for floats also NaN, which is stored as null).
    fingerprint : str, optional
        ``"chromaprint"`` for text by which copies of a recording are found: a Chromaprint in base64.
    """

    dtype: Any
    unit: str
    text: str
    range: tuple[float, float] | None = None
    nullable: bool = False
    fingerprint: str | None = None

    @property
    def is_tensor(self) -> bool:
        """Whether the value lives in a tensor pack and not in the table."""
        return isinstance(self.dtype, Tensor)


def check_rows(rows: Row | Sequence[Row], columns: Mapping[str, Column]) -> list[dict[str, Any]]:
    """Return an extractor's result as a list of rows, or say how it breaks its declaration.

    Done before any frame is built, because polars drops extra keys silently and panics on wrong shapes.

    Raises
    ------
    TrackError
        Reason ``"wrong columns"`` or ``"wrong value"``.
    """
    rows = [rows] if isinstance(rows, Mapping) else list(rows)
    for row in rows:
        missing, extra = columns.keys() - row.keys(), row.keys() - columns.keys()
        if missing or extra:
            parts = [f"missing {sorted(missing)}"] * bool(missing) + [f"undeclared {sorted(extra)}"] * bool(extra)
            raise TrackError("wrong columns", f"extractor returned other columns than declared: {', '.join(parts)}")
    if "start" not in columns and len(rows) > 1:
        raise TrackError("wrong columns", f"{len(rows)} rows for one track need a 'start' column [s]")
    return [{name: _check_value(name, row[name], column) for name, column in columns.items()} for row in rows]


def _check_value(name: str, value: Any, column: Column) -> Any:
    def wrong(what: str) -> TrackError:
        return TrackError("wrong value", f"column {name!r}: {what}")

    if isinstance(column.dtype, Tensor):
        array = np.asarray(value)
        expected = column.dtype.shape
        if array.ndim != len(expected) or any(n not in (None, m) for n, m in zip(expected, array.shape, strict=True)):
            raise wrong(f"shape {array.shape} does not fit {column.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all() and not column.nullable:
            raise wrong("has NaN or inf and is not nullable")
        if np.dtype(column.dtype.dtype).kind in "iu" and not np.can_cast(array.dtype, column.dtype.dtype):
            raise wrong(f"has type {array.dtype}, which does not fit {column.dtype.dtype}")  # would wrap around
        with np.errstate(over="raise"):
            try:
                return np.ascontiguousarray(array, dtype=column.dtype.dtype)
            except FloatingPointError:
                raise wrong(f"does not fit {column.dtype.dtype}") from None
    if isinstance(column.dtype, pl.Array):
        array = np.asarray(value, dtype=np.float64)
        if array.shape != (column.dtype.size,):
            raise wrong(f"shape {array.shape} does not fit ({column.dtype.size},)")
        if not np.isfinite(array).all() and not column.nullable:
            raise wrong("has NaN or inf and is not nullable")
        return array.astype(np.float32)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and value != value):
        if not column.nullable:
            raise wrong(f"is {'null' if value is None else 'NaN'} and is not nullable")
        return None
    return _check_scalar(value, column, wrong)


def _check_scalar(value: Any, column: Column, wrong: Any) -> Any:
    kind = column.dtype
    if kind in (pl.Float32, pl.Float64):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong(f"expected a number, got {value!r}")
        if not np.isfinite(value):
            raise wrong(f"is {value}")
        value = float(value)
    elif kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64):
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f"expected an integer, got {value!r}")
    elif kind == pl.Boolean:
        if not isinstance(value, bool):
            raise wrong(f"expected true or false, got {value!r}")
    elif kind == pl.String:
        if not isinstance(value, str):
            raise wrong(f"expected text, got {value!r}")
    else:
        raise wrong(f"declared type {kind} is not supported")
    return value


def input_frame(rows: Sequence[Row], columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return one track's rows as the table that an extractor reads as its input.

    Parameters
    ----------
    rows : sequence of Row
        As `check_rows` returns them, or as they were stored; may be empty.
    columns : Mapping of str to Column
        What the input's extractor declares; other keys of the rows are left out.

    Returns
    -------
    pl.DataFrame
        The declared columns in their order; a tensor column has dtype ``pl.Object`` and holds arrays.
    """
    return pl.DataFrame([_series(name, [row[name] for row in rows], column.dtype) for name, column in columns.items()])


def _series(name: str, values: list[Any], dtype: Any) -> pl.Series:
    if isinstance(dtype, Tensor):
        return pl.Series(name, values, dtype=pl.Object)
    if isinstance(dtype, pl.Array):  # by way of lists: polars takes no null between arrays
        lists = [None if value is None else list(value) for value in values]
        return pl.Series(name, lists, dtype=pl.List(dtype.inner)).cast(dtype)
    return pl.Series(name, values, dtype=dtype)
