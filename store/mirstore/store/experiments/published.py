"""Published figures beside ours: what the same case gave here, or why it gave nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from mirstore.core.experiments.cases import Case, keys
from mirstore.core.experiments.published import published
from mirstore.core.registry import Registry
from mirstore.core.text import some
from mirstore.store.experiments.report import PublishedFigure
from mirstore.store.experiments.results import summaries
from mirstore.store.experiments.runs import find
from mirstore.store.store import Store


def figures(store: Store, registry: Registry, runs: pl.DataFrame) -> list[PublishedFigure]:
    """Return the published figures of the experiments that runs belong to, of all their tasks.

    Parameters
    ----------
    store : Store
    registry : Registry
        An experiment that it does not know has none.
    runs : pl.DataFrame
        As `mirstore.store.experiments.runs.find` returns them: these are meant where a case has several.

    Raises
    ------
    ConfigError
        If a figure does not say which case it is of.
    """
    found = []
    for experiment in runs["experiment"].unique(maintain_order=True):
        if experiment in registry.experiments and registry.experiments[experiment].published:
            found += _of_experiment(store, registry, experiment, runs)
    return found


def _of_experiment(store: Store, registry: Registry, experiment: str, runs: pl.DataFrame) -> list[PublishedFigure]:
    latest = {_names(row): row for row in find(store, [experiment]).iter_rows(named=True)}
    latest |= {_names(row): row for row in runs.filter(pl.col("experiment") == experiment).iter_rows(named=True)}
    made = {summary.run: summary for summary in summaries(store, [row["run"] for row in latest.values()])}
    found = []
    for figure, case in published(registry, experiment):
        row = latest.get(tuple(case.text(key) for key in keys)) if case else None
        ours = made[row["run"]].metrics.get(figure.metric) if row and row["state"] == "finished" else None
        found.append(
            PublishedFigure(
                experiment=experiment,
                name=figure.name,
                case=case.names() if case else figure.case,
                metric=figure.metric,
                value=figure.value,
                source=figure.source,
                deviation=figure.deviation,
                run=row["run"] if row else None,
                ours=ours,
                why=None if ours or case is None else _why(store, registry, case, row, figure.metric),
            )
        )
    return found


def _names(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[key] for key in keys)


def _why(store: Store, registry: Registry, case: Case, row: Mapping[str, str] | None, metric: str) -> str:
    """Return why a case has no such figure here."""
    if row is not None:
        return f"failed here: {row['error']}" if row["state"] == "failed" else f"{metric} was not measured here"
    task = registry.tasks[case.task]
    datasets = set(store.scan("core.datasets").select("dataset").collect()["dataset"])
    if absent := [name for name in (task.dataset, task.evaluate_on) if name and name not in datasets]:
        return f"not run here: dataset {' and '.join(map(repr, absent))} is absent"
    names = store.names()
    lacking: Sequence[str] = [name for name in case.features if name.partition("@")[0] not in names]
    return f"not run here: features {some(lacking)} are absent" if lacking else "not run here"
