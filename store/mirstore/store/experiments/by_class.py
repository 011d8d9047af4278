"""A column of numbers class by class: what a figure of its distributions needs, of any number of tracks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.experiments.details import Details
from mirstore.store.lake.quoting import literal, literals
from mirstore.store.names import with_column
from mirstore.store.store import Store

most_bins = 60


@dataclass(frozen=True)
class ClassValues:
    """The values of one class's tracks.

    Attributes
    ----------
    label : str
    tracks : int
        That have a value.
    missing : int
        That have none.
    quartiles : (float, float, float) or None
        None without a value.
    counts : sequence of int
        Tracks per bin.
    outside : int
        Tracks whose value is in no bin.
    """

    label: str
    tracks: int
    missing: int
    quartiles: tuple[float, float, float] | None
    counts: Sequence[int]
    outside: int


@dataclass(frozen=True)
class ColumnByClass:
    """A column's values by the classes of a task, of all tracks of its dataset that have one.

    Attributes
    ----------
    column : str
        ``featureset.column``.
    unit, text : str or None
        As declared.
    averaged : bool
        Whether tracks have several rows, and values are their means.
    edges : sequence of float
        Of the bins, the same for all classes.
    classes : sequence of ClassValues
        In the order of their names.
    """

    column: str
    unit: str | None
    text: str | None
    averaged: bool
    edges: Sequence[float]
    classes: Sequence[ClassValues]


def by_class(store: Store, column: str, details: Details) -> ColumnByClass:
    """Return a column's values by class.

    Parameters
    ----------
    store : Store
    column : str
        ``NAME.COLUMN`` of stored features; the name alone if they have one column.
    details : Details
        Of a run: the classes are those of its task.

    Raises
    ------
    UnknownNameError
        If there are no such features, or no such column.
    UsageError
        If it holds no numbers, or the task predicts numbers and has no classes.
    """
    task = details.task
    if task.numeric:
        raise UsageError(
            f"{column!r} cannot be shown by class: task {task.name!r} predicts numbers", hint="leave --by-class out"
        )
    features, short = _meant(store, column)
    rows = store.features(features).select("track", pl.col(short).cast(pl.Float64).alias("value"))
    values = rows.filter(pl.col("value").is_finite()).group_by("track").agg(pl.col("value").mean())
    labels = store.sql(
        f"""SELECT DISTINCT track, label FROM labels WHERE dataset = {literal(task.dataset)} AND value > 0
        AND label_set = {literal(task.labels)} AND label IN {literals([each.label for each in details.data.classes])}"""
    )
    labelled = labels.join(values, on="track", how="left").sort("label")
    edges = _edges(labelled["value"].drop_nulls().to_numpy())
    declared = {each["column"]: each for each in store.about(features)["columns"]}
    about = declared.get(short) or declared.get(short.rpartition("_")[0]) or {}
    return ColumnByClass(
        column=f"{features}.{short}",
        unit=about.get("unit"),
        text=about.get("text"),
        averaged=rows["track"].is_duplicated().any(),
        edges=edges.tolist(),
        classes=[
            _class(str(label), part["value"], edges)
            for (label,), part in labelled.partition_by("label", as_dict=True, maintain_order=True).items()
        ],
    )


def _meant(store: Store, text: str) -> tuple[str, str]:
    """Return the feature set and its column."""
    name, _, column = with_column(store, text)
    schema = store.features(name, []).schema
    numbers = [each for each, kind in schema.items() if (kind.is_numeric() or kind == pl.Boolean) and each != "start"]
    if column and column not in schema:
        raise UnknownNameError(f"column of {name!r}:", column, numbers)
    if column and column not in numbers:
        raise UsageError(f"column {column!r} of {name!r} holds no numbers", hint=f"mirstore features show {name}")
    if not column and len(numbers) != 1:
        raise UsageError(f"features {name!r} have {len(numbers)} columns of numbers: say which", hint=f"{name}.COLUMN")
    return name, column or numbers[0]


def _edges(values: np.ndarray) -> np.ndarray:
    """Return the edges of bins over all values, without far outliers where these would need most of them.

    Whole numbers are never cut in two: bins are then as wide as some of them.
    """
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    inner = np.quantile(values, [0.01, 0.99])
    if high - low > 3 * (inner[1] - inner[0]) > 0:
        low, high = inner.tolist()
    if np.array_equal(values, values.round()) and high - low >= 1:
        step = math.ceil((high - low + 1) / most_bins)
        return np.arange(math.floor(low), high + step + 0.5, step) - 0.5
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, most_bins + 1)


def _class(label: str, column: pl.Series, edges: np.ndarray) -> ClassValues:
    values = column.drop_nulls().to_numpy()
    counts, _ = np.histogram(values, edges)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist() if len(values) else (0.0, 0.0, 0.0)
    return ClassValues(
        label=label,
        tracks=len(values),
        missing=len(column) - len(values),
        quartiles=(low, middle, high) if len(values) else None,
        counts=counts.tolist(),
        outside=len(values) - int(counts.sum()),
    )
