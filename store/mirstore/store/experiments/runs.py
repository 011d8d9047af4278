"""Runs in the store: written once, found again by what went in, listed, compared, removed."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.experiments.assembly import Result
from mirstore.core.experiments.cases import keys
from mirstore.store.experiments.details import Circumstances, Details
from mirstore.store.experiments.planned import Planned
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import order
from mirstore.store.removal import Removal
from mirstore.store.store import Store

tables = (
    "metrics",
    "chance",
    "importances",
    "predictions",
    "chunk_predictions",
    "learning_curves",
    "contributions",
    "column_weights",
    "label_distributions",
    "held_out_distributions",
)
"""Tables with a run's results; each is an attribute of `Result` too."""


case_keys = ("experiment", *keys)
"""What a case is called."""


def finished(store: Store) -> dict[str, str]:
    """Return the finished runs: checksum of what went in to run.

    Parameters
    ----------
    store : Store
    """
    runs = store.scan("core.runs").select("run", "config_sha256").join(_states(store), on="run").collect()
    return dict(runs.filter(pl.col("state") == "finished").select("config_sha256", "run").iter_rows())


def _states(store: Store) -> pl.LazyFrame:
    return latest(store.scan("core.run_events"), "run").select("run", "state")


def record(store: Store, results: Sequence[tuple[Planned, Result | str]]) -> list[str]:
    """Commit what became of some cases, all or none, and pin the snapshots of those that finished.

    Parameters
    ----------
    store : Store
        Open for writing.
    results : sequence of (Planned, Result or str)
        The str says why a case failed; the next attempt is another run.

    Returns
    -------
    list of str
        A run per case; that of another process, if it was faster.
    """
    message = f"run {results[0][0].case}" if len(results) == 1 else f"run {len(results)} cases"
    with store.write(message) as tx:
        there = finished(store)
        runs = [None if isinstance(result, str) else there.get(item.sha256) for item, result in results]
        new = [(uuid.uuid4().hex[:10], *entry) for entry, run in zip(results, runs, strict=True) if run is None]
        stamp = {"added": datetime.now(UTC).replace(tzinfo=None)}
        done = [(run, item, result) for run, item, result in new if not isinstance(result, str)]
        tx.append("core.runs", [{**_row(run, item, _details(item, result)), **stamp} for run, item, result in new])
        tx.append("core.run_events", [{"run": run, **_event(result), **stamp} for run, _, result in new])
        for table in tables:
            frames = [_frame(getattr(result, table), run) for run, _, result in done]
            if frames := [frame for frame in frames if frame.height]:
                tx.append(f"core.{table}", pl.concat(frames, how="diagonal_relaxed").to_arrow())
        pins = [{"name": f"run {run}", "snapshot": item.snapshot, "note": str(item.case)} for run, item, _ in done]
        tx.append("core.pins", [{**pin, **stamp} for pin in pins])
    names = iter(run for run, _, _ in new)
    return [run or next(names) for run in runs]


def _event(result: Result | str) -> dict[str, str]:
    return {"state": "failed", "detail": result} if isinstance(result, str) else {"state": "finished"}


def _frame(rows: pl.DataFrame | list[dict[str, Any]], run: str) -> pl.DataFrame:
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.lit(run).alias("run"))


def _details(item: Planned, result: Result | str) -> Details:
    """Return what describes a case, with what is known since it ran."""
    assert item.details is not None  # only cases that are ready run
    assert item.assembly is not None
    ran = Circumstances(
        seeds=[item.assembly.seed + repeat for repeat in sorted({fold.repeat for fold in item.assembly.folds})],
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
    )
    if isinstance(result, Result):
        ran = replace(
            ran,
            notes=result.notes,
            measures=result.measures,
            scales=result.scales,
            seconds=result.seconds,
            overhead_seconds=result.seconds - result.fit_seconds,
        )
    base = {name: version(name) for name in ("scipy", "scikit-learn", "polars")}
    return replace(item.details, ran=ran, distributions={**base, **item.details.distributions})


def prefer(store: Store, runs: Sequence[str]) -> None:
    """Make runs that were found again the latest of their cases: they are what the registry means now.

    Parameters
    ----------
    store : Store
    runs : sequence of str
    """
    if not runs:
        return
    events = store.scan("core.run_events").filter(pl.col("state") == "finished")
    chunk = pl.col("config").str.json_path_match("$.case.chunk").fill_null("none").alias("chunk")
    cases = store.scan("core.runs").with_columns(chunk)
    times = events.join(cases, on="run").group_by("run", *case_keys).agg(pl.col(order).max())
    newest = latest(times, *case_keys).collect()["run"]
    there = set(finished(store).values())  # one may have been removed, or have failed, since it was found
    added = datetime.now(UTC).replace(tzinfo=None)
    if older := sorted(set(runs) & there - set(newest)):
        with store.write(f"found again {', '.join(older)}") as tx:
            tx.append("core.run_events", [{"run": run, "state": "finished", "added": added} for run in older])


def _row(run: str, item: Planned, details: Details) -> dict[str, Any]:
    names = {key: item.case.text(key) for key in keys if key != "chunk"}  # which stands in the configuration
    return {
        "run": run,
        "experiment": item.case.experiment,
        **names,
        "config": json.dumps(item.config, ensure_ascii=False),
        "config_sha256": item.sha256,
        "details": json.dumps(details.as_dict(), ensure_ascii=False),
        "snapshot": item.snapshot,
    }


def removal(store: Store, runs: Sequence[str]) -> Removal:
    """Return what `remove` would take, for the one who has to agree.

    Parameters
    ----------
    store : Store
    runs : sequence of str
        Their whole names.

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

    Parameters
    ----------
    store : Store
    runs : sequence of str
        Their whole names.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    """
    runs = list(dict.fromkeys(runs))
    removal(store, runs)
    added = datetime.now(UTC).replace(tzinfo=None)
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
        hint = f"mirstore run-experiment {names[0]}; with --dry-run it says what its cases lack"
        raise UsageError("there are no runs yet", hint=hint)
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
