"""The files below a store that the catalogue names, and those of mirstore's own making that nothing names.

A catalogue may come from somebody else: what it names outside of the store is refused, links out of it are not
followed, and only names that mirstore or DuckLake makes are ever deleted.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.errors import StoreError
from mirstore.store.lake.connect import keep
from mirstore.store.lake.home import Catalogue, Home, own_files
from mirstore.store.lake.job_folders import is_orphan
from mirstore.store.lake.schema import feature_of, order

_data_name = re.compile(r"ducklake-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet(\.tmp)?")
_case_name = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{32}\.gone)?")
_artifact_name = re.compile(r"([0-9a-f]{64})|\.[0-9a-f]{64}\.part")
_pack_name = re.compile(r"([0-9a-f]{64})\.safetensors|\.[0-9a-f]{32,64}\.\d+\.part")

replaced_key = b"mirstore_replaces"
"""In the metadata of a Parquet file: the name of the one that it was written instead of."""


@dataclass(frozen=True)
class DataFile:
    """A row of the catalogue: a Parquet file of a table, in whatever snapshots.

    ``begin`` is the snapshot that brought it; one that was merged has rows of several, ``until`` is the last of those.
    """

    id: int
    table: str
    table_id: int
    path: Path
    rows: int
    bytes: int
    begin: int
    until: int | None


@dataclass(frozen=True)
class Written:
    """A Parquet file that the catalogue does not name yet."""

    path: Path
    rows: int
    bytes: int
    footer: int


def data_files(catalogue: Catalogue, store: Path) -> list[DataFile]:
    """Return all files of all tables, of all snapshots.

    Parameters
    ----------
    catalogue : Catalogue
    store : path
        The store's folder.

    Raises
    ------
    StoreError
        If one lies outside of the store.
    """
    rows = catalogue.execute(
        """SELECT f.data_file_id, s.schema_name || '.' || t.table_name, f.table_id, f.record_count, f.file_size_bytes,
                  f.begin_snapshot, f.partial_max,
                  s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative
        FROM ducklake_data_file f
        JOIN (SELECT DISTINCT table_id, schema_id, table_name, path, path_is_relative FROM ducklake_table) t
            USING (table_id)
        JOIN ducklake_schema s USING (schema_id) ORDER BY f.data_file_id"""
    ).fetchall()
    found = []
    for id_, table, table_id, count, size, begin, until, *parts in rows:
        if not all(parts[1::2]):
            raise _outside(store, next(path for path, own in zip(parts[::2], parts[1::2], strict=True) if not own))
        path = inside(store, store / "data" / "".join(parts[::2]))
        found.append(DataFile(id_, table, table_id, path, count, size, begin, until))
    return found


def scheduled(catalogue: Catalogue, store: Path) -> dict[Path, float]:
    """Return the files that were merged into others, and since when [s] nothing names them.

    Parameters
    ----------
    catalogue : Catalogue
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
    return {
        inside(store, store / "data" / path): datetime.fromisoformat(str(since)).timestamp() for path, _, since in rows
    }


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


def new_data_file(home: Home, old: DataFile, rows: pa.Table) -> Written:
    """Write rows beside the file that they replace, there for good and for all.

    Parameters
    ----------
    home : Home
    old : DataFile
    rows : pa.Table
        Of the same columns.
    """
    path = old.path.with_name(f"ducklake-{uuid.uuid4()}.parquet")
    with pq.ParquetWriter(path, rows.schema, compression="zstd", store_schema=False) as file:
        file.write_table(rows)
        file.add_key_value_metadata({replaced_key: old.path.name})
    keep([path], home.path)
    home.publish([path])
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        footer = int.from_bytes(file.read(4), "little")
    return Written(path, rows.num_rows, path.stat().st_size, footer)


def unnamed_data_files(catalogue: Catalogue, home: Home) -> dict[Path, float]:
    """Return the Parquet files that no snapshot names, and when they were written [s since 1970].

    Parameters
    ----------
    catalogue : Catalogue
    home : Home

    Raises
    ------
    StoreError
        If one came after the catalogue, which is an old one then.
    """
    named = {file.path.absolute() for file in data_files(catalogue, home.path)}
    unnamed = {path: at for path, at in home.own("data", _data_name).items() if path.absolute() not in named}
    ((newest,),) = catalogue.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchall()
    merged = {path.absolute() for path in scheduled(catalogue, home.path)}  # which the catalogue has named once
    unknown = [path for path in unnamed if path.parts[-3] == "core" and path.absolute() not in merged]
    home.look_anew()
    unknown = [path for path in unknown if not home.damage(path, None)]  # a copy here may be of what is there no more
    home.fetch(dict.fromkeys(unknown))
    for path in unknown:
        if (last := last_commit(path)) > newest + 1:  # a commit that was killed leaves files of the next
            raise StoreError(
                f"{home}: the catalogue is older than the data: it ends with snapshot {newest}, "
                f"{home.shown(path)} is of {last}",
                hint=home.remedy,
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


def unnamed_packs(catalogue: Catalogue, home: Home) -> dict[Path, float]:
    """Return the tensor packs that no snapshot names, and what a killed process left of one, with their times.

    Parameters
    ----------
    catalogue : Catalogue
    home : Home
    """
    rows = catalogue.execute("SELECT DISTINCT table_id FROM ducklake_column WHERE column_type = 'struct'").fetchall()
    referring = {table for (table,) in rows}  # only a column that is a reference names packs
    every = data_files(catalogue, home.path)
    files = [file for file in every if file.table == "core.packs" or file.table_id in referring]
    home.fetch({file.path: file.bytes for file in files})
    named = {path for file in files if file.table == "core.packs" for path in _listed_packs(home.path, file.path)}
    named |= {path for file in files if file.table != "core.packs" for path in _used_packs(home.path, file)}
    found = {}
    for path, at in home.own("tensors", _pack_name).items():
        match = _pack_name.fullmatch(path.name)
        assert match is not None
        if match[1] is None or path not in named:
            found[path] = at
    return found


def _listed_packs(store: Path, table: Path) -> Iterator[Path]:
    return (store / path for path in pq.read_table(table, columns=["path"])["path"].to_pylist())


def _used_packs(store: Path, file: DataFile) -> Iterator[Path]:
    """Yield the packs that a table of features names: a set with the same tensors as another may be listed nowhere."""
    return (store / "tensors" / feature_of(file.table) / f"{pack}.safetensors" for pack in packs_in(file.path))


def packs_in(path: Path) -> set[str]:
    """Return the packs that a data file of features names.

    Parameters
    ----------
    path : path
    """
    found: set[str] = set()
    for column in pq.read_schema(path):
        if pa.types.is_struct(column.type):
            values = pq.ParquetFile(path).read([f"{column.name}.pack"])[column.name].to_pylist()
            found.update(value["pack"] for value in values if value)
    return found


def unnamed_artifacts(catalogue: Catalogue, home: Home) -> dict[Path, float]:
    """Return the files of kept models that no snapshot names, and what a killed process left of one, with their times.

    Parameters
    ----------
    catalogue : Catalogue
    home : Home
    """
    tables = {file.path: file.bytes for file in data_files(catalogue, home.path) if file.table == "core.artifacts"}
    home.fetch(tables)
    named = {name for path in tables for name in pq.read_table(path, columns=["artifact"])["artifact"].to_pylist()}
    top = home.path / "artifacts"
    found = {}
    for path, at in home.own("artifacts", re.compile(".*")).items():
        model = path.relative_to(top).parts[0]
        if _artifact_name.fullmatch(model) and model not in named:
            found[path] = at
    return found


def left_by_jobs(home: Home) -> dict[Path, float]:
    """Return what workers elsewhere have put into the bucket for a commit, with their times.

    Parameters
    ----------
    home : Home
    """
    found = () if home.bucket is None else home.bucket.list("jobs")
    return {path: one.written for path, one in found if _pack_name.fullmatch(path.name)}


def checkpoints(home: Home) -> dict[Path, float]:
    """Return what models have saved of cases that are not finished, and that no process is at, with their times.

    Parameters
    ----------
    home : Home
    """
    top = home.path / "checkpoints"
    if top.is_symlink() or not top.exists():
        return {}
    cases = [path for path in top.iterdir() if _case_name.fullmatch(path.name) and is_orphan(path)]
    return {path: at for case in cases for path, at in own_files(case, re.compile(".*")).items()}
