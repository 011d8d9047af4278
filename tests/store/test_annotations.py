"""Annotations come from files, belong to tracks by name, and what reads them follows when they change."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from done import ingest, preview
from inline import here

from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ConfigError, TrackError, UsageError
from mirstore.core.events import Failed
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.ingest import annotation_files
from mirstore.store.ingest.annotation_sets import Given, all_sets, find, stored
from mirstore.store.ingest.run import ingest as ingesting
from mirstore.store.ingest.sources import find as find_audio
from mirstore.store.ingest.status import status
from mirstore.store.lake.purge import purge
from mirstore.store.removal import features, remove

rng = np.random.default_rng(440)
seconds = 4.0


@pytest.fixture
def folder(tmp_path, make_wav):
    """Three tracks of four seconds, with chords for two of them."""
    for number, name in enumerate(["one", "two", "three"]):
        make_wav(
            tmp_path / "music" / f"{name}.wav", 0.1 * (number + 1) * rng.uniform(-1, 1, round(8000 * seconds)), 8000
        )
    write(tmp_path / "labs/one.lab", "0 1 C:maj\n1 4 G:7\n")
    write(tmp_path / "labs/two.lab", "0.0\t4.0\tN\n")
    return tmp_path


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


shares = {
    "extractor": "histogram",
    "inputs": {"rows": "chords"},
    "params": {"column": "label", "values": ["C:maj", "N"]},
}


def registered(**entries: dict) -> Registry:
    registry = Registry.load()
    registry.features.update({name: FeatureEntry(**entry) for name, entry in entries.items()})
    return registry


def wanted(store, given, **entries: dict):
    known = {**stored(store), **all_sets(given)}
    return resolve(list(entries), registered(**entries), Plugins.installed(), known)


def take(store, folder, *texts: str, of=ingest, retry_failed=False, **entries: dict):
    """Ingest the music with annotations given as on the command line, below the folder."""
    named = [text.partition("=") for text in texts]
    given = find(store, [Given.parse(f"{name}={folder / pattern}") for name, _, pattern in named])
    options = {"pool": here} if of in (ingest, ingesting) else {}
    chosen = wanted(store, given, **entries)
    return of(store, find_audio([folder / "music"]), chosen, annotations=given, retry_failed=retry_failed, **options)


def rows(store, name: str, path: str = "one.wav"):
    view = name.replace('"', '""')
    here = f"SELECT track FROM tracks WHERE path LIKE '%/{path}'"
    query = f'SELECT * EXCLUDE (track) FROM "{view}" SEMI JOIN ({here}) USING (track) ORDER BY ALL'
    return store.sql(query).rows()


def failures(store):
    return {
        (os.path.basename(row["path"]), row["feature"]): (row["error"], row["message"])
        for row in store.sql("FROM failures").iter_rows(named=True)
    }


def counts(summary, name: str):
    return {key: value for key, value in summary.features[name].items() if key != "id"}


def test_segments_are_rows_of_their_track(store, folder):
    summary = take(store, folder, "chords=labs/*.lab")
    assert counts(summary, "chords") == {"ok": 2, "failed": 0, "fresh": 0}
    assert rows(store, "chords") == [(0.0, 1.0, "C:maj"), (1.0, 4.0, "G:7")]
    assert store.features("chords").height == 3
    assert store.about("chords")["source"] == "annotation"
    (report,) = summary.annotations
    assert report.remarks == ["1 track of 3 has no annotation: three.wav"]


def test_a_bad_file_is_told_like_any_other_failure(store, folder):
    write(folder / "labs/two.lab", "0 1 A\n0.5 2 B\n")
    events = list(take(store, folder, "chords=labs/*.lab", of=ingesting))
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (os.path.basename(failed.item), failed.part, failed.error) == ("two.wav", "chords", "overlapping")
    assert "two.lab" in failed.message


def test_unchanged_files_are_not_read_again(store, folder, monkeypatch):
    take(store, folder, "chords=labs/*.lab")
    snapshot = store.snapshot_id
    monkeypatch.setattr("hashlib.file_digest", None)  # whoever calls it fails
    monkeypatch.setattr(annotation_files, "read", None)
    summary = take(store, folder, "chords=labs/*.lab")
    assert counts(summary, "chords") == {"ok": 0, "failed": 0, "fresh": 2}
    assert store.snapshot_id == snapshot


def test_a_touched_file_says_what_it_said(store, folder):
    take(store, folder, "chords=labs/*.lab", shares=shares)
    os.utime(folder / "labs/one.lab", (1, 1))
    again = take(store, folder, "chords=labs/*.lab", shares=shares)
    assert counts(again, "chords") == {"ok": 0, "failed": 0, "fresh": 2}
    assert counts(again, "shares")["ok"] == 0


def test_a_changed_file_is_a_new_value_and_what_reads_it_follows(store, folder):
    take(store, folder, "chords=labs/*.lab", shares=shares)
    before = store.snapshot_id
    assert rows(store, "shares") == [(0.25, 0.0, 0.75, 2)]
    write(folder / "labs/one.lab", "0 2 C:maj\n2 4 N\n")
    plan = take(store, folder, "chords=labs/*.lab", of=preview, shares=shares).plan
    assert [(need.feature, need.tracks, need.why) for need in plan.needs] == [("shares", 1, "annotation chords")]
    again = take(store, folder, "chords=labs/*.lab", shares=shares)
    assert counts(again, "shares") == {"ok": 1, "failed": 0, "fresh": 1}
    assert rows(store, "shares") == [(0.5, 0.5, 0.0, 2)]
    assert rows(store, "chords") == [(0.0, 2.0, "C:maj"), (2.0, 4.0, "N")]
    assert store.features("chords").height == 3
    store.compact()
    with Store(store.path, snapshot=before) as old:
        assert rows(old, "shares") == [(0.25, 0.0, 0.75, 2)]
        assert rows(old, "chords") == [(0.0, 1.0, "C:maj"), (1.0, 4.0, "G:7")]
        assert old.features("chords").height == 3


def test_a_track_whose_file_was_deleted_is_not_said_to_have_no_annotation(store, folder):
    take(store, folder, "chords=labs/*.lab")
    (folder / "labs/two.lab").unlink()
    (report,) = take(store, folder, "chords=labs/*.lab").annotations
    assert report.remarks == [
        "1 track of 3 has no annotation: three.wav",
        "1 track of 3 has no file any more, and what it said stays: two.wav",
    ]
    assert rows(store, "chords", "two.wav") == [(0.0, 4.0, "N")]


def test_status_says_what_is_stale_and_why(store, folder):
    take(store, folder, "chords=labs/*.lab", shares=shares)
    write(folder / "labs/one.lab", "0 4 N\n")
    take(store, folder, "chords=labs/*.lab")
    states = {row["feature"]: row["state"] for row in status(store, registered(shares=shares), Plugins.installed())}
    assert states == {"chords": "annotation", "shares": "stale: annotation chords, 1 track"}
    take(store, folder, shares=shares)
    states = {row["feature"]: row["state"] for row in status(store, registered(shares=shares), Plugins.installed())}
    assert states["shares"] == "current"


def test_what_reads_what_reads_an_annotation_follows_too(store, folder):
    mean = {"extractor": "mean", "inputs": {"rows": "shares"}}
    take(store, folder, "chords=labs/*.lab", shares=shares, mean=mean)
    write(folder / "labs/one.lab", "0 4 N\n")
    again = take(store, folder, "chords=labs/*.lab", shares=shares, mean=mean)
    assert counts(again, "mean") == {"ok": 1, "failed": 0, "fresh": 1}
    assert rows(store, "mean") == [(0.0, 1.0, 0.0, 1)]


def test_an_annotation_may_come_in_an_ingest_of_its_own(store, folder):
    take(store, folder, "chords=labs/*.lab")
    assert counts(take(store, folder, shares=shares), "shares") == {"ok": 2, "failed": 0, "fresh": 0}
    assert rows(store, "shares") == [(0.25, 0.0, 0.75, 2)]


def test_a_track_without_annotation_waits_and_does_not_fail(store, folder):
    summary = take(store, folder, "chords=labs/*.lab", shares=shares)
    assert summary.waiting == {"shares": 1}
    assert not summary.failed
    write(folder / "labs/three.lab", "0 4 N\n")
    again = take(store, folder, "chords=labs/*.lab", shares=shares)
    assert (again.waiting, counts(again, "shares")) == ({}, {"ok": 1, "failed": 0, "fresh": 2})


def test_an_empty_file_is_an_answer_without_rows(store, folder):
    write(folder / "labs/one.lab", "")
    summary = take(store, folder, "chords=labs/*.lab", shares=shares)
    assert counts(summary, "chords") == {"ok": 2, "failed": 0, "fresh": 0}
    assert rows(store, "chords") == []
    assert rows(store, "shares") == [(None, None, None, 0)]


def test_a_file_that_becomes_empty_or_broken_takes_its_rows_back(store, folder):
    take(store, folder, "chords=labs/*.lab", shares=shares)
    write(folder / "labs/one.lab", "")
    take(store, folder, "chords=labs/*.lab", shares=shares)
    assert (rows(store, "chords"), rows(store, "shares")) == ([], [(None, None, None, 0)])
    write(folder / "labs/one.lab", "0 x y\n")
    summary = take(store, folder, "chords=labs/*.lab", shares=shares)
    assert summary.failed
    assert (rows(store, "chords"), rows(store, "shares")) == ([], [])
    assert failures(store)["one.wav", "shares"][0] == "upstream"
    write(folder / "labs/one.lab", "0 4 N\n")
    take(store, folder, "chords=labs/*.lab", shares=shares)
    assert failures(store) == {}
    assert rows(store, "shares") == [(0.0, 1.0, 0.0, 1)]


bad = {
    "0 1 A\n0.5 2 B\n": "overlapping",
    "2 3 A\n0 1 B\n": "unordered",
    "-1 2 A\n": "wrong time",
    "2 1 A\n": "wrong time",
    "nan 1 A\n": "wrong time",
    "0 1e400 A\n": "wrong time",
    "0 5 A\n": "beyond the end",
    "0 1\n": "wrong line",
    "zero 1 A\n": "wrong time",
    b"\x00\x01\x02": "no text",
    b"RIFF\x24\x08\x00\x00WAVE": "no text",
}


@pytest.mark.parametrize(("content", "reason"), bad.items())
def test_a_bad_file_is_told_and_costs_its_track_only(store, folder, content, reason):
    write(folder / "labs/one.lab", content)
    summary = take(store, folder, "chords=labs/*.lab")
    assert counts(summary, "chords") == {"ok": 1, "failed": 1, "fresh": 0}
    ((where, (error, message)),) = failures(store).items()
    assert (where, error) == (("one.wav", "chords"), reason)
    assert message.startswith("one.lab: ")
    assert rows(store, "chords", "two.wav") == [(0.0, 4.0, "N")]
    again = take(store, folder, "chords=labs/*.lab")
    assert counts(again, "chords") == {"ok": 0, "failed": 1, "fresh": 1}  # as an extractor's failures are told again
    assert counts(take(store, folder, "chords=labs/*.lab", retry_failed=True), "chords")["failed"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf0 1 C\r\n1 4 G\r\n",
        "0,0\t1,0\tC\n1,0\t4,0\tG",
        "# a comment\n\n0   1.00\tC\n1 4 G  \n",
        "0 1 C\n1 4 G\n".encode("utf-16"),
    ],
)
def test_files_as_people_write_them_are_read(tmp_path, content):
    parsed = annotation_files.read(write(tmp_path / "a.lab", content))[""]
    assert [tuple(row.values()) for row in parsed.rows] == [(0.0, 1.0, "C"), (1.0, 4.0, "G")]


def test_labels_may_have_spaces_and_accents(tmp_path):
    parsed = annotation_files.read(write(tmp_path / "a.txt", "0 1 verse two\n1 2 réfrain\n".encode("cp1252")))[""]
    assert [row["label"] for row in parsed.rows] == ["verse two", "réfrain"]


def test_a_file_with_more_rows_than_a_track_can_have_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(annotation_files, "most_rows", 3)
    with pytest.raises(TrackError, match="4 rows; 3 are the most"):
        annotation_files.read(write(tmp_path / "a.lab", "0 1 A\n1 2 A\n2 3 A\n3 4 A\n"))


def test_lyrics_are_lines_with_times(tmp_path):
    text = "[ar:Somebody]\n[offset:+500]\n[00:01.50]first <00:01.80>line\n[00:03.00][00:02.25]again\n[01:00]\n"
    parsed = annotation_files.read(write(tmp_path / "a.lrc", text))[""]
    assert [(row["start"], row["text"]) for row in parsed.rows] == [
        (1.0, "first line"),
        (1.75, "again"),
        (2.5, "again"),
        (59.5, ""),
    ]


def test_lyrics_without_times_are_told(tmp_path):
    with pytest.raises(TrackError, match="no line with a time"):
        annotation_files.read(write(tmp_path / "a.lrc", "just words\n"))


def test_a_table_keeps_numbers_and_texts(store, folder):
    write(folder / "notes/one.csv", "start;end;Pitch;name\n0,5;1,5;60,5;C\n0,5;2,0;;E\n")
    write(folder / "notes/two.csv", "start,end,pitch,name,extra\n1,2,62,D,x\n")
    write(folder / "notes/three.csv", "start,end,pitch,name\n")
    summary = take(store, folder, "notes=notes/*.csv")
    assert counts(summary, "notes") == {"ok": 3, "failed": 0, "fresh": 0}
    assert rows(store, "notes") == [(0.5, 1.5, 60.5, "C", None), (0.5, 2.0, None, "E", None)]
    assert rows(store, "notes", "three.wav") == []
    kinds = {column["column"]: column["dtype"] for column in store.about("notes")["columns"]}
    assert kinds == {"start": "Float64", "end": "Float64", "pitch": "Float64", "name": "String", "extra": "String"}


def test_a_set_keeps_its_columns(store, folder):
    write(folder / "notes/one.csv", "start,pitch\n0,60\n")
    take(store, folder, "notes=notes/*.csv")
    write(folder / "notes/one.csv", "start,pitch\n0,C4\n")
    write(folder / "notes/two.csv", "start,pitch,velocity\n0,60,1\n")
    take(store, folder, "notes=notes/*.csv")
    told = {path: message for (path, _), (_, message) in failures(store).items()}
    assert told == {
        "one.wav": "one.csv: column 'pitch' has 'C4', which is no Float64",
        "two.wav": "two.csv: has a column 'velocity', which notes has not: give it another name",
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("time_of_day,x\n1,2\n", "no column 'start'"),
        ("start,x\n,2\n", "row 1 has no start"),
        ("start,x\nsoon,1\n", "no time"),
    ],
)
def test_a_table_without_times_is_told(tmp_path, content, reason):
    with pytest.raises(TrackError, match=reason):
        annotation_files.read(write(tmp_path / "a.csv", content))


def jams(**namespaces):
    data = [{"namespace": name, "data": data} for name, each in namespaces.items() for data in each]
    return json.dumps({"annotations": data, "file_metadata": {}})


def seen(time, duration, value, confidence=None):
    return {"time": time, "duration": duration, "value": value, "confidence": confidence}


def test_each_namespace_of_jams_is_a_set(store, folder):
    chords = [seen(0, 1, "C:maj", 0.5), seen(1, 3, "N")]
    dense = {"time": [0, 1], "duration": [0, 0], "value": [{"f": 440.0, "voiced": True}] * 2, "confidence": [None, 1]}
    write(folder / "jams/one.jams", jams(chord=[chords], beat=[[seen(0.5, 0, 1)], [seen(0.25, 0, 2)]], pitch=[dense]))
    write(folder / "jams/two.jams", jams(chord=[[]]))
    summary = take(store, folder, "true=jams/*.jams")
    assert [name for name in summary.features] == ["true.beat", "true.chord", "true.pitch"]
    assert rows(store, "true.chord") == [(0.0, 1.0, "C:maj", 0.5, 0.0), (1.0, 4.0, "N", None, 0.0)]
    assert rows(store, "true.beat") == [(0.25, 0.25, 2.0, None, 1.0), (0.5, 0.5, 1.0, None, 0.0)]
    assert rows(store, "true.pitch")[1] == (1.0, 1.0, 440.0, True, 1.0, 0.0)
    assert rows(store, "true.chord", "two.wav") == []
    assert counts(summary, "true.chord") == {"ok": 2, "failed": 0, "fresh": 0}
    assert counts(summary, "true.beat") == {"ok": 1, "failed": 0, "fresh": 0}
    again = take(store, folder, "true=jams/*.jams")
    assert [counts(again, name)["fresh"] for name in again.features] == [1, 2, 1]


def test_one_namespace_can_be_asked_for(store, folder):
    write(folder / "jams/one.jams", jams(chord=[[seen(0, 4, "N")]], beat=[[seen(0, 0, 1)]]))
    summary = take(
        store, folder, "chords:chord=jams/*.jams", shares={**shares, "params": {"column": "value", "values": ["N"]}}
    )
    assert list(summary.features) == ["chords", "shares"]
    assert rows(store, "shares") == [(1.0, 0.0, 1)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "has no list 'annotations'"),
        (jams(), "without annotations"),
        (jams(beat=[[seen("soon", 0, 1)]]), "'soon'"),
        (jams(beat=[[1, 2]]), "no list of observations"),
        (jams(beat=[{"time": [1], "duration": [], "value": [], "confidence": []}]), "no lists of one length"),
        ('{"annotations": [{"data": []}]}', "without a namespace"),
    ],
)
def test_broken_jams_is_told(tmp_path, content, reason):
    with pytest.raises(TrackError, match=reason):
        annotation_files.read(write(tmp_path / "a.jams", content))


def test_files_that_belong_to_no_track_or_to_several_are_told(store, folder, make_wav):
    make_wav(folder / "music/live/one.wav", 0.3 * rng.uniform(-1, 1, 8000), 8000)
    write(folder / "labs/four.lab", "0 1 N\n")
    write(folder / "labs/three.lab", "0 1 N\n")
    write(folder / "labs/three .lab", "0 1 N\n").rename(folder / "labs/THREE.lab")
    summary = take(store, folder, "chords=labs/*.lab")
    told = "; ".join(summary.annotations[0].remarks)
    assert "one.lab may belong to" in told
    assert "THREE.lab, three.lab all belong to" in told
    assert "1 file of 5 belongs to no track: four.lab" in told
    assert counts(summary, "chords") == {"ok": 1, "failed": 0, "fresh": 0}


def test_folders_tell_files_of_one_name_apart(store, folder, make_wav):
    make_wav(folder / "music/live/one.wav", 0.3 * rng.uniform(-1, 1, 8000), 8000)
    write(folder / "labs/one.lab", b"").unlink()
    (folder / "labs/live").mkdir()
    write(folder / "labs/live/one.lab", "0 1 live\n")
    take(store, folder, "chords=labs/**/*.lab")
    assert rows(store, "chords", "live/one.wav") == [(0.0, 1.0, "live")]
    assert rows(store, "chords", "music/one.wav") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labs/*.lab", "is not NAME=PATTERN"),
        ("=labs/*.lab", "is not NAME=PATTERN"),
        ("x=none/*.lab", "no file matches"),
        ("x=music/*.wav", "no annotations by their names"),
        ("x=labs/*", "several formats"),
        ("x:chord=labs/*.lab", "only JAMS has namespaces"),
    ],
)
def test_what_cannot_be_given_is_refused(folder, text, message, monkeypatch):
    monkeypatch.chdir(folder)
    write(folder / "labs/x.jams", "{}")
    with pytest.raises(UsageError, match=message):
        Given.parse(text)


def test_annotations_for_no_track_at_all_are_a_mistake(store, folder):
    write(folder / "other/x.lab", "0 1 N\n")
    with pytest.raises(UsageError, match="is called like an audio file"):
        take(store, folder, "chords=other/*.lab")


def test_a_name_that_is_taken_is_refused(store, folder, test_plugins):
    segments = {"extractor": "rms-segments"}
    take(store, folder, segments=segments)
    with pytest.raises(UsageError, match="made by an extractor"):
        take(store, folder, "segments=labs/*.lab")
    with pytest.raises(ConfigError, match="annotations of this name"):
        take(store, folder, "chords=labs/*.lab", chords=segments)


def test_true_chords_win_and_estimated_ones_fill_in(store, folder, test_plugins):
    write(folder / "levels/one.csv", "start,end,rms_db\n0,4,-1\n")
    entries = {
        "estimated": {"extractor": "rms-segments", "params": {"seconds": 4}},
        "best": {"extractor": "coalesce", "inputs": {"a": "true", "b": "levels"}},
        "levels": {"extractor": "per-second", "inputs": {"rows": "estimated"}},
        "true": {"extractor": "per-second", "inputs": {"rows": "given"}},
    }
    first = take(store, folder, "given=levels/*.csv", **entries)
    assert counts(first, "best") == {"ok": 3, "failed": 0, "fresh": 0}
    assert {row[-1] for row in rows(store, "best")} == {"a"}
    assert {row[-1] for row in rows(store, "best", "two.wav")} == {"b"}
    write(folder / "levels/two.csv", "start,end,rms_db\n0,4,-2\n")
    again = take(store, folder, "given=levels/*.csv", **entries)
    assert counts(again, "best") == {"ok": 1, "failed": 0, "fresh": 2}
    assert rows(store, "best", "two.wav")[0][1] == -2.0


def test_annotations_can_be_removed_and_come_back(store, folder):
    take(store, folder, "chords=labs/*.lab")
    remove(store, features(store, ["chords"]), "features rm chords")
    assert stored(store) == {}
    take(store, folder, "chords=labs/*.lab")
    assert rows(store, "chords") == [(0.0, 1.0, "C:maj"), (1.0, 4.0, "G:7")]
    remove(store, features(store, ["chords"]), "features rm chords")
    purge(store)
    assert counts(take(store, folder, "chords=labs/*.lab"), "chords")["ok"] == 2
    assert rows(store, "chords") == [(0.0, 1.0, "C:maj"), (1.0, 4.0, "G:7")]


def test_real_chords_are_read_as_they_are(store, shared, tmp_path):
    chords = shared / "data" / "rendered" / "chords.csv"
    with chords.open() as file:
        said = [row for row in csv.DictReader(file) if row["track_id"] == "m0003"]
    lines = "".join(f"{row['start_s']}\t{row['end_s']}\t{row['chord']}\n" for row in said)
    (tmp_path / "music").symlink_to(shared / "data" / "rendered" / "audio")
    write(tmp_path / "labs/m0003_swing.lab", lines)
    given = find(store, [Given.parse(f"chords={tmp_path / 'labs/*.lab'}")])
    ingest(store, find_audio([tmp_path / "music/m0003_swing.ogg"]), {}, annotations=given, pool=here)
    expected = [(float(row["start_s"]), float(row["end_s"]), row["chord"]) for row in said]
    assert rows(store, "chords", "m0003_swing.ogg") == expected


def test_what_reads_an_annotation_through_a_set_that_is_not_kept_is_computed_once(store, folder):
    best = {"extractor": "coalesce", "inputs": {"a": "chords", "b": "chords"}, "keep": False}
    entries = {"harmony": shares | {"inputs": {"rows": "best"}}, "best": best}
    given = find(store, [Given.parse(f"chords={folder / 'labs/*.lab'}")])
    chosen = resolve(["harmony"], registered(**entries), Plugins.installed(), {**stored(store), **all_sets(given)})

    def again():
        summary = ingest(store, find_audio([folder / "music"]), chosen, annotations=given, pool=here)
        return {name: summary.features[name]["ok"] for name in ("best", "harmony")}

    assert again() == {"best": 2, "harmony": 2}
    assert again() == {"best": 0, "harmony": 0}
    write(folder / "labs/two.lab", "0.0\t4.0\tC:maj\n")
    assert again() == {"best": 1, "harmony": 1}
