"""Shipped models after save and load: of classes, tags and numbers; a forest predicts as scikit-learn's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from mirstore.core import Examples
from mirstore_baselines import LogisticRegression, Majority, Mean, RandomForest, Ridge
from mirstore_embanded.model import EMBanded
from mirstore_xgboost import XGBoost

groups = {"first": ["f.x", "f.y"], "second": ["f.z"]}
columns = ["f.x", "f.y", "f.z"]


def examples(kind, n=80, k=3):
    """Return examples of ``classes``, ``tags`` (one of them constant), one ``tag``, or ``numbers``."""
    rng = np.random.default_rng(440)
    X = rng.normal(size=(n, 3))
    if kind == "classes":
        Y = np.eye(k + 1)[X.argmax(axis=1)]  # nobody is of the last class
    elif kind == "numbers":
        Y = X @ rng.normal(size=(3, k)) + 100
    else:
        Y = (X > 0).astype(float)[:, : 1 if kind == "tag" else k]
        Y[:, -1] = 1.0 if kind == "tags" else Y[:, -1]
    names = tuple(f"c{i}" for i in range(Y.shape[1]))
    return Examples(pl.DataFrame(X, schema=columns), names, Y, {}, kind == "classes", None, kind == "numbers")


def predicted(model, data):
    return (model.predict if data.numeric else model.predict_proba)(replace(data, labels=None))


models = [
    Majority(),
    Mean(),
    Ridge(),
    LogisticRegression(),
    RandomForest(n_estimators=7),
    EMBanded(),
    EMBanded(output="softmax"),
    EMBanded(shrink=True),
    XGBoost(n_estimators=5),
    XGBoost(n_estimators=5, single="one-vs-rest"),
]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        pytest.param(model, kind, id=f"{model!r}-{kind}")
        for model in models
        for kind in ("classes", "tags", "numbers")
        if model.predicts(numeric=kind == "numbers")
    ],
)
def test_a_loaded_model_predicts_and_explains_the_same(tmp_path, model, kind):
    data = examples(kind)
    fitted = replace(model).fit(data, groups, 0)
    fitted.save(tmp_path)
    loaded = replace(model).load(tmp_path)
    assert predicted(loaded, data).tobytes() == predicted(fitted, data).tobytes()
    assert loaded.group_importances() == fitted.group_importances()
    assert loaded.importances() == fitted.importances()
    np.testing.assert_array_equal(loaded.column_weights(), fitted.column_weights())
    np.testing.assert_array_equal(loaded.contributions(data), fitted.contributions(data))


def test_a_forest_predicts_as_scikit_learns_to_the_last_bit():
    for kind in ("classes", "tags", "tag"):
        data = examples(kind)
        X, Y = data.table.to_numpy(), data.labels
        ours = RandomForest(n_estimators=9).fit(data, groups, 3).predict_proba(data)
        target = Y.argmax(axis=1) if kind == "classes" else Y[:, 0] if kind == "tag" else Y
        forest = RandomForestClassifier(9, random_state=3, n_jobs=1).fit(X, target)
        theirs = forest.predict_proba(X)
        if kind == "classes":
            assert not ours[:, 3].any()
            assert np.array_equal(ours[:, :3], theirs)
        elif kind == "tag":
            assert np.array_equal(ours[:, 0], theirs[:, 1])
        else:
            assert np.array_equal(ours[:, 0], theirs[0][:, 1])
            assert (ours[:, 2] == 1).all()


def test_a_forest_of_numbers_predicts_as_scikit_learns():
    data = examples("numbers")
    scale = data.labels.std(axis=0)
    forest = RandomForestRegressor(9, random_state=3, n_jobs=1).fit(data.table.to_numpy(), data.labels / scale)
    ours = RandomForest(n_estimators=9).fit(data, groups, 3).predict(data)
    assert np.array_equal(ours, forest.predict(data.table.to_numpy()) * scale)
