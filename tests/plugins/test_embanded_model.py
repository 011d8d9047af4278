"""EM-banded regression as a model: what it explains, and what it makes of unusual examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from mirstore.core import Examples
from mirstore_embanded import EMBanded, Gram, statistics
from mirstore_embanded.calibration import leave_one_out, sigmoid
from mirstore_embanded.regression import begun, fit
from mirstore_embanded.statistics import resampled

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
    assert [(r.label, r.group) for r in rows if r.measure == "lambda"] == [
        (label, group) for label in examples.classes for group in groups
    ]
    overall = {r.measure for r in rows if r.label is None}
    assert {"mean of label shares", "prior share", "degrees of freedom", "variance", "product"} <= overall
    shares = [r.value for r in rows if r.measure == "mean of label shares"]
    assert sum(shares) == pytest.approx(1)
    dof = {r.group: r.value for r in rows if r.measure == "degrees of freedom"}
    assert all(0 < value < 3 for value in dof.values())


@pytest.mark.parametrize(("shared", "measure"), [(False, "lambda"), (True, "variance")])
def test_the_group_that_matters_to_a_label_is_said_to(shared, measure):
    model = EMBanded(shared=shared).fit(music(), groups, 0)
    shares = {(r.label, r.group): r.value for r in model.importances() if r.measure == measure}
    assert shares["calm", "first"] > 0.8
    assert shares["happy", "second"] > 0.8


def test_other_groupings_are_fitted_from_the_same_statistics(model, examples):
    other = {"odd": names[1:6:2], "even": names[:6:2]}
    found = model.importances_of_groupings(examples, [other, groups], 0)
    assert found[0] == pytest.approx(EMBanded().fit(examples, other, 0).group_importances(), abs=2e-3)
    assert found[1] == pytest.approx(model.group_importances(), abs=2e-3)


# Bootstraps


def test_drawn_statistics_are_those_of_repeated_rows(monkeypatch):
    local = np.random.default_rng(4)
    X, Y, units = local.normal(size=(30, 3)), local.normal(size=(30, 2)), np.arange(30) // 3
    blocks = list(resampled(X, Y, units, 5, 7))
    monkeypatch.setattr(statistics, "room", 0)
    weighted = list(resampled(X, Y, units, 5, 7))
    draws = np.random.default_rng(7)
    for a, b in zip(blocks, weighted, strict=True):
        rows = np.concatenate([np.flatnonzero(units == unit) for unit in draws.integers(0, 10, 10)])
        direct = Gram.of(X[rows], Y[rows])
        assert a.n == b.n == direct.n
        for x, y, z in zip(a.centred(), b.centred(), direct.centred(), strict=True):
            np.testing.assert_allclose(x, z, atol=1e-12)
            np.testing.assert_allclose(y, z, atol=1e-12)


def test_bootstraps_spread_around_the_importance(model, examples):
    drawn = model.bootstrap_importances(examples, groups, 30, 0)
    assert drawn == model.bootstrap_importances(examples, groups, 30, 0)
    first = np.array([shares["first"] for shares in drawn])
    low, high = np.quantile(first, [0.02, 0.98])
    assert low < model.group_importances()["first"] < high
    assert all(sum(shares.values()) == pytest.approx(1) for shares in drawn)


def test_a_head_start_on_similar_data_leads_to_the_same_optimum():
    found, other = music(), music(seed=8)
    settings, members = EMBanded()._settings(), {"first": np.arange(3), "second": np.arange(3, 6)}
    whole, gram = (Gram.of(e.table.to_numpy()[:, :6], e.labels) for e in (other, found))
    started, alone = fit(gram, members, settings, start=begun(whole, members, settings)), fit(gram, members, settings)
    np.testing.assert_allclose(started.lambdas, alone.lambdas, rtol=1e-6)
    assert (started.iterations < alone.iterations).all()


def test_bootstraps_are_of_the_groups_asked_for(model, examples):
    other = {"odd": names[1:6:2], "even": names[:6:2]}
    assert model.bootstrap_importances(examples, other, 2, 0)[0].keys() == other.keys()


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
    weak = {"tau": 1e-8, "eta": 1e-8}
    blind = EMBanded(**weak).fit(Examples(table, ("a", "b"), Y, {}), grouping, 0)
    aware = EMBanded(**weak).fit(Examples(table, ("a", "b"), Y, {}, units=units), grouping, 0)
    wide = [np.ptp(m.predict_proba(Examples(table, ("a", "b"), None, {})), axis=0) for m in (blind, aware)]
    assert (wide[1] <= wide[0] + 1e-9).all()


@pytest.mark.parametrize("units", [None, np.array(["one"] * 160), np.arange(160).astype(str)])
def test_units_that_say_nothing_leave_single_examples_out(units):
    found = music()
    model = EMBanded().fit(replace(found, units=units), groups, 0)
    left_out = leave_one_out(model.fit_, found.table.to_numpy(), found.labels, np.ones(160))
    np.testing.assert_array_equal(model.slope_, sigmoid(left_out, found.labels, np.ones(160))[0])


def test_a_low_rank_is_calibrated_on_fits_of_that_rank():
    found = replace(music(), units=None)
    model = EMBanded(rank=1).fit(found, groups, 0)
    left_out = leave_one_out(model.fit_, found.table.to_numpy(), found.labels, np.ones(160))
    assert not np.allclose(model.slope_, sigmoid(left_out, found.labels, np.ones(160))[0])


def test_calibrated_probabilities_have_the_frequency_of_labels(examples):
    model = EMBanded().fit(examples, groups, 0)
    scores = model.predict_proba(replace(examples, labels=None))
    np.testing.assert_allclose(scores.mean(axis=0), examples.labels.mean(axis=0), atol=0.03)
    if examples.exclusive:
        np.testing.assert_allclose(scores.sum(axis=1), 1)
        best = model.decision_function(examples).argmax(axis=1)
        np.testing.assert_array_equal(scores.argmax(axis=1), best)


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
        ({"solver": "newton"}, "solver must be 'auto' or 'em', got 'newton'"),
        ({"output": "raw"}, "output must be 'calibrated', 'softmax' or 'logistic', got 'raw'"),
        ({"tau": -1.0}, "eta, tau, phi and kappa must be positive"),
        ({"max_iter": 0}, "max_iter and tol must be positive"),
    ],
)
def test_settings_of_the_model_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        EMBanded(**settings).fit(music(), groups, 0)
