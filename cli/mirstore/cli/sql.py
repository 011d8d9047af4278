"""mirstore sql."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from mirstore.cli.context import AtOption, SnapshotOption


def sql(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="One SELECT statement, or - to read it from stdin.")] = None,
    output_format: Annotated[str, typer.Option("--format", "-f", help="table, csv, json, parquet or md.")] = "table",
    schema: Annotated[bool, typer.Option("--schema", help="Print the views, their columns and units.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which the query is stopped.")] = 60.0,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Ask the store a question in SQL, read-only.

    Views: tracks, labels, splits, features, columns, lineage, failures, and one per feature name.
    """
    from mirstore.cli.output import show
    from mirstore.core.errors import UsageError

    with _end_if_it_hangs(timeout), context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        if schema:
            typer.echo(store.schema())
            return
        if query is None:
            raise UsageError("no query given", hint="mirstore sql 'SELECT * FROM tracks LIMIT 5', or --schema")
        text = sys.stdin.read() if query == "-" else query
        show(store.sql(text, timeout=timeout), "json" if json_output else output_format)


@contextmanager
def _end_if_it_hangs(timeout: float, grace: float = 5.0) -> Iterator[None]:
    """End the process if a query does not react to being stopped: some of DuckDB's functions never look."""

    def end() -> None:
        os.write(2, f"error: stopped after {timeout:g} s\nhint: ask for less, or give a longer --timeout\n".encode())
        os._exit(1)

    watch = threading.Timer(timeout + grace, end)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
