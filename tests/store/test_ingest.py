"""An ingest finds files, computes what is missing, and one bad item costs that item only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from done import ingest, prepare, preview
from inline import here

from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import StoreError
from mirstore.core.jobs import Done, Outcome
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.workers import Limits, Work, run_jobs, unreached
from mirstore.store import Store
from mirstore.store.history import log
from mirstore.store.ingest import committer
from mirstore.store.ingest.sources import find
from mirstore.store.lake.doctor import doctor

rng = np.random.default_rng(440)


@pytest.fixture
def music(tmp_path, make_wav):
    """Three good tracks and one called bad, each different."""
    folder = tmp_path / "music"
    for number, name in enumerate(["one", "two", "three", "bad"]):
        make_wav(folder / f"{name}.wav", 0.1 * (number + 1) * rng.uniform(-1, 1, 22050 * 3))
    return folder


def features(*names: str, **entries: dict):
    registry = Registry.load()
    registry.features.update({name.replace("_", "-"): FeatureEntry(**entry) for name, entry in entries.items()})
    return resolve([*names, *(name.replace("_", "-") for name in entries)], registry, Plugins.installed())


def failures(store):
    return {
        (os.path.basename(row["path"]), row["feature"]): row["error"]
        for row in store.sql("SELECT * FROM failures").iter_rows(named=True)
    }


def test_a_second_ingest_computes_nothing(store, music, test_plugins):
    wanted = features("rms-segments")
    first = ingest(store, find([music]), wanted, dataset="music", workers=2).as_dict()
    assert first["tracks"] == {"new": 4, "changed": 0, "known": 0, "failed": 0}
    assert first["features"]["rms-segments"] == {"id": wanted["rms-segments"].id, "ok": 4, "failed": 0, "fresh": 0}
    snapshot = store.snapshot_id
    second = ingest(store, find([music]), wanted, dataset="music", workers=2).as_dict()
    assert second["tracks"] == {"new": 0, "changed": 0, "known": 4, "failed": 0}
    assert second["features"]["rms-segments"] == {"id": wanted["rms-segments"].id, "ok": 0, "failed": 0, "fresh": 4}
    assert store.snapshot_id == snapshot


def test_an_ingest_ends_with_the_snapshot_with_which_the_log_does(store, music, test_plugins, monkeypatch):
    monkeypatch.setattr(committer, "batch_tracks", 1)
    summary = ingest(store, find([music]), features("rms-segments"), pool=here)
    assert summary.snapshot == log(store)[0]["snapshot"] < store.snapshot_id  # which merged files
    with Store(store.address, snapshot=summary.snapshot) as then:
        assert then.features("rms-segments").equals(store.features("rms-segments"))


def test_several_rows_per_track_are_ordered_by_start(store, music, test_plugins):
    ingest(store, find([music]), features("rms-segments"), pool=here)
    rows = store.sql('SELECT * FROM "rms-segments" ORDER BY track, start')
    assert rows.columns[:3] == ["track", "start", "end"]
    assert rows.filter(pl.col("track") == rows["track"][0])["start"].to_list() == [0.0, 1.0, 2.0]


def test_a_changed_file_is_a_new_track_and_a_moved_one_is_not(store, music, make_wav, test_plugins):
    wanted = features("rms-segments")
    ingest(store, find([music]), wanted, pool=here)
    make_wav(music / "one.wav", 0.5 * rng.uniform(-1, 1, 22050))
    (music / "two.wav").rename(music / "zwei.wav")
    summary = ingest(store, find([music]), wanted, pool=here).as_dict()
    assert summary["tracks"] == {"new": 0, "changed": 1, "known": 3, "failed": 0}
    assert summary["features"]["rms-segments"]["ok"] == 1
    paths = store.sql("SELECT path FROM tracks WHERE path LIKE '%zwei%'")
    assert paths.height == 1


def test_the_plan_says_why(store, music, make_wav, test_plugins):
    ingest(store, find([music]), features(level={"extractor": "rms-segments@1"}), pool=here)
    longer = features(level={"extractor": "rms-segments@1", "params": {"seconds": 2.0}})
    (need,) = prepare(store, find([music]), longer).needs
    assert (need.tracks, need.why) == (4, "parameter seconds: 1 → 2")
    assert need.seconds is not None
    make_wav(music / "new.wav", 0.2 * rng.uniform(-1, 1, 22050))
    (need,) = prepare(store, find([music]), features(level={"extractor": "rms-segments@1"})).needs
    assert (need.tracks, need.why) == (1, "new track")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("raises", "ValueError"),
        ("hangs", "timeout"),
        ("wrong", "wrong columns"),
        ("aborts", "crashed"),
        ("memory", "out of memory"),
    ],
)
def test_a_misbehaving_extractor_costs_its_track_only(store, music, test_plugins, name, error):
    limits = Limits(seconds=2.0 if name == "hangs" else 60.0, memory=1 << 30)
    summary = ingest(store, find([music]), features(name, "rms-segments"), workers=2, limits=limits)
    found = failures(store)
    assert list(found) == [("bad.wav", name)]
    assert found["bad.wav", name] == error
    counts = summary.as_dict()["features"]
    assert (counts[name]["ok"], counts[name]["failed"], counts["rms-segments"]["ok"]) == (3, 1, 4)


@pytest.mark.slow
def test_an_extractor_that_hangs_in_native_code_is_ended(store, music, test_plugins):
    native = features(stuck={"extractor": "hangs@1", "params": {"native": True}})
    summary = ingest(store, find([music]), native, workers=2, limits=Limits(seconds=1.0))
    assert summary.as_dict()["features"]["stuck"]["ok"] == 3
    assert failures(store) == {("bad.wav", "stuck"): "timeout"}


def test_failures_stay_until_retried(store, music, test_plugins):
    wanted = features("raises")
    ingest(store, find([music]), wanted, pool=here)
    second = ingest(store, find([music]), wanted, pool=here)  # not tried again, and not forgotten
    assert second.as_dict()["features"]["raises"] == {"id": wanted["raises"].id, "ok": 0, "failed": 1, "fresh": 3}
    assert second.failed
    again = ingest(store, find([music]), wanted, retry_failed=True, pool=here).as_dict()
    assert again["features"]["raises"] == {"id": wanted["raises"].id, "ok": 0, "failed": 1, "fresh": 3}


def test_files_that_are_no_audio_are_rows_in_failures(store, tmp_path, music, test_plugins):
    (music / "text.wav").write_text("not audio at all")
    (music / "empty.wav").touch()
    os.mkfifo(music / "pipe.wav")
    (music / "broken.wav").symlink_to("nowhere")
    (music.parent / "list.csv").write_text(f"path\n{music / 'missing.wav'}\n")
    sources = find([music, music.parent / "list.csv"])
    summary = ingest(store, sources, features("rms-segments"))
    found = failures(store)
    assert {name: error for (name, _), error in found.items()} == {
        "text.wav": "not audio",
        "empty.wav": "empty",
        "pipe.wav": "not a file",
        "broken.wav": "missing",
        "missing.wav": "missing",
    }
    assert summary.tracks["failed"] == 5


def test_a_file_that_was_mended_is_no_failure_any_more(store, music, make_wav, test_plugins):
    (music / "late.wav").touch()
    ingest(store, find([music]), features("rms-segments"), pool=here)
    assert failures(store)
    make_wav(music / "late.wav", 0.2 * rng.uniform(-1, 1, 22050))
    ingest(store, find([music]), features("rms-segments"), pool=here)
    assert failures(store) == {}


def test_a_file_that_was_away_for_a_while_is_no_failure_any_more(store, music, test_plugins):
    sources = find([music / "one.wav"])
    ingest(store, sources, features("rms-segments"), pool=here)
    (music / "one.wav").rename(music / "away")
    ingest(store, sources, features("rms-segments"), pool=here)
    assert failures(store) == {("one.wav", None): "missing"}
    (music / "away").rename(music / "one.wav")
    ingest(store, sources, features("rms-segments"), pool=here)
    assert failures(store) == {}


def test_a_folder_does_not_wipe_out_what_a_table_said(store, music):
    (music / "t.csv").write_text("path,artist,genre,bpm\none.wav,Ann,rock,120\n")
    ingest(store, find([music / "t.csv"]), {}, pool=here)
    ingest(store, find([music]), {}, pool=here)
    row = store.sql("SELECT artist, attrs['bpm'] AS bpm, dataset FROM items WHERE artist IS NOT NULL").row(0)
    assert row == ("Ann", "120", "music")
    assert store.sql("SELECT label FROM labels")["label"].to_list() == ["rock"]
    assert store.sql("SELECT count(*) AS n FROM items")["n"][0] == 4


def test_a_file_that_changed_leaves_one_track_in_its_dataset(store, music, make_wav):
    (music / "t.csv").write_text("path,genre,split\none.wav,rock,train\n")
    ingest(store, find([music / "t.csv"]), {}, pool=here)
    make_wav(music / "one.wav", 0.5 * rng.uniform(-1, 1, 22050))
    ingest(store, find([music / "t.csv"]), {}, pool=here)
    for view in ("tracks", "items", "labels", "splits"):
        assert store.sql(f"SELECT count(*) AS n FROM {view}")["n"][0] == 1, view


def test_changed_labels_replace_the_earlier_ones(store, music):
    for genre in ("rock|loud", "pop"):
        (music / "t.csv").write_text(f"path,genre\none.wav,{genre}\n")
        ingest(store, find([music / "t.csv"]), {}, pool=here)
    assert store.sql("SELECT label FROM labels")["label"].to_list() == ["pop"]


odd = ["emoji 🎵", "new\nline", "-dash", "col:on", "100%d", "n" * 240, "Ame\u0301lie", "it's"]


def test_odd_names_are_tracks_like_any_other(store, tmp_path, make_wav, test_plugins):
    paths = [make_wav(tmp_path / "odd" / f"{name}.wav", 0.2 * rng.uniform(-1, 1, 22050)) for name in odd]
    ingest(store, find([tmp_path / "odd"]), features("rms-segments"))
    assert sorted(store.sql("SELECT path FROM tracks")["path"]) == sorted(map(str, paths))
    assert store.features("rms-segments")["track"].n_unique() == len(odd)
    assert failures(store) == {}


def test_a_name_that_is_no_text_is_escaped(store, tmp_path, make_wav, test_plugins):
    plain = make_wav(tmp_path / "odd" / "plain.wav", 0.2 * rng.uniform(-1, 1, 22050))
    os.rename(os.fsencode(plain), os.fsencode(plain.parent) + b"/caf\xe9.wav")
    ingest(store, find([plain.parent]), features("rms-segments"))
    assert store.sql("SELECT path FROM tracks")["path"][0].endswith("caf\\xe9.wav")
    assert ingest(store, find([plain.parent]), features("rms-segments")).tracks["known"] == 1


def test_an_unwritable_store_is_an_error_with_what_was_committed_intact(store, music, test_plugins):
    with Store(store.path, read_only=True) as reader, pytest.raises(StoreError, match="reading only"):
        ingest(reader, find([music]), features("rms-segments"))
    assert doctor(store) == []


command = "import sys; from mirstore.cli import main; main()"


def start(store, music, *more):
    arguments = ["--store", store.address, "-q", "ingest", str(music), "--features", "slow", "-j", "2", *more]
    return subprocess.Popen([sys.executable, "-c", command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_next_ingest_goes_on(store, music, make_wav, test_plugins):
    for number in range(20):
        make_wav(music / f"more{number}.wav", 0.3 * rng.uniform(-1, 1, 22050))
    process = start(store, music)
    for _ in range(8):  # on two workers, so that some tracks are done whatever the machine's load
        assert b"slept" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"run the same command again" in errors
    done = store.sql("SELECT count(*) AS n FROM features JOIN (SELECT 1) ON true WHERE feature = 'slow'")["n"][0]
    assert done == 1
    process = start(store, music, "--json")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert store.features("slow").height == 24
    assert doctor(store) == []


def test_an_extractor_that_exits_costs_its_track_only(store, music, make_wav, test_plugins):
    make_wav(music / "exit.wav", 0.1 * np.random.default_rng(0).normal(size=22050), 22050)
    summary = ingest(store, find([music]), features("raises"))
    assert summary.features["raises"]["failed"] == 2
    errors = dict(store.sql("SELECT path, error FROM failures").iter_rows())
    assert errors[str(music / "exit.wav")] == "SystemExit"


def test_an_ingest_ends_when_no_worker_reaches_the_bucket_and_keeps_what_came_before(
    store, music, tmp_path, test_plugins
):
    wanted = features("rms-segments")
    found = preview(store, find([music]), wanted)
    committing = committer.Committer(store, found)
    committing.register()
    jobs = list(found.plan.jobs(store, tmp_path / "jobs"))
    good = run_jobs(Work({feature.id: feature for feature in wanted.values()}, Limits()), jobs)[0]
    lost = Outcome(wanted["rms-segments"].id, "failed", [], unreached, "worker tcp://a:1: s3://lake: access is denied")

    def lose(times: int) -> None:
        for _ in range(times):
            committing.add(Done(jobs[1], None, [lost]))

    lose(committer.hopeless - 1)
    committing.add(good)  # one that came through
    lose(committer.hopeless - 1)
    with pytest.raises(StoreError, match="for 20 tracks in a row; the last one: worker tcp://a:1: s3") as error:
        lose(1)
    assert "give the same command again" in error.value.hint
    committing.flush()  # as the ingest does at its end, however it comes
    assert store.features("rms-segments")["track"].unique().to_list() == [jobs[0].track]
    assert ingest(store, find([music]), wanted, pool=here).features["rms-segments"]["ok"] == 3
