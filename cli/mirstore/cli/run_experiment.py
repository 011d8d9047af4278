"""mirstore run-experiment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.context import AtOption, ExecutorOption, LogOption, SnapshotOption
from mirstore.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mirstore.cli.context import Context
    from mirstore.core.registry import Registry
    from mirstore.store.experiments.planned import Planned
    from mirstore.store.experiments.results import RunSummary


def run_experiment(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            help="Experiments of registry.toml; * and ? match several.", autocompletion=complete.experiments
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="key=value: only these cases, e.g. model=em-banded; repeat it for more keys or values.",
            autocompletion=complete.parts,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="List the cases and what each lacks.")] = False,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds that a case may take.  [default: any]", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=0, help="Worker processes; 0 means one per core.")] = 0,
    executor: ExecutorOption = None,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    log: LogOption = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object per case.")] = False,
) -> None:
    """Run the cases of an experiment that are not finished yet.

    A case is found again by everything that went into it: data, folds, features, groups, parameters, seeds. So an
    interrupted matrix goes on where it stopped, and running it twice computes nothing.

    Examples
    --------
    $ mirstore run-experiment clips --dry-run
    $ mirstore run-experiment clips --only model=em-banded --only model=majority
    """
    app: Context = context.obj
    if snapshot is not None or at is not None:
        with app.open_store(read_only=True, snapshot=snapshot, at=at) as store:
            snapshot = store.snapshot_id
    with app.project() as project:
        if dry_run:
            planned = project.cases(*names, only=only or [], snapshot=snapshot)
            for remark in project.remarks(planned):
                app.say(remark.text)
            _show_plan(planned, json_output)
            _say_lacking(app, [item for item in planned if item.state == "lacking"], "cannot run")
            return
        job = project.run(*names, only=only or [], snapshot=snapshot, jobs=jobs, timeout=timeout, executor=executor)
        found = app.watch(job, log)
        _show(app, found.runs, project.registry, json_output)
    _say_lacking(app, found.lacking, "not run")
    if left := len(found.failed) + len(found.lacking):
        app.say(f"{len(found.cases) - left} of {len(found.cases)} cases are finished")
        raise typer.Exit(3)


def _show_plan(planned: Sequence[Planned], json_output: bool) -> None:
    rows = [
        {
            **item.case.names(),
            "state": item.state,
            "run": item.run,
            "why": item.why,
            "lacking": item.details.lacking if item.details else {},
        }
        for item in planned
    ]
    if json_output:
        for item, row in zip(planned, rows, strict=True):
            typer.echo(json.dumps({"experiment": item.case.experiment, **row}))
        return
    import polars as pl

    from mirstore.cli.output import show

    varying = [
        row
        | {"features": "+".join(row["features"])}
        | {"lacking": ", ".join(f"{group} {len(names)}" for group, names in row["lacking"].items()) or None}
        for row in rows
    ]
    frame = pl.DataFrame(varying, infer_schema_length=None)
    show(
        frame.select(c for c in frame.columns if c != "why" and not (c in ("run", "lacking") and not frame[c].count())),
        "table",
    )


def _say_lacking(app: Context, items: Sequence[Planned], state: str) -> None:
    """Say what cases lack, each reason once."""
    why: dict[str | None, list[Planned]] = {}
    for item in items:
        why.setdefault(item.why, []).append(item)
    for reason, of_it in why.items():
        app.say(f"{state}: {of_it[0].case if len(of_it) == 1 else counted(len(of_it), 'case')}: {reason}")


def _show(app: Context, found: Sequence[RunSummary], registry: Registry, json_output: bool) -> None:
    if json_output:
        for summary in found:
            typer.echo(json.dumps(summary.as_dict()))
    elif found:
        from mirstore.cli.runs import show_summaries

        show_summaries(found, registry)
        experiments = " ".join(dict.fromkeys(summary.experiment for summary in found))
        app.say(f"mirstore report {experiments} --open")
