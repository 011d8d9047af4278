"""Shipped models after save and load: of classes, tags and numbers; a forest predicts as scikit-learn's."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn import ensemble

from mirstore.core import Examples
from mirstore_baselines import ExtraTrees, GradientBoosting, LogisticRegression, Majority, Mean, RandomForest, Ridge
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
    ExtraTrees(n_estimators=7),
    GradientBoosting(n_estimators=7),
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


forests = pytest.mark.parametrize("ours", [RandomForest, ExtraTrees], ids=lambda ours: ours.name)


@forests
def test_a_forest_predicts_as_scikit_learns_to_the_last_bit(ours):
    for kind in ("classes", "tags", "tag"):
        data = examples(kind)
        X, Y = data.table.to_numpy(), data.labels
        scores = ours(n_estimators=9).fit(data, groups, 3).predict_proba(data)
        target = Y.argmax(axis=1) if kind == "classes" else Y[:, 0] if kind == "tag" else Y
        forest = getattr(ensemble, f"{ours.kind}Classifier")(9, random_state=3, n_jobs=1).fit(X, target)
        theirs = forest.predict_proba(X)
        if kind == "classes":
            assert not scores[:, 3].any()
            assert np.array_equal(scores[:, :3], theirs)
        elif kind == "tag":
            assert np.array_equal(scores[:, 0], theirs[:, 1])
        else:
            assert np.array_equal(scores[:, 0], theirs[0][:, 1])
            assert (scores[:, 2] == 1).all()


@forests
def test_a_forest_of_numbers_predicts_as_scikit_learns(ours):
    data = examples("numbers")
    scale = data.labels.std(axis=0)
    forest = getattr(ensemble, f"{ours.kind}Regressor")(9, random_state=3, n_jobs=1)
    forest.fit(data.table.to_numpy(), data.labels / scale)
    numbers = ours(n_estimators=9).fit(data, groups, 3).predict(data)
    assert np.array_equal(numbers, forest.predict(data.table.to_numpy()) * scale)


@forests
def test_a_forest_that_was_kept_without_its_table_is_loaded(tmp_path, ours):
    fitted = ours(n_estimators=3).fit(examples("tags"), groups, 0)
    fitted.save(tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    del state["table"]
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert ours().load(tmp_path).table_ == fitted.columns_


def test_boosting_predicts_as_scikit_learns():
    data = examples("classes")
    X, Y = data.table.to_numpy(), data.labels
    theirs = ensemble.GradientBoostingClassifier(n_estimators=9, random_state=3).fit(X, Y.argmax(axis=1))
    ours = GradientBoosting(n_estimators=9).fit(data, groups, 3)
    np.testing.assert_allclose(ours.predict_proba(data)[:, :3], theirs.predict_proba(X), atol=1e-12)
    assert not ours.predict_proba(data)[:, 3].any()
    shares = ours.column_weights().sum(axis=0)
    # scikit-learn divides each tree's importances by its own weight first: equal here, where all trees see all rows.
    np.testing.assert_allclose(shares / shares.sum(), theirs.feature_importances_, atol=1e-12)


def test_boosting_of_two_classes_and_of_tags_and_numbers_predicts_as_scikit_learns():
    X = examples("tags").table.to_numpy()
    for kind, make in (("tags", ensemble.GradientBoostingClassifier), ("numbers", ensemble.GradientBoostingRegressor)):
        data = examples(kind)
        theirs = make(n_estimators=9, random_state=3).fit(X, data.labels[:, 0])
        expected = theirs.predict_proba(X)[:, 1] if kind == "tags" else theirs.predict(X)
        ours = GradientBoosting(n_estimators=9).fit(data, groups, 3)
        np.testing.assert_allclose(predicted(ours, data)[:, 0], expected, atol=1e-12)
        if kind == "tags":
            two = np.column_stack([1 - data.labels[:, 0], data.labels[:, 0]])
            pair = replace(data, labels=two, classes=("no", "yes"), exclusive=True)
            scores = GradientBoosting(n_estimators=9).fit(pair, groups, 3).predict_proba(pair)
            np.testing.assert_allclose(scores, np.column_stack([1 - expected, expected]), atol=1e-12)
