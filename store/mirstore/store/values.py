"""Reading feature sets: what is recorded about one, wide tables, rows, tensors; the methods of `Store` say more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from mirstore.core.columns import Tensor
from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.tensors import TensorReader, pack_folder
from mirstore.store.names import meant, resolve, table


def about(lake: Lake, name: str) -> dict[str, Any]:
    """Return what is recorded about a feature set."""
    id_ = name if meant(lake, name) == [name] else resolve(lake, name)
    (row,) = lake.scan("core.feature_sets").filter(pl.col("feature_set") == id_).collect().to_dicts()
    inputs = lake.scan("core.inputs").filter(pl.col("feature_set") == id_).collect()
    columns = lake.scan("core.columns").filter(pl.col("feature_set") == id_).sort("position").collect()
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


def wide(lake: Lake, names: str | Sequence[str], tracks: str | Sequence[str] | None) -> pl.DataFrame:
    """Return features as a wide table."""
    names = [names] if isinstance(names, str) else list(names)
    found: pl.LazyFrame | None = None
    for name in names:
        frame = lake.scan(table(lake, resolve(lake, name)))
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


def rows(lake: Lake, name: str, tracks: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the stored rows of some tracks as an extractor returned them."""
    frame = lake.scan(f"feat.{name}").filter(pl.col("track").is_in(list(tracks))).collect()
    tensors = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
    folder = pack_folder(lake.path, name.rpartition("_")[2])
    readers = {
        name: TensorReader(folder, frame["track"].to_list(), frame[name].to_list(), [None] * frame.height)
        for name in tensors
    }
    found: dict[str, list[dict[str, Any]]] = {track: [] for track in tracks}
    for number, row in enumerate(frame.iter_rows(named=True)):
        row |= {name: reader[number] for name, reader in readers.items() if row[name] is not None}
        found[row.pop("track")].append(row)
    return {track: rows for track, rows in found.items() if rows}


def tensors(lake: Lake, name: str, tracks: str | Sequence[str] | None, column: str | None) -> TensorReader:
    """Return the tensors of a feature set as an indexed reader."""
    id_ = resolve(lake, name)
    frame = lake.scan(table(lake, id_)).collect()
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
    folder, hop = pack_folder(lake.path, id_), hops(lake, name).get(column)
    return TensorReader(folder, frame["track"].to_list(), frame[column].to_list(), starts, hop)


def hops(lake: Lake, name: str) -> dict[str, float | None]:
    """Return how long a step [s] of each tensor column of a feature set is; None where its declaration does not say."""
    declared = {column["column"]: Tensor.parse(column["dtype"]) for column in about(lake, name)["columns"]}
    return {column: tensor.hop for column, tensor in declared.items() if tensor}
