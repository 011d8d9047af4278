"""What the catalogue knows, as lines of text beside it: enough to make it again.

`announce` adds a line per commit, on disk before the commit is; `confirm` adds one after it. `follow`, under the lock,
writes the whole journal anew from the catalogue where its end does not say what the catalogue says: in a store that was
made before there were journals, or after a kill. So the journal is never further than one commit behind.

Each line has a checksum of its own: where journal and catalogue differ, it says which of them is damaged.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import replace as replace_in
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow.parquet as pq

from mirstore.core.errors import StoreError
from mirstore.store.lake.arrow import sql_types
from mirstore.store.lake.checksums import digest, legacy, legacy_name
from mirstore.store.lake.connect import fsync
from mirstore.store.lake.schema import tables

name = "journal.jsonl"
"""In the store's folder; each line is an object of JSON."""

_sum = "crc32"  # key of a line's checksum; lines of older stores have none

_path = re.compile(r"data/(core|feat)/([^/]+)/ducklake-[0-9a-f-]{36}\.parquet")


@dataclass(frozen=True)
class Tables:
    """DuckLake's own tables, through SQLite or DuckDB.

    Attributes
    ----------
    execute : callable
        Of the connection.
    prefix : str
        What stands before the tables' names there.
    """

    execute: Callable[[str], Any]
    prefix: str = ""

    def ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Return what it answers.

        Parameters
        ----------
        query : str
            In SQL that both understand.
        """
        found: list[tuple[Any, ...]] = self.execute(query.replace("ducklake_", f"{self.prefix}ducklake_")).fetchall()
        return found


@dataclass(frozen=True)
class Entry:
    """A Parquet file of a table.

    Attributes
    ----------
    path : str
        Below the store's folder.
    sha256 : str
    rows, bytes : int
    until : int, optional
        Of a file that was merged: the last snapshot that brought any of its rows.
    """

    path: str
    sha256: str
    rows: int
    bytes: int
    until: int | None = None

    def __post_init__(self) -> None:
        if not _path.fullmatch(self.path) or ".." in self.path:
            raise ValueError(f"{self.path!r} is no data file")

    @property
    def table(self) -> str:
        """Its table: ``core.tracks``, ``feat.essentia_0123456789``."""
        return ".".join(Path(self.path).parts[1:3])


@dataclass
class Commit:
    """A snapshot, with the files that hold the first of their rows since then.

    Attributes
    ----------
    snapshot : int
    time : str
        In UTC.
    message, about : str, optional
        As DuckLake keeps them.
    compacts : bool
        Whether it only merged files.
    tables : dict of str to dict
        New tables of features: SQL's type per column.
    files : list of Entry
    """

    snapshot: int
    time: str
    message: str | None = None
    about: str | None = None
    compacts: bool = False
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    files: list[Entry] = field(default_factory=list)


@dataclass
class Journal:
    """What a journal says.

    Attributes
    ----------
    commits : list of Commit
        In order. The last one may not have come to pass.
    committed : int
        The last snapshot that is sure to be.
    tables : set of str
        That snapshots brought.
    damaged : list of int
        Numbers of lines that cannot be read. The last line is not among them: a power cut may have torn it.
    """

    commits: list[Commit] = field(default_factory=list)
    committed: int = 0
    tables: set[str] = field(default_factory=lambda: {f"core.{table}" for table in tables})
    damaged: list[int] = field(default_factory=list)


# Writing


def announce(store: Path, commit: Commit, new: Iterable[Path]) -> None:
    """Say what a commit is about to bring, on disk before it does.

    Parameters
    ----------
    store : path
        The store's folder.
    commit : Commit
        Without its files.
    new : iterable of path
        Its files.
    """
    commit.files = [_entry(store, path) for path in sorted(new)]  # whose names begin with the time
    _add(store, asdict(commit))
    fsync(store / name)


def confirm(store: Path, snapshot: int, time: str) -> None:
    """Say that a commit came to pass, and when.

    Parameters
    ----------
    store : path
        The store's folder.
    snapshot : int
        Its number.
    time : str
        As DuckLake has it.
    """
    _add(store, {"committed": snapshot, "time": time})


def replace(store: Path, changes: Mapping[str, Path | None]) -> None:
    """Say which files are about to be written anew or to go, on disk before that.

    Parameters
    ----------
    store : path
        The store's folder.
    changes : Mapping of str to path or None
        The new file for each path below the store.
    """
    _add(store, {"replaced": {old: new and asdict(_entry(store, new)) for old, new in changes.items()}})
    fsync(store / name)


def _entry(store: Path, path: Path) -> Entry:
    rows = pq.read_metadata(path).num_rows
    return Entry(path.relative_to(store).as_posix(), digest(path), rows, path.stat().st_size)


def _add(store: Path, line: Mapping[str, Any]) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW  # nothing is written behind a link
    with open(os.open(store / name, flags, 0o644), "w") as file:
        file.write(written(line))


def written(line: Mapping[str, Any]) -> str:
    """Return a line as it stands in the journal.

    Parameters
    ----------
    line : Mapping
    """
    return json.dumps({**line, _sum: crc32(json.dumps(line).encode())}) + "\n"


def follow(store: Path, catalogue: Tables) -> None:
    """Bring the journal up to the catalogue, under the lock.

    Parameters
    ----------
    store : path
        The store's folder.
    catalogue : Tables

    Raises
    ------
    StoreError
        If the catalogue is older than the data.
    """
    ((newest,),) = catalogue.ask("SELECT max(snapshot_id) FROM ducklake_snapshot")
    last = _last(store)
    if last.get("committed") != newest or _sum not in last:
        refuse_older(store, committed(store), newest)
        rewrite(store, catalogue)


def refuse_older(store: Path | str, known: int, newest: int, remedy: str = "mirstore doctor --rebuild") -> None:
    """Refuse a catalogue that lacks snapshots, as a backup does.

    Parameters
    ----------
    store : path or str
        The store, for messages.
    known : int
        The last snapshot that the journal is sure of.
    newest : int
        The last snapshot of the catalogue.
    remedy : str
        What helps then.

    Raises
    ------
    StoreError
    """
    if known > newest:
        raise StoreError(
            f"{store}: the catalogue is older than the data: it ends with snapshot {newest}, the data with {known}",
            hint=remedy,
        )


def rewrite(store: Path, catalogue: Tables) -> None:
    """Write the whole journal from the catalogue, under the lock.

    Parameters
    ----------
    store : path
        The store's folder.
    catalogue : Tables
    """
    known = checksums(store)
    commits = _told(catalogue)
    for commit in commits:
        commit.files = [_with_checksum(store, file, known) for file in commit.files]
    last = {"committed": commits[-1].snapshot, "time": commits[-1].time}
    new = store / f"{name}.new"
    new.unlink(missing_ok=True)
    with open(new, "x") as file:
        file.writelines(map(written, [*map(asdict, commits), last]))
    fsync(new)
    new.replace(store / name)
    (store / legacy_name).unlink(missing_ok=True)
    fsync(store)


def _with_checksum(store: Path, file: Entry, known: Mapping[str, str]) -> Entry:
    there = (store / file.path).exists()
    return replace_in(file, sha256=known.get(file.path) or (digest(store / file.path) if there else ""))


def difference(store: Path, catalogue: Tables) -> str | None:
    """Return something in which the catalogue is not what the journal says, if there is anything.

    Parameters
    ----------
    store : path
        The store's folder.
    catalogue : Tables
    """
    journal, commits = read(store), _told(catalogue)
    if journal.damaged or _last(store).get("committed") != commits[-1].snapshot:
        return None  # it lags behind: the next commit writes it anew
    said, found = _facts(journal.commits), _facts(commits)
    for fact in sorted(said ^ found, key=repr):
        return f"{fact[0]} is not what {name} says"
    return None


def _facts(commits: Iterable[Commit]) -> set[tuple[Any, ...]]:
    snapshots = {(f"snapshot {one.snapshot}", one.message, one.about, one.compacts) for one in commits}
    files = {
        (file.path, one.snapshot, file.rows, file.bytes, file.until, file.table)
        for one in commits
        for file in one.files
    }
    return snapshots | files


def _told(catalogue: Tables) -> list[Commit]:
    """Return what a catalogue says, without checksums."""
    rows = catalogue.ask(
        "SELECT snapshot_id, snapshot_time, commit_message, commit_extra_info, changes_made FROM ducklake_snapshot "
        "JOIN ducklake_snapshot_changes USING (snapshot_id) WHERE snapshot_id > 0 ORDER BY snapshot_id"
    )
    commits = {
        id_: Commit(id_, str(time), message, about, "merge_adjacent" in changes)
        for id_, time, message, about, changes in rows
    }
    for table, begin, columns in _feature_tables(catalogue):
        commits[begin].tables[table] = columns
    for path, begin, until, count, size in catalogue.ask(
        """SELECT s.path || t.path || f.path, f.begin_snapshot, f.partial_max, f.record_count, f.file_size_bytes
        FROM ducklake_data_file f JOIN ducklake_table t USING (table_id) JOIN ducklake_schema s USING (schema_id)
        ORDER BY f.data_file_id"""
    ):
        commits[begin].files.append(Entry(f"data/{path}", "", count, size, until))
    return list(commits.values())


def _feature_tables(catalogue: Tables) -> list[tuple[str, int, dict[str, str]]]:
    columns: dict[int, dict[str, str]] = {}
    inner = catalogue.ask(
        "SELECT table_id, parent_column, column_name FROM ducklake_column WHERE parent_column IS NOT NULL"
    )
    parts = {(table, parent, column) for table, parent, column in inner}
    for table, id_, column, kind in catalogue.ask(
        "SELECT table_id, column_id, column_name, column_type FROM ducklake_column WHERE parent_column IS NULL "
        "ORDER BY table_id, column_order"
    ):
        kind = "sound" if kind == "struct" and (table, id_, "scale") in parts else kind
        columns.setdefault(table, {})[column] = sql_types.get(kind, kind)
    tables = catalogue.ask(
        "SELECT table_id, 'feat.' || table_name, t.begin_snapshot FROM ducklake_table t "
        "JOIN ducklake_schema USING (schema_id) WHERE schema_name = 'feat' ORDER BY table_id"
    )
    return [(table, begin, columns[id_]) for id_, table, begin in tables]


# Reading


def committed(store: Path) -> int:
    """Return the last snapshot that the journal is sure of; 0 without a journal.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    return int(_last(store).get("committed") or read(store).committed)


def _last(store: Path) -> dict[str, Any]:
    """Return the last line, if it is short and whole: that of a commit which came to pass is."""
    try:
        with open(store / name, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 200))
            *_, line, after = file.read().split(b"\n")
            return _said(line) if not after else {}
    except (OSError, ValueError):
        return {}


def _said(line: str | bytes) -> dict[str, Any]:
    """Return what a line says, or raise ValueError if it is damaged."""
    try:
        found = json.loads(line)
    except RecursionError as error:  # somebody else's
        raise ValueError(str(error)) from None
    if not isinstance(found, dict):
        raise ValueError("is no object")
    said = {key: value for key, value in found.items() if key != _sum}
    if _sum in found and found[_sum] != crc32(json.dumps(said).encode()):
        raise ValueError("is not what was written")
    return found


def read(store: Path) -> Journal:
    """Return what the journal says; nothing without one.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    journal = Journal()
    if not (store / name).exists():
        return journal
    lines = (store / name).read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            _apply(journal, _said(line))
        except (ValueError, TypeError, KeyError, AttributeError):
            journal.damaged += [number] if number < len(lines) else []
    return journal


def _apply(journal: Journal, line: dict[str, Any]) -> None:
    if "committed" in line:
        journal.committed = int(line["committed"])
        if journal.commits and journal.commits[-1].snapshot == journal.committed:
            journal.commits[-1].time = line["time"]
        return
    if "replaced" in line:
        for commit in journal.commits:
            commit.files = [file for old in commit.files for file in _replaced(old, line["replaced"])]
        return
    line = {key: value for key, value in line.items() if key != _sum}
    commit = Commit(**{**line, "files": [Entry(**file) for file in line["files"]]})
    if journal.commits and commit.snapshot <= journal.commits[-1].snapshot:
        raise ValueError(f"snapshot {commit.snapshot} is out of order")
    journal.tables.update(commit.tables)
    if strange := {file.table for file in commit.files} - journal.tables:
        raise ValueError(f"no snapshot brought {strange}")
    journal.commits.append(commit)


def _replaced(old: Entry, changes: Mapping[str, Any]) -> list[Entry]:
    if old.path not in changes:
        return [old]
    new = changes[old.path]
    return [Entry(**{**new, "until": old.until})] if new else []


def checksums(store: Path) -> dict[str, str]:
    """Return the SHA-256 that is known per file, by its path below the store.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    known = {file.path: file.sha256 for commit in read(store).commits for file in commit.files if file.sha256}
    return legacy(store) | known
