"""Cases, folds, metrics, scaling and groups of an experiment, without a store."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mirstore.core.errors import ConfigError, MirstoreError, UnknownNameError, UsageError
from mirstore.core.experiment_entries import ExperimentEntry, TaskEntry
from mirstore.core.experiments.cases import cases, expand, explained
from mirstore.core.experiments.explaining import random_groupings
from mirstore.core.experiments.grouping import written_by_hand
from mirstore.core.experiments.inference import interval
from mirstore.core.experiments.metrics import average_precision, evaluate, roc_auc, vote
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.experiments.splits import make_folds, published_folds, shared_between, thinned
from mirstore.core.registry import Registry

rng = np.random.default_rng(440)


def task(**values):
    return TaskEntry(**{"dataset": "d", "labels": "genre", "metric": "accuracy"} | values)


def registry(**experiments):
    return Registry.model_validate({"schema": 1, "experiments": experiments})


# Cases


def test_the_cases_are_the_product_of_all_alternatives():
    entry = ExperimentEntry.model_validate(
        {
            "task": "t",
            "model": "m",
            "matrix": {"features": [["a", "b"], "c"], "grouping": ["x", "y", "z"], "smoothing": ["none", "knn"]},
        }
    )
    found = expand("e", entry)
    assert len(found) == len(set(found)) == 12
    assert str(found[0]) == "task=t features=a+b grouping=x model=m"
    assert found[-1].features == ("c",)


def test_only_keeps_cases_that_satisfy_one_condition_per_key():
    entry = {"task": "t", "features": ["a"], "matrix": {"model": ["em", "em-slow", "xgb"], "grouping": ["x", "y"]}}
    found = cases(registry(e=entry), ["e*"], ["model=em*", "grouping=y"])
    assert [(case.model, case.grouping) for case in found] == [("em", "y"), ("em-slow", "y")]


@pytest.mark.parametrize(
    ("patterns", "only", "error", "message"),
    [
        (["f*"], [], UnknownNameError, "unknown experiment 'f\\*'"),
        (["e"], ["model=nope"], UnknownNameError, "unknown model 'nope'"),
        (["e"], ["modl=em"], UnknownNameError, "unknown key of --only 'modl'"),
        (["e"], ["model"], UsageError, "not of the form key=value"),
    ],
)
def test_what_matches_nothing_is_an_error(patterns, only, error, message):
    entry = {"task": "t", "features": ["a"], "model": "em"}
    with pytest.raises(error, match=message):
        cases(registry(e=entry), patterns, only)


def test_permutations_too_few_to_tell_anything_are_an_error():
    with pytest.raises(ConfigError, match=r"experiments.e.permutations: .*fewer than 19"):
        Registry._parse({"schema": 1, "experiments": {"e": {"permutations": 10}}}, "registry.toml")


# Folds


@given(
    st.sampled_from(["grouped", "stratified", "modulo", "holdout"]), st.booleans(), st.integers(2, 5), st.integers(0, 3)
)
def test_folds_share_nothing_and_cover_every_track(split, exclusive, number, seed):
    n = 60
    units = [f"artist {i % 20}" for i in range(n)]
    labels = np.eye(3)[np.arange(n) % 3] if exclusive else (rng.random((n, 3)) < 0.5).astype(float)
    folds = make_folds(task(split=split, folds=number, seed=seed), labels, "abc", exclusive, units, 2)
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert (np.diff(fold.train) > 0).all()
        assert len(fold.train) + len(fold.test) == n
    if split != "holdout":
        for repeat in (0, 1):
            tested = np.concatenate([fold.test for fold in folds if fold.repeat == repeat])
            assert sorted(tested) == list(range(n))
    if split in ("grouped", "modulo"):
        assert shared_between(folds, units) == []


@given(st.lists(st.integers(3, 40), min_size=2, max_size=4), st.integers(0, 9), st.booleans())
def test_of_each_class_a_tenth_validates_and_a_tenth_is_tested(sizes, seed, by_artist):
    """Of its artists, if folds are by artist: they have one to three tracks each."""
    number = [label for label, size in enumerate(sizes) for _ in range(size)]
    artists = [f"{label} {i}" for label, size in enumerate(sizes) for i in range(size)]
    tracks = [i for i in range(len(artists)) for _ in range(1 + i % 3 if by_artist else 1)]
    rng.shuffle(tracks)
    labels, units = np.eye(len(sizes))[[number[i] for i in tracks]], [artists[i] for i in tracks]
    entry = task(split="8:1:1", seed=seed, group_by="artist" if by_artist else "track")
    folds = make_folds(entry, labels, "abcd"[: len(sizes)], True, units, 2)
    assert [(fold.repeat, fold.number) for fold in folds] == [(0, 0), (1, 0)]
    for fold in folds:
        assert sorted([*fold.train, *fold.test, *fold.validation]) == list(range(len(tracks)))
        parts = [{units[i] for i in part} for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set(units))
        for label, size in enumerate(sizes):
            train, validation, test = (sum(name.startswith(f"{label} ") for name in part) for part in parts)
            assert train >= 1
            for tenth in (validation, test):
                assert tenth >= 1
                assert abs(tenth - max(1, size / 10)) < 1
    again = make_folds(entry, labels, "abcd"[: len(sizes)], True, units, 1)
    assert again[0].key == folds[0].key


def test_another_seed_draws_other_tracks_for_8_1_1():
    labels, units = np.eye(2)[np.arange(100) % 2], [f"t{i}" for i in range(100)]
    first, second = make_folds(task(split="8:1:1", group_by="track"), labels, "pq", True, units, 2)
    assert list(first.test) != list(second.test)
    assert [len(part) for part in (first.train, first.validation, first.test)] == [80, 10, 10]


def test_of_tags_and_numbers_a_tenth_is_tested_too():
    units = [f"artist {i // 2}" for i in range(200)]
    tags = np.stack([np.arange(200) // 2 % 2 == 0, np.arange(200) // 2 % 5 == 0, np.arange(200) < 2], axis=1) * 1.0
    (fold,) = make_folds(task(split="8:1:1", metric="roc_auc"), tags, "abc", False, units, 1)
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [160, 20, 20]
    assert tags[fold.test].sum(axis=0).tolist() == tags[fold.validation].sum(axis=0).tolist() == [10, 4, 0]
    assert tags[fold.train, 2].sum() == 2  # a tag of one artist is learned from
    assert shared_between([fold], units) == []
    numbers = task(split="8:1:1", metric="mae")
    (fold,) = make_folds(numbers, rng.normal(size=(200, 1)), "a", False, units, 1)
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [160, 20, 20]


def test_artists_of_several_classes_keep_8_1_1_and_one_that_holds_all_of_a_class_is_refused():
    owner = rng.integers(0, 60, 600)
    labels = np.eye(3)[(owner + (rng.random(600) < 0.2)) % 3]  # most artists have tracks of a second class
    (fold,) = make_folds(task(split="8:1:1"), labels, "abc", True, [f"artist {i}" for i in owner], 1)
    assert all(labels[part].sum(axis=0).min() > 0 for part in (fold.train, fold.validation, fold.test))
    assert shared_between([fold], [str(i) for i in owner]) == []
    both = np.repeat(["x", "y", "z"], 4).tolist()  # three artists have all: no part can have two of them
    labels = np.eye(2)[[0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]]
    (fold,) = make_folds(task(split="8:1:1"), labels, "ab", True, both, 1)
    assert [len(part) for part in (fold.train, fold.validation, fold.test)] == [4, 4, 4]


def test_classes_that_cannot_all_be_in_each_part_are_refused():
    """a wants x, y and z apart, b wants x, w and z apart: then y and w are together, and c has two parts only."""
    members = {"x": "ab", "y": "ac", "z": "ab", "w": "bc", "v": "c"}
    rows = [(artist, label) for artist, labels in members.items() for label in labels]
    labels = np.array([[label == name for name in "abc"] for _, label in rows]) * 1.0
    with pytest.raises(UsageError, match=r"part has no track of class '.', whose artists have other classes too"):
        make_folds(task(split="8:1:1"), labels, "abc", True, [artist for artist, _ in rows], 1)


def test_grouped_folds_are_stratified_by_class_and_keep_artists_whole():
    units = [f"artist {i // 2}" for i in range(300)]
    labels = np.eye(3)[np.repeat([0, 0, 0, 1, 1, 2], 50)]
    for fold in make_folds(task(), labels, "abc", True, units, 1):
        assert np.abs(labels[fold.test].sum(axis=0) - [30, 20, 10]).max() <= 2
    assert shared_between(make_folds(task(), labels, "abc", True, units, 1), units) == []


def test_modulo_takes_the_number_in_the_name():
    units = [f"artist_{i:06}" for i in range(10)]
    folds = make_folds(task(split="modulo"), np.ones((10, 1)), "a", False, units, 1)
    assert [list(fold.test) for fold in folds] == [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]


@pytest.mark.parametrize(
    ("values", "labels", "units", "message"),
    [
        ({}, np.ones((9, 1)), list("abcdefghi"), "only one class"),
        ({}, np.eye(2)[[0] * 8 + [1]], list("abcdefghi"), "class 'q' are by one artist"),
        ({"split": "stratified"}, np.eye(2)[[0] * 8 + [1]], list("abcdefghi"), "class 'q' has 1 track, fewer"),
        ({}, np.eye(2)[[0, 1] * 4], list("aabbccaa"), "3 artists are too few for 5 folds"),
        ({"split": "stratified"}, np.eye(2)[[0, 1]], list("ab"), "2 labelled tracks"),
        ({"split": "8:1:1"}, np.eye(2)[[0] * 8 + [1, 1]], list("abcdefghii"), "'q' has 2 tracks by 1 artist, too few"),
        (
            {"split": "8:1:1", "group_by": "track"},
            np.eye(2)[[0] * 8 + [1, 1]],
            list("abcdefghij"),
            "'q' has 2 tracks, too few for training, validation and test",
        ),
        ({"split": "modulo"}, np.eye(2)[[0, 1] * 4], list("abcdefgh"), "needs a number in every name"),
        ({"split": "modulo"}, np.eye(2)[[0, 1] * 4], ["a 5"] * 8, "0 training and 8 test tracks"),
    ],
)
def test_folds_that_cannot_be_made_say_why(values, labels, units, message):
    with pytest.raises(UsageError, match=message):
        make_folds(task(**values), labels, "pq"[: labels.shape[1]], True, units, 1)


def test_published_validation_is_a_part_of_its_own():
    (fold,) = published_folds([(0, 0, "train"), (1, 0, "validation"), (2, 0, "test")], 1)
    assert (list(fold.train), list(fold.validation), list(fold.test)) == ([0], [1], [2])
    assert list(fold.seen) == [0, 1]


def test_what_stands_in_two_parts_is_tested_or_else_validated_only():
    parts = [(0, 0, "train"), *((i, 0, part) for i, part in ((1, "train"), (1, "validation"), (2, "validation")))]
    (fold,) = published_folds([*parts, (2, 0, "test"), (0, 0, "train")], 1)
    assert (list(fold.train), list(fold.validation), list(fold.test)) == ([0], [1], [2])


def test_an_artist_in_validation_and_test_is_named():
    (fold,) = published_folds([(0, 0, "train"), (1, 0, "validation"), (2, 0, "test")], 1)
    assert shared_between([fold], ["Bach", "Verdi", "Verdi"]) == ["Verdi"]


def test_a_published_split_of_test_parts_only_learns_from_the_other_folds():
    folds = published_folds([(0, 1, "test"), (1, 2, "test"), (2, 2, "test")], 2)
    assert [(fold.repeat, list(fold.train), list(fold.test)) for fold in folds[:2]] == [
        (0, [1, 2], [0]),
        (0, [0], [1, 2]),
    ]
    with pytest.raises(UsageError, match="0 training and 1 test"):
        published_folds([(0, 0, "test")], 1)


def test_artists_on_both_sides_are_named():
    (fold,) = published_folds([(0, 0, "train"), (1, 0, "test"), (2, 0, "test")], 1)
    assert shared_between([fold], ["Bach", "Bach", None]) == ["Bach"]


# Metrics


@given(
    arrays(np.bool_, st.tuples(st.integers(2, 40), st.just(3))),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_areas_are_scikit_learns(positive, levels, seed):
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores = np.random.default_rng(seed).integers(0, levels, positive.shape) / levels  # with many ties
    for ours, theirs in ((roc_auc, roc_auc_score), (average_precision, average_precision_score)):
        for i, value in enumerate(ours(positive, scores)):
            if 0 < positive[:, i].sum() < len(positive):
                assert value == pytest.approx(theirs(positive[:, i], scores[:, i]), abs=1e-12)
            else:
                assert np.isnan(value)


def test_accuracy_and_recall_of_a_known_confusion():
    truth = np.eye(3)[[0, 0, 0, 1]]
    scores = np.eye(3)[[0, 0, 1, 1]] * 0.9
    values = {(v.name, v.label): v.value for v in evaluate(truth, scores, ("a", "b", "c"), True)}
    assert values["accuracy", None] == 0.75
    assert values["recall", "a"] == pytest.approx(2 / 3)
    assert values["balanced_accuracy", None] == pytest.approx(5 / 6)
    assert ("recall", "c") not in values
    assert ("roc_auc", "c") not in values


def test_chunks_vote_and_the_mean_decides_between_equals():
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55], [0.3, 0.7], [0.9, 0.1]])
    owners = np.array([0, 0, 0, 1, 1])
    voted = vote(scores, owners, True)
    assert list(voted.argmax(axis=1)) == [1, 0]  # two votes against one; then 0.6 against 0.4
    assert (voted >= 0).all()
    assert (voted <= 1).all()
    assert vote(scores, owners, False)[1] == pytest.approx([0.6, 0.4])


def test_the_interval_counts_the_shared_training_examples():
    values = [0.6, 0.7, 0.65, 0.72, 0.61]
    low, high = interval(values, 0.25)
    plain = 2.776 * np.std(values, ddof=1) / np.sqrt(5)
    assert high - low == pytest.approx(2 * plain * np.sqrt(1 + 5 * 0.25), rel=1e-3)
    assert interval([0.6], 0.25) is None
    assert interval([0.1 + 0.2, 0.3, 0.3], 0.25) is None  # equal but for rounding: no spread to tell from


# Scaling and groups


def test_scaling_learns_from_training_only_and_fills_with_its_mean():
    train = pl.DataFrame({"a": [1.0, 3.0, None], "constant": [2.0, 2.0, 2.0], "missing": [None, None, None]})
    test = pl.DataFrame(
        {"a": [5.0, float("inf"), float("nan")], "constant": [9.0, 2.0, 2.0], "missing": [1.0, 2.0, 3.0]}
    )
    scaled = Scaling.fit(train).apply(test)
    assert scaled["a"].to_list() == [3.0, 0.0, 0.0]
    assert scaled["constant"].to_list() == [0.0] * 3
    assert scaled["missing"].to_list() == [0.0] * 3


def test_scaling_is_scikit_learns():
    from sklearn.preprocessing import StandardScaler

    X = rng.normal(3, 5, (50, 4))
    frame = pl.DataFrame(X, schema=list("abcd"))
    np.testing.assert_allclose(
        Scaling.fit(frame).apply(frame).to_numpy(), StandardScaler().fit_transform(X), atol=1e-12
    )


def test_groups_by_hand_name_columns_with_and_without_their_features():
    columns = ["essentia.bpm", "essentia.mfcc_1", "essentia.mfcc_2", "mel.flux"]
    groups = written_by_hand(
        {"rhythm": ["bpm", "pulse"], "timbre": ["essentia.mfcc_*", "flux"], "words": ["rhyme"]}, columns, "g"
    )
    assert groups.columns == {"rhythm": ["essentia.bpm"], "timbre": ["essentia.mfcc_1", "essentia.mfcc_2", "mel.flux"]}
    assert groups.lacking == {"rhythm": ["pulse"], "words": ["rhyme"]}


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": ["x"], "b": ["f.*"]}, "column 'f.x' is in groups 'a' and 'b'"),
        ({"a": []}, "groups.a: names no column"),
        ({"a": ["nope"]}, "none of its columns"),
    ],
)
def test_groups_by_hand_that_make_no_sense(groups, message):
    with pytest.raises(MirstoreError, match=message):
        written_by_hand(groups, ["f.x", "f.y"], "groupings.mine")


def test_random_groupings_keep_names_and_sizes():
    groups = {"a": list("uvw"), "b": list("xy")}
    draws = list(random_groupings(groups, 20, 0))
    assert all({name: len(members) for name, members in draw.items()} == {"a": 3, "b": 2} for draw in draws)
    assert all(sorted(column for members in draw.values() for column in members) == list("uvwxy") for draw in draws)
    assert len({tuple(sorted(draw["b"])) for draw in draws}) > 5
    assert draws == list(random_groupings(groups, 20, 0))


@pytest.mark.parametrize("rows", [3, 4, 5])
def test_scaling_does_not_turn_a_square_table(rows):
    """With as many rows as columns polars would take a matrix for its transpose."""
    X = rng.normal(size=(rows, 4)) + 100 * np.arange(4)
    table = pl.DataFrame(dict(zip("abcd", X.T, strict=True)))
    scaled = Scaling.fit(table).apply(table).to_numpy()
    np.testing.assert_allclose(scaled, (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-9)


# The case that a report explains


def named(roles=None, by_chance=(), own=(), **experiment):
    entry = {
        "features": ["f"],
        "matrix": {"task": ["t", "u"], "grouping": ["shipped", "mine"], "model": ["a", "b", "c"]},
    }
    registry = Registry.model_validate(
        {
            "schema": 1,
            "tasks": {name: {"dataset": "d", "labels": "l", "metric": "accuracy"} for name in ("t", "u")},
            "experiments": {"x": entry | experiment},
        }
    )
    registry = registry.model_copy(update={"project_groupings": list(own)})
    roles = roles or {"a": "floor", "b": "opaque", "c": "signed"}
    return {task: (case.grouping, case.model) for task, case in explained(registry, "x", roles, by_chance).items()}


def test_the_first_case_whose_model_has_signs_is_explained_in_every_task():
    assert named() == {"t": ("shipped", "c"), "u": ("shipped", "c")}


def test_a_grouping_of_the_project_comes_before_a_shipped_one():
    assert named(own=["mine"])["t"] == ("mine", "c")


def test_groups_by_chance_and_floors_are_not_explained():
    assert named(by_chance=["shipped"])["t"] == ("mine", "c")
    assert named(roles={"a": "floor", "b": "opaque", "c": "floor"})["t"] == ("shipped", "b")
    assert named(roles={"a": "floor"}) == {}


def test_an_experiment_can_name_what_is_explained():
    assert named(explain={"model": "b", "grouping": "mine"}) == {"t": ("mine", "b"), "u": ("mine", "b")}
    assert named(explain={"task": "u"}) == {"u": ("shipped", "c")}


@pytest.mark.parametrize(
    ("explain", "why"),
    [({"learner": "b"}, "unknown key 'learner'"), ({"model": "x"}, "no case of it has model = 'x'")],
)
def test_what_is_to_be_explained_is_a_case_of_the_experiment(explain, why):
    with pytest.raises(ConfigError, match=why):
        named(explain=explain)


artist_names = st.lists(st.sampled_from("abcdef"), min_size=12, max_size=30)


@given(artist_names, st.floats(0.6, 1), st.integers(0, 3), st.integers(1, 4))
def test_each_repetition_learns_from_whole_artists_drawn_anew(artists, size, seed, repeats):
    tested = len(artists) // 4
    parts = [(i, 0, "test" if i < tested else "train") for i in range(len(artists))]
    whole = published_folds(parts, repeats)
    drawn = thinned(whole, task(train_size=size, seed=seed), artists)
    there = set(artists[tested:])
    for before, after in zip(whole, drawn, strict=True):
        kept = {artists[i] for i in after.train}
        assert len(kept) == (len(there) if size == 1 else round(size * len(there)))
        assert after.train.tolist() == [i for i in before.train if artists[i] in kept]
        assert after.test.tolist() == before.test.tolist()
        assert after.key == before.key  # one fold, however often something is drawn from it
        assert after.whole.tolist() == before.train.tolist()
    again = thinned(whole, task(train_size=size, seed=seed), artists)
    assert [f.train.tolist() for f in again] == [f.train.tolist() for f in drawn]


def test_nothing_to_learn_from_is_refused():
    whole = published_folds([(0, 0, "train"), (1, 0, "test")], 1)
    with pytest.raises(UsageError, match=r"train_size = 0.1 of 1 leaves nothing"):
        thinned(whole, task(train_size=0.1), ["a", "b"])
