"""The store: one committer appends, readers see snapshots.

On disk: ``catalog.sqlite`` (DuckLake's catalogue), ``data/`` (Parquet), ``tensors/`` (safetensors packs),
``backups/`` (of the catalogue, before maintenance), ``write.lock``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb
import polars as pl

from mirstore.core.errors import StoreError, UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.store import values
from mirstore.store.lake import schema
from mirstore.store.lake.connect import catalogue, committer, connect
from mirstore.store.lake.hidden import Hidden, decisive, removals
from mirstore.store.lake.hidden import read as read_hidden
from mirstore.store.lake.making import make
from mirstore.store.lake.quoting import in_lake, literal, literals
from mirstore.store.lake.tensors import TensorReader
from mirstore.store.lake.transaction import Transaction

if TYPE_CHECKING:
    from mirstore.store.lake.purge import Purged

# A file that DuckLake merged from several says per row which snapshot brought it.
merged_column = "_ducklake_internal_snapshot_id"


class Store:
    """A versioned feature store in a folder.

    Parameters
    ----------
    path : str or path
        The folder.
    create : bool
        Make it if it is not there.
    read_only : bool
        Refuse to write; a store on read-only media can be opened this way.
    snapshot : int, optional
        See the store as it was then; implies ``read_only``. What was removed since is not there either.
    command : str
        What the user asked; kept with every commit.

    Raises
    ------
    StoreError
        If it is not there, damaged, or made by a newer mirstore.

    Examples
    --------
    >>> with Store("store") as store:                               # doctest: +SKIP
    ...     frame = store.features(["essentia", "mfcc-stats"])
    ...     fast = store.sql("SELECT title FROM tracks JOIN essentia USING (track) WHERE bpm > 160")
    """

    def __init__(
        self,
        path: str | Path = "store",
        *,
        create: bool = False,
        read_only: bool = False,
        snapshot: int | None = None,
        command: str = "",
    ) -> None:
        self.path = Path(path)
        self.snapshot = snapshot
        self.command, self._session = command, uuid.uuid4().hex[:12]
        self._hidden: tuple[int | None, Hidden] | None = None
        self.read_only = read_only or snapshot is not None
        if self.path.exists() and not os.access(self.path, os.W_OK):
            self.read_only = True
        if not (self.path / "catalog.sqlite").exists():
            if not create or self.read_only:
                raise StoreError(
                    f"{self.path}: no store here", hint="mirstore ingest FOLDER makes one; or give --store"
                )
            make(self.path)
        self._connection = connect(self.path, read_only=self.read_only, snapshot=snapshot)
        schema.check(self._connection, str(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the catalogue."""
        self._connection.close()

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
        self.refuse_read_only()
        with committer(self.path):
            transaction = Transaction(self._connection, self.path, self.hidden)
            transaction.begin()
            try:
                yield transaction
                transaction.commit(message, {"command": self.command, "session": self._session})
            except BaseException as error:
                transaction.rollback()
                if isinstance(error, duckdb.Error | OSError):
                    raise self._explain(error) from error
                raise

    def _explain(self, error: Exception) -> StoreError:
        text = str(error).splitlines()[0]
        if "No space left" in text or shutil.disk_usage(self.path).free < 1 << 20:
            return StoreError(f"{self.path}: the disk is full", hint="free some space; what was committed is safe")
        if "locked" in text:
            return StoreError(f"{self.path}: the catalogue is locked", hint="another program holds it open; try again")
        return StoreError(f"{self.path}: {text}", hint="mirstore doctor")

    # Reading

    @property
    def snapshot_id(self) -> int:
        """Number of the snapshot that is read: the pinned one, or the latest."""
        return self._latest if self.snapshot is None else self.snapshot

    @property
    def _latest(self) -> int:
        return int(self.ask(f"SELECT max(snapshot_id) FROM {catalogue}.ducklake_snapshot")[0][0])

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the catalogue answers: for the modules beside this one, which know its tables."""
        return self._connection.execute(query).fetchall()

    @property
    def hidden(self) -> Hidden:
        """What is not shown: what was removed, and tracks whose files are gone."""
        tables = literals(name.removeprefix("core.") for name in decisive)
        ((newest,),) = self.ask(
            f"SELECT max(data_file_id) FROM {catalogue}.ducklake_data_file "
            f"JOIN {catalogue}.ducklake_table USING (table_id) WHERE table_name IN {tables}"
        )
        if self._hidden is None or self._hidden[0] != newest:
            self._hidden = newest, read_hidden(self)
        return self._hidden[1]

    def seen(self, table: str) -> int | None:
        """Return the snapshot at which a table is read, None for the latest: removals are never out of date."""
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
        """Return the Parquet files of a table (``core.tracks``, ``feat.essentia_0123456789``) at the snapshot."""
        return list(self.file_sizes(table))

    def file_sizes(self, table: str) -> dict[Path, int]:
        """Return the files of a table with their sizes [bytes] as the catalogue has them.

        Raises
        ------
        UnknownNameError
            If there is no such table.
        """
        folder, _, name = table.partition(".")
        seen = self.seen(table)
        at = f", snapshot_version => {self._latest if seen is None else seen}" if self.snapshot is not None else ""
        files = f"ducklake_list_files('lake', {literal(name)}, schema => {literal(folder)}{at})"
        try:
            rows = self.ask(f"SELECT data_file, data_file_size_bytes FROM {files}")
        except duckdb.CatalogException:
            if table in (known := self.tables()):
                raise
            raise UnknownNameError("table", table, known) from None
        return {Path(path): size for path, size in rows}

    def scan(self, table: str) -> pl.LazyFrame:
        """Return what a table shows as a lazy polars frame over its files; four times as fast as through SQL."""
        return self.hidden.apply(table, self.recorded(table))

    def recorded(self, table: str) -> pl.LazyFrame:
        """Return all rows of a table, also those of what was removed and is not purged yet."""
        files = self.files(table)
        if not files:
            return pl.from_arrow(  # type: ignore[union-attr]
                self._connection.sql(f"SELECT * FROM {in_lake(table)} LIMIT 0").to_arrow_table()
            ).lazy()
        kinds = {**pl.scan_parquet(files[0], glob=False).collect_schema(), merged_column: pl.Int64()}
        frame = pl.scan_parquet(files, schema=kinds, missing_columns="insert", extra_columns="ignore", glob=False)
        if (seen := self.seen(table)) is not None:
            frame = frame.filter(pl.col(merged_column).fill_null(0) <= seen)
        return frame.drop(merged_column)

    def names(self) -> dict[str, str]:
        """Return what each feature name means now: its feature set's id."""
        rows = self.scan("core.names").collect().sort(schema.order)
        return dict(zip(rows["name"], rows["feature_set"], strict=True))

    def feature_set_ids(self) -> set[str]:
        """Return the ids of all feature sets that were not removed."""
        return set(self.scan("core.feature_sets").select("feature_set").collect()["feature_set"]) - self.hidden.features

    def resolve(self, name: str) -> str:
        """Return the id that a name, ``name@version`` or id stands for.

        Raises
        ------
        UnknownNameError
            If nothing stored is called so.
        UsageError
            If it was removed.
        """
        names = self.names()
        if name in names:
            return names[name]
        matches = self.meant(name)
        if not matches:
            raise UnknownNameError("features", name, names)
        there = [id_ for id_ in matches if id_ not in self.hidden.features]
        if not there:
            again = f"mirstore ingest … --features {name.partition('@')[0]} brings them back"
            raise UsageError(f"features {name!r} were removed", hint=again)
        return there[-1]

    def meant(self, name: str) -> list[str]:
        """Return all ids that a name, ``name@version`` or id has meant, the latest last, removed ones too."""
        sets = self.recorded("core.feature_sets").collect().sort(schema.order)
        if name in sets["feature_set"]:
            return [name]
        base, at, number = name.partition("@")
        history = set(self.recorded("core.names").filter(pl.col("name") == base).collect()["feature_set"])
        return [
            row["feature_set"]
            for row in sets.iter_rows(named=True)
            if row["feature_set"] in history and (not at or number in (str(row["version"]), row["feature_set"]))
        ]

    def table(self, feature_set: str) -> str:
        """Return the table of a feature set's id."""
        rows = self.scan("core.feature_sets").filter(pl.col("feature_set") == feature_set).collect()
        return f"feat.{rows['table_name'][0]}"

    def unknown_feature_sets(self, features: Mapping[str, FeatureSet]) -> list[str]:
        """Return the names that do not mean these feature sets, or not any more."""
        names = self.names()
        return [name for name, feature in features.items() if names.get(name) != feature.id]

    def about(self, name: str) -> dict[str, Any]:
        """Return what is recorded about a feature set: definition, lineage, columns. An id does if it was removed."""
        return values.about(self, name)

    def features(self, names: str | Sequence[str], tracks: str | Sequence[str] | None = None) -> pl.DataFrame:
        """Return features as a wide table, one row per track, or per track and ``start``.

        Parameters
        ----------
        names : str or sequence of str
            Feature sets by name, ``name@version`` or id; with several, columns are called ``name.column``, and only
            tracks that have all of them are returned. Two with several rows per track are matched by ``start``.
        tracks : str or sequence of str, optional
            Only these.

        Raises
        ------
        UnknownNameError
            If nothing stored is called so.
        """
        return values.wide(self, names, tracks)

    def rows(self, table: str, tracks: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the stored rows of some tracks as an extractor returned them, tensors as arrays."""
        return values.rows(self, table, tracks)

    def tensors(self, name: str, tracks: str | Sequence[str] | None = None, column: str | None = None) -> TensorReader:
        """Return the tensors of a feature set as an indexed reader, for torch's DataLoader or a loop.

        Parameters
        ----------
        name : str
            Feature set.
        tracks : str or sequence of str, optional
            These, in this order; all by default, ordered by track.
        column : str, optional
            Needed if the feature set has several tensor columns.

        Raises
        ------
        UnknownNameError
            If there is no such feature set, tensor column or track.
        """
        return values.tensors(self, name, tracks, column)

    def sql(self, query: str, *, timeout: float = 60.0, memory: str = "2GB") -> pl.DataFrame:
        """Answer one SELECT statement over the views, locked down: it can read nothing else and write nothing.

        Raises
        ------
        UsageError
            If it is not one SELECT statement, or names something that is not there.
        MirstoreError
            If it was stopped for its time or memory.
        """
        from mirstore.store.sql.session import run

        return run(self, query, timeout=timeout, memory=memory)

    def schema(self) -> str:
        """Return the views with their columns, types, units and meanings as text."""
        from mirstore.store.sql.session import describe

        return describe(self)

    # Maintenance

    def compact(self) -> None:
        """Merge the small files of many commits; every snapshot stays readable."""
        with self.write("compact"):
            self._connection.execute("CALL ducklake_merge_adjacent_files('lake')")

    def gc(self, grace: float = 86400.0, *, dry_run: bool = False) -> list[Path]:
        """Remove files that no snapshot needs and that are older than ``grace`` [s]; return them.

        Nothing behind a link is removed.
        """
        from mirstore.store.lake.gc import collect

        self.refuse_read_only()
        with committer(self.path), self._catalogue() as catalogue:
            return collect(self.path, catalogue, grace, dry_run=dry_run)

    def purge(self, *, dry_run: bool = False) -> Purged:
        """Erase what was removed, in all snapshots; see `mirstore.store.lake.purge`."""
        from mirstore.store.lake.purge import erased, note, purge

        self.refuse_read_only()
        with committer(self.path):
            what = erased(self)
            with self._catalogue() as catalogue:
                done = purge(self.path, catalogue, what, dry_run=dry_run)
        if not dry_run:
            note(self, done)
        return done

    @contextmanager
    def _catalogue(self) -> Iterator[sqlite3.Connection]:
        """Give the catalogue itself, with DuckLake away from it; the caller holds the lock.

        DuckDB has a SQLite of its own. Two of them in one process do not see each other's locks: the one that closes
        deletes the log into which the other writes.
        """
        self._connection.close()
        try:
            with closing(sqlite3.connect(self.path / "catalog.sqlite", timeout=60, isolation_level=None)) as catalogue:
                yield catalogue
        finally:
            self._connection = connect(self.path, read_only=False)
            self._hidden = None

    def links(self) -> list[Path]:
        """Return the store's folders that are links."""
        from mirstore.store.lake.files import links

        return links(self.path)

    def refuse_read_only(self) -> None:
        """Raise StoreError if this is opened for reading only."""
        if self.read_only:
            raise StoreError(
                f"{self.path}: opened for reading only", hint="check the folder's permissions, or give no snapshot"
            )
