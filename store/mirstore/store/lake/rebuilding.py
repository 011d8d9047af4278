"""A new catalogue for data whose own is lost, damaged, or an old backup: after the journal, or else after the files."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.errors import StoreError, UsageError
from mirstore.store.lake import journal, schema
from mirstore.store.lake.arrow import sql_types
from mirstore.store.lake.backups import put_aside
from mirstore.store.lake.checksums import digest
from mirstore.store.lake.connect import committer, connect, fsync
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.doctor import catalogue_problems, refuse_newer_data
from mirstore.store.lake.guessing import guessed
from mirstore.store.lake.journal import Commit, Entry
from mirstore.store.lake.making import new_catalogue, new_name, take_away_new
from mirstore.store.lake.quoting import identifier, in_lake
from mirstore.store.lake.shared import home_at


@dataclass
class Rebuilt:
    """What became of it.

    Attributes
    ----------
    snapshots, files : int
        How many the new catalogue has.
    unsure : list of str
        What could not be known.
    aside : list of path
        Where the old catalogue is now.
    """

    snapshots: int
    files: int
    unsure: list[str] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)


def rebuild(store: str | Path) -> Rebuilt | None:
    """Make a new catalogue from the journal and the data files, and put the old one aside; None if that is whole.

    Snapshots keep their numbers. Killed, it leaves the old catalogue, or none and can be run again.

    Parameters
    ----------
    store : str or path
        The store's folder.

    Raises
    ------
    StoreError
        If there is no data, or the store cannot be written.
    UsageError
        If its catalogue is in PostgreSQL, which has backups of its own.
    """
    home = home_at(store)
    if not home.has_all:
        raise UsageError(f"{home}: its catalogue is in a database", hint="restore the newest backup of the database")
    store = home.path
    if not any(store.glob("data/core/meta/*.parquet")) and not (store / journal.name).exists():
        raise StoreError(f"{store}: has no data to make a catalogue from", hint="give --store")
    with committer(store):
        refuse_newer_data(store.glob("data/core/meta/*.parquet"), store)
        if not catalogue_problems(home):
            return None
        commits, unsure = _known(store)
        _write(store, commits)
        if refused := _refused(store):  # its lines are whole, and still not what mirstore writes
            commits, unsure = _after_files(store, f"{journal.name} cannot be believed ({refused})")
            _write(store, commits)
        aside = put_aside(store)
        (store / new_name).rename(store / "catalog.sqlite")
        take_away_new(store)  # a look at it leaves files of SQLite's beside it
        fsync(store)
        with closing(sqlite3.connect(store / "catalog.sqlite")) as catalogue:
            journal.rewrite(store, journal.Tables(catalogue.execute))
    return Rebuilt(len(commits), sum(len(commit.files) for commit in commits), unsure, aside)


def _known(store: Path) -> tuple[list[Commit], list[str]]:
    """Return what the journal says, or what the files do where it is missing or damaged; and what that leaves open."""
    found = journal.read(store)
    if found.damaged or not found.commits:
        lines = f"line {found.damaged[0]} of {journal.name} is damaged" if found.damaged else f"no {journal.name}"
        return _after_files(store, lines)
    *_, last = found.commits
    if last.snapshot > found.committed and not all(_whole(store, file) for file in last.files):
        return found.commits[:-1], [f"snapshot {last.snapshot} never came to pass"]
    return found.commits, []


def _after_files(store: Path, reason: str) -> tuple[list[Commit], list[str]]:
    commits, unsure = guessed(store)
    return commits, [f"{reason}: all is after the files themselves", *unsure]


def _refused(store: Path) -> str | None:
    """Return why the new catalogue would be refused when it is opened."""
    try:
        connect(store, read_only=True, catalog=new_name).close()
    except StoreError as error:
        return error.message
    return None


def _whole(store: Path, file: Entry) -> bool:
    return (store / file.path).exists() and digest(store / file.path) == file.sha256


def _write(store: Path, commits: Sequence[Commit]) -> None:
    """Let DuckLake make the tables, then write into them what it would have written commit by commit."""
    connection = new_catalogue(store)
    connection.execute("BEGIN")
    schema.create_tables(connection)
    for commit in commits:
        for table, columns in commit.tables.items():
            _create(connection, table, columns)
    connection.execute("COMMIT")
    schema.set_row_group(connection)
    connection.close()
    with closing(sqlite3.connect(store / new_name, isolation_level=None)) as catalogue:
        catalogue.execute("PRAGMA synchronous = FULL")
        catalogue.execute("BEGIN")
        _snapshots(catalogue, commits)
        _files(catalogue, store, commits)
        catalogue.execute("COMMIT")
        catalogue.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _create(connection: Connection, table: str, columns: dict[str, str]) -> None:
    if not table.startswith("feat.") or not set(columns.values()) <= set(sql_types.values()):
        raise StoreError(f"{table}: has columns that no features have", hint="do not use this store; ask who made it")
    listed = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE TABLE IF NOT EXISTS {in_lake(table)} ({listed})")


def _tables(catalogue: sqlite3.Connection) -> dict[str, int]:
    query = (
        "SELECT schema_name || '.' || table_name, table_id FROM ducklake_table JOIN ducklake_schema USING (schema_id)"
    )
    return dict(catalogue.execute(query).fetchall())


def _snapshots(catalogue: sqlite3.Connection, commits: Sequence[Commit]) -> None:
    ids = _tables(catalogue)
    ((next_id,),) = catalogue.execute("SELECT max(next_catalog_id) FROM ducklake_snapshot").fetchall()
    first = catalogue.execute("SELECT changes_made FROM ducklake_snapshot_changes WHERE snapshot_id = 1").fetchall()
    catalogue.execute("DELETE FROM ducklake_snapshot WHERE snapshot_id > 0")
    catalogue.execute("DELETE FROM ducklake_snapshot_changes WHERE snapshot_id > 0")
    files = sum(len(commit.files) for commit in commits)
    begun: set[str] = set()
    version = 1
    for commit in commits:
        new = [table for table in commit.tables if table not in begun]
        begun.update(new)
        version += bool(new)
        for table in new:
            _begin(catalogue, ids[table], commit.snapshot, version)
        catalogue.execute(
            "INSERT INTO ducklake_snapshot VALUES (?, ?, ?, ?, ?)",
            [commit.snapshot, commit.time, version, next_id, files],
        )
        changes = first[0][0] if commit.snapshot == 1 else _changes(commit, new, ids)
        catalogue.execute(
            "INSERT INTO ducklake_snapshot_changes VALUES (?, ?, ?, ?, ?)",
            [commit.snapshot, changes, "mirstore" if commit.message else None, commit.message, commit.about],
        )


def _begin(catalogue: sqlite3.Connection, table: int, snapshot: int, version: int) -> None:
    for of in ("ducklake_table", "ducklake_column", "ducklake_schema_versions"):
        catalogue.execute(f"UPDATE {of} SET begin_snapshot = ? WHERE table_id = ?", [snapshot, table])
    catalogue.execute("UPDATE ducklake_schema_versions SET schema_version = ? WHERE table_id = ?", [version, table])


def _changes(commit: Commit, new: Sequence[str], ids: Mapping[str, int]) -> str:
    """Return what a commit did, in DuckLake's words; after a merge no file says which tables it was about."""
    if commit.compacts:
        return f"merge_adjacent:{ids['core.meta']}"
    touched = sorted({ids[file.table] for file in commit.files})
    created = [f"created_table:{identifier('feat')}.{identifier(table.removeprefix('feat.'))}" for table in new]
    return ",".join([*created, *(f"inserted_into_table:{id_}" for id_ in touched)])


def _files(catalogue: sqlite3.Connection, store: Path, commits: Sequence[Commit]) -> None:
    """Name the files; without ranges of values, DuckLake reads a file instead of skipping it.

    A table has none either: with an empty one, DuckLake takes that of the next file for all of them.
    """
    ids = _tables(catalogue)
    rows, sizes = dict.fromkeys(ids, 0), dict.fromkeys(ids, 0)
    every = [(commit.snapshot, file) for commit in commits for file in commit.files]
    for number, (snapshot, file) in enumerate(every):
        table = ids[file.table]
        catalogue.execute(
            "INSERT INTO ducklake_data_file (data_file_id, table_id, begin_snapshot, path, path_is_relative, "
            "file_format, record_count, file_size_bytes, footer_size, row_id_start, partial_max) "
            "VALUES (?, ?, ?, ?, 1, 'parquet', ?, ?, ?, ?, ?)",
            [number, table, snapshot, Path(file.path).name, file.rows, file.bytes, _footer(store / file.path),
             rows[file.table], file.until],
        )  # fmt: skip
        rows[file.table] += file.rows
        sizes[file.table] += file.bytes
    for name in {file.table for _, file in every}:
        catalogue.execute(
            "INSERT INTO ducklake_table_stats VALUES (?, ?, ?, ?)", [ids[name], rows[name], rows[name], sizes[name]]
        )


def _footer(path: Path) -> int:
    """Return the size of a file's footer; that of a file which is missing or cut off does not matter."""
    try:
        return pq.read_metadata(path).serialized_size
    except (OSError, pa.ArrowException):
        return 0
