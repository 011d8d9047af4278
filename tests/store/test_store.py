"""The store keeps what it was given, shows nothing half-done, and notices damage."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mirstore.core import Column, Extractor, Tensor
from mirstore.core.errors import StoreError, UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.packed import read
from mirstore.store import Store
from mirstore.store.lake.connection import Connection
from mirstore.store.lake.doctor import doctor
from mirstore.store.lake.files import data_files, new_data_file
from mirstore.store.lake.replacing import replace
from mirstore.store.lake.shared import Shared

stamp = {"ingest": "i1", "added": datetime(2026, 1, 1)}


@dataclass
class Loudness(Extractor):
    """Level."""

    name = "loudness"
    floor: float = -90.0

    def columns(self):
        return {"rms_db": Column(pl.Float32, "dB", "level", nullable=True)}

    def extract(self, track):
        raise NotImplementedError


@dataclass
class Patches(Extractor):
    """Matrices."""

    name = "patches"

    def columns(self):
        return {
            "start": Column(pl.Float64, "s", "begin"),
            "mel": Column(Tensor("float16", (4, None)), "dB", "patch"),
        }

    def extract(self, track):
        raise NotImplementedError


loudness = FeatureSet("loudness", Loudness())


def fill(store: Store, tracks: list[str], feature: FeatureSet = loudness) -> int:
    with store.write("fill") as tx:
        tx.add_feature_set(feature.name, feature, **stamp)
        rows = [{"track": track, "rms_db": -float(number)} for number, track in enumerate(tracks)]
        return tx.append_features(feature, rows, **stamp)


def overwrite(store: Store, path: Path, content: bytes) -> None:
    """Write a file where all read it: in the folder, or in the bucket."""
    if isinstance(store.home, Shared):
        objects, key = store.home.bucket._store, store.home.bucket.key(path)
        with suppress(FileNotFoundError):  # its checksum stays beside it, as when a disk fails
            about = objects.get(key).attributes
            objects.put(key, content, attributes=about)
            return
        objects.put(key, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it is read-only
    path.write_bytes(content)


def lose(store: Store, path: Path) -> None:
    """Delete a file there, but not this machine's copy of it."""
    if isinstance(store.home, Shared):
        store.home.bucket._store.delete(store.home.bucket.key(path))
    else:
        path.unlink()


def test_a_missing_store_says_how_to_make_one(tmp_path):
    with pytest.raises(StoreError, match="no store here") as error:
        Store(tmp_path / "none")
    assert "mirstore ingest" in error.value.hint


def test_features_come_back_as_they_were_given(store):
    fill(store, ["a", "b"])
    assert store.features("loudness").sort("track").to_dicts() == [
        {"track": "a", "rms_db": 0.0},
        {"track": "b", "rms_db": -1.0},
    ]


def test_appending_twice_adds_nothing(store):
    assert fill(store, ["a", "b"]) == 2
    assert fill(store, ["a", "b", "c"]) == 1
    assert store.features("loudness").height == 3


def test_another_parameter_is_another_feature_set_and_the_old_one_stays(store):
    fill(store, ["a"])
    fill(store, ["a"], FeatureSet("loudness", Loudness(floor=-60.0)))
    assert store.resolve("loudness") != loudness.id
    assert store.features(loudness.id).height == 1


def test_an_error_inside_a_commit_leaves_nothing(store):
    fill(store, ["a"])
    before = store.snapshot_id

    def write_and_fail():
        with store.write("fails") as tx:
            tx.append_features(loudness, [{"track": "b", "rms_db": 1.0}], **stamp)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.snapshot_id == before
    assert store.features("loudness")["track"].to_list() == ["a"]
    assert fill(store, ["b"]) == 1


def test_a_snapshot_does_not_see_later_rows(store):
    fill(store, ["a"])
    pinned = store.snapshot_id
    fill(store, ["b"])
    store.compact()
    with Store(store.path, snapshot=pinned) as old:
        assert old.features("loudness")["track"].to_list() == ["a"]
        with pytest.raises(StoreError, match="reading only"), old.write("no"):
            pass


@pytest.mark.folder_only  # a database is not moved with mv
def test_a_moved_store_still_opens(store, tmp_path):
    fill(store, ["a"])
    store.close()
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "store").rename(tmp_path / "elsewhere" / "it's [1] here")
    with Store(moved) as found:
        assert fill(found, ["a", "b"]) == 1
        assert found.features("loudness").height == 2


def test_tensors_come_back_by_index_track_and_crop(store):
    feature = FeatureSet("patches", Patches())
    arrays = [np.full((4, frames), frames, np.float16) for frames in (3, 5, 7)]
    with store.write("tensors") as tx:
        tx.add_feature_set("patches", feature, **stamp)
        rows = [{"track": t, "start": s, "mel": m} for t, s, m in zip("aab", (0.0, 1.0, 0.0), arrays, strict=True)]
        tx.append_features(feature, rows, **stamp)
    reader = store.tensors("patches")
    assert (reader.tracks, reader.starts, len(reader)) == (["a", "a", "b"], [0.0, 1.0, 0.0], 3)
    for found, given in zip(reader, arrays, strict=True):
        np.testing.assert_array_equal(found, given)
        assert found.dtype == np.float16
    assert reader.crop(2, 1, 4).shape == (4, 3)
    assert store.tensors("patches", ["b", "a"]).tracks == ["b", "a", "a"]
    with pytest.raises(UnknownNameError, match="'c'"):
        store.tensors("patches", ["c"])


hostile = "x', schema => 'core') LIMIT 0; CREATE TABLE lake.core.evil (a INTEGER); FROM ducklake_list_files('lake', 'x"


@pytest.mark.parametrize("table", ["core.trakcs", "tracks", "feat.nope", "", f"core.{hostile}", f'core."{hostile}'])
def test_a_table_that_is_not_there_is_named_and_its_name_is_never_run(store, table):
    for ask in (store.files, store.scan):
        with pytest.raises(UnknownNameError, match="unknown table"):
            ask(table)
    assert "core.evil" not in store.tables()


def test_unknown_features_get_a_suggestion(store):
    fill(store, ["a"])
    with pytest.raises(UnknownNameError) as error:
        store.features("loudnes")
    assert error.value.hint == "did you mean 'loudness'?"
    assert store.features("loudness", "a").height == store.features("loudness", ["a"]).height == 1


def test_a_store_of_a_newer_version_is_refused(store):
    with store.write("future") as tx:
        tx.append("core.meta", [{"key": "schema", "value": "99"}])
    with pytest.raises(StoreError, match="made by a newer mirstore") as error:
        Store(store.path)
    assert error.value.exit_code == 6


@pytest.mark.folder_only  # PostgreSQL looks after its own
def test_a_broken_catalogue_is_an_error_not_a_traceback(store):
    store.close()
    (store.path / "catalog.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(store.path)


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
@pytest.mark.parametrize("kind", ["parquet", "safetensors"])
def test_doctor_finds_damage(store, kind, damage):
    fill(store, [f"t{number}" for number in range(100)])
    feature = FeatureSet("patches", Patches())
    with store.write("tensors") as tx:
        tx.add_feature_set("patches", feature, **stamp)
        tx.append_features(feature, [{"track": "a", "start": 0.0, "mel": np.ones((4, 9), np.float16)}], **stamp)
    assert doctor(store) == []
    table = store.files(f"feat.{loudness.table}")[0]
    victim = table if kind == "parquet" else next((store.path / "tensors").rglob("*.safetensors"))
    content = victim.read_bytes()
    if damage == "missing":
        lose(store, victim)
    elif damage == "truncated":
        overwrite(store, victim, content[:-20])
    elif damage == "altered":
        place = len(content) // 3 if kind == "parquet" else len(content) - 3
        overwrite(store, victim, content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
    problems = doctor(store)
    assert [problem["file"] for problem in problems] == [store.home.shown(victim)]


def test_gc_removes_what_no_snapshot_names(store):
    fill(store, ["a"])
    orphan = store.path / "tensors" / "x" / ("0" * 64 + ".safetensors")
    overwrite(store, orphan, b"left by a kill")
    assert store.gc(3600.0) == []
    assert orphan in store.gc(0.0)
    store.home.fetch({orphan: None})
    assert not orphan.exists()
    assert store.gc(0.0) == []
    assert store.features("loudness").height == 1


@pytest.mark.folder_only  # a database has backups of its own
def test_gc_backs_up_first(store):
    fill(store, ["a"])
    store.gc(0.0)
    (backup, *_) = sorted((store.path / "backups").iterdir())
    with sqlite3.connect(backup) as copy:
        assert copy.execute("SELECT count(*) FROM ducklake_snapshot").fetchone()[0] > 0
    copy.close()
    assert store.features("loudness").height == 1


@pytest.mark.folder_only  # a place in a bucket is no glob
def test_gc_spares_the_store_next_door_that_its_own_name_matches_as_a_glob(tmp_path):
    with Store(tmp_path / "jazz1", create=True) as neighbour:
        fill(neighbour, ["a"])
    with Store(tmp_path / "jazz*", create=True) as store:
        fill(store, ["b"])
        orphan = store.path / "data" / "ducklake-01a21582-c68d-7e82-bec7-7e144be348ab.parquet"
        orphan.write_bytes(b"PAR1")
        assert store.gc(0.0) == [orphan]
    with Store(tmp_path / "jazz1") as neighbour:
        assert doctor(neighbour) == []


@pytest.mark.folder_only  # each look copies all files anew
def test_doctor_finds_every_flipped_byte_of_a_data_file(store, tmp_path, monkeypatch):
    fill(store, [f"t{number}" for number in range(100)])
    store.compact()
    victim = store.files(f"feat.{loudness.table}")[0]
    content = victim.read_bytes()
    victim.chmod(0o644)
    monkeypatch.chdir(tmp_path)
    with Store("store", read_only=True) as found:  # a relative path
        assert doctor(found) == []
        for place in range(0, len(content), len(content) // 12):
            victim.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            assert [problem["file"] for problem in doctor(found)] == [str(victim)]


def test_a_commit_flushes_new_files_and_every_folder_that_leads_to_them(store, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    before = set(store.path.rglob("*"))
    with store.write("tensors") as tx:
        tx.add_feature_set("patches", FeatureSet("patches", Patches()), **stamp)
        row = {"track": "a", "start": 0.0, "mel": np.ones((4, 9), np.float16)}
        tx.append_features(FeatureSet("patches", Patches()), [row], **stamp)
    new = {path for path in set(store.path.rglob("*")) - before if path.suffix == ".parquet" or path.is_dir()}
    lacking = {*new, *(path.parent for path in new)} - set(flushed)
    assert not lacking


def test_a_key_with_null_is_a_key_too(store):
    for expected in (1, 0):
        with store.write("fails") as tx:
            rows = [{"path": "/x", "status": "failed"}]
            assert tx.append("core.extractions", rows, key=["track", "path"]) == expected


def test_two_feature_sets_with_several_rows_per_track_are_joined_by_start(store):
    feature = FeatureSet("patches", Patches())
    with store.write("tensors") as tx:
        for name in ("patches", "again"):
            tx.add_feature_set(name, feature, **stamp)
        rows = [{"track": "a", "start": start, "mel": np.ones((4, 2), np.float16)} for start in (0.0, 1.0)]
        tx.append_features(feature, rows, **stamp)
    wide = store.features(["patches", "again"])
    assert wide.columns == ["track", "start", "patches.mel", "again.mel"]
    assert sorted(wide["start"]) == [0.0, 1.0]


def test_a_tensor_that_a_track_lacks_is_null_and_not_in_the_reader(store):
    feature = FeatureSet("patches", Patches())
    mel = np.ones((4, 2), np.float16)
    with store.write("tensors") as tx:
        tx.add_feature_set("patches", feature, **stamp)
        assert tx.append_features(feature, [], **stamp) == 0
        rows = [{"track": "a", "start": 0.0, "mel": None}, {"track": "b", "start": 0.0, "mel": mel}]
        assert tx.append_features(feature, rows, **stamp) == 2
    assert store.tensors("patches").tracks == ["b"]
    assert [tensor.shape for tensor in store.tensors("patches")[0:1]] == [(4, 2)]
    found = store.rows(feature.table, ["a", "b"])
    assert found.of("a") == [{"start": 0.0, "mel": None}]
    np.testing.assert_array_equal(read(found.of("b")[0]["mel"]), mel)


@pytest.mark.parametrize(("found", "message"), [("0", "made by an older mirstore"), (None, "version is missing")])
def test_a_store_of_an_older_or_unknown_version_is_refused(store, found, message):
    with store.lock(), store.maintenance() as catalogue:
        (old,) = [file for file in data_files(catalogue, store.path) if file.table == "core.meta"]
        rows = pq.read_table(old.path)
        rows = rows.set_column(1, rows.schema.field("value"), pa.array([found], pa.string()))
        replace(store.home, catalogue, [(old, new_data_file(store.home, old, rows))])
    with pytest.raises(StoreError, match=message):
        Store(store.path)


def test_maintenance_of_a_store_opened_for_reading_is_refused(store):
    fill(store, ["a"])
    with Store(store.path, read_only=True) as reader:
        for maintain in (reader.gc, reader.compact):
            with pytest.raises(StoreError, match="reading only"):
                maintain()


writer = textwrap.dedent(
    """
    import sys
    from datetime import datetime
    sys.path.insert(0, sys.argv[3])
    from test_store import Store, fill
    with Store(sys.argv[1]) as store:
        for number in range(int(sys.argv[4])):
            fill(store, [f"{sys.argv[2]}{number}"])
            print(number, flush=True)
    """
)


def start(store: Store, name: str, commits: int) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", writer, store.address, name, str(Path(__file__).parent), str(commits)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def test_two_processes_write_at_once_while_a_third_reads(store):
    fill(store, ["first"])
    writers = [start(store, name, 8) for name in "xy"]
    while any(process.poll() is None for process in writers):
        with Store(store.path, read_only=True) as reader:
            assert reader.features("loudness").height >= 1
    assert [process.wait() for process in writers] == [0, 0]
    for process in writers:
        process.stdout.close()
    assert store.features("loudness").height == 17


@pytest.mark.slow
def test_killed_writers_lose_no_commit_and_leave_nothing_half_visible(store):
    fill(store, ["first"])
    acknowledged = 0
    for round_ in range(20):
        process = start(store, f"r{round_}-", 1000)
        process.stdout.readline()
        time.sleep(0.05 + 0.013 * round_)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        acknowledged += 1 + len(process.stdout.read().splitlines())
        process.stdout.close()
        with Store(store.path) as found:
            rows = found.features("loudness")
            assert rows["track"].n_unique() == rows.height
            assert doctor(found) == []
        assert rows.height - 1 >= acknowledged
    assert rows.height - 1 <= acknowledged + 20


@pytest.mark.folder_only  # of a shared store, test_shared.py asks the same
def test_a_store_without_its_catalogue_is_not_written_over(tmp_path):
    with Store(tmp_path / "s", create=True) as store:
        fill(store, ["a"])
    (tmp_path / "s" / "catalog.sqlite").unlink()
    with pytest.raises(StoreError, match="has data but no catalogue"):
        Store(tmp_path / "s", create=True)


def test_an_old_version_is_named_by_its_id(tmp_path):
    with Store(tmp_path / "s", create=True) as store:
        fill(store, ["a"])
        (name, id_), *_ = store.names().items()
        assert store.resolve(f"{name}@{id_}") == store.resolve(name) == id_


@pytest.mark.parametrize("snapshot", [-1, 0, 999])
def test_a_snapshot_that_is_not_there_is_no_damage(tmp_path, snapshot):
    Store(tmp_path / "s", create=True).close()
    with pytest.raises(UsageError, match=f"has no snapshot {snapshot}"):
        Store(tmp_path / "s", snapshot=snapshot)


@pytest.mark.parametrize("name", ["tracks", "labels", "", "a@1"])
def test_names_that_could_not_be_asked_for_are_refused(tmp_path, name):
    with Store(tmp_path / "s", create=True) as store, pytest.raises(UsageError, match="cannot be called"):
        fill(store, ["a"], FeatureSet(name, Loudness()))


@pytest.mark.folder_only  # of a shared store, test_shared.py asks the same
def test_a_store_whose_making_was_killed_is_made_again(tmp_path):
    """What is there then is the version and no catalogue."""
    Store(tmp_path / "s", create=True).close()
    (tmp_path / "s" / "catalog.sqlite").unlink()
    with Store(tmp_path / "s", create=True) as store:
        assert store.names() == {}


def test_what_is_read_together_asks_the_catalogue_each_thing_once(store, monkeypatch):
    fill(store, ["a", "b"])
    names = ["loudness", loudness.id, f"loudness@{loudness.id}"]
    asked, ask = [], Connection.execute
    monkeypatch.setattr(
        Connection, "execute", lambda self, query, *rest: asked.append(query) or ask(self, query, *rest)
    )
    assert store.features(names).height == 2
    assert len(asked) == len(set(asked))
    monkeypatch.undo()
    with Store(store.address) as other:
        fill(other, ["c"])
    assert store.features(names).height == 3  # and not what it was told before
