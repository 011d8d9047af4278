"""Finding damage: in the catalogue, in its journal, and in every file that they name.

Sizes and footers are looked at, and the checksums of tables and kept models; of tensors and sounds, which are far more,
only ``deep`` reads every byte.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.artifacts.files import Artifact
from mirstore.core.errors import MirstoreError, StoreError
from mirstore.core.packs import references
from mirstore.store.lake import gone, journal
from mirstore.store.lake.artifacts import artifact_folder
from mirstore.store.lake.checksums import digest
from mirstore.store.lake.files import data_files, unnamed_data_files
from mirstore.store.lake.home import Home
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest
from mirstore.store.lake.ranges import hiding
from mirstore.store.lake.rotten import parquet_problem
from mirstore.store.lake.schema import refuse_newer
from mirstore.store.lake.shared import home_at
from mirstore.store.lake.stranger import refuse_links

Problem = dict[str, str]
"""``table``, ``file``, what the ``problem`` is, and the ``remedy``, a command."""

rebuild, repair = "mirstore doctor --rebuild", "mirstore doctor --repair"


def examine(store: str | Path, *, deep: bool = False) -> list[Problem]:
    """Return what is wrong with a store, also with one that cannot be opened.

    Parameters
    ----------
    store : str or path
        Its address.
    deep : bool
        Read every byte.
    """
    home = home_at(store)
    if problems := catalogue_problems(home):
        return problems
    try:
        with Lake(store, read_only=True) as lake:
            return doctor(lake, deep=deep)
    except MirstoreError as error:
        remedy = repair if not error.hint or "doctor" in error.hint else error.hint
        return _files(home) or [_problem("", home.name, error.message, remedy)]


def catalogue_problems(home: Home) -> list[Problem]:
    """Return what is wrong with the catalogue itself: nothing else can be looked at then.

    PostgreSQL looks after its own, but a database may have been restored from a copy that is too old.

    Parameters
    ----------
    home : Home
    """
    if not home.has_all:
        try:
            with home.catalogue() as database:
                home.follow(journal.Tables(database.execute))
        except StoreError as error:
            return [_problem("", home.name, error.message, error.hint or "")]
        return []
    store = home.path
    path = store / "catalog.sqlite"
    try:
        refuse_links(store)  # SQLite would do what a journal beside the catalogue says
        unreadable = (sqlite3.Error, ValueError, TypeError, KeyError, IndexError)  # is told below
        with suppress(*unreadable), closing(_read_only(path)) as catalogue:
            refuse_newer_data((at.path for at in data_files(catalogue, store) if at.table == "core.meta"), store)
    except StoreError as error:
        return [_problem("", store, error.message.removeprefix(f"{store}: "), error.hint or rebuild)]
    problem = _catalogue_problem(home, path) if path.exists() else "is missing"
    return [_problem("", path, problem, rebuild)] if problem else []


def refuse_newer_data(files: Iterable[Path], where: object) -> None:
    """Refuse the data of a newer mirstore: what is strange there is no damage, and nothing that may be mended here.

    Parameters
    ----------
    files : iterable of path
        Of ``core.meta``; those that cannot be read are passed over.
    where : object
        The store, for messages.

    Raises
    ------
    StoreError
        If one says so.
    """
    for path in files:
        with suppress(OSError, pa.ArrowException):
            rows = pq.read_table(path, columns=["key", "value"]).to_pylist()
            refuse_newer((row["value"] for row in rows if row["key"] == "schema"), where)


def _catalogue_problem(home: Home, path: Path) -> str | None:
    store = home.path
    try:
        with closing(_read_only(path)) as catalogue:
            ((found,), *_) = catalogue.execute("PRAGMA integrity_check").fetchall()
            if found != "ok":
                return f"is damaged: {found.splitlines()[-1]}"
            files = data_files(catalogue, store)
            named = {file.path.name for file in files}
            there = {at.name for at in store.glob("data/*/*/ducklake-*.parquet")}
            if named and there and named.isdisjoint(there):
                return "is of another store: none of the files that it names is here"
            ((newest,),) = catalogue.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchall()
            journal.refuse_older(store, journal.committed(store), newest or 0)
            unnamed_data_files(catalogue, home)
            if found := journal.difference(store, journal.Tables(catalogue.execute)):
                return f"is damaged: {found}"
            for file, column in hiding(catalogue, files):
                if not parquet_problem(file.path, file.bytes, journal.checksums(store).get(_below(store, file.path))):
                    return f"is damaged: its range of {column!r} hides rows of {_below(store, file.path)}"
    except (sqlite3.Error, ValueError, TypeError, KeyError, IndexError) as error:
        return f"is damaged: {error}"
    except StoreError as error:
        return error.message
    return None


def _below(store: Path, path: Path) -> str:
    return path.relative_to(store).as_posix()


def _read_only(path: Path) -> sqlite3.Connection:
    """Open a catalogue without a trace, also on read-only media."""
    at = quote(str(path.absolute()))
    return sqlite3.connect(f"file:{at}?mode=ro{'' if os.access(path.parent, os.W_OK) else '&immutable=1'}", uri=True)


def _files(home: Home) -> list[Problem]:
    """Return what is wrong with the data files of a store that cannot be opened."""
    if not home.has_all:
        return []
    known = home.checksums()
    with closing(_read_only(home.path / "catalog.sqlite")) as catalogue:
        files = data_files(catalogue, home.path)
    found = []
    for file in files:
        sha256 = known.get(_below(home.path, file.path))
        if problem := parquet_problem(file.path, file.bytes, sha256):
            found.append(_problem(file.table, file.path, problem, repair))
    return found


def doctor(lake: Lake, *, deep: bool = True) -> list[Problem]:
    """Return what is wrong with the files of a store that can be opened.

    Parameters
    ----------
    lake : Lake
    deep : bool
        Read every byte, also of tensors and sounds.
    """
    lake.home.look_anew()
    ranges = _ranges(lake) if deep and not lake.home.has_all else ()
    return [*_journal(lake), *_tables(lake, deep=deep), *ranges, *_parts(lake, deep=deep)]


def _parts(lake: Lake, *, deep: bool) -> Iterator[Problem]:
    """Yield what is wrong beside the tables; where a table that tells cannot be read, that was said."""
    for look in (partial(_packs, deep=deep), partial(_artifacts, deep=deep), partial(_gone, deep=deep)):
        try:
            yield from look(lake)
        except (StoreError, pl.exceptions.PolarsError, OSError):
            continue


def _problem(table: str, path: Path | str, problem: str, remedy: str) -> Problem:
    return {"table": table, "file": str(path), "problem": problem, "remedy": remedy}


def _journal(lake: Lake) -> Iterator[Problem]:
    """Yield its damaged lines; where it is missing or lags behind, the next commit writes it."""
    for number in journal.read(lake.path).damaged if lake.home.has_all else ():
        yield _problem("", lake.path / journal.name, f"line {number} is damaged", repair)


def _tables(lake: Lake, *, deep: bool) -> Iterator[Problem]:
    known = {(lake.path / path).absolute(): sha256 for path, sha256 in lake.home.checksums().items()}
    for table in lake.tables():
        for path, size in lake.listed(table).items():
            problem = lake.home.damage(path, size, deep=deep, sha256=known.get(path))
            if not problem and (deep or lake.home.has_all):
                problem = parquet_problem(path, size, known.get(path))
            if problem:
                yield _problem(table, lake.home.shown(path), problem, repair)


def _ranges(lake: Lake) -> Iterator[Problem]:
    """Yield ranges of a shared store that hide rows, once its files are here; see `catalogue_problems` for a folder."""
    known = lake.home.checksums()
    with lake.home.catalogue() as catalogue:
        found = list(hiding(catalogue, data_files(catalogue, lake.path)))
    for file, column in found:
        if not parquet_problem(file.path, file.bytes, known.get(_below(lake.path, file.path))):
            hidden = f"is damaged: its range of {column!r} hides rows of {lake.home.shown(file.path)}"
            yield _problem(file.table, lake.home.name, hidden, "restore the newest backup of the database")


def _gone(lake: Lake, *, deep: bool) -> Iterator[Problem]:
    """Yield whether what is kept about tracks whose files are gone is wrong."""
    told = gone.known(lake.path, lake.files("core.locations")) if deep else None
    if told is not None and set(told["track"]) != set(gone.without_path(lake.recorded("core.locations"))["track"]):
        what = "says of other tracks that their files are gone"
        yield _problem("core.locations", lake.path / gone.name, what, repair)


def _packs(lake: Lake, *, deep: bool) -> Iterator[Problem]:
    packs = lake.scan("core.packs").select("pack", "path", "bytes").unique().collect()
    for sha256, name, size in packs.iter_rows():
        problem = lake.home.damage(lake.path / name, size, deep=deep)
        if not problem and (deep or lake.home.has_all):
            problem = pack_problem(lake.path / name, sha256, deep=deep)
        if problem:
            yield _problem("core.packs", lake.home.shown(lake.path / name), problem, repair)


def pack_problem(path: Path, sha256: str, *, deep: bool) -> str | None:
    """Return what is wrong with the content of a tensor pack.

    Parameters
    ----------
    path : path
    sha256 : str
        Of its bytes.
    deep : bool
        Read every byte, and not its head only.
    """
    try:
        if deep:
            return None if digest(path) == sha256 else "was altered: its checksum differs"
        references(path)
    except (OSError, ValueError, MirstoreError) as error:
        return f"cannot be read: {error}"
    return None


def _artifacts(lake: Lake, *, deep: bool) -> Iterator[Problem]:
    kept = latest(lake.scan("core.artifacts"), "artifact").filter(pl.col("state") == "kept").collect()
    for sha256, name in kept.select("artifact", "name").iter_rows():
        folder = artifact_folder(lake.path, sha256)
        lake.home.fetch_folder(folder)
        try:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                if problem := lake.home.damage(path, path.stat().st_size, deep=deep):
                    raise StoreError(f"{path.name} {problem}")
            Artifact.read(folder, sha256)
        except StoreError as error:
            yield _problem("core.artifacts", lake.home.shown(folder), error.message, f"mirstore models rm {name}")
