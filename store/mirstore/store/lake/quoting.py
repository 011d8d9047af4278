"""Names and texts inside SQL: whatever they hold, they stay names and texts."""

from __future__ import annotations

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Return a name for SQL.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> print(identifier('the "best" tracks'))
    "the ""best"" tracks"
    """
    return '"' + name.replace('"', '""') + '"'


def in_lake(table: str) -> str:
    """Return a table of the store (``core.tracks``) for SQL.

    Parameters
    ----------
    table : str

    Examples
    --------
    >>> in_lake("core.tracks")
    'lake."core"."tracks"'
    """
    folder, _, name = table.partition(".")
    return f"lake.{identifier(folder)}.{identifier(name)}"


def literal(text: str) -> str:
    """Return a text for SQL; given as a parameter, it makes DuckDB import pandas, which takes longer than a query.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> print(literal("rock'n'roll"))
    'rock''n''roll'
    """
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Return a list of texts for SQL, for ``IN`` too.

    Parameters
    ----------
    texts : iterable of str

    Examples
    --------
    >>> print(literals(["a", "b"]))
    ['a', 'b']
    """
    return "[" + ", ".join(map(literal, texts)) + "]"
