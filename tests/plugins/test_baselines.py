"""Baselines: the contract, closed forms, edge cases, and the published tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.model_selection import StratifiedKFold

from mirstore.core import Examples
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError
from mirstore.core.experiments.metrics import evaluate
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.resolve import build
from mirstore_baselines import ExtraTrees, GradientBoosting, LogisticRegression, Majority, RandomForest, Ridge

trees = [RandomForest(n_estimators=20), ExtraTrees(n_estimators=20), GradientBoosting(n_estimators=20)]
models = [Majority(), Ridge(), LogisticRegression(), LogisticRegression(balanced=True), *trees]
linear = [Ridge(), LogisticRegression(), LogisticRegression(balanced=True)]
columns = ["f.x", "f.y", "f.z"]
groups = {"first": ["f.x", "f.y"], "second": ["f.z"]}


def label(model):
    return "-".join([model.name, *[str(v) for v in model.params().values()]])


@pytest.mark.parametrize(
    ("model", "check"),
    [pytest.param(m, check, id=f"{label(m)}-{check.__name__}") for m in models for check in checks_for(m)],
)
def test_keeps_the_contract(model, check):
    check(model)


def examples(Y, X=None, exclusive=False):
    Y = np.asarray(Y, dtype=float)
    X = np.random.default_rng(440).normal(size=(len(Y), 3)) if X is None else X
    classes = tuple("abcdefg"[: Y.shape[1]])
    return Examples(pl.DataFrame(X, schema=columns), classes, Y, {}, exclusive)


def told_by_first_column(n=200, exclusive=False):
    """Return examples of which x decides one tag and its opposite, with some noise."""
    rng = np.random.default_rng(440)
    X = rng.normal(size=(n, 3))
    yes = X[:, 0] + 0.3 * rng.normal(size=n) > 0
    return examples(np.column_stack([yes, ~yes]), X, exclusive)


def test_majority_knows_the_prior_and_nothing_else():
    model = Majority().fit(examples([[1, 0], [1, 0], [0, 1], [1, 0]]), groups, 0)
    assert model.predict_proba(examples(np.zeros((2, 2)))).tolist() == [[0.75, 0.25]] * 2
    assert model.group_importances() == {}


def test_ridge_is_the_closed_form():
    data = told_by_first_column()
    model = Ridge(alpha=3.0).fit(data, groups, 0)
    X, Y = data.table.to_numpy(), data.labels
    centred = X - X.mean(axis=0)
    expected = np.linalg.solve(centred.T @ centred + 3 * np.eye(3), centred.T @ (Y - Y.mean(axis=0))).T
    np.testing.assert_allclose(model.coef_, expected, atol=1e-10)
    np.testing.assert_allclose(model.intercept_, Y.mean(axis=0) - expected @ X.mean(axis=0), atol=1e-10)


def test_ridge_scores_keep_their_order_and_half_stays_half():
    data = told_by_first_column()
    model = Ridge().fit(data, groups, 0)
    raw, scores = model.decision_function(data), model.predict_proba(data)
    np.testing.assert_allclose(logit(scores) / 4 + 0.5, raw, atol=1e-9)
    assert (np.argsort(raw[:, 0]) == np.argsort(scores[:, 0])).all()


def test_logistic_regression_solves_its_equations():
    """At the optimum, C times the gradient of the likelihood is the penalty's; the intercept is not penalised."""
    data = told_by_first_column()
    model = LogisticRegression(C=0.5).fit(data, groups, 0)
    residuals = data.labels - model.predict_proba(data)
    np.testing.assert_allclose(0.5 * residuals.T @ data.table.to_numpy(), model.coef_, atol=2e-2)
    np.testing.assert_allclose(residuals.mean(axis=0), 0, atol=1e-4)


def test_distributions_of_halves_are_fits_to_both_labels():
    """An example shared equally by two classes says nothing, wherever it lies."""
    hard = told_by_first_column(exclusive=True)
    outside = 5 * np.random.default_rng(0).normal(size=(50, 3))
    X = np.vstack([hard.table.to_numpy(), outside, -outside])
    soft = examples(np.vstack([hard.labels, np.full((100, 2), 0.5)]), X, exclusive=True)
    model = LogisticRegression().fit(soft, groups, 0)
    assert expit(abs(model.intercept_)).max() < 0.55
    assert model.coef_[0, 0] > 0 > model.coef_[1, 0]


def test_whole_shares_are_the_same_as_hard_labels():
    data = told_by_first_column()
    nearly = replace(data, labels=np.clip(data.labels, 1e-9, 1 - 1e-9))
    for balanced in (False, True):
        model = LogisticRegression(balanced=balanced)
        hard, soft = replace(model).fit(data, groups, 0).coef_, replace(model).fit(nearly, groups, 0).coef_
        np.testing.assert_allclose(hard, soft, atol=1e-2)


def test_balance_lifts_the_rare_class():
    rng = np.random.default_rng(440)
    X = rng.normal(size=(400, 3))
    rare = (X[:, 0] + rng.normal(size=400) > 2).astype(float)[:, None]
    scores = [
        LogisticRegression(balanced=b).fit(examples(rare, X), groups, 0).predict_proba(examples(rare, X))
        for b in (False, True)
    ]
    assert scores[0].mean() == pytest.approx(rare.mean(), abs=1e-3)
    assert scores[1].mean() > 2 * scores[0].mean()


def test_balance_is_the_class_weight_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression as Estimator

    data = told_by_first_column()
    y = np.where(np.arange(200) % 4, data.labels[:, 0], 0)
    expected = Estimator(class_weight="balanced").fit(data.table.to_numpy(), y).coef_[0]
    model = LogisticRegression(balanced=True).fit(examples(y[:, None], data.table.to_numpy()), groups, 0)
    np.testing.assert_allclose(model.coef_[0], expected, atol=1e-3)


@pytest.mark.parametrize("model", models, ids=label)
def test_a_tag_that_nothing_or_everything_has_keeps_its_prior(model):
    data = told_by_first_column()
    labels = np.column_stack([np.zeros(200), np.ones(200), data.labels[:, 0]])
    fitted = replace(model).fit(examples(labels, data.table.to_numpy()), groups, 0)
    scores = fitted.predict_proba(data)
    assert (scores[:, 0] == 0).all()
    assert (scores[:, 1] == 1).all()
    if fitted.group_importances():  # those two labels say nothing about the groups
        alone = replace(model).fit(examples(labels[:, 2:], data.table.to_numpy()), groups, 0)
        if model in linear:
            assert fitted.group_importances() == pytest.approx(alone.group_importances(), abs=1e-6)


@pytest.mark.parametrize("model", models, ids=label)
def test_nothing_but_constant_tags_is_no_crash(model):
    labels = np.tile([0.0, 1.0], (30, 1))
    fitted = replace(model).fit(examples(labels), groups, 0)
    np.testing.assert_array_equal(fitted.predict_proba(examples(labels)), labels)
    assert sum(fitted.group_importances().values()) in (0, pytest.approx(1))


@pytest.mark.parametrize("model", models, ids=label)
def test_a_class_without_examples_is_unlikely(model):
    data = told_by_first_column(exclusive=True)
    labels = np.column_stack([data.labels, np.zeros(200)])
    scores = replace(model).fit(examples(labels, data.table.to_numpy(), True), groups, 0).predict_proba(data)
    assert (scores[:, 2] == 0).all()


@pytest.mark.parametrize("model", trees, ids=label)
def test_a_class_that_all_examples_have_is_certain(model):
    labels = np.tile([0.0, 1.0], (30, 1))
    fitted = replace(model).fit(examples(labels, exclusive=True), groups, 0)
    np.testing.assert_array_equal(fitted.predict_proba(examples(labels, exclusive=True)), labels)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("model", models[1:], ids=label)
def test_what_decides_is_found_and_weighs_most(model, exclusive):
    data = told_by_first_column(exclusive=exclusive)
    fitted = replace(model).fit(data, groups, 0)
    values = {v.name: v.value for v in evaluate(data.labels, fitted.predict_proba(data), data.classes, exclusive)}
    assert values["roc_auc"] > 0.95
    assert fitted.group_importances()["first"] > 0.7


@pytest.mark.parametrize("model", linear, ids=label)
def test_contributions_and_intercept_are_the_score(model):
    data = told_by_first_column()
    fitted = replace(model).fit(data, groups, 0)
    whole = fitted.contributions(data).sum(axis=-1) + fitted.intercept_
    np.testing.assert_allclose(whole, fitted.decision_function(data), atol=1e-12)


@pytest.mark.parametrize("model", linear, ids=label)
def test_importances_are_shares_of_variance_per_label(model):
    data = told_by_first_column()
    fitted = replace(model).fit(data, groups, 0)
    found = {(item.label, item.group): item.value for item in fitted.importances()}
    assert {item.measure for item in fitted.importances()} == {"variance"}
    spread = fitted.contributions(data)[:, 0].var(axis=0)
    assert found["a", "second"] == pytest.approx(spread[1] / spread.sum())
    for group, share in fitted.group_importances().items():
        assert found[None, group] == pytest.approx(share)
        assert share == pytest.approx((found["a", group] + found["b", group]) / 2)


@pytest.mark.parametrize("model", models, ids=label)
def test_a_single_tag_is_enough(model):
    data = told_by_first_column()
    data = replace(data, labels=data.labels[:, :1], classes=("a",))
    assert replace(model).fit(data, groups, 0).predict_proba(data).shape == (200, 1)


def test_columns_in_no_group_are_not_used():
    data = told_by_first_column()
    for model in models[1:]:
        fitted = replace(model).fit(data, {"second": ["f.z"]}, 0)
        changed = replace(data, table=data.table.with_columns(pl.lit(100.0).alias("f.x")))
        np.testing.assert_array_equal(fitted.predict_proba(data), fitted.predict_proba(changed))


@pytest.mark.parametrize("model", trees, ids=label)
def test_what_a_column_is_worth_adds_up_to_its_group(model):
    data = told_by_first_column(exclusive=True)
    fitted = replace(model).fit(data, {"first": ["f.x"], "second": ["f.z"]}, 0)
    weights = fitted.column_weights()
    assert weights.shape == (2, 3)
    assert not weights[:, 1].any()  # in no group
    shares = weights.sum(axis=0) / weights.sum()
    assert shares[0] == pytest.approx(fitted.group_importances()["first"])
    assert shares[0] > 0.7


def test_the_number_of_threads_is_no_parameter():
    for forest in (RandomForest, ExtraTrees):
        assert forest(n_jobs=2).params() == {"n_estimators": 200}


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Ridge, {"alpha": -1.0}, "alpha must not be negative"),
        (LogisticRegression, {"C": 0.0}, "C must be more than 0"),
        (RandomForest, {"n_estimators": 0}, "n_estimators must be at least 1"),
        (GradientBoosting, {"max_depth": 0}, "max_depth must be at least 1"),
        (GradientBoosting, {"learning_rate": 0.0}, "learning_rate must be more than 0"),
        (Ridge, {"alpha": "much"}, "alpha"),
        (Majority, {"alpha": 1.0}, "unknown parameter 'alpha'"),
    ],
)
def test_settings_that_make_no_sense_name_their_entry(kind, settings, message):
    with pytest.raises(ConfigError, match=rf"models\.mine\.params.*{message}"):
        build(kind, settings, "models.mine.params")


@given(st.integers(0, 99), st.integers(1, 4), st.booleans(), st.sampled_from(linear))
def test_scores_and_shares_stay_in_their_ranges(seed, k, soft, model):
    rng = np.random.default_rng(seed)
    Y = rng.dirichlet(np.ones(k), 25) if soft else (rng.random((25, k)) < 0.3).astype(float)
    data = examples(Y, 10 * rng.normal(size=(25, 3)))
    fitted = replace(model).fit(data, groups, seed)
    scores, shares = fitted.predict_proba(data), fitted.group_importances()
    assert scores.shape == (25, k)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.slow
def test_the_published_anchors_of_gtzan(shared):
    """Accuracy and ROC-AUC of five folds, as measured with scikit-learn's own classes."""
    frame = pl.read_csv(shared / "data" / "tables" / "vaslyb_gtzan_perceptual_features.csv.gz").drop("Track")
    genres = tuple(frame.columns[-10:])
    Y, table = frame.select(genres).to_numpy().astype(float), frame.drop(genres)
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(Y, Y.argmax(axis=1)))
    for model, accuracy, auc in ((Ridge(), 0.6457, 0.9147), (LogisticRegression(), 0.6727, 0.9164)):
        found = []
        for train, test in folds:
            scaling = Scaling.fit(table[train])
            data, unseen = (Examples(scaling.apply(table[rows]), genres, Y[rows], {}, True) for rows in (train, test))
            scores = replace(model).fit(data, {"all": table.columns}, 0).predict_proba(unseen)
            found.append({v.name: v.value for v in evaluate(Y[test], scores, genres, True) if v.label is None})
        assert np.mean([f["accuracy"] for f in found]) == pytest.approx(accuracy, abs=0.003), model.name
        assert np.mean([f["roc_auc"] for f in found]) == pytest.approx(auc, abs=0.002), model.name
