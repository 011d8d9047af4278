"""The command line: a command parses, calls one function and prints."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from mirstore.cli import signals
from mirstore.cli.commands import App, Quiet, Registry, Store, Verbose
from mirstore.cli.context import Context

app = App()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mirstore {version('mirstore')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    store: Store = None,
    registry: Registry = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Keep versioned features of music recordings, and ask them questions in SQL.

    Examples
    --------
    $ mirstore ingest ~/Music --features essentia
    $ mirstore sql "SELECT path, bpm FROM tracks JOIN essentia USING (track) ORDER BY bpm DESC LIMIT 5"
    """
    context.obj = Context(store or os.environ.get("MIRSTORE_STORE") or "store", registry, verbose, quiet)


from mirstore.cli import (  # noqa: E402  # commands register themselves on `app`
    dataset,
    doctor,
    export,
    features,
    gc,
    ingest,
    init,
    log,
    models,
    plugins,
    report,
    rm,
    run_experiment,
    runs,
    sql,
    status,
    train,
    weights,
)

app.command()(init.init)
app.command()(ingest.ingest)
app.command()(status.status)
app.command(cls=sql.Statement)(sql.sql)
app.command("run-experiment")(run_experiment.run_experiment)
app.command()(train.train)
app.command()(report.report)
app.command()(export.export)
app.command()(rm.rm)
app.command()(log.log)
app.command()(log.pin)
app.command()(log.unpin)
app.command()(gc.gc)
app.command()(doctor.doctor)
app.add_typer(features.app, name="features")
app.add_typer(dataset.app, name="dataset")
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(plugins.app, name="plugins")
app.add_typer(weights.app, name="weights")


def plain_output() -> None:
    """Escape what stdout has no letters for: a terminal may know fewer than a title has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line."""
    signals.catch()
    plain_output()
    try:
        app()
    except BrokenPipeError:  # `mirstore sql … | head`
        sys.stderr.close()
        raise SystemExit(141) from None
