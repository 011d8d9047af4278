"""EM-banded regression as published: more published numbers, degenerate data, statistics."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy.stats import norm

from mirstore_embanded import EMBandedRegressor, Gram
from mirstore_embanded.evidence import Dual, Primal

paper = {"prior": "inverse-gamma", "pooling": "none"}


def two_of_normal(n, sizes, weights, noise):
    """Targets that depend on the first group only; drawn in the order of the published examples (seed 1)."""
    state = np.random.RandomState(1)
    X = np.hstack([state.randn(n, size) for size in sizes])
    first = weights(state)
    return X, X[:, : len(first)] @ first + noise * state.randn(n)


examples = {
    "sklearn_02": (two_of_normal(100, (20, 50), lambda s: s.randn(20) / np.sqrt(40), 1 / np.sqrt(2)), (20, 50), None),
    "docstring_1": (two_of_normal(1000, (5, 10), lambda _: np.hamming(5), 1.0), (5, 10), None),
    "docstring_smooth_h15": (
        two_of_normal(1000, (100, 100), lambda _: np.sin(0.25 * np.arange(100)), 5.0),
        (100, 100),
        [15.0, None],
    ),
}


@pytest.mark.parametrize("name", examples)
def test_published_examples(shared, name):
    """Made by a generator, so that no data are needed; full precision in the golden file."""
    golden = json.loads((shared / "golden" / "embanded.json").read_text())[name]
    (X, y), sizes, smoothness = examples[name]
    groups = np.repeat(np.arange(2), sizes)
    model = EMBandedRegressor(groups, smoothness=smoothness, **paper).fit(X, y)
    np.testing.assert_allclose(model.lambdas_[0], golden["lambdas"], rtol=1e-9)
    assert model.nu_[0] == pytest.approx(golden["nu"], rel=1e-10)
    assert model.score_[0] == pytest.approx(golden["score"], rel=1e-10)
    assert np.linalg.norm(model.coef_) == pytest.approx(golden["W_l2"], rel=1e-10)
    assert model.coef_.sum() == pytest.approx(golden["W_sum"], rel=1e-8)


def test_a_published_trajectory_that_was_stopped_early():
    """The reference stops after 26 scores here, when the score rises by less than 1e-8."""
    state = np.random.RandomState(1337)
    X = norm.ppf(state.random_sample((8, 128)).T)
    y = X[:, 0] + norm.ppf(state.random_sample((1, 128))[0])
    hyper = dict.fromkeys(("eta", "tau", "phi", "kappa"), 1e-3)
    model, before, earlier = (
        EMBandedRegressor([0] * 4 + [1] * 4, max_iter=k, **paper, **hyper).fit(X, y) for k in (26, 25, 24)
    )
    np.testing.assert_allclose(model.lambdas_[0], [0.125100997994117, 0.000948537402283], rtol=1e-9)
    assert model.nu_[0] == pytest.approx(1.014388456747040, rel=1e-12)
    assert model.score_[0] == pytest.approx(-64.725400737218351, rel=1e-12)
    assert model.score_[0] - before.score_[0] < 1e-8 < before.score_[0] - earlier.score_[0]


# Degenerate data


def collinear(n=60):
    local = np.random.default_rng(1)
    base = local.normal(size=(n, 6))
    X = np.hstack([base, base[:, :4] @ local.normal(size=(4, 5)), local.normal(size=(n, 3))])  # 11 of rank 6, then 3
    return X, X[:, 0] - X[:, 7] + local.normal(size=n)


def test_collinear_directions_change_nothing():
    X, y = collinear()
    X, y = X - X.mean(axis=0), y - y.mean()
    primal, dual = Primal(X.T @ X, (11, 3), 60), Dual(X, (11, 3), 60)
    assert (primal.unseen, primal.cross.shape) == (5, (3, 6))
    lambdas = np.array([0.4, 0.02])
    a = primal.at(lambdas, 0.7, primal.target(X.T @ y[:, None], y @ y))
    b = dual.at(lambdas, 0.7, y[:, None])
    for name in ("energy", "residual", "dof", "fit", "weights"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, paper])
@pytest.mark.parametrize("X", [np.ones((20, 3)), np.zeros((20, 3))])
def test_nothing_but_constant_columns(X, settings):
    y = np.arange(20.0)
    model = EMBandedRegressor([0, 0, 1], **settings).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y.mean())
    np.testing.assert_allclose(model.gamma_, 0, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, paper])
def test_many_groups_of_few_rows_take_no_more_memory_than_the_products_of_columns(settings):
    import tracemalloc

    local = np.random.default_rng(2)
    X, y = local.normal(size=(250, 300)), local.normal(size=250)
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two evaluations show the memory, not the optimum
        EMBandedRegressor(range(300), max_iter=2, **settings).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * X.shape[1] ** 2 * 8  # 300 kernels of 250 × 250 would be seven times as much


# Statistics


def test_batches_of_arrays_are_streamed():
    X, y = collinear()
    streamed = Gram.of_batches((X[i : i + 7], y[i : i + 7, None]) for i in range(0, 70, 7))
    for a, b in zip(streamed.centred(), Gram.of(X, y[:, None]).centred(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)
    np.testing.assert_allclose(streamed.deviation, np.column_stack([X, y]).std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(streamed.mean, np.column_stack([X, y]).mean(axis=0), atol=1e-13)


def test_statistics_of_some_columns_and_targets_are_parts_of_the_whole():
    X, y = collinear()
    Y = np.column_stack([y, -y, y**2])
    part = Gram.of(X, Y).select([5, 2], [2, 0])
    for a, b in zip(part.centred(), Gram.of(X[:, [5, 2]], Y[:, [2, 0]]).centred(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)
    assert Gram.of(X, Y).select(targets=[1]).d == 14


def test_statistics_that_cannot_be_used():
    X, y = collinear()
    gram = Gram.of(X, y[:, None])
    with pytest.raises(ValueError, match="no rows"):
        EMBandedRegressor().fit_statistics(gram - gram)
    with pytest.raises(ValueError, match="of 3 features do not add to those of 14"):
        gram + Gram.of(X[:, :3], y[:, None])
    X[3, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        EMBandedRegressor().fit_statistics(Gram.of(X, y[:, None]))
