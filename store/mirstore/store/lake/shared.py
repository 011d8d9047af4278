"""A store that many share: a catalogue in PostgreSQL, files in object storage, copies of them on this machine.

Files are written once and never changed, so a copy is as good as the original. A commit writes them here, puts them
into the bucket, and only then names them in the catalogue: what an interrupted upload leaves, nobody sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from mirstore.core.bucket import Bucket, Found
from mirstore.core.cached import keeping
from mirstore.core.errors import UsageError
from mirstore.store.lake import journal, notes, schema
from mirstore.store.lake.addresses import Address, form, schemes
from mirstore.store.lake.checksums import digest
from mirstore.store.lake.connect import keep
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.database import Database, remedy, shrink
from mirstore.store.lake.home import Catalogue, Home, damage, own_files


def home_at(address: str | Path) -> Home:
    """Return where a store lies.

    Parameters
    ----------
    address : str or path
        A folder, or ``postgres://USER@HOST/DATABASE?data=s3://BUCKET/FOLDER``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    text = str(address)
    scheme = re.match(r"(\w+)://", text)
    if scheme and scheme[1] not in schemes:
        raise UsageError(f"{scheme[0]}…: a store is a folder, or {form}", hint="give --store")
    return Shared(text) if scheme else Home(address)


class Shared(Home):
    """A store in a PostgreSQL database and a bucket.

    Parameters
    ----------
    address : str
        ``postgres://USER@HOST:PORT/DATABASE?data=s3://BUCKET/FOLDER``, with options of libpq such as ``sslmode``. The
        password comes from ``PGPASSWORD`` or ``~/.pgpass``, the bucket's credentials from ``AWS_ACCESS_KEY_ID`` …
        ``data`` may be left out once the store is there.

    Raises
    ------
    UsageError
        If it has a password, or no database, or no place for data that is not known yet.
    """

    has_all = False
    remedy = remedy

    def __init__(self, address: str) -> None:
        said = Address.of(address)
        self.name, data = said.name, said.data
        self._database = Database(said.database, self.name)
        known = self._database.data_path
        if not data and not known:
            raise UsageError(f"{self.name}: no store here, and no place for data to make one", hint=form)
        if data and known and data.rstrip("/") != known:
            raise UsageError(f"{self.name}: its data is in {known}, not in {data}", hint="leave out data=")
        self.bucket: Bucket = Bucket((data or known).rstrip("/"))
        self._listed: dict[Path, Mapping[Path, Found]] = {}  # while files are looked at one by one
        super().__init__(self.bucket.folder)
        with keeping():
            (self.path / "data").mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        """Return what a user calls it."""
        return f"{self.name}{'&' if '?' in self.name else '?'}data={self.bucket.url}"

    @property
    def is_writable(self) -> bool:
        """PostgreSQL and the bucket know who may write, and say so."""
        return True

    def exists(self) -> bool:
        """Return whether a store is there: its last step is to say where its data is."""
        return bool(self._database.data_path)

    def make(self) -> None:
        """Make an empty store, unless another process is faster."""
        with self.lock():
            del self._database.data_path
            if self.exists():
                return
            self.bucket.make()
            notes.refuse_taken(self.bucket)
            self._database.clear()
            lake = self.open(read_only=False)
            lake.execute("CALL lake.set_option('parquet_compression', 'zstd')")
            lake.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
            schema.create(lake)
            rows = lake.execute(
                "SELECT data_file FROM ducklake_list_files('lake', 'meta', schema => 'core')"
            ).fetchall()
            new = [Path(path) for (path,) in rows]
            keep(new, self.path)
            self.publish(new)
            self._say(0)
            self.close(lake)
            self._database.note_data_path(self.bucket.url)
            self._say(1)
            del self._database.data_path

    def _say(self, snapshot: int) -> None:
        notes.say(self.bucket, snapshot, self._database.identity)

    def open(self, *, read_only: bool, snapshot: int | None = None) -> Connection:
        """Return a connection with the lake attached as ``lake``; give it back to `close`.

        Parameters
        ----------
        read_only : bool
        snapshot : int, optional
            See the lake as it was then.
        """
        unknown = UsageError(f"{self}: has no snapshot {snapshot}", hint="mirstore log lists them")
        if snapshot is not None and snapshot < 1:  # 0 is before the store was made
            raise unknown
        if self.exists():
            self._database.check(str(self))
        data = f"{self.path.absolute()}/data/"
        connection = self._database.attached(data, read_only=read_only, snapshot=snapshot)
        if connection is None:
            raise unknown
        return connection

    def close(self, connection: Connection) -> None:
        """Let go of the catalogue.

        Parameters
        ----------
        connection : Connection
            That `open` returned.
        """
        connection.close()

    def lock(self) -> AbstractContextManager[None]:
        """Be the one who commits, of all machines."""
        return self._database.lock(str(self))

    # What commits say before and after

    def known(self) -> int:
        """Return the last snapshot that is sure to be, as the bucket has it.

        Raises
        ------
        StoreError
            If the bucket is not this store's.
        """
        return notes.known(self.bucket, self._database.identity)

    def follow(self, catalogue: journal.Tables) -> None:
        """Refuse a catalogue that is older than the data: a database that was restored.

        Parameters
        ----------
        catalogue : journal.Tables
        """
        journal.refuse_older(str(self), self.known(), _newest(catalogue), self.remedy)

    def announce(self, commit: journal.Commit, new: Iterable[Path]) -> None:
        """Say nothing: files are put into the bucket before, and the commit said there afterwards.

        Parameters
        ----------
        commit : journal.Commit
        new : iterable of path
        """

    def confirm(self, snapshot: int, time: str) -> None:
        """Say in the bucket which commit was the last, so that a database without it is known for an old one.

        Parameters
        ----------
        snapshot : int
        time : str
        """
        self._say(snapshot)

    def replaced(self, changes: Mapping[Path, Path | None]) -> None:
        """Say nothing: there is no journal."""

    def retell(self, catalogue: journal.Tables) -> None:
        """Write the checksums of all files that the catalogue names as one object, and say which commit was the last.

        Parameters
        ----------
        catalogue : journal.Tables
        """
        known = self.checksums()
        rows = catalogue.ask(
            "SELECT s.path || t.path || f.path FROM ducklake_data_file f "
            "JOIN ducklake_table t USING (table_id) JOIN ducklake_schema s USING (schema_id)"
        )
        named = (f"data/{path}" for (path,) in rows)
        notes.rewrite_checksums(self.bucket, {path: known[path] for path in named if path in known})
        self._say(_newest(catalogue))

    @property
    def is_told_badly(self) -> bool:
        """Whether what is written down cannot be read in places: there is no journal."""
        return False

    def checksums(self) -> Mapping[str, str]:
        """Return the SHA-256 that is known per data file, by its path below the store.

        Raises
        ------
        StoreError
            If what says so is damaged.
        """
        return notes.checksums(self.bucket)

    # Files

    def shown(self, path: Path) -> str:
        """Return where a file is for a user: in the bucket.

        Parameters
        ----------
        path : path
            In the store's folder.
        """
        return f"{self.bucket.url}/{self.bucket.key(path)}"

    def fetch(self, wanted: Mapping[Path, int | None]) -> None:
        """Have these files in the folder, if they are in the bucket.

        Parameters
        ----------
        wanted : Mapping of path to int or None
            With their sizes [bytes] where these are known.
        """
        self.bucket.fetch(wanted)

    def fetch_folder(self, folder: Path) -> None:
        """Have all files of a folder in it, if they are in the bucket.

        Parameters
        ----------
        folder : path
            In the store's.
        """
        found = self.bucket.list(self.bucket.key(folder))
        self.fetch({path: one.bytes for path, one in found})

    def look_anew(self) -> None:
        """Ask the bucket again what is in it: others put files there, too."""
        self._listed.clear()

    def damage(self, path: Path, size: int | None, *, deep: bool = False, sha256: str | None = None) -> str | None:
        """Return what can be seen of damage to a file in the bucket.

        Parameters
        ----------
        path : path
        size : int or None [bytes]
            That it should have, where this is known.
        deep : bool
            Have a new copy of it afterwards.
        sha256 : str, optional
            Of its bytes, where this is known: a copy of others takes the place of none that may be whole.
        """
        found = self._beside(path.parent).get(path)
        if found is None:
            return "is missing"
        if size is not None and found.bytes != size:
            return f"has {found.bytes} bytes instead of {size}"
        if not deep:
            return None
        altered = self.bucket.fetch({path: size}, anew=True, sums={path: sha256} if sha256 else None)
        return "was altered: its checksum differs" if altered else damage(path, size)

    def _beside(self, folder: Path) -> Mapping[Path, Found]:
        """Return what is in a folder of the bucket: one question for all its files."""
        if folder not in self._listed:
            self._listed[folder] = dict(self.bucket.list(self.bucket.key(folder)))
        return self._listed[folder]

    def put_aside(self, path: Path, name: Path) -> None:
        """Delete a damaged file: nothing of it is of use.

        Parameters
        ----------
        path : path
        name : path
        """
        self.bucket.delete([path])

    def put_back(self, path: Path, sha256: str) -> bool:
        """Put this machine's copy of a file back into the bucket, if it is whole; return whether it was.

        Parameters
        ----------
        path : path
        sha256 : str
            Of its bytes.
        """
        if not path.is_file() or digest(path) != sha256:
            return False
        self.bucket.put([path])
        self._listed.pop(path.parent, None)
        return True

    def publish(self, new: Iterable[Path]) -> None:
        """Put new files of the folder into the bucket, before anything names them.

        Parameters
        ----------
        new : iterable of path
        """
        self._listed.clear()
        files = list(new)
        self.bucket.put(files)
        if sums := {self.bucket.key(path): digest(path) for path in files if path.suffix == ".parquet"}:
            notes.add_checksums(self.bucket, sums)  # packs and kept models are called by theirs

    def own(self, folder: str, name: re.Pattern[str]) -> dict[Path, float]:
        """Return files that are called so, in the bucket or among the copies, and when each was written.

        Parameters
        ----------
        folder : str
            In the store: ``"data"``, ``"tensors/0123456789"``.
        name : pattern
            Of their whole names.
        """
        there = {path: one.written for path, one in self.bucket.list(folder) if name.fullmatch(path.name)}
        return own_files(self.path / folder, name) | there

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete files, in the bucket and here.

        Parameters
        ----------
        paths : sequence of path
        """
        self._database.refuse_lost_lock()
        self._listed.clear()
        self.bucket.delete(paths)
        super().delete(paths)

    # Maintenance, under the lock

    @contextmanager
    def catalogue(self) -> Iterator[Catalogue]:
        """Give the catalogue itself."""
        with self._database.catalogue() as catalogue:
            yield catalogue

    def back_up(self) -> None:
        """Do nothing: a database has backups of its own."""

    def back_up_before(self, catalogue: Any) -> None:
        """Do nothing: a database has backups of its own.

        Parameters
        ----------
        catalogue : Catalogue
        """

    def forget_backups(self) -> list[Path]:
        """Return nothing: a database has backups of its own."""
        return []

    def shrink(self, catalogue: Catalogue) -> None:
        """Leave no trace of old rows in the tables' pages.

        Parameters
        ----------
        catalogue : Catalogue
        """
        shrink(catalogue)


def _newest(catalogue: journal.Tables) -> int:
    ((newest,),) = catalogue.ask("SELECT max(snapshot_id) FROM ducklake_snapshot")
    return int(newest)
