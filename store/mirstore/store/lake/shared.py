"""A store that many share: a catalogue in PostgreSQL, files in object storage, copies of them on this machine.

Files are written once and never changed, so a copy is as good as the original. A commit writes them here, puts them
into the bucket, and only then names them in the catalogue: what an interrupted upload leaves, nobody sees.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

import duckdb

from mirstore.core.bucket import Bucket, Found
from mirstore.core.cached import keeping
from mirstore.core.errors import StoreError, UsageError
from mirstore.store.lake import journal, schema
from mirstore.store.lake.checksums import digest
from mirstore.store.lake.connect import keep, lock_down, with_extensions
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.home import Catalogue, Home, damage, own_files
from mirstore.store.lake.quoting import literal
from mirstore.store.lake.stranger_database import check_database

if TYPE_CHECKING:
    import psycopg

patience = 600.0  # [s] for the lock
_sums = "sums"  # the folder of objects with SHA-256 of data files
_head = "head"  # the object with the number of the last commit
_purged = (
    "ducklake_data_file",
    "ducklake_file_column_stats",
    "ducklake_table_column_stats",
    "ducklake_snapshot_changes",
)
_lock = 0x6D697273746F7265  # "mirstore" as the number of an advisory lock: one per database
_schemes = ("postgres", "postgresql")
_address = re.compile(
    r"(?P<scheme>postgres|postgresql)://(?P<where>([^\s:/?#@]+(?P<password>:[^/?#@]*)?@)?"
    r"([^\s:/?#@\[\]]+|\[[0-9A-Fa-f:.]+\])?(:\d+)?/[^\s/?#@]+)(\?(?P<options>[^\s#]*))?"
)


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
    if scheme and scheme[1] not in _schemes:
        raise UsageError(f"{scheme[0]}…: a store is a folder, or {_form}", hint="give --store")
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
    remedy = "restore a newer backup of the database"

    def __init__(self, address: str) -> None:
        found = _address.fullmatch(address)
        asked = dict(parse_qsl(found["options"] or "")) if found else {}
        if found is None or found["password"] or any("password" in name.lower() for name in asked):
            raise UsageError(  # what is wrong with it is not repeated: it may hold a password
                "that is no address of a store, or has a password: commands are kept with what they brought",
                hint=f"{_form}; set PGPASSWORD, or write it to ~/.pgpass",
            )
        data = asked.pop("data", None)
        options = f"?{urlencode(asked, quote_via=quote)}" if asked else ""  # libpq takes no + for a blank
        self.database = f"postgresql://{found['where']}{options}"
        self.name = f"{found['scheme']}://{found['where']}{options}"
        known = self._data_path
        if not data and not known:
            raise UsageError(f"{self.name}: no store here, and no place for data to make one", hint=_form)
        if data and known and data.rstrip("/") != known:
            raise UsageError(f"{self.name}: its data is in {known}, not in {data}", hint="leave out data=")
        self.bucket: Bucket = Bucket((data or known).rstrip("/"))
        self._listed: dict[Path, Mapping[Path, Found]] = {}  # while files are looked at one by one
        self._holder: psycopg.Connection[Any] | None = None  # of the lock
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

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """Give a connection to the database, without DuckDB."""
        try:
            import psycopg
        except ImportError:
            raise UsageError("a shared store needs psycopg", hint="pip install 'mirstore[shared]'") from None
        try:
            with psycopg.connect(self.database, autocommit=True, connect_timeout=10) as connection:
                connection.execute("SET search_path = public")  # where DuckLake has its tables
                yield connection
        except psycopg.Error as error:
            raise StoreError(
                f"{self.name}: {str(error).splitlines()[0]}",
                hint="check the address, PGPASSWORD and the user's rights; what was committed is safe",
            ) from None

    @cached_property
    def _data_path(self) -> str:
        """The place of the data, as the catalogue has it; empty without a store, or with half of one."""
        with self._connected() as connection:
            seen = connection.execute("SELECT current_schema(), to_regclass('ducklake_metadata')").fetchone()
            schema_name, there = seen or (None, None)
            if schema_name is None:
                raise StoreError(
                    f"{self.name}: this user may not look into the database's schema",
                    hint="its owner can: GRANT USAGE ON SCHEMA public TO the user",
                )
            asked = "SELECT value FROM ducklake_metadata WHERE key = 'data_path'"
            found = connection.execute(asked).fetchone() if there else None
        path = str(found[0]) if found else ""
        return path.rstrip("/").removesuffix("/data") if re.match(r"\w+://", path) else ""

    def exists(self) -> bool:
        """Return whether a store is there: its last step is to say where its data is."""
        return bool(self._data_path)

    def make(self) -> None:
        """Make an empty store, unless another process is faster."""
        with self.lock():
            del self._data_path
            if self.exists():
                return
            self.bucket.make()
            self._refuse_taken()
            with self._connected() as connection:  # of one that was killed while it made this
                for (table,) in connection.execute(
                    "SELECT format('%I', tablename) FROM pg_tables "
                    "WHERE schemaname = current_schema() AND tablename LIKE 'ducklake\\_%'"
                ).fetchall():
                    connection.execute(f"DROP TABLE {table}")
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
            with self.catalogue() as catalogue:  # other tools that read DuckLake find the files so
                told = "UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'"
                catalogue.execute(told, [f"{self.bucket.url}/data/"])
            self._say(1)
            del self._data_path

    def _refuse_taken(self) -> None:
        """Refuse a folder of a bucket that another store has: each would collect the other's files."""
        number, _, _ = (self.bucket.read(_head) or b"0").decode().partition(" ")
        others = (path for path, _ in self.bucket.list("data") if path.parent.name != "meta")
        if number != "0" or any(True for _ in others):
            raise StoreError(
                f"{self.bucket.url}: has another store's data",
                hint="give the database of that store, or another folder of the bucket",
            )

    @cached_property
    def _identity(self) -> str:
        """What tells this store from others: DuckLake's id of its first table."""
        with self._connected() as connection:
            found = connection.execute(
                "SELECT table_uuid FROM ducklake_table JOIN ducklake_schema USING (schema_id) "
                "WHERE schema_name = 'core' AND table_name = 'meta'"
            ).fetchone()
        if found is None:
            raise StoreError(f"{self.name}: its catalogue has no table core.meta", hint=self.remedy)
        return str(found[0])

    def _say(self, snapshot: int) -> None:
        """Write into the bucket whose it is, and which commit was the last; 0 while it is being made."""
        self.bucket.write(_head, f"{snapshot} {self._identity}".encode())

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
        data = f"{self.path.absolute()}/data/"
        options = [f"DATA_PATH {literal(data)}", "OVERRIDE_DATA_PATH true", *(["READ_ONLY"] if read_only else [])]
        options += [f"SNAPSHOT_VERSION {snapshot}"] if snapshot is not None else []
        if self.exists():
            with self._connected() as database:
                check_database(lambda query: database.execute(query.encode()).fetchall(), str(self))
        connection = with_extensions("ducklake", "postgres_scanner")
        # Should the lock be lost with its connection, a commit must fail and not become another snapshot than it says.
        connection.execute("SET ducklake_max_retry_count = 0")
        try:
            where = literal(f"ducklake:postgres:{self.database}")
            connection.execute(f"ATTACH {where} AS lake ({', '.join(options)}, META_SCHEMA 'public')")
            lock_down(connection, data)  # afterwards: DuckDB counts a database elsewhere as access
        except duckdb.Error as error:
            connection.close()
            if "No snapshot found" in str(error):
                raise unknown from None
            raise StoreError(
                f"{self.name}: its catalogue cannot be opened: {str(error).splitlines()[0]}",
                hint="check the address and the user's rights",
            ) from None
        return Connection(connection)

    def close(self, connection: Connection) -> None:
        """Let go of the catalogue.

        Parameters
        ----------
        connection : Connection
            That `open` returned.
        """
        connection.close()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one who commits, of all machines; the lock ends with the connection, however that ends."""
        with self._connected() as connection:
            end = time.monotonic() + patience
            while not (connection.execute("SELECT pg_try_advisory_lock(%s)", [_lock]).fetchone() or (False,))[0]:
                if time.monotonic() > end:
                    raise StoreError(f"{self}: another process is writing", hint="wait for it, or end it")
                time.sleep(0.05)
            self._holder = connection
            try:
                yield
            finally:
                self._holder = None

    def _refuse_lost_lock(self) -> None:
        """Refuse to delete where the lock went with its connection: another may have files that are not named yet."""
        import psycopg

        try:
            if self._holder is not None:
                self._holder.execute("SELECT 1")
        except psycopg.Error:
            raise StoreError(
                f"{self.name}: the connection was lost", hint="give the same command again; nothing was deleted"
            ) from None

    # What commits say before and after

    def known(self) -> int:
        """Return the last snapshot that is sure to be, as the bucket has it.

        Raises
        ------
        StoreError
            If the bucket is not this store's.
        """
        number, _, store = (self.bucket.read(_head) or b"").decode().partition(" ")
        if store != self._identity:
            what = "has another store's data" if store else "has nothing of this store"
            raise StoreError(
                f"{self.bucket.url}: {what}",
                hint="is it mounted? is AWS_ENDPOINT_URL another one's? what was committed is where it was",
            )
        return int(number)

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
        known, old = self.checksums(), [path for path, _ in self.bucket.list(_sums)]
        rows = catalogue.ask(
            "SELECT s.path || t.path || f.path FROM ducklake_data_file f "
            "JOIN ducklake_table t USING (table_id) JOIN ducklake_schema s USING (schema_id)"
        )
        named = (f"data/{path}" for (path,) in rows)
        self._write_sums({path: known[path] for path in named if path in known})
        self.bucket.delete(old)
        self._say(_newest(catalogue))

    def _write_sums(self, sums: Mapping[str, str]) -> None:
        self.bucket.write(f"{_sums}/{uuid4().hex}.json", json.dumps(sums).encode())

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
        known: dict[str, str] = {}
        for path, _ in self.bucket.list(_sums):
            try:
                known |= json.loads(self.bucket.read(self.bucket.key(path)) or b"{}")
            except (ValueError, TypeError):
                raise StoreError(f"{self.shown(path)}: is damaged", hint="delete it: it has checksums only") from None
        return known

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
            self._write_sums(sums)  # packs and kept models are called by theirs

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
        self._refuse_lost_lock()
        self._listed.clear()
        self.bucket.delete(paths)
        super().delete(paths)

    # Maintenance, under the lock

    @contextmanager
    def catalogue(self) -> Iterator[Catalogue]:
        """Give the catalogue itself."""
        with self._connected() as connection:
            yield _Postgres(connection)

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
        for table in _purged:
            catalogue.execute(f"VACUUM FULL {table}")


def _newest(catalogue: journal.Tables) -> int:
    ((newest,),) = catalogue.ask("SELECT max(snapshot_id) FROM ducklake_snapshot")
    return int(newest)


class _Postgres:
    """A connection that takes statements as SQLite does."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        return self._connection.execute(query.replace("%", "%%").replace("?", "%s"), values)


_form = "postgres://USER@HOST/DATABASE?data=s3://BUCKET/FOLDER"
