"""Numbers: metrics against scikit-learn and scipy, splits, models that predict them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score

from mirstore.core import Examples, Model
from mirstore.core.errors import ConfigError
from mirstore.core.experiment_entries import TaskEntry
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.regression import evaluate_numbers, pearson_r
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import make_folds
from mirstore.core.registry import Registry
from mirstore_baselines import Mean, RandomForest, Ridge
from mirstore_embanded.model import EMBanded


def task(**values):
    return TaskEntry(**{"dataset": "d", "labels": "emotion", "metric": "r2"} | values)


@given(st.integers(3, 40), st.floats(-50, 50), st.floats(0, 3), st.integers(0, 5))
def test_metrics_of_numbers_are_those_of_the_libraries(n, shift, noise, seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 2)) + shift
    values = truth + noise * rng.normal(size=(n, 2)) + 0.1
    found = {(v.name, v.label): v.value for v in evaluate_numbers(truth, values, ("x", "y"))}
    for i, target in enumerate("xy"):
        assert found["pearson_r", target] == pytest.approx(pearsonr(truth[:, i], values[:, i])[0], abs=1e-9)
        assert found["r2", target] == pytest.approx(r2_score(truth[:, i], values[:, i]), rel=1e-9)
        assert found["mae", target] == pytest.approx(mean_absolute_error(truth[:, i], values[:, i]))
    for name in ("pearson_r", "r2", "mae"):
        assert found[name, None] == pytest.approx((found[name, "x"] + found[name, "y"]) / 2)


def test_a_constant_prediction_follows_nothing_and_a_constant_target_cannot_be_followed():
    truth = np.column_stack([np.arange(5.0), np.full(5, 2.0)])
    assert pearson_r(truth, np.full((5, 2), 1 / 3)).tolist() == [0.0, pytest.approx(np.nan, nan_ok=True)]
    names = {(v.name, v.label) for v in evaluate_numbers(truth, truth, ("moves", "stays"))}
    assert ("r2", "moves") in names
    assert ("mae", "stays") in names
    assert not {("r2", "stays"), ("pearson_r", "stays")} & names


def test_strata_of_numbers_make_no_sense():
    entry = {"dataset": "d", "labels": "emotion", "metric": "mae", "split": "stratified"}
    with pytest.raises(
        ConfigError, match=r'tasks.t: split = "stratified" needs classes, and mae is of numbers; .*track'
    ):
        Registry._parse({"schema": 1, "tasks": {"t": entry}}, "registry.toml")


def test_folds_of_numbers_keep_artists_whole_and_cover_all():
    values = np.random.default_rng(0).normal(size=(30, 2))
    units = [f"artist {i % 10}" for i in range(30)]
    folds = make_folds(task(folds=5), values, ("x", "y"), False, units, 1)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(30))
    for fold in folds:
        assert not {units[i] for i in fold.train} & {units[i] for i in fold.test}


def assembly(model: Model, chunks: int = 1, n: int = 80) -> Assembly:
    """Two targets in their own units, of which the first group says all and the second nothing."""
    rng = np.random.default_rng(440)
    X = rng.normal(size=(n, 6))
    Y = np.column_stack([50 + 20 * (X[:, 0] - X[:, 1]), 0.001 * X[:, 2]]) + rng.normal(size=(n, 2)) * [4, 0.0003]
    owners = np.repeat(np.arange(n), chunks)
    table = pl.DataFrame(X[owners] + 0.3 * rng.normal(size=(len(owners), 6)), schema=[f"f.{c}" for c in "abcdef"])
    folds = make_folds(task(folds=4), Y, ("bright", "dark"), False, [str(i) for i in range(n)], 1)
    return Assembly(
        examples=Examples(table, ("bright", "dark"), Y[owners], numeric=True),
        tracks=tuple(f"t{i}" for i in range(n)),
        owners=owners,
        folds=tuple(folds),
        groups={"says all": ["f.a", "f.b", "f.c"], "says nothing": ["f.d", "f.e", "f.f"]},
        model=model,
    )


def means(case: Assembly) -> dict[str, float]:
    rows = [m for m in run_case(case).metrics if m["label"] is None]
    return {name: float(np.mean([m["value"] for m in rows if m["name"] == name])) for name in {m["name"] for m in rows}}


@pytest.mark.parametrize("model", [EMBanded(), Ridge(), RandomForest(50)], ids=lambda model: model.name)
def test_shipped_models_predict_several_targets_in_their_own_units(model):
    result = run_case(assembly(model))
    r2 = {m["label"]: m["value"] for m in result.metrics if m["name"] == "r2"}
    assert min(r2["bright"], r2["dark"]) > 0.5
    bright = result.predictions.filter(pl.col("label") == "bright")
    assert bright["score"].mean() == pytest.approx(bright["truth"].mean(), abs=3)
    shares = [i["value"] for i in result.importances if i["measure"] == "share" and i["group"] == "says all"]
    assert min(shares) > 0.7


def test_the_floor_predicts_the_mean_of_training():
    found = means(assembly(Mean()))
    assert found["pearson_r"] == 0
    assert -0.2 < found["r2"] <= 0
    result = run_case(assembly(Mean()))
    assert result.importances == []


def test_numbers_of_chunks_are_averaged_per_track():
    found = means(assembly(Ridge(), chunks=5))
    assert found["r2"] > found["chunk_r2"] > 0.5
    assert found["mae"] < found["chunk_mae"]
    assert found["pearson_r"] > found["chunk_pearson_r"]


def test_each_says_what_it_predicts():
    assert EMBanded.predicts(numeric=True)
    assert EMBanded.predicts(numeric=False)
    assert not Mean.predicts(numeric=False)
    with pytest.raises(NotImplementedError, match="mean-value does not predict classes"):
        Mean().predict_proba(assembly(Mean()).examples)
