"""EM-banded regression as a model: what it explains, and what it makes of unusual examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from mirstore.core import Examples
from mirstore_embanded import EMBanded
from mirstore_embanded.calibration import leave_one_out, sigmoid

names = [f"t.f{i}" for i in range(8)]
groups = {"first": names[:3], "second": names[3:6]}  # t.f6 and t.f7 are in none


def music(n=160, exclusive=False, seed=3):
    local = np.random.default_rng(seed)
    X = local.normal(size=(n, 8))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    scores = X[:, [0, 4, 1]] + local.normal(size=(n, 3))
    Y = np.eye(3)[scores.argmax(axis=1)] if exclusive else (scores > 0.8).astype(float)
    units = np.array([f"artist {i // 4}" for i in range(n)])
    return Examples(pl.DataFrame(X, schema=names), ("calm", "happy", "sad"), Y, {}, exclusive, units)


@pytest.fixture(params=[False, True], ids=["tags", "classes"])
def examples(request):
    return music(exclusive=request.param)


@pytest.fixture
def model(examples):
    return EMBanded().fit(examples, groups, 0)


# What it explains


def test_contributions_and_means_are_the_scores(model, examples):
    parts = model.contributions(examples)
    assert parts.shape == (160, 3, 2)
    whole = parts.sum(axis=-1) + examples.labels.mean(axis=0)
    np.testing.assert_allclose(whole, model.decision_function(examples), atol=1e-12)


def test_columns_in_no_group_weigh_nothing(model, examples):
    weights = model.column_weights()
    assert weights.shape == (3, 8)
    assert (weights[:, 6:] == 0).all()
    fewer = replace(examples, table=examples.table.select(names[:6]))
    alone = EMBanded().fit(fewer, groups, 0)
    np.testing.assert_allclose(weights[:, :6], alone.column_weights(), atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(examples), alone.predict_proba(fewer), atol=1e-7)


def test_columns_may_come_in_another_order(model, examples):
    turned = replace(examples, table=examples.table.select(names[::-1]))
    np.testing.assert_array_equal(model.predict_proba(turned), model.predict_proba(examples))


def test_importances_name_labels_groups_and_measures(model, examples):
    rows = model.importances()
    for measure in ("variance", "lambda", "degrees of freedom"):
        assert [(r.label, r.group) for r in rows if r.measure == measure and r.label is not None] == [
            (label, group) for label in examples.classes for group in groups
        ]
    overall = {r.measure for r in rows if r.label is None}
    assert overall == {"degrees of freedom", "prior share", "product", "lambda", "mean of lambda shares"}
    for measure in ("lambda", "mean of lambda shares"):
        assert sum(r.value for r in rows if r.measure == measure and r.label is None) == pytest.approx(1)
    dof = {r.group: r.value for r in rows if r.measure == "degrees of freedom" and r.label is None}
    assert all(0 < value < 3 for value in dof.values())


def test_the_share_shown_is_the_groups_part_of_the_variance_of_predictions(model, examples):
    variance = model.contributions(examples).var(axis=0)  # (labels, groups)
    shares = variance / variance.sum(axis=1, keepdims=True)
    assert list(model.group_importances().values()) == pytest.approx(shares.mean(axis=0))
    told = [r.value for r in model.importances() if r.measure == "variance"]
    assert told == pytest.approx(shares.ravel())


@pytest.mark.parametrize("pooling", ["labels", "none"])
@pytest.mark.parametrize("measure", ["variance", "lambda"])
def test_the_group_that_matters_to_a_label_is_said_to(pooling, measure):
    model = EMBanded(pooling=pooling).fit(music(), groups, 0)
    shares = {(r.label, r.group): r.value for r in model.importances() if r.measure == measure}
    assert shares["calm", "first"] > 0.6
    assert shares["happy", "second"] > 0.6


# Probabilities


def test_calibration_uses_scores_of_artists_left_out():
    """Tracks of an artist are copies of each other: without leaving artists out, scores would look too good."""
    local = np.random.default_rng(5)
    X, Y = (
        np.repeat(local.normal(size=(30, 8)), 4, axis=0),
        np.repeat((local.random((30, 2)) < 0.5).astype(float), 4, 0),
    )
    units = np.repeat(np.arange(30).astype(str), 4)
    table = pl.DataFrame(X + 0.01 * local.normal(size=X.shape), schema=names)
    grouping = {"all": names}
    blind = EMBanded().fit(Examples(table, ("a", "b"), Y, {}), grouping, 0)
    aware = EMBanded().fit(Examples(table, ("a", "b"), Y, {}, units=units), grouping, 0)
    wide = [np.ptp(m.predict_proba(Examples(table, ("a", "b"), None, {})), axis=0) for m in (blind, aware)]
    assert (wide[1] <= wide[0] + 1e-9).all()


@pytest.mark.parametrize("units", [None, np.array(["one"] * 160), np.arange(160).astype(str)])
def test_units_that_say_nothing_leave_single_examples_out(units):
    found = music()
    model = EMBanded().fit(replace(found, units=units), groups, 0)
    left_out = leave_one_out(model.fit_, found.table.to_numpy(), found.labels, np.ones(160))
    model.predict_proba(found)
    np.testing.assert_array_equal(model.slope_, sigmoid(left_out, found.labels, np.ones(160))[0])


def test_labels_that_shrink_together_are_calibrated_as_they_are():
    """Tags of one direction, many of them rare: what is confirmed of it carries over to all."""
    local = np.random.default_rng(6)
    X = local.normal(size=(600, 8))
    scores = X[:, [0]] + X[:, [4]] + 2 * local.normal(size=(600, 12))
    Y = (scores > np.quantile(scores, 0.9)).astype(float)
    known, new = (
        Examples(pl.DataFrame(X[rows], schema=names), tuple("abcdefghijkl"), Y[rows], {})
        for rows in (np.arange(200), np.arange(200, 600))
    )

    def loss(model):
        p = model.fit(known, groups, 0).predict_proba(replace(new, labels=None))
        return -np.log(np.where(new.labels > 0, p, 1 - p)).mean()

    assert loss(EMBanded(shrink=True)) < loss(EMBanded()) - 0.002


def test_calibrated_probabilities_have_the_frequency_of_labels(examples):
    model = EMBanded().fit(examples, groups, 0)
    scores = model.predict_proba(replace(examples, labels=None))
    np.testing.assert_allclose(scores.mean(axis=0), examples.labels.mean(axis=0), atol=0.03)
    if examples.exclusive:
        np.testing.assert_allclose(scores.sum(axis=1), 1)
        assert (scores.argmax(axis=1) == examples.labels.argmax(axis=1)).mean() > 0.6


def test_logistic_output_keeps_the_order_and_softmax_sums_to_1():
    found = music()
    logistic = EMBanded(output="logistic").fit(found, groups, 0)
    raw = logistic.decision_function(found)
    np.testing.assert_array_equal(np.argsort(raw, axis=0), np.argsort(logistic.predict_proba(found), axis=0))
    np.testing.assert_allclose(EMBanded(output="softmax").fit(found, groups, 0).predict_proba(found).sum(axis=1), 1)


# Unusual examples


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_label_that_never_varies_is_predicted_as_such(value):
    found = music()
    labels = np.column_stack([found.labels, np.full(160, value)])
    with_it = replace(found, labels=labels, classes=(*found.classes, "constant"))
    scores = EMBanded().fit(with_it, groups, 0).predict_proba(replace(with_it, labels=None))
    assert np.abs(scores[:, 3] - value).max() < 0.02
    others = EMBanded().fit(found, groups, 0).predict_proba(replace(found, labels=None))
    np.testing.assert_allclose(scores[:, :3], others, atol=1e-9)


def test_label_distributions_can_be_learned():
    found = music(exclusive=True)
    soft = replace(found, labels=0.7 * found.labels + 0.1)
    scores = EMBanded().fit(soft, groups, 0).predict_proba(replace(found, labels=None))
    np.testing.assert_allclose(scores.mean(axis=0), soft.labels.mean(axis=0), atol=0.03)


def test_single_precision_columns_are_learned_in_double():
    found = music()
    rough = replace(found, table=found.table.cast(pl.Float32))
    a, b = (EMBanded().fit(e, groups, 0).predict_proba(e) for e in (found, rough))
    assert b.dtype == np.float64
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "grouping", "message"),
    [
        ({}, {"a": ["t.f9"]}, r"unknown column 't.f9' in groups; did you mean"),
        ({}, {"a": names[:2], "b": names[1:3]}, "column 't.f1' is in groups 'a' and 'b'"),
        ({}, {"a": names[:2], "b": []}, "group 'b' is empty"),
        ({}, {}, "there are no groups"),
        ({"labels": None}, groups, "examples without labels"),
        ({"table": music().table.with_columns(pl.lit(np.nan).alias("t.f2"))}, groups, "NaN or infinity"),
        ({"table": music().table.with_columns(pl.lit(None, pl.Float64).alias("t.f2"))}, groups, "NaN or infinity"),
    ],
)
def test_examples_that_make_no_sense(change, grouping, message):
    with pytest.raises(ValueError, match=message):
        EMBanded().fit(replace(music(), **change), grouping, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "flat"}, "prior must be 'log' or 'inverse-gamma', got 'flat'"),
        ({"pooling": "some"}, "pooling must be 'labels' or 'none', got 'some'"),
        ({"output": "raw"}, "output must be 'calibrated', 'softmax' or 'logistic', got 'raw'"),
        ({"tau": -1.0}, "eta, tau, phi and kappa must be positive"),
        ({"max_iter": 0}, "max_iter and tol must be positive"),
    ],
)
def test_settings_of_the_model_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        EMBanded(**settings).fit(music(), groups, 0)
