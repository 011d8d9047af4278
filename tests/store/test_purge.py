"""What was removed is in no file after a purge, everything else stays, and a kill costs nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from test_store import Patches, loudness, overwrite, stamp

from mirstore.core.errors import StoreError
from mirstore.core.features import FeatureSet
from mirstore.store import Store, removal
from mirstore.store.history import pin
from mirstore.store.lake.doctor import doctor
from mirstore.store.lake.quoting import in_lake
from mirstore.store.lake.shared import Shared

pytestmark = pytest.mark.slow  # processes by the dozen

patches = FeatureSet("patches", Patches())
names = [f"{letter * 4}{'0' * 60}" for letter in "abcdef"]


def music(store: Store, tracks: list[str] = names, dataset: str = "music") -> None:
    """Six tracks with values, tensors, credits, labels, predictions, in several commits and merged files."""
    for track in tracks:
        letter = track[0]
        with store.write(f"ingest {dataset}") as tx:
            tx.add_feature_set("loudness", loudness, **stamp)
            tx.add_feature_set("patches", patches, **stamp)
            where = {"dataset": dataset, "track": track}
            tx.append("core.datasets", [{"dataset": dataset, **stamp}], key=["dataset"])
            tx.append("core.locations", [{"track": track, "path": f"/m/song {letter}.wav", **stamp}])
            tx.append("core.tracks", [{"track": track, "duration": 1.0, **stamp}], key=["track"])
            tx.append("core.items", [{**where, "title": f"title of {letter}", "artist": f"artist {letter}", **stamp}])
            tx.append("core.labels", [{**where, "label_set": "genre", "label": "rock", "value": 1.0, **stamp}])
            tx.append_features(loudness, [{"track": track, "rms_db": -ord(letter) / 7}], **stamp)
            mel = np.full((4, 3), ord(letter), np.float16)
            tx.append_features(patches, [{"track": track, "start": s, "mel": mel + s} for s in (0.0, 1.0)], **stamp)
            for id_ in (loudness.id, patches.id):
                tx.append("core.extractions", [{"track": track, "feature_set": id_, "status": "ok", **stamp}])
            row = {"run": "r1", "repeat": 0, "fold": 0, "track": track, "label": "rock", "truth": 1.0, "score": 0.5}
            tx.append("core.predictions", [row])
    store.compact()


def make_store(folder):
    with Store(folder / "store", create=True, command="mirstore ingest '/m/song b.wav'") as store:
        music(store)


@pytest.fixture
def store(made_once, tmp_path):
    with Store(made_once(tmp_path, make_store), command="mirstore gc --purge") as store:
        yield store


def withdraw(store: Store, *which: str) -> None:
    removal.remove(store, removal.tracks(store, which), "rm")


def traces(store: Store, *texts: str) -> list[str]:
    """Return the files that hold one of the texts, in plain or in a Parquet page; a database is as good as a file."""
    found = []
    if isinstance(store.home, Shared):
        store.home.fetch({path: one.bytes for path, one in store.home.bucket.list()})
        said = everything_said(store).encode()
        found = [f"database: {text}" for text in texts if text.encode() in said]
    for path in store.path.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += str(pl.read_parquet(path, glob=False).to_dicts()).encode()
        found += [f"{path.name}: {text}" for text in texts if text.encode() in data]
    return found


def everything_said(store: Store) -> str:
    """Return all rows of DuckLake's own tables."""
    with store.home.catalogue() as database:
        tables = database.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'ducklake_%'").fetchall()
        return str([database.execute(f"SELECT t::text FROM {table} t").fetchall() for (table,) in tables])


def named_by(store: Store, track: str) -> set[str]:
    """Return the tables whose statistics in the catalogue name a track."""
    query = "SELECT table_name FROM {} s JOIN ducklake_table USING (table_id) WHERE min_value = ? OR max_value = ?"
    with store.home.catalogue() as catalogue:
        found = [
            catalogue.execute(query.format(table), [track, track]).fetchall()
            for table in ("ducklake_file_column_stats", "ducklake_table_column_stats")
        ]
    return {name for rows in found for (name,) in rows}


def everything(store: Store, without: str = "") -> dict[str, list]:
    """Return what all tables show."""
    found = {}
    for table in store.tables():
        frame = store.scan(table).collect()
        if "track" in frame.columns:
            frame = frame.filter(pl.col("track") != without)
        if table == "core.packs" or table == "core.removals":
            continue
        rows = [{k: v for k, v in row.items() if not isinstance(v, dict)} for row in frame.to_dicts()]
        found[table] = sorted(map(repr, rows))
    return found


def test_a_withdrawn_track_is_in_no_file_after_a_purge(store):
    before = everything(store, names[1])
    old = store.snapshot_id
    pin(store, "paper", 6)
    traced = "song b", "title of b", "artist b"
    assert traces(store, *traced)
    withdraw(store, "/m/song b.wav")
    done = store.purge()
    assert done.tracks == 1
    assert done.rows["core.items"] == done.rows["core.predictions"] == 1
    assert traces(store, *traced) == []
    assert named_by(store, names[1]) == {"removals"}
    assert len(traces(store, names[1])) == 2  # the tombstone, and the catalogue about it
    after = everything(store)
    del before["core.pins"], after["core.pins"]
    assert after == before
    assert doctor(store) == []
    assert sorted({track[0] for track in store.tensors("patches").tracks}) == list("acdef")
    tensors = store.tensors("patches")
    assert [float(tensors[i][0, 0]) for i in range(len(tensors))] == [
        ord(track[0]) + start for track, start in zip(tensors.tracks, tensors.starts, strict=True)
    ]
    for snapshot in (3, 6, old):  # the snapshots before show the others as they did
        with Store(store.path, snapshot=snapshot) as then:
            assert names[1] not in then.features("loudness")["track"].to_list()
            assert then.sql("SELECT count(*) n FROM loudness")["n"][0] == (
                1 if snapshot == 3 else 5 - (snapshot == 6) * 1
            )


def test_a_purged_store_goes_on(store):
    withdraw(store, names[1][:6])
    store.purge()
    music(store, [*names[:2], "g" * 64])
    assert store.features("loudness")["track"].n_unique() == 6
    assert names[1] not in store.recorded("core.items").collect()["track"].to_list()
    store.compact()
    store.gc(0.0)
    assert doctor(store) == []
    with Store(store.path) as again:
        assert again.sql("SELECT count(*) n, min(rms_db) low FROM loudness").row(0) == (6, pytest.approx(-103 / 7))


def test_what_was_there_before_a_purge_is_found_by_ducklake_after_the_next_commits(store):
    withdraw(store, names[1])
    store.purge()
    for new in ("1", "2"):  # smaller than all that are there: a range of these alone would pass over the others
        music(store, [f"{new * 4}{'0' * 60}"])
    table = in_lake(f"feat.{loudness.table}")
    for track in (names[0], names[5], f"1111{'0' * 60}"):
        assert store.ask(f"SELECT count(*) FROM {table} WHERE track = '{track}'") == [(1,)]
    assert store.ask(f"SELECT max(track) FROM {table}") == [(names[5],)]


def test_a_removed_dataset_goes_with_the_tracks_that_are_in_no_other(store):
    music(store, names[:1], dataset="other")
    removal.remove(store, removal.dataset(store, "music"), "rm")
    done = store.purge()
    assert done.tracks == 5
    assert store.features("loudness")["track"].to_list() == [names[0]]
    assert traces(store, "song c", "title of c") == []
    assert len(list((store.path / "tensors").rglob("*.safetensors"))) == 1


def test_removed_features_leave_only_their_definition_and_come_back_by_computing(store):
    removal.remove(store, removal.features(store, ["patches"]), "rm")
    store.purge()
    assert list((store.path / "tensors").rglob("*.safetensors")) == []
    assert store.about(patches.id)["extractor"] == "patches@1"
    assert "patches" not in store.names()
    music(store, names[:1])
    assert store.tensors("patches").tracks == [names[0], names[0]]
    assert doctor(store) == []


def test_features_with_the_same_tensors_as_removed_ones_keep_theirs(store):
    twin = FeatureSet("twin", Patches(), {"read": loudness})
    tensors = [{"track": names[0], "start": s, "mel": np.full((4, 3), ord("a") + s, np.float16)} for s in (0.0, 1.0)]
    with store.write("ingest") as tx:
        tx.add_feature_set("twin", twin, **stamp)
        tx.append_features(twin, tensors, **stamp)
    packs = {path.name for path in (store.path / "tensors" / twin.id).iterdir()}
    assert packs <= {path.name for path in (store.path / "tensors" / patches.id).iterdir()}
    removal.remove(store, removal.features(store, ["patches"]), "rm")
    store.purge()
    assert not list((store.path / "tensors" / patches.id).iterdir())
    np.testing.assert_array_equal(store.tensors("twin")[0], tensors[0]["mel"])
    store.gc(0)
    assert len(store.tensors("twin")[1]) == 4


def test_a_removed_run_goes_with_all_its_rows(store):
    with store.write("runs rm") as tx:
        tx.append("core.run_events", [{"run": "r1", "state": "removed"}])
        tx.append("core.metrics", [{"run": "r1", "name": "accuracy", "value": 1.0}])
    done = store.purge()
    assert done.rows["core.metrics"] == 1
    assert store.recorded("core.predictions").collect().is_empty()


def test_a_path_that_another_track_had_before_holds_nothing_afterwards(store):
    with store.write("changed") as tx:
        tx.append("core.locations", [{"track": names[1], "path": "/m/song a.wav", **stamp}])
    assert names[0] not in store.sql("SELECT track FROM tracks")["track"].to_list()
    withdraw(store, names[1])
    store.purge()
    assert names[0] not in store.sql("SELECT track FROM tracks")["track"].to_list()


def test_nothing_removed_is_nothing_written(store):
    store.gc(0.0)
    before = store.snapshot_id
    assert not store.purge()
    assert store.snapshot_id == before


def test_a_dry_run_says_what_would_go_and_changes_nothing(store):
    withdraw(store, names[1])
    files = {path: path.stat().st_mtime_ns for path in store.path.rglob("*.parquet")}
    assert store.purge(dry_run=True).rows["core.items"] == 1
    assert {path: path.stat().st_mtime_ns for path in store.path.rglob("*.parquet")} == files


@pytest.mark.folder_only  # a database has backups of its own
def test_backups_from_before_go_and_other_copies_are_named(store):
    store.gc(0.0)
    assert list((store.path / "backups").iterdir())
    other = store.path / "backups" / "my copy.sqlite"
    other.write_bytes(b"")
    withdraw(store, names[1])
    assert store.purge().backups == [other]
    assert list((store.path / "backups").iterdir()) == [other]


def test_a_purge_that_is_killed_between_its_steps_can_be_finished(store):
    kept = everything(store, names[1])
    withdraw(store, names[1])
    for step in (
        "purge.replace",
        "purge._sweep",
        f"{type(store.home).__name__}.shrink",
    ):  # new files written, catalogue changed, old files gone
        code = (
            "import os, signal; from mirstore.store import Store; from mirstore.store.lake import purge; "
            "from mirstore.store.lake.shared import Home, Shared; "
            f"{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL); Store({store.address!r}).purge()"
        )
        assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
        with Store(store.path) as again:
            assert everything(again) == kept
            assert doctor(again) == []
    with Store(store.path) as again:
        for _ in range(2):
            again.purge()
            said = again.recorded("core.removals").filter(kind="purge").collect()["note"].to_list()
            assert said == ['{"tracks": 1, "rows": null}']  # how many went, the one that was killed has known
        assert everything(again) == kept
        assert doctor(again) == []
    assert traces(store, "song b", "title of b") == []


@pytest.mark.slow
def test_a_purge_that_is_killed_at_any_moment_loses_nothing_and_can_be_finished(store):
    kept = everything(store, names[1])
    withdraw(store, names[1])
    code = f"from mirstore.store import Store; s = Store({store.address!r}); print(flush=True); s.purge()"
    rng = np.random.default_rng(3)
    for _ in range(10):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with Store(store.path) as again:
            assert everything(again) == kept
            assert doctor(again) == []
    with Store(store.path) as again:
        again.purge()
        assert everything(again) == kept
        assert doctor(again) == []
    assert traces(store, "song b", "title of b") == []


def test_gc_and_purge_refuse_a_catalogue_that_names_files_outside(store, tmp_path):
    victim = tmp_path / "thesis.parquet"
    victim.write_text("all my work")
    with store.home.catalogue() as catalogue:
        catalogue.execute(
            "INSERT INTO ducklake_files_scheduled_for_deletion VALUES (999, ?, false, '2020-01-01 00:00:00+00')",
            [str(victim)],
        )
    with pytest.raises(StoreError, match=r"thesis\.parquet"):
        store.gc(0.0)
    assert victim.exists()


@pytest.mark.folder_only  # a bucket has no links
@pytest.mark.parametrize("folder", ["tensors", "data"])
def test_gc_deletes_nothing_behind_a_link(store, tmp_path, folder):
    elsewhere = tmp_path / "elsewhere"
    (store.path / folder).rename(elsewhere)
    (store.path / folder).symlink_to(elsewhere)
    mine = [elsewhere / "notes.txt", elsewhere / f"{'a' * 64}.safetensors"]
    for path in mine:
        path.write_text("mine")
    removed = store.gc(0.0)
    assert all(path.exists() for path in mine)
    assert not any(path.is_relative_to(store.path / folder) for path in removed)
    with pytest.raises(StoreError, match="is a link"):
        store.purge()


def test_gc_deletes_only_names_of_its_own_making(store):
    mine = [store.path / "tensors" / "notes.txt", store.path / "data" / "core" / "table.parquet"]
    for path in mine:
        overwrite(store, path, b"mine")
    left = store.path / "tensors" / patches.id / f"{'a' * 64}.safetensors"
    overwrite(store, left, b"a killed process's")
    assert left in store.gc(0.0)
    store.home.fetch({path: None for path in [left, *mine]})
    assert [path.exists() for path in [left, *mine]] == [False, True, True]
