"""What a user's SQL may be, one SELECT, and which tables it names.

A SELECT can still call functions that change the session or read files past the views, so the table functions are a
short list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from mirstore.core.errors import UsageError
from mirstore.store.lake.quoting import literal

_table_functions = frozenset(
    "generate_series histogram histogram_values json_each json_tree pragma_show pragma_table_info range repeat "
    "repeat_row summary unnest".split()
)
# Known to be here and harmless. Refused so are those that read files by name (read_blob, parquet_metadata), that run
# text as SQL, out of this guard's sight (query, json_execute_serialized_sql), or that act and are called like tables
# (enable_logging and enable_profiling with a file to write to, checkpoint).

parser: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
}
"""Settings of a DuckDB that only parses. Parsing alone reads files: IMPORT DATABASE opens its folder, and an https://
one makes DuckDB fetch an extension."""


@dataclass(frozen=True)
class Statement:
    """A statement that may run.

    Attributes
    ----------
    text : str
        The statement.
    tables : frozenset of str
        What it reads from, in lower case as SQL's names are: ``tracks``, ``core.tracks``.
    own : frozenset of str
        Names that it makes itself, by WITH. One may also be a table's, elsewhere in the statement.
    words : frozenset of str
        What else may mean a table: arguments of functions that are called like tables.
    lists : bool
        Whether it asks which tables there are, by SHOW.
    """

    text: str
    tables: frozenset[str]
    own: frozenset[str]
    words: frozenset[str]
    lists: bool

    @property
    def told(self) -> dict[str, Any]:
        """The same for JSON."""
        sets = {name: sorted(getattr(self, name)) for name in ("tables", "own", "words")}
        return {"text": self.text, "lists": self.lists, **sets}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Statement:
        """Return what was `told`.

        Parameters
        ----------
        told : dict
        """
        sets = {name: frozenset(told[name]) for name in ("tables", "own", "words")}
        return cls(text=told["text"], lists=told["lists"], **sets)


_comment = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)"
_explanation = re.compile(rf"{_comment}*+EXPLAIN(?P<analyze>{_comment}++ANALYZE)?(?=\W)", re.IGNORECASE | re.DOTALL)


def allowed(connection: duckdb.DuckDBPyConnection, query: str) -> Statement:
    """Return the statement to run, if it is one SELECT, or EXPLAIN of one.

    EXPLAIN can hide a COPY, and its ANALYZE runs what it explains: so the text behind it passes alone, and what is run
    is put together from that text.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Made with the settings `parser`.
    query : str

    Raises
    ------
    UsageError
        If it is anything else.
    """
    match = _explanation.match(query)
    if match is None:
        return _select(connection, query)
    inner = _select(connection, query[match.end() :])
    return replace(inner, text=f"EXPLAIN {'ANALYZE ' if match['analyze'] else ''}{inner.text}")


def _select(connection: duckdb.DuckDBPyConnection, query: str) -> Statement:
    """Allow exactly one statement of type SELECT."""
    if re.search("[\0\ud800-\udfff]", query):  # DuckDB reads up to a NUL only
        raise UsageError("query has characters that are no text")
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise UsageError(first_lines(str(error)), hint=_dash_hint(query)) from None
    for kind in (s.type for s in statements if s.type != duckdb.StatementType.SELECT):
        pivot = re.search(r"\bpivot\b", query, re.IGNORECASE)  # without IN it creates a type first
        hint = "PIVOT needs its values: ON label IN ('rock', 'pop')" if pivot else "give one SELECT"
        raise UsageError(f"statement of type {kind.name} refused: the store is read-only", hint=hint)
    if len(statements) != 1:
        raise UsageError(f"{len(statements) or 'no'} statements given", hint="give one SELECT")
    try:
        tree = parsed(connection, query)
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
    lists = any(node.get("type") == "SHOW_REF" and node["show_type"] in _listings for node in _nodes(tree))
    return Statement(query, tables(tree), frozenset(_own(tree)), frozenset(_words(tree)), lists)


_listings = ("SHOW_UNQUALIFIED", "SHOW_FROM")  # SHOW TABLES, SHOW ALL TABLES, SHOW TABLES FROM core


def parsed(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Any]:
    """Return a SELECT as the tree that DuckDB makes of it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    query : str
        One SELECT.
    """
    ((text,),) = connection.execute(f"SELECT json_serialize_sql({literal(query)})").fetchall()
    tree: dict[str, Any] = json.loads(text)
    return tree


def tables(tree: dict[str, Any]) -> frozenset[str]:
    """Return what a parsed query reads from, see `Statement.tables`.

    Parameters
    ----------
    tree : dict
        As `parsed` returns it.
    """
    bases = (node for node in _nodes(tree) if node.get("type") == "BASE_TABLE")
    return frozenset(_qualified(node["catalog_name"], node["schema_name"], node["table_name"]) for node in bases)


def _own(tree: dict[str, Any]) -> Iterator[str]:
    for node in _nodes(tree):
        yield from (item["key"].lower() for item in node.get("cte_map", {}).get("map", ()))


def _words(tree: dict[str, Any]) -> Iterator[str]:
    """Yield what the arguments of table functions may name: ``histogram(tracks, bpm)``, ``pragma_show('tracks')``."""
    calls = (node["function"] for node in _nodes(tree) if node.get("type") == "TABLE_FUNCTION")
    for node in (inner for call in calls for inner in _nodes(call)):
        if names := node.get("column_names"):
            yield _qualified(*names)
        if isinstance(text := node.get("value"), str):
            yield from (text.lower(), _qualified(*text.split(".")))


def _qualified(*parts: str) -> str:
    return ".".join(part.lower() for part in parts if part and part.lower() not in ("memory", "main"))


def _called_as_tables(tree: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the table functions anywhere in a parsed query."""
    for node in _nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            yield node["function"]["function_name"]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            yield node
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


def first_lines(text: str) -> str:
    """Return the beginning of one of DuckDB's messages.

    Parameters
    ----------
    text : str
    """
    return "\n".join(text.strip().splitlines()[:4])


def _dash_hint(query: str) -> str | None:
    names = (match[0] for match in re.finditer(r"\b\w+(?:-\w+)+", query))  # \b: else it takes the square of the length
    name = next((name for name in names if re.search("[a-z]", name)), None)
    return f'a name with a dash needs double quotes: "{name}"' if name else None
