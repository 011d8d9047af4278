"""What the ledger and the list of packs said, told again by the values that are there: where their own files are lost.

Values that the ledger does not know would be computed again, and be there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

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
_entry = {"track": pl.String, "feature_set": pl.String, "status": pl.String, "rows": pl.Int32, order: pl.Int64}


def listed_again(
    home: Home,
    gone: Sequence[DataFile],
    whole: Mapping[str, Sequence[DataFile]],
    entries: pl.DataFrame,
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
    entries : pl.DataFrame
        Of the ledger, if a file of it is lost.
    packs : set of (str, str)
        Ids of feature sets and packs that are damaged.
    """
    lost: dict[str, list[DataFile]] = {}
    for file in sorted(gone, key=lambda file: file.begin):
        lost.setdefault(file.table, []).append(file)
    rows = {"core.extractions": entries}
    if "core.packs" in lost:
        rows["core.packs"] = _packs(home, whole, packs)
    placed = [pair for table, frame in rows.items() for pair in _placed(frame, lost.get(table, []))]
    return {file: _written(home, file, part) for file, part in placed if not part.is_empty()}


def _placed(rows: pl.DataFrame, files: Sequence[DataFile]) -> Iterator[tuple[DataFile, pl.DataFrame]]:
    """Yield what goes into which file: the last one that is shown by the snapshot that brought a row, or the first."""
    for file, later in pairwise([*files, None]):
        assert file is not None
        here = rows if later is None else rows.filter(pl.col(order) < later.begin)
        yield file, here
        rows = rows.clear() if later is None else rows.filter(pl.col(order) >= later.begin)


def _written(home: Home, old: DataFile, rows: pl.DataFrame) -> Written:
    table = data_rows(old.table, rows)
    if old.until is not None:  # a merged file says per row which snapshot brought it
        seen = rows[order].clip(old.begin, old.until).to_arrow()
        table = table.append_column(pa.field(merged_column, pa.int64(), metadata=_merged_id), seen)
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
        Of some of its columns.
    """
    schema = data_schema(table.removeprefix("core."))
    given = rows.with_columns(pl.lit(datetime.now(UTC).replace(tzinfo=None)).alias("added")).to_arrow()
    columns = [
        given[field.name].cast(field.type) if field.name in given.column_names else pa.nulls(len(given), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def ledger_of(paths: Sequence[Path]) -> pl.DataFrame:
    """Return the last entry about each track and feature set.

    Parameters
    ----------
    paths : sequence of path
        Files of ``core.extractions``.
    """
    frames = [pl.read_parquet(path, columns=list(_entry), glob=False) for path in paths]
    return latest(pl.concat([pl.DataFrame(schema=_entry), *frames]), "track", "feature_set")


def unlisted(features: Mapping[str, Mapping[Path, int]], ledger: pl.DataFrame) -> pl.DataFrame:
    """Return entries that the ledger lacks: of values that it does not know, or that are later than it knows.

    Parameters
    ----------
    features : Mapping of str to (Mapping of path to int)
        Table to all of its data files, and the snapshot that brought each; 0 if nobody knows.
    ledger : pl.DataFrame
        As `ledger_of` returns it.
    """
    parts = [pl.DataFrame(schema=_entry)]
    for table, files in features.items():
        known = ledger.filter(pl.col("feature_set") == feature_of(table)).select("track", known=pl.col(order))
        counts = latest(_counted(files), "track").join(known, on="track", how="left")
        lacking = counts.filter(pl.col(order) > pl.col("known").fill_null(-1)).sort("track")
        about = {
            "feature_set": pl.lit(feature_of(table)),
            "status": pl.lit("ok"),
            "rows": pl.col("rows").cast(pl.Int32),
        }
        parts.append(lacking.with_columns(**about).select(list(_entry)))
    return pl.concat(parts)


def _counted(files: Mapping[Path, int]) -> pl.DataFrame:
    """Return how many rows of each track each snapshot brought."""
    parts = [pl.DataFrame(schema={"track": pl.String, order: pl.Int64})]
    for path, snapshot in files.items():
        names = pq.read_schema(path).names
        per_row = [pl.col(name) for name in (revision, merged_column) if name in names]
        number = [*per_row, pl.lit(snapshot, pl.Int64)][0].alias(order)
        parts.append(pl.scan_parquet(path, glob=False).select("track", number).collect())
    return pl.concat(parts).group_by("track", order).len("rows")


def unanswered(paths: Sequence[Path], ledger: pl.DataFrame) -> pl.DataFrame:
    """Return the annotations that were read, of which the ledger does not say what that gave.

    Parameters
    ----------
    paths : sequence of path
        Files of ``core.annotations``.
    ledger : pl.DataFrame
        As `ledger_of` returns it, with what is `unlisted`.

    Returns
    -------
    pl.DataFrame
        ``track``, ``feature_set``, the number of the commit that read them, and ``known``: that of an older answer,
        null if there is none.
    """
    names = {"track": pl.String, "feature_set": pl.String, "sha256": pl.String, order: pl.Int64}
    frames = [pl.read_parquet(path, columns=list(names), glob=False) for path in paths]
    rows = pl.concat([pl.DataFrame(schema=names), *frames]).sort(order, maintain_order=True)
    before = pl.col("sha256").shift().over("track", "feature_set")
    new = rows.filter((pl.col("sha256") != before).fill_null(True))  # the same text, read again, has its answer
    read = new.group_by("track", "feature_set").agg(pl.col(order).max())
    about = ledger.filter(pl.col("feature_set").is_in(read["feature_set"].unique().implode()))  # mostly none
    known = about.group_by("track", "feature_set").agg(pl.col(order).max().alias("known"))
    both = read.join(known, on=["track", "feature_set"], how="left")
    return both.filter(pl.col(order) > pl.col("known").fill_null(-1)).sort("feature_set", "track")


def failed(read: pl.DataFrame) -> pl.DataFrame:
    """Return entries for annotations that gave no rows, so that what older ones said does not hold any more.

    Whether they said that there is nothing, or could not be used, nobody knows: nothing is computed from them.

    Parameters
    ----------
    read : pl.DataFrame
        As `unanswered` returns it.
    """
    what = "what came of its last content is lost: ingest it again with --retry-failed"
    said = {"status": pl.lit("failed"), "rows": pl.lit(0, pl.Int32), "error": pl.lit("lost"), "message": pl.lit(what)}
    return read.filter(pl.col("known").is_not_null()).with_columns(**said).drop("known")


def _packs(home: Home, whole: Mapping[str, Sequence[DataFile]], damaged: Set[tuple[str, str]]) -> pl.DataFrame:
    """Return what the list of packs lacks of those that values name."""
    known = set(damaged)
    for file in whole.get("core.packs", []):
        listed = pq.read_table(file.path, columns=["feature_set", "pack"])
        known |= set(zip(listed["feature_set"].to_pylist(), listed["pack"].to_pylist(), strict=True))
    sizes = {path: found.bytes for path, found in home.bucket.list("tensors")} if home.bucket else None
    rows = []
    for table, files in whole.items():
        if not table.startswith("feat."):
            continue
        id_ = feature_of(table)
        found = {pack: file.begin for file in reversed(files) for pack in packs_in(file.path)}
        for pack in sorted(pack for pack in found if (id_, pack) not in known):
            path = pack_path(pack_folder(home.path, id_), pack)
            size = path.stat().st_size if sizes is None else sizes.get(path)
            rows.append((pack, id_, path.relative_to(home.path).as_posix(), size, found[pack]))
    names = {"pack": pl.String, "feature_set": pl.String, "path": pl.String, "bytes": pl.Int64, order: pl.Int64}
    return pl.DataFrame(rows, schema=names, orient="row")
