"""Whatever happens to a store's files: it is found, said, and mended as far as the rest knows what was there."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_store import Patches, fill, loudness, stamp

from mirstore.core.errors import StoreError
from mirstore.core.features import FeatureSet
from mirstore.store import Store
from mirstore.store.lake import backups, journal
from mirstore.store.lake.doctor import examine
from mirstore.store.lake.rebuilding import rebuild
from mirstore.store.lake.repairing import repair

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


def at_all_snapshots(folder: Path) -> list[dict[str, Any]]:
    with Store(folder) as store:
        newest, now = store.newest, everything(store)
    found = [now]
    for number in range(2, newest + 1):
        with Store(folder, snapshot=number) as store:
            found.append(everything(store))
    return found


def data(folder: Path, table: str) -> Path:
    return max((folder / "data").glob(f"{table.replace('.', '/')}*/*.parquet"), key=lambda path: path.stat().st_size)


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


@pytest.mark.parametrize("fault", to_catalogues)
def test_a_damaged_catalogue_is_listed_and_made_again(folder, before, fault):
    to_catalogues[fault](folder)
    (problem,) = examine(folder)
    assert problem["file"] == str(folder / "catalog.sqlite")
    assert problem["remedy"] == "mirstore doctor --rebuild"
    with pytest.raises(StoreError):
        repair(folder)
    done = rebuild(folder)
    assert done.unsure == []
    assert all(path.exists() and path.parent.name == "backups" for path in done.aside)
    assert examine(folder) == []
    assert at_all_snapshots(folder) == before


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
    done = rebuild(folder)
    assert "after the files themselves" in done.unsure[0]
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
    assert rebuild(folder).unsure == []
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
