"""mirstore sql."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mirstore.cli import complete
from mirstore.cli.commands import Command, statement
from mirstore.cli.context import AtOption, SafeCsvOption, SnapshotOption
from mirstore.cli.text import tell

longest = 1_000_000  # letters of a statement from standard input, which need not end


class Statement(Command):
    """A command whose argument is SQL: it may begin with a comment, which is no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line."""
        return super().parse_args(ctx, list(statement(args)))


def sql(
    context: typer.Context,
    query: Annotated[
        str | None, typer.Argument(help="One SELECT statement, or - to read it from stdin: up to 1,000,000 letters.")
    ] = None,
    output_format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            help="table, csv, tsv, json, jsonl, parquet or md.",
            autocompletion=complete.formats,
        ),
    ] = "table",
    schema: Annotated[bool, typer.Option("--schema", help="Print the views, their columns and units.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which the query is stopped.")] = 60.0,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="What the query and its answer may take each.")] = "2GB",
    safe_csv: SafeCsvOption = False,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Ask the store a question in SQL, read-only.

    Views: tracks, labels, splits, features, columns, lineage, failures, and one per feature name. EXPLAIN works too.

    Examples
    --------
    $ mirstore sql "SELECT path, bpm FROM tracks JOIN essentia USING (track) ORDER BY bpm DESC LIMIT 5"
    $ mirstore sql "SELECT path, feature, error, message FROM failures" --format csv
    $ mirstore sql --schema
    """
    if query is not None and not schema:
        from mirstore.store.sql.engines import start

        start()  # it loads DuckDB while this process does
    from mirstore.cli.output import check_format, disarmed, show
    from mirstore.core.errors import UsageError

    wanted = "json" if json_output else output_format
    check_format(wanted, safe_csv=safe_csv)
    with context.obj.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        if schema:
            tell(store.schema())
            return
        if query is None:
            raise UsageError("no query given", hint="mirstore sql 'SELECT * FROM tracks LIMIT 5', or --schema")
        text = _read() if query == "-" else query
        answer = store.sql(text, timeout=timeout, memory=memory)  # to draw it is no part of the query's time
    if wanted == "table" and answer.columns == ["explain_key", "explain_value"]:
        tell("\n".join(answer["explain_value"]))  # a drawing already
    else:
        show(disarmed(answer) if safe_csv else answer, wanted)


def _read() -> str:
    from mirstore.core.errors import UsageError

    if sys.stdin is None:
        raise UsageError("there is no standard input", hint="give the statement itself")
    try:
        text = sys.stdin.read(longest + 1)
    except UnicodeDecodeError:
        raise UsageError("standard input is no text in UTF-8", hint="write the statement as such") from None
    if len(text) > longest:
        raise UsageError(
            f"the statement from standard input is longer than {longest:,} letters",
            hint="give a shorter one: values that it lists can be joined from a table of the store",
        )
    return text
