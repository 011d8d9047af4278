"""What a report says of single tracks: which is meant, what is in it over time, where its values stand."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from inline import here

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.registry import Registry
from mirstore.store import Project, Store
from mirstore.store.experiments import running
from mirstore.store.experiments.standing import _Compared
from mirstore.store.experiments.track_names import meant
from mirstore.store.experiments.track_report import TrackReport
from mirstore.store.ingest import run as ingesting
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.removal import features as removed
from mirstore.store.removal import remove

rng = np.random.default_rng(440)


# Which track is meant

tracks = pl.DataFrame(
    {
        "track": ["aa11" * 16, "aa22" * 16, "bb33" * 16, "small:t1"],
        "title": ["Blue Moon", "Harvest Moon", None, "One"],
        "path": ["/m/a/song.ogg", "/m/b/song.ogg", "/m/b/Harvest Moon.flac", None],
    }
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("/m/a/song.ogg", 0),
        ("b/song.ogg", 1),
        ("blue MOON", 0),
        ("t Moon", 1),
        ("bb33", 2),
        ("aa22" * 16, 1),
        ("small:t1", 3),
        ("t1", 3),
        ("Harvest Moon.flac", 2),
        ("Harvest Moon", 1),
        ("One", 3),
    ],
)
def test_a_track_is_meant_by_its_path_title_or_id(text, number):
    assert meant(tracks, [text, text]) == [tracks["track"][number]]


def test_a_path_is_relative_to_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = pl.DataFrame({"track": ["x", "y"], "title": ["x", "y"], "path": [str(tmp_path / "a.ogg"), "/b/a.ogg"]})
    assert meant(there, ["a.ogg"]) == ["x"]


@pytest.mark.parametrize("text", ["song.ogg", "moon"])
def test_what_could_be_several_tracks_is_refused_with_their_names(text):
    with pytest.raises(UsageError, match=r"any of 2: Blue Moon \(aa11aa11aa\), Harvest Moon"):
        meant(tracks, [text])


def test_tracks_of_a_table_without_titles_are_told_apart_by_their_whole_ids():
    ids = ["a-long-name:song1", "a-long-name:song2"]
    of_table = pl.DataFrame({"track": ids, "title": [None, None], "path": [None, None]}, schema_overrides=tracks.schema)
    with pytest.raises(UsageError, match="any of 2: a-long-name:song1, a-long-name:song2"):
        meant(of_table, ["a-long"])


@pytest.mark.parametrize(
    ("text", "hint"),
    [("Blue Mon", "did you mean 'Blue Moon'"), ("aa1", "FROM tracks"), ("", "FROM"), (" ", "FROM"), ("sm", "FROM")],
)
def test_what_is_no_track_is_refused(text, hint):
    with pytest.raises(UsageError, match=f"unknown track .*{hint}"):
        meant(tracks, [text])


# What is in it over time

registry = {
    "schema": 1,
    "tasks": {"kind": {"dataset": "music", "labels": "label", "metric": "accuracy", "split": "stratified", "folds": 2}},
    "experiments": {
        "one": {
            "task": "kind",
            "features": ["functional-harmony"],
            "grouping": "all-features",
            "permutations": 0,
            "halves": 0,
            "random_groupings": 0,
            "runs": 2,
            "matrix": {"model": ["ridge", "majority"]},
        }
    },
}


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Twelve tones of 4 s with chords from files, words of two, and an experiment on their harmony."""
    import soundfile

    folder = tmp_path_factory.mktemp("tracks")
    for part in ("labs", "words", "lines"):
        (folder / part).mkdir()
    for number in range(12):
        kind = "authentic" if number % 2 else "plagal"
        chords = "G:maj C:maj G:maj C:maj" if number % 2 else "F:maj C:maj F:maj C:maj"
        place = folder / "music" / kind
        place.mkdir(parents=True, exist_ok=True)
        tone = 0.3 * np.sin(2 * np.pi * (220 + 10 * number) * np.arange(4 * 22050) / 22050)
        soundfile.write(place / f"s{number}.wav", tone, 22050, subtype="PCM_16")
        lines = "".join(f"{at}\t{at + 1}\t{label}\n" for at, label in enumerate(chords.split()))
        (folder / "labs" / f"s{number}.lab").write_text(lines)
    (folder / "words" / "s1.csv").write_text("start,end,word,loud\n0.5,0.9,la,1\n1.5,1.9,lo,2\n")
    (folder / "lines" / "s1.lrc").write_text("[00:01.00]la lo\n")
    given = [f"{name}={folder / pattern}" for name, pattern in
             (("chords", "labs/*.lab"), ("words", "words/*.csv"), ("lines", "lines/*.lrc"))]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for function in (ingesting.ingest.__wrapped__, running.run.__wrapped__):
            patch.setitem(function.__kwdefaults__, "pool", here)
        with Project(folder / "store", Registry.model_validate(registry)) as project:
            project.ingest(
                folder / "music", dataset="music", label_from_folder=True, annotations=given,
                features=["functional-harmony", "chord-functions"],
            ).result()  # fmt: skip
            project.run("one").result()
            yield project


def reported(project, *asked: str, **more) -> list[TrackReport]:
    (report,) = project.report("one", tracks=asked, **more)
    json.dumps(report.as_dict())
    return [track for track in report.tracks if track.asked]


def test_a_track_shows_what_the_cases_read_and_what_is_made_of_that_alone(music):
    (track,) = reported(music, "s1.wav")
    assert [(strip.feature, strip.column) for strip in track.strips] == [
        ("chords", "label"), ("chord-functions", "function"),
    ]  # fmt: skip
    chords, functions = track.strips
    assert chords.rows == [(float(at), at + 1.0, label) for at, label in enumerate(["G:maj", "C:maj"] * 2)]
    assert [row[2] for row in functions.rows] == ["dominant", "subdominant", "dominant", "tonic"]
    assert (chords.total, track.labels, track.datasets) == (4, {"authentic": 1.0}, ["music"])


def test_other_features_are_shown_by_name_and_by_a_column_of_theirs(music):
    (track,) = reported(music, "s1.wav", show=["words", "lines", "chord-functions.label"])
    found = {(strip.feature, strip.column): strip.rows for strip in track.strips}
    assert found["words", "word"] == [(0.5, 0.9, "la"), (1.5, 1.9, "lo")]
    assert found["lines", "text"] == [(1.0, None, "la lo")]
    assert [row[2] for row in found["chord-functions", "label"]] == ["G:maj", "C:maj"] * 2
    (other,) = reported(music, "s2.wav", show=["words"])
    assert [strip.feature for strip in other.strips] == ["chords", "chord-functions"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("word", UnknownNameError, "did you mean 'words'"),
        ("wrds.word", UnknownNameError, "unknown features 'wrds'"),
        ("functional-harmony", UsageError, "cannot be shown over time: no rows with start and a text"),
        ("words.loud", UsageError, "no rows with start and a text in column 'loud'"),
    ],
)
def test_what_cannot_be_shown_over_time_is_refused(music, name, error, message):
    with pytest.raises(error, match=message):
        reported(music, "s1.wav", show=[name])


def test_what_each_case_predicted_is_told_with_the_fold_in_whose_test_part_it_was(music):
    (track,) = reported(music, "s1.wav")
    rows = music.sql(
        f"SELECT run, repeat, fold, label, score FROM predictions WHERE track = '{track.track}'"
    ).rows_by_key(["run", "repeat", "fold"])
    assert {(one.run, one.repeat, one.fold): dict(one.scores) for one in track.tested} == {
        key: dict(values) for key, values in rows.items()
    }
    assert len(track.tested) == 4  # two models, two repetitions


def test_audio_of_a_track_that_was_asked_for_is_all_of_it(music):
    import soundfile

    first, second = reported(music, "s1.wav", "s2.wav", clips=1)
    samples, sr = soundfile.read(BytesIO(base64.b64decode(first.sound.partition(",")[2])))
    assert len(samples) / sr == pytest.approx(4, abs=0.05)
    assert first.heard == (0.0, 4.0)
    assert (second.sound, second.heard) == (None, None)


def test_tracks_that_are_explained_come_after_those_that_were_asked_for(music):
    (report,) = music.report("one", tracks=["s3.wav"])
    (case,) = [case for case in report.cases if case.case["model"] == "ridge"]
    explained = [item["track"] for item in case.findings.tracks]
    asked = report.tracks[0].track
    assert [track.track for track in report.tracks] == [asked, *(track for track in explained if track != asked)]
    assert [track.asked for track in report.tracks] == [True, *[False] * (len(report.tracks) - 1)]
    assert report.clips == {}


# Where its values stand


def make_store(folder, n: int = 40) -> Store:
    """Tracks of two kinds that differ in `signal` and `mirrored`, which is the same with another sign."""
    kinds = np.arange(n) % 2
    signal = np.round(rng.normal(size=n) + 2 * kinds, 3)
    frame = pl.DataFrame(
        {
            "id": [f"t{i}" for i in range(n)],
            "genre": np.array(["jazz", "rock"])[kinds],
            "signal": signal,
            "mirrored": -signal,
            "constant": np.full(n, 0.1),
            "ties": (np.arange(n) % 4 == 1).astype(float),
            "holes": [None if i % 5 == 0 else float(v) for i, v in enumerate(signal)],
            "skewed": np.where(np.arange(n) == 1, 1000.0, signal),
        }
    )
    frame.write_csv(folder / "small.csv")
    store = Store(folder / "store", create=True)
    import_table(store, folder / "small.csv", dataset="small", labels=["genre"])
    return store


def explained(store, model: str = "ridge", features=("small",), **task) -> tuple[dict[str, TrackReport], Project]:
    groups = {"first": ["signal", "holes", "level"], "second": ["mirrored", "ties", "constant", "skewed"]}
    about = {"dataset": "small", "labels": "genre", "metric": "accuracy", "split": "stratified", "folds": 4, **task}
    entries = Registry.model_validate(
        {
            "schema": 1,
            "groupings": {"mine": {"groups": groups}},
            "tasks": {"genre": about},
            "experiments": {
                "one": {
                    "task": "genre", "features": list(features), "grouping": "mine", "model": model, "permutations": 0,
                    "halves": 0, "random_groupings": 0,
                }
            },
        }
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(running.run.__wrapped__.__kwdefaults__, "pool", here)
        project = Project(store, entries)
        project.run("one").result()
    every = store.sql("SELECT track FROM predictions")["track"].unique().sort().to_list()
    (report,) = project.report("one", tracks=every)
    return {track.track: track for track in report.tracks}, project


@pytest.fixture(scope="module")
def stood(tmp_path_factory):
    with make_store(tmp_path_factory.mktemp("stood")) as store:
        found, _ = explained(store)
        yield store, found


def test_what_groups_added_is_what_the_model_that_did_not_see_the_track_added(stood):
    store, found = stood
    parts = store.sql('SELECT track, label, "group", value FROM contributions').rows_by_key(["track", "label"])
    predictions = store.sql("SELECT track, label, fold FROM predictions").rows_by_key(["track", "label"])
    for track in found.values():
        for one in track.explanations:
            assert {group.group: group.value for group in one.groups} == dict(parts[track.track, one.label])
            assert one.fold == predictions[track.track, one.label][0][0]
            assert [abs(g.value) for g in one.groups] == sorted((abs(g.value) for g in one.groups), reverse=True)


def columns(found):
    return [
        (track, one, group, column)
        for track in found.values()
        for one in track.explanations
        for group in one.groups
        for column in group.columns
    ]


def test_places_among_the_others_are_counted_right(stood):
    store, found = stood
    table = store.features("small")
    for track, one, _, column in columns(found):
        values = table.filter(pl.col("track") != track.track)[column.column.partition(".")[2]].drop_nulls()
        assert column.value == table.filter(pl.col("track") == track.track)[column.column.partition(".")[2]].item()
        assert (column.lower, column.equal, column.higher) == (
            (values < column.value).sum(), (values == column.value).sum(), (values > column.value).sum(),
        )  # fmt: skip
        assert column.unknown == 39 - len(values)
        assert one.tracks == 40


def test_a_constant_column_is_never_told_and_ties_and_holes_are_counted(stood):
    _, found = stood
    told = columns(found)
    names = {column.column for *_, column in told}
    assert "small.constant" not in names
    assert {"small.signal", "small.mirrored", "small.ties"} <= names
    assert any(column.equal == 29 for *_, column in told if column.column == "small.ties")
    assert {column.unknown for *_, column in told if column.column == "small.holes"} == {8}


def test_a_value_that_is_missing_pushes_nothing_and_is_counted(stood):
    _, found = stood
    for track in found.values():
        number = int(track.track.rpartition("t")[2])
        first = [group for one in track.explanations for group in one.groups if group.group == "first"]
        assert {group.missing for group in first} == {int(number % 5 == 0)}
        if number % 5 == 0:
            assert "small.holes" not in {column.column for group in first for column in group.columns}


def test_a_push_has_the_direction_of_the_weight_and_of_the_distance_from_the_mean(stood):
    store, found = stood
    weights = dict(store.sql("SELECT \"column\", value FROM column_weights WHERE label = 'rock'").rows())
    told = [entry for entry in columns(found) if entry[1].label == "rock"]
    assert {np.sign(weights[f"small.{name}"]) for name in ("signal", "mirrored")} == {1.0, -1.0}
    for *_, column in told:
        assert column.weight == pytest.approx(weights[column.column])
        assert np.sign(column.push) == np.sign(column.weight * (column.value - column.mean))


@pytest.mark.parametrize(("value", "told"), [(0.3, ["f.a", "f.b"]), (-0.3, []), (0.0, [])])
def test_columns_that_would_together_push_the_other_way_are_not_told(value, told):
    """The fit to everything, whose weights they are, then tells another story than the one that did not see it."""
    weights = pl.DataFrame({"label": ["x", "x"], "column": ["f.a", "f.b"], "value": [2.0, -0.5]})
    ran = SimpleNamespace(scales={"f.a": (3.0, 1.6), "f.b": (3.0, 1.6)})
    case = SimpleNamespace(
        details=SimpleNamespace(groups={"g": ["f.a", "f.b"]}, ran=ran), meanings={}, table=lambda name: weights
    )
    values = pl.DataFrame({"track": ["s", "t", "u"], "f.a": [1.0, 5.0, 3.0], "f.b": [1.0, 5.0, 3.0]})
    found = _Compared(case, values).part("t", "x", "g", value)
    assert [column.column for column in found.columns] == told
    assert found.value == value


def test_a_model_without_signs_gets_no_columns(tmp_path):
    pytest.importorskip("xgboost", reason="needs mirstore[xgboost]")
    with make_store(tmp_path) as store:
        found, _ = explained(store, "xgboost")
        assert all(track.explanations for track in found.values())
        assert columns(found) == []


def test_of_a_held_out_part_values_are_compared_with_that_part_only(tmp_path):
    with make_store(tmp_path, 60) as store:
        found, project = explained(store, split="holdout", group_by="track")
        assert {one.tracks for track in found.values() for one in track.explanations} == {12}
        untested = next(t for t in store.features("small")["track"] if t not in found)
        (report,) = project.report("one", tracks=[untested])
        track = report.tracks[0]
        assert (track.tested, track.explanations) == ([], [])
        assert track.labels == {"rock" if int(untested.rpartition("t")[2]) % 2 else "jazz": 1.0}


def test_a_value_is_on_the_side_of_the_mean_that_the_model_learned(tmp_path):
    """All tracks of the test part are above the mean of the training part: what raises a score stays what raises it."""
    rng, n = np.random.default_rng(29), 120
    kinds, tested = np.arange(n) % 2, np.arange(n) >= 80
    frame = pl.DataFrame(
        {
            "id": [f"t{i}" for i in range(n)],
            "genre": np.array(["jazz", "rock"])[kinds],
            "split": np.where(tested, "test", "train"),
            "signal": rng.normal(size=n) + kinds + 5 * tested,
            "level": rng.normal(size=n) + kinds + 5 * tested,
            "mirrored": rng.normal(size=n) - 4 * kinds,
        }
    )
    frame.write_csv(tmp_path / "small.csv")
    with Store(tmp_path / "store", create=True) as store:
        import_table(store, tmp_path / "small.csv", dataset="small", labels=["genre"])
        found, _ = explained(store, split="split")
    first = [(one, g) for track in found.values() for one in track.explanations for g in one.groups if g.columns]
    assert {g.group for _, g in first} == {"first", "second"}
    for one, group in first:
        for column in group.columns:
            train = frame.filter(pl.col("split") == "train")[column.column.partition(".")[2]]
            assert column.mean == pytest.approx(train.mean())
            assert one.tracks == 40
        # There is one fold, and the fit to everything is that of the fold.
        assert sum(column.push for column in group.columns) == pytest.approx(group.value, rel=0.03)


def test_of_several_rows_their_mean_is_compared(tmp_path):
    with make_store(tmp_path) as store:
        level = np.round(rng.normal(size=120), 3) + np.repeat(np.arange(40) % 2, 3)
        rows = {"id": [f"t{i}" for i in range(40) for _ in range(3)], "start": [0.0, 1.0, 2.0] * 40, "level": level}
        pl.DataFrame(rows).write_csv(tmp_path / "rows.csv")
        import_table(store, tmp_path / "rows.csv", dataset="small", feature="rows")
        found, _ = explained(store, features=("small", "rows"))
    means = level.reshape(40, 3).mean(axis=1)
    told = [entry for entry in columns(found) if entry[3].column == "rows.level"]
    assert told
    for track, one, _, column in told:
        assert column.value == pytest.approx(means[int(track.track.rpartition("t")[2])])
        assert one.averaged


def test_values_of_features_that_were_removed_are_not_told(tmp_path):
    with make_store(tmp_path) as store:
        _, project = explained(store)
        remove(store, removed(store, ["small"]), "not wanted")
        (report,) = project.report("one")
        assert report.tracks
        assert columns({track.track: track for track in report.tracks}) == []
        assert all(track.explanations for track in report.tracks)
