"""Runs in the store: written once, found again by what went in, listed, compared, removed."""

from __future__ import annotations

import json
import platform
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.experiments.assembly import Result
from mirstore.core.experiments.metrics import interval
from mirstore.store.store import Store

if TYPE_CHECKING:
    from mirstore.store.experiments import Planned

tables = ("metrics", "importances", "predictions", "contributions", "column_weights", "label_distributions")
"""Tables with a run's results; each is an attribute of `Result` too."""


case_keys = ("experiment", "task", "features", "grouping", "smoothing", "model")
"""What a case is called."""


def finished(store: Store) -> dict[str, str]:
    """Return the finished runs: checksum of what went in to run."""
    runs = store.scan("core.runs").select("run", "config_sha256").join(_states(store), on="run").collect()
    return dict(runs.filter(pl.col("state") == "finished").select("config_sha256", "run").iter_rows())


def _states(store: Store) -> pl.LazyFrame:
    return store.scan("core.run_events").sort("added").group_by("run").agg(pl.col("state").last())


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
    error = error.encode("utf-8", "backslashreplace").decode()  # of a file name that is no text
    with store.write(f"run {item.case} failed") as tx:
        tx.append("core.runs", [_row(run, item, {**item.details, **_circumstances(item)}, added)])
        tx.append("core.run_events", [{"run": run, "state": "failed", "detail": error, "added": added}])
    return run


def prefer(store: Store, runs: Sequence[str]) -> None:
    """Make runs that were found again the latest of their cases: they are what the registry means now."""
    if not runs:
        return
    events = store.scan("core.run_events").filter(pl.col("state") == "finished")
    times = events.join(store.scan("core.runs"), on="run").group_by("run", *case_keys).agg(pl.col("added").max())
    latest = times.sort("added").group_by(case_keys).agg(pl.col("run").last()).collect()["run"]
    _, added = _new()
    if older := sorted(set(runs) - set(latest)):
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


def remove(store: Store, runs: Sequence[str]) -> None:
    """Make runs disappear from all views; the next `run-experiment` runs their cases again.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    """
    known = set(find(store)["run"])
    for run in runs:
        if run not in known:
            raise UnknownNameError("run", run, [name for name in known if name.startswith(run)] or known)
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
    runs = store.sql("SELECT * FROM runs ORDER BY updated DESC")
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


def summaries(store: Store, runs: Sequence[str]) -> list[dict[str, Any]]:
    """Return what `run-experiment --json` prints, one object per run.

    Returns
    -------
    list of dict
        ``run``, ``experiment``, ``case``, ``state``, ``error``, ``metrics`` (name to ``mean``, ``sd``, ``low``,
        ``high`` of the 95 % interval, ``values`` per fold), ``importances`` (group to mean share), ``snapshot``,
        ``seconds``. A fold that is the same in all repetitions, as a published one is, has one value: their mean.
    """
    rows = {row["run"]: row for row in find(store).filter(pl.col("run").is_in(list(runs))).iter_rows(named=True)}
    raw = store.scan("core.runs").filter(pl.col("run").is_in(list(runs))).select("run", "config", "details").collect()
    configs = {run: (json.loads(config), json.loads(details)) for run, config, details in raw.iter_rows()}
    metrics = store.scan("core.metrics").filter(pl.col("run").is_in(list(runs)) & pl.col("label").is_null()).collect()
    shares = store.scan("core.importances").filter(
        pl.col("run").is_in(list(runs)) & (pl.col("kind") == "fold") & (pl.col("measure") == "share")
    )
    means = shares.group_by("run", "group", maintain_order=True).agg(pl.col("value").mean()).collect()
    found = []
    for run in runs:
        row, (config, details) = rows[run], configs[run]
        found.append(
            {
                "run": run,
                "experiment": row["experiment"],
                "case": config["case"],
                "state": row["state"],
                "error": row["error"],
                "metrics": statistics(metrics.filter(pl.col("run") == run), details["folds"]),
                "importances": dict(means.filter(pl.col("run") == run).select("group", "value").iter_rows()),
                "snapshot": row["snapshot"],
                "seconds": details.get("seconds"),
            }
        )
    return found


def statistics(metrics: pl.DataFrame, folds: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return mean, standard deviation, interval and values per metric of one run."""
    which = pl.DataFrame(
        [(fold["run"], fold["fold"], fold["sha256"]) for fold in folds],
        schema={"repeat": pl.Int32, "fold": pl.Int32, "sha256": pl.String},
        orient="row",
    )
    # Another seed on the same fold is no other fold: it says nothing about other tracks.
    per_fold = (
        metrics.join(which, on=["repeat", "fold"])
        .sort("repeat", "fold")
        .group_by("name", "sha256", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    found = {}
    for (name,), rows in per_fold.group_by("name", maintain_order=True):
        values = rows["value"].to_list()
        low, high = _inside(interval(values, _test_share(folds)))
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found[str(name)] = {
            "mean": sum(values) / len(values),
            "sd": deviation,
            "low": low,
            "high": high,
            "values": values,
        }
    return found


def _test_share(folds: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(fold["test"] for fold in folds) / max(1, sum(fold["train"] for fold in folds)))


def _inside(found: tuple[float, float] | None) -> tuple[float | None, float | None]:
    """Return an interval without the part that no metric can reach."""
    return (None, None) if found is None else (max(found[0], 0.0), min(found[1], 1.0))


def everything(store: Store, name: str) -> dict[str, Any]:
    """Return one run's summary with its configuration and circumstances.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    """
    run = find(store, [name])["run"][0]
    (row,) = store.scan("core.runs").filter(pl.col("run") == run).select("config", "details").collect().iter_rows()
    (summary,) = summaries(store, [run])
    return {**summary, "config": json.loads(row[0]), "details": json.loads(row[1])}


def compare(store: Store, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per run and metric, with the paired difference to the first run where the folds are the same.

    Returns
    -------
    list of dict
        ``run``, ``case``, ``metric``, ``mean``, ``difference`` and ``low``, ``high`` of its 95 % interval: null if
        the runs were not made on the same folds.
    """
    runs = find(store, names)["run"].to_list()
    found = summaries(store, runs)
    raw = store.scan("core.runs").filter(pl.col("run").is_in(runs)).select("run", "details").collect()
    folds = {run: json.loads(details)["folds"] for run, details in raw.iter_rows()}
    rows = []
    for summary in found:
        first, same = found[0], folds[summary["run"]] == folds[found[0]["run"]]
        for metric, value in summary["metrics"].items():
            base = first["metrics"].get(metric)
            row = {
                "run": summary["run"],
                "case": " ".join(_short(summary["case"])),
                "metric": metric,
                "mean": value["mean"],
            }
            rows.append(
                row | _difference(value, base if same and summary is not first else None, folds[summary["run"]])
            )
    return rows


def _short(case: Mapping[str, Any]) -> list[str]:
    return ["+".join(value) if isinstance(value, list) else str(value) for value in case.values() if value != "none"]


def _difference(
    value: Mapping[str, Any], base: Mapping[str, Any] | None, folds: Sequence[Mapping[str, Any]]
) -> dict[str, float | None]:
    if base is None or len(base["values"]) != len(value["values"]):
        return {"difference": None, "low": None, "high": None}
    differences = [a - b for a, b in zip(value["values"], base["values"], strict=True)]
    low, high = interval(differences, _test_share(folds)) or (None, None)
    return {"difference": sum(differences) / len(differences), "low": low, "high": high}
