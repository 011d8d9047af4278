"""Everything that a report says: read from the store, not computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.experiments.metrics import smaller_is_better
from mirstore.core.experiments.verdict import Evidence, judge
from mirstore.core.registry import Registry
from mirstore.store.experiments.by_class import by_class
from mirstore.store.experiments.curves import curves
from mirstore.store.experiments.details import Details, FoldDetails
from mirstore.store.experiments.explanations import clip_seconds, explain
from mirstore.store.experiments.loaded import LoadedRun, loaded
from mirstore.store.experiments.published import figures
from mirstore.store.experiments.report import CaseReport, FeatureReport, Findings, Provenance, Report, ReportData
from mirstore.store.experiments.results import per_fold, statistics, test_share
from mirstore.store.experiments.runs import find
from mirstore.store.experiments.t_tests import t_tests
from mirstore.store.experiments.track_names import meant
from mirstore.store.experiments.track_reporting import longest, sounds, track_reports
from mirstore.store.lake.withdrawn import withdrawn_among
from mirstore.store.store import Store


def collect(
    store: Store,
    names: Sequence[str],
    *,
    clips: int = 0,
    tracks: Sequence[str] = (),
    show: Sequence[str] = (),
    columns: Sequence[str] = (),
    registry: Registry | None = None,
) -> list[Report]:
    """Return one report per task of the runs.

    Parameters
    ----------
    store : Store
    names : sequence of str
        Runs or experiments; see `mirstore.store.experiments.runs.find`.
    clips : int
        How many tracks get audio, where the file is there: those that were asked for all of it (ten minutes at most),
        then those of the case that is explained ten seconds.
    tracks : sequence of str
        Tracks to report on beside those that are explained; see `mirstore.store.experiments.track_names.meant`.
    show : sequence of str
        Feature sets to show over time beside those that the cases read, also as ``NAME.COLUMN``.
    columns : sequence of str
        Columns of numbers to show by class, as ``NAME.COLUMN``.
    registry : Registry, optional
        Where published figures stand, and whether an experiment asks for the t test that papers publish.

    Raises
    ------
    UnknownNameError
        If nothing is called so.
    UsageError
        If several tracks are called so, or a feature set cannot be shown over time.
    """
    runs = find(store, names)
    credits = store.sql("SELECT track, title, artist, path FROM tracks")
    asked = _Asked(meant(credits, tracks), show, clips, columns)
    published = figures(store, registry, runs) if registry else []
    reports = []
    every = loaded(store, runs)
    tasks = list(dict.fromkeys(case.shown["task"] for case in every))
    for task in tasks:
        cases = [case for case in every if case.shown["task"] == task]
        report = _report(store, task, cases, credits, asked, several=len(tasks) > 1)
        here = {case.row["experiment"] for case in cases}
        figured = replace(report, published=[figure for figure in published if figure.experiment in here])
        asking = registry and any(name in registry.experiments and registry.experiments[name].t_test for name in here)
        reports.append(replace(figured, t_tests=t_tests(cases)) if asking else figured)
    return reports


@dataclass(frozen=True)
class _Asked:
    """What was asked for: single tracks and what to show of them, columns to show by class."""

    tracks: Sequence[str]
    show: Sequence[str]
    clips: int
    columns: Sequence[str]


strongest = 8  # labels per feature whose weights are told


def _report(
    store: Store, task: str, cases: Sequence[LoadedRun], credits: pl.DataFrame, asked: _Asked, *, several: bool
) -> Report:
    first = max(cases, key=lambda case: case.details.data.tracks)  # more features, fewer tracks that have them
    experiments = list(dict.fromkeys(case.row["experiment"] for case in cases))
    details = first.details
    features = {id_: name for case in cases for name, id_ in case.config["features"].items()}
    about = [(name, store.about(id_)) for id_, name in features.items()]
    distributions = {n: v for case in cases for n, v in case.details.distributions.items()}
    distributions |= {n: v for _, feature in about for n, v in feature["distributions"].items()}
    sizes = {"+".join(case.config["case"]["features"]): case.details.data.tracks for case in cases}
    health = {column.column: column for case in cases for column in case.details.health}
    shown = [_case(store, case, credits) for case in cases]
    finished = [case for case in cases if case.shown["state"] == "finished"]
    main = next((case for case in finished if case.details.explained), None)
    explained = main.run if main else None
    paths = dict(credits.select("track", "path").iter_rows())
    others = [item["track"] for case in shown if case.run == explained for item in _explained_tracks(case)]
    whole = dict(sounds({track: paths.get(track) for track in asked.tracks[: asked.clips]}, longest))
    left = max(asked.clips - len(asked.tracks), 0)
    short = dict(sounds({track: paths.get(track) for track in others[:left]}, clip_seconds))
    sign = -1 if details.task.metric in smaller_is_better else 1
    return Report(
        experiment=", ".join(experiments),
        question=details.question,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("mirstore"),
        command=f"mirstore run-experiment {' '.join(experiments)}" + (f" --only task={task}" if several else ""),
        task=replace(details.task, name=task),
        data=ReportData(
            **vars(details.data),
            folds=details.folds,
            leakage=details.leakage,
            withdrawn=withdrawn_among(store, [case.run for case in cases]),
            tracks_per_features=sizes if len(set(sizes.values())) > 1 else {},
        ),
        named=next((case.details.named for case in cases if case.details.named), {}),
        verdict=judge(
            [evidence for case in finished if (evidence := _evidence(case))], explained, details.data.tracks, sign
        ),
        cases=shown,
        clips={track: found.sound for track, found in short.items()},
        tracks=track_reports(store, cases, main, asked.tracks, others, asked.show, {**short, **whole}),
        published=[],
        by_class=[by_class(store, column, details) for column in asked.columns],
        features=[_feature(store, name, feature) for name, feature in about],
        health=list(health.values()),
        provenance=Provenance(
            snapshot=max(case.row["snapshot"] for case in cases),
            seeds=sorted({seed for case in cases for seed in case.details.ran.seeds}),
            config_sha256=[case.row["config_sha256"] for case in cases],
            distributions=distributions,
            licences={name: _licence(name) for name in distributions},
            python=details.ran.python,
            machine=details.ran.machine,
            bibtex=list(dict.fromkeys(text for case in cases for text in case.details.cite)),
        ),
    )


def _explained_tracks(case: CaseReport) -> Sequence[Mapping[str, Any]]:
    return case.findings.tracks if case.findings else ()


def _case(store: Store, case: LoadedRun, credits: pl.DataFrame) -> CaseReport:
    details = case.details
    return CaseReport(
        run=case.run,
        case=case.config["case"],
        state=case.shown["state"],
        error=case.shown["error"],
        notes=[*details.remarks, *details.ran.notes, *_of_old(details)],
        seconds=details.ran.seconds,
        overhead_seconds=details.ran.overhead_seconds,
        components=details.components,
        folds=[fold.sha256 for fold in details.folds],
        findings=_findings(store, case, credits) if case.shown["state"] == "finished" else None,
    )


def _findings(store: Store, case: LoadedRun, credits: pl.DataFrame) -> Findings:
    details, task = case.details, case.details.task
    guessing = case.table("chance").filter(pl.col("kind") == "guessing")
    metrics, predictions, importances = case.table("metrics"), case.table("predictions"), case.table("importances")
    return Findings(
        metrics=statistics(metrics.filter(pl.col("label").is_null()), details.folds),
        labels=_labels(metrics, details.folds),
        importances=_importances(importances, details.folds),
        measures=details.ran.measures,
        whole={group: values[0] for group, values in (_draws(importances, "whole") or {}).items()},
        null=_draws(importances, "random grouping"),
        halves=_draws(importances, "half"),
        permuted=_permuted(case),
        floor={name: found.mean for name, found in sorted(statistics(guessing, details.folds).items())},
        groups=_groups(case),
        tracks=[] if task.numeric else explain(case.table("contributions"), predictions, credits),
        confusion=_confusion(predictions) if task.exclusive else None,
        ambiguity=_ambiguity(case.table("label_distributions"), case.table("held_out_distributions")),
        learning_curves=curves(case.table("learning_curves")),
    )


def _evidence(case: LoadedRun) -> Evidence | None:
    """Return what a finished case gives to decide about, None if it ran under a mirstore that did not record it."""
    details, name = case.details, case.details.task.metric
    which = pl.DataFrame(
        [(fold.run, fold.fold, fold.sha256) for fold in details.folds],
        schema={"repeat": pl.Int32, "fold": pl.Int32, "sha256": pl.String},
        orient="row",
    )
    chance = case.table("chance").filter(pl.col("name") == name)
    guessing = chance.filter(pl.col("kind") == "guessing").select("repeat", "fold", pl.col("value").alias("floor"))
    reached = case.table("metrics").filter((pl.col("name") == name) & pl.col("label").is_null())
    pairs = reached.join(guessing, on=["repeat", "fold"]).join(which, on=["repeat", "fold"]).sort("repeat", "fold")
    if pairs.is_empty():
        return None
    # Another seed on the same fold is no other fold: it says nothing about other tracks.
    folds = pairs.group_by("sha256", maintain_order=True).agg(pl.col("value", "floor").mean())
    importances = case.table("importances")
    role = details.components.role or "opaque"
    return Evidence(
        run=case.run,
        kind="control" if details.components.by_chance else role,
        folds=folds["sha256"].to_list(),
        values=folds["value"].to_list(),
        floors=folds["floor"].to_list(),
        test_share=test_share(details.folds),
        permuted=_permuted(case),
        shares={group: values[0] for group, values in (_draws(importances, "whole") or {}).items()},
        halves=_draws(importances, "half") or {},
        groupings=_draws(importances, "random grouping") or {},
        sizes={group: len(members) for group, members in details.groups.items()},
        tracks=details.data.tracks,
        torn=any(leak.kind == details.task.units and leak.shared > 0 for leak in details.leakage),
    )


def _permuted(case: LoadedRun) -> list[float]:
    drawn = case.table("chance").filter(pl.col("kind") == "permuted labels")
    return drawn.filter(pl.col("name") == case.details.task.metric).sort("number")["value"].to_list()


def _of_old(details: Details) -> list[str]:
    if details.components.role is not None:
        return []
    name = details.components.model
    return [f"{name} ran under an older mirstore, which did not record what it is: run the experiment again"]


def _labels(metrics: pl.DataFrame, folds: Sequence[FoldDetails]) -> list[dict[str, Any]]:
    values = per_fold(metrics.drop_nulls("label"), folds, "label", "name")
    rows = values.group_by("label", "name", maintain_order=True)
    found: dict[str, dict[str, Any]] = {}
    for label, name, mean, deviation in rows.agg(
        pl.col("value").mean().alias("mean"), pl.col("value").std().alias("sd")
    ).iter_rows():
        found.setdefault(label, {})[name] = {"mean": mean, "sd": deviation}
    return [{"label": label, "metric": values} for label, values in sorted(found.items())]


def _importances(importances: pl.DataFrame, folds: Sequence[FoldDetails]) -> list[dict[str, Any]]:
    of_folds, what = importances.filter(pl.col("kind") == "fold"), ["measure", "label", "group"]
    values = per_fold(of_folds, folds, *what).group_by(what, maintain_order=True)
    repeat = pl.col("number") // (1 + max((fold.fold for fold in folds), default=0))
    means = of_folds.group_by(*what, repeat.alias("repeat")).agg(pl.col("value").mean())
    over = means.group_by(what).agg(pl.col("value").std().alias("over_repetitions"))
    rows = values.agg(
        pl.col("value").mean().alias("mean"), pl.col("value").std().alias("sd"), pl.col("value").alias("values")
    )
    return rows.join(over, on=what, how="left", nulls_equal=True, maintain_order="left").to_dicts()


def _draws(importances: pl.DataFrame, kind: str) -> dict[str, list[float]] | None:
    rows = importances.filter((pl.col("kind") == kind) & (pl.col("measure") == "share"))
    ordered = rows.sort("number", maintain_order=True).group_by("group", maintain_order=True)
    found = {str(group): values["value"].to_list() for (group,), values in ordered}
    return found or None


def _groups(case: LoadedRun) -> list[dict[str, Any]]:
    """Return each group's columns in the words of their declarations, with their weights per label."""
    ranked = case.table("column_weights").sort(pl.col("value").abs(), descending=True)
    weights: dict[str, dict[str, float]] = {}
    for column, label, value in (
        ranked.group_by("column").head(strongest).select("column", "label", "value").iter_rows()
    ):
        weights.setdefault(column, {})[label] = float(f"{value:.4g}")
    return [
        {
            "group": group,
            "lacking": case.details.lacking.get(group, []),
            "columns": [
                {
                    "column": column,
                    **case.meanings[column],
                    "weights": weights.get(column, {}),
                }
                for column in members
            ],
        }
        for group, members in case.details.groups.items()
    ] + [
        {"group": group, "lacking": names, "columns": []}
        for group, names in case.details.lacking.items()
        if group not in case.details.groups
    ]


def _confusion(predictions: pl.DataFrame) -> dict[str, Any]:
    labels = sorted(predictions["label"].unique())
    here = ["repeat", "fold", "track"]
    guessed = predictions.filter(pl.col("score") == pl.col("score").max().over(here)).with_columns(
        (1 / pl.len().over(here)).alias("part")  # equal scores are a guess each, in parts
    )
    true = predictions.filter(pl.col("truth") > 0).select(*here, "label")
    counts = (
        true.join(guessed.select(*here, "part", pl.col("label").alias("guess")), on=here)
        .group_by("label", "guess")
        .agg(pl.col("part").sum() / predictions["repeat"].n_unique())
    )
    table = {(label, guess): count for label, guess, count in counts.iter_rows()}
    return {"labels": labels, "counts": [[table.get((row, column), 0.0) for column in labels] for row in labels]}


def _ambiguity(learned: pl.DataFrame, held_out: pl.DataFrame) -> dict[str, Any] | None:
    """Return how much of a track's label smoothing leaves on its own class: all of it was there before."""
    if learned.is_empty():
        return None
    edges = np.linspace(0, 1, 11)
    shifted = np.append(edges[:-1], 1 + 1e-9) - 1e-9  # 0.3 is not exactly three tenths
    found: dict[str, Any] = {"edges": edges.tolist(), "own_class_mean": {}}
    for name, frame in {"learned": learned, "held_out": held_out}.items():
        mass = frame.filter(pl.col("truth") > 0)["value"].to_numpy()
        found[name] = np.histogram(mass, shifted)[0].tolist() if len(mass) else None
        found["own_class_mean"][name] = float(mass.mean()) if len(mass) else None
    return found


def _feature(store: Store, name: str, about: Mapping[str, Any]) -> FeatureReport:
    ledger = store.scan("core.extractions").filter(
        (pl.col("feature_set") == about["feature_set"]) & (pl.col("status") == "ok")
    )
    return FeatureReport(
        feature=name,
        extractor=about["extractor"],
        id=about["feature_set"],
        source=about["source"],
        params=about["params"],
        columns=len(about["columns"]),
        seconds_per_track=ledger.select(pl.col("seconds").mean()).collect().item(),
        licences=sorted({f"{d}: {_licence(d)}" for d in about["distributions"] if _licence(d)}),
    )


def _licence(distribution: str) -> str | None:
    """Return what a distribution says of its licence, in a few words."""
    try:
        found = metadata(distribution)
    except PackageNotFoundError:
        return None
    classifiers = [c.rpartition(" :: ")[2] for c in found.get_all("Classifier") or [] if c.startswith("License ::")]
    texts = [*(found.get_all("License-Expression") or []), ", ".join(classifiers), *(found.get_all("License") or [])]
    short = next((text for text in texts if text), "").splitlines()
    return short[0][:80] if short else None
