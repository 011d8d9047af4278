"""Whatever happens to a store's files: it is found, said, and mended as far as the rest knows what was there."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from test_store import Patches, fill, loudness, stamp

from mirstore.core.errors import StoreError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.store import Project, Store, removal
from mirstore.store.history import pin
from mirstore.store.lake import backups, journal
from mirstore.store.lake.doctor import doctor, examine
from mirstore.store.lake.rebuilding import rebuild
from mirstore.store.lake.repairing import repair
from mirstore.store.lake.transaction import Transaction

patches = FeatureSet("patches", Patches())


def ingest(store: Store, tracks: list[str]) -> None:
    """Commit as an ingest does: values, tensors, credits, and the ledger."""
    with store.write("ingest") as tx:
        tx.add_feature_set("loudness", loudness, **stamp)
        tx.add_feature_set("patches", patches, **stamp)
        tx.append("core.datasets", [{"dataset": "music", **stamp}], key=["dataset"])
        tx.append("core.locations", [{"track": track, "path": f"/m/{track}.wav", **stamp} for track in tracks])
        tx.append("core.tracks", [{"track": track, "duration": 1.0, **stamp} for track in tracks], key=["track"])
        tx.append("core.items", [{"dataset": "music", "track": track, "title": track, **stamp} for track in tracks])
        tx.append_features(loudness, [{"track": track, "rms_db": -float(ord(track[0]))} for track in tracks], **stamp)
        mel = np.ones((4, 3), np.float16)
        rows = [{"track": track, "start": at, "mel": mel * ord(track[0])} for track in tracks for at in (0.0, 1.0)]
        tx.append_features(patches, rows, **stamp)
        for track in tracks:
            for feature, count in ((loudness, 1), (patches, 2)):
                row = {"track": track, "feature_set": feature.id, "status": "ok", "rows": count, **stamp}
                tx.append("core.extractions", [row], key=["track", "feature_set"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A store with a history that every test gets a copy of."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    with Store(folder, create=True, command="mirstore ingest music") as store:
        ingest(store, ["a", "b"])
        ingest(store, ["c"])
        store.compact()
        ingest(store, ["d"])
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


@pytest.fixture(scope="module")
def before(whole) -> list[dict[str, Any]]:
    return at_all_snapshots(whole)


def everything(store: Store) -> dict[str, Any]:
    """Return all rows of all tables, what the views show, and the history."""
    found: dict[str, Any] = {
        table: sorted(map(repr, store.recorded(table).collect().to_dicts())) for table in store.tables()
    }
    found = {table: rows for table, rows in found.items() if rows or not table.startswith("core.")}
    for view in ("tracks", "items", "features", "removals", *store.names()):
        found[view] = sorted(map(repr, store.sql(f'FROM "{view}"').to_dicts()))
    found["snapshots"] = store.sql("SELECT snapshot, message, command FROM snapshots").rows()
    found["tensors"] = [tensor.tobytes() for tensor in store.tensors("patches")] if "patches" in store.names() else []
    return found


def at_all_snapshots(folder: Path, step: int = 1) -> list[dict[str, Any]]:
    with Store(folder) as store:
        newest, now = store.newest, everything(store)
    found = [now]
    for number in range(2, newest + 1, step):
        with Store(folder, snapshot=number) as store:
            found.append(everything(store))
    return found


def named(folder: Path, table: str) -> Path:
    """Return the largest file that the store reads of a table."""
    with Store(folder, read_only=True) as store:
        return max(store.files(table), key=lambda path: path.stat().st_size)


def flip(path: Path, at: int | None = None, count: int = 1) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    at = len(content) // 2 if at is None else at
    content[at : at + count] = bytes(value ^ 0xFF for value in content[at : at + count])
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_catalogue(folder: Path) -> None:
    for path in folder.glob("catalog.sqlite*"):
        path.unlink()


def made_again(folder: Path) -> list[str]:
    """Rebuild, and return what could not be known."""
    done = rebuild(folder)
    assert done is not None
    return done.unsure


def of_another_store(folder: Path) -> None:
    with Store(folder.parent / "other", create=True) as other:
        for name in "abcdefg":
            fill(other, [name])
    lose_catalogue(folder)
    shutil.copy(folder.parent / "other" / "catalog.sqlite", folder)


def overwrite_numbers(folder: Path) -> None:
    with sqlite3.connect(folder / "catalog.sqlite") as catalogue:
        catalogue.execute("UPDATE ducklake_data_file SET file_size_bytes = 7 WHERE data_file_id = 0")
    catalogue.close()


def spoil_a_name(folder: Path) -> None:
    with sqlite3.connect(folder / "catalog.sqlite") as catalogue:
        ((name,),) = catalogue.execute("SELECT path FROM ducklake_data_file LIMIT 1 OFFSET 3").fetchall()
        catalogue.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    catalogue.close()
    content = (folder / "catalog.sqlite").read_bytes()
    (folder / "catalog.sqlite").write_bytes(content.replace(name[20:30].encode(), b"0123456789"))


to_catalogues: dict[str, Callable[[Path], None]] = {
    "deleted": lose_catalogue,
    "half": lambda folder: cut(folder / "catalog.sqlite"),
    "empty": lambda folder: (folder / "catalog.sqlite").write_bytes(b""),
    "text": lambda folder: (folder / "catalog.sqlite").write_bytes(b"no database" * 999),
    "of another store": of_another_store,
    "ten bytes": spoil_a_name,
    "a page": lambda folder: flip(folder / "catalog.sqlite", 8192, 4096),
    "numbers": overwrite_numbers,
}


def test_a_rebuilt_catalogue_has_the_same_options(folder):
    def options() -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "catalog.sqlite")) as catalogue:
            query = "SELECT key, value, scope, scope_id FROM ducklake_metadata WHERE key <> 'data_path' ORDER BY key"
            return catalogue.execute(query).fetchall()

    before = options()
    lose_catalogue(folder)
    made_again(folder)
    assert options() == before


@pytest.mark.parametrize("fault", to_catalogues)
def test_a_damaged_catalogue_is_listed_and_made_again(folder, before, fault):
    to_catalogues[fault](folder)
    (problem,) = examine(folder)
    assert problem["file"] == str(folder / "catalog.sqlite")
    assert problem["remedy"] == "mirstore doctor --rebuild"
    with pytest.raises(StoreError):
        repair(folder)
    done = rebuild(folder)
    assert done is not None
    assert done.unsure == []
    assert all(path.exists() and path.parent.name == "backups" for path in done.aside)
    assert list(folder.glob("catalog.new*")) == []
    assert examine(folder) == []
    assert at_all_snapshots(folder) == before


def in_lake(folder: Path, condition: str) -> int:
    """Ask DuckLake itself, as other tools do: it passes over files by the ranges of their columns."""
    with Store(folder, read_only=True) as store:
        return store.ask(f'SELECT count(*) FROM lake.feat."{loudness.table}" WHERE {condition}')[0][0]


_ranges = {
    "of a text": ("file", "track", "min_value = 'zz', max_value = 'zzz'", "track = 'a'"),
    "of a number": ("file", "rms_db", "max_value = '-1e9', min_value = '-1e9'", "rms_db > -98"),
    "of a table": ("table", "rms_db", "min_value = '5', max_value = '6'", "rms_db > -98"),
    "that is none": ("file", "rms_db", "min_value = 'x', max_value = 'x'", "rms_db > -98"),
    "without values": ("file", "rms_db", "value_count = 0", "rms_db > -98"),
}


@pytest.mark.parametrize("kind", _ranges)
def test_a_range_that_hides_rows_is_listed_and_made_good(folder, before, kind):
    of, column, edit, condition = _ranges[kind]
    assert (examine(folder), in_lake(folder, condition)) == ([], 1)
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as catalogue, catalogue:
        named = f"SELECT table_id FROM ducklake_table WHERE table_name = '{loudness.table}'"
        columns = f"SELECT column_id FROM ducklake_column WHERE table_id IN ({named}) AND column_name = '{column}'"
        where = f"table_id IN ({named}) AND column_id IN ({columns})"
        assert catalogue.execute(f"UPDATE ducklake_{of}_column_stats SET {edit} WHERE {where}").rowcount > 0
    (problem,) = examine(folder)
    assert f"its range of '{column}' hides rows of data/feat/{loudness.table}/ducklake-" in problem["problem"]
    assert made_again(folder) == []
    assert (examine(folder), in_lake(folder, condition)) == ([], 1)
    assert at_all_snapshots(folder) == before


def test_what_is_committed_to_a_new_catalogue_hides_nothing_that_was_there(folder):
    lose_catalogue(folder)
    rebuild(folder)
    for track in "xyz":
        with Store(folder) as store:
            ingest(store, [track])
    assert examine(folder) == []
    assert [in_lake(folder, f"track = '{track}'") for track in "adxz"] == [1, 1, 1, 1]
    assert in_lake(folder, "rms_db > -98") == 1


def test_honest_ranges_of_all_kinds_hide_nothing(tmp_path):
    texts = ["", "z" * 200, "Ä" * 300, "\U0001f3b5", None, "'; --"]
    numbers = [0.1, -1e300, 5e-324, None, -0.0, 1 / 3]
    with Store(tmp_path / "store", create=True) as store:
        for text, number in zip(texts, numbers, strict=True):
            with store.write("labels") as tx:
                row = {"dataset": text, "track": "a", "label_set": "s", "label": text, "value": number, **stamp}
                tx.append("core.labels", [row])
                tx.append("core.locations", [{"track": text, "path": "/m", "bytes": -(1 << 62), **stamp}])
                if number is not None and abs(number) < 1e30:
                    tx.append_features(_added(tx), [{"track": text or "b", "rms_db": np.float32(number)}], **stamp)
        assert examine(store.path) == []
        store.compact()
    assert examine(tmp_path / "store") == []


def _added(tx: Transaction) -> FeatureSet:
    tx.add_feature_set("loudness", loudness, **stamp)
    return loudness


@pytest.mark.slow
def test_ten_bytes_anywhere_in_the_catalogue_are_found_or_change_nothing(folder, before):
    rng = random.Random(3)
    good = (folder / "catalog.sqlite").read_bytes()
    for _ in range(12):
        flip(folder / "catalog.sqlite", rng.randrange(len(good) - 10), 10)
        if not examine(folder):
            with Store(folder, read_only=True) as store:
                assert everything(store) == before[0]
        lose_catalogue(folder)
        (folder / "catalog.sqlite").write_bytes(good)


def test_without_a_journal_the_files_say_what_was_there(folder, before):
    lose_catalogue(folder)
    (folder / journal.name).unlink()
    assert "after the files themselves" in made_again(folder)[0]
    assert examine(folder) == []
    for found, known in zip(at_all_snapshots(folder), before, strict=True):
        assert {**found, "snapshots": None} == {**known, "snapshots": None}


def test_a_damaged_line_of_the_journal_is_found_and_written_anew(folder, before):
    path = folder / journal.name
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], "{" + lines[1], *lines[2:]]))
    (problem,) = examine(folder)
    assert problem["problem"] == "line 2 is damaged"
    repair(folder)
    assert examine(folder) == []
    assert journal.read(folder).commits[1].files
    lose_catalogue(folder)
    assert made_again(folder) == []
    assert at_all_snapshots(folder) == before


def test_an_old_backup_is_refused_and_costs_nothing(folder, tmp_path):
    with Store(folder) as store:
        store.gc(0)
        ingest(store, ["e", "f"])
        now = everything(store)
    (backup, *_) = backups.backups(folder)
    lose_catalogue(folder)
    shutil.copy(backup, folder / "catalog.sqlite")
    for read_only in (True, False):
        with pytest.raises(StoreError, match="older than the data") as error:
            Store(folder, read_only=read_only)
        assert error.value.hint == "mirstore doctor --rebuild"
    rebuild(folder)
    with Store(folder) as store:
        store.gc(0)
        assert everything(store) == now


def test_gc_refuses_an_old_backup_even_without_a_journal(folder):
    with Store(folder) as store:
        store.gc(0)
        for name in "efg":
            ingest(store, [name])
    lose_catalogue(folder)
    shutil.copy(backups.backups(folder)[0], folder / "catalog.sqlite")
    (folder / journal.name).unlink()
    with Store(folder) as store, pytest.raises(StoreError, match="older than the data"):
        store.gc(0)
    (problem,) = examine(folder)
    assert problem["remedy"] == "mirstore doctor --rebuild"


def test_a_store_without_a_journal_gets_one_when_it_is_written(folder, before):
    said = journal.read(folder)
    sums = "".join(f"{sha256}  {path}\n" for path, sha256 in journal.checksums(folder).items())
    (folder / journal.name).unlink()
    (folder / "checksums.sha256").write_text(sums)
    flip(named(folder, f"feat.{loudness.table}"))
    assert len(examine(folder)) == 1  # after the checksums of before
    with Store(folder) as store, store.lock():
        pass
    assert not (folder / "checksums.sha256").exists()
    assert journal.read(folder).committed == said.committed
    assert len(examine(folder)) == 1  # the flipped byte was not taken for good


def test_a_torn_line_of_the_journal_spoils_no_other(folder, before):
    with open(folder / journal.name, "a") as file:
        file.write('{"snapshot": 99, "ti')
    assert examine(folder) == []
    with Store(folder) as store:
        ingest(store, ["e"])
    assert journal.read(folder).damaged == []
    assert examine(folder) == []


to_files: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "feature file cut": (f"feat.{loudness.table}", cut, "instead of"),
    "feature file missing": (f"feat.{loudness.table}", Path.unlink, "is missing"),
    "a byte of a feature file": (f"feat.{loudness.table}", flip, "was altered"),
    "a byte of a table with tensors": (f"feat.{patches.table}", flip, "was altered"),
    "version missing": ("core.meta", Path.unlink, "is missing"),
    "locations missing": ("core.locations", Path.unlink, "is missing"),
    "ledger missing": ("core.extractions", Path.unlink, "is missing"),
    "tracks cut": ("core.tracks", cut, "instead of"),
}


def values(folder: Path) -> tuple[list[Any], list[Any]]:
    with Store(folder) as store:
        frame = store.features("loudness").sort("track")
        tensors = store.tensors("patches")
        keys = zip(tensors.tracks, tensors.starts, strict=True)
        return frame.rows(), sorted((*key, float(value[0, 0])) for key, value in zip(keys, tensors, strict=True))


def missing(store: Store, tracks: str = "abcd") -> list[str]:
    """Return the tracks of which the ledger lacks something, as the plan of an ingest sees it."""
    rows = store.recorded("core.extractions").collect()
    return [track for track in tracks if rows.filter(rows["track"] == track).height < 2]


@pytest.mark.parametrize("fault", to_files)
def test_a_damaged_file_is_listed_forgotten_and_made_good_by_the_next_ingest(folder, fault):
    table, spoil, problem = to_files[fault]
    good = values(folder)
    victim = named(folder, table)
    spoil(victim)
    (found,) = examine(folder)
    assert (found["table"], found["file"]) == (table, str(victim))
    assert problem in found["problem"]
    assert found["remedy"] == "mirstore doctor --repair"
    done = repair(folder)
    assert done.files == [victim]
    assert list(done.rows | done.again) == ([table] if table.startswith("core.") else [])
    assert examine(folder) == []
    with Store(folder) as store:
        ingest(store, missing(store))
    assert values(folder) == good
    assert examine(folder) == []


@pytest.mark.parametrize("spoil", [Path.unlink, cut, lambda path: flip(path, -3)], ids=["missing", "cut", "a byte"])
def test_a_damaged_pack_is_forgotten_with_the_tracks_in_it_and_no_others(folder, spoil):
    good = values(folder)
    with Store(folder, read_only=True) as store:
        where = {
            track: store.tensors("patches").where(at).path for at, track in enumerate(store.tensors("patches").tracks)
        }
    spoil(where["c"])
    (found,) = examine(folder, deep=True)
    assert found["file"] == str(where["c"])
    done = repair(folder, deep=True)
    assert (done.tracks, done.rows) == ({patches.id: 1}, {})
    with Store(folder) as store:
        assert missing(store) == ["c"]
        assert "c" not in store.tensors("patches").tracks
        assert not where["c"].exists()
        ingest(store, ["c"])
    assert values(folder) == good
    assert examine(folder, deep=True) == []


def test_only_the_ledger_of_what_is_lost_is_forgotten(folder):
    named(folder, f"feat.{loudness.table}").unlink()  # merged: a, b and c
    assert repair(folder).tracks == {loudness.id: 3}
    with Store(folder) as store:
        ledger = store.recorded("core.extractions").collect()
        assert sorted(ledger.filter(ledger["feature_set"] == loudness.id)["track"]) == ["d"]
        assert sorted(ledger.filter(ledger["feature_set"] == patches.id)["track"]) == list("abcd")


def ledgers(folder: Path) -> list[list[Any]]:
    """Return what the ledger of each snapshot says."""
    with Store(folder) as store:
        newest = store.newest
    found = []
    for number in range(2, newest + 1):
        with Store(folder, snapshot=number) as store:
            rows = store.recorded("core.extractions").select("track", "feature_set", "status", "rows", "committed")
            found.append(sorted(rows.collect().rows()))
    return found


@pytest.mark.parametrize("rows", [1, 6], ids=["of one commit", "merged"])
def test_the_ledger_is_made_again_after_the_values_as_it_was_in_each_snapshot(folder, rows):
    good, said = values(folder), ledgers(folder)
    with Store(folder, read_only=True) as store:
        next(path for path in store.files("core.extractions") if pq.read_metadata(path).num_rows == rows).unlink()
    done = repair(folder)
    assert (done.rows, done.again) == ({}, {"core.extractions": rows})
    assert ledgers(folder) == said
    assert values(folder) == good
    rebuilt = shutil.copytree(folder, folder.with_name("rebuilt"))
    lose_catalogue(rebuilt)
    assert made_again(rebuilt) == []
    assert ledgers(rebuilt) == said


def test_without_catalogue_journal_and_ledger_no_value_is_there_twice(folder):
    good = values(folder)
    lose_catalogue(folder)
    (folder / journal.name).unlink()
    shutil.rmtree(folder / "data" / "core" / "extractions")
    assert "8 rows of the ledger, made again after the values that are there" in made_again(folder)
    with Store(folder) as store:
        assert missing(store) == []
    assert values(folder) == good
    assert examine(folder, deep=True) == []


@pytest.mark.parametrize("merged", [False, True])
def test_runs_that_may_lack_results_have_failed_and_no_others(tmp_path, merged):
    added = {"added": stamp["added"]}
    with Store(tmp_path / "store", create=True) as store:
        for run in ("first", "second", "third"):
            with store.write("run") as tx:
                tx.append("core.runs", [{"run": run, "experiment": "e", **added}])
                tx.append("core.run_events", [{"run": run, "state": "finished", **added}])
                tx.append("core.metrics", [{"run": run, "name": "accuracy", "value": 0.5}])
            if merged and run == "second":
                store.compact()
        metrics = store.files("core.metrics")
    victim = metrics[0] if merged else metrics[1]  # of the first two, or of the second
    cut(victim)
    assert repair(tmp_path / "store").runs == dict.fromkeys(["first", "second"] if merged else ["second"], "metrics")
    with Store(tmp_path / "store") as store:
        said = dict(store.sql("SELECT run, coalesce(error, state) FROM runs").iter_rows())
        lost = "damage has cost rows of metrics"
        assert said == {"first": lost if merged else "finished", "second": lost, "third": "finished"}
    assert examine(tmp_path / "store", deep=True) == []


def test_of_runs_only_what_had_finished_and_was_not_removed_is_said_to_lack_results(tmp_path):
    added = {"added": stamp["added"]}
    with Store(tmp_path / "store", create=True) as store:
        for run, state in (("good", "finished"), ("bad", "failed"), ("gone", "finished")):
            with store.write("run") as tx:
                tx.append("core.runs", [{"run": run, "experiment": "e", **added}])
                tx.append("core.run_events", [{"run": run, "state": state, **added}])
                tx.append("core.metrics", [{"run": "good", "name": "accuracy", "value": 0.5}])
        store.compact()
        with store.write("remove") as tx:
            tx.append("core.run_events", [{"run": "gone", "state": "removed", **added}])
        (metrics,), (*_, removal) = store.files("core.metrics"), store.files("core.run_events")
    guessed = shutil.copytree(tmp_path / "store", tmp_path / "guessed")
    lose_catalogue(guessed)
    (guessed / journal.name).unlink()
    assert any(said.endswith("results of runs: these stay finished") for said in made_again(guessed))
    cut(metrics)
    assert repair(tmp_path / "store").runs == {"good": "metrics"}
    removal.unlink()
    repair(tmp_path / "store")
    with Store(tmp_path / "store") as store:  # the removal is lost, not what is known of the results
        assert set(store.sql("SELECT run, state FROM runs").rows()) == {
            (run, "failed") for run in ("good", "bad", "gone")
        }


def test_where_files_lay_is_not_asked_by_queries_that_do_not_need_it(folder):
    named(folder, "core.locations").unlink()
    with Store(folder) as store:
        assert store.sql("SELECT count(*) AS n FROM loudness")["n"][0] == 4
        assert store.features("loudness").height == 4
        with pytest.raises(StoreError, match="is missing") as error:
            store.recorded("core.locations")
        assert "mirstore doctor" in error.value.hint


def test_a_file_that_was_cut_off_is_an_error_with_its_name(folder):
    victim = named(folder, f"feat.{loudness.table}")
    cut(victim)
    with Store(folder) as store, pytest.raises(StoreError) as error:
        store.features("loudness")
    assert str(victim) in error.value.message


@pytest.mark.parametrize("table", ["core.names", "core.tracks", "core.locations", f"feat.{loudness.table}"])
def test_whoever_reads_a_file_that_is_not_what_was_written_is_told_its_name(folder, table):
    path = named(folder, table)
    whole = path.read_bytes()
    path.chmod(0o644)
    views = {"core.names": "features", "core.tracks": "tracks", "core.locations": "tracks"}

    def scan(store: Store) -> None:
        store.scan(table).collect()

    def ask(store: Store) -> None:
        store.sql(f"SELECT * FROM {views.get(table, 'loudness')}")

    for at in (0, len(whole) // 2, len(whole) - 40):  # its first page, a later one, its footer
        path.write_bytes(whole[:at] + b"\xff" * 32 + whole[at + 32 :])
        for read in (scan, ask):
            with pytest.raises(StoreError, match="was altered") as told, Store(folder, read_only=True) as store:
                read(store)
            assert path.name in told.value.message
            assert "--repair" in str(told.value.hint)
        with pytest.raises(StoreError, match="was altered"), Project(folder) as project:
            scan(project.store)


def test_an_error_for_which_no_file_is_to_blame_stays_what_it_is(folder):
    def fail(text: str, first: Callable[[Store], None]) -> None:
        with Store(folder, read_only=True) as store:
            first(store)
            raise pl.exceptions.ComputeError(text)

    def nothing(store: Store) -> None:
        pass

    path = named(folder, f"feat.{loudness.table}")
    with pytest.raises(pl.exceptions.ComputeError, match="parquet: ours"):
        fail("parquet: ours", nothing)
    flip(path)
    with pytest.raises(pl.exceptions.ColumnNotFoundError), Store(folder, read_only=True) as store:
        store.scan("core.tracks").select("parquet").collect()
    with pytest.raises(UsageError, match="Could not convert"), Store(folder, read_only=True) as store:
        store.sql("SELECT CAST('parquet' AS INTEGER)")
    with pytest.raises(pl.exceptions.ComputeError, match="ours"):
        fail("ours", nothing)  # features are not looked at
    with pytest.raises(StoreError, match="was altered"):
        fail("parquet: theirs", nothing)
    with pytest.raises(pl.exceptions.ComputeError, match="parquet: ours"):
        fail("parquet: ours", Store.close)
    with pytest.raises(pl.exceptions.ComputeError, match="parquet: ours"):
        fail("parquet: ours", lambda store: shutil.rmtree(store.path))


def test_what_was_purged_does_not_come_back_with_a_new_catalogue(folder):
    with Store(folder) as store:
        removal.remove(store, removal.tracks(store, ["/m/b.wav"]), "rm")
        store.purge()
        now = everything(store)
    for lost in ((), (journal.name,)):
        lose_catalogue(folder)
        for name in lost:
            (folder / name).unlink()
        rebuild(folder)
        with Store(folder) as store:
            found = everything(store)
            assert {**found, "snapshots": None} == {**now, "snapshots": None}
            store.purge()
            store.gc(0)
            assert doctor(store) == []
    assert not [path for path in folder.rglob("*") if path.is_file() and b"/m/b.wav" in path.read_bytes()]


@pytest.mark.slow
def test_a_catalogue_that_is_lost_at_any_point_of_any_history_comes_back_as_it_was(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    folder, tracks = tmp_path / "store", [f"{letter}{number}" for number in range(4) for letter in "abcdefgh"]
    there: list[str] = []
    Store(folder, create=True).close()

    def more(store: Store) -> None:
        new = [tracks.pop() for _ in range(min(len(tracks), rng.randrange(1, 4)))]
        there.extend(new)
        if new:
            ingest(store, new)

    def withdraw(store: Store) -> None:
        if there:
            gone = there.pop(rng.randrange(len(there)))
            removal.remove(store, removal.tracks(store, [f"/m/{gone}.wav"]), "rm")

    def remove_features(store: Store) -> None:
        if "loudness" in store.names():
            removal.remove(store, removal.features(store, ["loudness"]), "rm")

    steps = [more] * 5 + [withdraw, remove_features] + [lambda store: store.compact()] * 2
    steps += [lambda store: store.gc(0), lambda store: store.purge(), lambda store: pin(store, "paper")]
    for _ in range(4):
        with Store(folder, command="mirstore anything") as store:
            for _ in range(rng.randrange(1, 6)):
                rng.choice(steps)(store)
        before = at_all_snapshots(folder, step=4)
        assert examine(folder) == []
        lose_catalogue(folder)
        assert made_again(folder) == []
        assert examine(folder) == []
        assert at_all_snapshots(folder, step=4) == before


def test_several_commits_are_backed_up_and_one_is_not(tmp_path):
    with Store(tmp_path / "store", create=True) as store:
        fill(store, ["a"])
    assert backups.backups(store.path) == []
    with Store(store.path) as store:
        fill(store, ["b"])
        fill(store, ["c"])
    (backup,) = backups.backups(store.path)
    with Store(store.path, read_only=True) as store:
        newest = store.newest
    with sqlite3.connect(backup) as copy:
        assert copy.execute("SELECT max(snapshot_id) FROM ducklake_snapshot").fetchone() == (newest,)
    copy.close()


def test_the_newest_backups_are_kept_and_one_a_day_for_a_week(folder):
    old = [
        folder / "backups" / f"catalog-202601{day:02}T{hour:02}0000000000.sqlite"
        for day in range(1, 13)
        for hour in (8, 9)
    ]
    for path in backups.backups(folder):
        path.unlink()
    other = folder / "backups" / "notes.txt"
    for path in [*old, other]:
        path.write_bytes(b"")
    with Store(folder) as store:
        store.gc(0)
    kept = [path.name for path in backups.backups(folder)]
    days = [f"catalog-202601{day:02}T09" for day in range(7, 12)]
    assert [name[:19] for name in kept[:-1]] == [*days, "catalog-20260112T08", "catalog-20260112T09"]
    assert other.exists()


def test_no_backup_is_written_behind_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with Store(tmp_path / "store", create=True) as store:
        (store.path / "backups").symlink_to(elsewhere)
        fill(store, ["a"])
        fill(store, ["b"])
    with Store(store.path) as store, pytest.raises(StoreError, match="is a link"):
        store.gc(0)
    assert list(elsewhere.iterdir()) == []


def test_a_full_disk_in_a_backup_is_said(folder, monkeypatch):
    def full(self: Any, target: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with Store(folder) as store, monkeypatch.context() as patch:
        real = sqlite3.connect
        patch.setattr(
            sqlite3,
            "connect",
            lambda *args, **options: real(*args, **options, factory=type("C", (sqlite3.Connection,), {"backup": full})),
        )
        with pytest.raises(StoreError, match=r"cannot be backed up: .*disk is full"):
            store.gc(0)
    assert not list((folder / "backups").glob("*.part"))
    assert examine(folder) == []


def test_a_whole_catalogue_is_not_made_again(folder):
    content = (folder / "catalog.sqlite").read_bytes()
    assert rebuild(folder) is None
    assert (folder / "catalog.sqlite").read_bytes() == content


@pytest.mark.parametrize(
    "line",
    [
        '{"path": "data/feat/x_1/../../../../etc/ducklake-00000000-0000-0000-0000-000000000000.parquet"}',
        '{"path": "/etc/passwd"}',
        '{"path": "data/feat/nobody_made_1/ducklake-00000000-0000-0000-0000-000000000000.parquet"}',
    ],
)
def test_a_journal_that_names_what_no_store_has_is_not_believed(folder, before, line):
    path = folder / journal.name
    *lines, last = path.read_text().splitlines(keepends=True)
    entry = line.replace("}", ', "sha256": "", "rows": 1, "bytes": 1}')
    commit = f'{{"snapshot": {len(lines) + 1}, "time": "2026-01-01 00:00:00+00", "files": [{entry}]}}\n'
    path.write_text("".join([*lines, commit, last]))
    lose_catalogue(folder)
    assert "is damaged: all is after the files themselves" in made_again(folder)[0]
    assert at_all_snapshots(folder)[0]["loudness"] == before[0]["loudness"]


def rewrite(path, change):
    """Change the lines of a journal as somebody would who knows how they are written."""
    lines = [json.loads(change(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(journal.written({k: v for k, v in line.items() if k != "crc32"}) for line in lines))


@pytest.mark.parametrize("sql", ["VARCHAR DEFAULT getenv('HOME')", "INTEGER); DROP TABLE x; --"])
def test_a_journal_cannot_bring_sql(folder, sql):
    rewrite(folder / journal.name, lambda line: line.replace('"rms_db": "FLOAT"', f'"rms_db": "{sql}"'))
    lose_catalogue(folder)
    with pytest.raises(StoreError, match="columns that no features have"):
        rebuild(folder)


def test_a_flipped_bit_of_the_journal_is_the_journal_s_and_costs_nothing(folder, before):
    path, rng = folder / journal.name, random.Random(5)
    good = path.read_bytes()
    for _ in range(8):
        place = rng.randrange(len(good) - 1)
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << rng.randrange(8)]) + good[place + 1 :])
        assert {problem["file"] for problem in examine(folder)} <= {str(path)}, place
        assert rebuild(folder) is None  # the catalogue is whole
        with Store(folder, read_only=True) as store:
            assert everything(store) == before[0]
        repair(folder)
        assert examine(folder) == []
        path.write_bytes(good)


def test_a_catalogue_that_would_be_refused_takes_nothing_s_place(folder, before):
    rewrite(folder / journal.name, lambda line: line.replace('"about": "{', '"about": "3{'))
    lose_catalogue(folder)
    assert "cannot be believed (" in made_again(folder)[0]
    assert at_all_snapshots(folder)[0]["loudness"] == before[0]["loudness"]


def test_a_journal_as_older_stores_have_it_gets_checksums_with_the_next_commit(folder, before):
    path = folder / journal.name
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps({k: v for k, v in line.items() if k != 'crc32'})}\n" for line in lines))
    assert examine(folder) == []
    with Store(folder) as store:
        assert everything(store) == before[0]
        pin(store, "now")
    assert all("crc32" in line for line in path.read_text().splitlines())


def test_a_line_of_the_journal_that_is_nested_without_end_is_a_damaged_one(folder):
    path = folder / journal.name
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, "[" * 200_000 + "]" * 200_000 + "\n", *rest]))
    (problem,) = examine(folder)
    assert problem["problem"] == "line 2 is damaged"
    path.write_text("".join([first, *rest, "[" * 200_000 + "]" * 200_000 + "\n"]))
    with Store(folder) as store:
        pin(store, "now")
    assert examine(folder) == []


def test_nothing_is_written_behind_a_link_that_stands_for_the_journal(folder, tmp_path):
    elsewhere = (folder / journal.name).rename(tmp_path / "elsewhere")
    content = elsewhere.read_bytes()
    (folder / journal.name).symlink_to(elsewhere)
    with pytest.raises(StoreError, match=r"something else than a file of its own: 'journal\.jsonl'"):
        Store(folder)
    assert elsewhere.read_bytes() == content


def test_a_commit_that_the_journal_did_not_see_the_end_of_is_in_the_new_catalogue(folder, monkeypatch):
    with Store(folder) as store, monkeypatch.context() as patch:
        patch.setattr(journal, "confirm", lambda *_: None)  # killed after the commit
        ingest(store, ["e"])
        now = everything(store)
    lose_catalogue(folder)
    assert made_again(folder) == []
    with Store(folder) as store:
        assert everything(store) == now


def test_a_commit_that_never_came_to_pass_is_not_in_the_new_catalogue(folder, before, monkeypatch):
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    real = journal.announce
    with Store(folder) as store, monkeypatch.context() as patch:
        patch.setattr(journal, "announce", lambda *arguments: (real(*arguments), killed()))
        with pytest.raises(KeyboardInterrupt):
            ingest(store, ["e"])
    assert examine(folder) == []
    lose_catalogue(folder)
    assert "never came to pass" in made_again(folder)[0]
    assert at_all_snapshots(folder) == before
    with Store(folder) as store:
        ingest(store, ["f"])
    assert examine(folder) == []


def test_files_that_were_merged_without_the_journal_knowing_are_not_there_twice(folder, monkeypatch):
    with Store(folder) as store, monkeypatch.context() as patch:
        patch.setattr(journal, "rewrite", lambda *_: None)  # killed after the commit
        now = everything(store)
        store.compact()
        assert store.newest > journal.read(folder).committed
    lose_catalogue(folder)
    assert made_again(folder) == []
    with Store(folder) as store:
        assert everything(store) == now
        store.gc(0)
        assert everything(store) == now
    assert examine(folder) == []


@pytest.mark.slow
def test_four_first_ingests_at_once_leave_one_dataset_and_each_track_once(tmp_path, make_wav, test_plugins):
    noise = np.random.default_rng(0)
    for number in range(4):
        make_wav(tmp_path / "music" / f"{number}.wav", noise.uniform(-0.5, 0.5, 8000), 8000)
    command = ["-c", "from mirstore.cli import main; main()", "-q", "ingest", "music", "--features", "level", "-j", "1"]
    four = [subprocess.Popen([sys.executable, *command], cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(300) for process in four] == [0, 0, 0, 0]
    with Store(tmp_path / "store") as store:
        assert store.sql("SELECT dataset FROM datasets")["dataset"].to_list() == ["music"]
        assert store.sql("SELECT count(*) AS n FROM tracks")["n"][0] == 4
        assert store.features("level").height == 4
    assert examine(tmp_path / "store", deep=True) == []


def test_without_a_journal_values_that_no_ledger_knows_stay_and_what_a_kill_left_is_not_there_twice(folder):
    with Store(folder) as store:
        for number in range(3):
            fill(store, [f"x{number}"])  # without an entry in the ledger
        now = store.features("loudness").sort("track").rows()
        *_, last = store.files(f"feat.{loudness.table}")
    shutil.copy(last, last.with_name("ducklake-00000000-0000-0000-0000-000000000000.parquet"))
    lose_catalogue(folder)
    (folder / journal.name).unlink()
    assert "is the first that shows them" in " ".join(made_again(folder))
    with Store(folder) as store:
        store.gc(0)
        assert store.features("loudness").sort("track").rows() == now
