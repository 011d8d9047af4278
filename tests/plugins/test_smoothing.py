"""k-NN label smoothing: the contract, known truths, and figures on GTZAN."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError, UsageError
from mirstore.core.registry import Registry
from mirstore.core.resolve import build
from mirstore_librosa.mfcc import MFCC, MFCCStats, MFCCWindows
from mirstore_smoothing import KNNSmoothing
from mirstore_smoothing.mappings import mappings
from mirstore_smoothing.neighbours import nearest
from mirstore_smoothing.parts import parts_of

rng = np.random.default_rng(440)
smoothers = [
    KNNSmoothing(),
    KNNSmoothing(mapping="pca", n_components=2),
    KNNSmoothing(mapping="lda", crossfit=3),
    KNNSmoothing(mapping="lda", crossfit=0),
    KNNSmoothing(k=3, mapping="nca", n_components=2, include_self=True),
    KNNSmoothing(mapping="lmnn", n_components=3, crossfit=3),
    KNNSmoothing(mapping="lmnn-metric-learn", n_components=2, crossfit=0, search="faiss"),
    KNNSmoothing(k=[3, 9], mapping="lmnn", n_components=[1, 2], crossfit=0),
]


@pytest.mark.parametrize(
    ("smoother", "check"),
    [
        pytest.param(s, check, id=f"{s.mapping}-{s.crossfit}-{check.__name__}")
        for s in smoothers
        for check in checks_for(s)
    ],
)
def test_keeps_the_contract(smoother, check):
    check(smoother)


@pytest.mark.parametrize("mapping", mappings)
def test_far_clusters_stay_as_they_are(mapping):
    Y = np.eye(2)[np.repeat([0, 1], 20)]
    X = rng.normal(size=(40, 3)) + 100 * Y[:, :1]
    np.testing.assert_array_equal(KNNSmoothing(k=10, mapping=mapping, n_components=1).smooth(X, Y, 0), Y)


def test_random_labels_become_the_prior():
    local = np.random.default_rng(440)
    Y = np.eye(2)[(local.random(2000) < 0.3).astype(int)]
    smooth = KNNSmoothing(k=50).smooth(local.normal(size=(2000, 3)), Y, 0)
    assert (smooth * Y).sum(axis=1).mean() == pytest.approx(0.3**2 + 0.7**2, abs=0.02)
    assert smooth[:, 1].std() == pytest.approx(np.sqrt(0.3 * 0.7 / 50), rel=0.15)


def test_the_unit_of_a_column_does_not_matter():
    X, Y = rng.normal(size=(60, 4)), np.eye(3)[np.arange(60) % 3]
    other = X * [1000, 1, 0.001, 1] + [5, 0, 0, -7]
    np.testing.assert_array_equal(KNNSmoothing().smooth(X, Y, 0), KNNSmoothing().smooth(other, Y, 0))


def test_a_constant_column_does_not_matter():
    X, Y = rng.normal(size=(60, 4)), np.eye(3)[np.arange(60) % 3]
    wider = np.column_stack([X, np.full(60, 0.1)])
    np.testing.assert_array_equal(KNNSmoothing().smooth(X, Y, 0), KNNSmoothing().smooth(wider, Y, 0))


def test_neighbours_are_those_of_plain_distances():
    X, Y = rng.normal(size=(50, 3)), np.eye(3)[rng.integers(0, 3, 50)]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    distance = np.linalg.norm(Z[:, None] - Z, axis=-1)
    np.fill_diagonal(distance, np.inf)
    expected = Y[np.argsort(distance, axis=1)[:, :7]].mean(axis=1)
    np.testing.assert_allclose(KNNSmoothing(k=7).smooth(X, Y, 0), expected)


def test_smoothed_labels_are_not_smoothed_again():
    """Example 2 lies between a and b; its own smoothing does not reach its neighbours."""
    X, Y = np.array([[0.0], [1.0], [2.1], [9.0], [9.5]]), np.eye(2)[[0, 0, 1, 1, 1]]
    np.testing.assert_array_equal(KNNSmoothing(k=1).smooth(X, Y, 0)[:3, 0], [1, 1, 1])


def test_the_neighbours_of_a_line_are_known():
    X, Y = np.arange(5.0)[:, None], np.eye(2)[[0, 0, 1, 1, 1]]
    np.testing.assert_allclose(KNNSmoothing(k=2).smooth(X, Y, 0)[[0, 2, 4], 1], [0.5, 0.5, 1.0])
    np.testing.assert_allclose(KNNSmoothing(k=1, include_self=True).smooth(X, Y, 0), Y)


def test_itself_takes_the_place_of_the_last_neighbour():
    X, Y = rng.normal(size=(40, 2)), np.eye(4)[np.arange(40) % 4]
    nine, ten = KNNSmoothing(k=9).smooth(X, Y, 0), KNNSmoothing(k=10, include_self=True).smooth(X, Y, 0)
    np.testing.assert_allclose(ten, (9 * nine + Y) / 10)


def test_among_equals_the_order_of_the_table_decides():
    X = np.array([[0.0], [1.0], [-1.0], [1.0], [-1.0]])
    smooth = KNNSmoothing(k=2).smooth(X, np.eye(5), 0)
    np.testing.assert_array_equal(smooth[0], [0, 0.5, 0.5, 0, 0])


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


def test_crossfit_learns_the_mapping_from_the_other_parts():
    """Without it LDA sees the very label that it then smooths: labels without meaning seem to have one."""
    local = np.random.default_rng(440)
    X, Y = local.normal(size=(80, 20)), np.eye(2)[local.integers(0, 2, 80)]
    own = {m: (KNNSmoothing(mapping="lda", crossfit=m).smooth(X, Y, 0) * Y).sum(axis=1).mean() for m in (0, 5)}
    assert own[0] > 0.6
    assert own[5] < own[0] - 0.05


@pytest.mark.parametrize("mapping", ["lda", "nca", "lmnn"])
def test_labels_without_meaning_stay_so_by_default(mapping):
    """150 examples of 60 columns and three classes: a third of a neighbourhood is of any class, whatever its own."""
    local = np.random.default_rng(440)
    X, Y = local.normal(size=(150, 60)), np.eye(3)[local.integers(0, 3, 150)]

    def own(**settings):
        return (KNNSmoothing(mapping=mapping, n_components=2, **settings).smooth(X, Y, 0) * Y).sum(axis=1).mean()

    assert own() == pytest.approx((Y.mean(axis=0) ** 2).sum(), abs=0.06)
    assert own(crossfit=0) > 0.5


def test_parts_have_all_classes_alike():
    classes = np.repeat([0, 1, 2], [50, 15, 10])
    parts = parts_of(np.random.default_rng(0).permutation(classes), 5, seed=1)
    assert np.bincount(parts).tolist() == [15] * 5
    shuffled = np.random.default_rng(0).permutation(classes)
    assert all(np.bincount(shuffled[parts == part]).tolist() == [10, 3, 2] for part in range(5))


def test_a_mapping_that_sees_no_labels_is_learned_from_all():
    X, Y = rng.normal(size=(60, 4)), np.eye(3)[np.arange(60) % 3]
    parts = [KNNSmoothing(mapping="pca", n_components=2, crossfit=m).smooth(X, Y, 0) for m in (0, 5)]
    np.testing.assert_array_equal(*parts)


def test_more_parts_than_examples_leave_one_out():
    X, Y = rng.normal(size=(12, 3)), np.eye(2)[np.arange(12) % 2]
    smooth = KNNSmoothing(k=3, mapping="lda", crossfit=50).smooth(X, Y, 0)
    np.testing.assert_allclose(smooth.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"crossfit": 1}, "crossfit must be 0, or at least 2 parts, got 1"),
        ({"n_components": 0}, "n_components must be at least 1"),
        ({"k": []}, "k must be at least 1"),
        ({"k": [5, 0]}, "k must be at least 1"),
        ({"n_components": [2, -1]}, "n_components must be at least 1"),
        ({"mapping": "umap"}, "'umap'"),
        ({"search": "annoy"}, "'annoy'"),
    ],
)
def test_settings_that_make_no_sense_name_their_entry(settings, message):
    with pytest.raises(ConfigError, match=rf"smoothings\.mine\.params.*{message}"):
        build(KNNSmoothing, settings, "smoothings.mine.params")


def test_a_mapping_that_does_not_exist_is_refused_in_python_too():
    with pytest.raises(ValueError, match="got 'umap'"):
        KNNSmoothing(mapping="umap")


def test_too_few_examples_are_an_error():
    with pytest.raises(UsageError, match="need 11 training examples, there are 10") as caught:
        KNNSmoothing(k=10).smooth(np.zeros((10, 2)), np.eye(2)[[0, 1] * 5], 0)
    assert "smaller k" in str(caught.value.hint)
    KNNSmoothing(k=10, include_self=True).smooth(np.zeros((10, 2)), np.eye(2)[[0, 1] * 5], 0)


@pytest.mark.parametrize(
    ("mapping", "wanted", "most"),
    [("pca", 4, 3), ("lda", 2, 1), ("nca", 4, 3), ("lmnn", 4, 3), ("lmnn-metric-learn", 4, 3)],
)
def test_more_dimensions_than_there_are_is_an_error(mapping, wanted, most):
    X, Y = rng.normal(size=(40, 3)), np.eye(2)[np.arange(40) % 2]
    message = f"can keep {most} dimensions of 3 columns that vary and 2 classes, not {wanted}"
    with pytest.raises(UsageError, match=message):
        KNNSmoothing(mapping=mapping, n_components=wanted).smooth(X, Y, 0)


def test_lda_of_one_class_is_an_error():
    with pytest.raises(UsageError, match="can keep 0 dimensions"):
        KNNSmoothing(mapping="lda").smooth(rng.normal(size=(40, 3)), np.ones((40, 1)), 0)


@pytest.mark.parametrize("mapping", ["nca", "lmnn", "lmnn-metric-learn"])
def test_a_mapping_that_tells_classes_apart_needs_two(mapping):
    with pytest.raises(UsageError, match="all examples are of one") as caught:
        KNNSmoothing(mapping=mapping).smooth(rng.normal(size=(40, 3)), np.ones((40, 1)), 0)
    assert "none" in str(caught.value.hint)


@pytest.mark.parametrize("mapping", ["lmnn", "lmnn-metric-learn"])
def test_lmnn_needs_more_members_of_each_class_than_targets(mapping):
    X, Y = rng.normal(size=(40, 3)), np.eye(2)[[1] * 3 + [0] * 37]
    with pytest.raises(UsageError, match="needs 4 examples of each class to learn from, of one there are 3"):
        KNNSmoothing(mapping=mapping, crossfit=0).smooth(X, Y, 0)
    with pytest.raises(UsageError, match="of one there are 3"):  # four in all, one of them in the part left out
        KNNSmoothing(mapping=mapping).smooth(X, np.eye(2)[[1] * 4 + [0] * 36], 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_has_no_neighbours(bad):
    X, Y = rng.normal(size=(40, 3)), np.eye(2)[np.arange(40) % 2]
    X[[4, 7], 1] = bad
    with pytest.raises(UsageError, match="2 of 40 examples have values that are no numbers"):
        KNNSmoothing().smooth(X, Y, 0)


@pytest.mark.parametrize("mapping", ["none", "lmnn"])
def test_faiss_finds_the_same_neighbours(mapping):
    X, Y = rng.normal(size=(400, 8)), np.eye(3)[rng.integers(0, 3, 400)]
    found = [KNNSmoothing(mapping=mapping, search=search).smooth(X, Y, 0) for search in ("scikit-learn", "faiss")]
    np.testing.assert_array_equal(*found)


def test_faiss_puts_equals_in_order_and_sees_no_difference_below_float32():
    """Neighbours 1,000 away whose distances differ in the tenth digit: float32 alone cannot tell them apart."""
    among = np.array([[0.0], [1000 + 3e-7], [1000 + 1e-7], [1000.0], [1000 + 2e-7], [-5000.0]])
    found = [nearest(among, among[:1], 4, search, own=np.array([0])).tolist() for search in ("scikit-learn", "faiss")]
    assert found[1] == [[3, 2, 4, 1]]
    assert found[0] == found[1]


def test_what_finds_the_neighbours_is_no_part_of_the_identity():
    assert KNNSmoothing(search="faiss").params() == KNNSmoothing().params()


def test_held_out_examples_have_the_mean_label_of_their_neighbours():
    X, Y = np.arange(6.0)[:, None], np.eye(2)[[0, 0, 0, 1, 1, 1]]
    np.testing.assert_allclose(KNNSmoothing(k=2).held_out(X, Y, np.array([[0.4], [2.4], [9.0]]), 0)[:, 1], [0, 0.5, 1])


def test_held_out_labels_without_meaning_stay_so_whatever_the_mapping_has_learned():
    """In sample LMNN finds classes in noise; what it says of others, and cross-fitted, is a third, as it is."""
    local = np.random.default_rng(440)
    X, Y = local.normal(size=(300, 60)), np.eye(3)[local.integers(0, 3, 300)]
    paper = KNNSmoothing(mapping="lmnn", n_components=8, crossfit=0)
    learned = (paper.smooth(X[:150], Y[:150], 0) * Y[:150]).sum(axis=1).mean()
    held_out = (paper.held_out(X[:150], Y[:150], X[150:], 0) * Y[150:]).sum(axis=1).mean()
    assert learned > 0.5
    assert held_out == pytest.approx(1 / 3, abs=0.05)


def test_the_best_number_of_neighbours_is_chosen():
    """Classes alternate in clusters of eight: more neighbours than seven are of the other class. Noise wants many."""
    local = np.random.default_rng(440)
    centers = np.repeat(np.arange(40), 8)
    X, Y = 10.0 * centers[:, None] + local.normal(size=(320, 1)), np.eye(2)[centers % 2]
    alone, several = KNNSmoothing(k=5), KNNSmoothing(k=[40, 5])
    np.testing.assert_array_equal(several.smooth(X, Y, 0), alone.smooth(X, Y, 0))
    noise = np.eye(2)[local.integers(0, 2, 320)]
    np.testing.assert_array_equal(several.smooth(X, noise, 0), KNNSmoothing(k=40).smooth(X, noise, 0))


def test_the_best_number_of_dimensions_is_chosen():
    """The first component of the features is noise with most of the variance; the second has the class."""
    local = np.random.default_rng(440)
    Y = np.eye(2)[np.arange(200) % 2]
    shared = 3 * local.normal(size=(200, 1))
    X = np.hstack([shared + local.normal(scale=0.1, size=(200, 3)), 5 * Y[:, :1] + local.normal(size=(200, 1))])
    chosen = KNNSmoothing(mapping="pca", n_components=[1, 2]).smooth(X, Y, 0)
    np.testing.assert_array_equal(chosen, KNNSmoothing(mapping="pca", n_components=2).smooth(X, Y, 0))


def test_to_choose_needs_enough_examples_in_the_parts_not_left_out():
    X, Y = rng.normal(size=(37, 3)), np.eye(2)[np.arange(37) % 2]
    with pytest.raises(UsageError, match="k = 30 neighbours need 38 training examples, there are 37"):
        KNNSmoothing(k=[5, 30]).smooth(X, Y, 0)
    X, Y = np.vstack([X, X[:1]]), np.vstack([Y, Y[:1]])
    np.testing.assert_allclose(KNNSmoothing(k=[5, 30]).smooth(X, Y, 0).sum(axis=1), 1)


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
    assert own(mapping="lda", crossfit=0) > own() + 0.05
    assert own(mapping="lda") < own(mapping="lda", crossfit=0)


@pytest.mark.parametrize(
    ("name", "features", "settings"),
    [
        ("s-a", ["mfcc-stats"], {"k": 10, "mapping": "none"}),
        ("s-b-genre", ["mfcc-windows"], {"k": 10, "mapping": "lmnn", "n_components": 64, "crossfit": 0}),
        ("s-b-mood", ["mfcc-windows"], {"k": 30, "mapping": "lmnn", "n_components": 32, "crossfit": 0}),
        ("s-b-genre-crossfit", ["mfcc-windows"], {"k": 10, "mapping": "lmnn", "n_components": 64, "crossfit": 5}),
        ("s-b-mood-crossfit", ["mfcc-windows"], {"k": 30, "mapping": "lmnn", "n_components": 32, "crossfit": 5}),
        ("s-embedding", ["musicnn-embedding"], {"k": 10, "mapping": "none"}),
    ],
)
def test_the_smoothings_of_the_paper_are_registered(name, features, settings):
    """Buisson et al., sections 3.1 and 4.2: S_A by 26 MFCC statistics, S_B by 195 MFCC of seconds and LMNN."""
    entry = Registry.load().smoothings[name]
    made = build(KNNSmoothing, entry.params, name)
    assert (entry.smoother, entry.features) == ("knn-smoothing@2", features)
    assert {key: made.params()[key] for key in settings} == settings
    assert not made.include_self


def test_what_smoothings_look_at_is_what_the_paper_measured():
    assert len(MFCCStats().columns()) == 26
    (column,) = MFCCWindows().columns().values()
    assert column.dtype == pl.Array(pl.Float32, 195)
    heard = MFCC()
    assert (heard.offset, heard.duration, heard.sr) == (5, 15, 44100)
    assert (heard.win_length, heard.n_fft, heard.hop_length) == (1024, 2048, 512)
