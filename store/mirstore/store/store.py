"""The store: one committer appends, readers see snapshots.

On disk: ``catalog.sqlite`` (DuckLake's catalogue), ``data/`` (Parquet), ``tensors/`` (safetensors packs),
``backups/`` (of the catalogue, before maintenance), ``write.lock``.
"""

from __future__ import annotations

import json
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
from mirstore.store import lake, schema
from mirstore.store.checksums import record
from mirstore.store.hidden import Hidden, decisive, removals
from mirstore.store.hidden import read as read_hidden
from mirstore.store.quoting import in_lake, literal, literals
from mirstore.store.tensors import TensorReader
from mirstore.store.transaction import Transaction

if TYPE_CHECKING:
    from mirstore.store.purge import Purged

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
            self._make()
        self._connection = lake.connect(self.path, read_only=self.read_only, snapshot=snapshot)
        schema.check(self._connection, str(self.path))

    def _make(self) -> None:
        try:
            (self.path / "data").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be made: {(error.strerror or '').lower()}") from None
        with lake.committer(self.path):
            if (self.path / "catalog.sqlite").exists():  # another process was faster
                return
            # A store that was being made has only its version; anything else has lost its catalogue.
            if any(path.parent.name != "meta" for path in self.path.glob("data/*/*/*.parquet")):
                raise StoreError(
                    f"{self.path}: has data but no catalogue", hint=f"copy the newest of {self.path / 'backups'} back"
                )
            new = self.path / "catalog.new.sqlite"  # renamed when complete: a kill leaves no half-made store
            new.unlink(missing_ok=True)
            connection = lake.connect(self.path, read_only=False, catalog=new.name)
            connection.execute("CALL lake.set_option('parquet_compression', 'zstd')")
            # Readers look at data files only, so no row may wait inside the catalogue.
            connection.execute("CALL lake.set_option('data_inlining_row_limit', 0)")
            schema.create(connection)
            connection.close()
            new.rename(self.path / "catalog.sqlite")
            lake.keep((self.path / "data").rglob("*.parquet"), self.path)
            record(self.path, (self.path / "data").rglob("*.parquet"))
            lake.fsync(self.path.absolute().parent)

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
        with lake.committer(self.path):
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
        return int(self.ask(f"SELECT max(snapshot_id) FROM {lake.catalogue}.ducklake_snapshot")[0][0])

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the catalogue answers: for the modules beside this one, which know its tables."""
        return self._connection.execute(query).fetchall()

    @property
    def hidden(self) -> Hidden:
        """What is not shown: what was removed, and tracks whose files are gone."""
        tables = literals(name.removeprefix("core.") for name in decisive)
        ((newest,),) = self.ask(
            f"SELECT max(data_file_id) FROM {lake.catalogue}.ducklake_data_file "
            f"JOIN {lake.catalogue}.ducklake_table USING (table_id) WHERE table_name IN {tables}"
        )
        if self._hidden is None or self._hidden[0] != newest:
            self._hidden = newest, read_hidden(self)
        return self._hidden[1]

    def seen(self, table: str) -> int | None:
        """Return the snapshot at which a table is read, None for the latest: removals are never out of date."""
        return None if table == removals else self.snapshot

    def tables(self) -> list[str]:
        """Return the names of all tables, as ``schema.table``."""
        rows = self._connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_catalog = 'lake' "
            "ORDER BY ALL"
        ).fetchall()
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
        id_ = name if self.meant(name) == [name] else self.resolve(name)
        (row,) = self.scan("core.feature_sets").filter(pl.col("feature_set") == id_).collect().to_dicts()
        inputs = self.scan("core.inputs").filter(pl.col("feature_set") == id_).collect()
        columns = self.scan("core.columns").filter(pl.col("feature_set") == id_).sort("position").collect()
        return {
            "name": name,
            "feature_set": id_,
            "extractor": f"{row['extractor']}@{row['version']}",
            "params": json.loads(row["params"]),
            "weights": row["weights"],
            "source": row["source"],
            "inputs": dict(zip(inputs["name"], inputs["input"], strict=True)),
            "distributions": json.loads(row["distributions"]),
            "columns": columns.drop("feature_set").to_dicts(),
        }

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
        names = [names] if isinstance(names, str) else list(names)
        wide: pl.LazyFrame | None = None
        for name in names:
            frame = self.scan(self.table(self.resolve(name)))
            if len(names) > 1:
                values = [column for column in frame.collect_schema().names() if column not in ("track", "start")]
                frame = frame.rename({column: f"{name}.{column}" for column in values})
            if wide is None:
                wide = frame
                continue
            have = wide.collect_schema().names(), frame.collect_schema().names()
            wide = wide.join(frame, on=["track", *(["start"] if all("start" in names for names in have) else [])])
        if wide is None:
            raise UsageError("no features chosen")
        if tracks is not None:
            wide = wide.filter(pl.col("track").is_in([tracks] if isinstance(tracks, str) else list(tracks)))
        return wide.collect()

    def rows(self, table: str, tracks: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the stored rows of some tracks as an extractor returned them, tensors as arrays."""
        frame = self.scan(f"feat.{table}").filter(pl.col("track").is_in(list(tracks))).collect()
        tensors = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
        folder = self.path / "tensors" / table.rpartition("_")[2]
        readers = {
            name: TensorReader(folder, frame["track"].to_list(), frame[name].to_list(), [None] * frame.height)
            for name in tensors
        }
        found: dict[str, list[dict[str, Any]]] = {track: [] for track in tracks}
        for number, row in enumerate(frame.iter_rows(named=True)):
            row |= {name: reader[number] for name, reader in readers.items() if row[name] is not None}
            found[row.pop("track")].append(row)
        return {track: rows for track, rows in found.items() if rows}

    def tensors(self, name: str, tracks: Sequence[str] | None = None, column: str | None = None) -> TensorReader:
        """Return the tensors of a feature set as an indexed reader, for torch's DataLoader or a loop.

        Parameters
        ----------
        name : str
            Feature set.
        tracks : sequence of str, optional
            These, in this order; all by default, ordered by track.
        column : str, optional
            Needed if the feature set has several tensor columns.

        Raises
        ------
        UnknownNameError
            If there is no such feature set, tensor column or track.
        """
        id_ = self.resolve(name)
        frame = self.scan(self.table(id_)).collect()
        known = [key for key, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
        column = column or (known[0] if len(known) == 1 else "")
        if column not in known:
            raise UnknownNameError(f"tensor column of {name!r}:", column, known)
        frame = frame.drop_nulls(column).sort(["track", *(["start"] if "start" in frame.columns else [])])
        if tracks is not None:
            wanted = pl.DataFrame({"track": list(tracks)}, schema={"track": pl.String})
            lacking = wanted.join(frame, on="track", how="anti")["track"].to_list()
            if lacking:
                raise UnknownNameError(f"track in {name!r}:", lacking[0], frame["track"].to_list())
            frame = wanted.join(frame, on="track", how="inner", maintain_order="left")
        starts = frame["start"].to_list() if "start" in frame.columns else [None] * frame.height
        return TensorReader(self.path / "tensors" / id_, frame["track"].to_list(), frame[column].to_list(), starts)

    def sql(self, query: str, *, timeout: float = 60.0, memory: str = "2GB") -> pl.DataFrame:
        """Answer one SELECT statement over the views, locked down: it can read nothing else and write nothing.

        Raises
        ------
        UsageError
            If it is not one SELECT statement, or names something that is not there.
        MirstoreError
            If it was stopped for its time or memory.
        """
        from mirstore.store.query import run

        return run(self, query, timeout=timeout, memory=memory)

    def schema(self) -> str:
        """Return the views with their columns, types, units and meanings as text."""
        from mirstore.store.query import describe

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
        from mirstore.store.garbage import collect

        self.refuse_read_only()
        with lake.committer(self.path), self._catalogue() as catalogue:
            return collect(self.path, catalogue, grace, dry_run=dry_run)

    def purge(self, *, dry_run: bool = False) -> Purged:
        """Erase what was removed, in all snapshots; see `mirstore.store.purge`."""
        from mirstore.store.purge import erased, note, purge

        self.refuse_read_only()
        with lake.committer(self.path):
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
            self._connection = lake.connect(self.path, read_only=False)
            self._hidden = None

    def links(self) -> list[Path]:
        """Return the store's folders that are links."""
        from mirstore.store.files import links

        return links(self.path)

    def refuse_read_only(self) -> None:
        """Raise StoreError if this is opened for reading only."""
        if self.read_only:
            raise StoreError(
                f"{self.path}: opened for reading only", hint="check the folder's permissions, or give no snapshot"
            )
