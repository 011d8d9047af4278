"""Groupings hold what the paper lists, on real tables and on extracted features."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core import Column
from mirstore.core.checks import checks_for
from mirstore.core.errors import ConfigError, UsageError
from mirstore.core.experiments.grouping import apply_grouper
from mirstore.core.resolve import build
from mirstore_chords import Chords
from mirstore_essentia.columns import declared
from mirstore_groupings import AllFeatures, DomainExpert, FeatureSets, Random, UserFriendly
from mirstore_groupings.names import domain_expert, lyrical, plain, user_friendly
from mirstore_harmony import FunctionalHarmony
from mirstore_lyrics import Lyrics

groupers = [AllFeatures(), DomainExpert(), FeatureSets(), Random(), UserFriendly()]
essentia = [f"essentia.{name}" for name in declared()]
lyrics = [f"lyrics.{name.replace('-', '_')}" for name in lyrical]
paper = sorted({name for members in user_friendly.values() for name in members})


@pytest.mark.parametrize(
    ("grouper", "check"),
    [pytest.param(g, check, id=f"{g.name}-{check.__name__}") for g in groupers for check in checks_for(g)],
)
def test_keeps_the_contract(grouper, check):
    check(grouper)


def sizes(grouper, columns):
    return {group: len(members) for group, members in grouper.group(columns).items()}


def test_the_papers_numbers():
    assert {group: len(members) for group, members in user_friendly.items()} == {
        "brightness": 9, "danceability": 9, "tension": 12, "smoothness": 28, "lyrics": 9,
    }  # fmt: skip
    assert {group: len(members) for group, members in domain_expert.items()} == {
        "spectral": 10, "harmonic": 11, "rhythmic": 4, "sound_shaping": 8, "lyrics": 9,
    }  # fmt: skip
    assert {name for members in domain_expert.values() for name in members} <= set(paper)
    assert len(paper) == 67  # no name is in two groups


def features(shared, name, first_label, last_label):
    """Return the table's columns as the store calls them, without labels."""
    path = shared / "data" / "tables" / f"vaslyb_{name}.csv.gz"
    columns = pl.read_csv(path, n_rows=1).columns[1:]
    first, last = columns.index(first_label), columns.index(last_label)
    return ["table." + re.sub(r"\W+", "_", c).lower() for c in columns[:first] + columns[last + 1 :]]


@pytest.fixture(params=["gtzan", "jamendo"])
def table(shared, request):
    if request.param == "gtzan":
        return features(shared, "gtzan_perceptual_features", "blues", "rock")
    return features(shared, "jamendo_perceptual_validation", "action", "uplifting")


def test_groups_of_the_published_tables(table):
    assert sizes(UserFriendly(), table) == {"brightness": 6, "danceability": 3, "tension": 10, "smoothness": 10}
    assert sizes(DomainExpert(), table) == {"spectral": 7, "harmonic": 7, "rhythmic": 3, "sound_shaping": 7}
    signal = {61: 22, 62: 23}[len(table)]  # Jamendo's has Vocal-Instrumental too
    assert sizes(AllFeatures(), table) == {"signal": signal, "dnn": 7, "harmonic": 32}


def test_what_the_tables_lack_is_the_rest_of_the_paper(table):
    for grouper, asked in ((UserFriendly(), user_friendly), (DomainExpert(), domain_expert)):
        found, lacking = grouper.group(table), grouper.lacking(table)
        for group, members in asked.items():
            assert len(found.get(group, [])) + len(lacking.get(group, [])) == len(members)
    assert UserFriendly().lacking(table)["tension"] == ["glob", "mixolydian"]


def test_essentia_fills_what_signal_features_can_and_says_what_lacks():
    assert sizes(UserFriendly(), essentia) == {"brightness": 9, "danceability": 8, "tension": 6, "smoothness": 22}
    assert UserFriendly().lacking(essentia)["danceability"] == ["rhythm-stability"]
    assert UserFriendly().lacking(essentia)["lyrics"] == list(lyrical)
    assert sizes(DomainExpert(), essentia)["spectral"] == 10


def test_nothing_lacks_where_everything_is():
    columns = [f"all.{name}" for name in paper]
    for grouper, asked in ((UserFriendly(), user_friendly), (DomainExpert(), domain_expert)):
        assert grouper.lacking(columns) == {}
        assert {group: [plain(c) for c in members] for group, members in grouper.group(columns).items()} == {
            group: sorted(members) for group, members in asked.items()
        }
    assert AllFeatures().lacking(essentia) == {}
    assert Random().lacking(essentia) == {}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("jamendo.zerocrossingrate", "zerocr"),
        ("essentia.Spectral Flux_mean", "spectral-flux"),
        ("essentia.spectral_flux_mean_high", "spectral-flux-high"),
        ("jamendo.dominants", "dom"),
        ("harmony.subdominants", "sub"),
        ("harmony.major_dominants", "glob"),
        ("harmony.mixolydian_seventh_dominants", "mixolydian"),
        ("harmony.aeolian_seventh_dominants", "aelian"),
        ("harmony.minor_fourth_subdominants", "minor-fourth"),
        ("midlevel.tonal_stability", "atonality"),
        ("midlevel.minorness", "mode"),
        ("lyrics.words_per_second", "words-per-second"),
        ("my.set.loudness", "set.loudness"),  # feature sets have no dot: the first one separates
    ],
)
def test_names_are_spelt_as_in_the_paper(column, expected):
    assert plain(column) == expected


def test_a_name_in_two_feature_sets_stays_in_one_group():
    columns = ["essentia.loudness", "essentia-full.loudness", "essentia.bpm"]
    assert UserFriendly().group(columns) == {
        "brightness": ["essentia.loudness", "essentia-full.loudness"],
        "tension": ["essentia.bpm"],
    }


def test_several_feature_sets_are_groups_of_their_own():
    columns = [*essentia, "essentia-key.strength", *lyrics]
    assert sizes(AllFeatures(), columns) == {"essentia": 85, "essentia-key": 1, "lyrics": 9}


def test_one_method_alone_is_one_group_of_the_feature_sets_name():
    assert AllFeatures().group(essentia) == {"essentia": essentia}
    assert AllFeatures().group([*essentia, "essentia.unheard_of"]) == {"essentia": [*essentia, "essentia.unheard_of"]}
    assert AllFeatures().group(["harmony.dom", "harmony.dom_tonic"]) == {
        "harmony": ["harmony.dom", "harmony.dom_tonic"]
    }


def test_all_of_essentia_is_signal_in_a_table_that_mixes_methods():
    mixed = [f"table.{name}" for name in declared()] + ["table.dom", "table.melody"]
    assert sizes(AllFeatures(), mixed) == {"signal": 85, "harmonic": 1, "dnn": 1}


def test_what_is_no_name_of_the_paper_stays_under_the_tables_name():
    columns = ["table.bpm", "table.melody", "table.sub_dom", "table.rhyme_density", "table.popularity"]
    assert AllFeatures().group(columns) == {
        "signal": ["table.bpm"],
        "dnn": ["table.melody"],
        "harmonic": ["table.sub_dom"],
        "lyrics": ["table.rhyme_density"],
        "table": ["table.popularity"],
    }


@pytest.mark.parametrize("grouper", groupers, ids=lambda grouper: grouper.name)
def test_no_columns_make_no_groups(grouper):
    assert grouper.group([]) == {}


def test_features_without_any_of_the_names_are_an_error():
    with pytest.raises(UsageError, match=r"groupings\.mine: none of its columns"):
        apply_grouper(UserFriendly(), ["mel.spectrogram"], "groupings.mine")


columns_of_the_paper = st.lists(
    st.builds("{}.{}".format, st.sampled_from(["a", "b", "c"]), st.sampled_from([*paper, "mfcc_1", "other"])),
    unique=True,
)


@given(columns_of_the_paper, st.sampled_from(groupers))
def test_groups_are_disjoint_and_keep_the_order_of_columns(columns, grouper):
    found = grouper.group(columns)
    members = [column for group in found.values() for column in group]
    assert len(members) == len(set(members))
    assert all(found.values())
    if isinstance(grouper, (AllFeatures, Random)):
        assert sorted(members) == sorted(columns)
    else:
        assert all(group == sorted(group, key=columns.index) for group in found.values())
        had = {plain(column) for column in members}
        assert had.isdisjoint(name for names in grouper.lacking(columns).values() for name in names)


@given(st.integers(1, 9), st.integers(0, 5), st.sets(st.from_regex(r"f\.[a-z]{1,8}", fullmatch=True), min_size=1))
def test_random_groups_are_even_and_do_not_depend_on_order(groups, seed, columns):
    grouper = Random(groups=groups, seed=seed)
    found = grouper.group(sorted(columns))
    assert found == grouper.group(sorted(columns, reverse=True))
    lengths = [len(members) for members in found.values()]
    assert max(lengths) - min(lengths) <= 1
    assert len(found) == min(groups, len(columns))
    assert sorted(c for members in found.values() for c in members) == sorted(columns)


def test_another_seed_is_another_draw():
    assert Random(seed=0).group(essentia) != Random(seed=1).group(essentia)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": 0}, "groups must be at least 1, got 0"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"parts": 5}, "unknown parameter 'parts'"),
    ],
)
def test_settings_that_make_no_sense_name_their_entry(settings, message):
    with pytest.raises(ConfigError, match=rf"groupings\.mine\.params: {message}"):
        build(Random, settings, "groupings.mine.params")


perceived = "melody articulation rhythm_complexity rhythm_stability dissonance tonal_stability minorness".split()
"""Columns of the published ratings, which `mirstore train midlevel` makes features of."""


def produced():
    """Return what the extractors of SAMAT's features write, as ``featureset.column``."""
    harmony = FunctionalHarmony().columns({"chords": Chords().columns()})
    words = Lyrics().columns({"words": {"text": Column(pl.String, "", "a line")}})
    numbers = [name for name, column in words.items() if column.dtype != pl.String]
    columns = {"essentia": list(declared()), "midlevel": perceived, "harmony": list(harmony), "lyrics": numbers}
    return [f"{feature}.{name}" for feature, names in columns.items() for name in names]


@pytest.mark.parametrize(("grouper", "size"), [(UserFriendly(), 67), (DomainExpert(), 42), (AllFeatures(), 419)])
def test_every_name_of_the_paper_is_a_column_that_some_extractor_writes(grouper, size):
    columns = produced()
    assert grouper.lacking(columns) == {}
    grouped = [column for members in grouper.group(columns).values() for column in members]
    assert len(grouped) == len(set(grouped)) == size
    names = [plain(column) for column in grouped]
    assert len(set(names)) == size  # no name of the paper is two columns
    assert set(columns) - set(grouped) >= {"harmony.tonics"}


def test_all_features_are_85_and_7_and_318_and_9():
    assert sizes(AllFeatures(), produced()) == {"essentia": 85, "midlevel": 7, "harmony": 318, "lyrics": 9}


def test_every_sequence_of_functions_is_harmonic():
    alone = [f"all.{column.partition('.')[2]}" for column in produced()]
    assert sizes(AllFeatures(), alone) == {"signal": 85, "dnn": 7, "harmonic": 318, "lyrics": 9}
