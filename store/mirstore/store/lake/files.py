"""The files below a store that the catalogue names, and those of mirstore's own making that nothing names.

A catalogue may come from somebody else: what it names outside of the store is refused, links out of it are not
followed, and only names that mirstore or DuckLake makes are ever deleted.
"""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.errors import StoreError
from mirstore.store.lake.connect import fsync, keep
from mirstore.store.lake.job_folders import is_orphan
from mirstore.store.lake.schema import order

_data_name = re.compile(r"ducklake-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet(\.tmp)?")
_case_name = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{32}\.gone)?")
_artifact_name = re.compile(r"([0-9a-f]{64})|\.[0-9a-f]{64}\.part")
_pack_name = re.compile(r"([0-9a-f]{64})\.safetensors|\.[0-9a-f]{32,64}\.\d+\.part")

replaced_key = b"mirstore_replaces"
"""In the metadata of a Parquet file: the name of the one that it was written instead of."""


@dataclass(frozen=True)
class DataFile:
    """A row of the catalogue: a Parquet file of a table, in whatever snapshots."""

    id: int
    table: str
    table_id: int
    path: Path
    rows: int
    bytes: int


@dataclass(frozen=True)
class Written:
    """A Parquet file that the catalogue does not name yet."""

    path: Path
    rows: int
    bytes: int
    footer: int


def data_files(catalogue: sqlite3.Connection, store: Path) -> list[DataFile]:
    """Return all files of all tables, of all snapshots.

    Parameters
    ----------
    catalogue : sqlite3.Connection
    store : path
        The store's folder.

    Raises
    ------
    StoreError
        If one lies outside of the store.
    """
    rows = catalogue.execute(
        """SELECT f.data_file_id, s.schema_name || '.' || t.table_name, f.table_id, f.record_count, f.file_size_bytes,
                  s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative
        FROM ducklake_data_file f
        JOIN (SELECT DISTINCT table_id, schema_id, table_name, path, path_is_relative FROM ducklake_table) t
            USING (table_id)
        JOIN ducklake_schema s USING (schema_id) ORDER BY f.data_file_id"""
    ).fetchall()
    found = []
    for id_, table, table_id, count, size, *parts in rows:
        if not all(parts[1::2]):
            raise _outside(store, next(path for path, own in zip(parts[::2], parts[1::2], strict=True) if not own))
        found.append(DataFile(id_, table, table_id, inside(store, store / "data" / "".join(parts[::2])), count, size))
    return found


def scheduled(catalogue: sqlite3.Connection, store: Path) -> dict[Path, float]:
    """Return the files that were merged into others, and since when [s] nothing names them.

    Parameters
    ----------
    catalogue : sqlite3.Connection
    store : path
        The store's folder.

    Raises
    ------
    StoreError
        If one lies outside of the store.
    """
    rows = catalogue.execute(
        "SELECT path, path_is_relative, schedule_start FROM ducklake_files_scheduled_for_deletion"
    ).fetchall()
    for path, relative, _ in rows:
        if not relative:
            raise _outside(store, path)
    return {inside(store, store / "data" / path): datetime.fromisoformat(since).timestamp() for path, _, since in rows}


def inside(store: Path, path: Path) -> Path:
    """Return a path as it is if it lies in the store's data.

    Parameters
    ----------
    store : path
        The store's folder.
    path : path

    Raises
    ------
    StoreError
        If it does not, or a link leads out.
    """
    if not path.resolve().is_relative_to((store / "data").resolve()):
        raise _outside(store, str(path))
    return path


def _outside(store: Path, path: str) -> StoreError:
    return StoreError(
        f"{store}: its catalogue names a file outside of the store: {path}", hint="do not use it; ask who made it"
    )


def new_data_file(store: Path, old: DataFile, rows: pa.Table) -> Written:
    """Write rows beside the file that they replace, on disk for good.

    Parameters
    ----------
    store : path
        The store's folder.
    old : DataFile
    rows : pa.Table
        Of the same columns.
    """
    path = old.path.with_name(f"ducklake-{uuid.uuid4()}.parquet")
    with pq.ParquetWriter(path, rows.schema, compression="zstd", store_schema=False) as file:
        file.write_table(rows)
        file.add_key_value_metadata({replaced_key: old.path.name})
    keep([path], store)
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        footer = int.from_bytes(file.read(4), "little")
    return Written(path, rows.num_rows, path.stat().st_size, footer)


def links(store: Path) -> list[Path]:
    """Return the folders of a store that are links: nothing behind them is deleted.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    return [path for path in (store / name for name in ("data", "tensors", "artifacts", "jobs")) if path.is_symlink()]


def unnamed_data_files(catalogue: sqlite3.Connection, store: Path) -> list[Path]:
    """Return the Parquet files that no snapshot names.

    Parameters
    ----------
    catalogue : sqlite3.Connection
    store : path
        The store's folder.

    Raises
    ------
    StoreError
        If one came after the catalogue, which is an old one then.
    """
    named = {file.path.absolute() for file in data_files(catalogue, store)}
    unnamed = [path for path in _own(store / "data", _data_name) if path.absolute() not in named]
    ((newest,),) = catalogue.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchall()
    for path in unnamed:
        if (last := last_commit(path)) > newest + 1:  # a commit that was killed leaves files of the next
            raise StoreError(
                f"{store}: the catalogue is older than the data: it ends with snapshot {newest}, {path} is of {last}",
                hint="mirstore doctor --rebuild",
            )
    return unnamed


def last_commit(path: Path) -> int:
    """Return the last snapshot that brought a row of a file of ``core``, after its footer; 0 for others.

    Parameters
    ----------
    path : path
    """
    try:
        about = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return 0  # it was being written
    if path.parts[-3] != "core" or order not in about.schema.names:
        return 0
    column = about.schema.names.index(order)
    groups = [about.row_group(number).column(column).statistics for number in range(about.num_row_groups)]
    return max((group.max for group in groups if group is not None and group.has_min_max), default=0)


def unnamed_packs(catalogue: sqlite3.Connection, store: Path) -> list[Path]:
    """Return the tensor packs that no snapshot names, and what a killed process left of one.

    Parameters
    ----------
    catalogue : sqlite3.Connection
    store : path
        The store's folder.
    """
    files = data_files(catalogue, store)
    named = {path for file in files if file.table == "core.packs" for path in _listed_packs(store, file.path)}
    named |= {path for file in files if file.table.startswith("feat.") for path in _used_packs(store, file)}
    found = []
    for path in _own(store / "tensors", _pack_name):
        match = _pack_name.fullmatch(path.name)
        assert match is not None
        if match[1] is None or path not in named:
            found.append(path)
    return found


def _listed_packs(store: Path, table: Path) -> Iterator[Path]:
    return (store / path for path in pq.read_table(table, columns=["path"])["path"].to_pylist())


def _used_packs(store: Path, file: DataFile) -> Iterator[Path]:
    """Yield the packs that a table of features names: a set with the same tensors as another may be listed nowhere."""
    for column in pq.read_schema(file.path):
        if pa.types.is_struct(column.type):
            values = pq.ParquetFile(file.path).read([f"{column.name}.pack"])[column.name].to_pylist()
            packs = {value["pack"] for value in values if value}
            yield from (store / "tensors" / file.table.rpartition("_")[2] / f"{pack}.safetensors" for pack in packs)


def unnamed_artifacts(catalogue: sqlite3.Connection, store: Path) -> list[Path]:
    """Return the files of kept models that no snapshot names, and what a killed process left of one.

    Parameters
    ----------
    catalogue : sqlite3.Connection
    store : path
        The store's folder.
    """
    tables = [file.path for file in data_files(catalogue, store) if file.table == "core.artifacts"]
    named = {name for path in tables for name in pq.read_table(path, columns=["artifact"])["artifact"].to_pylist()}
    return [
        path
        for folder in _folders(store / "artifacts", _artifact_name)
        if folder.name not in named
        for path in _own(folder, re.compile(".*"))
    ]


def checkpoints(store: Path) -> list[Path]:
    """Return what models have saved of cases that are not finished, and that no process is at.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    cases = _folders(store / "checkpoints", _case_name)
    return [path for case in cases if is_orphan(case) for path in _own(case, re.compile(".*"))]


def delete(paths: Sequence[Path], store: Path) -> None:
    """Delete files, and the folders of kept models and of checkpoints that are empty then, or were before.

    Parameters
    ----------
    paths : sequence of path
        In the store.
    store : path
        The store's folder.
    """
    for path in paths:
        path.unlink()
    for top in (store / "artifacts", store / "checkpoints"):
        for at, _, _ in os.walk(top, topdown=False) if not top.is_symlink() else ():
            if Path(at) != top and not os.listdir(at):
                os.rmdir(at)
    for folder in {path.parent for path in paths}:
        if folder.exists():
            fsync(folder)


def _folders(folder: Path, name: re.Pattern[str]) -> list[Path]:
    if folder.is_symlink() or not folder.exists():
        return []
    return [path for path in folder.iterdir() if name.fullmatch(path.name) and not path.is_symlink()]


def _own(folder: Path, name: re.Pattern[str]) -> Iterator[Path]:
    if folder.is_symlink():
        return
    for at, _, files in os.walk(folder):  # which follows no links to folders
        yield from (path for file in files if name.fullmatch(file) and not (path := Path(at) / file).is_symlink())
