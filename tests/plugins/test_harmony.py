"""Functional harmony against known truth: hand-made progressions, the 48 moves, two ontologies and a reasoner."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections import Counter
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from done import ingest
from hypothesis import given
from hypothesis import strategies as st
from progressions import Progression, row
from progressions import columns as chord_columns
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import Column
from mirstore.core.annotations import Annotation
from mirstore.core.checks import checks_for
from mirstore.core.columns import check_rows
from mirstore.core.errors import ConfigError, TrackError
from mirstore.core.features import FeatureSet
from mirstore.core.inputs import Inputs
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import build, resolve
from mirstore.core.tracks import Track
from mirstore.store import Project, Store
from mirstore.store.ingest.annotation_sets import Given, all_sets
from mirstore.store.ingest.annotation_sets import find as find_annotations
from mirstore.store.ingest.sources import find as find_audio
from mirstore_groupings import DomainExpert, UserFriendly
from mirstore_groupings.names import plain
from mirstore_harmony import ChordFunctions, FunctionalHarmony, graph, ontology, published, table
from mirstore_harmony.derivation import derive
from mirstore_harmony.labels import is_harte, parse
from mirstore_harmony.ngrams import bigrams, column, functions_of, ratios, tokens, trigrams
from mirstore_harmony.reasoning import Rules
from mirstore_harmony.theory import functions, qualities, stacked_thirds, vocabularies

roots = "C C# D Eb E F F# G Ab A Bb B".split()
table_sha256 = "6232c1bb5beaa14e6a1c96462e33b7f352cc6b35f92eb35fcb401bf43d940ed6"
dominant_tokens = ("dom", "glob", "aelian", "mixolydian")


def harte(text: str) -> list[str]:
    """Return labels of chords written as ``C Am F#m``."""
    return [f"{name.removesuffix('m')}:{'min' if name.endswith('m') else 'maj'}" for name in text.split()]


def chords(text: str) -> list[tuple[int, str]]:
    return [parse(label, "majmin") for label in harte(text)]


def said(text: str) -> list[str | None]:
    return tokens(functions_of(chords(text), table.shipped()))


def source(columns=chord_columns):
    return FeatureSet("chords", Annotation("chords", columns))


def run(labels, extractor=None, seconds=1.0, columns=chord_columns):
    """Return the numbers of a progression, checked against their declaration as a worker does."""
    rows = [
        each if isinstance(each, dict) else row(at * seconds, (at + 1) * seconds, each)
        for at, each in enumerate(labels)
    ]
    read = source(columns)
    feature = FeatureSet("harmony", extractor or FunctionalHarmony(), {"chords": read})
    track = Track("t", Path("t.wav"), inputs=Inputs(feature, {read.id: rows}))
    (found,) = check_rows(feature.extractor.extract(track), feature.columns)
    return found


def counted(found, n):
    """Return what is not zero, as counts: functions of n, pairs of n - 1, triples of n - 2."""
    sizes = {column(gram): len(gram) for gram in (*bigrams, *trigrams)}
    return {name: round(value * (n - sizes.get(name, 1) + 1), 9) for name, value in found.items() if value}


# Known truth


@pytest.mark.parametrize(
    ("progression", "expected"),
    [
        ("C G Am F C G Am F", "sub aelian dom sub sub aelian dom tonic"),
        ("C F G C F G C F G", "glob mixolydian glob glob mixolydian glob glob mixolydian tonic"),
        ("Dm G C Fm C Bb C", "dom glob glob minor_fourth sub mixolydian tonic"),
        ("E Am E Am", "glob minor_fourth glob tonic"),
        ("Am F G Am F G", "dom mixolydian aelian dom mixolydian tonic"),
        ("Bb Cm", "aelian tonic"),
        ("C G", "sub -"),
        ("C", "-"),
        ("", ""),
    ],
)
def test_functions_of_progressions_by_hand(progression, expected):
    assert [token or "-" for token in said(progression)] == expected.split()


def test_numbers_of_four_chords_that_come_twice():
    assert counted(run(harte("C G Am F C G Am F")), 8) == {
        "dominants": 4, "subdominants": 3, "aeolian_seventh_dominants": 2, "tonics": 1,
        "sub_aelian": 2, "aelian_dom": 2, "dom_sub": 1, "sub_sub": 1, "dom_tonic": 1,
        "sub_aelian_dom": 2, "aelian_dom_sub": 1, "dom_sub_sub": 1, "sub_sub_aelian": 1, "aelian_dom_tonic": 1,
    }  # fmt: skip


def test_numbers_of_two_other_progressions():
    found = counted(run(harte("C F G C F G C F G")), 9)
    assert (found["dominants"], found["major_dominants"], found["mixolydian_seventh_dominants"]) == (8, 5, 3)
    found = counted(run(harte("Dm G C Fm C Bb C")), 7)
    assert [found[name] for name in functions if name in found] == [4, 2, 2, 1, 1]
    assert "aeolian_seventh_dominants" not in found


def test_one_and_two_chords_divide_by_nothing():
    assert set(run(["C:maj"]).values()) == {0.0}
    assert counted(run(harte("Bb Cm")), 2) == {
        "dominants": 1, "aeolian_seventh_dominants": 1, "tonics": 1, "aelian_tonic": 1,
    }  # fmt: skip
    assert run(harte("Bb Cm"))["aelian_tonic"] == 1.0


# A song of the Beatles, as it comes with the published ontology: there 14 chords are dominants, 17 subdominants.
sergeant_pepper = (
    "A A:min7 A A:7 A:min7 G:maj7 G:7 A:7 C C:maj7 G G:7 A:7 C C:maj7 G:7 A:7 A C:7 G:min7 C:7 G:min7 G:7 C:7 F:maj7 F "
    "C:min7 F#:dim D:7 F#:dim D:7 G#:dim G:min G:min7 C:7 G:min C:7 G G:min Bb C:7 G:min A D:7 D C:7 G A:7 A:min7 G C "
    "A:dim C D:7 F#:aug G:7 A:7 C C:maj7 G G:7 A:7 C C:maj7 G:7 A:7 A C:7 G:min7 C:7 G:dim G:min7 G:7 C:7 C C:7 D:7 "
    "E:7 E"
)


def test_a_song_has_the_functions_that_the_published_ontology_says():
    labels = sergeant_pepper.split()
    found = counted(run(labels, FunctionalHarmony(vocabulary="sevenths")), len(labels))
    assert len(labels) == 79
    assert [found.get(name, 0) for name in functions] == [14, 17, 2, 3, 0, 0]


def functions_over_time(labels, **parameters):
    """Return start, end, function and label of each row, checked against their declaration."""
    rows = [each if isinstance(each, dict) else row(float(at), at + 1.0, each) for at, each in enumerate(labels)]
    read = source()
    feature = FeatureSet("chord-functions", ChordFunctions(**parameters), {"chords": read})
    track = Track("t", Path("t.wav"), inputs=Inputs(feature, {read.id: rows}))
    found = check_rows(feature.extractor.extract(track), feature.columns)
    return [(each["start"], each["end"], each["function"], each["label"]) for each in found]


def test_functions_have_the_times_of_the_chords_that_count():
    found = functions_over_time(["N", "C:maj7", "C:maj", row(3, 3.05, "F:maj"), "G:7", "C:maj"])
    assert found == [
        (1.0, 3.0, "subdominant", "C:maj7"),  # IV of what comes next
        (4.0, 5.0, "dominant", "G:7"),
        (5.0, 6.0, "tonic", "C:maj"),
    ]


@pytest.mark.parametrize("text", ["C F G C", "C G Am F C G Am F", "Dm G C A Dm Bb F C Fm C Eb Bb"])
def test_functions_over_time_add_up_to_the_shares(text):
    labels = harte(text)
    functions = Counter(each[2] for each in functions_over_time(labels))
    shares, n = run(labels), len(labels)
    for function in ("dominant", "subdominant", "tonic"):
        assert functions[function] / n == pytest.approx(shares[f"{function}s"])


def test_a_track_without_chords_has_no_functions_and_does_not_fail():
    assert functions_over_time([]) == functions_over_time(["N", "X"]) == []


def test_after_a_long_gap_a_chord_has_no_function_by_the_next():
    labels = [row(0, 1, "G:maj"), row(9, 10, "C:maj")]
    assert [each[2] for each in functions_over_time(labels)] == ["dominant", "tonic"]
    assert [each[2] for each in functions_over_time(labels, break_gap=2.0)] == [None, None]


def test_the_48_moves_of_major_and_minor_triads():
    moves: dict[str, set[str]] = {name: set() for name in functions}
    for (interval, quality, following), columns in table.shipped().items():
        if {quality, following} <= {"maj", "min"}:
            for name in columns:
                moves[name].add(f"{interval} {quality}-{following}")
    major, minor = {"7 maj-maj", "7 maj-min"}, {"5 min-maj", "5 min-min"}
    assert moves["dominants"] == major | {
        "10 maj-maj", "10 maj-min", "7 min-maj", "7 min-min", "4 min-maj", "4 min-min", "6 maj-maj", "6 maj-min",
        "10 min-min", "11 min-maj", "11 min-min",
    }  # fmt: skip
    assert moves["subdominants"] == minor | {
        "5 maj-maj", "5 maj-min", "2 maj-maj", "2 maj-min", "2 min-maj", "2 min-min", "1 maj-maj", "1 maj-min",
        "8 maj-min",
    }  # fmt: skip
    assert (moves["major_dominants"], moves["minor_fourth_subdominants"]) == (major, minor)
    assert moves["mixolydian_seventh_dominants"] == {"10 maj-maj"}
    assert moves["aeolian_seventh_dominants"] == {"10 maj-min"}


def test_no_chord_is_dominant_and_subdominant_of_the_same_chord():
    assert not [pair for pair, columns in table.shipped().items() if {"dominants", "subdominants"} <= columns]


# The grammar


def test_there_are_exactly_312_sequences():
    names = [column(gram) for gram in (*bigrams, *trigrams)]
    assert (len(bigrams), len(trigrams), len(set(names))) == (40, 272, 312)
    assert not {plain(f"x.{name}") for name in names} & {plain(f"x.{name}") for name in (*functions, "tonics")}
    columns = FeatureSet("harmony", FunctionalHarmony(), {"chords": source()}).columns
    assert list(columns) == [*functions, "tonics", *names]
    assert len(columns) == 319


def test_a_tonic_comes_after_a_dominant_or_another_tonic_stands_before_the_dominant():
    for gram in (*bigrams, *trigrams):
        for before, token in pairwise(gram):
            assert token != "tonic" or before in (*dominant_tokens, "tonic"), gram
        assert gram[0] != "tonic" or (gram[1] in dominant_tokens and gram[2] == "tonic"), gram


def test_all_sequences_of_the_published_tables_are_among_them(shared):
    ours = {column(gram).replace("_", "-") for gram in (*bigrams, *trigrams)}
    for name in ("gtzan_perceptual_features", "jamendo_perceptual_validation"):
        header = pl.read_csv(shared / "data" / "tables" / f"vaslyb_{name}.csv.gz", n_rows=1).columns
        published_names = {plain(f"x.{each}") for each in header if each.split("-")[0] in {"dom", "sub", "glob"}}
        grams = {each for each in published_names if "-" in each}
        assert len(grams) == 30
        assert grams <= ours


def test_the_groupings_find_the_functions_that_they_ask_for():
    columns = [f"harmony.{name}" for name in FunctionalHarmony().columns({"chords": chord_columns})]
    asked = {"dom", "sub", "glob", "mixolydian", "aelian", "minor-fourth"}
    for grouper in (UserFriendly(), DomainExpert()):
        found = [plain(each) for members in grouper.group(columns).values() for each in members]
        assert sorted(found) == sorted(asked)
        assert not asked & {name for names in grouper.lacking(columns).values() for name in names}


progressions = st.lists(st.tuples(st.integers(0, 11), st.sampled_from(list(qualities))), min_size=1, max_size=40)


@given(progressions, st.integers(0, 11))
def test_transposition_changes_nothing(progression, steps):
    moved = [((root + steps) % 12, quality) for root, quality in progression]
    assert ratios([moved], table.shipped()) == ratios([progression], table.shipped())


@given(progressions)
def test_counts_fit_together(progression):
    n = len(progression)
    found = counted(ratios([progression], table.shipped()), n)
    one = Counter({name: found.get(name, 0) for name in (*functions, "tonics")})
    assert one["dominants"] + one["subdominants"] <= n - 1
    special = one["major_dominants"] + one["mixolydian_seventh_dominants"] + one["aeolian_seventh_dominants"]
    assert special <= one["dominants"]
    assert one["minor_fourth_subdominants"] <= one["subdominants"]
    pairs = Counter({gram: found.get(column(gram), 0) for gram in bigrams})
    after_a_dominant = sum(count for gram, count in pairs.items() if gram[0] in dominant_tokens)
    assert after_a_dominant == one["dominants"]  # each leads to a chord that has a token
    assert one["tonics"] == sum(count for gram, count in pairs.items() if gram[1] == "tonic")


# Chords as they come


@pytest.mark.parametrize(
    ("label", "majmin", "sevenths"),
    [
        ("C", "C maj", "C maj"),
        ("F#:min7/b3", "F# min", "F# min7"),
        ("Gb:maj/3", "F# maj", "F# maj"),
        ("Cb:7", "B maj", "B 7"),
        ("E#:min", "F min", "F min"),
        ("B#:dim7", "C min", "C dim7"),
        ("A:hdim7", "A min", "A hdim7"),
        ("D:minmaj7", "D min", "D minmaj7"),
        ("C:aug", "C maj", "C aug"),
        ("C:aug(7)", "C maj", "C augmaj7"),
        ("C:aug(b7)", "C maj", "C aug"),
        ("C:maj6", "C maj", "C maj"),
        ("C:min6", "C min", "C min"),
        ("C:9(*3)", None, None),
        ("C:13", "C maj", "C 7"),
        ("C:maj(9)", "C maj", "C maj"),
        ("C:maj(7)", "C maj", "C maj7"),
        ("C:(b3,b5,b7)", "C min", "C hdim7"),
        ("C:(1,3)", "C maj", "C maj"),
        ("C:7(b9)/b7", "C maj", "C 7"),
        ("C:sus4", None, None),
        ("C:sus4(b7)", None, None),
        ("C:5", None, None),
        ("C:1", None, None),
        ("N", None, None),
        ("X", None, None),
        ("H:maj", None, None),
        ("C:mu", None, None),
        ("Cm7", None, None),
        ("", None, None),
    ],
)
def test_labels_are_reduced_to_a_vocabulary(label, majmin, sevenths):
    for vocabulary, expected in (("majmin", majmin), ("sevenths", sevenths)):
        found = parse(label, vocabulary)
        assert (found and f"{roots[found[0]]} {found[1]}") == expected


@given(st.text(max_size=12) | st.text("ABCDEFG#b:majin7su()/,*0123456789", max_size=12))
def test_any_text_is_a_chord_of_the_vocabulary_or_none(text):
    for vocabulary, names in vocabularies.items():
        found = parse(text, vocabulary)
        assert found is None or (found[0] in range(12) and found[1] in names)


def test_what_is_no_chord_is_left_out_and_repeats_are_one():
    clean = run(harte("F C G Am"))
    assert run(["N", "F:maj", "F:maj/5", "F:maj7", "N", "C:maj", "X", "C:maj", "D:sus4", "G:7", "A:min"]) == clean
    kept = counted(run(harte("F C C G Am"), FunctionalHarmony(merge_repeats=False)), 5)
    assert counted(clean, 4)["subdominants"] == 2
    assert kept["subdominants"] == 2  # the first C leads nowhere


def test_short_chords_are_left_out():
    rows = [row(0.0, 1.0, "C:maj"), row(1.0, 1.3, "G:maj"), row(1.3, 2.0, "F:maj")]
    assert counted(run(rows), 3)["subdominants"] == 2
    assert counted(run(rows, FunctionalHarmony(min_duration=0.5)), 2)["major_dominants"] == 1
    assert run(rows, FunctionalHarmony(min_duration=0.3)) == run(rows)


def test_a_chord_whose_end_is_not_known_counts():
    columns = chord_columns | {"end": Column(pl.Float64, "s", "where the chord ends", (0, None), nullable=True)}
    rows = [row(at, at + 1.0, label) | {"end": None} for at, label in enumerate(harte("C G Am F"))]
    assert run(rows, columns=columns) == run(harte("C G Am F"))


def test_a_long_gap_leads_nowhere():
    rows = [row(0.0, 1.0, "G:maj"), row(1.0, 9.0, "N"), row(9.0, 10.0, "C:maj"), row(10.0, 11.0, "F:maj")]
    assert counted(run(rows), 3) == {
        "dominants": 2, "major_dominants": 2, "tonics": 1, "glob_glob": 1, "glob_tonic": 1, "glob_glob_tonic": 1,
    }  # fmt: skip
    assert counted(run(rows, FunctionalHarmony(break_gap=8.0)), 3) == counted(run(rows), 3)
    assert counted(run(rows, FunctionalHarmony(break_gap=5.0)), 3) == {
        "dominants": 1, "major_dominants": 1, "tonics": 1, "glob_tonic": 1,
    }  # fmt: skip


@pytest.mark.parametrize("labels", [[], ["N"], ["N", "X", "N"], ["C:5", "G:sus4"], [""]])
def test_without_chords_there_is_no_value_and_a_reason(labels):
    with pytest.raises(TrackError, match="nothing that counts as a chord") as raised:
        run(labels)
    assert raised.value.reason == "no chords"
    assert all(label in str(raised.value) for label in labels)


@pytest.mark.parametrize("wrong", ["Am", "Cm7", "H:maj", "C:minor", "nonsense"])
def test_a_label_of_another_syntax_among_good_ones_is_told(wrong):
    with pytest.raises(TrackError, match=f"not in Harte's syntax, as A:min or N: '{wrong}'") as raised:
        run(["C:maj", wrong, "F:maj", "G:maj", "N"])
    assert raised.value.reason == "not harte"


def test_every_true_chord_of_real_songs_is_in_the_syntax(shared):
    with (shared / "data" / "rendered" / "chords.csv").open() as file:
        assert all(is_harte(each["chord"]) for each in csv.DictReader(file))


def test_a_sevenths_vocabulary_tells_more_apart():
    labels = ["D:min7", "G:7", "C:maj7", "B:hdim7", "C:maj7"]
    assert counted(run(labels, FunctionalHarmony(vocabulary="sevenths")), 5)["dominants"] == 3
    assert "MajorDominant" in functions.values()
    assert counted(run(["G:7", "C:7"], FunctionalHarmony(vocabulary="sevenths")), 2) == {
        "dominants": 1, "tonics": 1, "dom_tonic": 1,
    }  # fmt: skip


def test_chords_need_times_and_text():
    for lacking in ("start", "end", "label"):
        with pytest.raises(ConfigError, match=f"no column '{lacking}'"):
            FunctionalHarmony().columns({"chords": {n: c for n, c in chord_columns.items() if n != lacking}})
    with pytest.raises(ConfigError, match="'label' of text"):
        FunctionalHarmony().columns({"chords": chord_columns | {"label": Column(pl.Int32, "", "number")}})


@pytest.mark.parametrize(
    "params", [{"min_duration": -1}, {"break_gap": -1.0}, {"vocabulary": "jazz"}, {"ontology": "missing.owl"}]
)
def test_wrong_parameters_are_refused(params):
    with pytest.raises(ConfigError, match=next(iter(params))):
        build(FunctionalHarmony, params, "features.harmony.params")


subjects = [
    FeatureSet(kind.name, kind(), {"chords": FeatureSet("chords", Progression())})
    for kind in (FunctionalHarmony, ChordFunctions)
]
checks = [(subject, check) for subject in subjects for check in checks_for(subject)]


@pytest.mark.parametrize(("subject", "check"), checks, ids=lambda each: getattr(each, "__name__", ""))
def test_keeps_the_contract(subject, check):
    check(subject)


def test_annotated_chords_of_real_files_become_numbers_or_reasons(shared, tmp_path):
    with (shared / "data" / "rendered" / "chords.csv").open() as file:
        true = [each for each in csv.DictReader(file) if each["track_id"] == "m0003"]
    lines = "".join(f"{each['start_s']}\t{each['end_s']}\t{each['chord']}\n" for each in true)
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "m0003_swing.lab").write_text(lines)
    (tmp_path / "labs" / "m0001.lab").write_text("0.0\t4.0\tN\n")
    music, other = (next((shared / "data" / "rendered" / "audio").glob(f"{name}*")) for name in ("m0003", "m0001"))
    (tmp_path / "labs" / "m0001.lab").rename(tmp_path / "labs" / f"{other.stem}.lab")
    with Store(tmp_path / "store", create=True) as store:
        given = find_annotations(store, [Given.parse(f"chords={tmp_path / 'labs/*.lab'}")])
        chosen = resolve(["harmony"], Registry.load(), Plugins.installed(), all_sets(given))
        summary = ingest(store, find_audio([music, other]), chosen, annotations=given)
        assert summary.features["harmony"]["ok"] == 1
        stored = store.sql("FROM harmony")
        (failure,) = store.sql("SELECT error, message FROM failures").rows()
    assert failure[0] == "no chords"
    (found,) = stored.to_dicts()
    expected = run([row(float(e["start_s"]), float(e["end_s"]), e["chord"]) for e in true])
    assert {name: found[name] for name in expected} == expected


def test_numerals_of_a_corpus_have_the_functions_that_musicians_expect(shared):
    expected = {
        ("V", "I"): {"dominants", "major_dominants"}, ("V", "i"): {"dominants", "major_dominants"},
        ("bVII", "I"): {"dominants", "mixolydian_seventh_dominants"}, ("IV", "I"): {"subdominants"},
        ("bVII", "i"): {"dominants", "aeolian_seventh_dominants"}, ("ii", "I"): {"subdominants"},
        ("iv", "i"): {"subdominants", "minor_fourth_subdominants"}, ("bVI", "i"): {"subdominants"},
        ("iv", "I"): {"subdominants", "minor_fourth_subdominants"}, ("vi", "IV"): {"dominants"},
        ("I", "vi"): set(), ("I", "V"): {"subdominants"},
    }  # fmt: skip
    with (shared / "data" / "rendered" / "chords.csv").open() as file:
        true = list(csv.DictReader(file))
    seen = Counter()
    for this, that in pairwise(true):
        move = this["numeral"], that["numeral"]
        if this["track_id"] == that["track_id"] and move in expected:
            pair = [parse(each["chord"], "majmin") for each in (this, that)]
            assert functions_of(pair, table.shipped())[0] == expected[move], (this, that)
            seen[move] += 1
    assert sum(seen.values()) > 1000
    assert len(seen) > 8


# The ontology, and what is derived from it


@pytest.fixture(scope="module")
def owl():
    return pytest.importorskip("owlready2", reason="the ontology needs mirstore[harmony]")


def rendered(loaded) -> dict[str, tuple[list[str], list[str]]]:
    return {
        kind.name: (
            sorted(map(str, kind.is_a)),
            [str(each).replace(f"{loaded.name}.", "") for each in kind.equivalent_to],
        )
        for kind in loaded.classes()
    }


def test_the_shipped_ontology_is_what_the_theory_builds(owl):
    shipped, built = ontology.load(), ontology.build()
    assert rendered(shipped).keys() == rendered(built).keys()
    assert rendered(shipped) == rendered(built)
    assert len(list(built.classes())) == 105
    assert all(kind.comment for kind in shipped.classes())


def test_the_shipped_table_is_what_the_shipped_ontology_implies(owl):
    assert derive(ontology.load()) == table.shipped()


def test_a_table_that_changes_is_another_version():
    assert (FunctionalHarmony.version, hashlib.sha256(table.path.read_bytes()).hexdigest()) == (1, table_sha256)


def test_chords_on_degrees_are_those_of_textbooks():
    major = [stacked_thirds("Ionian", degree) for degree in range(7)]
    assert [triad for triad, _ in major] == ["maj", "min", "min", "maj", "maj", "min", "dim"]
    assert [seventh for _, seventh in major] == ["maj7", "min7", "min7", "maj7", "7", "min7", "hdim7"]
    minor = [stacked_thirds("HarmonicMinor", degree)[1] for degree in range(7)]
    assert minor == ["minmaj7", "hdim7", "augmaj7", "min7", "7", "maj7", "dim7"]


def test_a_chord_is_the_tonic_of_a_dominant_if_one_leads_to_it(owl):
    loaded = ontology.load()
    rules = Rules(loaded.world)
    for interval, quality, following in table.pairs():
        names = ontology.distance_class(interval), ontology.quality_classes[quality]
        first, second = rules.classes([loaded[n] for n in names], [loaded[ontology.quality_classes[following]]])
        assert (loaded.Tonic in second) == (loaded.DominantFunction in first)


def test_a_definition_that_cannot_be_evaluated_is_refused(owl):
    built = ontology.build()
    with built:
        odd = owl.types.new_class("Odd", (built.Chord,))
        odd.equivalent_to = [owl.Not(built.Triad)]
    with pytest.raises(ConfigError, match="defines a class by Not"):
        Rules(built.world)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_general_reasoner_concludes_the_same(owl):
    if not shutil.which("java"):
        pytest.skip("HermiT needs Java: install a Java runtime, 17 or newer")
    loaded = ontology.load()
    pairs = {}
    with loaded:
        for pair in product(range(12), *[vocabularies["majmin"]] * 2):
            name = "_".join(map(str, pair))
            following = loaded[ontology.quality_classes[pair[2]]](f"next_{name}")
            chord = loaded[ontology.quality_classes[pair[1]]](f"chord_{name}", hasNext=following)
            chord.is_a.append(loaded[ontology.distance_class(pair[0])])
            pairs[pair] = chord
    owl.sync_reasoner_hermit(loaded.world, debug=0)
    names = {loaded[name]: name_of_column for name_of_column, name in functions.items()}
    for pair, chord in pairs.items():
        inferred = {names[kind] for kind in chord.INDIRECT_is_a if kind in names}
        assert inferred == table.shipped().get(pair, frozenset()), pair


@pytest.mark.parametrize("vocabulary", ["majmin", "sevenths"])
def test_sparql_counts_what_the_columns_say(vocabulary):
    pytest.importorskip("rdflib", reason="chords as RDF need mirstore[harmony]")
    harmony = FunctionalHarmony(vocabulary=vocabulary, break_gap=2.0)
    songs = {"a": [*sergeant_pepper.split(), "N", "N", "N", "F:maj", "C:maj"], "b": harte("C F G C F G"), "c": ["N"]}
    rows = [{"track": t, **row(at, at + 1.0, label)} for t, labels in songs.items() for at, label in enumerate(labels)]
    made = graph(pl.DataFrame(rows), harmony)
    for track in "ab":
        found = run([row(at, at + 1.0, label) for at, label in enumerate(songs[track])], harmony)
        here = f"?c dcterms:isPartOf <urn:mirstore:track:{track}>"
        n = count(made, here)
        for name, kind in functions.items():
            assert count(made, f"{here}; a h:{kind}") == round(found[name] * n)
        alone = "FILTER NOT EXISTS { VALUES ?f { h:DominantFunction h:SubdominantFunction } ?c a ?f }"
        assert count(made, f"{here}; a h:Tonic . {alone}") == round(found["tonics"] * n)
        assert count(made, f"{here}; a h:MajorDominant; h:hasNext/a h:MajorDominant") == round(
            found["glob_glob"] * (n - 1)
        )
    assert count(made, "?c dcterms:isPartOf <urn:mirstore:track:c>") == 0


def test_a_store_exports_a_graph_for_each_dataset_whose_counts_are_the_columns(tmp_path, monkeypatch, make_wav):
    rdflib = pytest.importorskip("rdflib", reason="chords as RDF need mirstore[harmony]")
    monkeypatch.chdir(tmp_path)
    songs = {"one": "G:7 C:maj F:maj G:maj A:min", "two": "D:min7 G:7 C:maj7", "three": "C:maj G:maj"}
    for name, labels in songs.items():
        make_wav(tmp_path / "music" / f"{name}.wav", 0.1 * np.random.default_rng(len(labels)).uniform(-1, 1, 5 * 22050))
        lines = [f"{at}\t{at + 1}\t{label}\n" for at, label in enumerate(labels.split())]
        (tmp_path / f"{name}.lab").write_text("".join(lines))
    for dataset, names in {"a": ("one", "two"), "b": ("three",)}.items():
        (tmp_path / f"{dataset}.csv").write_text("path\n" + "".join(f"music/{name}.wav\n" for name in names))
    (tmp_path / "registry.toml").write_text(
        'schema = 1\n[features.harmony-true]\nextractor = "functional-harmony"\ninputs = { chords = "chords-true" }\n'
        'params = { vocabulary = "sevenths" }\n'
    )
    for dataset in "ab":
        given = [f"{dataset}.csv", "--dataset", dataset, "--annotation", "chords-true=*.lab", "-j", "1"]
        assert CliRunner().invoke(app, ["ingest", *given, "--features", "harmony-true"]).exit_code == 0
    for dataset, tracks in (("a", 2), ("b", 1), (None, 3)):
        options = ["--dataset", dataset] if dataset else []
        done = CliRunner().invoke(app, ["export", "--rdf", "harmony-true", *options, "-o", "chords.ttl"])
        assert done.exit_code == 0, done.output
        made = rdflib.Graph().parse("chords.ttl")
        with Project("store", "registry.toml") as project:
            members = f"WHERE track IN (SELECT track FROM items WHERE dataset = '{dataset}')" if dataset else ""
            rows = project.sql(f'FROM "harmony-true" {members}').rows(named=True)
        assert len(rows) == tracks
        for found in rows:
            here = f"?c dcterms:isPartOf <urn:mirstore:track:{found['track']}>"
            n = count(made, here)
            for name, kind in functions.items():
                assert count(made, f"{here}; a h:{kind}") == round(found[name] * n)
        assert count(made, "?c a h:DominantFunction") > 0 or dataset == "b"
        assert len(set(made.objects(None, rdflib.DCTERMS.isPartOf))) == tracks
    chords = CliRunner().invoke(
        app, ["export", "--rdf", "chords-true", "-o", "same.ttl"]
    )  # as their one reader has them
    assert (chords.exit_code, len(rdflib.Graph().parse("same.ttl"))) == (0, len(made))
    refused = CliRunner().invoke(app, ["export", "--rdf", "mfcc"])
    assert (refused.exit_code, "has no form in RDF" in refused.output + refused.stderr) == (2, True)
    absent = CliRunner().invoke(app, ["export", "--rdf", "harmony"])
    assert "features chords, which 'harmony' reads, are not stored" in absent.output + absent.stderr
    with open("registry.toml", "a") as registry:
        registry.write(
            '[features.harmony-other]\nextractor = "functional-harmony"\ninputs = { chords = "chords-true" }\n'
        )
    several = CliRunner().invoke(app, ["export", "--rdf", "chords-true"])
    assert several.exit_code == 2
    assert "several read it: harmony-true, harmony-other" in several.output + several.stderr
    both = CliRunner().invoke(app, ["export", "--rdf", "harmony-true", "--features", "harmony-true"])
    assert (both.exit_code, "give one of" in both.output + both.stderr) == (2, True)


def count(made, pattern: str) -> int:
    (found,) = made.query(f"SELECT (COUNT(DISTINCT ?c) AS ?count) WHERE {{ {pattern} }}")
    return int(found[0])


def test_a_graph_uses_only_what_the_ontology_defines(owl):
    rdflib = pytest.importorskip("rdflib", reason="chords as RDF need mirstore[harmony]")
    defined = rdflib.Graph().parse(ontology.shipped, format="xml")
    rows = [{"track": "a", **row(at, at + 1.0, label)} for at, label in enumerate(sergeant_pepper.split())]
    said = graph(pl.DataFrame(rows), FunctionalHarmony(vocabulary="sevenths"))
    terms = {t for _, p, o in said for t in (p, o) if str(t).startswith(ontology.iri)}
    assert terms <= set(defined.subjects())
    assert len(terms) > 20


# The published ontology


def double(owl, path: Path, keys: dict[str, int]) -> None:
    """Write an ontology with the published one's layout and names: chords are classes, functions are told per key."""
    from mirstore_harmony.theory import degrees, major_modes, minor_modes, modes

    base = "http://purl.org/ontology/fho"
    world = owl.World()
    onto = world.get_ontology(f"{base}#")
    with onto.get_namespace(f"{base}/"):
        new = owl.types.new_class

        def kind(name, *above):
            return new(name, above or (owl.Thing,))

        follows = new("hasNext", (owl.ObjectProperty, owl.FunctionalProperty))
        before = new("hasPrevious", (owl.ObjectProperty, owl.FunctionalProperty))
        before.inverse_property = follows
        tonality = new("hasTonality", (owl.ObjectProperty,))
        dominant, subdominant = kind("DominantChordFunction"), kind("SubdominantChordFunction")
        named = {
            (root, q): kind(f"{name}{published._suffixes.get(q, q)}")
            for root, name in enumerate(published._roots)
            for q in qualities
            if (name, q) not in {("E", "aug"), ("E", "augmaj7")}
        }
        kind("Gb").equivalent_to = [named[6, "maj"]]
        heads = {}
        for key, tonic in keys.items():
            any_tonic = kind(f"{key}_ParallelTonic")
            place = {
                (mode, d): kind(f"{key}_{mode}{name}", *([] if d else [any_tonic]))
                for mode in modes
                for d, name in enumerate(degrees)
            }
            for mode in modes:
                key_class = kind(f"{key}_{mode}Tonality")
                for d in range(7):
                    for q in stacked_thirds(mode, d):
                        if chord := named.get(((tonic + modes[mode][d]) % 12, q)):
                            chord.is_a += [place[mode, d], tonality.some(key_class)]

            def define(mode, d, to, name, above, place=place, key=key):
                general = heads.setdefault(name, kind(name, above))
                head = kind(f"{key}_{name}", general)
                head.equivalent_to = [place[mode, d] & follows.some(to)]

            for mode in modes:
                own = place[mode, 0]
                define(mode, 4, any_tonic, f"{mode}ParallelDominant", dominant)
                define(mode, 4, own, f"{mode}Dominant", dominant)
                define(mode, 3, any_tonic, f"{mode}ParallelSubdominant", subdominant)
                define(mode, 1, any_tonic, f"{mode}ParallelRelativeSubdominant", subdominant)
                if mode in major_modes:
                    define(mode, 2, any_tonic, f"{mode}ParallelRelativeDominant", dominant)
                    define(mode, 6, any_tonic, f"{mode}ParallelSeventhDominant", dominant)
                    define(mode, 6, own, f"{mode}SeventhDominant", dominant)
                if mode in minor_modes:
                    define(mode, 6, own, f"{mode}RelativeDominant", dominant)
                    define(mode, 5, own, f"{mode}RelativeSubdominant", subdominant)
    onto.save(str(path))


@pytest.fixture(scope="module")
def like_the_published(owl, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ontology") / "functional.owl"
    double(owl, path, {"C": 0, "Db": 1})
    return path


def test_an_ontology_with_the_published_names_gives_the_same_table(like_the_published):
    assert published.table(like_the_published) == table.shipped()  # E:aug is looked up on another root


def test_the_published_ontology_can_be_used_and_is_part_of_the_identity(like_the_published, tmp_path):
    other = FunctionalHarmony(ontology=str(like_the_published), vocabulary="sevenths")
    labels = sergeant_pepper.split()
    assert run(labels, other) == run(labels, FunctionalHarmony(vocabulary="sevenths"))
    assert other.params()["ontology"] == hashlib.sha256(like_the_published.read_bytes()).hexdigest()
    copy = tmp_path / "elsewhere.owl"
    copy.write_bytes(like_the_published.read_bytes())
    ids = [
        FeatureSet("harmony", FunctionalHarmony(ontology=path), {"chords": source()}).id
        for path in (None, str(like_the_published), str(copy))
    ]
    assert ids[1] == ids[2] != ids[0]


def test_a_file_that_is_another_ontology_is_refused(owl, tmp_path):
    with pytest.raises(ConfigError, match="has no class DominantChordFunction"):
        published.table(ontology.shipped)
    (tmp_path / "song.owl").write_text("no ontology")
    with pytest.raises(ConfigError, match="cannot be read as an ontology"):
        published.table(tmp_path / "song.owl")


def test_ours_agrees_with_the_real_published_ontology(owl):
    place = os.environ.get("MIRSTORE_FHO")
    if not place:
        pytest.skip("set MIRSTORE_FHO to the path of functionalharm.owl, which is not part of this project")
    told = published.reasoned(Path(place))
    compared = 0
    for root, (interval, quality, following) in product(range(12), table.pairs()):
        theirs = told(((root + interval) % 12, quality), (root, following))
        if theirs is not None:
            compared += 1
            assert theirs == table.shipped().get((interval, quality, following), frozenset())
    assert compared == 16900
