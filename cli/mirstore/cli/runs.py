"""mirstore runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.commands import App
from mirstore.cli.context import JsonOption, YesOption
from mirstore.cli.text import as_json, tell
from mirstore.core.text import counted

if TYPE_CHECKING:
    from mirstore.core.registry import Registry
    from mirstore.store.experiments.results import RunSummary, Statistics

app = App(help="List, show, compare and remove runs of experiments.")
Names = Annotated[
    list[str], typer.Argument(help="Runs (the first letters do), or experiments.", autocompletion=complete.runs)
]


@app.command("list")
def list_runs(
    context: typer.Context,
    experiment: Annotated[
        str | None, typer.Argument(help="Only of this experiment.", autocompletion=complete.runs)
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the runs, the latest first, with the metric that decides their task.

    Examples
    --------
    $ mirstore runs list
    $ mirstore runs list clips --json
    """
    from mirstore.store.experiments.results import summaries
    from mirstore.store.experiments.runs import find

    with context.obj.open_store() as store:
        runs = find(store)
        if experiment:
            find(store, [experiment])  # or say what there is
            runs = runs.filter(runs["experiment"] == experiment)
        found = summaries(store, runs["run"].to_list())
    if json_output:
        typer.echo(json.dumps([summary.as_dict() for summary in found]))
    elif found:
        show_summaries(found, context.obj.load_registry())
    else:
        tell("no runs yet: mirstore run-experiment NAME; with --dry-run it says what its cases lack")


@app.command()
def show(
    context: typer.Context, name: Annotated[str, typer.Argument(help="A run.", autocompletion=complete.runs)]
) -> None:
    """Show everything about one run as JSON: what went in, what came out, warnings.

    Examples
    --------
    $ mirstore runs show a81f
    $ mirstore runs show a81f | less
    """
    from mirstore.store.experiments.results import everything

    with context.obj.open_store() as store:
        typer.echo(as_json(everything(store, name), indent=1))


@app.command()
def compare(context: typer.Context, names: Names, json_output: JsonOption = False) -> None:
    """Compare runs: every metric side by side, with the paired difference to the first and its interval.

    Examples
    --------
    $ mirstore runs compare clips
    $ mirstore runs compare a81f 03bc --json
    """
    import polars as pl

    from mirstore.cli import output
    from mirstore.store.experiments.results import compare as paired

    with context.obj.open_store() as store:
        rows = paired(store, names)
    if not rows:
        context.obj.say("nothing to compare: none of these runs has finished")
        return
    output.show(pl.DataFrame(rows, infer_schema_length=None), "json" if json_output else "table")


@app.command()
def rm(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs, in full.", autocompletion=complete.runs)],
    yes: YesOption = False,
    json_output: JsonOption = False,
) -> None:
    """Remove runs with their metrics and predictions; their cases run again the next time.

    Examples
    --------
    $ mirstore runs rm a81f0c2d9e47
    $ mirstore runs rm a81f0c2d9e47 03bc55d1a2f0 --yes
    """
    from mirstore.store.experiments.runs import removal, remove

    with context.obj.open_store() as store:
        going = removal(store, runs)
        context.obj.agree(going.what, yes)
        remove(store, runs)
    context.obj.tell_removed(going, json_output)
    context.obj.say("mirstore gc --purge erases it for good")


def show_summaries(found: Sequence[RunSummary], registry: Registry) -> None:
    """Print a table: what tells the cases apart, the deciding metric with its interval, and the shares.

    Parameters
    ----------
    found : sequence of RunSummary
    registry : Registry
        Says which metric decides.
    """
    import polars as pl

    from mirstore.cli import output
    from mirstore.core.durations import duration

    rows = []
    for summary in found:
        case = {"chunk": "none", **summary.case, "features": "+".join(summary.case["features"])}
        task = registry.tasks.get(case["task"])
        metric = task.metric if task else next(iter(summary.metrics), "")
        value = summary.metrics.get(metric)
        shares = sorted(summary.importances.items(), key=lambda item: -item[1])
        rows.append(
            {
                "run": summary.run,
                "experiment": summary.experiment,
                **case,
                "metric": metric,
                "value": _with_interval(value) if value else summary.state,
                "shares": " ".join(f"{group} {share:.2f}" for group, share in shares[:5]),
                "time": None if summary.seconds is None else duration(summary.seconds),
            }
        )
    frame = pl.DataFrame(rows, infer_schema_length=None)
    told = ("experiment", "task", "features", "chunk", "grouping", "smoothing", "metric")
    same = [column for column in told if frame[column].n_unique() == 1]
    tell(" · ".join(f"{c} {frame[c][0]}" for c in same if frame[c][0] != "none"))
    output.show(frame.drop(same), "table")
    for summary in found:
        if count := summary.withdrawn:
            tell(f"run {summary.run}: {counted(count, 'track')} withdrawn since")


def _with_interval(value: Statistics) -> str:
    if value.low is None or value.high is None:
        return f"{value.mean:.4f}"
    return f"{value.mean:.4f} [{value.low:.3f}, {value.high:.3f}]"
