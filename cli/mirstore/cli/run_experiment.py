"""mirstore run-experiment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from mirstore.cli import complete
from mirstore.cli.context import AtOption, ExecutorOption, SnapshotOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mirstore.cli.context import Context
    from mirstore.core.experiments.cases import Case
    from mirstore.store import Store
    from mirstore.store.experiments.checkpoints import Epoch
    from mirstore.store.experiments.planned import Planned


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
    from mirstore.core.cores import cores
    from mirstore.core.experiments.cases import cases
    from mirstore.store.experiments.planning import plan

    app: Context = context.obj
    registry = app.load_registry()
    chosen = cases(registry, names, only or [])
    with app.open_store(read_only=True, snapshot=snapshot, at=at) as store:
        snapshot = store.snapshot_id
    with app.open_store() as store:
        planned = plan(store, chosen, registry, app.load_plugins(), snapshot)
        if dry_run:
            _show_plan(planned, json_output)
            return
        outcomes = _run(app, store, planned, jobs or cores(), timeout, executor)
        _show(app, store, planned, outcomes, json_output)
    failed = sum(error is not None for _, error in outcomes.values())
    lacking = [item for item in planned if item.state == "lacking"]
    for item in lacking:
        app.say(f"not run: {item.case}: {item.why}")
    if failed or lacking:
        app.say(f"{len(planned) - failed - len(lacking)} of {len(planned)} cases are finished")
        raise typer.Exit(3)


def _run(
    app: Context, store: Store, planned: Sequence[Planned], workers: int, timeout: float | None, executor: str | None
) -> dict[Case, tuple[str, str | None]]:
    """Return run and error per case that ran or was finished."""
    from mirstore.store.datasets import spelling_remarks
    from mirstore.store.experiments.checkpoints import Epoch
    from mirstore.store.experiments.running import run

    for text in dict.fromkeys(text for item in planned for text in (*_unmatched(item), *_unused(item), *_unread(item))):
        app.say(text)
    for dataset in dict.fromkeys(_by_artist(planned)):
        for text in spelling_remarks(store, dataset):
            app.say(f"{dataset}: {text}")
    found: dict[Case, tuple[str, str | None]] = {item.case: (item.run, None) for item in planned if item.run}
    total = sum(item.state == "ready" for item in planned)
    with app.progress() as progress:
        if total:
            progress(0, total, "cases")
        done = 0
        for outcome in run(store, planned, workers=workers, seconds=timeout, executor=executor):
            if isinstance(outcome, Epoch):
                progress.note("cases", f"{outcome.planned.case.model} {_epoch(outcome)}")
                continue
            done += 1
            progress(done, total, "cases")
            found[outcome.planned.case] = outcome.run, outcome.error
            if outcome.error:
                app.say(f"failed: {outcome.planned.case}: {outcome.error}")
    if total > 4:
        store.compact()
    return found


def _epoch(epoch: Epoch) -> str:
    values = ", ".join(f"{name} {value:.4g}" for name, value in epoch.values.items())
    return f"{epoch.part.replace('-', ' ')} epoch {epoch.number}: {values}"


def _unmatched(item: Planned) -> Iterator[str]:
    """Yield what groups that were written by hand ask for and nothing has: that is a misspelt name, perhaps."""
    if item.details and item.details["components"]["grouper"] is None:
        for group, patterns in item.details["lacking"].items():
            yield f"groupings.{item.case.grouping}: {group} names {', '.join(patterns)}, which no feature is called"


def _unused(item: Planned) -> Iterator[str]:
    """Yield which tracks of the task are neither learned from nor tested."""
    for left_out in item.details.get("data", {}).get("left_out", []):
        yield f"tasks.{item.case.task}: {left_out['tracks']} tracks are left out: {left_out['why']}"


def _unread(item: Planned) -> Iterator[str]:
    """Yield which features a model does not read."""
    yield from (f"models.{text}" for text in item.details.get("remarks", []))


def _by_artist(planned: Sequence[Planned]) -> Iterator[str]:
    """Yield the datasets whose folds keep artists together."""
    tasks = (item.details["task"] for item in planned if item.details)
    yield from (task["dataset"] for task in tasks if task["group_by"] == "artist")


def _show_plan(planned: Sequence[Planned], json_output: bool) -> None:
    rows = [
        {
            **item.case.names(),
            "state": item.state,
            "run": item.run,
            "why": item.why,
            "lacking": item.details.get("lacking", {}),
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
        frame.select(
            c for c in frame.columns if not (c in ("run", "why", "lacking") and frame[c].null_count() == len(frame))
        ),
        "table",
    )


def _show(
    app: Context,
    store: Store,
    planned: Sequence[Planned],
    outcomes: dict[Case, tuple[str, str | None]],
    json_output: bool,
) -> None:
    from mirstore.store.experiments.results import summaries

    order = [outcomes[item.case][0] for item in planned if item.case in outcomes]
    found = summaries(store, order)
    if json_output:
        for summary in found:
            typer.echo(json.dumps(summary))
    elif found:
        from mirstore.cli.runs import show_summaries

        show_summaries(found, app.load_registry())
        experiments = " ".join(dict.fromkeys(summary["experiment"] for summary in found))
        app.say(f"mirstore report {experiments} --open")
