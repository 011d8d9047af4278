"""Runs in the store: written once, found again by what went in, listed, compared, removed."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.experiments.assembly import Result
from mirstore.store.experiments.planned import Planned
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import order
from mirstore.store.removal import Removal
from mirstore.store.store import Store

tables = ("metrics", "importances", "predictions", "contributions", "column_weights", "label_distributions")
"""Tables with a run's results; each is an attribute of `Result` too."""


case_keys = ("experiment", "task", "features", "grouping", "smoothing", "model")
"""What a case is called."""


def finished(store: Store) -> dict[str, str]:
    """Return the finished runs: checksum of what went in to run."""
    runs = store.scan("core.runs").select("run", "config_sha256").join(_states(store), on="run").collect()
    return dict(runs.filter(pl.col("state") == "finished").select("config_sha256", "run").iter_rows())


def _states(store: Store) -> pl.LazyFrame:
    return latest(store.scan("core.run_events"), "run").select("run", "state")


def record_result(store: Store, item: Planned, result: Result) -> str:
    """Commit a finished case and pin its snapshot; if another process was faster, return that one's run."""
    details = {**item.details, **_circumstances(item), "notes": result.notes}
    details |= {"seconds": result.seconds, "overhead_seconds": result.seconds - result.fit_seconds}
    with store.write(f"run {item.case}") as tx:
        there = finished(store).get(item.sha256)
        if there:
            return there
        run, added = _new()
        tx.append("core.runs", [_row(run, item, details, added)])
        tx.append("core.run_events", [{"run": run, "state": "finished", "added": added}])
        for table in tables:
            rows = getattr(result, table)
            frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
            if frame.height:
                tx.append(f"core.{table}", frame.with_columns(pl.lit(run).alias("run")).to_arrow())
        tx.append(
            "core.pins", [{"name": f"run {run}", "snapshot": item.snapshot, "note": str(item.case), "added": added}]
        )
    return run


def record_failure(store: Store, item: Planned, error: str) -> str:
    """Commit a failed case; the next attempt is another run."""
    run, added = _new()
    with store.write(f"run {item.case} failed") as tx:
        tx.append("core.runs", [_row(run, item, {**item.details, **_circumstances(item)}, added)])
        tx.append("core.run_events", [{"run": run, "state": "failed", "detail": error, "added": added}])
    return run


def prefer(store: Store, runs: Sequence[str]) -> None:
    """Make runs that were found again the latest of their cases: they are what the registry means now."""
    if not runs:
        return
    events = store.scan("core.run_events").filter(pl.col("state") == "finished")
    times = events.join(store.scan("core.runs"), on="run").group_by("run", *case_keys).agg(pl.col(order).max())
    newest = latest(times, *case_keys).collect()["run"]
    _, added = _new()
    if older := sorted(set(runs) - set(newest)):
        with store.write(f"found again {', '.join(older)}") as tx:
            tx.append("core.run_events", [{"run": run, "state": "finished", "added": added} for run in older])


def _new() -> tuple[str, datetime]:
    return uuid.uuid4().hex[:10], datetime.now(UTC).replace(tzinfo=None)


def _row(run: str, item: Planned, details: Mapping[str, Any], added: datetime) -> dict[str, Any]:
    names = {key: item.case.text(key) for key in ("task", "features", "grouping", "smoothing", "model")}
    return {
        "run": run,
        "experiment": item.case.experiment,
        **names,
        "config": json.dumps(item.config, ensure_ascii=False),
        "config_sha256": item.sha256,
        "details": json.dumps(details, ensure_ascii=False),
        "snapshot": item.snapshot,
        "added": added,
    }


def _circumstances(item: Planned) -> dict[str, Any]:
    assert item.assembly is not None
    seeds = [item.assembly.seed + repeat for repeat in sorted({fold.repeat for fold in item.assembly.folds})]
    return {
        "seeds": seeds,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "distributions": {name: version(name) for name in ("scipy", "scikit-learn", "polars")}
        | item.details["distributions"],
    }


def removal(store: Store, runs: Sequence[str]) -> Removal:
    """Return what `remove` would take, for the one who has to agree.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    """
    there = find(store)
    known = set(there["run"])
    for run in runs:
        if run not in known:
            raise UnknownNameError("run", run, [name for name in known if name.startswith(run)] or known)
    chosen = there.filter(pl.col("run").is_in(list(runs)))
    experiments = ", ".join(chosen["experiment"].unique().sort())
    names = ", ".join(chosen["run"].head(3)) + (f" and {chosen.height - 3} more" if chosen.height > 3 else "")
    what = f"{chosen.height} run{'' if chosen.height == 1 else 's'} ({names}) of {experiments}, with metrics"
    return Removal(f"{what} and predictions", [], {"runs": chosen.height})


def remove(store: Store, runs: Sequence[str]) -> None:
    """Make runs disappear from all views; the next `run-experiment` runs their cases again.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    """
    runs = list(dict.fromkeys(runs))
    removal(store, runs)
    _, added = _new()
    with store.write(f"remove runs {', '.join(runs)}") as tx:
        tx.append("core.run_events", [{"run": run, "state": "removed", "added": added} for run in runs])


def find(store: Store, names: Sequence[str] = ()) -> pl.DataFrame:
    """Return runs, the latest of each case first.

    Parameters
    ----------
    store : Store
    names : sequence of str
        Runs (also the first letters of one) or experiments, of which the latest finished run of each case is meant,
        or the latest one if none has finished; all if empty.

    Raises
    ------
    UnknownNameError
        If nothing is called so.
    UsageError
        If there is no run at all, or the first letters are those of several.
    """
    runs = store.sql("SELECT * EXCLUDE (committed) FROM runs ORDER BY committed DESC")
    if not names:
        return runs
    if runs.is_empty():
        raise UsageError("there are no runs yet", hint=f"mirstore run-experiment {names[0]}")
    chosen: list[str] = []
    for name in names:
        of_experiment = runs.filter(pl.col("experiment") == name).sort(
            pl.col("state") != "finished", maintain_order=True
        )
        matches = of_experiment.unique(case_keys, keep="first", maintain_order=True)["run"].to_list()
        matches = matches or [run for run in runs["run"] if run.startswith(name)]
        if not matches:
            raise UnknownNameError("run or experiment", name, runs["experiment"].unique())
        if of_experiment.is_empty() and len(matches) > 1:
            raise UsageError(f"{name!r} could be any of {', '.join(matches)}", hint="give more of its letters")
        chosen += matches
    order = {run: i for i, run in enumerate(dict.fromkeys(chosen))}
    return runs.filter(pl.col("run").is_in(list(order))).sort(pl.col("run").replace_strict(order, default=None))
