"""XGBoost: the contract, the averages of its gain, TreeSHAP, and the published tables."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.model_selection import StratifiedKFold

from mirstore.core import Examples
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError
from mirstore.core.experiments.metrics import evaluate
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.resolve import build
from mirstore_groupings import DomainExpert, UserFriendly
from mirstore_xgboost import XGBoost, gain

models = [XGBoost(n_estimators=10), XGBoost(n_estimators=10, single="one-vs-rest")]
columns = ["f.x", "f.y", "f.z"]
groups = {"first": ["f.x", "f.y"], "second": ["f.z"]}
samat_tags = XGBoost(n_estimators=50, max_depth=3, learning_rate=0.1, gamma=7.562822592722383, min_child_weight=6)


@pytest.mark.parametrize(
    ("model", "check"),
    [pytest.param(m, check, id=f"{m.single}-{check.__name__}") for m in models for check in checks_for(m)],
)
def test_keeps_the_contract(model, check):
    check(model)


def examples(exclusive=True, n=200):
    """Return three classes: x tells the first from the others, z the second from the third."""
    rng = np.random.default_rng(440)
    X = rng.normal(size=(n, 3))
    label = np.where(X[:, 0] > 0, 0, np.where(X[:, 2] > 0, 1, 2))
    return Examples(pl.DataFrame(X, schema=columns), ("a", "b", "c"), np.eye(3)[label], {}, exclusive)


def importances(model, measure):
    return {(item.label, item.group): item.value for item in model.importances() if item.measure == measure}


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("model", models, ids=lambda model: model.single)
def test_what_decides_is_found_per_label(model, exclusive):
    data = examples(exclusive)
    fitted = replace(model).fit(data, groups, 0)
    assert (fitted.predict_proba(data).argmax(axis=1) == data.labels.argmax(axis=1)).mean() > 0.97
    weights = fitted.column_weights()
    assert weights.argmax(axis=1)[0] == 0
    assert weights[0, 2] < 0.2 * weights[0, 0]  # z says nothing about the first class
    gains = importances(fitted, "gain")
    assert gains["a", "second"] < 0.3 < gains["b", "second"]
    for name in (None, *data.classes):
        assert sum(value for (of, _), value in gains.items() if of == name) == pytest.approx(1)


@pytest.mark.parametrize("exclusive", [True, False])
def test_gain_read_from_the_trees_is_xgboosts_own(exclusive):
    data = examples(exclusive)
    fitted = XGBoost(n_estimators=7).fit(data, groups, 0)
    for i, booster in enumerate(fitted.boosters_):
        for kind, mine in (
            ("gain", fitted.gain_ if exclusive else fitted.gains_[i]),
            ("total_gain", fitted.totals_.sum(axis=0) if exclusive else fitted.totals_[i]),
        ):
            score = booster.get_score(importance_type=kind)
            np.testing.assert_allclose(mine, [score.get(f"f{j}", 0.0) for j in range(3)], rtol=1e-6)


def test_three_averages_of_gain():
    gains = np.array([[4.0, 0.0, 2.0], [2.0, 0.0, 0.0]])  # two labels, three columns
    assert gain.mean_gain(gains).tolist() == [3.0, 0.0, 1.0]
    assert gain.published_gain(gains).tolist() == [2.0, 0.0, 1.0]  # 6/(1+2), 0/1, 2/(1+1)
    assert gain.shares(gain.mean_gain(gains), columns, groups) == {"first": 1.5 / 2.5, "second": 1.0 / 2.5}
    assert gain.total_shares(gains, columns, groups) == pytest.approx({"first": 5 / 6, "second": 1 / 6})


def test_no_split_at_all_says_nothing():
    fitted = XGBoost(n_estimators=3, gamma=1e6).fit(examples(exclusive=False), groups, 0)
    assert fitted.group_importances() == {"first": 0.5, "second": 0.5}
    assert {item.label for item in fitted.importances()} == {None}


def test_the_published_average_is_the_plain_one_for_classes_only():
    softmax = XGBoost(n_estimators=5).fit(examples(), groups, 0)
    assert importances(softmax, "gain as published") == {
        (None, group): value for group, value in softmax.group_importances().items()
    }
    tags = samat_tags.fit(examples(exclusive=False), groups, 0)
    expected = gain.shares(gain.published_gain(tags.gains_), columns, groups)
    assert importances(tags, "gain as published") == {(None, group): value for group, value in expected.items()}


@given(arrays(float, (4, 5), elements=st.floats(0, 1e3)), st.integers(0, 9))
def test_every_average_gives_shares(gains, seed):
    names = [f"f.c{i}" for i in np.random.default_rng(seed).permutation(5)]
    sorting = {"u": names[:2], "v": names[2:3], "w": names[3:]}
    for found in (
        gain.shares(gain.mean_gain(gains), names, sorting),
        gain.shares(gain.published_gain(gains), names, sorting),
        gain.total_shares(gains, names, sorting),
    ):
        assert found.keys() == sorting.keys()
        assert all(value >= 0 for value in found.values())
        assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("exclusive", [True, False])
def test_contributions_sum_to_the_margin(exclusive):
    import xgboost

    data = examples(exclusive)
    fitted = XGBoost(n_estimators=5).fit(data, {"second": ["f.z"], "first": ["f.y", "f.x"]}, 0)
    matrix = xgboost.DMatrix(data.table.select(fitted.columns_).to_numpy())
    boosters = fitted.boosters_
    margin = np.stack([np.asarray(b.predict(matrix, output_margin=True)) for b in boosters], axis=1).reshape(-1, 3)
    bias = np.stack([b.predict(matrix, pred_contribs=True)[..., -1] for b in boosters], axis=1).reshape(-1, 3)
    parts = fitted.contributions(data)
    assert parts.shape == (200, 3, 2)
    np.testing.assert_allclose(parts.sum(axis=-1) + bias, margin, atol=1e-5)
    assert parts[:, 0, 1].std() > 5 * parts[:, 0, 0].std()  # groups come in the order given to fit


def test_a_tag_that_nothing_or_everything_has_keeps_its_prior():
    data = examples(exclusive=False)
    labels = np.column_stack([np.zeros(200), np.ones(200), data.labels[:, 0]])
    fitted = XGBoost(n_estimators=5).fit(replace(data, labels=labels), groups, 0)
    scores = fitted.predict_proba(data)
    assert (scores[:, 0] == 0).all()
    assert (scores[:, 1] == 1).all()
    assert not fitted.column_weights()[:2].any()
    assert not fitted.contributions(data)[:, :2].any()
    assert {item.label for item in fitted.importances()} == {None, "c"}


@pytest.mark.parametrize("model", models, ids=lambda model: model.single)
def test_a_class_without_examples_is_unlikely(model):
    data = examples()
    data = replace(data, labels=np.column_stack([data.labels, np.zeros(200)]), classes=("a", "b", "c", "none"))
    scores = replace(model).fit(data, groups, 0).predict_proba(data)
    assert scores.shape == (200, 4)
    assert (scores.argmax(axis=1) != 3).all()


@pytest.mark.parametrize("model", models, ids=lambda model: model.single)
def test_label_distributions_are_learned_from(model):
    """Examples that are one third of another class end up at about these probabilities."""
    data = examples()
    soft = replace(data, labels=data.labels @ np.array([[2, 1, 0], [0, 2, 1], [1, 0, 2]]) / 3)
    scores = replace(model, n_estimators=60).fit(soft, groups, 0).predict_proba(data)
    np.testing.assert_allclose(scores, soft.labels, atol=0.2)
    assert np.abs(scores - soft.labels).mean() < 0.03


def test_distributions_with_one_class_each_are_hard_labels():
    data = examples()
    nearly = replace(data, labels=np.where(data.labels > 0, 1 - 2e-9, 1e-9))
    hard, soft = (XGBoost(n_estimators=5).fit(of, groups, 0).predict_proba(data) for of in (data, nearly))
    np.testing.assert_allclose(hard, soft, atol=1e-3)


def test_single_matters_only_to_classes():
    data = examples(exclusive=False)
    softmax, rest = (replace(model).fit(data, groups, 0).predict_proba(data) for model in models)
    np.testing.assert_array_equal(softmax, rest)


def test_trees_do_not_depend_on_the_grouping():
    data = examples(exclusive=False)
    other = {"u": ["f.x"], "v": ["f.z", "f.y"]}
    one, another = (XGBoost(n_estimators=5).fit(data, of, 0).predict_proba(data) for of in (groups, other))
    np.testing.assert_array_equal(one, another)


def test_everything_learned_survives_pickling():
    data = examples()
    fitted = XGBoost(n_estimators=5).fit(data, groups, 0)
    copy = pickle.loads(pickle.dumps(fitted))
    assert copy.importances() == fitted.importances()
    np.testing.assert_array_equal(copy.contributions(data), fitted.contributions(data))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_estimators": 0}, "n_estimators must be at least 1"),
        ({"max_depth": 0}, "max_depth must be at least 1"),
        ({"gamma": -1.0}, "gamma must not be negative"),
        ({"min_child_weight": -1.0}, "min_child_weight must not be negative"),
        ({"learning_rate": 0.0}, "learning_rate must be more than 0"),
        ({"single": "none"}, "one-vs-rest"),
        ({"eta": 0.1}, "unknown parameter 'eta'"),
    ],
)
def test_settings_that_make_no_sense_name_their_entry(settings, message):
    with pytest.raises(ConfigError, match=rf"models\.mine\.params.*{message}"):
        build(XGBoost, settings, "models.mine.params")


def test_a_single_mode_that_does_not_exist_is_refused_in_python_too():
    with pytest.raises(ValueError, match="got 'none'"):
        XGBoost(single="none")


# The published tables.


def gtzan(shared, grouper=None):
    frame = pl.read_csv(shared / "data" / "tables" / "vaslyb_gtzan_perceptual_features.csv.gz").drop("Track")
    genres = frame.columns[-10:]
    Y = frame.select(genres).to_numpy().astype(float)
    table = frame.drop(genres).rename(lambda name: "gtzan." + name)
    names = table.columns
    sorting = {"signal": names[:22], "dnn": names[22:29], "harmonic": names[29:61]}
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(Y, Y.argmax(axis=1))
    return table, tuple(genres), Y, grouper.group(names) if grouper else sorting, folds


def jamendo(shared):
    frame = pl.read_csv(shared / "data" / "tables" / "vaslyb_jamendo_perceptual_validation.csv.gz")
    tags = frame.columns[10:66]
    part = frame["Track"].to_numpy().astype(int) % 5
    names = frame.columns
    sorting = {"signal": names[96:], "dnn": names[1:8], "harmonic": names[8:10] + names[66:96]}
    Y = frame.select(tags).to_numpy().astype(float)
    folds = [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(5)]
    return frame.drop("Track", *tags), tuple(tags), Y, sorting, folds


def cross_validate(model, table, classes, Y, sorting, folds, exclusive):
    """Return mean metrics and mean importances of the folds, by measure and group."""
    values, found = {}, {}
    for train, test in folds:
        scaling = Scaling.fit(table[train])
        data, unseen = (Examples(scaling.apply(table[r]), classes, Y[r], {}, exclusive) for r in (train, test))
        fitted = replace(model).fit(data, sorting, 0)
        for value in evaluate(Y[test], fitted.predict_proba(unseen), classes, exclusive):
            if value.label is None:
                values.setdefault(value.name, []).append(value.value)
        for item in fitted.importances():
            if item.label is None:
                found.setdefault(item.measure, {}).setdefault(item.group, []).append(item.value)
    means = {measure: [np.mean(v) for v in of.values()] for measure, of in found.items()}
    return {name: np.mean(v) for name, v in values.items()}, means


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "grouper", "accuracy", "auc", "shares"),
    [
        (XGBoost(), None, 0.7357, 0.9598, [0.380, 0.406, 0.214]),
        (XGBoost(), UserFriendly(), 0.6877, 0.9425, [0.234, 0.304, 0.281, 0.181]),
        (XGBoost(), DomainExpert(), 0.6727, 0.9357, [0.294, 0.203, 0.274, 0.229]),
        (XGBoost(max_depth=2), None, 0.7357, 0.9594, None),
        (replace(samat_tags, single="one-vs-rest"), None, 0.6817, 0.9276, None),
    ],
    ids=["samat-single", "user-friendly", "domain-expert", "depth-2", "samat-multi"],
)
def test_the_published_anchors_of_gtzan(shared, model, grouper, accuracy, auc, shares):
    metrics, means = cross_validate(model, *gtzan(shared, grouper), exclusive=True)
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=0.01)
    assert metrics["roc_auc"] == pytest.approx(auc, abs=0.01)
    if shares:
        assert means["gain"] == pytest.approx(shares, abs=0.01)


@pytest.mark.slow
def test_the_published_anchors_of_jamendo(shared):
    """Three averages of the same trees; the published one makes the groups look alike."""
    metrics, means = cross_validate(samat_tags, *jamendo(shared), exclusive=False)
    assert metrics["roc_auc"] == pytest.approx(0.7738, abs=0.01)
    assert means["gain as published"] == pytest.approx([0.389, 0.358, 0.253], abs=0.01)
    assert means["gain"] == pytest.approx([0.505, 0.392, 0.103], abs=0.01)
    assert means["total gain"] == pytest.approx([0.710, 0.160, 0.123], abs=0.01)
