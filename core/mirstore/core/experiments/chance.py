"""What a case reaches by chance: by guessing, and with labels that have nothing to do with the features."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from time import perf_counter
from typing import Any

import numpy as np

from mirstore.core.durations import duration
from mirstore.core.experiments.assembly import Assembly, Result
from mirstore.core.experiments.fitted import checked_scores
from mirstore.core.experiments.fitting import Fitting
from mirstore.core.experiments.metrics import kept, mean_of, smaller_is_better, vote
from mirstore.core.experiments.permutations import Permutations, enough
from mirstore.core.experiments.regression import mean_of_numbers
from mirstore.core.experiments.verdict import Claim, Evidence, above_guessing

patience = 120.0
"""How long the fits to permuted labels may take [CPU-s]; of models that wait for something else ten times as long."""

as_good = 10
"""So many permutations that are at least as good settle it: p is above 5 % whatever the others give."""


def guess(labels: np.ndarray, n: int) -> np.ndarray:
    """Return what can be predicted without features: how often each label is, or the mean of each target.

    Parameters
    ----------
    labels : np.ndarray [shape=(training tracks, k)]
    n : int
        Tracks to predict.

    Returns
    -------
    np.ndarray [shape=(n, k)]
        The same in each row.
    """
    return np.tile(labels.mean(axis=0), (n, 1))


def permuted(fitting: Fitting, cost: float) -> list[dict[str, Any]]:
    """Return how far above guessing the case is with permuted labels, everything fitted anew.

    Parameters
    ----------
    fitting : Fitting
        Of a case that has run.
    cost : float [CPU-s]
        Of its folds.

    Returns
    -------
    list of dict
        Rows of the table ``chance``. Empty if the labels have too few permutations, or these would take too long.
    """
    case, result = fitting.case, fitting.result
    ways = _ways(fitting)
    if ways.different < enough:
        found = "is 1 way" if ways.different == 1 else f"are {ways.different} ways"
        result.notes.append(f"labels were not permuted: there {found} to deal them out among units")
        return []
    if cost * case.permutations > patience:
        result.notes.append(f"labels were not permuted, which would take {duration(cost * case.permutations)}")
        return []
    evidence = evidence_in(case, result)
    observed = float(np.mean(np.subtract(evidence.values, evidence.floors)))
    sign, draws = -1 if case.metric in smaller_is_better else 1, list[float]()
    fit, begun = _Refit(fitting), perf_counter()
    for source in islice(ways, case.permutations):
        if perf_counter() - begun > 10 * patience:
            result.notes.append(f"labels were not permuted further than {len(draws)} times, which took too long")
            return []
        draws.append(fit.above_guessing(fitting.labels[source]))
        if sum(sign * draw >= sign * observed for draw in draws) >= as_good:
            break
    return [
        {"kind": "permuted labels", "number": number, "name": case.metric, "value": value}
        for number, value in enumerate(draws)
    ]


def _ways(fitting: Fitting) -> Permutations:
    """Return the permutations, within what is always learned from, and what is always tested, where folds have such."""
    case = fitting.case
    learned, tested = (
        np.isin(np.arange(len(case.tracks)), np.concatenate(parts))
        for parts in ([fold.seen for fold in case.folds], [fold.test for fold in case.folds])
    )
    return Permutations(fitting.labels, case.units.tolist(), list(zip(learned, tested, strict=True)), case.seed)


class _Refit:
    """The folds of a case, whose features are scaled once for all permutations."""

    def __init__(self, fitting: Fitting) -> None:
        self._fitting, case = fitting, fitting.case
        self._parts = [fitting.scaled(fold.train, fold.test)[1] for fold in case.folds]

    def above_guessing(self, labels: np.ndarray) -> float:
        """Return the mean difference over different folds with these labels [shape=(tracks, k)]."""
        case, fitting, found = self._fitting.case, self._fitting, dict[str, list[float]]()
        measure = mean_of_numbers if case.examples.numeric else mean_of
        for fold, (train, test) in zip(case.folds, self._parts, strict=True):
            seed, rows = case.seed + fold.repeat, case.rows_of(fold.train)
            part = fitting.smoothed(replace(train, labels=labels[case.owners[rows]]), fold.train, seed)
            model = fitting.fitted(part, seed, fold, None)
            scores = fitting.timed(checked_scores, model, replace(test, labels=None))
            owners = np.searchsorted(fold.test, case.owners[case.rows_of(fold.test)])
            voted, truth = kept(vote(scores, owners, case.examples.exclusive)), labels[fold.test]
            floor = measure(case.metric, truth, guess(labels[fold.train], len(truth)))
            above = measure(case.metric, truth, voted) - floor
            if above == above:  # known: a test part may lack a class
                found.setdefault(fold.key, []).append(above)
        return float(np.mean([np.mean(values) for values in found.values()])) if found else 0.0


def evidence_in(case: Assembly, result: Result, run: str = "") -> Evidence:
    """Return what a result gives to decide about.

    Parameters
    ----------
    case : Assembly
    result : Result
        Of this case.
    run : str
        What the run is called.
    """
    reached = {_place(row): row["value"] for row in result.metrics if row["name"] == case.metric and not row["label"]}
    guessed = [row for row in result.chance if row["name"] == case.metric]
    floors = {_place(row): row["value"] for row in guessed if row["kind"] == "guessing"}
    per_fold: dict[str, list[tuple[float, float]]] = {}
    for fold in case.folds:
        place = fold.repeat, fold.number
        if place in reached:
            # Another seed on the same fold is no other fold: it says nothing about other tracks.
            per_fold.setdefault(fold.key, []).append((reached[place], floors.get(place, 0.0)))
    pairs = [np.mean(both, axis=0) for both in per_fold.values()]
    rows = [row for row in result.importances if row["measure"] == "share" and row["label"] is None]

    def drawn(kind: str) -> dict[str, list[float]]:
        of_kind = [row for row in rows if row["kind"] == kind]
        return {group: [row["value"] for row in of_kind if row["group"] == group] for group in case.groups if of_kind}

    return Evidence(
        run=run,
        kind=case.model.role,
        folds=list(per_fold),
        values=[float(value) for value, _ in pairs],
        floors=[float(floor) for _, floor in pairs],
        test_share=sum(len(fold.test) for fold in case.folds) / max(1, sum(len(fold.train) for fold in case.folds)),
        permuted=[row["value"] for row in guessed if row["kind"] == "permuted labels"],
        shares={group: values[0] for group, values in drawn("whole").items() if values},
        halves=drawn("half"),
        groupings=drawn("random grouping"),
        sizes={group: len(members) for group, members in case.groups.items()},
        tracks=len(case.tracks),
        torn=case.torn,
    )


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return row["repeat"], row["fold"]


def above_guessing_in(case: Assembly, result: Result) -> Claim | None:
    """Return whether a case is above guessing, None if that cannot be tested.

    Parameters
    ----------
    case : Assembly
    result : Result
        Of this case.
    """
    if not case.permutations:
        return None
    return above_guessing(evidence_in(case, result), len(case.tracks), -1 if case.metric in smaller_is_better else 1)
