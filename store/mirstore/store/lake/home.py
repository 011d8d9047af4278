"""Where a store lies: a folder of this machine, with its catalogue, its files and its journal.

`mirstore.store.lake.shared` has the other kind: a catalogue in PostgreSQL, files in object storage.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from mirstore.core.bucket import Bucket
from mirstore.core.errors import StoreError
from mirstore.store.lake import backups, journal
from mirstore.store.lake.connect import committer, connect, fsync
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.making import lost_catalogue, make

_opened: Counter[Path] = Counter()  # how often this process has a catalogue open


class Catalogue(Protocol):
    """DuckLake's own tables, without DuckLake: what maintenance asks and changes."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        """Run a statement, with question marks for its values; what is returned has ``fetchall``.

        Parameters
        ----------
        query : str
        values : sequence
        """


class Home:
    """A store's folder on this machine.

    Parameters
    ----------
    address : str or path
        The folder.

    Attributes
    ----------
    path : path
        The folder.
    has_all : bool
        Whether all files are in it; otherwise `fetch` brings them.
    bucket : Bucket or None
        Where they come from.
    remedy : str
        What helps if the catalogue is an old one.
    """

    has_all = True
    bucket: Bucket | None = None
    remedy = "mirstore doctor --rebuild"

    def __init__(self, address: str | Path) -> None:
        self.path = Path(address)

    def __str__(self) -> str:
        """Return what a user calls it."""
        return str(self.path)

    @cached_property
    def name(self) -> str:
        """What the catalogue is called."""
        return str(self.path / "catalog.sqlite")

    @property
    def root(self) -> Path:
        """What paths of packs begin with where they may be read elsewhere: nothing, if they come from a bucket."""
        return self.path.absolute() if self.has_all else Path()

    @property
    def is_writable(self) -> bool:
        """Whether this user may write there, as far as can be known before it is tried."""
        return not self.path.exists() or os.access(self.path, os.W_OK)

    def exists(self) -> bool:
        """Return whether a store is there.

        Raises
        ------
        StoreError
            If there is half of one: data whose catalogue is lost.
        """
        if lost_catalogue(self.path):
            raise StoreError(f"{self.path}: has data but no catalogue", hint="mirstore doctor --rebuild")
        return (self.path / "catalog.sqlite").exists()

    def make(self) -> None:
        """Make an empty store, complete or not at all, unless another process is faster."""
        make(self.path)

    def open(self, *, read_only: bool, snapshot: int | None = None) -> Connection:
        """Return a connection with the lake attached as ``lake``; give it back to `close`.

        Parameters
        ----------
        read_only : bool
        snapshot : int, optional
            See the lake as it was then.
        """
        connection = connect(self.path, read_only=read_only, snapshot=snapshot)
        _opened[self.path.absolute()] += 1
        return connection

    def close(self, connection: Connection) -> None:
        """Let go of the catalogue.

        Parameters
        ----------
        connection : Connection
            That `open` returned.
        """
        connection.close()
        _opened[self.path.absolute()] -= 1

    def lock(self) -> AbstractContextManager[None]:
        """Be the one who commits."""
        return committer(self.path)

    # What commits say before and after

    def known(self) -> int:
        """Return the last snapshot that is sure to be: a catalogue that lacks it is an old one."""
        return journal.committed(self.path)

    def follow(self, catalogue: journal.Tables) -> None:
        """Bring what is written down beside the catalogue up to it, under the lock; see `journal.follow`.

        Parameters
        ----------
        catalogue : journal.Tables
        """
        journal.follow(self.path, catalogue)

    def announce(self, commit: journal.Commit, new: Iterable[Path]) -> None:
        """Say what a commit is about to bring, before it does; see `journal.announce`.

        Parameters
        ----------
        commit : journal.Commit
        new : iterable of path
            Its data files.
        """
        journal.announce(self.path, commit, new)

    def confirm(self, snapshot: int, time: str) -> None:
        """Say that a commit came to pass; see `journal.confirm`.

        Parameters
        ----------
        snapshot : int
        time : str
        """
        journal.confirm(self.path, snapshot, time)

    def replaced(self, changes: Mapping[Path, Path | None]) -> None:
        """Say which data files are about to be written anew or to go; see `journal.replace`.

        Parameters
        ----------
        changes : Mapping of path to path or None
        """
        journal.replace(self.path, {old.relative_to(self.path).as_posix(): new for old, new in changes.items()})

    def retell(self, catalogue: journal.Tables) -> None:
        """Write down anew what the catalogue says; see `journal.rewrite`.

        Parameters
        ----------
        catalogue : journal.Tables
        """
        journal.rewrite(self.path, catalogue)

    @property
    def is_told_badly(self) -> bool:
        """Whether what is written down cannot be read in places."""
        return bool(journal.read(self.path).damaged)

    def checksums(self) -> Mapping[str, str]:
        """Return the SHA-256 that is known per data file, by its path below the store."""
        return journal.checksums(self.path)

    # Files

    def shown(self, path: Path) -> str:
        """Return where a file is for a user.

        Parameters
        ----------
        path : path
            In the store's folder.
        """
        return str(path)

    def fetch(self, wanted: Mapping[Path, int | None]) -> None:
        """Have these files in the folder, if they are anywhere.

        Parameters
        ----------
        wanted : Mapping of path to int or None
            With their sizes [bytes] where these are known.
        """

    def fetch_folder(self, folder: Path) -> None:
        """Have all files of a folder in it, if they are anywhere.

        Parameters
        ----------
        folder : path
            In the store's.
        """

    def look_anew(self) -> None:
        """Believe nothing that was seen of the files before."""

    def damage(self, path: Path, size: int | None, *, deep: bool = False, sha256: str | None = None) -> str | None:
        """Return what can be seen of damage to a file without reading it.

        Parameters
        ----------
        path : path
        size : int or None [bytes]
            That it should have, where this is known.
        deep : bool
            Have it in the folder afterwards, if it is anywhere.
        sha256 : str, optional
            Of its bytes, where this is known: what has others is not had in the folder.
        """
        return damage(path, size)

    def put_aside(self, path: Path, name: Path) -> None:
        """Take a damaged file away from where it is looked for.

        Parameters
        ----------
        path : path
        name : path
            What it is called until it is collected.
        """
        path.rename(name)

    def put_back(self, path: Path, sha256: str) -> bool:
        """Put this machine's copy of a file where all read it, if it is whole; return whether it was.

        Parameters
        ----------
        path : path
            That is damaged where all read it.
        sha256 : str
            Of its bytes.
        """
        return False

    def publish(self, new: Iterable[Path]) -> None:
        """Let others read new files of the folder, before anything names them.

        Parameters
        ----------
        new : iterable of path
        """

    def own(self, folder: str, name: re.Pattern[str]) -> dict[Path, float]:
        """Return files that are called so, and when each was written [s since 1970]; nothing behind a link.

        Parameters
        ----------
        folder : str
            In the store: ``"data"``, ``"tensors/0123456789"``.
        name : pattern
            Of their whole names.
        """
        return own_files(self.path / folder, name)

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete files, and the folders of kept models and of checkpoints that are empty then, or were before.

        Parameters
        ----------
        paths : sequence of path
            In the store.
        """
        for path in paths:
            path.unlink(missing_ok=True)
        for top in (self.path / "artifacts", self.path / "checkpoints"):
            for at, _, _ in os.walk(top, topdown=False) if not top.is_symlink() else ():
                if Path(at) != top and not os.listdir(at):
                    os.rmdir(at)
        for folder in {path.parent for path in paths}:
            if folder.exists():
                fsync(folder)

    def links(self) -> list[Path]:
        """Return the folders that are links: nothing behind them is deleted."""
        there = (self.path / name for name in ("data", "tensors", "artifacts", "jobs"))
        return [path for path in there if path.is_symlink()]

    # Maintenance, under the lock

    @contextmanager
    def catalogue(self) -> Iterator[Catalogue]:
        """Give the catalogue itself, while nobody in this process has it open.

        DuckDB has a SQLite of its own. Two of them in one process do not see each other's locks: the one that closes
        deletes the log into which the other writes.
        """
        with closing(sqlite3.connect(self.path / "catalog.sqlite", timeout=60, isolation_level=None)) as catalogue:
            catalogue.execute("PRAGMA synchronous = FULL")
            catalogue.execute("PRAGMA secure_delete = ON")
            yield catalogue

    def back_up(self) -> None:
        """Copy the catalogue, unless this process has it open somewhere; see `backups.back_up`."""
        if not _opened[self.path.absolute()] and not (self.path / "backups").is_symlink():
            with self.lock(), closing(sqlite3.connect(self.path / "catalog.sqlite", timeout=60)) as catalogue:
                backups.back_up(self.path, catalogue)

    def back_up_before(self, catalogue: Any) -> None:
        """Copy the catalogue before maintenance changes it.

        Parameters
        ----------
        catalogue : Catalogue
            That `catalogue` gave.
        """
        backups.back_up(self.path, catalogue)

    def forget_backups(self) -> list[Path]:
        """Delete all copies of the catalogue, and return them."""
        return backups.forget(self.path)

    def shrink(self, catalogue: Catalogue) -> None:
        """Leave no trace of old rows in the catalogue's free pages and its log.

        Parameters
        ----------
        catalogue : Catalogue
            That `catalogue` gave.

        Raises
        ------
        StoreError
            If another program reads it.
        """
        try:
            catalogue.execute("VACUUM")
            (busy, *_) = catalogue.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            busy = str(error)
        if busy:
            raise StoreError(
                "the catalogue could not be shrunk: another program reads it",
                hint="end it, then mirstore gc --purge again: traces of what was removed may be left in catalog.sqlite",
            )


def damage(path: Path, size: int | None) -> str | None:
    """Return what can be seen of damage to a file on this machine without reading it.

    Parameters
    ----------
    path : path
    size : int or None [bytes]
        That it should have, where this is known.
    """
    try:
        found = path.stat().st_size
    except OSError as error:
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
    return None if size is None or found == size else f"has {found} bytes instead of {size}"


def own_files(folder: Path, name: re.Pattern[str]) -> dict[Path, float]:
    """Return the files below a folder that are called so, and when each was written; nothing behind a link.

    Parameters
    ----------
    folder : path
    name : pattern
        Of their whole names.
    """
    if folder.is_symlink():
        return {}
    paths = (
        Path(at, file)
        for at, _, files in os.walk(folder)  # which follows no links to folders
        for file in files
        if name.fullmatch(file)
    )
    return {path: path.stat().st_mtime for path in paths if not path.is_symlink()}
