"""Whole experiments whose answer is known: what a report claims of random labels, and of labels that one group makes.

`benchmarks/calibration.py` does the same on real features, in hundreds.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from mirstore.core import Examples
from mirstore.core.entries import TaskEntry
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.chance import evidence_in
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import make_folds
from mirstore.core.experiments.verdict import judge
from mirstore_embanded import EMBanded

n, classes, sets = 60, tuple("abcd"), 20
columns = [f"f.{i:02}" for i in range(20)]
groups = {name: columns[5 * i : 5 * i + 5] for i, name in enumerate(("first", "second", "third", "fourth"))}


def verdict(seed, effect):
    """Return what is said of 60 tracks in which the first group decides so much of the labels' scores."""
    local = np.random.default_rng(seed)
    X = local.normal(size=(n, len(columns)))
    known = X[:, :5] @ local.normal(size=(5, len(classes)))
    scores = np.sqrt(effect) * known / known.std(axis=0) + np.sqrt(1 - effect) * local.normal(size=known.shape)
    labels = np.eye(len(classes))[scores.argmax(axis=1)]
    if labels.sum(axis=0).min() < 5:  # five folds need five
        return verdict(seed + 1000, effect)
    task = TaskEntry(dataset="", labels="", metric="accuracy", split="stratified")
    folds = make_folds(task, labels, classes, True, [str(i) for i in range(n)], 1)
    case = Assembly(
        Examples(pl.DataFrame(X, schema=columns), classes, labels, {}, True),
        tuple(map(str, range(n))),
        np.arange(n),
        tuple(folds),
        groups,
        EMBanded(),
        permutations=99,
        halves=50,
        random_groupings=0,
    )
    with threadpool_limits(1):
        return judge([evidence_in(case, run_case(case), "run")], "run", n)


@pytest.mark.slow
def test_of_random_labels_hardly_a_report_claims_anything():
    found = [verdict(seed, 0.0) for seed in range(sets)]
    assert sum(each.found for each in found) <= 3  # more in one of 60 such tests
    assert all(each.needs_tracks for each in found if not each.found)


@pytest.mark.slow
def test_what_one_group_makes_is_found_and_no_other_group_is_named():
    found = [verdict(seed, 0.6) for seed in range(sets)]
    assert sum(each.found for each in found) >= 18
    named = [claim.group for each in found for claim in each.claims if claim.group]
    assert set(named) == {"first"}
    assert sum(any(claim.kind == "more" for claim in each.claims) for each in found) >= 10
