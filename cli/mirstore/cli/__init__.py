"""The command line: a command parses, calls one function and prints; here errors become text and exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mirstore.cli import signals
from mirstore.core.errors import MirstoreError


class _Commands(TyperGroup):
    """Turns errors that a user can act on into two lines and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MirstoreError as error:
            typer.secho(f"error: {error.message}", fg="red", err=True)
            if error.hint:
                typer.echo(f"hint: {error.hint}", err=True)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:
            raise  # somebody has read enough: Typer ends quietly
        except OSError as error:
            in_store = ctx.obj is not None and str(Path(ctx.obj.store).absolute()) in str(error)
            typer.secho(f"error: {' '.join(str(error).split())}", fg="red", err=True)
            if in_store:
                typer.echo("hint: mirstore doctor", err=True)
            raise typer.Exit(6 if in_store else 2) from error
        except (KeyboardInterrupt, RuntimeError) as error:  # DuckDB makes "Query interrupted" of Ctrl-C
            if not isinstance(error, KeyboardInterrupt) and "interrupted" not in str(error).lower():
                raise
            typer.echo("interrupted: what was committed stays; run the same command again to go on", err=True)
            raise typer.Exit(signals.exit_code()) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mirstore {version('mirstore')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    store: Annotated[str, typer.Option(envvar="MIRSTORE_STORE", help="The store's folder.")] = "store",
    registry: Annotated[str | None, typer.Option(help="Project registry.  [default: ./registry.toml]")] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no remarks.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Keep versioned features of music recordings, and ask them questions in SQL."""
    from mirstore.cli.context import Context

    context.obj = Context(store, registry, verbose, quiet)


from mirstore.cli import (  # noqa: E402  # commands register themselves on `app`
    dataset,
    doctor,
    export,
    features,
    gc,
    ingest,
    init,
    log,
    plugins,
    report,
    rm,
    run_experiment,
    runs,
    sql,
    status,
)

app.command()(init.init)
app.command()(ingest.ingest)
app.command()(status.status)
app.command()(sql.sql)
app.command("run-experiment")(run_experiment.run_experiment)
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
app.add_typer(plugins.app, name="plugins")


def main() -> None:
    """Run the command line."""
    signals.catch()
    try:
        app()
    except BrokenPipeError:  # `mirstore sql … | head`
        sys.stderr.close()
        raise SystemExit(141) from None
