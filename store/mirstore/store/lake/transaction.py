"""One commit: rows of several tables and the tensors that they name, durable before they are visible."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mirstore.core.away import referred_to
from mirstore.core.columns import packed
from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet, canonical_json
from mirstore.core.packed import referred
from mirstore.core.plugins import distributions
from mirstore.core.text import check_given_name
from mirstore.store.lake import journal
from mirstore.store.lake.arrow import sql_columns, sql_kinds, table_schema, to_arrow
from mirstore.store.lake.connect import catalogue, keep
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.hidden import Hidden, removals
from mirstore.store.lake.home import Home
from mirstore.store.lake.latest import latest_sql
from mirstore.store.lake.quoting import identifier, in_lake, literal
from mirstore.store.lake.schema import order, revision
from mirstore.store.lake.tensors import pack_folder, pack_path, stored, write_pack


class Transaction:
    """Made by `Lake.write`."""

    def __init__(
        self,
        connection: Connection,
        home: Home,
        hidden: Hidden,
        reserved: Set[str],
        fetch: Callable[[str], None],
    ) -> None:
        self._connection, self._home, self._hidden, self._reserved = connection, home, hidden, reserved
        self._fetch = fetch  # a table's files, before DuckLake itself reads them
        self._before: dict[Path, set[Path]] = {}  # folder of a table to the files that were there
        self._packs: set[Path] = set()
        self.number = 0  # of the snapshot that this commit makes, if it brings anything
        self.rows = 0  # that it brings
        self.committed = False
        self._merges = False  # files, and adds nothing
        self._tables: dict[str, dict[str, str]] = {}  # of features

    def begin(self) -> None:
        """Open the transaction."""
        self._connection.execute("BEGIN")
        ((last,),) = self._connection.execute("FROM lake.current_snapshot()").fetchall()
        self.number = int(last) + 1  # under the lock nobody else takes it

    def commit(self, message: str, about: Mapping[str, str]) -> None:
        """Flush the new files to disk, then commit: DuckLake does not flush them.

        Parameters
        ----------
        message : str
            What was done.
        about : Mapping of str to str
            What is kept with it: the command and the session.
        """
        new = {path for folder, before in self._before.items() for path in _data_files(folder) - before}
        keep(new, self._home.path)
        self._home.publish([*new, *self._packs])
        if not self._merges and (new or self._tables):
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}+00"
            commit = journal.Commit(self.number, now, message, json.dumps(about), tables=self._tables)
            self._home.announce(commit, new)
        self._connection.execute(
            "CALL lake.set_commit_message('mirstore', ?, extra_info => ?)", [message, json.dumps(about)]
        )
        self._connection.execute("COMMIT")
        self.committed = True
        self._note()

    def _note(self) -> None:
        """Let the journal say that it came to pass; what was merged into what, DuckLake tells only now."""
        ask = journal.Tables(self._connection.execute, f"{catalogue}.").ask
        ((newest, time),) = ask(  # as text: DuckDB would want pytz for a time with a zone, which PostgreSQL has
            "SELECT max(snapshot_id), CAST(arg_max(snapshot_time, snapshot_id) AS VARCHAR) FROM ducklake_snapshot"
        )
        if newest < self.number:
            return  # there was nothing to commit
        if self._merges:
            self._home.retell(journal.Tables(self._connection.execute, f"{catalogue}."))
        else:
            self._home.confirm(newest, str(time))

    def rollback(self) -> None:
        """Leave the store as it was."""
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # a failed COMMIT has rolled back already

    def writes(self, table: str) -> None:
        """Say that a table gets rows, before it does: whose new files are to be durable.

        Only the folders of these tables are looked into: a store has many others.

        Parameters
        ----------
        table : str
            ``core.tracks`` …
        """
        folder = self._folder(table)
        if folder not in self._before:
            self._before[folder] = _data_files(folder)

    def wrote(self, table: str) -> bool:
        """Tell whether a table got rows, or its files were merged.

        Parameters
        ----------
        table : str
            ``core.tracks`` …
        """
        return self._folder(table) in self._before

    def _folder(self, table: str) -> Path:
        return self._home.path.joinpath("data", *table.split("."))

    def merge(self, table: str, largest: int) -> None:
        """Make one file of those files of a table that are not larger.

        Parameters
        ----------
        table : str
            ``core.tracks`` …
        largest : int > 0 [bytes]
        """
        self.writes(table)
        self._fetch(table)
        self._merges = True
        schema, _, name = table.partition(".")
        of = f"'lake', {literal(name)}, schema => {literal(schema)}"
        self._connection.execute(f"CALL ducklake_merge_adjacent_files({of}, max_file_size => {largest + 1})")

    def since(self, table: str, snapshot: int, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return the rows that other commits have brought after a snapshot; older files are not read.

        Parameters
        ----------
        table : str
            ``core.tracks`` …
        snapshot : int
        columns : sequence of str
        """
        if snapshot >= self.number - 1:
            return []
        self._fetch(table)
        schema, _, name = table.partition(".")
        of = f"'lake', {literal(schema)}, {literal(name)}, {snapshot + 1}, {self.number - 1}"
        shown = ", ".join(map(identifier, columns))
        return self._connection.execute(f"SELECT {shown} FROM ducklake_table_insertions({of})").fetchall()

    def append(self, table: str, rows: Sequence[Mapping[str, Any]] | pa.Table, key: Sequence[str] = ()) -> int:
        """Add rows to a table; those whose key is there already are left out. Return how many were added.

        Tracks that were withdrawn do not come in again.

        Parameters
        ----------
        table : str
            ``core.tracks`` …
        rows : sequence of dict, or pyarrow.Table
            Columns that are not given are null.
        key : sequence of str
            Columns that tell rows apart, null like any other value; DuckLake has no primary keys. Rows of one call are
            not compared with each other: a track may have several rows of features.
        """
        target = in_lake(table)
        if not isinstance(rows, pa.Table):
            if not rows:
                return 0
            schema = self._connection.sql(f"SELECT * FROM {target} LIMIT 0").to_arrow_table().schema
            rows = to_arrow(rows, schema)
        if table.startswith("core."):
            rows = _stamped(rows, self.number)
        if self._hidden.withdrawn and "track" in rows.column_names and table != removals:
            rows = rows.filter(pc.invert(pc.is_in(rows["track"], pa.array(sorted(self._hidden.withdrawn)))))
        self.writes(table)
        if key:
            self._fetch(table)
        names = rows.column_names
        # DuckDB keeps what is registered until the transaction ends; a reader has let go of the rows once it is read
        self._connection.register("batch", pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches()))
        del rows
        try:
            same = " AND ".join(f"batch.{name} IS NOT DISTINCT FROM t.{name}" for name in map(identifier, key))
            anti = f"ANTI JOIN {self._there(table, target, names)} t ON {same}" if key else ""
            query = f"INSERT INTO {target} BY NAME SELECT * FROM batch {anti}"
            added = int(self._connection.execute(query).fetchall()[0][0])
            self.rows += added
            return added
        finally:
            self._connection.unregister("batch")

    def _there(self, table: str, target: str, columns: Sequence[str]) -> str:
        """Return where rows that are there already are looked for: not among those that were removed for good."""
        rules = [rule for rule in self._hidden.rules if rule.for_good and rule.applies(table, [*columns, order])]
        if not rules:
            return target
        for rule in rules:
            self._connection.register(f"hidden_{rule.name}", rule.rows.to_arrow())
        left = " AND ".join(rule.condition("x", f"hidden_{rule.name}") for rule in rules)
        return f"(FROM {target} x WHERE {left})"

    def add_feature_set(
        self, name: str, feature: FeatureSet, *, ingest: str, added: datetime, source: str = "extractor"
    ) -> None:
        """Record a feature set under a name, with its table, if it is new.

        Parameters
        ----------
        name : str
        feature : FeatureSet
        ingest : str
            That brings it.
        added : datetime
            Now, in UTC without a zone.
        source : str
            What its values come from.

        Raises
        ------
        UsageError
            If SQL has a view of that name already, or it could not be asked for.
        """
        check_given_name("features", name)
        if name in self._reserved or "@" in name:  # that stands before a version
            raise UsageError(f"features cannot be called {name!r}", hint="mirstore sql --schema lists what is taken")
        table, schema = in_lake(f"feat.{feature.table}"), table_schema(feature)
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({sql_columns(schema)})")
        self._tables[f"feat.{feature.table}"] = sql_kinds(schema)
        definition = feature.definition
        row = {
            "feature_set": feature.id,
            "extractor": feature.extractor.name,
            "version": feature.extractor.version,
            "params": canonical_json(definition["params"]),
            "weights": definition["weights"],
            "table_name": feature.table,
            "source": source,
            "distributions": json.dumps(distributions(type(feature.extractor))),
            "ingest": ingest,
            "added": added,
        }
        self.append("core.feature_sets", [row], key=["feature_set"])  # damage can have cost each of these
        inputs = [{"feature_set": feature.id, "name": name, "input": id_} for name, id_ in feature.reads.items()]
        self.append("core.inputs", inputs, key=["feature_set"])
        self.append("core.columns", _column_rows(feature), key=["feature_set"])
        grid = feature.columns["start"].grid if "start" in feature.columns else None
        self.append("core.grids", [{"feature_set": feature.id, "grid": grid}] if grid else [], key=["feature_set"])
        if feature.id in self._hidden.features:  # it comes back with its values, or without if they were purged
            back = {"kind": "features", "feature_set": feature.id, "undone": True, "ingest": ingest, "added": added}
            self.append(removals, [back])
        self._fetch("core.names")
        current = self._connection.execute(
            f"SELECT feature_set FROM ({latest_sql('lake.core.names', 'name')}) WHERE name = ?", [name]
        ).fetchall()
        if current != [(feature.id,)]:
            self.append("core.names", [{"name": name, "feature_set": feature.id, "added": added}])

    def append_features(
        self,
        feature: FeatureSet,
        rows: Sequence[Mapping[str, Any]],
        *,
        ingest: str,
        added: datetime,
        missing: bool = False,
    ) -> int:
        """Add rows of a feature set, each with its ``track``; tracks that have rows already are left out.

        Where values may be revised, none are left out: the entry in the ledger that comes with them says which hold.

        Parameters
        ----------
        feature : FeatureSet
            That was added.
        rows : sequence of dict
            As `check_rows` returns them.
        ingest : str
            That brings them.
        added : datetime
            Now, in UTC without a zone.
        missing : bool
            Whether it is known that these tracks have no rows: they are not looked for, which takes longer the more
            there are.

        Returns
        -------
        int
            How many rows were added.
        """
        if not rows:
            return 0
        if names := packed(feature.columns):
            stamp = {"feature_set": feature.id, "ingest": ingest, "added": added}
            away = any(not path.is_absolute() for path in referred_to(rows))
            rows = self._taken(feature, rows, names, stamp) if away else self._written(feature, rows, names, stamp)
        table = to_arrow(rows, table_schema(feature))
        if feature.is_revisable:
            return self.append(f"feat.{feature.table}", _stamped(table, self.number, revision))
        return self.append(f"feat.{feature.table}", table, key=[] if missing else ["track"])

    def _taken(
        self, feature: FeatureSet, rows: Sequence[Mapping[str, Any]], names: Sequence[str], stamp: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """Take the packs that workers elsewhere have put into the bucket, and return rows that say where they are."""
        assert self._home.bucket is not None
        folder = pack_folder(self._home.path, feature.id)
        new = {self._home.path / path: pack_path(folder, path.stem) for path in referred_to(rows)}
        self._list_packs(self._home.bucket.copy(new), stamp)
        return [
            {**row, **{name: stored(row[name], row[name].path.stem) for name in names if row[name] is not None}}
            for row in rows
        ]

    def _list_packs(self, sizes: Mapping[Path, int], stamp: Mapping[str, Any]) -> None:
        records = [
            {"pack": path.stem, "path": path.relative_to(self._home.path).as_posix(), "bytes": size, **stamp}
            for path, size in sizes.items()
        ]
        self.append("core.packs", records, key=["pack", "feature_set"])  # two sets may hold the same tensors

    def _written(
        self, feature: FeatureSet, rows: Sequence[Mapping[str, Any]], names: Sequence[str], stamp: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """Write the tensors and sounds of rows as one pack, and return rows that say where they are."""
        rows, arrays = referred(rows, names, Path())
        if not arrays:
            return rows
        folder = pack_folder(self._home.path, feature.id)
        pack, size = write_pack(folder, arrays)
        path = pack_path(folder, pack)
        self._packs.add(path)
        self._list_packs({path: size}, stamp)
        return [{**row, **{name: stored(row[name], pack) for name in names if row[name] is not None}} for row in rows]


def _data_files(folder: Path) -> set[Path]:
    """Return files that DuckLake has just written: what was committed, or fetched, nobody can write to."""
    paths = {Path(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith(".parquet")}
    return {path for path in paths if path.stat().st_mode & 0o200}


def _stamped(rows: pa.Table, number: int, column: str = order) -> pa.Table:
    values = pa.repeat(pa.scalar(number, pa.int64()), rows.num_rows)
    at = rows.schema.get_field_index(column)
    return rows.append_column(column, values) if at < 0 else rows.set_column(at, column, values)


def _column_rows(feature: FeatureSet) -> list[dict[str, Any]]:
    return [
        {
            "feature_set": feature.id,
            "column": name,
            "position": position,
            "dtype": str(column.dtype),
            "unit": column.unit,
            "low": column.range[0] if column.range else None,
            "high": column.range[1] if column.range else None,
            "nullable": column.nullable,
            "fingerprint": column.fingerprint,
            "text": column.text,
        }
        for position, (name, column) in enumerate(feature.columns.items())
    ]
