"""What runs gave: means with intervals, and how they compare."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.experiments.inference import interval
from mirstore.core.experiments.metrics import ends
from mirstore.store.experiments.details import Details, FoldDetails
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.runs import find
from mirstore.store.lake.withdrawn import withdrawn_from
from mirstore.store.store import Store


@dataclass(frozen=True)
class Statistics:
    """A metric over folds.

    Attributes
    ----------
    mean : float
    sd : float or None
        Standard deviation; None for one fold.
    low, high : float or None
        Of the 95 % interval; None for one fold, or if all folds have the same value.
    values : sequence of float
        One per fold. A fold that is the same in all repetitions, as a published one is, has one: their mean.
    repetitions : sequence of float
        The mean over folds of each repetition: on folds that are the same in all, how much depends on the training
        tracks that ``train_size`` left, and on the model's seed.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    values: Sequence[float]
    repetitions: Sequence[float] = ()


@dataclass(frozen=True)
class RunSummary:
    """What a run gave; `as_dict` is what ``mirstore run-experiment --json`` prints.

    Attributes
    ----------
    run, experiment : str
    case : Mapping
        What tells it apart.
    state : str
        ``finished`` or ``failed``.
    error : str or None
        Why it failed.
    metrics : Mapping of str to Statistics
        Empty if it has not finished, whatever damage has left of it.
    importances : Mapping of str to float
        Group to its mean share; empty likewise.
    snapshot : int
    withdrawn : int
        How many of its tracks were taken out since.
    seconds : float or None [s]
        CPU time.
    """

    run: str
    experiment: str
    case: Mapping[str, Any]
    state: str
    error: str | None
    metrics: Mapping[str, Statistics]
    importances: Mapping[str, float]
    snapshot: int
    withdrawn: int
    seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Results:
    """What became of the cases of experiments.

    Attributes
    ----------
    cases : sequence of Planned
        All that were asked for.
    runs : sequence of RunSummary
        Of each case that has run, now or before.
    """

    cases: Sequence[Planned]
    runs: Sequence[RunSummary]

    @property
    def failed(self) -> list[RunSummary]:
        """The runs of the cases that failed."""
        return [run for run in self.runs if run.state != "finished"]

    @property
    def lacking(self) -> list[Planned]:
        """The cases that could not run."""
        return [item for item in self.cases if item.state == "lacking"]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        lacking = [{"case": item.case.names(), "why": item.why} for item in self.lacking]
        return {"runs": [run.as_dict() for run in self.runs], "lacking": lacking}


def summaries(store: Store, runs: Sequence[str]) -> list[RunSummary]:
    """Return what runs gave, in their order.

    Parameters
    ----------
    store : Store
    runs : sequence of str
        That are in the store.
    """
    rows = {row["run"]: row for row in find(store).filter(pl.col("run").is_in(list(runs))).iter_rows(named=True)}
    raw = store.scan("core.runs").filter(pl.col("run").is_in(list(runs))).select("run", "config", "details").collect()
    configs = {run: (json.loads(config), Details.read(details)) for run, config, details in raw.iter_rows()}
    finished = [run for run in runs if rows[run]["state"] == "finished"]
    metrics = store.scan("core.metrics").filter(pl.col("run").is_in(finished) & pl.col("label").is_null()).collect()
    shares = store.scan("core.importances").filter(
        pl.col("run").is_in(finished) & (pl.col("kind") == "fold") & (pl.col("measure") == "share")
    )
    means = shares.group_by("run", "group", maintain_order=True).agg(pl.col("value").mean()).collect()
    withdrawn = withdrawn_from(store)
    found = []
    for run in runs:
        row, (config, details) = rows[run], configs[run]
        found.append(
            RunSummary(
                run=run,
                experiment=row["experiment"],
                case=config["case"],
                state=row["state"],
                error=row["error"],
                metrics=statistics(metrics.filter(pl.col("run") == run), details.folds),
                importances=dict(means.filter(pl.col("run") == run).select("group", "value").iter_rows()),
                snapshot=row["snapshot"],
                withdrawn=withdrawn[run],
                seconds=details.ran.seconds,
            )
        )
    return found


def statistics(metrics: pl.DataFrame, folds: Sequence[FoldDetails]) -> dict[str, Statistics]:
    """Return the metrics of one run.

    Parameters
    ----------
    metrics : pl.DataFrame
        ``name``, ``repeat``, ``fold``, ``value``: the means over labels.
    folds : sequence of FoldDetails
        Of the same run.

    Returns
    -------
    dict of str to Statistics
        By metric: mean, spread and interval over different folds.
    """
    by_repeat = metrics.group_by("name", "repeat").agg(pl.col("value").mean()).sort("repeat")
    repeated = {name: part["value"].to_list() for (name,), part in by_repeat.group_by("name")}
    found = {}
    for (name,), rows in per_fold(metrics, folds, "name").group_by("name", maintain_order=True):
        values = rows["value"].to_list()
        low, high = _inside(interval(values, test_share(folds)), str(name))
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found[str(name)] = Statistics(sum(values) / len(values), deviation, low, high, values, repeated[name])
    return found


def per_fold(rows: pl.DataFrame, folds: Sequence[FoldDetails], *by: str) -> pl.DataFrame:
    """Return one value per different fold: another seed on the same fold says nothing about other tracks.

    Parameters
    ----------
    rows : pl.DataFrame
        ``repeat``, ``fold``, ``value`` and `by`; or ``number`` in place of the first two, which counts the folds of all
        repetitions.
    folds : sequence of FoldDetails
        Of the same run.
    *by : str
        What tells values of one fold apart.

    Returns
    -------
    pl.DataFrame
        ``sha256`` (of the fold), `by`, and ``value``: the mean over repetitions; in the order of the folds.
    """
    numbers = 1 + max((fold.fold for fold in folds), default=0)
    which = pl.DataFrame(
        [(fold.run, fold.fold, fold.run * numbers + fold.fold, fold.sha256) for fold in folds],
        schema={"repeat": pl.Int32, "fold": pl.Int32, "number": pl.Int32, "sha256": pl.String},
        orient="row",
    )
    place = ["repeat", "fold"] if "fold" in rows.columns else ["number"]
    return (
        rows.with_columns(pl.col(place).cast(pl.Int32))
        .join(which.select(*place, "sha256"), on=place)
        .sort(place, maintain_order=True)
        .group_by("sha256", *by, maintain_order=True)
        .agg(pl.col("value").mean())
    )


def test_share(folds: Sequence[FoldDetails]) -> float:
    """Return test tracks over training tracks of a fold.

    Parameters
    ----------
    folds : sequence of FoldDetails
    """
    return float(sum(fold.test for fold in folds) / max(1, sum(fold.train for fold in folds)))


def _inside(found: tuple[float, float] | None, metric: str) -> tuple[float | None, float | None]:
    """Return an interval without the part that the metric cannot reach."""
    low, high = ends(metric)
    return (None, None) if found is None else (max(found[0], low), min(found[1], high))


def everything(store: Store, name: str) -> dict[str, Any]:
    """Return one run's summary with its configuration and circumstances.

    Parameters
    ----------
    store : Store
    name : str
        Of the run; its first letters do.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    """
    run = find(store, [name])["run"][0]
    (row,) = store.scan("core.runs").filter(pl.col("run") == run).select("config", "details").collect().iter_rows()
    (summary,) = summaries(store, [run])
    details = Details.read(row[1])
    if summary.withdrawn:
        details = details.without_examples()
    return {**summary.as_dict(), "config": json.loads(row[0]), "details": details.as_dict()}


def compare(store: Store, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per run and metric, with the paired difference to the first run where the folds are the same.

    Parameters
    ----------
    store : Store
    names : sequence of str
        Runs (the first letters do), or experiments.

    Returns
    -------
    list of dict
        ``run``, ``case`` (in what tells these runs apart), ``metric``, ``mean``, ``difference`` and ``low``, ``high``
        of its 95 % interval: null if the runs were not made on the same folds, the interval also if all differences
        are equal.
    """
    runs = find(store, names)["run"].to_list()
    found = summaries(store, runs)
    cases = _apart([summary.case for summary in found])
    raw = store.scan("core.runs").filter(pl.col("run").is_in(runs)).select("run", "details").collect()
    folds = {run: Details.read(details).folds for run, details in raw.iter_rows()}
    rows = []
    for summary, case in zip(found, cases, strict=True):
        first, same = found[0], folds[summary.run] == folds[found[0].run]
        for metric, value in summary.metrics.items():
            base = first.metrics.get(metric)
            row = {"run": summary.run, "case": case, "metric": metric, "mean": value.mean}
            rows.append(row | _difference(value, base if same and summary is not first else None, folds[summary.run]))
    return rows


def _apart(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return each case by the names that others do not share, in few words; by its model if all are shared."""
    keys = list(dict.fromkeys(key for case in cases for key in case))
    telling = [key for key in keys if any(case.get(key) != cases[0].get(key) for case in cases)] or ["model"]
    return [" ".join(_text(case[key]) for key in telling if key in case) for case in cases]


def _text(value: str | list[str]) -> str:
    return "+".join(value) if isinstance(value, list) else str(value)


def _difference(value: Statistics, base: Statistics | None, folds: Sequence[FoldDetails]) -> dict[str, float | None]:
    if base is None or len(base.values) != len(value.values):
        return {"difference": None, "low": None, "high": None}
    differences = [a - b for a, b in zip(value.values, base.values, strict=True)]
    low, high = interval(differences, test_share(folds)) or (None, None)
    return {"difference": sum(differences) / len(differences), "low": low, "high": high}
