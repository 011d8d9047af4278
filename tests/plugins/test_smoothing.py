"""k-NN label smoothing: the contract, known truths, and figures on GTZAN."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.checks import checks_for
from mirstore.core.errors import UsageError
from mirstore_smoothing import KNNSmoothing

rng = np.random.default_rng(440)
smoothers = [
    KNNSmoothing(),
    KNNSmoothing(mapping="pca", n_components=2),
    KNNSmoothing(mapping="lda", crossfit=3),
    KNNSmoothing(k=3, mapping="nca", n_components=2, include_self=True),
]


@pytest.mark.parametrize("smoother", smoothers, ids=lambda s: s.mapping)
def test_keeps_the_contract(smoother):
    for check in checks_for(smoother):
        check(smoother)


def test_far_clusters_stay_as_they_are():
    Y = np.eye(2)[np.repeat([0, 1], 20)]
    X = rng.normal(size=(40, 3)) + 100 * Y[:, :1]
    np.testing.assert_array_equal(KNNSmoothing(k=10).smooth(X, Y, 0), Y)


def test_the_neighbours_of_a_line_are_known():
    X, Y = np.arange(5.0)[:, None], np.eye(2)[[0, 0, 1, 1, 1]]
    np.testing.assert_allclose(KNNSmoothing(k=2).smooth(X, Y, 0)[[0, 2, 4], 1], [0.5, 0.5, 1.0])
    np.testing.assert_allclose(KNNSmoothing(k=1, include_self=True).smooth(X, Y, 0), Y)


def test_an_example_is_not_its_own_neighbour_among_equals():
    X, Y = np.zeros((12, 2)), np.eye(12)
    smooth = KNNSmoothing(k=3).smooth(X, Y, 0)
    assert np.diag(smooth).tolist() == [0.0] * 12


@given(st.integers(1, 8), st.booleans(), st.integers(0, 9))
def test_rows_are_multiples_of_one_over_k(k, include_self, seed):
    local = np.random.default_rng(seed)
    Y = np.eye(3)[local.integers(0, 3, 30)]
    smooth = KNNSmoothing(k, include_self=include_self).smooth(local.normal(size=(30, 2)), Y, 0)
    np.testing.assert_allclose(smooth.sum(axis=1), 1)
    np.testing.assert_allclose(smooth * k, np.round(smooth * k), atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"), [({"k": 0}, "k must be at least 1"), ({"crossfit": 1}, "at least 2 parts")]
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        KNNSmoothing(**settings)


def test_too_few_examples_are_an_error():
    with pytest.raises(UsageError, match="need 11 training examples, there are 10"):
        KNNSmoothing(k=10).smooth(np.zeros((10, 2)), np.eye(2)[[0, 1] * 5], 0)


def test_own_class_mass_on_gtzan(shared):
    """What was measured on the 999 tracks: .385 without, .450 with the track itself, .325 with 30 neighbours."""
    frame = pl.read_csv(shared / "data" / "tables" / "vaslyb_gtzan_perceptual_features.csv.gz").drop("Track")
    Y = frame[:, -10:].to_numpy().astype(float)
    X = frame[:, :-10].to_numpy()

    def own(**settings):
        return (KNNSmoothing(**settings).smooth(X, Y, 0) * Y).sum(axis=1).mean()

    assert own() == pytest.approx(0.385, abs=0.0006)
    assert own(include_self=True) == pytest.approx(0.450, abs=0.0006)
    assert own(k=30) == pytest.approx(0.325, abs=0.0006)
    assert own(mapping="lda") > own() + 0.05
    assert own(mapping="lda", crossfit=5) < own(mapping="lda")
