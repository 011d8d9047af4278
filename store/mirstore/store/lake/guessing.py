"""What the data files themselves say of the commits that brought them, where there is no journal."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.text import counted
from mirstore.store.lake import schema
from mirstore.store.lake.arrow import sql_kinds
from mirstore.store.lake.checksums import digest
from mirstore.store.lake.connect import keep
from mirstore.store.lake.files import last_commit, replaced_key
from mirstore.store.lake.journal import Commit, Entry
from mirstore.store.lake.lake import internal, merged_column
from mirstore.store.lake.relisting import data_rows, failed, ledger_of, unanswered, unlisted
from mirstore.store.lake.schema import feature_of, order


def guessed(store: Path) -> tuple[list[Commit], list[str]]:
    """Return commits as the files tell them, and what they do not tell.

    Rows of ``core`` say which snapshot brought them, and so do those of merged files. Values of features came with
    their entry in the ledger. A file whose rows are all in others was merged into them.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    unsure = ["messages and commands of all snapshots, and feature sets without a value"]
    tables, lost = _readable(store)
    unsure += [f"{path.relative_to(store)} cannot be read" for path in lost]
    if "core.runs" in tables:
        unsure.append("whether other files are gone, and with them results of runs: these stay finished")
    ledger = _ledger(tables)
    newest = max((last_commit(path) for paths in tables.values() for path in paths), default=1)
    late = 0
    commits: dict[int, Commit] = {1: Commit(1, _now())}
    kept = {table: _not_merged(paths) for table, paths in tables.items()}
    for table, paths in kept.items():
        for path in paths:
            rows = pq.read_table(path)
            span = _span(table, rows, ledger)
            first, last = span or (newest, newest)
            late += span is None
            until = last if merged_column in rows.column_names else None
            commit = commits.setdefault(first, Commit(first, _now()))
            commit.files.append(_entry(store, path, rows.num_rows, until))
            if table.startswith("feat."):
                columns = [column for column in rows.schema if not column.name.startswith(internal)]
                commit.tables[table] = sql_kinds(pa.schema(columns))
            commits.setdefault(last, Commit(last, _now()))
    if late:
        unsure += [f"when the rows of {counted(late, 'file')} came: snapshot {newest} is the first that shows them"]
    lacking = _unlisted(kept, newest)
    if not lacking.is_empty():
        path = _ledger_file(store, lacking)
        commits.setdefault(newest, Commit(newest, _now())).files.append(_entry(store, path, len(lacking), None))
        unsure.append(f"{counted(len(lacking), 'row')} of the ledger, made again after the values that are there")
    for number in range(1, max(commits)):
        commits.setdefault(number, Commit(number, _now()))
    return [commits[number] for number in sorted(commits)], unsure


def _entry(store: Path, path: Path, rows: int, until: int | None) -> Entry:
    return Entry(path.relative_to(store).as_posix(), digest(path), rows, path.stat().st_size, until)


def _unlisted(tables: Mapping[str, Sequence[Path]], newest: int) -> pl.DataFrame:
    """Return what the ledger lacks: without it, values would be computed again, and be there twice."""
    ledger = ledger_of(tables.get("core.extractions", []))
    features = {table: dict.fromkeys(paths, 0) for table, paths in tables.items() if table.startswith("feat.")}
    found = unlisted(features, ledger)
    read = unanswered(tables.get("core.annotations", []), pl.concat([ledger, found]))
    entries = pl.concat([found, failed(read)], how="diagonal")
    return entries.with_columns(pl.when(pl.col(order) == 0).then(newest).otherwise(order).alias(order))


def _ledger_file(store: Path, rows: pl.DataFrame) -> Path:
    path = store / "data" / "core" / "extractions" / f"ducklake-{uuid.uuid4()}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(data_rows("core.extractions", rows), path, compression="zstd", store_schema=False)
    keep([path], store)
    return path


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}+00"


def _readable(store: Path) -> tuple[dict[str, list[Path]], list[Path]]:
    """Return the files by table, in the order of their names, which begin with the time; and those that are damaged.

    What a purge wrote says which file it stands for: that one is left out, whether it is still there or not.
    """
    tables: dict[str, list[Path]] = {}
    lost, replaced = [], set()
    for path in sorted(store.glob("data/*/*/ducklake-*.parquet")):
        try:
            about = pq.read_metadata(path).metadata or {}
        except (OSError, pa.ArrowException):
            lost.append(path)
            continue
        table = f"{path.parts[-3]}.{path.parts[-2]}"
        if table.startswith("feat.") or table.removeprefix("core.") in schema.tables:
            tables.setdefault(table, []).append(path)
            replaced.add(about.get(replaced_key, b"").decode())
    return {table: [path for path in paths if path.name not in replaced] for table, paths in tables.items()}, lost


def _ledger(tables: dict[str, list[Path]]) -> pl.DataFrame:
    paths = tables.get("core.extractions", [])
    names = ["track", "feature_set", order]
    return pl.concat([pl.read_parquet(path, columns=names, glob=False) for path in paths]) if paths else pl.DataFrame()


def _span(table: str, rows: pa.Table, ledger: pl.DataFrame) -> tuple[int, int] | None:
    """Return the first and last snapshot that brought one of the rows."""
    for column in (merged_column, order if table.startswith("core.") else schema.revision):
        if column in rows.column_names:
            numbers = [number for number in rows[column].to_pylist() if number is not None]
            return (min(numbers), max(numbers)) if numbers else (1, 1)
    if ledger.is_empty():
        return None
    about = ledger.filter(pl.col("feature_set") == feature_of(table))
    theirs = about.filter(pl.col("track").is_in(rows["track"].to_pylist()))[order]
    first: Any = theirs.min()
    return None if first is None else (first, first)


def _not_merged(paths: Sequence[Path]) -> list[Path]:
    """Return the files without those whose rows are all in others, the oldest of them first: no row is there twice."""
    rows = {path: set(_rows(path)) for path in paths}
    copies = Counter(row for there in rows.values() for row in there)
    kept = []
    for path in paths:
        if rows[path] and all(copies[row] > 1 for row in rows[path]):
            copies.subtract(rows[path])
        else:
            kept.append(path)
    return kept


def _rows(path: Path) -> Iterable[str]:
    table = pq.read_table(path)
    names = [name for name in table.column_names if not name.startswith(internal)]
    return map(repr, table.select(names).to_pylist())
