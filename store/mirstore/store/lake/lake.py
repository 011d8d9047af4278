"""What a store has: tables at a snapshot, commits, and the catalogue itself for maintenance.

On disk: ``catalog.sqlite`` (DuckLake's catalogue), ``data/`` (Parquet), ``tensors/`` (safetensors packs),
``checkpoints/`` (of models whose case is not finished), ``backups/`` (of the catalogue, before maintenance),
``write.lock``.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import duckdb
import polars as pl
import pyarrow as pa

from mirstore.core.errors import MirstoreError, StoreError, UnknownNameError
from mirstore.store.lake import gone, journal, schema
from mirstore.store.lake.connect import catalogue
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.explaining import explained
from mirstore.store.lake.hidden import Hidden, decisive, removals
from mirstore.store.lake.hidden import read as read_hidden
from mirstore.store.lake.home import Catalogue, damage
from mirstore.store.lake.latest import latest
from mirstore.store.lake.quoting import in_lake, literal, literals
from mirstore.store.lake.rotten import rotten
from mirstore.store.lake.shared import home_at
from mirstore.store.lake.transaction import Transaction

internal = "_ducklake_internal_"
"""What DuckLake's own columns of merged files begin with."""

# A file that DuckLake merged from several says per row which snapshot brought it.
merged_column = f"{internal}snapshot_id"


class Lake:
    """What a store keeps, without knowing what its tables mean; `Store` has the parameters.

    Attributes
    ----------
    reserved : frozenset of str
        Names that no features can have.
    """

    reserved: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        path: str | Path = "store",
        *,
        create: bool = False,
        read_only: bool = False,
        snapshot: int | None = None,
        command: str = "",
    ) -> None:
        self.home = home_at(path)
        self.path = self.home.path
        self.snapshot = snapshot
        self.command, self._session = command, uuid.uuid4().hex[:12]
        self._hidden: tuple[int | None, Hidden] | None = None
        self._still = threading.local()  # answers to what this thread asks
        self.read_only = read_only or snapshot is not None or not self.home.is_writable
        if not self.home.exists():
            if not create or self.read_only:
                raise StoreError(
                    f"{self.home}: no store here", hint="mirstore ingest FOLDER makes one; or give --store"
                )
            self.home.make()
        known = self.home.known()
        self._commits = 0
        self._opened: Connection | None = self._open()
        try:
            journal.refuse_older(str(self.home), known, self.newest, self.home.remedy)
            self.fetch("core.meta")
            found = schema.check(self._connection, str(self.home))
        except StoreError:
            self._let_go()
            raise
        if found < schema.version and not self.read_only:
            with self.write(f"store schema {schema.version}") as tx:
                tx.writes("core.meta")
                schema.complete(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._commits = 0  # what went wrong is said, and not that it could not be backed up
        try:
            unread = isinstance(error, pl.exceptions.ComputeError | pl.exceptions.PanicException)
            if unread and (found := self.damaged(features=str(error).startswith("parquet"))):
                raise found from error
        finally:
            self.close()

    def damaged(self, *, features: bool = True) -> StoreError | None:
        """Return the error of the first file that is not as it was written; None if there is none, or no telling.

        Parameters
        ----------
        features : bool
            Whether those are looked at, too: they may be many.
        """
        try:
            tables = [table for table in self.tables() if features or table.startswith("core.")]
            return rotten(self.home, {path: size for table in tables for path, size in self.listed(table).items()})
        except (MirstoreError, duckdb.Error, sqlite3.Error, OSError):
            return None  # what made somebody ask is said, and not this

    def close(self) -> None:
        """Let go of the catalogue; after several commits, it is backed up.

        Raises
        ------
        StoreError
            If the disk is full; what was committed is safe.
        """
        if self._opened is None:
            return
        self._let_go()
        if self._commits > 1:
            self.home.back_up()
        self._commits = 0

    def _open(self) -> Connection:
        return self.home.open(read_only=self.read_only, snapshot=self.snapshot)

    def _let_go(self) -> None:
        if self._opened is not None:
            self.home.close(self._opened)
            self._opened = None

    @property
    def address(self) -> str:
        """What the store was opened by, or would be again: its folder, or ``postgres://…``."""
        return str(self.home)

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            raise StoreError(
                f"{self.home}: was closed while something was still to be read or written",
                hint="do that before the with block of the project or store ends",
            )
        return self._opened

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one who commits.

        Raises
        ------
        StoreError
            If the store is read-only, or locked for too long.
        """
        self.refuse_read_only()
        with self.home.lock():
            try:
                self.home.follow(journal.Tables(self._connection.execute, f"{catalogue}."))
            except duckdb.Error as error:
                raise explained(self.home, error) from error
            yield

    # Writing

    @contextmanager
    def write(self, message: str) -> Iterator[Transaction]:
        """Commit everything that is appended inside, or nothing.

        Parameters
        ----------
        message : str
            What a person would call it; kept with the snapshot.

        Raises
        ------
        StoreError
            If the store is read-only, locked for too long, or the disk is full.
        """
        with self.lock():
            transaction = Transaction(self._connection, self.home, self.hidden, self.reserved, self.fetch)
            try:
                transaction.begin()
                yield transaction
                transaction.commit(message, {"command": self.command, "session": self._session})
                self._commits += 1
            except BaseException as error:
                transaction.rollback()
                if isinstance(error, duckdb.Error | OSError):
                    raise explained(self.home, error) from error
                raise
        if transaction.wrote("core.locations"):
            # What fails here is no failure of the commit; whoever asks is told of it.
            with suppress(StoreError, OSError, duckdb.Error, pl.exceptions.PolarsError):
                self._gone()  # is kept for whoever asks next

    # Reading

    @property
    def snapshot_id(self) -> int:
        """Number of the snapshot that is read: the pinned one, or the latest."""
        return self.newest if self.snapshot is None else self.snapshot

    @property
    def newest(self) -> int:
        """Number of the latest snapshot, whichever is read: what was removed later is not shown."""
        return int(self.ask(f"SELECT max(snapshot_id) FROM {catalogue}.ducklake_snapshot")[0][0])

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the catalogue answers: for the modules beside this one, which know its tables.

        Parameters
        ----------
        query : str
            In SQL.

        Raises
        ------
        duckdb.CatalogException
            If there is no such table.
        StoreError
            If the catalogue says what cannot be.
        """
        answers: dict[str, list[tuple[Any, ...]]] = getattr(self._still, "answers", {})
        if query not in answers:
            try:
                answers[query] = self._connection.execute(query).fetchall()
            except duckdb.CatalogException:
                raise
            except (duckdb.Error, UnicodeDecodeError) as error:
                raise explained(self.home, error) from error
        return answers[query]

    @contextmanager
    def still(self) -> Iterator[None]:
        """Ask the catalogue each thing once while something is read, rather than for each of its parts."""
        self._still.answers = {}
        try:
            yield
        finally:
            del self._still.answers

    @property
    def hidden(self) -> Hidden:
        """What is not shown: what was removed, and tracks whose files are gone."""
        tables = literals(name.removeprefix("core.") for name in decisive)
        ((newest,),) = self.ask(
            f"SELECT max(data_file_id) FROM {catalogue}.ducklake_data_file "
            f"JOIN {catalogue}.ducklake_table USING (table_id) WHERE table_name IN {tables}"
        )
        if self._hidden is None or self._hidden[0] != newest:
            self._hidden = newest, read_hidden(self.recorded, self.snapshot, self._gone())
        return self._hidden[1]

    def _gone(self) -> pl.DataFrame:
        """Return the tracks whose files are gone; where tracks lay is asked without data files that are lost.

        A track whose file is gone is shown then. What was removed never is.
        """
        sizes = self.file_sizes("core.locations").items()
        whole = {at: size for at, size in sizes if not damage(at, size)}
        if self.snapshot is None and (known := gone.known(self.path, whole)) is not None:
            return known
        found = gone.without_path(self._rows("core.locations", whole))
        if not self.read_only:
            gone.keep(self.path, whole, found)
        return found

    def seen(self, table: str) -> int | None:
        """Return the snapshot at which a table is read, None for the latest: removals are never out of date.

        Parameters
        ----------
        table : str
            ``core.tracks``, ``feat.essentia_0123456789``.
        """
        return None if table == removals else self.snapshot

    def tables(self) -> list[str]:
        """Return the names of all tables, as ``schema.table``."""
        now = self.snapshot_id
        rows = self.ask(  # the catalogue itself: information_schema takes 8 ms per table
            f"SELECT schema_name || '.' || table_name FROM {catalogue}.ducklake_table t "
            f"JOIN {catalogue}.ducklake_schema USING (schema_id) "
            f"WHERE t.begin_snapshot <= {now} AND coalesce(t.end_snapshot > {now}, true) ORDER BY ALL"
        )
        return [name for (name,) in rows]

    def files(self, table: str) -> list[Path]:
        """Return the Parquet files of a table (``core.tracks``, ``feat.essentia_0123456789``) at the snapshot.

        Parameters
        ----------
        table : str

        Raises
        ------
        UnknownNameError
            If there is no such table.
        """
        return list(self.file_sizes(table))

    def file_sizes(self, table: str) -> dict[Path, int]:
        """Return the files of a table with their sizes [bytes] as the catalogue has them, and have them there.

        Parameters
        ----------
        table : str
            ``core.tracks``, ``feat.essentia_0123456789``.

        Raises
        ------
        UnknownNameError
            If there is no such table.
        StoreError
            If one is a link: it could show a file that is not the store's.
        """
        sizes = self.listed(table)
        self.home.fetch(sizes)
        return sizes

    def listed(self, table: str) -> dict[Path, int]:
        """Return the files of a table with their sizes [bytes] as the catalogue has them, wherever they are.

        Parameters
        ----------
        table : str
            ``core.tracks``, ``feat.essentia_0123456789``.

        Raises
        ------
        UnknownNameError
            If there is no such table.
        StoreError
            If one is a link: it could show a file that is not the store's.
        """
        folder, _, name = table.partition(".")
        seen = self.seen(table)
        at = f", snapshot_version => {self.newest if seen is None else seen}" if self.snapshot is not None else ""
        listed = f"ducklake_list_files('lake', {literal(name)}, schema => {literal(folder)}{at})"
        try:
            rows = self.ask(f"SELECT data_file, data_file_size_bytes FROM {listed}")
        except duckdb.CatalogException:
            if table in (known := self.tables()):
                raise
            if folder == "core" and name in schema.tables:  # which came with a later version
                return {}
            raise UnknownNameError("table", table, known) from None
        for link in (path for path, _ in rows if os.path.islink(path)):
            raise StoreError(f"{link}: is a link", hint="do not use this store; ask who made it")
        return {Path(path): size for path, size in rows}

    def fetch(self, table: str) -> None:
        """Have the files of a table in the store's folder, for DuckLake to read.

        Parameters
        ----------
        table : str
            ``core.tracks``, ``feat.essentia_0123456789``.
        """
        if not self.home.has_all:
            self.file_sizes(table)

    def scan(self, table: str) -> pl.LazyFrame:
        """Return what a table shows as a lazy polars frame over its files; four times as fast as through SQL.

        Parameters
        ----------
        table : str
            ``core.tracks``, ``feat.essentia_0123456789``.

        Examples
        --------
        >>> from mirstore.store import Store
        >>> with Store("store", create=True) as store:
        ...     store.scan("core.tracks").select("track", "duration").collect().shape
        (0, 2)
        """
        return self.hidden.apply(table, self._holding(table, self.recorded(table)))

    def _holding(self, table: str, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return the rows of features that hold: of those that were revised, what the ledger has last."""
        if not table.startswith("feat.") or schema.revision not in rows.collect_schema():
            return rows
        entries = self.recorded("core.extractions").filter(pl.col("feature_set") == schema.feature_of(table))
        last = latest(entries.select("track", schema.order), "track").rename({schema.order: schema.revision})
        return rows.join(last, on=["track", schema.revision], how="semi", maintain_order="left").drop(schema.revision)

    def recorded(self, table: str) -> pl.LazyFrame:
        """Return all rows of a table, also those of what was removed and is not purged yet.

        Parameters
        ----------
        table : str
            ``core.tracks``, ``feat.essentia_0123456789``.

        Raises
        ------
        StoreError
            If a file is missing, or not of its size.
        """
        return self._rows(table, self.file_sizes(table))

    def _rows(self, table: str, sizes: Mapping[Path, int]) -> pl.LazyFrame:
        paths = list(sizes)
        for path, size in sizes.items():
            if problem := damage(path, size):
                raise StoreError(f"{path}: {problem}", hint="mirstore doctor lists all damage, --repair forgets it")
        if not paths:
            name = table.removeprefix("core.")
            query = schema.without_rows(name) if name in schema.tables else f"SELECT * FROM {in_lake(table)} LIMIT 0"
            return pl.from_arrow(self._connection.sql(query).to_arrow_table()).lazy()  # type: ignore[union-attr]
        kinds = {**pl.scan_parquet(paths[0], glob=False).collect_schema(), merged_column: pl.Int64()}
        frame = pl.scan_parquet(paths, schema=kinds, missing_columns="insert", extra_columns="ignore", glob=False)
        if (seen := self.seen(table)) is not None:
            frame = frame.filter(pl.col(merged_column).fill_null(0) <= seen)
        return frame.drop(name for name in kinds if name.startswith(internal))

    # Maintenance

    @contextmanager
    def maintenance(self) -> Iterator[Catalogue]:
        """Give the catalogue itself, with DuckLake away from it; the caller holds the `lock`."""
        self._let_go()
        try:
            with self.home.catalogue() as catalogue:
                yield catalogue
        except (sqlite3.Error, OSError, pa.ArrowException) as error:
            raise explained(self.home, error) from error
        finally:
            self._opened = self._open()
            self._hidden = None

    def links(self) -> list[Path]:
        """Return the store's folders that are links."""
        return self.home.links()

    def refuse_read_only(self) -> None:
        """Raise StoreError if this is opened for reading only."""
        if self.read_only:
            rights = None if self.home.is_writable else "check who may write there"
            hint = "give no snapshot" if self.snapshot is not None else rights
            raise StoreError(f"{self.home}: opened for reading only", hint=hint or "open it without read_only")
