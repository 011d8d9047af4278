"""What the ledger and the list of packs said, told again by the values that are there: where their own files are lost.

Values that the ledger does not know would be computed again, and be there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.store.lake.arrow import data_schema
from mirstore.store.lake.files import DataFile, Written, new_data_file, packs_in
from mirstore.store.lake.home import Home
from mirstore.store.lake.lake import merged_column
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import feature_of, order, revision
from mirstore.store.lake.tensors import pack_folder, pack_path

_merged_id = {"PARQUET:field_id": "2147483539"}  # of DuckLake's `merged_column` in every file


def listed_again(
    home: Home,
    gone: Sequence[DataFile],
    whole: Mapping[str, Sequence[DataFile]],
    ledger: pl.DataFrame,
    damaged: Set[str],
    packs: Set[tuple[str, str]],
) -> dict[DataFile, Written]:
    """Write what can be told again in place of lost files; return what takes the place of which.

    Parameters
    ----------
    home : Home
    gone : sequence of DataFile
        Those that are lost.
    whole : Mapping of str to sequence of DataFile
        Those that are not, by table.
    ledger : pl.DataFrame
        As `ledger_of` returns it of the whole ones.
    damaged : set of str
        Tables of features of which values are lost: whether what is left of a track is all, nobody knows.
    packs : set of (str, str)
        Ids of feature sets and packs that are damaged.
    """
    features = {table: files for table, files in whole.items() if table.startswith("feat.")}
    last = {file.table: file for file in sorted(gone, key=lambda file: file.begin)}
    made: dict[DataFile, pl.DataFrame] = {}
    if file := last.get("core.extractions"):
        left = {table: begun(files) for table, files in features.items() if table not in damaged}
        made[file] = all_unlisted(left, ledger)
    if file := last.get("core.packs"):
        made[file] = pl.DataFrame(list(_packs(home, features, whole.get("core.packs", []), packs)))
    return {file: _written(home, file, rows) for file, rows in made.items() if rows.height}


def _written(home: Home, old: DataFile, rows: pl.DataFrame) -> Written:
    table = data_rows(old.table, rows)
    if old.until is not None:  # a merged file says per row which snapshot brought it
        seen = [min(max(number, old.begin), old.until) for number in table[order].to_pylist()]
        column = pa.field(merged_column, pa.int64(), metadata=_merged_id)
        table = table.append_column(column, pa.array(seen, pa.int64()))
    return new_data_file(home, old, table)


def begun(files: Iterable[DataFile]) -> dict[Path, int]:
    """Return where files are, and the snapshot that brought each.

    Parameters
    ----------
    files : iterable of DataFile
    """
    return {file.path: file.begin for file in files}


def data_rows(table: str, rows: pl.DataFrame) -> pa.Table:
    """Return rows as a data file of a table has them, added now.

    Parameters
    ----------
    table : str
        ``core.extractions`` …
    rows : pl.DataFrame
        With some of its columns.
    """
    schema = data_schema(table.removeprefix("core."))
    added = pl.lit(datetime.now(UTC).replace(tzinfo=None)).alias("added")
    said = rows.with_columns(added, *(pl.lit(None).alias(name) for name in {*schema.names} - {*rows.columns, "added"}))
    return said.select(schema.names).to_arrow().cast(schema)


def ledger_of(paths: Sequence[Path]) -> pl.DataFrame:
    """Return the last entry about each track and feature set.

    Parameters
    ----------
    paths : sequence of path
        Files of ``core.extractions``.
    """
    names = {"track": pl.String, "feature_set": pl.String, "status": pl.String, "rows": pl.Int32, order: pl.Int64}
    frames = [pl.read_parquet(path, columns=list(names), glob=False) for path in paths]
    return latest(pl.concat([pl.DataFrame(schema=names), *frames]), "track", "feature_set")


def all_unlisted(tables: Mapping[str, Mapping[Path, int]], ledger: pl.DataFrame) -> pl.DataFrame:
    """Return the entries that `unlisted` finds for several tables.

    Parameters
    ----------
    tables : Mapping of str to Mapping of path to int
    ledger : pl.DataFrame
    """
    return pl.concat([ledger.clear(), *(unlisted(table, files, ledger) for table, files in tables.items())])


def unlisted(table: str, files: Mapping[Path, int], ledger: pl.DataFrame) -> pl.DataFrame:
    """Return entries that the ledger lacks: of values that it does not know, or that are later than it knows.

    Parameters
    ----------
    table : str
        Of features.
    files : Mapping of path to int
        All of its data files, and the snapshot that brought each; 0 if nobody knows.
    ledger : pl.DataFrame
        As `ledger_of` returns it.
    """
    id_ = feature_of(table)
    parts = [pl.DataFrame(schema={"track": pl.String, order: pl.Int64})]
    for path, snapshot in files.items():
        names = pq.read_schema(path).names
        per_row = [pl.col(name) for name in (revision, merged_column) if name in names]
        number = [*per_row, pl.lit(snapshot, pl.Int64)][0].alias(order)
        parts.append(pl.scan_parquet(path, glob=False).select("track", number).collect())
    counts = latest(pl.concat(parts).group_by("track", order).agg(pl.len().cast(pl.Int32).alias("rows")), "track")
    known = ledger.filter(pl.col("feature_set") == id_).select("track", pl.col(order).alias("known"))
    lacking = counts.join(known, on="track", how="left").filter(pl.col(order) > pl.col("known").fill_null(-1))
    entries = lacking.with_columns(pl.lit(id_).alias("feature_set"), pl.lit("ok").alias("status"))
    return entries.select(ledger.columns).sort("track")


def _packs(
    home: Home,
    features: Mapping[str, Sequence[DataFile]],
    listed: Sequence[DataFile],
    damaged: Set[tuple[str, str]],
) -> Iterator[dict[str, Any]]:
    """Yield what the list of packs lacks of those that values name."""
    known = set(damaged)
    for file in listed:
        rows = pq.read_table(file.path, columns=["feature_set", "pack"])
        known |= set(zip(rows["feature_set"].to_pylist(), rows["pack"].to_pylist(), strict=True))
    sizes = {path: found.bytes for path, found in home.bucket.list("tensors")} if home.bucket else None
    for table, files in features.items():
        id_ = feature_of(table)
        found = {pack: file.begin for file in reversed(files) for pack in packs_in(file.path)}
        for pack in sorted(pack for pack in found if (id_, pack) not in known):
            path = pack_path(pack_folder(home.path, id_), pack)
            size = path.stat().st_size if sizes is None else sizes.get(path)
            shown = path.relative_to(home.path).as_posix()
            yield {"pack": pack, "feature_set": id_, "path": shown, "bytes": size, order: found[pack]}
