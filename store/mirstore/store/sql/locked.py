"""A DuckDB that sees some tables and views and nothing else: no extensions, no files but the listed ones, no way back.

Opened for mirstore's own questions in its own process, and for a user's in one that may die of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from mirstore.store.lake.quoting import literal, literals

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Contents:
    """What a session has.

    Attributes
    ----------
    tables : Mapping of str to pa.Table
        ``core.snapshots`` and others that no file holds.
    made : sequence of str
        Statements that make views over files, empty tables, and the views that a user sees.
    files : sequence of str
        Those that the views read.
    """

    tables: Mapping[str, pa.Table]
    made: Sequence[str]
    files: Sequence[str]


def opened(contents: Contents, memory: str) -> duckdb.DuckDBPyConnection:
    """Return a session; nothing of its configuration can be changed any more.

    Parameters
    ----------
    contents : Contents
    memory : str
        What it may take, for example ``"2GB"``.

    Raises
    ------
    duckdb.Error
        If a file is missing or damaged.
    """
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    try:
        _fill(connection, contents)
        _lock(connection, contents.files, memory)
    except BaseException:
        connection.close()
        raise
    return connection


def _fill(connection: duckdb.DuckDBPyConnection, contents: Contents) -> None:
    connection.execute("CREATE SCHEMA core; CREATE SCHEMA feat")
    for name, table in contents.tables.items():
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {name} AS FROM given")
        connection.unregister("given")
    for statement in contents.made:
        connection.execute(statement)


def _lock(connection: duckdb.DuckDBPyConnection, files: Sequence[str], memory: str) -> None:
    for setting in (
        f"memory_limit = {literal(memory)}",
        "temp_directory = ''",
        "python_enable_replacements = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        f"allowed_paths = {literals(files)}",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
