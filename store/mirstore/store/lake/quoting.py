"""Names and texts inside SQL: whatever they hold, they stay names and texts."""

from __future__ import annotations

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Return a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def in_lake(table: str) -> str:
    """Return a table of the store (``core.tracks``) for SQL."""
    folder, _, name = table.partition(".")
    return f"lake.{identifier(folder)}.{identifier(name)}"


def literal(text: str) -> str:
    """Return a text for SQL; given as a parameter, it makes DuckDB import pandas, which takes longer than a query."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Return a list of texts for SQL, for ``IN`` too."""
    return "[" + ", ".join(map(literal, texts)) + "]"
