"""How listeners order groups: agreement as scipy has it, distances as counted by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare, rankdata

from mirstore.core.experiments.rankings import agreement, distance, nearness, ranks_of


def raters(table):
    names = "abcdefgh"[: len(table[0])]
    return {f"r{i}": dict(zip(names, row, strict=True)) for i, row in enumerate(table)}


tables = st.integers(3, 6).flatmap(
    lambda groups: st.lists(st.lists(st.integers(1, 4), min_size=groups, max_size=groups), min_size=2, max_size=8)
)


@given(tables)
def test_w_is_friedmans_statistic_over_its_largest_value_ties_or_not(table):
    found = agreement(raters(table))
    if found.w is None:
        assert all(len(set(row)) == 1 for row in table)
    else:
        statistic = friedmanchisquare(*np.array(table).T).statistic
        assert found.w == pytest.approx(statistic / (len(table) * (len(table[0]) - 1)))
        assert 0 <= found.w <= 1 + 1e-9


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_ranks_are_scipys(values):
    assert ranks_of(values).tolist() == rankdata(values).tolist()


def test_raters_who_agree_do_and_those_who_do_not_do_not():
    alike = agreement(raters([[1, 2, 3, 4]] * 5))
    assert alike.w == 1
    assert alike.p < 0.001
    assert alike.to_each_other == 0
    apart = agreement(raters([[1, 2, 3, 4], [4, 3, 2, 1]]))
    assert apart.w == 0
    assert apart.p == 1
    assert apart.mean.tolist() == [2.5] * 4


def test_one_rater_has_no_agreement_but_an_order():
    published = agreement(raters([[2, 1, 3]]))
    assert (published.w, published.p, published.to_each_other) == (None, None, None)
    assert nearness({"b": 0.5, "a": 0.3, "c": 0.2}, published).distance == 0


def test_labels_by_chance_are_called_agreement_no_oftener_than_said():
    rng = np.random.default_rng(5)
    p = [agreement(raters([rng.permutation(5) for _ in range(7)])).p for _ in range(200)]
    assert np.mean(np.array(p) <= 0.05) < 0.1


@pytest.mark.parametrize("groups", [2, 3, 4, 5])
def test_the_chance_of_an_order_is_counted_over_all_orders(groups):
    published = agreement(raters([list(range(1, groups + 1))]))
    orders = list(permutations(range(1, groups + 1)))
    distances = [np.abs(np.array(order) - np.arange(1, groups + 1)).mean() for order in orders]
    for order, found in zip(orders, distances, strict=True):
        shares = {name: -rank for name, rank in zip("abcde", order, strict=False)}
        near = nearness(shares, published)
        assert near.distance == pytest.approx(found)
        assert near.p == pytest.approx(np.mean(np.array(distances) <= found + 1e-12))
        assert near.by_chance == pytest.approx(np.mean(distances))


def test_the_opposite_order_is_farthest():
    one = np.array([1.0, 2, 3, 4])
    assert distance(one, one) == 0
    assert distance(one, one[::-1]) == 2


def test_many_groups_are_compared_with_drawn_orders():
    published = agreement({"a": {str(i): i for i in range(12)}})
    near = nearness({str(i): -i for i in range(12)}, published)
    assert near.distance == 0
    assert near.p == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("ranked", "message"),
    [
        ({}, "nobody"),
        ({"a": {"x": 1}}, "one group"),
        ({"a": {"x": 1, "y": 2}, "b": {"x": 1, "z": 2}}, "rater 'b' and the first one rank different groups: y, z"),
    ],
)
def test_what_is_no_ranking_is_refused(ranked, message):
    with pytest.raises(ValueError, match=message):
        agreement(ranked)
