"""Groupings hold what the paper lists, on real tables."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.checks import checks_for
from mirstore_essentia.columns import declared
from mirstore_groupings import AllFeatures, DomainExpert, Random, UserFriendly
from mirstore_groupings.names import domain_expert, user_friendly

groupers = [AllFeatures(), DomainExpert(), Random(), UserFriendly()]
essentia = [f"essentia.{name}" for name in declared()]


@pytest.mark.parametrize("grouper", groupers, ids=lambda grouper: grouper.name)
def test_keeps_the_contract(grouper):
    for check in checks_for(grouper):
        check(grouper)


def sizes(grouper, columns):
    return {group: len(members) for group, members in grouper.group(columns).items()}


def test_the_papers_numbers():
    assert sum(len(members) for group, members in user_friendly.items() if group != "lyrics") == 58
    assert sum(len(members) for group, members in domain_expert.items() if group != "lyrics") == 33
    assert len(user_friendly["lyrics"]) == 9
    assert {n for m in domain_expert.values() for n in m} <= {n for m in user_friendly.values() for n in m}


@pytest.fixture(params=["gtzan_perceptual_features", "jamendo_perceptual_validation"])
def table(shared, request):
    import re

    columns = pl.read_csv(shared / "data" / "tables" / f"vaslyb_{request.param}.csv.gz", n_rows=1).columns[1:]
    kept = [
        c for c in columns if not re.fullmatch("blues|classical|country|disco|hiphop|jazz|metal|pop|reggae|rock", c)
    ]
    if request.param.startswith("jamendo"):
        kept = [c for c in kept if not (columns.index("action") <= columns.index(c) <= columns.index("uplifting"))]
    return ["t." + re.sub(r"\W+", "_", c).lower() for c in kept]


def test_groups_of_the_published_tables(table):
    assert sizes(UserFriendly(), table) == {"brightness": 6, "danceability": 3, "tension": 10, "smoothness": 10}
    assert sizes(DomainExpert(), table) == {"spectral": 7, "harmonic": 7, "rhythmic": 3, "sound_shaping": 7}
    assert sizes(AllFeatures(), table) == {"signal": len(table) - 39, "dnn": 7, "harmonic": 32}


def test_essentia_fills_what_signal_features_can_and_says_what_lacks():
    assert sizes(UserFriendly(), essentia) == {"brightness": 9, "danceability": 8, "tension": 6, "smoothness": 22}
    assert UserFriendly().lacking(essentia)["danceability"] == ["rhythm-stability"]
    assert len(UserFriendly().lacking(essentia)["lyrics"]) == 9
    assert sizes(AllFeatures(), essentia) == {"signal": 85}


def test_several_feature_sets_are_groups_of_their_own():
    columns = [*essentia, "essentia-key.strength", "mfcc-stats.mean_1"]
    assert sizes(AllFeatures(), columns) == {"essentia": 85, "essentia-key": 1, "mfcc-stats": 1}


@given(st.integers(1, 9), st.integers(0, 5), st.sets(st.from_regex(r"f\.[a-z]{1,8}", fullmatch=True), min_size=1))
def test_random_groups_are_even_and_do_not_depend_on_order(groups, seed, columns):
    found = Random(groups, seed).group(sorted(columns))
    assert found == Random(groups, seed).group(sorted(columns, reverse=True))
    lengths = [len(members) for members in found.values()]
    assert max(lengths) - min(lengths) <= 1
    assert sorted(c for members in found.values() for c in members) == sorted(columns)


def test_no_groups_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Random(groups=0)
