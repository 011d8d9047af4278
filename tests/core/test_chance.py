"""What is told of chance is measured as the case is: on the same folds, each counted once."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from mirstore.core import Examples
from mirstore.core.experiments import chance
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import Fold


def test_a_fold_that_comes_again_counts_once_in_the_case_and_in_permutations(test_plugins, monkeypatch):
    from mirstore_test_models import Centroid

    rng, every = np.random.default_rng(440), np.arange(30)
    parts = [(0, 0, 3), (0, 1, 1), (1, 0, 3), (1, 1, 2)]  # the first and the third fold are the same
    folds = tuple(
        Fold(repeat, fold, every[every % 5 != part], every[every % 5 == part]) for repeat, fold, part in parts
    )
    labels, X = np.eye(3)[every % 3], rng.normal(size=(30, 2))
    X[:, 0] += every % 3
    examples = Examples(pl.DataFrame(X, schema=["x.a", "x.b"]), ("a", "b", "c"), labels, {}, True)
    names = tuple(f"t{i:02}" for i in every)
    case = Assembly(examples, names, every, folds, {"all": ["x.a", "x.b"]}, Centroid(), permutations=1)
    monkeypatch.setattr(chance.Permutations, "__iter__", lambda self: iter([every]))  # the labels as they are
    result = run_case(case)
    evidence = chance.evidence_in(case, result)
    assert len(evidence.values) == 3
    ((permuted,),) = ([row["value"]] for row in result.chance if row["kind"] == "permuted labels")
    reached = {
        (m["repeat"], m["fold"]): m["value"] for m in result.metrics if m["name"] == "accuracy" and not m["label"]
    }
    assert len(set(reached.values())) > 1
    assert permuted == pytest.approx(np.mean(np.subtract(evidence.values, evidence.floors)), abs=1e-15)
