"""Baselines and XGBoost: the contract, known truths, and the published tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from mirstore.core import Examples
from mirstore.core.checks import checks_for
from mirstore.core.experiments.metrics import evaluate
from mirstore.core.experiments.scaling import Scaling
from mirstore_baselines import LogisticRegression, Majority, RandomForest, Ridge
from mirstore_groupings import AllFeatures
from mirstore_xgboost import XGBoost
from mirstore_xgboost.gain import mean_gain, published_gain, shares

rng = np.random.default_rng(440)
models = [Majority(), Ridge(), LogisticRegression(), RandomForest(n_estimators=20), XGBoost(n_estimators=10)]
linear = [Ridge(), LogisticRegression()]
groups = {"a": ["f.x", "f.y"], "b": ["f.z"]}


@pytest.mark.parametrize(
    ("model", "check"),
    [pytest.param(m, check, id=f"{m.name}-{check.__name__}") for m in models for check in checks_for(m)],
)
def test_keeps_the_contract(model, check):
    check(model)


def examples(exclusive=True, n=120):
    X = rng.normal(size=(n, 3))
    Y = np.eye(2)[(X[:, 0] + 0.1 * rng.normal(size=n) > 0).astype(int)]
    return Examples(pl.DataFrame(X, schema=["f.x", "f.y", "f.z"]), ("no", "yes"), Y, {}, exclusive)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("model", models[1:], ids=lambda model: model.name)
def test_what_decides_is_found_and_weighs_most(model, exclusive):
    data = examples(exclusive)
    fitted = replace(model).fit(data, groups, 0)
    values = {v.name: v.value for v in evaluate(data.labels, fitted.predict_proba(data), data.classes, exclusive)}
    assert values["roc_auc"] > 0.97
    assert fitted.group_importances()["a"] > 0.5
    weights = fitted.column_weights()
    if weights is not None:
        assert np.abs(weights).argmax() % 3 == 0


@pytest.mark.parametrize("model", linear, ids=lambda model: model.name)
def test_contributions_and_intercept_are_the_score(model):
    data = examples()
    fitted = replace(model).fit(data, groups, 0)
    whole = fitted.contributions(data).sum(axis=-1) + fitted.intercept_
    np.testing.assert_allclose(whole, fitted.decision_function(data), atol=1e-12)


def test_shap_contributions_sum_to_the_margin():
    import xgboost

    data = examples(exclusive=False)
    fitted = XGBoost(n_estimators=5).fit(data, groups, 0)
    matrix = xgboost.DMatrix(data.table.select(fitted.columns_).to_numpy())
    margin = fitted.boosters_[1].predict(matrix, output_margin=True)
    bias = fitted.boosters_[1].predict(matrix, pred_contribs=True)[:, -1]
    np.testing.assert_allclose(fitted.contributions(data)[:, 1].sum(axis=-1) + bias, margin, atol=1e-5)


@pytest.mark.parametrize("model", models, ids=lambda model: model.name)
def test_a_tag_that_nothing_or_everything_has_keeps_its_prior(model):
    data = examples(exclusive=False)
    labels = np.column_stack([np.zeros(120), np.ones(120), data.labels[:, 1]])
    data = replace(data, labels=labels, classes=("never", "always", "sometimes"))
    scores = replace(model).fit(data, groups, 0).predict_proba(data)
    assert scores[:, 0] == pytest.approx(0, abs=0.12)  # ridge's curve leaves 0.12 for a zero
    assert scores[:, 1] == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("model", models, ids=lambda model: model.name)
def test_label_distributions_are_learned_from(model):
    data = examples()
    soft = replace(data, labels=0.8 * data.labels + 0.1)
    scores = replace(model).fit(soft, groups, 0).predict_proba(data)
    assert scores.sum(axis=1) == pytest.approx(1, abs=0.05)


def test_three_averages_of_gain():
    gains = np.array([[4.0, 0.0, 2.0], [2.0, 0.0, 0.0]])  # two labels, three columns
    assert mean_gain(gains).tolist() == [3.0, 0.0, 1.0]
    assert published_gain(gains).tolist() == [2.0, 0.0, 1.0]
    assert shares(mean_gain(gains), ["f.x", "f.y", "f.z"], groups) == {"a": 1.5 / 2.5, "b": 1.0 / 2.5}


def test_trees_do_not_depend_on_the_grouping():
    data = examples()
    fitted = XGBoost(n_estimators=5).fit(data, groups, 0)
    other = {"u": ["f.x"], "v": ["f.z", "f.y"]}
    (regrouped,) = fitted.importances_of_groupings(data, [other], 0)
    assert regrouped == pytest.approx(XGBoost(n_estimators=5).fit(data, other, 0).group_importances())


@pytest.mark.slow
def test_the_published_anchors_of_gtzan(shared):
    """Accuracy of five folds within a point of what was measured with the same settings by other code."""
    from sklearn.model_selection import StratifiedKFold

    frame = pl.read_csv(shared / "data" / "tables" / "vaslyb_gtzan_perceptual_features.csv.gz").drop("Track")
    genres = frame.columns[-10:]
    Y = frame.select(genres).to_numpy().astype(float)
    table = frame.drop(genres).rename(lambda name: "gtzan." + name.lower().replace("-", "_").replace(" ", "_"))
    columns = AllFeatures().group(table.columns)
    for model, accuracy, auc in (
        (XGBoost(), 0.7357, 0.9598),
        (Ridge(), 0.6457, 0.9147),
        (LogisticRegression(), 0.6727, 0.9164),
    ):
        found = []
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(Y, Y.argmax(axis=1)):
            scaling = Scaling.fit(table[train])
            learned = Examples(scaling.apply(table[train]), tuple(genres), Y[train], {}, True)
            scores = (
                replace(model)
                .fit(learned, columns, 0)
                .predict_proba(Examples(scaling.apply(table[test]), tuple(genres), None, {}, True))
            )
            found.append({v.name: v.value for v in evaluate(Y[test], scores, genres, True) if v.label is None})
        assert np.mean([f["accuracy"] for f in found]) == pytest.approx(accuracy, abs=0.012), model.name
        assert np.mean([f["roc_auc"] for f in found]) == pytest.approx(auc, abs=0.003), model.name
