"""The rows of a feature set that is aggregated: its columns of numbers, and how much each row counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from mirstore.core import Column
from mirstore.core.errors import ConfigError

count = Column(pl.Int32, "", "how many rows it is of: 0 where there is nothing, as words in an instrumental", (0, None))
_apart = ("start", "end", "rows")


def numbers(columns: Mapping[str, Column], of: str) -> dict[str, Column]:
    """Return the columns of numbers, without ``start``, ``end``, and ``rows``, which counts what an aggregate was of.

    Parameters
    ----------
    columns : Mapping of str to Column
        Of what is aggregated.
    of : str
        The aggregate, for messages.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found = {name: column for name, column in columns.items() if _is_number(column) and name not in _apart}
    if not found:
        raise ConfigError(f"{of}: what it reads has no columns of numbers", hint="histogram counts texts")
    return found


def numeric(rows: pl.DataFrame) -> list[str]:
    """Return the names of the same columns of a table.

    Parameters
    ----------
    rows : pl.DataFrame
    """
    return [name for name, kind in rows.schema.items() if kind.is_numeric() and name not in _apart]


def _is_number(column: Column) -> bool:
    return not column.is_packed and bool(column.dtype.is_numeric())


def values(rows: pl.DataFrame, name: str) -> np.ndarray:
    """Return a column [shape=(n,)], NaN where it is null.

    Parameters
    ----------
    rows : pl.DataFrame
    name : str
        Of a column of numbers.
    """
    return rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def lengths(rows: pl.DataFrame) -> np.ndarray:
    """Return how much each row counts [shape=(n,)]: its length [s], or 1 where rows have no ``end``.

    A row without an end, or that ends before it starts, counts as of no length. Where none has a length, each counts
    as 1.

    Parameters
    ----------
    rows : pl.DataFrame

    Examples
    --------
    >>> lengths(pl.DataFrame({"start": [0.0, 1.0, 3.0], "end": [1.0, 3.0, None]})).tolist()
    [1.0, 2.0, 0.0]
    """
    if "start" not in rows.columns or "end" not in rows.columns:
        return np.ones(rows.height)
    weights = np.maximum(np.nan_to_num(values(rows, "end") - values(rows, "start")), 0.0)
    return weights if weights.sum() > 0 else np.ones(rows.height)


def mean(values: np.ndarray, weights: np.ndarray) -> float | None:
    """Return the weighted mean of what is not NaN; None where nothing is, plain where nothing of it has a weight.

    Parameters
    ----------
    values : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(n,)]
        From 0.

    Examples
    --------
    >>> mean(np.array([1.0, 4.0, np.nan]), np.array([2.0, 1.0, 1.0]))
    2.0
    """
    there = ~np.isnan(values)
    if not there.any():
        return None
    weights = weights[there]
    return float(np.average(values[there], weights=weights if weights.sum() > 0 else None))
