"""The connection to the lake: one statement per call, whatever the names and texts in it hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa


class Connection:
    """A connection of DuckDB's that runs no text of several statements; made by `connect`.

    DuckDB itself runs them all, so that a name which is not quoted somewhere could bring a statement of its own.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run a statement; what is returned has its rows.

        Parameters
        ----------
        query : str
        values : sequence, optional
            For its question marks.

        Raises
        ------
        duckdb.InvalidInputException
            If there are several statements.
        """
        return self._connection.execute(self._one(query), values)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Return what a statement will answer, which is not asked yet.

        Parameters
        ----------
        query : str

        Raises
        ------
        duckdb.InvalidInputException
            If there are several statements.
        """
        return self._connection.sql(self._one(query))

    def register(self, name: str, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Let statements read an Arrow table.

        Parameters
        ----------
        name : str
        rows : pa.Table or pa.RecordBatchReader
            One statement reads all that a reader has.
        """
        self._connection.register(name, rows)

    def unregister(self, name: str) -> None:
        """Forget it.

        Parameters
        ----------
        name : str
        """
        self._connection.unregister(name)

    def close(self) -> None:
        """Let go of the catalogue."""
        self._connection.close()

    def _one(self, query: str) -> duckdb.Statement:
        statements = self._connection.extract_statements(query)  # which DuckDB would do anyway: it costs nothing
        if len(statements) != 1:
            raise duckdb.InvalidInputException(f"{len(statements)} statements where one is expected: {query[:200]}")
        return statements[0]
