"""Published tables with several rows per track: words, notes, segments, beats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet
from mirstore.store.ingest.imported import Imported, Table, bring
from mirstore.store.store import Store
from mirstore.store.tables import cells, column_roles
from mirstore.store.tables.feature_columns import feature_columns
from mirstore.store.tables.report import Meaning, Report


def times(frame: pl.DataFrame, key: str) -> dict[str, str]:
    """Return the columns of ``start`` and ``end``, if there are several rows per id; else nothing.

    Parameters
    ----------
    frame : pl.DataFrame
    key : str
        The column of ids.

    Returns
    -------
    dict of str to str
        ``start``, and perhaps ``end``, to the names that they have in the table.
    """
    start, end = column_roles.find_start(frame.columns), column_roles.find_end(frame.columns)
    if start is None or not frame[key].is_duplicated().any():
        return {}
    return {"start": start} | ({"end": end} if end else {})


def import_rows(
    store: Store,
    file: Path,
    described: Mapping[str, Any],
    name: str,
    ids: pl.Series,
    frame: pl.DataFrame,
    times: Mapping[str, str],
    report: Report,
) -> Imported:
    """Import a table whose columns are all features.

    Parameters
    ----------
    store : Store
    file : path
    described : Mapping
        The row of ``core.datasets``.
    name : str
        Of the feature set.
    ids : pl.Series
        Of the rows, as text.
    frame : pl.DataFrame
        Without ids; features leave it.
    times : Mapping of str to str
        ``start``, and ``end`` if there is one, to their columns.
    report : Report

    Raises
    ------
    UsageError
        If a time is missing or impossible.
    """
    begun = {new: _time(frame.drop_in_place(column), file) for new, column in times.items()}
    _refuse_backwards(begun, file)
    rest = [column for column in frame.columns if not column_roles.is_row_number(frame[column])]
    texts = [column for column in rest if _is_text(frame[column])]
    values, names, became = feature_columns(frame, rest, file, report, texts)
    report.columns += [Meaning(column, "features", new) for new, column in times.items()]
    report.columns += [became[column] for column in rest]
    vectors = {new: kind.size for new, kind in values.schema.items() if isinstance(kind, pl.Array)}
    kept = [new for new, column in names.items() if column in texts]
    source = FeatureSet(name, Table(described["sha256"], names, vectors, kept, list(times)))
    tracks = (f"{described['dataset']}:" + ids).alias("track")
    values = pl.DataFrame([tracks, *begun.values(), *values.get_columns()])
    begun.clear()
    return bring(store, file, described, name, source, values, _contents(store, described["dataset"], tracks), [report])


def _is_text(column: pl.Series) -> bool:
    found = cells.numbers(column)
    return column.dtype == pl.String and found.values is None and found.stray is None


def _time(column: pl.Series, file: Path) -> pl.Series:
    found = cells.numbers(column).values
    bad = pl.Series([True]) if found is None else (found.is_null() | (found < 0) | found.is_infinite()).fill_null(True)
    if bad.any():
        row = bad.arg_true()[0]
        raise UsageError(f"{file}: row {row + 1}, column {column.name!r}: {column[row]!r} is no time [s]")
    assert found is not None
    return found


def _refuse_backwards(begun: dict[str, pl.Series], file: Path) -> None:
    for new, column in begun.items():
        begun[new] = column.alias(new)
    if "end" in begun and (backwards := (begun["end"] < begun["start"]).arg_true()).len():
        row = backwards[0]
        raise UsageError(f"{file}: row {row + 1} ends at {begun['end'][row]:g} s, before it starts")


def _contents(store: Store, dataset: str, tracks: pl.Series) -> dict[str, pl.DataFrame]:
    """Return members of the dataset, without what nothing is said of: a track that is there keeps its credits."""
    known = store.scan("core.items").filter(pl.col("dataset") == dataset).select("track").collect()
    new = tracks.unique(maintain_order=True)
    text = {name: pl.String for name in ("title", "artist", "album", "attrs")}
    items = pl.DataFrame({"dataset": [dataset] * len(new), "track": new})
    items = items.with_columns(*(pl.lit(None, kind).alias(name) for name, kind in text.items()))
    items = items.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("position"))
    labels = {name: pl.String for name in ("dataset", "track", "label_set", "label")} | {"value": pl.Float64}
    splits = {name: pl.String for name in ("dataset", "split", "track", "part")} | {"fold": pl.Int32}
    return {
        "items": items.join(known, on="track", how="anti", maintain_order="left"),
        "labels": pl.DataFrame(schema=labels),
        "splits": pl.DataFrame(schema=splits),
    }
