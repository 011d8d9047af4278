"""The paired t test over folds as papers publish it, and ours beside it: shown where asked for, no basis of claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import polars as pl

from mirstore.core.experiments.inference import holm, p_of_difference
from mirstore.store.experiments.loaded import LoadedRun
from mirstore.store.experiments.report import TTest
from mirstore.store.experiments.results import per_fold, test_share


def t_tests(cases: Sequence[LoadedRun]) -> list[TTest]:
    """Return a test per pair of finished cases that differ in one part and were tested on the same folds.

    Parameters
    ----------
    cases : sequence of LoadedRun
        Of one task; those that learn nothing from features are left out.
    """
    learned = [case for case in cases if case.shown["state"] == "finished" and case.details.components.role != "floor"]
    values = {case.run: _values(case) for case in learned}
    learned.sort(key=lambda case: -sum(values[case.run].values()) / max(1, len(values[case.run])))
    pairs = [
        (a, b)
        for a, b in combinations(learned, 2)
        if _parts_apart(a.config["case"], b.config["case"]) == 1
        and values[a.run].keys() == values[b.run].keys()
        and len(values[a.run]) > 1
    ]
    gaps = [[values[a.run][fold] - values[b.run][fold] for fold in values[a.run]] for a, b in pairs]
    ours = [p_of_difference(gap, test_share(a.details.folds)) for gap, (a, _) in zip(gaps, pairs, strict=True)]
    corrected = iter(holm([p for p in ours if p is not None]))
    return [
        TTest(
            run=a.run,
            than=b.run,
            difference=sum(gap) / len(gap),
            folds=len(gap),
            p=p_of_difference(gap, test_share=0),
            corrected=None if p is None else next(corrected),
        )
        for (a, b), gap, p in zip(pairs, gaps, ours, strict=True)
    ]


def _values(case: LoadedRun) -> dict[str, float]:
    """Return the task's metric on each different fold, by the fold's checksum."""
    rows = case.table("metrics").filter((pl.col("name") == case.details.task.metric) & pl.col("label").is_null())
    return dict(per_fold(rows, case.details.folds).select("sha256", "value").iter_rows())


def _parts_apart(a: Mapping[str, Any], b: Mapping[str, Any]) -> int:
    return sum(a.get(key) != b.get(key) for key in a.keys() | b.keys())
