"""EM-banded's default: the evidence, both stages, known shares, and the published settings beside it as they were."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mirstore.core import Examples
from mirstore_embanded import EMBanded, EMBandedRegressor, Gram
from mirstore_embanded import variances as v
from mirstore_embanded.evidence import Priors
from mirstore_embanded.measures import shares, variance
from mirstore_embanded.reduced import Columns, Rows
from mirstore_embanded.regression import Settings, fit, reduced

shapes = [(60, (3, 4, 5)), (20, (10, 25, 5)), (16, (30, 30, 30)), (50, (6,)), (30, (1,) * 8)]


def groups_of(sizes):
    ends = np.cumsum(sizes)
    return {str(j): np.arange(end - size, end) for j, (end, size) in enumerate(zip(ends, sizes, strict=True))}


def problem(n, sizes, labels=3, seed=0):
    local = np.random.default_rng(seed)
    d = sum(sizes)
    X = local.normal(size=(n, d)) @ (np.eye(d) + 0.3 * local.normal(size=(d, d)) / np.sqrt(d))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    Y = X[:, [0]] + X[:, -1:] + np.arange(1, labels + 1) * local.normal(size=(n, labels))
    return X, (Y - Y.mean(axis=0)) / Y.std(axis=0), groups_of(sizes)


def log_evidence(X, Y, groups, theta):
    """The definition: on n - 1 contrasts, with the whole covariance of a label."""
    n = len(X)
    contrasts = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]
    A, Z = contrasts.T @ X, contrasts.T @ Y
    V = np.exp(theta[-1]) * np.eye(n - 1)
    V += sum(np.exp(t) * A[:, m] @ A[:, m].T for t, m in zip(theta, groups.values(), strict=False))
    return -((Z * np.linalg.solve(V, Z)).sum() + Z.shape[1] * np.linalg.slogdet(V)[1]) / 2


def slope(function, theta, step=1e-5):
    moves = step * np.eye(len(theta))
    return np.array([(function(theta + move) - function(theta - move)) / (2 * step) for move in moves])


def spaces(X, Y, sizes):
    G, n, sizes = X.T @ X, len(X), np.array(sizes)
    columns = Columns(G, sizes)
    coordinates = columns.coordinates(X.T @ Y)
    rest = (Y**2).sum(axis=0) - (coordinates**2).sum(axis=0)
    yield columns, v.Labels(coordinates.T[..., None], rest, n)
    yield Rows(X, sizes), v.Labels(Y.T[..., None], np.zeros(Y.shape[1]), n)


# The evidence


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(("n", "sizes"), shapes)
def test_evidence_and_gradient_are_those_of_the_definition(n, sizes, together):
    X, Y, groups = problem(n, sizes)
    theta = np.random.default_rng(1).normal(-2, 1, (1 if together else 3, len(sizes) + 1))
    for space, labels in spaces(X, Y, sizes):
        point = v.evidence(space, labels.pooled() if together else labels, theta)
        for number, each in enumerate(theta):
            y = Y if together else Y[:, [number]]
            assert point.value[number] == pytest.approx(log_evidence(X, y, groups, each), rel=1e-10)
            by_hand = slope(lambda x, y=y: log_evidence(X, y, groups, x), each)
            np.testing.assert_allclose(point.gradient[number], by_hand, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n", "sizes"), shapes)
def test_weights_and_degrees_of_freedom_are_those_of_ridge_regression(n, sizes):
    X, Y, _ = problem(n, sizes)
    theta = np.random.default_rng(2).normal(-2, 1, (3, len(sizes) + 1))
    ridge = np.repeat(np.exp(theta[:, -1:] - theta[:, :-1]), sizes, axis=1)  # nu / lambda per column
    for space, labels in spaces(X, Y, sizes):
        point = v.evidence(space, labels, theta)
        weights = space.weights(np.exp(theta[:, :-1]), point.a)[..., 0]
        for number, penalty in enumerate(ridge):
            inverse = np.linalg.inv(X.T @ X + np.diag(penalty))
            np.testing.assert_allclose(weights[number], inverse @ X.T @ Y[:, number], rtol=1e-7, atol=1e-9)
            used = np.add.reduceat((inverse @ X.T @ X).diagonal(), np.cumsum(sizes) - sizes)
            np.testing.assert_allclose(point.dof[number], used, rtol=1e-7, atol=1e-9)
            squares = np.add.reduceat(weights[number] ** 2, np.cumsum(sizes) - sizes)
            np.testing.assert_allclose(point.squares[number], squares, rtol=1e-7)


def test_average_information_is_the_mean_of_the_observed_and_the_expected():
    X, Y, groups = problem(40, (3, 4))
    theta = np.array([-2.0, -1.0, -0.3])
    for space, labels in spaces(X, Y[:, :1], (3, 4)):
        point = v.evidence(space, labels, theta[None])
        contrasts = np.linalg.svd(np.eye(40) - 1 / 40)[0][:, :39]
        A = contrasts.T @ X
        parts = [np.exp(t) * A[:, m] @ A[:, m].T for t, m in zip(theta, groups.values(), strict=False)]
        parts.append(np.exp(theta[-1]) * np.eye(39))
        P = np.linalg.inv(sum(parts))
        a = P @ contrasts.T @ Y[:, 0]
        by_hand = [[(left @ a) @ P @ (right @ a) / 2 for right in parts] for left in parts]
        np.testing.assert_allclose(point.information[0], by_hand, rtol=1e-8)


def test_collinear_columns_of_two_groups_change_nothing():
    X, Y, _ = problem(80, (6, 4))
    X[:, 6:] = X[:, :4] @ np.random.default_rng(3).normal(size=(4, 4))  # the second group says nothing new
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    theta = np.array([[-3.0, -2.0, -0.5]] * 3)
    (columns, by_columns), (rows, by_rows) = spaces(X, Y, (6, 4))
    assert columns.r == 6
    a, b = v.evidence(columns, by_columns, theta), v.evidence(rows, by_rows, theta)
    for name in ("value", "gradient", "information", "squares", "dof"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-8, atol=1e-9)


def test_many_problems_are_evaluated_in_pieces(monkeypatch):
    X, Y, _ = problem(50, (3, 4), labels=5)
    theta = np.random.default_rng(4).normal(-2, 1, (5, 3))
    (columns, labels), _ = spaces(X, Y, (3, 4))
    whole = v.evidence(columns, labels, theta)
    monkeypatch.setattr(v, "room", 60)
    pieces = v.evidence(columns, labels, theta)
    for field in fields(v.Point):
        np.testing.assert_allclose(getattr(pieces, field.name), getattr(whole, field.name), rtol=1e-12, atol=1e-14)


# Two stages


def test_shared_variances_are_where_the_floored_evidence_of_all_labels_is_highest():
    X, Y, groups = problem(60, (3, 4, 5))
    tau = 1e-3 / np.array([3, 4, 5])
    (columns, labels), _ = spaces(X, Y, (3, 4, 5))
    found = v._climb(columns, labels.pooled(), v._beginning(columns)[None], v._floored(columns), 1e-9, 200)

    def objective(theta):
        return log_evidence(X, Y, groups, theta) - (tau / np.exp(theta[:-1])).sum()

    np.testing.assert_allclose(slope(objective, found.theta[0]), 0, atol=1e-6)


def test_each_labels_variances_are_where_its_evidence_near_the_shared_ones_is_highest():
    X, Y, groups = problem(60, (3, 4, 5))
    (columns, labels), _ = spaces(X, Y, (3, 4, 5))
    shared = v._climb(columns, labels.pooled(), v._beginning(columns)[None], v._floored(columns), 1e-9, 200).theta[0]
    found = v.solve(columns, labels, pooled=True, tol=1e-9, max_iter=200)
    for number in range(3):

        def objective(theta, y=Y[:, [number]]):
            return log_evidence(X, y, groups, theta) - ((theta[:-1] - shared[:-1]) ** 2).sum() / 2

        theta = np.log(np.append(found.lambdas[number], found.nu[number]))
        np.testing.assert_allclose(slope(objective, theta), 0, atol=1e-6)
        assert found.scores[number] == pytest.approx(objective(theta), abs=1e-8)


def test_one_label_shares_with_nobody():
    X, Y, groups = problem(60, (3, 4, 5), labels=1)
    pooled, alone = (fit(Gram.of(X, Y), groups, Settings(pooling=pooling)) for pooling in ("labels", "none"))
    np.testing.assert_allclose(pooled.lambdas, alone.lambdas, rtol=1e-6)
    np.testing.assert_allclose(pooled.scores, alone.scores, rtol=1e-9)


def test_without_pooling_the_other_labels_do_not_matter():
    X, Y, groups = problem(60, (3, 4, 5))
    settings = Settings(pooling="none")
    together, alone = fit(Gram.of(X, Y), groups, settings), fit(Gram.of(X, Y[:, [1]]), groups, settings)
    np.testing.assert_allclose(together.coef[1], alone.coef[0], rtol=1e-6, atol=1e-9)
    pooled = fit(Gram.of(X, Y), groups, Settings())
    spreads = [np.log(found.lambdas).std(axis=0) for found in (pooled, together)]
    assert (spreads[0] < spreads[1]).all()


def test_the_prior_share_is_its_part_of_the_fixed_point():
    """At the optimum lambda = (squared weights + 2 tau) / degrees of freedom, summed over labels."""
    X, Y, groups = problem(60, (3, 4, 5))
    alone = fit(Gram.of(X, Y), groups, Settings(pooling="none", tol=1e-9))
    squares = np.stack([(alone.coef[:, m] ** 2).sum(axis=1) for m in groups.values()], axis=1)
    tau = 1e-3 / np.array([3, 4, 5])
    np.testing.assert_allclose(alone.lambdas, (squares + 2 * tau) / alone.dof, rtol=1e-5)
    np.testing.assert_allclose(alone.prior_share, 2 * tau / (squares + 2 * tau), rtol=1e-6)
    (columns, labels), _ = spaces(X, Y, (3, 4, 5))
    shared = v._climb(columns, labels.pooled(), v._beginning(columns)[None], v._floored(columns), 1e-9, 200).theta
    point = v.evidence(columns, labels.pooled(), shared)
    np.testing.assert_allclose(np.exp(shared[:, :-1]), (point.squares + 2 * tau) / (3 * point.dof), rtol=1e-5)
    pooled = fit(Gram.of(X, Y), groups, Settings(tol=1e-9))
    np.testing.assert_allclose(pooled.prior_share, np.tile(2 * tau / (point.squares + 2 * tau), (3, 1)), rtol=1e-6)


def test_noise_that_runs_to_nothing_stops_at_its_limit_and_holds_up_no_other_variance():
    local = np.random.default_rng(26)  # 16 rows of 45 columns in four groups, fitted without any rest
    sizes, k = (8, 3, 20, 14), 3
    X = np.sqrt(0.7) * local.normal(size=(16, 45))
    X += np.sqrt(0.3) * np.repeat(local.normal(size=(16, 4)), sizes, axis=1)
    Y = np.eye(k)[local.permutation(np.arange(16) % k)]
    found = fit(Gram.of(X / X.std(axis=0), Y), groups_of(sizes), Settings(), (X / X.std(axis=0), Y, np.ones(16)))
    np.testing.assert_allclose(np.log(found.nu), -12.0)
    assert found.iterations.max() < 100


def test_a_label_that_never_varies_has_no_say():
    X, Y, groups = problem(60, (3, 4, 5))
    with_it = fit(Gram.of(X, np.column_stack([Y, np.ones(60)])), groups, Settings())
    without = fit(Gram.of(X, Y), groups, Settings())
    np.testing.assert_allclose(with_it.coef[:3], without.coef, rtol=1e-9, atol=1e-12)
    assert (with_it.coef[3], with_it.intercept[3]) == (pytest.approx(0), 1.0)


def test_a_group_of_constant_columns_changes_nothing():
    X, Y, groups = problem(60, (3, 4, 5))
    more = fit(Gram.of(np.column_stack([X, np.ones((60, 2))]), Y), groups | {"flat": np.array([12, 13])}, Settings())
    np.testing.assert_allclose(more.coef[:, :12], fit(Gram.of(X, Y), groups, Settings()).coef, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(more.coef[:, 12:], 0)
    np.testing.assert_array_equal(more.prior_share[:, 3], 1)


def test_the_unit_of_a_group_does_not_matter():
    X, Y, groups = problem(60, (3, 4, 5))
    unit = np.repeat([1e-9, 1.0, 1e6], [3, 4, 5])
    a, b = fit(Gram.of(X, Y), groups, Settings()), fit(Gram.of(X * unit, Y), groups, Settings())
    np.testing.assert_allclose(b.coef * unit, a.coef, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(b.lambdas * [1e-18, 1.0, 1e12], a.lambdas, rtol=1e-6)


def starts(groups, count=14):
    """From next to nothing to more than everything, in lambda and noise."""
    local = np.random.default_rng(14)
    return np.column_stack([local.uniform(-14, 3, (count, groups)), local.uniform(-4, 0.5, count)])


def heights(space, labels):
    """Each label's height at the end of both stages, and from other starts of either."""
    first = v._climb(space, labels.pooled(), v._beginning(space)[None], v._floored(space), 1e-6, 200)
    other = starts(len(space.sizes))
    pooled = labels.pooled()
    again = v.Labels(np.repeat(pooled.Y, len(other), axis=0), np.repeat(pooled.rest, len(other)), labels.n)
    seconds = v._climb(space, again, other, v._floored(space), 1e-6, 200)
    ours, theirs = (
        v._posterior(space, some, found.theta, v._floored(space))[0]
        for some, found in ((pooled, first), (again, seconds))
    )
    yield ours, theirs
    pulled = v._pulled(first.theta[0])
    ours = v.solve(space, labels, pooled=True, tol=1e-6, max_iter=200).scores
    for start in other:
        found = v._climb(space, labels, np.tile(start, (len(labels.Y), 1)), pulled, 1e-6, 200)
        yield ours, v._posterior(space, labels, found.theta, pulled)[0]


@pytest.mark.parametrize(("n", "sizes"), [(60, (3, 4, 5)), (40, (2, 20, 6)), (200, (10, 10, 10, 10))])
def test_no_other_start_leads_higher(n, sizes):
    X, Y, _ = problem(n, sizes)
    (columns, labels), _ = spaces(X, Y, sizes)
    for ours, theirs in heights(columns, labels):
        assert (theirs <= ours + 0.01).all()


# Known shares


def drawn(rng, n, sizes, truth, explained, correlation=0.3):
    """Columns that correlate within groups, and one label to which the groups give these shares of the variance."""
    blocks, signal = [], np.zeros(n)
    for size, share in zip(sizes, truth, strict=True):
        X = np.sqrt(1 - correlation) * rng.normal(size=(n, size)) + np.sqrt(correlation) * rng.normal(size=(n, 1))
        part = X @ rng.normal(size=size)
        blocks.append(X)
        signal += np.sqrt(share) * (part - part.mean()) / part.std()
    X = np.hstack(blocks)
    y = np.sqrt(explained) * signal + np.sqrt(1 - explained) * rng.normal(size=n)
    return (X - X.mean(axis=0)) / X.std(axis=0), y[:, None]


def share_of(X, y, sizes, settings):
    return shares(variance(fit(Gram.of(X, y), groups_of(sizes), settings, (X, y, np.ones(len(X))))))[0]


@pytest.mark.parametrize(("n", "explained", "error", "null"), [(60, 0.5, 0.30, 0.10), (200, 0.5, 0.13, 0.03)])
def test_shares_are_near_the_true_ones(n, explained, error, null):
    rng, sizes, truth = np.random.default_rng(10), (10, 10, 10, 10), np.array([0.5, 0.3, 0.2, 0.0])
    found = np.array([share_of(*drawn(rng, n, sizes, truth, explained), sizes, Settings()) for _ in range(30)])
    assert np.abs(found - truth).sum(axis=1).mean() / 2 < error
    assert found[:, 3].mean() < null


def test_a_large_group_that_says_nothing_gets_little():
    rng, sizes, truth = np.random.default_rng(11), (1, 7, 85, 312), np.array([0.2, 0.5, 0.3, 0.0])
    found = np.array([share_of(*drawn(rng, 60, sizes, truth, 0.5), sizes, Settings()) for _ in range(8)])
    assert found[:, 3].mean() < 0.15


def test_no_group_is_switched_off_as_under_the_published_prior():
    rng, sizes, truth = np.random.default_rng(12), (10, 10, 10, 10), np.array([0.5, 0.3, 0.2, 0.0])
    weak = Settings("inverse-gamma", "none", 500, priors=Priors(1e-6, 1e-6, 1e-6, 1e-6))
    dof = {Settings(): [], weak: []}
    for _ in range(6):
        X, y = drawn(rng, 60, sizes, truth, 0.2)
        for settings, found in dof.items():
            found.append(fit(Gram.of(X, y / y.std()), groups_of(sizes), settings).dof[0])
    assert np.min(dof[Settings()]) > 0.05
    assert np.mean(np.array(dof[weak]) < 0.05) > 0.5


def test_the_floor_does_not_depend_on_the_size_of_a_group():
    """Noise alone: under a floor per column, a group of 312 would take 3 % of the variance, and one of 1 nothing."""
    rng, sizes = np.random.default_rng(13), (1, 7, 60)
    dof = np.zeros(3)
    for _ in range(20):
        X, _ = drawn(rng, 200, sizes, np.full(3, 1 / 3), 0.0)
        dof += fit(Gram.of(X, rng.normal(size=(200, 1))), groups_of(sizes), Settings()).dof[0] / 20
    assert 0.1 < dof[0] < dof[2] < 10


# Deviations of predictions


def test_the_deviation_of_a_prediction_allows_for_the_noise_being_learned():
    rng = np.random.default_rng(15)
    covered = []
    for _ in range(100):
        X, new = rng.normal(size=(30, 20)), rng.normal(size=(50, 20))
        w = rng.normal(size=20) / np.sqrt(40)
        y, truth = (A @ w + rng.normal(size=len(A)) / np.sqrt(2) for A in (X, new))
        predicted, deviation = EMBandedRegressor().fit(X, y).predict(new, return_std=True)
        covered.append(np.abs(truth - predicted) < 1.96 * deviation)
    assert np.mean(covered) == pytest.approx(0.93, abs=0.02)


# The published settings, bit for bit


def even(n, d, seed):
    """Numbers that look random and are the same everywhere: exact fractions, no generator."""
    i, j = np.arange(n)[:, None], np.arange(d)[None, :]
    return ((i * i * 37 + j * j * 101 + i * j * 53 + i * 611 + j * 389 + seed) % 1009) / 512 - 1


def published_examples(n, d, exclusive):
    X = even(n, d, 7)
    scores = X[:, :3] - X[:, 3:6] + even(n, 3, 500)
    Y = np.eye(3)[scores.argmax(axis=1)] if exclusive else (scores > 0.75).astype(float)
    return Examples(pl.DataFrame(X, schema=[f"t.f{i}" for i in range(d)]), ("a", "b", "c"), Y, {}, exclusive)


@pytest.mark.parametrize("output", ["softmax", "logistic"])
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize(("n", "sizes"), [(120, (3, 4, 2)), (14, (6, 9, 5))])
def test_published_settings_give_what_version_1_gave(n, sizes, exclusive, output):
    """To the bit on the same linear algebra; another one rounds in another way."""
    from threadpoolctl import threadpool_info

    stored = json.loads((Path(__file__).parent / "embanded" / "published.json").read_text())
    blas = {f"{i['internal_api']} {i['version']} {i['architecture']}" for i in threadpool_info() if "architecture" in i}
    examples = published_examples(n, sum(sizes), exclusive)
    names = examples.table.columns
    groups = {f"g{j}": [names[i] for i in members] for j, members in groups_of(sizes).items()}
    model = EMBanded(prior="inverse-gamma", pooling="none", output=output).fit(examples, groups, 0)
    found = {name: getattr(model.fit_, name) for name in ("lambdas", "nu", "scores", "coef", "intercept", "dof")}
    found |= {
        "probabilities": model.predict_proba(examples)[:5],
        "decisions": model.decision_function(examples)[:5],
    }
    expected = stored["found"][f"{n}x{sum(sizes)} {'classes' if exclusive else 'tags'} {output}"]
    assert found.keys() == expected.keys()
    for name, values in found.items():
        if sorted(blas) == stored["blas"]:
            np.testing.assert_array_equal(values, expected[name])
        else:
            np.testing.assert_allclose(values, expected[name], rtol=1e-7, atol=1e-10)


# Real tables


@pytest.fixture(scope="module")
def bench(shared):
    file = Path(__file__).parents[2] / "benchmarks" / "embanded_default.py"
    spec = importlib.util.spec_from_file_location("embanded_default", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.tables = shared / "data" / "tables"
    return module


# Accuracy and ROC-AUC of version 1's default, on the same folds and draws.
before = {
    "all": {50: 0.3413, 100: 0.4400, 400: 0.6127, 799: 0.6502},
    "UF": {50: 0.3454, 100: 0.4217, 400: 0.5826, 799: 0.6216},
    "DE": {50: 0.3449, 100: 0.4132, 400: 0.5674, 799: 0.6111},
}


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 100, 400, 799])
@pytest.mark.parametrize("grouper", before)
def test_on_gtzan_it_is_as_good_as_ridge_and_as_version_1(bench, grouper, n):
    found, _ = bench.gtzan(grouper, n, ("eb", "ridge"))
    mean, half = bench.interval(found["eb"], found["ridge"])
    assert mean > -half
    assert found["eb"].mean() > before[grouper][n] + (0.03 if n <= 100 else 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(("grouper", "area"), [("all", 0.6704), ("UF", 0.6546), ("DE", 0.6649)])
def test_on_mtg_jamendo_it_is_as_good_as_ridge_and_as_version_1(bench, grouper, area):
    found, _ = bench.jamendo(grouper, ("eb", "ridge"))
    mean, half = bench.interval(found["eb"], found["ridge"])
    assert mean > -half
    assert found["eb"].mean() > area - 0.001


@pytest.mark.slow
@pytest.mark.parametrize("grouper", before)
@pytest.mark.parametrize("name", ["gtzan", "jamendo"])
def test_no_other_start_leads_higher_on_published_tables(bench, name, grouper):
    about = {
        "gtzan": ("gtzan_perceptual_features", "blues", "rock"),
        "jamendo": ("jamendo_perceptual_validation", "action", "uplifting"),
    }
    X, Y, _ = bench.table(*about[name])
    matrix, groups = bench.columns(X, grouper)
    (A,) = bench.scaled(matrix)
    space, labels, _ = reduced(Gram.of(A, Y), groups, Y.std(axis=0), None, None)
    for ours, theirs in heights(space, labels):
        assert (theirs <= ours + 0.01).all()


@pytest.mark.slow
def test_tags_that_shrink_together_reach_more_on_artists_never_heard(bench):
    X, Y, tracks = bench.table("jamendo_perceptual_validation", "action", "uplifting")
    artist = bench.artists(tracks)
    matrix, groups = bench.columns(X, "all")
    names = [f"t.f{i}" for i in range(matrix.shape[1])]
    named = {group: [names[i] for i in members] for group, members in groups.items()}
    areas = []
    for fold in range(5):
        test = artist % 5 == fold
        A, B = bench.scaled(matrix[~test], matrix[test])
        units = artist[~test].astype(str)
        known = Examples(pl.DataFrame(A, schema=names), tuple(map(str, range(56))), Y[~test], {}, units=units)
        new = Examples(pl.DataFrame(B, schema=names), known.classes, None, {})
        areas.append(bench.area(Y[test], EMBanded(shrink=True).fit(known, named, 0).predict_proba(new)))
    assert np.mean(areas) > 0.680


@pytest.mark.slow
@pytest.mark.parametrize("grouper", before)
@pytest.mark.parametrize("n", [50, 100, 400, 799])
def test_probabilities_of_genres_say_more_than_their_frequencies(bench, grouper, n):
    X, Y, _ = bench.table("gtzan_perceptual_features", "blues", "rock")
    matrix, groups = bench.columns(X, grouper)
    names = [f"t.f{i}" for i in range(matrix.shape[1])]
    named = {group: [names[i] for i in members] for group, members in groups.items()}
    loss, right, raw = [], [], []
    for train, test in (fold[0] for fold in bench.gtzan_folds(Y, n)):
        A, B = bench.scaled(matrix[train], matrix[test])
        known = Examples(pl.DataFrame(A, schema=names), tuple(map(str, range(10))), Y[train], {}, exclusive=True)
        new = Examples(pl.DataFrame(B, schema=names), known.classes, None, {}, exclusive=True)
        model = EMBanded().fit(known, named, 0)
        p = model.predict_proba(new)
        loss.append(-np.log(p[Y[test] > 0]).mean())
        right.append(bench.accuracy(Y[test], p))
        raw.append(bench.accuracy(Y[test], model.decision_function(new)))
    assert np.mean(loss) < np.log(10) - 0.4
    assert np.mean(right) > np.mean(raw) - 0.02
