"""EM-banded regression against published numbers, a plain implementation of the formulas, and identities."""

from __future__ import annotations

import pickle
import re

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from mirstore.core import Examples
from mirstore.core.checks import checks_for
from mirstore.core.experiments.metrics import evaluate
from mirstore.core.experiments.scaling import Scaling
from mirstore_embanded import EMBanded, EMBandedClassifier, EMBandedRegressor, Gram
from mirstore_embanded.calibration import leave_one_out, sigmoid, softmax
from mirstore_embanded.evidence import Dual, Primal, Priors
from mirstore_embanded.groups import smoothness_root
from mirstore_embanded.published import solve
from mirstore_embanded.regression import Settings, fit, shrunk
from mirstore_groupings import AllFeatures, DomainExpert, UserFriendly

rng = np.random.default_rng(440)
priors = Priors(1e-4, 1e-4, 1e-4, 1e-4)
paper = {"prior": "inverse-gamma", "pooling": "none"}


def published_data(n, d, targets):
    """The generator of the reference implementation's own tests."""
    state = np.random.RandomState(1337)
    X = norm.ppf(state.random_sample((d, n)).T)
    return X, X[:, [0]] + norm.ppf(state.random_sample((targets, n)).T)


def reference(X, y, groups, iterations=200, prior=priors, omega=None):
    """The published algorithm as it is written: a full inverse and a pass over all rows per iteration."""
    n, d = X.shape
    X, y = X - X.mean(axis=0), y - y.mean()
    inverse = np.eye(d) if omega is None else np.linalg.inv(omega)
    lambdas, nu = np.ones(len(groups)), 1.0
    owner = np.concatenate([np.full(len(m), j) for j, m in enumerate(groups)])
    for iteration in range(iterations):
        covariance = np.linalg.inv(X.T @ X / nu + inverse / lambdas[owner][:, None])
        w = covariance @ X.T @ y / nu
        if iteration < iterations - 1:
            energy = [
                w[m] @ inverse[np.ix_(m, m)] @ w[m] + np.trace(covariance[np.ix_(m, m)] @ inverse[np.ix_(m, m)])
                for m in groups
            ]
            sizes = np.array([len(m) for m in groups])
            lambdas = (np.array(energy) + 2 * prior.tau) / (sizes + 2 * prior.eta + 2)
            squares = np.sum((y - X @ w) ** 2) + np.trace(X.T @ X @ covariance)
            nu = (squares + 2 * prior.kappa) / (n + 2 * prior.phi + 2)
    return lambdas, nu, w


# The published numbers


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize(
    ("d", "targets", "lambdas", "nu", "score"),
    [
        (8, 1, [0.124752421156323, 0.000099481704179], 1.016172147103439, -62.375380659874189),
        (256, 1, [0.170212040035268, 0.000122737436378], 0.828597806038281, -52.269084551054725),
        pytest.param(
            8,
            1000,
            [0.250738415633565, 0.000385719557023],
            0.994101490100018,
            -7.068875711264722e4,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_published_trajectories(d, targets, lambdas, nu, score, dual):
    X, Y = published_data(128, d, targets)
    gram = Gram.of(X, Y)
    G, C, squares = gram.centred()
    evidence = Dual(X - X.mean(axis=0), [4, d - 4], 128) if dual else Primal(G, [4, d - 4], 128)
    target = Y - Y.mean(axis=0) if dual else evidence.target(C, squares.sum())
    found = solve(evidence, target, targets, priors, 200)
    np.testing.assert_allclose(found.lambdas, lambdas, rtol=1e-9)
    assert found.nu == pytest.approx(nu, rel=1e-12)
    assert found.score == pytest.approx(score, rel=1e-12)


def test_published_numbers_by_the_estimator():
    X, Y = published_data(128, 8, 1000)
    model = EMBandedRegressor([0] * 4 + [1] * 4, prior="inverse-gamma").fit(X, Y)
    np.testing.assert_allclose(model.lambdas_[0], [0.250738415633565, 0.000385719557023], rtol=1e-9)
    assert (model.lambdas_ == model.lambdas_[0]).all()


def test_a_group_per_column(shared):
    """100 groups of one column (make_regression, as scikit-learn makes it), full precision in the golden file."""
    import json

    from sklearn.datasets import make_regression

    golden = json.loads((shared / "golden" / "embanded.json").read_text())["sklearn_01/gamma=0.0001"]
    X, y = make_regression(n_samples=100, n_features=100, noise=8, random_state=42)
    model = EMBandedRegressor(range(100), **paper).fit(X, y)
    np.testing.assert_allclose(model.lambdas_[0][:5], golden["lambdas"]["first5"], rtol=1e-9)
    assert model.lambdas_.sum() == pytest.approx(golden["lambdas"]["sum"], rel=1e-9)
    assert model.nu_[0] == pytest.approx(golden["nu"], rel=1e-9)
    assert model.score_[0] == pytest.approx(golden["score"], rel=1e-9)
    assert np.linalg.norm(model.coef_) == pytest.approx(golden["W_l2"], rel=1e-9)


# One algorithm, several ways

shapes = [(60, 12, (3, 4, 5)), (30, 40, (10, 25, 5)), (50, 6, (6,)), (40, 8, (1,) * 8), (9, 30, (30,))]


def problem(n, d, sizes, seed=0):
    local = np.random.default_rng(seed)
    ends = np.cumsum(sizes)
    groups = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    X = local.normal(size=(n, d)) @ (np.eye(d) + 0.3 * local.normal(size=(d, d)) / np.sqrt(d))
    return X, X[:, 0] + 0.5 * X[:, -1] + local.normal(size=n), groups


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("n", "d", "sizes"), shapes)
def test_the_trajectory_is_that_of_the_plain_formulas(n, d, sizes, smooth):
    X, y, groups = problem(n, d, sizes)
    lengths = [None if j % 2 else 2.0 for j in range(len(sizes))] if smooth else None
    omega = None
    if lengths is not None:
        from scipy.linalg import block_diag

        roots = [smoothness_root(size, h) for size, h in zip(sizes, lengths, strict=True)]
        omega = block_diag(*(root @ root.T for root in roots))
    lambdas, nu, w = reference(X, y, groups, 60, omega=omega)
    model = EMBandedRegressor([list(m) for m in groups], max_iter=60, smoothness=lengths, **paper).fit(X, y)
    np.testing.assert_allclose(model.lambdas_[0], lambdas, rtol=1e-8)
    np.testing.assert_allclose(model.nu_[0], nu, rtol=1e-8)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "d", "sizes"), shapes)
def test_primal_and_dual_agree(n, d, sizes):
    X, y, _ = problem(n, d, sizes)
    gram = Gram.of(X, y[:, None])
    G, C, squares = gram.centred()
    primal, dual = Primal(G, sizes, n), Dual(X - X.mean(axis=0), sizes, n)
    lambdas = rng.uniform(0.01, 1, len(sizes))
    a = primal.at(lambdas, 0.3, primal.target(C, squares[0]))
    b = dual.at(lambdas, 0.3, y[:, None] - y.mean())
    for name in ("energy", "residual", "dof", "fit", "weights"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-10)


def test_em_never_lowers_the_score():
    X, y, groups = problem(60, 12, (3, 4, 5))
    scores = [
        EMBandedRegressor([list(m) for m in groups], max_iter=k, **paper).fit(X, y).score_[0] for k in range(1, 40)
    ]
    assert (np.diff(scores) >= -1e-10).all()


def test_too_few_evaluations_are_warned_about():
    X, y, groups = problem(60, 12, (3, 4, 5))
    with pytest.warns(ConvergenceWarning, match="did not converge in 3 evaluations"):
        EMBandedRegressor([list(m) for m in groups], max_iter=3).fit(X, y)


# The published tables, standardised on the training part, groups by extraction method


def table(shared, name, first, last):
    file = shared / "data" / "tables" / f"vaslyb_{name}.csv.gz"
    frame = pl.read_csv(file, infer_schema_length=None)
    labels = frame.columns[frame.columns.index(first) : frame.columns.index(last) + 1]
    ids = frame[frame.columns[0]].cast(pl.Int64).to_numpy()
    X = frame.drop([*labels, frame.columns[0]]).rename(lambda c: "t." + re.sub(r"\W+", "_", c).lower())
    return X, frame.select(labels).to_numpy().astype(float), tuple(labels), ids


def learned(data, train, test, grouper, exclusive, **settings):
    X, Y, labels, _ = data
    groups = grouper.group(X.columns)
    X = X.select(column for members in groups.values() for column in members)
    scaling = Scaling.fit(X[train])
    model = EMBanded(**paper, **settings).fit(
        Examples(scaling.apply(X[train]), labels, Y[train], {}, exclusive), groups, 0
    )
    scores = model.predict_proba(Examples(scaling.apply(X[test]), labels, None, {}, exclusive))
    return model, {v.name: v.value for v in evaluate(Y[test], scores, labels, exclusive) if v.label is None}


def overall(model, measure):
    return [i.value for i in model.importances() if (i.measure, i.label) == (measure, None)]


def test_gtzan_variances_and_shares(shared):
    from sklearn.model_selection import train_test_split

    data = table(shared, "gtzan_perceptual_features", "blues", "rock")
    train, test = train_test_split(np.arange(999), train_size=0.8, random_state=4)
    model, values = learned(data, train, test, AllFeatures(), True, output="logistic")
    assert list(model.groups_) == ["signal", "dnn", "harmonic"]
    expected = {
        "blues": [1.28757742e-03, 9.12420656e-03, 5.03475979e-05],
        "classical": [8.99261944e-03, 4.90429922e-03, 2.90822667e-05],
        "jazz": [7.70995143e-03, 1.43757171e-04, 4.13832160e-05],
        "metal": [1.80392859e-03, 1.22838041e-02, 5.08471584e-05],
        "rock": [5.58445317e-04, 1.63701564e-03, 6.92795918e-05],
    }
    for label, lambdas in expected.items():
        np.testing.assert_allclose(model.fit_.lambdas[data[2].index(label)], lambdas, rtol=1e-8)
    assert values["accuracy"] == pytest.approx(0.650, abs=5e-4)
    assert values["roc_auc"] == pytest.approx(0.9256, abs=5e-5)
    assert overall(model, "lambda") == pytest.approx((0.4266, 0.5627, 0.0108), abs=6e-5)
    assert overall(model, "mean of lambda shares") == pytest.approx((0.475, 0.490, 0.035), abs=6e-4)
    for grouper, numbers in (
        (UserFriendly(), (0.6176, 0.0777, 0.1702, 0.1345)),
        (DomainExpert(), (0.4190, 0.1740, 0.1314, 0.2756)),
    ):
        model, _ = learned(data, train, test, grouper, True, output="logistic")
        assert overall(model, "lambda") == pytest.approx(numbers, abs=6e-5)


@pytest.mark.parametrize(
    ("name", "labels", "shares"),
    [
        ("gtzan_perceptual_features", ("blues", "rock"), {"signal": 0.652, "dnn": 0.288, "harmonic": 0.060}),
        ("jamendo_perceptual_validation", ("action", "uplifting"), {"signal": 0.647, "dnn": 0.156, "harmonic": 0.197}),
    ],
)
def test_shares_of_the_variance_of_predictions(shared, name, labels, shares):
    data = table(shared, name, *labels)
    everything = np.arange(len(data[1]))
    model, _ = learned(data, everything, everything[:99], AllFeatures(), name.startswith("gtzan"), output="logistic")
    assert model.group_importances() == pytest.approx(shares, abs=6e-4)


@pytest.mark.slow
def test_gtzan_cross_validation(shared):
    from sklearn.model_selection import StratifiedKFold

    data = table(shared, "gtzan_perceptual_features", "blues", "rock")
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(data[1], data[1].argmax(axis=1)))
    for grouper, accuracy, area in (
        (AllFeatures(), 0.6437, 0.9211),
        (UserFriendly(), 0.6306, 0.9166),
        (DomainExpert(), 0.6166, 0.9141),
    ):
        found = [learned(data, *fold, grouper, True, output="logistic")[1] for fold in folds]
        assert np.mean([f["accuracy"] for f in found]) == pytest.approx(accuracy, abs=6e-5)
        assert np.mean([f["roc_auc"] for f in found]) == pytest.approx(area, abs=6e-5)


@pytest.mark.slow
def test_jamendo_first_folds(shared):
    data = table(shared, "jamendo_perceptual_validation", "action", "uplifting")
    about = pl.read_csv(
        shared / "data" / "tables" / "mtg_jamendo" / "autotagging_moodtheme.tsv.gz",
        separator="\t",
        truncate_ragged_lines=True,
    )
    artist_of = {int(t[6:]): int(a[7:]) for t, a in about.select("TRACK_ID", "ARTIST_ID").iter_rows()}
    artists = np.array([artist_of[i] for i in data[3]])
    for numbers, grouper, output, area, precision in (
        (data[3], AllFeatures(), "logistic", 0.7759172, 0.1686571),
        (data[3], AllFeatures(), "softmax", 0.7749037, None),
        (data[3], UserFriendly(), "logistic", 0.7682659, None),
        (data[3], DomainExpert(), "logistic", 0.7675639, None),
        (artists, AllFeatures(), "logistic", 0.6588939, 0.0845290),
        (artists, AllFeatures(), "softmax", 0.6660753, None),
    ):
        test = numbers % 5 == 0
        _, values = learned(data, np.flatnonzero(~test), np.flatnonzero(test), grouper, False, output=output)
        assert values["roc_auc"] == pytest.approx(area, abs=6e-8), (grouper.name, output)
        if precision:
            assert values["pr_auc"] == pytest.approx(precision, abs=6e-8)


# Statistics

values = arrays(np.float64, (23, 4), elements=st.floats(-100, 100))


@given(values, st.lists(st.integers(0, 23), max_size=4), st.randoms())
def test_statistics_do_not_depend_on_batches_or_their_order(Z, cuts, random):
    whole = Gram.of(Z[:, :3], Z[:, 3:])
    parts = [part for part in np.split(Z, sorted(cuts)) if len(part)]
    random.shuffle(parts)
    merged = Gram.of(parts[0][:, :3], parts[0][:, 3:])
    for part in parts[1:]:
        merged = merged + Gram.of(part[:, :3], part[:, 3:])
    scale = 1 + np.abs(Z).max() ** 2
    for a, b in zip(whole.centred(), merged.centred(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12 * scale * len(Z))
    assert merged.n == len(Z)


@given(values, st.integers(1, 22))
def test_subtracting_a_fold_leaves_the_rest(Z, cut):
    rest = Gram.of(Z[:, :3], Z[:, 3:]) - Gram.of(Z[:cut, :3], Z[:cut, 3:])
    direct = Gram.of(Z[cut:, :3], Z[cut:, 3:])
    scale = 1 + np.abs(Z).max() ** 2
    for a, b in zip(rest.centred(), direct.centred(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11 * scale * len(Z))


def test_a_large_offset_costs_few_digits():
    X, y, _ = problem(500, 5, (5,))
    moved = Gram.of(X + 1e6, y[:, None] + 1e6).centred()
    for a, b in zip(moved, Gram.of(X, y[:, None]).centred(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_weights_count_rows():
    X, y, _ = problem(30, 4, (4,))
    times = rng.integers(0, 4, 30)
    weighted = EMBandedRegressor().fit(X, y, sample_weight=times)
    repeated = EMBandedRegressor().fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-8)


@pytest.mark.parametrize("listed", [False, True])
def test_arrow_batches_are_streamed(listed):
    X, y, _ = problem(100, 4, (4,))
    if listed:
        flat = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 4)
        table = pa.table({"vector": flat, "y": y})
    else:
        table = pa.table({**{f"x{i}": X[:, i] for i in range(4)}, "y": y})
    gram = Gram.of_arrow(table.to_batches(max_chunksize=7), ["y"])
    streamed = EMBandedRegressor().fit_statistics(gram)
    np.testing.assert_allclose(streamed.coef_[0], EMBandedRegressor().fit(X, y).coef_, rtol=1e-8)
    with pytest.raises(ValueError, match="no rows"):
        Gram.of_arrow([], ["y"])


def test_learning_in_parts_is_learning_at_once():
    X, y, _ = problem(60, 5, (5,))
    model = EMBandedRegressor()
    for part in np.array_split(np.arange(60), 4):
        model.partial_fit(X[part], y[part])
    np.testing.assert_allclose(model.predict(X), EMBandedRegressor().fit(X, y).predict(X), rtol=1e-8)


# What a fit says


@pytest.fixture
def fitted():
    X, y, groups = problem(80, 12, (3, 4, 5))
    Y = np.column_stack([y, X[:, 5] + rng.normal(size=80)])
    names = dict(zip("abc", (list(m) for m in groups), strict=True))
    return EMBandedRegressor(names).fit(X, Y), X, Y


def test_contributions_and_the_mean_are_the_prediction(fitted):
    model, X, Y = fitted
    whole = model.group_contributions(X).sum(axis=-1) + Y.mean(axis=0)
    np.testing.assert_allclose(whole, model.predict(X), rtol=1e-12, atol=1e-12)


def test_the_product_measure_sums_to_the_explained_variance(fitted):
    from sklearn.metrics import r2_score

    model, X, Y = fitted
    rows = model.importance_table()
    for i in range(2):
        parts = sum(row["product"] for row in rows if row["target"] == i)
        assert parts == pytest.approx(r2_score(Y[:, i], model.predict(X)[:, i]), abs=1e-12)
        assert sum(row["share"] for row in rows if row["target"] == i) == pytest.approx(1)
    assert [row["group"] for row in rows[:3]] == ["a", "b", "c"]


def test_small_groups_of_unscaled_targets_are_warned_about():
    X, y, groups = problem(80, 12, (3, 4, 5))
    model = EMBandedRegressor([list(m) for m in groups], tau=1e-2, **paper).fit(X, 0.01 * y)
    with pytest.warns(UserWarning, match="part of lambda is the prior's own .*1 100%"):
        model.importance_table()


@pytest.mark.parametrize(("n", "d"), [(200, 3), (20, 40)])
def test_the_deviation_of_a_prediction_covers_new_observations(n, d):
    X, y, _ = problem(n, d, (d,), seed=3)
    new, truth, _ = problem(400, d, (d,), seed=3)
    local = np.random.default_rng(5)
    mixing = np.linalg.lstsq(problem(n, d, (d,), seed=3)[0], X, rcond=None)[0]
    new = local.normal(size=(400, d)) @ (mixing if n > d else np.eye(d))
    truth = new[:, 0] + 0.5 * new[:, -1] + local.normal(size=400)
    predicted, deviation = EMBandedRegressor().fit(X, y).predict(new, return_std=True)
    assert deviation.shape == predicted.shape
    assert 0.85 < (np.abs(truth - predicted) < 1.96 * deviation).mean() <= 1
    far = EMBandedRegressor().fit(X, y).predict(100 * new, return_std=True)[1]
    assert (far > deviation).all()


@pytest.mark.parametrize(("n", "d"), [(40, 6), (20, 30)])
def test_leaving_one_out_in_closed_form_is_leaving_one_out(n, d):
    X, y, _ = problem(n, d, (d - 2, 2))
    settings = Settings("inverse-gamma", "none")
    groups = {"a": np.arange(d - 2), "b": np.arange(d - 2, d)}
    found = fit(Gram.of(X, y[:, None]), groups, settings, (X, y[:, None], np.ones(n)))
    scores = leave_one_out(found, X, y[:, None], np.ones(n))
    scale = np.repeat(found.lambdas[0], [d - 2, 2])
    for i in range(0, n, 5):
        rest = np.arange(n) != i
        centre, level = X[rest].mean(axis=0), y[rest].mean()
        A = X[rest] - centre
        w = np.linalg.solve(A.T @ A / found.nu[0] + np.diag(1 / scale), A.T @ (y[rest] - level) / found.nu[0])
        assert scores[i, 0] == pytest.approx((X[i] - centre) @ w + level, rel=1e-7, abs=1e-8)


def test_directions_that_left_out_examples_confirm_stay_and_others_vanish():
    X, y, _ = problem(400, 6, (6,))
    Y = np.column_stack([y, y + rng.normal(size=400), rng.normal(size=(400, 2))])  # one direction, and noise
    found = fit(Gram.of(X, Y), {"all": np.arange(6)}, Settings())
    left_out = leave_one_out(found, X, Y, np.ones(400))
    less, scores = shrunk(found, left_out, Y)
    values = np.linalg.svd((X - X.mean(axis=0)) @ less.coef.T / less.scale, compute_uv=False)
    before = np.linalg.svd((X - X.mean(axis=0)) @ found.coef.T / found.scale, compute_uv=False)
    assert values[0] > 0.95 * before[0]
    assert (values <= before * (1 + 1e-9)).all()
    assert values[3] < 0.1 * values[0]
    np.testing.assert_allclose(X.mean(axis=0) @ less.coef.T + less.intercept, Y.mean(axis=0), atol=1e-10)
    # Scores of left-out examples go the way of the weights.
    keep = less.coef @ np.linalg.pinv(found.coef)
    np.testing.assert_allclose(scores - Y.mean(axis=0), (left_out - Y.mean(axis=0)) @ keep.T, atol=1e-8)


def classes_drawn(scores, slope, offset):
    odds = np.exp(slope * scores + offset)
    below = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
    return np.eye(scores.shape[1])[(rng.random((len(scores), 1)) > below).sum(axis=1)]


def test_slope_and_offsets_of_classes_are_those_they_were_drawn_with():
    scores = rng.normal(size=(4000, 3))
    truth = np.array([0.5, 0.0, -0.5])
    slope, offset = softmax(scores, classes_drawn(scores, 2.5, truth), np.ones(4000))
    assert slope == pytest.approx(2.5, rel=0.1)
    np.testing.assert_allclose(offset - offset.mean(), truth, atol=0.2)


def test_slope_and_offsets_are_the_most_probable_ones():
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    scores, weight = 0.3 * rng.normal(size=(30, 3)), rng.uniform(0.5, 2, 30)
    Y = classes_drawn(scores, 4.0, np.zeros(3))
    n, frequency = weight.sum(), weight @ Y / weight.sum()
    target = (n * Y + 3 * frequency) / (n + 3)

    def loss(x):
        told = weight[:, None] * target * log_softmax(np.exp(x[0]) * scores + x[1:], axis=1)
        return -told.sum() + (x[0] - np.log(4)) ** 2 / (2 * 0.25) + (x[1:] ** 2).sum() / 2

    best = minimize(loss, np.zeros(4), tol=1e-10).x
    slope, offset = softmax(scores, Y, weight)
    np.testing.assert_allclose([np.log(slope), *offset], best, atol=1e-5)


def test_few_scores_that_say_nothing_leave_probabilities_near_the_frequencies():
    scores = 0.3 * rng.normal(size=(12, 3))
    Y = np.eye(3)[[0] * 6 + [1] * 3 + [2] * 3]
    slope, offset = softmax(scores * (1 - 2 * Y), Y, np.ones(12))
    assert 0 < slope < 4
    odds = np.exp(offset)
    np.testing.assert_allclose(odds / odds.sum(), Y.mean(axis=0), atol=0.15)


def test_the_sigmoid_is_platts():
    from sklearn.calibration import _SigmoidCalibration

    scores = rng.normal(size=(300, 2))
    Y = (rng.random((300, 2)) < 1 / (1 + np.exp(-2 * scores + 1))).astype(float)
    slope, offset = sigmoid(scores, Y, np.ones(300))
    for i in range(2):
        theirs = _SigmoidCalibration().fit(scores[:, i], Y[:, i])
        assert [slope[i], offset[i]] == pytest.approx([-theirs.a_, -theirs.b_], abs=2e-4)


def test_a_useless_score_keeps_its_order_and_the_prior():
    scores = rng.normal(size=(300, 1))
    Y = (rng.random((300, 1)) < 0.3).astype(float)
    slope, offset = sigmoid(-scores * (2 * Y - 1), Y, np.ones(300))
    assert slope[0] > 0
    assert 1 / (1 + np.exp(-offset[0])) == pytest.approx(Y.mean(), abs=0.1)


# Groups and bad input


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": [0, 1], "b": [1, 2, 3]}, "column 1 is in groups 'a' and 'b'"),
        ({"a": [0, 1]}, r"columns \[2, 3\] are in no group"),
        ({"a": [0, 1, 2, 3], "b": []}, "group 'b' is empty"),
        ({"a": [0, 1, 2, 4]}, "column 4 in groups, but there are 4"),
        ({"a": ["x", "y"]}, "unknown column 'x'"),
        ([0, 0, 1], "3 numbers for 4 columns"),
    ],
)
def test_groups_that_make_no_sense(groups, message):
    X, y, _ = problem(20, 4, (4,))
    with pytest.raises(ValueError, match=message):
        EMBandedRegressor(groups).fit(X, y)


def test_groups_by_the_names_of_columns():
    import pandas as pd

    X, y, _ = problem(40, 4, (2, 2))
    frame = pd.DataFrame(X, columns=list("abcd"))
    named = EMBandedRegressor({"first": ["a", "b"], "rest": ["d", "c"]}).fit(frame, y)
    np.testing.assert_allclose(named.coef_, EMBandedRegressor([0, 0, 1, 1]).fit(X, y).coef_, rtol=1e-7)
    assert named.group_names_ == ["first", "rest"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    X, y, _ = problem(20, 4, (4,))
    X[3, 2] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        EMBandedRegressor().fit(X, y)


@pytest.mark.parametrize("settings", [{"prior": "flat"}, {"pooling": "some"}, {"tau": 0.0}, {"tol": 0.0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=r"(prior|pooling) must be|must be positive"):
        EMBandedRegressor(**settings).fit(np.eye(3), np.arange(3.0))


def test_constant_columns_and_targets_are_no_accident():
    X, y, _ = problem(30, 4, (4,))
    X[:, 1] = 5.0
    assert EMBandedRegressor().fit(X, y).coef_[1] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(EMBandedRegressor().fit(X, np.full(30, 2.0)).predict(X), 2.0, atol=1e-6)
    assert np.isfinite(EMBandedRegressor(standardize=True).fit(X, y).predict(X)).all()


def test_scaling_inside_is_scaling_outside():
    X, y, _ = problem(50, 4, (2, 2))
    scale = np.array([1.0, 10, 0.1, 100])
    inside = EMBandedRegressor([0, 0, 1, 1], standardize=True).fit(X * scale, y)
    plain = EMBandedRegressor([0, 0, 1, 1], standardize=True).fit(X, y)
    np.testing.assert_allclose(inside.predict(X * scale), plain.predict(X), rtol=1e-8)
    np.testing.assert_allclose(inside.coef_ * scale, plain.coef_, rtol=1e-8)


# Contracts


@parametrize_with_checks([EMBandedRegressor(), EMBandedClassifier()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", checks_for(EMBanded()), ids=lambda check: check.__name__)
@pytest.mark.parametrize("settings", [{}, {"output": "softmax"}, {"output": "logistic"}, paper, {"shrink": True}])
def test_keeps_the_contract_of_models(settings, check):
    check(EMBanded(**settings))


def test_estimators_pickle_and_clone():
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV

    X, y, _ = problem(40, 4, (2, 2))
    search = GridSearchCV(EMBandedRegressor([0, 0, 1, 1]), {"pooling": ["labels", "none"]}, cv=2).fit(X, y)
    copy = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(copy.predict(X), search.predict(X))
    clone(copy).fit(X, y)
