"""The catalogue of a shared store: a database in PostgreSQL, its lock, and DuckDB's way into it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from mirstore.core.errors import StoreError, UsageError
from mirstore.store.lake.connect import lock_down, with_extensions
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.home import Catalogue
from mirstore.store.lake.quoting import literal
from mirstore.store.lake.stranger_database import check_database

if TYPE_CHECKING:
    import psycopg

patience = 600.0  # [s] for the lock
remedy = "restore a newer backup of the database"
_purged = (
    "ducklake_data_file",
    "ducklake_file_column_stats",
    "ducklake_table_column_stats",
    "ducklake_snapshot_changes",
)
_lock = 0x6D697273746F7265  # "mirstore" as the number of an advisory lock: one per database


class Database:
    """A database, with the catalogue of a store or without.

    Parameters
    ----------
    url : str
        As libpq takes it, without a password.
    name : str
        What a user calls it.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url, self.name = url, name
        self._holder: psycopg.Connection[Any] | None = None  # of the lock

    @contextmanager
    def connected(self) -> Iterator[psycopg.Connection[Any]]:
        """Give a connection, without DuckDB.

        Raises
        ------
        StoreError
            If it is not reached, or refuses something inside.
        """
        try:
            import psycopg
        except ImportError:
            raise UsageError("a shared store needs psycopg", hint="pip install 'mirstore[shared]'") from None
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
                connection.execute("SET search_path = public")  # where DuckLake has its tables
                yield connection
        except psycopg.Error as error:
            raise StoreError(
                f"{self.name}: {str(error).splitlines()[0]}",
                hint="check the address, PGPASSWORD and the user's rights; what was committed is safe",
            ) from None

    @contextmanager
    def catalogue(self) -> Iterator[Postgres]:
        """Give the catalogue itself."""
        with self.connected() as connection:
            yield Postgres(connection)

    @cached_property
    def data_path(self) -> str:
        """The place of the data, as the catalogue has it; empty without a store, or with half of one."""
        with self.connected() as connection:
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

    def note_data_path(self, path: str) -> None:
        """Say where the data is: other tools that read DuckLake find the files so.

        Parameters
        ----------
        path : str
        """
        with self.catalogue() as catalogue:
            catalogue.execute("UPDATE ducklake_metadata SET value = ? WHERE key = 'data_path'", [f"{path}/data/"])

    @cached_property
    def identity(self) -> str:
        """What tells its store from others: DuckLake's id of its first table."""
        with self.connected() as connection:
            found = connection.execute(
                "SELECT table_uuid FROM ducklake_table JOIN ducklake_schema USING (schema_id) "
                "WHERE schema_name = 'core' AND table_name = 'meta'"
            ).fetchone()
        if found is None:
            raise StoreError(f"{self.name}: its catalogue has no table core.meta", hint=remedy)
        return str(found[0])

    def clear(self) -> None:
        """Drop what a process that was killed while it made a store has left."""
        with self.connected() as connection:
            for (table,) in connection.execute(
                "SELECT format('%I', tablename) FROM pg_tables "
                "WHERE schemaname = current_schema() AND tablename LIKE 'ducklake\\_%'"
            ).fetchall():
                connection.execute(f"DROP TABLE {table}")

    def check(self, store: str) -> None:
        """Refuse a catalogue that is a stranger's; see `check_database`.

        Parameters
        ----------
        store : str
            Its address, for messages.
        """
        with self.connected() as connection:
            check_database(lambda query: connection.execute(query.encode()).fetchall(), store)

    def attached(self, data: str, *, read_only: bool, snapshot: int | None) -> Connection | None:
        """Return a connection of DuckDB's with the lake attached as ``lake``, None if there is no such snapshot.

        Parameters
        ----------
        data : str
            The folder of data files on this machine.
        read_only : bool
        snapshot : int or None
            See the lake as it was then.
        """
        options = [f"DATA_PATH {literal(data)}", "OVERRIDE_DATA_PATH true", *(["READ_ONLY"] if read_only else [])]
        options += [f"SNAPSHOT_VERSION {snapshot}"] if snapshot is not None else []
        connection = with_extensions("ducklake", "postgres_scanner")
        # Should the lock be lost with its connection, a commit must fail and not become another snapshot than it says.
        connection.execute("SET ducklake_max_retry_count = 0")
        try:
            where = literal(f"ducklake:postgres:{self._url}")
            connection.execute(f"ATTACH {where} AS lake ({', '.join(options)}, META_SCHEMA 'public')")
            lock_down(connection, data)  # afterwards: DuckDB counts a database elsewhere as access
        except duckdb.Error as error:
            connection.close()
            if "No snapshot found" in str(error):
                return None
            raise StoreError(
                f"{self.name}: its catalogue cannot be opened: {str(error).splitlines()[0]}",
                hint="check the address and the user's rights",
            ) from None
        return Connection(connection)

    @contextmanager
    def lock(self, store: str) -> Iterator[None]:
        """Be the one who commits, of all machines; the lock ends with the connection, however that ends.

        Parameters
        ----------
        store : str
            Its address, for messages.
        """
        with self.connected() as connection:
            end = time.monotonic() + patience
            while not (connection.execute("SELECT pg_try_advisory_lock(%s)", [_lock]).fetchone() or (False,))[0]:
                if time.monotonic() > end:
                    raise StoreError(f"{store}: another process is writing", hint="wait for it, or end it")
                time.sleep(0.05)
            self._holder = connection
            try:
                yield
            finally:
                self._holder = None

    def refuse_lost_lock(self) -> None:
        """Refuse to delete where the lock went with its connection: another may have files that are not named yet."""
        import psycopg

        try:
            if self._holder is not None:
                self._holder.execute("SELECT 1")
        except psycopg.Error:
            raise StoreError(
                f"{self.name}: the connection was lost", hint="give the same command again; nothing was deleted"
            ) from None


class Postgres:
    """A connection that takes statements as SQLite does.

    Parameters
    ----------
    connection : psycopg.Connection
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Any:
        """Run a statement, with question marks for its values.

        Parameters
        ----------
        query : str
        values : sequence
        """
        return self._connection.execute(query.replace("%", "%%").replace("?", "%s"), values)


def shrink(catalogue: Catalogue) -> None:
    """Leave no trace of old rows in the tables' pages.

    Parameters
    ----------
    catalogue : Catalogue
    """
    for table in _purged:
        catalogue.execute(f"VACUUM FULL {table}")
