"""A user's SQL: one SELECT, in a DuckDB of its own that sees the snapshot's files and nothing else.

It never runs on the lake's connection, where it could attach, overwrite and read around every setting. The session has
no extensions, no access outside the listed files, a locked configuration, and limits for time and memory. A SELECT can
still call functions that change the session or read files past the views, so the table functions are a short list.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from mirstore.core.durations import duration
from mirstore.core.errors import MirstoreError, QueryStoppedError, StoreError, UnknownNameError, UsageError
from mirstore.store.lake import schema
from mirstore.store.lake.hidden import Hidden
from mirstore.store.lake.kept import not_kept
from mirstore.store.lake.lake import Lake, merged_column
from mirstore.store.lake.quoting import identifier, literal, literals
from mirstore.store.lake.snapshots import snapshots
from mirstore.store.sql.views import feature_views, internal, views

_table_functions = frozenset(
    "generate_series histogram histogram_values json_each json_tree pragma_show pragma_table_info range repeat "
    "repeat_row summary unnest".split()
)
# Known to be here and harmless. Refused so are those that read files by name (read_blob, parquet_metadata), that run
# text as SQL, out of this guard's sight (query, json_execute_serialized_sql), or that act and are called like tables
# (enable_logging and enable_profiling with a file to write to, checkpoint).

# Parsing alone reads files: IMPORT DATABASE opens its folder, and an https:// one makes DuckDB fetch an extension.
_parser: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
}

_rows = 100_000  # per batch of an answer; between two batches its size is checked


def run(lake: Lake, query: str, *, timeout: float, memory: str) -> pl.DataFrame:
    """Answer ``query``; see `Store.sql`."""
    limit = _bytes(memory)
    query = _allowed(query)
    with session(lake, memory) as connection:
        try:
            with _time_limit(connection, timeout):
                return _frame(_answer(connection, query, limit))
        except MemoryError:
            raise _too_large(memory) from None
        except (duckdb.Error, OSError) as error:  # pyarrow makes an OSError of what happens after the first batch
            raise _explain(str(error), connection, timeout, memory) from None


def _bytes(memory: str) -> int:
    with closing(duckdb.connect(config=_parser)) as parser:
        try:
            return int(parser.execute(f"SELECT parse_formatted_bytes({literal(memory)})").fetchall()[0][0])
        except duckdb.Error:
            raise UsageError(f"memory {memory!r} is no size", hint="for example '2GB'") from None


_comment = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_explanation = re.compile(rf"{_comment}*+EXPLAIN(?P<analyze>{_comment}++ANALYZE)?(?=\W)", re.IGNORECASE | re.DOTALL)


def _allowed(query: str) -> str:
    """Return the statement to run, if it is one SELECT, or EXPLAIN of one.

    EXPLAIN can hide a COPY, and its ANALYZE runs what it explains: so the text behind it passes alone, and what is run
    is put together from that text.
    """
    match = _explanation.match(query)
    if match is None:
        _check(query)
        return query
    inner = query[match.end() :]
    _check(inner)
    return f"EXPLAIN {'ANALYZE ' if match['analyze'] else ''}{inner}"


def _check(query: str) -> None:
    """Allow exactly one statement of type SELECT."""
    if re.search("[\0\ud800-\udfff]", query):  # DuckDB reads up to a NUL only
        raise UsageError("query has characters that are no text")
    with closing(duckdb.connect(config=_parser)) as parser:
        try:
            statements = parser.extract_statements(query)
        except duckdb.Error as error:
            raise UsageError(_first_lines(str(error)), hint=_dash_hint(query)) from None
        for kind in (s.type for s in statements if s.type != duckdb.StatementType.SELECT):
            pivot = re.search(r"\bpivot\b", query, re.IGNORECASE)  # without IN it creates a type first
            hint = "PIVOT needs its values: ON label IN ('rock', 'pop')" if pivot else "give one SELECT"
            raise UsageError(f"statement of type {kind.name} refused: the store is read-only", hint=hint)
        if len(statements) != 1:
            raise UsageError(f"{len(statements) or 'no'} statements given", hint="give one SELECT")
        try:
            tree = json.loads(parser.execute(f"SELECT json_serialize_sql({literal(query)})").fetchall()[0][0])
        except (duckdb.Error, RecursionError):
            raise UsageError("query is too deeply nested") from None
    if tree["error"]:
        raise UsageError(f"statement refused: {tree['error_message']}", hint="give one SELECT")
    for name in _called_as_tables(tree):
        if name.lower() not in _table_functions:
            raise UsageError(
                f"table function {name!r} refused: a query reads the store's views only",
                hint=f"allowed: {', '.join(sorted(_table_functions))}",
            )


def _called_as_tables(tree: Any) -> Iterator[str]:
    """Yield the names of the table functions anywhere in a parsed query."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if node.get("type") == "TABLE_FUNCTION":
                yield node["function"]["function_name"]
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


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
def session(lake: Lake, memory: str = "2GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked-down connection with the views.

    Raises
    ------
    StoreError
        If a file of the store is missing or damaged.
    """
    with closing(duckdb.connect(config={"autoinstall_known_extensions": "false"})) as connection:
        try:
            _fill(connection, lake, memory)
        except (duckdb.IOException, duckdb.InvalidInputException, pl.exceptions.ComputeError, OSError) as error:
            what = str(error).splitlines()[0]
            raise StoreError(f"{lake.path}: a file is damaged: {what}", hint="mirstore doctor") from None
        yield connection


def _fill(connection: duckdb.DuckDBPyConnection, lake: Lake, memory: str) -> None:
    """Make the views, then lock the door."""
    files = {table: [str(path) for path in lake.files(table)] for table in lake.tables()}
    connection.execute("CREATE SCHEMA core; CREATE SCHEMA feat")
    hidden = lake.hidden
    hidden.register(connection)
    for table, paths in files.items():
        _create(connection, lake, table, paths, hidden)
    connection.register("snapshots", snapshots(lake).to_arrow())
    connection.execute("CREATE TABLE core.snapshots AS FROM snapshots")
    connection.unregister("snapshots")
    option = "" if lake.path == Path("store") else f"--store {shlex.quote(str(lake.path))} "
    for name, query in views.items():
        query = query.replace("{store}", option.replace("'", "''"))
        connection.execute(f"CREATE VIEW {identifier(name)} AS {query}")
    for name, table in feature_views(lake):
        connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT * FROM feat.{identifier(table)}")
    _lock(connection, [path for paths in files.values() for path in paths], memory)


def _create(
    connection: duckdb.DuckDBPyConnection, lake: Lake, table: str, paths: Sequence[str], hidden: Hidden
) -> None:
    folder, _, name = table.partition(".")
    target = f"{folder}.{identifier(name)}"
    if paths:
        names = [column for column in _columns(paths[0]) if column != merged_column]
        rows = f"read_parquet({literals(paths)}, union_by_name = true)"
        kept = list(hidden.conditions(table, names, "r"))
        if (seen := lake.seen(table)) is not None and any(merged_column in _columns(path) for path in paths):
            kept.append(f"coalesce({merged_column}, 0) <= {seen}")
        where = f"WHERE {' AND '.join(kept)}" if kept else ""
        connection.execute(f"CREATE VIEW {target} AS SELECT {', '.join(map(identifier, names))} FROM {rows} r {where}")
    elif folder == "core" and name in schema.tables:
        connection.execute(f"CREATE TABLE {target} ({schema.tables[name]}, {schema.order} BIGINT)")
    else:
        connection.register("empty", lake.scan(table).collect().to_arrow())
        connection.execute(f"CREATE TABLE {target} AS SELECT * FROM empty")
        connection.unregister("empty")


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


def _explain(message: str, connection: duckdb.DuckDBPyConnection, timeout: float, memory: str) -> MirstoreError:
    if message.startswith("INTERRUPT Error"):
        return QueryStoppedError(f"stopped after {duration(timeout)}", hint="ask for less, or give a longer --timeout")
    if message.startswith("Out of Memory Error"):
        return _too_large(memory)
    if message.startswith("IO Error"):
        return StoreError(message.splitlines()[0], hint="mirstore doctor")
    if match := re.search(r"Table with name (.+?) does not exist", message):
        if _is_unkept(connection, match[1]):
            return not_kept(match[1])
        return UnknownNameError("view", match[1], _view_names(connection))
    if match := re.search(r'(?:Referenced column|does not have a column named) "(.+?)"', message):
        listed = message.partition("andidate bindings:")[2].partition("\n")[0]
        near = [name.rpartition(".")[2] for name in re.findall(r'"([^"]+)"', listed)]
        near = near or get_close_matches(match[1], _column_names(connection))
        if get_close_matches(match[1], near):  # DuckDB's candidates may be far off, and are not all that there are
            return UnknownNameError("column", match[1], near)
        return UsageError(f"unknown column {match[1]!r}", hint="mirstore sql --schema shows the columns")
    return UsageError(_first_lines(message), hint="mirstore sql --schema shows the columns")


def _is_unkept(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    query = "FROM feature_names JOIN ledger USING (feature_set) WHERE lower(name) = lower(?) AND status = 'not kept'"
    return bool(connection.execute(f"SELECT 1 {query} LIMIT 1", [name.strip('"')]).fetchall())


def _too_large(memory: str) -> QueryStoppedError:
    return QueryStoppedError(f"needs more than {memory} of memory", hint="ask for fewer rows or columns")


def _view_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'"
    ).fetchall()
    return {name for (name,) in rows} - internal


def _column_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT column_name FROM information_schema.columns").fetchall()}


def _first_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[:4])


def _dash_hint(query: str) -> str | None:
    names = (match[0] for match in re.finditer(r"\b\w+(?:-\w+)+", query))  # \b: else it takes the square of the length
    name = next((name for name in names if re.search("[a-z]", name)), None)
    return f'a name with a dash needs double quotes: "{name}"' if name else None


def describe(lake: Lake) -> str:
    """Return every view with its columns and types, and for features their units and meanings."""
    with session(lake) as connection:
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
