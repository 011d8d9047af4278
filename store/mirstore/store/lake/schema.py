"""The tables of a store. They are append-only: a change of state is a new row, and views show the latest."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from mirstore.core.errors import StoreError
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.quoting import identifier

version = 7
oldest = 3
"""What a store may be of: tables that came since are made when it is opened for writing, and are empty till then. Who
changes what a store has so that `mirstore.store.lake.stranger` of today would refuse it raises `version` too: an older
mirstore looks at the number first, and says that it is older."""

_stamp = "ingest VARCHAR, added TIMESTAMP"
tables = {
    "meta": "key VARCHAR, value VARCHAR",
    "tracks": "track VARCHAR, bytes BIGINT, codec VARCHAR, sr INTEGER, channels INTEGER, duration DOUBLE, "
    f"samples VARCHAR, decoder VARCHAR, warnings VARCHAR, {_stamp}",
    "tags": f"track VARCHAR, path VARCHAR, tags VARCHAR, {_stamp}",
    "duplicates": "kind VARCHAR, a VARCHAR, b VARCHAR, a_path VARCHAR, b_path VARCHAR, score DOUBLE, "
    f"details VARCHAR, {_stamp}",
    "locations": f"track VARCHAR, path VARCHAR, bytes BIGINT, mtime_ns BIGINT, {_stamp}",
    "datasets": f"dataset VARCHAR, source VARCHAR, sha256 VARCHAR, licence VARCHAR, {_stamp}",
    "items": f"dataset VARCHAR, track VARCHAR, title VARCHAR, artist VARCHAR, album VARCHAR, attrs VARCHAR, "
    f"position INTEGER, {_stamp}",
    "labels": f"dataset VARCHAR, track VARCHAR, label_set VARCHAR, label VARCHAR, value DOUBLE, {_stamp}",
    "splits": f"dataset VARCHAR, split VARCHAR, fold INTEGER, track VARCHAR, part VARCHAR, {_stamp}",
    "feature_sets": "feature_set VARCHAR, extractor VARCHAR, version INTEGER, params VARCHAR, weights VARCHAR, "
    f"table_name VARCHAR, source VARCHAR, distributions VARCHAR, {_stamp}",
    "names": "name VARCHAR, feature_set VARCHAR, added TIMESTAMP",
    "inputs": "feature_set VARCHAR, name VARCHAR, input VARCHAR",
    "columns": 'feature_set VARCHAR, "column" VARCHAR, position INTEGER, dtype VARCHAR, unit VARCHAR, low DOUBLE, '
    "high DOUBLE, nullable BOOLEAN, fingerprint VARCHAR, text VARCHAR",
    "annotations": "feature_set VARCHAR, track VARCHAR, path VARCHAR, bytes BIGINT, mtime_ns BIGINT, sha256 VARCHAR, "
    f"{_stamp}",
    "grids": "feature_set VARCHAR, grid VARCHAR",
    "extractions": "track VARCHAR, path VARCHAR, feature_set VARCHAR, status VARCHAR, rows INTEGER, error VARCHAR, "
    f"message VARCHAR, seconds DOUBLE, {_stamp}",
    "packs": f"pack VARCHAR, feature_set VARCHAR, path VARCHAR, bytes BIGINT, {_stamp}",
    "ingests": "ingest VARCHAR, command VARCHAR, seconds DOUBLE, added TIMESTAMP",
    "runs": "run VARCHAR, experiment VARCHAR, task VARCHAR, features VARCHAR, grouping VARCHAR, smoothing VARCHAR, "
    "model VARCHAR, config VARCHAR, config_sha256 VARCHAR, details VARCHAR, snapshot BIGINT, added TIMESTAMP",
    "run_events": "run VARCHAR, state VARCHAR, detail VARCHAR, added TIMESTAMP",
    "metrics": "run VARCHAR, repeat INTEGER, fold INTEGER, name VARCHAR, label VARCHAR, value DOUBLE",
    "chance": "run VARCHAR, kind VARCHAR, repeat INTEGER, fold INTEGER, number INTEGER, name VARCHAR, value DOUBLE",
    "importances": "run VARCHAR, kind VARCHAR, number INTEGER, measure VARCHAR, label VARCHAR, "
    '"group" VARCHAR, value DOUBLE',
    "predictions": "run VARCHAR, repeat INTEGER, fold INTEGER, track VARCHAR, label VARCHAR, truth DOUBLE, score FLOAT",
    "chunk_predictions": "run VARCHAR, repeat INTEGER, fold INTEGER, track VARCHAR, label VARCHAR, chunk INTEGER, "
    "score FLOAT",
    "learning_curves": "run VARCHAR, repeat INTEGER, fold INTEGER, epoch INTEGER, name VARCHAR, value DOUBLE",
    "contributions": 'run VARCHAR, track VARCHAR, label VARCHAR, "group" VARCHAR, value FLOAT',
    "column_weights": 'run VARCHAR, label VARCHAR, "column" VARCHAR, value FLOAT',
    "label_distributions": (
        "run VARCHAR, repeat INTEGER, fold INTEGER, track VARCHAR, label VARCHAR, truth DOUBLE, value DOUBLE"
    ),
    "held_out_distributions": (
        "run VARCHAR, repeat INTEGER, fold INTEGER, track VARCHAR, label VARCHAR, truth DOUBLE, value DOUBLE"
    ),
    "artifacts": "artifact VARCHAR, name VARCHAR, state VARCHAR, scored_run VARCHAR, weights VARCHAR, card VARCHAR, "
    "bytes BIGINT, snapshot BIGINT, added TIMESTAMP",
    "pins": "name VARCHAR, snapshot BIGINT, note VARCHAR, added TIMESTAMP",
    "removals": "kind VARCHAR, dataset VARCHAR, track VARCHAR, label_set VARCHAR, feature_set VARCHAR, "
    f"undone BOOLEAN, note VARCHAR, {_stamp}",
}
"""Table in the schema ``core`` to its columns; each has `order`, too."""

order = "committed"
"""Column with the number of the snapshot that brought a row. It decides what is latest: clocks go back."""


row_group = 16_384
"""Rows of a table of features that are written to a file at a time: DuckDB holds them in memory, however wide."""

revision = "_committed"
"""Column with the same number in tables of features whose values may change while their identity stays. The rows that
hold are those of the latest entry in the ledger about their track; it may have none."""


def create(connection: Connection) -> None:
    """Make all tables in one transaction, unless they are there; then say how features are written.

    Parameters
    ----------
    connection : Connection
    """
    connection.execute("BEGIN")
    create_tables(connection)
    complete(connection)
    connection.execute("COMMIT")
    set_row_group(connection)


def set_row_group(connection: Connection) -> None:
    """Have features written in parts. DuckLake takes such an option of a schema only after the schema's commit.

    Parameters
    ----------
    connection : Connection
    """
    connection.execute(f"CALL lake.set_option('parquet_row_group_size', {row_group}, schema => 'feat')")


def create_tables(connection: Connection) -> None:
    """Make the tables that are not there yet, without a row, within a transaction.

    Parameters
    ----------
    connection : Connection
    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS lake.core")
    connection.execute("CREATE SCHEMA IF NOT EXISTS lake.feat")
    for name, columns in tables.items():
        connection.execute(f"CREATE TABLE IF NOT EXISTS lake.core.{name} ({columns}, {order} BIGINT)")


def complete(connection: Connection) -> None:
    """Make the tables that are not there yet, within a transaction, and note the version.

    Parameters
    ----------
    connection : Connection
    """
    create_tables(connection)
    (found,) = connection.execute("SELECT max(value::INTEGER) FROM lake.core.meta WHERE key = 'schema'").fetchall()
    if found[0] is None or found[0] < version:
        connection.execute(f"INSERT INTO lake.core.meta (key, value) VALUES ('schema', '{version}')")


def without_rows(table: str) -> str:
    """Return a query for the columns of a table that a store of an older version, or snapshot, does not have.

    Parameters
    ----------
    table : str
        Its name in ``core``.
    """
    return (
        f"SELECT {', '.join(f'NULL::{kind} AS {identifier(name)}' for name, kind in columns_of(table).items())} LIMIT 0"
    )


def feature_of(table: str) -> str:
    """Return the id of the feature set whose values a table has.

    Parameters
    ----------
    table : str
        ``feat.essentia_0123456789``
    """
    return table.rpartition("_")[2]


def columns_of(table: str) -> dict[str, str]:
    """Return the columns of a table with SQL's types.

    Parameters
    ----------
    table : str
        Its name in ``core``.
    """
    columns = (column.rpartition(" ") for column in f"{tables[table]}, {order} BIGINT".split(", "))
    return {name.strip('"'): kind for name, _, kind in columns}


def check(connection: Connection, where: str) -> int:
    """Return the schema version of a store, if this mirstore reads it.

    Parameters
    ----------
    connection : Connection
    where : str
        The store, for messages.

    Raises
    ------
    StoreError
        If it is newer or older than this mirstore reads, or no store at all.
    """
    try:
        (found,) = connection.execute("SELECT max(value::INTEGER) FROM lake.core.meta WHERE key = 'schema'").fetchall()
    except duckdb.CatalogException:
        raise StoreError(f"{where}: is a DuckLake, but no mirstore store", hint="choose another --store") from None
    except (duckdb.Error, UnicodeDecodeError) as error:
        problem = str(error).splitlines()[0]
        raise StoreError(f"{where}: its catalogue cannot be read: {problem}", hint="mirstore doctor") from None
    if found[0] is None:
        raise StoreError(f"{where}: its schema version is missing", hint="mirstore doctor")
    if found[0] < oldest:
        raise StoreError(
            f"{where}: was made by an older mirstore (store schema {found[0]}, this one reads {oldest} to {version})",
            hint="ingest the same files into a new store: --store NEW",
        )
    refuse_newer(found, where)
    return int(found[0])


numbers = (
    "SELECT CAST(min_value AS TEXT), CAST(max_value AS TEXT) FROM ducklake_file_column_stats "
    "JOIN ducklake_column USING (table_id, column_id) JOIN ducklake_table USING (table_id) "
    "JOIN ducklake_schema USING (schema_id) "
    "WHERE schema_name = 'core' AND table_name = 'meta' AND column_name = 'value'"
)
"""A query for the catalogue alone, which opens no file: least and greatest of the versions, as texts."""


def refuse_newer(found: Iterable[object], where: object) -> None:
    """Refuse a store of which any number is higher than this mirstore's.

    Parameters
    ----------
    found : iterable of object
        Versions, as numbers or as the texts that a catalogue has; what is neither is passed over.
    where : object
        The store, for messages.

    Raises
    ------
    StoreError
        If one is higher.
    """
    known = [int(text) for text in map(str, found) if re.fullmatch(r"[0-9]{1,6}", text)]
    if known and max(known) > version:
        raise StoreError(
            f"{where}: was made by a newer mirstore (store schema {max(known)}, this one reads {version})",
            hint="pip install --upgrade mirstore",
        )
