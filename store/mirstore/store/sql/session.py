"""A user's SQL: one SELECT, in a DuckDB of its own that sees the snapshot's files and nothing else.

It never runs on the lake's connection, where it could attach, overwrite and read around every setting. The session has
no extensions, no access outside the listed files, a locked configuration, and limits for time and memory. It opens the
tables that the statement reads from and no others, so that a query's cost does not grow with the features of a store.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from mirstore.core.durations import duration
from mirstore.core.errors import MirstoreError, QueryStoppedError, StoreError, UnknownNameError, UsageError
from mirstore.store.lake import schema
from mirstore.store.lake.hidden import Hidden
from mirstore.store.lake.kept import not_kept, unkept
from mirstore.store.lake.lake import Lake, merged_column
from mirstore.store.lake.quoting import identifier, literal, literals
from mirstore.store.lake.snapshots import snapshots
from mirstore.store.names import current
from mirstore.store.sql.declared import declared, revisable
from mirstore.store.sql.statement import allowed, first_lines, parser
from mirstore.store.sql.views import View, all_views, internal

_rows = 100_000  # per batch of an answer; between two batches its size is checked


def run(lake: Lake, query: str, *, timeout: float, memory: str) -> pl.DataFrame:
    """Answer ``query``; see `Store.sql`.

    Parameters
    ----------
    lake : Lake
    query : str
    timeout : float > 0 [s]
    memory : str
        As ``"2GB"``.
    """
    limit = _bytes(memory)
    statement = allowed(query)
    known = all_views(lake)
    ours = {*known, *map(str.lower, _tables(lake)), _snapshots}
    lists = statement.lists or not statement.tables <= ours | statement.own  # of information_schema, for example
    with session(lake, statement.tables | statement.words, lists=lists, memory=memory) as connection:
        try:
            with _time_limit(connection, timeout):
                return _frame(_answer(connection, statement.text, limit))
        except MemoryError:
            raise _too_large(memory) from None
        except (duckdb.Error, OSError) as error:  # pyarrow makes an OSError of what happens after the first batch
            if match := re.search(r"Table with name (.+?) does not exist", str(error)):
                raise _no_view(lake, match[1], known) from None
            raise _explain(str(error), connection, timeout, memory) from None


@cache
def _bytes(memory: str) -> int:
    with closing(duckdb.connect(config=parser)) as connection:
        try:
            return int(connection.execute(f"SELECT parse_formatted_bytes({literal(memory)})").fetchall()[0][0])
        except duckdb.Error:
            raise UsageError(f"memory {memory!r} is no size", hint="for example '2GB'") from None


def _answer(connection: duckdb.DuckDBPyConnection, query: str, limit: int) -> pa.Table:
    """Fetch the answer batch by batch: DuckDB's memory limit does not count what it hands over."""
    reader = connection.execute(query).to_arrow_reader(_rows)
    batches, size = [], 0
    for batch in reader:
        batches.append(batch)
        size += batch.nbytes
        if size > limit:
            raise MemoryError
    return pa.Table.from_batches(batches, reader.schema)


def _frame(table: pa.Table) -> pl.DataFrame:
    """Return the answer for polars; a second ``track`` is called ``track_1``, as in DuckDB's subqueries."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for name in table.column_names:
        unique = name
        while unique in names or (unique != name and unique in table.column_names):
            seen[name] += 1
            unique = f"{name}_{seen[name]}"
        names.append(unique)
    try:
        frame = pl.from_arrow(table.rename_columns(names))
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0].partition(" Hint:")[0]
        raise UsageError(f"answer has a type that a frame cannot hold: {what}", hint="cast it to VARCHAR") from None
    assert isinstance(frame, pl.DataFrame)
    return frame


@contextmanager
def session(
    lake: Lake, wanted: Iterable[str], *, lists: bool = False, memory: str = "2GB"
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked-down connection with some views.

    Parameters
    ----------
    lake : Lake
    wanted : iterable of str
        Views, and tables as ``core.tracks``, in lower case; what they rest on is there, too. Unknown names are passed
        over.
    lists : bool
        Whether the other views and tables are there to be listed: they are empty.
    memory : str
        What it may take, for example ``"2GB"``.

    Raises
    ------
    StoreError
        If a file of the store is missing or damaged.
    """
    with closing(duckdb.connect(config={"autoinstall_known_extensions": "false"})) as connection:
        try:
            paths = _fill(connection, lake, wanted, lists)
        except (duckdb.IOException, duckdb.InvalidInputException, pl.exceptions.ComputeError, OSError) as error:
            what = str(error).splitlines()[0]
            raise StoreError(f"{lake.path}: a file is damaged: {what}", hint="mirstore doctor") from None
        _lock(connection, paths, memory)
        yield connection


def _fill(connection: duckdb.DuckDBPyConnection, lake: Lake, wanted: Iterable[str], lists: bool) -> list[str]:
    """Make tables and views; return the files that they read."""
    known = all_views(lake)
    reached = _reached(wanted, known)
    reached |= _ledger if reached & {table.lower() for table in revisable(lake)} else set()
    tables = _tables(lake)
    files = {table: [str(path) for path in _files(lake, table)] for table in tables if table.lower() in reached}
    kinds = declared(lake) if lists or not all(files.values()) else {}
    connection.execute("CREATE SCHEMA core; CREATE SCHEMA feat")
    lake.hidden.register(connection)
    for table in tables:
        if files.get(table):
            _create(connection, lake, table, files[table], lake.hidden)
        elif lists or table in files:
            connection.execute(f"CREATE TABLE {_target(table)} ({kinds.get(table) or _own_columns(table)})")
    if lists or _snapshots in reached:
        connection.register("snapshots", snapshots(lake).to_arrow())
        connection.execute(f"CREATE TABLE {_snapshots} AS FROM snapshots")
        connection.unregister("snapshots")
    for key, view in known.items():
        if lists or key in reached:
            connection.execute(f"CREATE VIEW {identifier(view.name)} AS {view.query}")
    return [path for paths in files.values() for path in paths]


def _tables(lake: Lake) -> list[str]:
    """Return the store's tables, and those that this version of mirstore would make."""
    return sorted({*lake.tables(), *(f"core.{name}" for name in schema.tables)})


_snapshots = "core.snapshots"
_ledger = {"core.extractions"}


def _reached(wanted: Iterable[str], known: Mapping[str, View]) -> set[str]:
    """Return the names and all that they rest on."""
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += known[name].reads if name in known else ()
    return found


def _files(lake: Lake, table: str) -> list[Path]:
    """Return a table's files; none of one that is younger than the snapshot."""
    try:
        return lake.files(table)
    except UnknownNameError:
        return []


def _own_columns(table: str) -> str:
    return f"{schema.tables[table.removeprefix('core.')]}, {schema.order} BIGINT"


def _target(table: str) -> str:
    folder, _, name = table.partition(".")
    return f"{folder}.{identifier(name)}"


def _create(
    connection: duckdb.DuckDBPyConnection, lake: Lake, table: str, paths: Sequence[str], hidden: Hidden
) -> None:
    names = [column for column in _columns(paths[0]) if column not in (merged_column, schema.revision)]
    rows = f"read_parquet({literals(paths)}, union_by_name = true)"
    kept = list(hidden.conditions(table, names, "r"))
    if (seen := lake.seen(table)) is not None and any(merged_column in _columns(path) for path in paths):
        kept.append(f"coalesce({merged_column}, 0) <= {seen}")
    if schema.revision in _columns(paths[0]):
        kept.append(_holds(table))
    where = f"WHERE {' AND '.join(kept)}" if kept else ""
    shown = ", ".join(map(identifier, names))
    connection.execute(f"CREATE VIEW {_target(table)} AS SELECT {shown} FROM {rows} r {where}")


def _holds(table: str) -> str:
    """Return the condition that rows of features are what the ledger has last about their track."""
    last = f"SELECT track, max({schema.order}) FROM core.extractions"
    last += f" WHERE feature_set = {literal(table.rpartition('_')[2])} GROUP BY track"
    return f"(track, {schema.revision}) IN (SELECT (l.*) FROM ({last}) l)"


def _columns(path: str) -> list[str]:
    return pl.scan_parquet(path, glob=False).collect_schema().names()  # a folder may be called a[1]


def _lock(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], memory: str) -> None:
    for setting in (
        f"memory_limit = {literal(memory)}",
        "temp_directory = ''",
        "python_enable_replacements = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        f"allowed_paths = {literals(paths)}",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt the query when its time is up: DuckDB has no setting for that."""
    done = threading.Event()

    def watch() -> None:
        over = not done.wait(seconds)
        while over and not done.wait(0.05):  # again and again: an interrupt between two steps of a query is lost
            connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _no_view(lake: Lake, name: str, known: Mapping[str, View]) -> MirstoreError:
    meant = current(lake)
    same = {id_ for each, id_ in meant.items() if each.lower() == name.strip('"').lower()}
    if same & unkept(lake):
        return not_kept(name)
    return UnknownNameError("view", name, {view.name for view in known.values()} - internal)


def _explain(message: str, connection: duckdb.DuckDBPyConnection, timeout: float, memory: str) -> MirstoreError:
    if message.startswith("INTERRUPT Error"):
        return QueryStoppedError(f"stopped after {duration(timeout)}", hint="ask for less, or give a longer --timeout")
    if message.startswith("Out of Memory Error"):
        return _too_large(memory)
    if message.startswith("IO Error"):
        return StoreError(message.splitlines()[0], hint="mirstore doctor")
    if match := re.search(r'(?:Referenced column|does not have a column named) "(.+?)"', message):
        listed = message.partition("andidate bindings:")[2].partition("\n")[0]
        near = [name.rpartition(".")[2] for name in re.findall(r'"([^"]+)"', listed)]
        near = near or get_close_matches(match[1], _column_names(connection))
        if match[1] in near:  # of another view
            return UsageError(f"unknown column {match[1]!r}", hint="mirstore sql --schema shows which view has it")
        if get_close_matches(match[1], near):  # DuckDB's candidates may be far off, and are not all that there are
            return UnknownNameError("column", match[1], near)
        return UsageError(f"unknown column {match[1]!r}", hint="mirstore sql --schema shows the columns")
    return UsageError(first_lines(message), hint="mirstore sql --schema shows the columns")


def _too_large(memory: str) -> QueryStoppedError:
    return QueryStoppedError(f"needs more than {memory} of memory", hint="ask for fewer rows or columns")


def _column_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT column_name FROM information_schema.columns").fetchall()}


def describe(lake: Lake) -> str:
    """Return every view with its columns and types, and for features their units and meanings.

    Parameters
    ----------
    lake : Lake
    """
    with session(lake, ["columns"], lists=True) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'main' ORDER BY table_name, ordinal_position"
        ).fetchall()
        found = connection.execute('SELECT feature, "column", unit, text FROM columns').fetchall()
    texts = {(feature, column): (unit, text) for feature, column, unit, text in found}
    lines: list[str] = []
    last = ""
    for view, column, kind in rows:
        if view in internal or "@" in view:
            continue
        if view != last:
            lines += ["", view if re.fullmatch(r"[A-Za-z_]\w*", view) else identifier(view)]
            last = view
        unit, text = texts.get((view, column), ("", ""))
        lines.append(f"  {column:<28} {kind:<10} {f'[{unit}] ' if unit else ''}{text}".rstrip())
    return "\n".join(lines[1:])
