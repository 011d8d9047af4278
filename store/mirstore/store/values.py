"""Reading feature sets: what is recorded about one, wide tables, rows, tensors; the methods of `Store` say more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.columns import Tensor
from mirstore.core.errors import StoreError, UnknownNameError, UsageError
from mirstore.store.lake.kept import not_kept, unkept
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.tensors import SoundReader, TensorReader, located, pack_folder, pack_path
from mirstore.store.names import meant, resolve, table


def about(lake: Lake, name: str) -> dict[str, Any]:
    """Return what is recorded about a feature set.

    Parameters
    ----------
    lake : Lake
    name : str
        Name, ``name@version`` or id.
    """
    id_ = name if meant(lake, name) == [name] else resolve(lake, name)
    rows = lake.scan("core.feature_sets").filter(pl.col("feature_set") == id_).collect().to_dicts()
    if not rows:
        raise StoreError(
            f"features {name!r}: what made them is lost", hint="the same mirstore ingest, or import, records it again"
        )
    (row,) = rows
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
    """Return features as a wide table.

    Parameters
    ----------
    lake : Lake
    names : str or sequence of str
    tracks : str, sequence of str or None
        As for `Store.features`.
    """
    names = [names] if isinstance(names, str) else list(names)
    with lake.still():
        frames = {name: one(lake, name) for name in names}
    if len(names) > 1:
        frames = {name: _qualified(frame, name) for name, frame in frames.items()}
    found = side_by_side(lake, frames)
    if tracks is not None:
        found = found.filter(pl.col("track").is_in([tracks] if isinstance(tracks, str) else list(tracks)))
    return found.collect()


def one(lake: Lake, name: str) -> pl.LazyFrame:
    """Return one feature set's rows; those of a track in their order.

    Parameters
    ----------
    lake : Lake
    name : str
        Name, ``name@version`` or id.

    Raises
    ------
    UsageError
        If it is not kept.
    """
    id_ = resolve(lake, name)
    if not lake.files(table(lake, id_)) and id_ in unkept(lake):
        raise not_kept(name)
    return _ordered(lake.scan(table(lake, id_)))


def _ordered(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows by track, start, and then all columns with one plain value: what extractors and users see."""
    schema = frame.collect_schema()
    if "start" not in schema:
        return frame
    plain = [name for name, kind in schema.items() if not kind.is_nested() and name not in ("track", "start")]
    return frame.sort("track", "start", *plain, maintain_order=True)


def _qualified(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    values = [column for column in frame.collect_schema().names() if column not in ("track", "start")]
    return frame.rename({column: f"{name}.{column}" for column in values})


def side_by_side(lake: Lake, frames: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Join feature sets by track, and by time where several have rows at times: only on the same grid.

    Parameters
    ----------
    lake : Lake
    frames : Mapping of str to LazyFrame
        Rows by the name of the feature set, with ``track``, perhaps ``start``, and columns of unlike names.

    Raises
    ------
    UsageError
        If two have rows at other times.
    """
    if not frames:
        raise UsageError("no features chosen")
    timed = [name for name, frame in frames.items() if "start" in frame.collect_schema()]
    if len(timed) > 1:
        _refuse_other_times(lake, timed)
    joined: pl.LazyFrame | None = None
    for frame in (_numbered(frame) if len(timed) > 1 else frame for frame in frames.values()):
        if joined is None:
            joined = frame
            continue
        have = joined.collect_schema().names(), frame.collect_schema().names()
        by = [name for name in ("track", "start", _nth) if all(name in names for names in have)]
        joined = joined.join(frame, on=by, maintain_order="left_right" if timed else None)
    assert joined is not None
    return joined.drop(_nth, strict=False)


_nth = "\0nth"  # of the rows of a track that start at once


def _numbered(frame: pl.LazyFrame) -> pl.LazyFrame:
    if "start" not in frame.collect_schema():
        return frame
    return frame.with_columns(pl.int_range(pl.len()).over("track", "start").alias(_nth))


def _refuse_other_times(lake: Lake, names: Sequence[str]) -> None:
    rows = lake.scan("core.grids").collect()
    grids = dict(zip(rows["feature_set"], rows["grid"], strict=True))
    ids = {name: resolve(lake, name) for name in names}
    (first, same), *others = [(name, grids.get(id_, id_)) for name, id_ in ids.items()]
    for name, grid in others:
        if grid != same:
            raise UsageError(
                f"features {first!r} and {name!r} have rows at different times",
                hint=f"read one of them through an aggregator: a mean, std, histogram or per-second of {name!r}",
            )


class Rows:
    """Stored rows of some tracks, as a worker returned them; they become Python's when they are asked for.

    Parameters
    ----------
    frame : pl.DataFrame
        With ``track``, and those of a track together.
    folder : path
        Where the packs of its tensors and sounds lie.
    """

    def __init__(self, frame: pl.DataFrame, folder: Path) -> None:
        self.bytes = int(frame.estimated_size())
        self._packed = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
        self._folder = folder
        self._groups = groupby(frame.iter_rows(named=True), key=itemgetter("track"))
        self._next = next(self._groups, None)

    def of(self, track: str) -> list[dict[str, Any]]:
        """Return a track's rows, without ``track`` in them; tracks must be asked for in the order of the frame.

        Parameters
        ----------
        track : str
        """
        if self._next is None or self._next[0] != track:
            return []
        rows = [self._found(row) for row in self._next[1]]
        self._next = next(self._groups, None)
        return rows

    def _found(self, row: dict[str, Any]) -> dict[str, Any]:
        del row["track"]
        return row | {name: located(row[name], self._folder) for name in self._packed if row[name] is not None}


def rows(lake: Lake, name: str, tracks: Sequence[str], *, away: bool = False) -> Rows:
    """Return the stored rows of those tracks that have any, in the order of the tracks.

    Parameters
    ----------
    lake : Lake
    name : str
        Of the table.
    tracks : sequence of str
        Each once.
    away : bool
        Whether they are for workers that do not see the store's folder: tensors are not fetched then, and where they
        are is relative to it.
    """
    wanted = pl.LazyFrame({"track": pl.Series(tracks, dtype=pl.String)})
    found = _ordered(lake.scan(f"feat.{name}").filter(pl.col("track").is_in(list(tracks))))
    found = wanted.join(found, on="track", how="inner", maintain_order="left_right")
    shown, feature_set = found.collect(), name.rpartition("_")[2]
    if not away:
        _fetch_packs(lake, feature_set, shown)
    return Rows(shown, pack_folder(lake.home.root if away else lake.path.absolute(), feature_set))


def _fetch_packs(lake: Lake, feature_set: str, rows: pl.DataFrame) -> None:
    """Have the packs that rows name in the store's folder."""
    if lake.home.has_all:
        return
    named = [rows[column].struct.field("pack") for column, kind in rows.schema.items() if isinstance(kind, pl.Struct)]
    folder = pack_folder(lake.path, feature_set)
    lake.home.fetch({pack_path(folder, pack): None for packs in named for pack in packs.drop_nulls().unique()})


def tensors(lake: Lake, name: str, tracks: str | Sequence[str] | None, column: str | None) -> TensorReader:
    """Return the tensors or sounds of a feature set as an indexed reader.

    Parameters
    ----------
    lake : Lake
    name : str
    tracks : str, sequence of str or None
    column : str or None
        As for `Store.tensors`.
    """
    frame = one(lake, name).collect()
    known = [key for key, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
    column = column or (known[0] if len(known) == 1 else "")
    if column not in known:
        raise UnknownNameError(f"tensor column of {name!r}:", column, known)
    frame = frame.drop_nulls(column).sort("track", maintain_order=True)
    if tracks is not None:
        wanted = pl.DataFrame(
            {"track": [tracks] if isinstance(tracks, str) else list(tracks)}, schema={"track": pl.String}
        )
        lacking = wanted.join(frame, on="track", how="anti")["track"].to_list()
        if lacking:
            raise UnknownNameError(f"track in {name!r}:", lacking[0], frame["track"].to_list())
        frame = wanted.join(frame, on="track", how="inner", maintain_order="left")
    starts = frame["start"].to_list() if "start" in frame.columns else [None] * frame.height
    folder, hop = pack_folder(lake.home.root, resolve(lake, name)), hops(lake, name).get(column)
    return TensorReader(folder, frame["track"].to_list(), frame[column].to_list(), starts, hop, lake.home.bucket)


def hops(lake: Lake, name: str) -> dict[str, float | None]:
    """Return how long a step [s] of each tensor column of a feature set is; None where its declaration does not say.

    Parameters
    ----------
    lake : Lake
    name : str
    """
    declared = {column["column"]: Tensor.parse(column["dtype"]) for column in about(lake, name)["columns"]}
    return {column: tensor.hop for column, tensor in declared.items() if tensor}


def sounds(lake: Lake, name: str, tracks: str | Sequence[str] | None, column: str | None) -> SoundReader:
    """Return the sounds of a feature set as an indexed reader.

    Parameters
    ----------
    lake : Lake
    name : str
    tracks : str, sequence of str or None
    column : str or None
        As for `Store.sounds`.
    """
    reader = tensors(lake, name, tracks, column)
    if any("scale" not in reference for reference in reader.references):
        raise UsageError(f"features {name!r} have tensors, no sounds", hint="store.tensors reads them")
    return SoundReader(reader)
