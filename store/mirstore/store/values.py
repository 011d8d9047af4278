"""Reading feature sets: what is recorded about one, wide tables, rows, tensors; the methods of `Store` say more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.lake.tensors import TensorReader

if TYPE_CHECKING:
    from mirstore.store.store import Store


def about(store: Store, name: str) -> dict[str, Any]:
    """Return what is recorded about a feature set."""
    id_ = name if store.meant(name) == [name] else store.resolve(name)
    (row,) = store.scan("core.feature_sets").filter(pl.col("feature_set") == id_).collect().to_dicts()
    inputs = store.scan("core.inputs").filter(pl.col("feature_set") == id_).collect()
    columns = store.scan("core.columns").filter(pl.col("feature_set") == id_).sort("position").collect()
    return {
        "name": name,
        "feature_set": id_,
        "extractor": f"{row['extractor']}@{row['version']}",
        "params": json.loads(row["params"]),
        "weights": row["weights"],
        "source": row["source"],
        "inputs": dict(zip(inputs["name"], inputs["input"], strict=True)),
        "distributions": json.loads(row["distributions"]),
        "columns": columns.drop("feature_set").to_dicts(),
    }


def wide(store: Store, names: str | Sequence[str], tracks: str | Sequence[str] | None) -> pl.DataFrame:
    """Return features as a wide table."""
    names = [names] if isinstance(names, str) else list(names)
    found: pl.LazyFrame | None = None
    for name in names:
        frame = store.scan(store.table(store.resolve(name)))
        if len(names) > 1:
            values = [column for column in frame.collect_schema().names() if column not in ("track", "start")]
            frame = frame.rename({column: f"{name}.{column}" for column in values})
        if found is None:
            found = frame
            continue
        have = found.collect_schema().names(), frame.collect_schema().names()
        found = found.join(frame, on=["track", *(["start"] if all("start" in names for names in have) else [])])
    if found is None:
        raise UsageError("no features chosen")
    if tracks is not None:
        found = found.filter(pl.col("track").is_in([tracks] if isinstance(tracks, str) else list(tracks)))
    return found.collect()


def rows(store: Store, table: str, tracks: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the stored rows of some tracks as an extractor returned them."""
    frame = store.scan(f"feat.{table}").filter(pl.col("track").is_in(list(tracks))).collect()
    tensors = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
    folder = store.path / "tensors" / table.rpartition("_")[2]
    readers = {
        name: TensorReader(folder, frame["track"].to_list(), frame[name].to_list(), [None] * frame.height)
        for name in tensors
    }
    found: dict[str, list[dict[str, Any]]] = {track: [] for track in tracks}
    for number, row in enumerate(frame.iter_rows(named=True)):
        row |= {name: reader[number] for name, reader in readers.items() if row[name] is not None}
        found[row.pop("track")].append(row)
    return {track: rows for track, rows in found.items() if rows}


def tensors(store: Store, name: str, tracks: str | Sequence[str] | None, column: str | None) -> TensorReader:
    """Return the tensors of a feature set as an indexed reader."""
    id_ = store.resolve(name)
    frame = store.scan(store.table(id_)).collect()
    known = [key for key, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
    column = column or (known[0] if len(known) == 1 else "")
    if column not in known:
        raise UnknownNameError(f"tensor column of {name!r}:", column, known)
    frame = frame.drop_nulls(column).sort(["track", *(["start"] if "start" in frame.columns else [])])
    if tracks is not None:
        wanted = pl.DataFrame(
            {"track": [tracks] if isinstance(tracks, str) else list(tracks)}, schema={"track": pl.String}
        )
        lacking = wanted.join(frame, on="track", how="anti")["track"].to_list()
        if lacking:
            raise UnknownNameError(f"track in {name!r}:", lacking[0], frame["track"].to_list())
        frame = wanted.join(frame, on="track", how="inner", maintain_order="left")
    starts = frame["start"].to_list() if "start" in frame.columns else [None] * frame.height
    return TensorReader(store.path / "tensors" / id_, frame["track"].to_list(), frame[column].to_list(), starts)
