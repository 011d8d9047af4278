"""What may be said of cases: each test against numbers made so that its answer is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mirstore.core.experiments.inference import detectable, holm, interval, p_above_zero, p_of_draws, tracks_needed
from mirstore.core.experiments.metrics import evaluate, hits, kept, mean_of
from mirstore.core.experiments.permutations import Permutations, enough, halves
from mirstore.core.experiments.verdict import Evidence, above_guessing, judge, share_intervals

folds = tuple("abcde")
guessing = Evidence("run", "signed", folds, [0.3, 0.34, 0.31, 0.36, 0.3], [0.33] * 5, 0.25)
better = replace(guessing, values=[0.6, 0.64, 0.61, 0.66, 0.6])
local = np.random.default_rng(1)
uses_first = replace(
    better,
    shares={"first": 0.7, "second": 0.2, "third": 0.1},
    halves={g: local.normal(m, 0.02, 100) for g, m in (("first", 0.7), ("second", 0.2), ("third", 0.1))},
    groupings={g: local.normal(1 / 3, 0.08, 200) for g in ("first", "second", "third")},
    sizes={"first": 10, "second": 10, "third": 10},
)


def kinds(claims):
    return Counter(claim.kind for claim in claims)


# The verdict


def test_what_is_not_above_guessing_licenses_nothing():
    found = judge([replace(uses_first, values=guessing.values)], "run", 100)
    assert not found.found
    assert kinds(found.open) == {"above guessing": 1}
    assert not found.shares
    assert found.needs_tracks is None  # of an effect that is none, no number would do
    assert 0.33 < found.detectable < 0.4
    assert judge([replace(guessing, values=[0.34, 0.3, 0.37, 0.36, 0.33])], "run", 100).needs_tracks >= 110


def test_a_case_of_fewer_tracks_than_another_is_judged_by_its_own():
    less = replace(guessing, values=[0.34, 0.3, 0.37, 0.36, 0.33], tracks=40)
    more = replace(less, run="more", tracks=4000)
    found = judge([less, more], "run", 4000)
    assert found.tracks == 40
    assert found.needs_tracks == judge([less], "run", 40).needs_tracks < 1000


def test_the_best_of_all_is_not_said_against_the_test_of_the_case_named_before():
    as_good = replace(better, permuted=[0.3] * 19)
    rival = replace(better, run="rival", values=[0.7, 0.74, 0.71, 0.76, 0.7])
    assert judge([as_good, rival], "run", 100).found
    # Artists on both sides: only permuted labels allow for that.
    assert not judge([replace(as_good, torn=True), replace(rival, torn=True)], "run", 100).found
    # The best is the one named before.
    assert not judge([as_good, replace(guessing, run="other")], "run", 100).found
    passed = judge([replace(better, permuted=[0.0] * 19), replace(guessing, run="other")], "run", 100)
    assert kinds(passed.claims)["above guessing"] == 1


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_an_error_is_judged_alike_in_any_unit(unit):
    values, floors = unit * np.array([0.8, 0.82, 0.79, 0.81, 0.8]), unit * np.ones(5)
    case = replace(guessing, values=values.tolist(), floors=floors.tolist())
    (claim,) = judge([case], "run", 100, sign=-1).claims
    assert claim.p == pytest.approx(2.0e-5, rel=0.01)


def test_what_is_above_guessing_is_said_with_its_order_and_what_size_does_not_explain():
    found = judge([uses_first], "run", 100)
    assert found.found
    assert {(claim.group, claim.than) for claim in found.claims if claim.kind == "more"} == {
        ("first", "second"),
        ("first", "third"),
        ("second", "third"),
    }
    assert [claim.group for claim in found.claims if claim.kind == "most"] == ["first"]
    assert [claim.group for claim in found.claims if claim.kind == "more than size"] == ["first"]
    assert found.needs_tracks is None
    assert found.detectable is None


def test_groups_that_halves_do_not_tell_apart_have_no_order():
    unsure = replace(uses_first, halves={g: local.normal(0.33, 0.3, 100) for g in uses_first.shares})
    found = judge([unsure], "run", 100)
    assert kinds(found.claims)["more"] == 0
    assert kinds(found.claims)["most"] == 0
    assert kinds(found.open)["more"] == 3


def test_equal_shares_without_any_spread_have_no_order():
    equal = replace(uses_first, shares={"a": 0.5, "b": 0.5}, halves={"a": [0.5] * 9, "b": [0.5] * 9}, groupings={})
    assert kinds(judge([equal], "run", 100).claims)["more"] == 0


@pytest.mark.parametrize(
    ("draws", "why"),
    [
        (lambda: local.uniform(0, 1, 200), "any share"),
        (lambda: np.full(200, 1 / 3), "the same share every time"),
    ],
)
def test_random_groups_that_say_nothing_are_said_to(draws, why):
    found = judge([replace(uses_first, groupings={g: draws() for g in uses_first.shares})], "run", 100)
    assert why in found.untested["size"]
    assert not any(claim.kind == "more than size" for claim in [*found.claims, *found.open])


def test_two_columns_have_too_few_groupings():
    few = replace(uses_first, sizes={"first": 1, "second": 1, "third": 1})
    assert "too few ways" in judge([few], "run", 100).untested["size"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "signed"}, ("no fits to halves of the data were made", "no groups were drawn by chance")),
        (
            {"kind": "opaque"},
            (
                "no fits to halves of the data were made, since the model is opaque",
                "no groups were drawn by chance, since the model is opaque",
            ),
        ),
        ({"shares": {}}, ("the model does not say which groups it uses", None)),
        ({"shares": {"first": 1.0}}, ("there is one group of features only", None)),
    ],
)
def test_what_was_not_drawn_is_not_called_too_few_ways(change, why):
    untested = judge([replace(uses_first, halves={}, groupings={}, **change)], "run", 100).untested
    assert (untested["order"], untested.get("size")) == why


def test_one_draw_has_no_spread_and_tests_nothing():
    one = {group: [share] for group, share in uses_first.shares.items()}
    found = judge([replace(uses_first, halves=one, groupings=one)], "run", 100)
    assert found.untested == {
        "order": "one fit to half of the data has no spread",
        "size": "one random grouping has no spread",
    }
    assert kinds(found.claims) == {"above guessing": 1}


def test_the_best_of_many_is_corrected_for_how_many_there_are():
    """One case in 20 is above guessing by a test at 5 %; the best of 20 is no finding."""
    lucky = replace(guessing, run="lucky", values=[0.37, 0.41, 0.35, 0.42, 0.38])
    assert above_guessing(lucky, 100).p < 0.05
    others = [replace(guessing, run=str(i)) for i in range(19)]
    found = judge([lucky, *others], "0", 100)
    assert not found.found
    (best,) = (claim for claim in found.open if claim.kind == "best above guessing")
    assert best.run == "lucky"
    assert best.of == 20


def test_the_best_is_said_where_the_case_named_before_finds_nothing_but_only_if_it_is_sure():
    opaque = replace(better, run="trees", kind="opaque")
    found = judge([guessing, opaque], "run", 100)
    assert kinds(found.claims)["best above guessing"] == 1
    assert found.detectable is not None  # of the case named before
    assert not found.shares


def test_floors_and_groups_by_chance_are_no_rivals():
    floor, control = replace(better, run="floor", kind="floor"), replace(better, run="control", kind="control")
    assert not judge([guessing, floor, control], "run", 100).found


def test_a_difference_of_cases_is_paired_and_two_sided():
    other = replace(
        better,
        run="other",
        kind="opaque",
        values=[v - 0.05 + e for v, e in zip(better.values, (0, 0.01, 0, -0.01, 0), strict=False)],
    )
    (claim,) = (c for c in judge([better, other], "run", 100).claims if c.kind == "better" and c.than == "other")
    assert claim.run == "run"
    assert claim.low > 0
    same = replace(better, run="other", kind="opaque", values=better.values[::-1])
    claims = judge([better, same], "run", 100)
    assert not any(claim.kind == "better" for claim in claims.claims)


def test_cases_on_other_folds_are_not_compared():
    other = replace(better, run="other", folds=tuple("vwxyz"), values=[0.99] * 5)
    found = judge([better, other], "run", 100)
    assert not any(claim.kind == "better" for claim in [*found.claims, *found.open])


def test_smaller_errors_are_better():
    error = replace(guessing, values=[0.1, 0.12, 0.1, 0.13, 0.11], floors=[0.3] * 5)
    assert judge([error], "run", 100, sign=-1).found
    assert not judge([error], "run", 100, sign=1).found


def test_without_the_case_named_before_nothing_is_explained():
    found = judge([better], None, 100)
    assert found.explained is None
    assert not found.claims


def test_one_fold_without_permutations_tests_nothing():
    one = replace(guessing, folds=("a",), values=[0.9], floors=[0.3])
    assert above_guessing(one, 100) is None
    found = judge([one], "run", 100)
    assert not found.found
    assert found.needs_tracks is None
    assert judge([replace(one, permuted=[0.0] * 199)], "run", 100).found


def test_folds_that_agree_by_chance_are_no_proof():
    lucky = replace(guessing, folds=("a", "b"), values=[0.5, 0.5], floors=[0.4, 0.4])
    assert not judge([lucky], "run", 10).found


@given(st.lists(st.floats(0, 1), min_size=3, max_size=30), st.floats(0, 1))
def test_a_printed_interval_holds_the_printed_share(drawn, share):
    found = share_intervals(replace(guessing, shares={"a": share}, halves={"a": drawn}))
    value, low, high = found["a"]
    assert 0 <= low <= value <= high <= 1


# The tests behind it


def test_the_corrected_t_test_is_that_of_scipy_with_a_longer_error():
    values = [0.1, 0.12, 0.03, 0.11, 0.09]
    t = np.mean(values) / np.sqrt(np.var(values, ddof=1) * (1 / 5 + 0.25))
    assert p_above_zero(values, 0.25) == pytest.approx(stats.t.sf(t, 4))
    low, high = interval(values, 0.25)
    assert (low + high) / 2 == pytest.approx(np.mean(values))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_the_p_values_and_bonferroni(p):
    corrected = holm(p)
    assert all(a <= b <= min(1, len(p) * a) + 1e-12 for a, b in zip(p, corrected, strict=False))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_p_of_draws_is_uniform_where_there_is_nothing():
    local = np.random.default_rng(3)
    p = [p_of_draws(x, local.normal(size=19)) for x in local.normal(size=2000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_more_is_needed_the_smaller_the_effect():
    strong, weak = ([0.01 * (1 + i % 3) * k for i in range(5)] for k in (1, 0.1))
    noise = [0.05, -0.05, 0.05, -0.05, 0.0]
    needed = [tracks_needed(100, np.add(effect, noise).tolist(), 0.25, 0.01) for effect in (strong, weak)]
    assert 100 < needed[0] <= needed[1]
    assert detectable(noise, 0.25, (), 0.01) > 0


# Dealing out labels


def test_labels_go_among_tracks_and_keep_their_counts():
    labels = np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 0]]
    ways = Permutations(labels, range(8), [0] * 8, 0)
    assert ways.different == enough
    drawn = [labels[source] for source in islice(ways, 20)]
    assert all((each.sum(axis=0) == labels.sum(axis=0)).all() for each in drawn)
    assert len({each.tobytes() for each in drawn}) > 10


def test_labels_of_an_artist_stay_together():
    units = ["a"] * 3 + ["b"] + ["c"] * 2 + list("defgh")
    labels = np.eye(2)[[0, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0]]
    for source in islice(Permutations(labels, units, [0] * 11, 0), 30):
        dealt = labels[source]
        assert all(len({row.tobytes() for row in dealt[[u == unit for u in units]]}) == 1 for unit in set(units))


def test_artists_with_several_labels_exchange_them_with_artists_of_as_many_tracks():
    units = ["a", "a", "b", "b", "c", "c", "c"]
    labels = np.eye(3)[[0, 1, 2, 2, 0, 1, 2]]
    seen = {labels[source].tobytes() for source in islice(Permutations(labels, units, [0] * 7, 0), 50)}
    swapped = labels[[2, 3, 0, 1, 4, 5, 6]]
    assert seen == {labels.tobytes(), swapped.tobytes()}
    assert Permutations(labels, units, [0] * 7, 0).different == 2


def test_labels_stay_in_the_part_of_a_published_split():
    labels = np.eye(2)[[0, 0, 0, 1, 1, 1]]
    for source in islice(Permutations(labels, range(6), [0, 0, 0, 1, 1, 1], 0), 20):
        assert (labels[source] == labels).all()


def test_few_labels_have_few_permutations():
    assert Permutations(np.eye(2)[[0, 0, 1]], range(3), [0] * 3, 0).different == 3


def test_halves_have_no_copies_and_half_of_each_class():
    classes, units = [0] * 10 + [1] * 6, list(range(16))
    for half in halves(classes, units, 20, 0):
        assert len(set(half.tolist())) == len(half) == 8
        assert sum(half < 10) == 5


def test_half_of_the_artists_are_whole_artists():
    units = [i // 3 for i in range(24)]
    for half in halves([0] * 24, units, 10, 0):
        assert all(units.count(unit) == sum(units[i] == unit for i in half) for unit in {units[i] for i in half})


# Ties


def test_classes_that_share_the_highest_score_share_the_hit():
    truth, scores = np.eye(4)[[0, 1, 2, 3]], np.full((4, 4), 0.25)
    assert hits(truth, scores).tolist() == [0.25] * 4
    assert mean_of("balanced_accuracy", truth, scores) == pytest.approx(0.25)


@given(st.lists(st.floats(1e-12, 1), min_size=2, max_size=8))
def test_kept_scores_are_what_single_precision_holds_and_order_of_summation_does_not_tell_apart(values):
    scores = np.array(values)
    noisy = (scores + 1 / 3) - 1 / 3
    once = kept(scores)
    assert (once == once.astype(np.float32)).all()
    assert (kept(once) == once).all()
    assert np.allclose(once, scores, rtol=2e-6, atol=0)
    assert np.abs(kept(noisy) - once).max() <= 2e-6


def test_one_metric_alone_is_what_all_of_them_together_give():
    local = np.random.default_rng(0)
    truth, scores = np.eye(3)[local.integers(0, 3, 40)], local.random((40, 3))
    every = {v.name: v.value for v in evaluate(truth, scores, "abc", True) if v.label is None}
    assert {name: mean_of(name, truth, scores) for name in every} == pytest.approx(every)
