"""How healthy a feature set's columns are, and how two versions of it differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.health import ColumnHealth
from mirstore.store.store import Store

few = 12
"""Texts of a column that are counted one by one; where there are more, they are titles or words."""


def listing(store: Store) -> pl.DataFrame:
    """Return a row per feature set: what each name means now, and its earlier versions.

    Parameters
    ----------
    store : Store
    """
    return store.sql("SELECT * FROM features ORDER BY feature, added")


def stats(store: Store, name: str) -> pl.DataFrame:
    """Return one row per column of numbers, and of texts that are few: what is missing, the range, outliers.

    Parameters
    ----------
    store : Store
    name : str
        Feature set.

    Returns
    -------
    pl.DataFrame
        ``column``, ``n``, ``missing``, ``min``, ``mean``, ``median``, ``max``, ``std``, ``outliers``, ``constant``:
        see `mirstore.store.health.ColumnHealth`; ``values`` if there are such texts: each with its number of rows.

    Raises
    ------
    UnknownNameError
        If there is no such feature set.
    """
    frame = _numeric(store, name)
    rows = []
    for column in frame.columns[1:]:
        health, values = ColumnHealth.of(frame[column]), frame[column].filter(frame[column].is_finite())
        rows.append(
            {
                "column": column,
                "n": len(values),
                "missing": health.missing,
                "min": health.low,
                "mean": values.mean(),
                "median": values.median(),
                "max": health.high,
                "std": values.std(),
                "outliers": health.outliers,
                "constant": health.constant,
            }
        )
    rows += _texts(store, name)
    return pl.DataFrame(rows, infer_schema_length=None)


def _texts(store: Store, name: str) -> Iterator[dict[str, Any]]:
    """Yield how often each text stands in columns of few: where a language comes from, the key of a scale."""
    frame = store.scan(store.table(store.resolve(name))).drop("track").collect()
    for column in frame.select(pl.col(pl.String)).iter_columns():
        counts = column.drop_nulls().value_counts(sort=True)
        if counts.height <= few:
            values = ", ".join(f"{text} {count}" for text, count in counts.iter_rows())
            known = len(column) - column.null_count()
            yield {"column": column.name, "n": known, "missing": column.null_count(), "values": values}


def diff(store: Store, first: str, second: str, worst: int = 3) -> pl.DataFrame:
    """Return which columns moved between two versions, by how much, and on which tracks most.

    Parameters
    ----------
    store : Store
        To read from.
    first, second : str
        Feature sets by name, ``name@version`` or id.
    worst : int
        How many tracks to name per column.

    Returns
    -------
    pl.DataFrame
        One row per column, the most moved first: ``column``, ``tracks`` (in both), ``moved`` (how many differ),
        ``mean_change``, ``max_change`` (absolute), ``in_sd`` (mean absolute change in standard deviations of the
        first), ``worst`` (track ids).

    Raises
    ------
    UsageError
        If they share no track.
    """
    one, two = _numeric(store, first), _numeric(store, second)
    both = one.join(two, on="track", suffix="\0two")
    if both.is_empty():
        raise UsageError(f"{first!r} and {second!r} have no track in common", hint="ingest the same tracks with both")
    rows: list[dict[str, Any]] = []
    for column in one.columns[1:]:
        if column not in two.columns:
            rows.append({"column": column, "tracks": 0, "note": f"only in {first}"})
            continue
        change = both[f"{column}\0two"] - both[column]
        order = change.abs().fill_null(0).arg_sort(descending=True)[:worst]
        spread = float(np.std(both[column].drop_nulls().to_numpy()))
        moved = int((change.abs() > 0).sum())
        size = float(np.mean(np.abs(change.drop_nulls().to_numpy())))
        rows.append(
            {
                "column": column,
                "tracks": len(change.drop_nulls()),
                "moved": moved,
                "mean_change": change.mean(),
                "max_change": change.abs().max(),
                "in_sd": size / spread if spread else None,
                "worst": ", ".join(both["track"][index][:10] for index in order if change[index]),
                "note": "",
            }
        )
    rows += [
        {"column": column, "tracks": 0, "note": f"only in {second}"}
        for column in two.columns[1:]
        if column not in one.columns
    ]
    if not any("in_sd" in row for row in rows):
        raise UsageError(f"{first} and {second} have no column of numbers in common")
    return pl.DataFrame(rows, infer_schema_length=None).sort("in_sd", descending=True, nulls_last=True)


def _numeric(store: Store, name: str) -> pl.DataFrame:
    """Return track and the numeric columns, one row per track: the mean where there are several rows."""
    table = store.table(store.resolve(name))
    frame = store.scan(table).collect()
    columns = [
        column for column in frame.columns if frame[column].dtype.is_numeric() and column not in ("start", "end")
    ]
    return frame.group_by("track").agg(pl.col(columns).cast(pl.Float64).mean()).sort("track")
