"""A user's SQL: one SELECT, in a DuckDB of its own that sees the snapshot's files and nothing else.

It never runs on the lake's connection, where it could attach, overwrite and read around every setting. The session has
no extensions, no access outside the listed files, a locked configuration, and limits for time and memory.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import polars as pl

from mirstore.core.errors import MirstoreError, StoreError, UnknownNameError, UsageError
from mirstore.store import schema
from mirstore.store.store import Store, merged_column
from mirstore.store.views import feature_views, internal, views


def run(store: Store, query: str, *, timeout: float, memory: str) -> pl.DataFrame:
    """Answer ``query``; see `Store.sql`."""
    _check(query)
    with session(store, memory) as connection, _time_limit(connection, timeout):
        try:
            return _frame(connection, query)
        except duckdb.InterruptException:
            raise MirstoreError(
                f"stopped after {timeout:g} s", hint="ask for less, or give a longer --timeout"
            ) from None
        except duckdb.OutOfMemoryException:
            raise MirstoreError(f"needs more than {memory} of memory", hint="ask for fewer rows or columns") from None
        except duckdb.CatalogException as error:
            raise _unknown(str(error), connection) from None
        except duckdb.IOException as error:
            raise StoreError(str(error).splitlines()[0], hint="mirstore doctor") from None
        except duckdb.Error as error:
            raise UsageError(_first_lines(str(error)), hint="mirstore sql --schema shows the columns") from None


def _frame(connection: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    table = connection.sql(query).to_arrow_table()
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _check(query: str) -> None:
    """Allow exactly one statement of type SELECT; EXPLAIN is not one, because it can hide a COPY."""
    try:
        statements = duckdb.connect().extract_statements(query)
    except duckdb.Error as error:
        raise UsageError(_first_lines(str(error))) from None
    if len(statements) != 1:
        raise UsageError(f"{len(statements)} statements given; one SELECT is answered")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = str(statements[0].type).rpartition(".")[2]
        raise UsageError(f"statement of type {kind} refused: the store is read-only", hint="one SELECT is answered")


def _first_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[:4])


@contextmanager
def session(store: Store, memory: str = "2GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked-down connection with the views."""
    files = {table: [str(path) for path in store.files(table)] for table in store.tables()}
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    try:
        connection.execute("CREATE SCHEMA core; CREATE SCHEMA feat")
        for table, paths in files.items():
            _create(connection, store, table, paths)
        for name, query in views.items():
            connection.execute(f'CREATE VIEW "{name}" AS {query}')
        for name, table in feature_views(store):
            connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM feat."{table}"')
        _lock(connection, [path for paths in files.values() for path in paths], memory)
        yield connection
    finally:
        connection.close()


def _create(connection: duckdb.DuckDBPyConnection, store: Store, table: str, paths: list[str]) -> None:
    folder, _, name = table.partition(".")
    if paths:
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        kinds = pl.read_parquet_schema(paths[0])
        columns = ", ".join(f'"{column}"' for column in kinds if column != merged_column)
        rows = f"read_parquet([{listed}], union_by_name = true)"
        merged = any(merged_column in pl.read_parquet_schema(path) for path in paths if store.snapshot is not None)
        pinned = f"WHERE coalesce({merged_column}, 0) <= {store.snapshot}" if merged else ""
        connection.execute(f'CREATE VIEW {folder}."{name}" AS SELECT {columns} FROM {rows} {pinned}')
    elif folder == "core" and name in schema.tables:
        connection.execute(f'CREATE TABLE {folder}."{name}" ({schema.tables[name]})')
    else:
        empty = store.scan(table).collect().to_arrow()
        connection.register("empty", empty)
        connection.execute(f'CREATE TABLE {folder}."{name}" AS SELECT * FROM empty')
        connection.unregister("empty")


def _lock(connection: duckdb.DuckDBPyConnection, paths: list[str], memory: str) -> None:
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    for setting in (
        f"memory_limit = '{memory}'",
        "temp_directory = ''",
        "python_enable_replacements = false",
        "allow_community_extensions = false",
        f"allowed_paths = [{listed}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt the query when its time is up: DuckDB has no setting for that."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _unknown(message: str, connection: duckdb.DuckDBPyConnection) -> MirstoreError:
    match = re.search(r"Table with name (\S+) does not exist", message)
    if not match:
        return UsageError(_first_lines(message))
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'"
    ).fetchall()
    return UnknownNameError("view", match[1], {name for (name,) in rows} - internal)


def describe(store: Store) -> str:
    """Return every view with its columns and types, and for features their units and meanings."""
    with session(store) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'main' ORDER BY table_name, ordinal_position"
        ).fetchall()
        texts = {
            (feature, column): (unit, text)
            for feature, column, unit, text in connection.execute(
                'SELECT feature, "column", unit, text FROM columns'
            ).fetchall()
        }
    lines: list[str] = []
    last = ""
    for view, column, kind in rows:
        if view in internal or "@" in view:
            continue
        if view != last:
            lines += ["", f'"{view}"' if "-" in view else view]
            last = view
        unit, text = texts.get((view, column), ("", ""))
        lines.append(f"  {column:<28} {kind:<10} {f'[{unit}] ' if unit else ''}{text}".rstrip())
    return "\n".join(lines[1:])
