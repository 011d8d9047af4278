"""What a report says of listeners' rankings: each sentence, and an input with which it would be false."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
pytest.importorskip("matplotlib", reason="the HTML report needs mirstore[report]")

from mirstore.core.experiments.rankings import agreement, nearness
from mirstore.page.claims import Claims
from mirstore.page.listeners import _agreement, _few, _nearness, comparison
from mirstore.page.ranking import Scored

groups = ["a", "b", "c", "d", "e"]
shares = dict(zip(groups, [0.4, 0.3, 0.15, 0.1, 0.05], strict=True))


def compared(rankings, *, spread=0.0, above=True):
    """Return the section for a case with these shares, whose fits to halves vary by ``spread``."""
    raters = agreement({f"r{i}": dict(zip(groups, row, strict=True)) for i, row in enumerate(rankings)})
    rng = np.random.default_rng(3)
    halves = {group: (share + spread * rng.normal(size=100)).tolist() for group, share in shares.items()}
    said = {
        "source": "people.csv",
        "raters": [f"r{i}" for i in range(len(rankings))],
        "mean_ranks": dict(zip(raters.groups, raters.mean.tolist(), strict=True)),
        "w": raters.w,
        "p": raters.p,
        "to_each_other": raters.to_each_other,
        "cases": {"ridge": asdict(nearness(shares, raters, halves))},
    }
    case = Scored(
        {"run": "ridge", "case": {"model": "ridge"}, "whole": shares, "importances": []}, ["model"], "", "r2", {}
    )
    claims = [{"kind": "above guessing"}] if above else []
    found = comparison({"listeners": said}, Claims({"explained": "ridge", "claims": claims}, [case]))
    assert found is not None
    return found


same, opposite = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]


def test_the_same_order_as_listeners_who_agree_is_nearer_than_by_chance():
    agreement_said, near = compared([same] * 6)["sentences"]
    assert agreement_said.startswith("6 raters ranked 5 groups and agree more than by chance (Kendall’s W 1.00, p")
    assert near.startswith("The order of the shares of ridge is 0.00 [0.00, 0.00] ranks from theirs on average")
    assert near.endswith("0.8\u202f% of them are as near or nearer: it is nearer than by chance.")


def test_it_is_not_if_other_tracks_would_give_another_order():
    assert compared([same] * 6, spread=0.5)["sentences"][1].endswith("not shown to be nearer than by chance.")


def test_without_fits_to_other_tracks_nothing_is_said_to_be_nearer():
    said = {"raters": ["ann"], "p": None}
    near = {"distance": 0.0, "by_chance": 1.6, "p": 1 / 120}
    assert _nearness("ridge", {**near, "ends": (0.0, 0.4)}, said).endswith("it is nearer than by chance.")
    assert _nearness("ridge", {**near, "ends": None}, said).endswith("no fits to halves of the data were made.")


def test_nor_if_the_order_is_another():
    assert compared([opposite] * 6)["sentences"][1].endswith("not shown to be nearer than by chance.")


def test_nothing_is_near_to_listeners_who_do_not_agree():
    agreement_said, near = compared([same, opposite, same, opposite])["sentences"]
    assert "are not shown to agree more than by chance (Kendall’s W 0.00, p = 1)" in agreement_said
    assert "chance" not in near.partition("random orders")[2]


def test_two_who_order_three_groups_alike_are_not_said_to_disagree():
    """No agreement of two on three groups can be told from chance, and theirs is perfect."""
    alike = agreement({"ann": {"a": 1, "b": 2, "c": 3}, "bo": {"a": 1, "b": 2, "c": 3}})
    said = {"raters": ["ann", "bo"], "mean_ranks": dict.fromkeys("abc", 0), "w": alike.w, "p": alike.p}
    sentence = _agreement({**said, "to_each_other": alike.to_each_other})
    assert "are not shown to agree more than by chance (Kendall’s W 1.00, p = 0.1" in sentence
    assert "do not agree" not in sentence


@pytest.mark.parametrize(
    ("share", "said"), [(1 / 5040, "fewer than 0.1"), (0.0504, "5.0"), (0.004, "0.4"), (1 / 6, "17")]
)
def test_a_share_of_orders_is_never_said_to_be_none(share, said):
    assert _few(share) == f"{said}\u202f%"


def test_one_ranking_says_nothing_of_agreement_and_can_be_near():
    agreement_said, near = compared([same])["sentences"]
    assert agreement_said == "1 rater ranked 5 groups: one ranking says nothing of whether people agree."
    assert near.endswith("it is nearer than by chance.")


def test_ranks_that_are_all_alike_are_no_order():
    agreement_said, near = compared([[1] * 5, [1] * 5])["sentences"]
    assert agreement_said == "2 raters ranked 5 groups, and each gave all groups the same rank: that is no order."
    assert not near.endswith("by chance.")


def test_a_case_that_is_not_above_guessing_is_not_compared_in_words():
    found = compared([same] * 6, above=False)
    assert len(found["sentences"]) == 1
    assert not found["compared"]
    assert [rank for _, _, rank in found["groups"]] == [None] * 5


def test_groups_stand_in_the_listeners_order():
    assert [group for group, _, _ in compared([opposite] * 3)["groups"]] == ["e", "d", "c", "b", "a"]


def test_there_is_no_section_without_rankings():
    assert comparison({}, Claims({}, [])) is None
