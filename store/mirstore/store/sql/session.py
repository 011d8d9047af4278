"""Asking a store in SQL: a user's SELECT, and mirstore's own questions.

Neither runs on the lake's connection, where it could attach, overwrite and read around every setting: a session sees
the snapshot's files and nothing else. It opens the tables that the statement reads from and no others, so that a
query's cost does not grow with the features of a store. A user's session is in a process of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from difflib import get_close_matches
from threading import Lock

import duckdb
import polars as pl
import pyarrow as pa

from mirstore.core.errors import MirstoreError, StoreError, UnknownNameError, UsageError
from mirstore.store.lake.kept import not_kept, unkept
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.quoting import identifier
from mirstore.store.names import current
from mirstore.store.sql.contents import contents, own, tables
from mirstore.store.sql.engine import DatabaseError
from mirstore.store.sql.engines import engine
from mirstore.store.sql.held import refuse_values
from mirstore.store.sql.locked import Contents, opened
from mirstore.store.sql.statement import first_lines
from mirstore.store.sql.views import View, all_views, internal

# What DuckDB says of pages that it cannot read is of several kinds, or of none.
_of_a_file = re.compile(r"IO Error|.*Failed to read file|(?![A-Z][A-Za-z ]+ Error: )")
_looking = Lock()  # a lake's connection answers one thread at a time


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
    with engine() as process:
        statement = process.read(query, timeout=timeout, memory=memory)
        with _looking:
            known = all_views(lake)
            others = statement.tables - statement.own - known.keys() - {own}
            lists = statement.lists or bool(others and not others <= set(map(str.lower, tables(lake))))
            seen = _contents(lake, statement.tables | statement.words, lists)
        try:
            return _frame(process.answer(statement.text, seen))
        except DatabaseError as error:
            with _looking:
                raise _explain(lake, error, known) from None


@contextmanager
def session(
    lake: Lake, wanted: Iterable[str], *, lists: bool = False, memory: str = "2GB"
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a locked-down connection with some views, for mirstore's own questions.

    Parameters
    ----------
    lake : Lake
    wanted : iterable of str
        See `mirstore.store.sql.contents.contents`.
    lists : bool
        The same.
    memory : str
        What it may take, for example ``"2GB"``.

    Raises
    ------
    StoreError
        If a file of the store is missing or damaged.
    """
    seen = _contents(lake, wanted, lists)
    try:
        connection = opened(seen, memory)
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise _damaged(lake, error) from None
    with closing(connection):
        yield connection


def _contents(lake: Lake, wanted: Iterable[str], lists: bool) -> Contents:
    try:
        return contents(lake, wanted, lists=lists)
    except (duckdb.IOException, duckdb.InvalidInputException, pl.exceptions.ComputeError, OSError) as error:
        raise _damaged(lake, error) from None


def _damaged(lake: Lake, error: Exception) -> StoreError:
    if found := lake.damaged():
        return found
    text = str(error).splitlines()[0]
    if file := re.search(r"data/\w+/\w+/ducklake-[\w-]+\.parquet", text):
        what = "is missing" if "No such file" in text else "is damaged"
        return StoreError(f"{lake.home}: {file[0]}: {what}", hint="mirstore doctor")
    return StoreError(f"{lake.home}: a file is damaged: {text}", hint="mirstore doctor")


def _explain(lake: Lake, error: DatabaseError, known: Mapping[str, View]) -> MirstoreError:
    message = str(error)
    if error.making:
        return _damaged(lake, error)
    if match := re.search(r"Table with name (.+?) does not exist", message):
        return _no_view(lake, match[1], known)
    if _of_a_file.match(message) and (found := lake.damaged()):
        return found
    if message.startswith("IO Error"):
        return StoreError(message.splitlines()[0], hint="mirstore doctor")
    if match := re.search(r'(?:Referenced column|does not have a column named) "(.+?)"', message):
        return _no_column(match[1], message, error.columns)
    return UsageError(first_lines(message), hint="mirstore sql --schema shows the columns")


def _no_view(lake: Lake, name: str, known: Mapping[str, View]) -> MirstoreError:
    meant = current(lake)
    same = {id_ for each, id_ in meant.items() if each.lower() == name.strip('"').lower()}
    if same & unkept(lake):
        return not_kept(name)
    return UnknownNameError("view", name, {view.name for view in known.values()} - internal)


def _no_column(name: str, message: str, columns: list[str]) -> UsageError:
    listed = message.partition("andidate bindings:")[2].partition("\n")[0]
    near = [binding.rpartition(".")[2] for binding in re.findall(r'"([^"]+)"', listed)]
    near = near or get_close_matches(name, columns)
    if name in near:  # of another view
        return UsageError(f"unknown column {name!r}", hint="mirstore sql --schema shows which view has it")
    if get_close_matches(name, near):  # DuckDB's candidates may be far off, and are not all that there are
        return UnknownNameError("column", name, near)
    return UsageError(f"unknown column {name!r}", hint="mirstore sql --schema shows the columns")


def _frame(table: pa.Table) -> pl.DataFrame:
    """Return the answer for polars; a second ``track`` is called ``track_1``, as in DuckDB's subqueries."""
    refuse_values(table)
    names: list[str] = []
    seen: Counter[str] = Counter()
    for name in table.column_names:
        unique = name
        while unique in names or (unique != name and unique in table.column_names):
            seen[name] += 1
            unique = f"{name}_{seen[name]}"
        names.append(unique)
    try:
        frame = pl.from_arrow(table.rename_columns(names), rechunk=False)  # which would copy all
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0].partition(" Hint:")[0]
        raise UsageError(f"answer has a type that a frame cannot hold: {what}", hint="cast it to VARCHAR") from None
    assert isinstance(frame, pl.DataFrame)
    return frame


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
