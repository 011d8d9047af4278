"""What `--repair` forgets comes back with the next ingest of the same files: by computing, reading, or as it was."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import soundfile
from done import ingest
from inline import here
from test_damage import ledgers, lose_catalogue, made_again

from mirstore.core.columns import Column, Tensor
from mirstore.core.features import FeatureSet
from mirstore.core.hookspecs import Extractor
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.store import Store
from mirstore.store.ingest.annotation_sets import Given, all_sets
from mirstore.store.ingest.annotation_sets import find as find_annotations
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.ingest.sources import find
from mirstore.store.ingest.status import status
from mirstore.store.lake import journal
from mirstore.store.lake.doctor import examine
from mirstore.store.lake.repairing import brought_again, repair
from mirstore.store.removal import features, remove

untold = {"ingest", "added", "seconds", "committed", "_committed", "mtime_ns"}
"""Columns that say when and by what something was said."""


@dataclass
class Level(Extractor):
    """Level."""

    name = "level"
    floor: float = -1.0

    def columns(self):
        return {"level": Column(pl.Float64, "-", "root mean square")}

    def extract(self, track):
        if not track.audio(8000).any():
            raise ValueError("silence")
        return {"level": float(np.sqrt(np.mean(track.audio(8000) ** 2)))}


@dataclass
class Frames(Extractor):
    """Halves, as tensors."""

    name = "frames"

    def columns(self):
        grid = {"start": Column(pl.Float64, "s", "begin", grid="tenths"), "end": Column(pl.Float64, "s", "end")}
        return grid | {"frame": Column(Tensor("float32", (2, None)), "-", "samples")}

    def extract(self, track):
        halves = np.split(track.audio(8000).astype(np.float32)[:32], 2)
        parts = [half.reshape(2, -1) for half in halves]
        return [{"start": at / 10, "end": at / 10 + 0.1, "frame": part} for at, part in enumerate(parts)]


@dataclass
class Twice(Extractor):
    """Twice the level."""

    name = "twice"
    inputs = ("level",)

    def columns(self):
        return {"twice": Column(pl.Float64, "-", "twice the level")}

    def extract(self, track):
        return {"twice": 2 * track.inputs["level"]["level"][0]}


@dataclass
class Chords(Extractor):
    """How many chords somebody has heard."""

    name = "chord-count"
    inputs = ("chords",)

    def columns(self):
        return {"chords": Column(pl.Int32, "-", "chords")}

    def extract(self, track):
        return {"chords": track.inputs["chords"].height}


level, frames = FeatureSet("level", Level()), FeatureSet("frames", Frames())
on_hidden = FeatureSet("on-hidden", Twice(), {"level": FeatureSet("hidden", Level(floor=0.0), keep=False)})


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def take(store: Store, music: Path) -> None:
    """Ingest in two steps, so that tables have several files, with annotations; and import a table."""
    given = find_annotations(store, [Given.parse(f"chords={music}/labs/*.lab")])
    count = FeatureSet("chord-count", Chords(), {"chords": all_sets(given)["chords"]})
    wanted = {feature.name: feature for feature in (level, frames, FeatureSet("twice", Twice(), {"level": level}))}
    ingest(store, find([music / "tracks.csv"]), wanted, pool=here)
    more = {feature.name: feature for feature in (on_hidden, count)}
    ingest(store, find([music / "tracks.csv"]), more, annotations=given, pool=here)
    import_table(store, music / "values.csv", dataset="published", targets=["mood"])


@pytest.fixture(scope="module")
def music(tmp_path_factory) -> Path:
    """Six tracks, one of them twice and one silent, with labels, splits, credits, and chords for three of them."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(7)
    for number in range(6):
        samples = (number > 0) * 0.1 * rng.uniform(-1, 1, 800)
        soundfile.write(folder / f"{number}.wav", samples, 8000, subtype="PCM_16")
    shutil.copy(folder / "3.wav", folder / "again.wav")
    rows = "".join(f"{name}.wav,Title {name},A{name[0]},x,{'train' if name < '4' else 'test'}\n" for name in "012345")
    write(folder / "tracks.csv", f"path,title,artist,genre,split\n{rows}again.wav,Title 3,A3,x,train\n")
    for name in "145":
        write(folder / "labs" / f"{name}.lab", f"0 0.0{name} C:maj\n0.0{name} 0.1 N\n")
    write(folder / "values.csv", "id,tempo,mood\na,100,0.5\nb,120,0.7\n")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, music) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "store"
    with Store(folder, create=True) as store:
        take(store, music)
    return folder


@pytest.fixture(scope="module")
def good(whole) -> dict[str, list[str]]:
    return shown(whole)


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def shown(folder: Path) -> dict[str, list[str]]:
    """Return what a store says and keeps, but for when it was said, and how long it took."""
    found = {}
    with Store(folder, read_only=True) as store:
        for table in store.tables():
            if table.startswith("core.") and table not in ("core.ingests", "core.packs"):
                rows = store.recorded(table).collect()
                found[table] = rows.drop(set(rows.columns) & untold).unique()  # what is said again is the same
        # what is not kept is computed again as soon as something reads it
        found["core.extractions"] = store.sql(
            "SELECT track, feature_set, status, rows FROM ledger WHERE status <> 'not kept'"
        )
        for view in ("tracks", "items", "labels", "splits", "datasets", "duplicates", "columns", "features"):
            rows = store.sql(f'FROM "{view}"')
            found[view] = rows.drop({*rows.columns} & {*untold, "seconds_per_track"})
        for view in ("level", "twice", "chords", "chord-count", "on-hidden", "published"):
            found[view] = store.sql(f'FROM "{view}"')
        failed = store.sql("SELECT path, feature, error, message FROM failures")
        tensors = store.tensors("frames")
    kept = {name: sorted(map(repr, frame.to_dicts())) for name, frame in (found | {"failed": failed}).items()}
    keys = zip(tensors.tracks, tensors.starts, strict=True)
    return kept | {"frames": sorted(f"{key} {value.tolist()}" for key, value in zip(keys, tensors, strict=True))}


def data(folder: Path) -> list[tuple[str, Path]]:
    """Return the files that hold what an ingest or import of the same files brings, by table; packs have none."""
    with Store(folder, read_only=True) as store:
        files = [(table, path) for table in store.tables() for path in store.files(table)]
    packs = [("pack", path) for path in sorted(folder.absolute().glob("tensors/*/*.safetensors"))]
    return [*files, *packs]


def spoil(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    else:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_all_tables_that_an_ingest_writes_are_said_to_come_back(whole):
    others = {"core.ingests", "core.meta", "core.packs"}  # history; the version; what repair itself makes again
    assert {table for table, _ in data(whole) if table.startswith("core.")} == brought_again | others


@pytest.mark.slow
@pytest.mark.parametrize("table", sorted(brought_again | {"core.packs"}))
def test_what_is_lost_of_a_table_comes_back_with_the_same_ingest(good, folder, music, table):
    for name, path in data(folder):
        if name == table:
            spoil(path, "missing")
    repair(folder)
    with Store(folder) as store:
        take(store, music)
    assert shown(folder) == good
    assert examine(folder, deep=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_lost_together_comes_back_with_the_same_ingest(good, folder, music, seed):
    rng = random.Random(seed)
    hit = rng.sample(data(folder), 5)
    for _, path in hit:
        spoil(path, rng.choice(["missing", "cut"]))
    repair(folder)
    assert examine(folder, deep=True) == [], hit
    with Store(folder) as store:
        take(store, music)
    assert shown(folder) == good, hit
    assert examine(folder, deep=True) == [], hit


def chords(store: Store, music: Path, *, retry_failed: bool = False) -> list[list[tuple]]:
    """Ingest annotations, and what reads them; return what the store says of them."""
    given = find_annotations(store, [Given.parse(f"chords={music}/labs/*.lab")])
    count = FeatureSet("chord-count", Chords(), {"chords": all_sets(given)["chords"]})
    ingest(store, find([music]), {"chord-count": count}, annotations=given, pool=here, retry_failed=retry_failed)
    return said_of_chords(store)


def said_of_chords(store: Store) -> list[list[tuple]]:
    asked = "FROM chords", 'FROM "chord-count"', "SELECT path, feature, message FROM failures"
    return [sorted(store.sql(query).rows()) for query in asked]


@pytest.fixture
def revised(tmp_path, monkeypatch) -> tuple[Path, Path, list[list[tuple]]]:
    """A store, its music, and what it says of annotations: one that cannot be used any more, one that is empty now."""
    monkeypatch.setattr(Store, "compact", lambda store: None)
    music, folder = tmp_path / "music", tmp_path / "store"
    music.mkdir()
    for number in range(4):
        soundfile.write(music / f"{number}.wav", np.full(800, 0.1 * (number + 1)), 8000)
        write(music / "labs" / f"{number}.lab", "no chords" if number == 3 else "0 0.05 C:maj\n0.05 0.1 N\n")
    with Store(folder, create=True) as store:
        chords(store, music)
    write(music / "labs" / "0.lab", "0 0.05 C:maj\nneither does this say what it is\n")
    write(music / "labs" / "1.lab", "")
    with Store(folder) as store:
        return folder, music, chords(store, music)


@pytest.mark.parametrize("files", [slice(None), slice(-2, None)], ids=["all of it", "the last files"])
def test_without_ledger_no_annotation_says_what_it_said_before_it_was_another(revised, files):
    folder, music, good = revised
    with Store(folder, read_only=True) as store:
        ledger = sorted(store.files("core.extractions"), key=lambda path: path.name)
    for path in ledger[files]:
        path.unlink()
    repair(folder)
    with Store(folder) as store:
        assert said_of_chords(store)[0] == good[0]
        assert chords(store, music) == good


def test_without_catalogue_journal_and_ledger_nothing_is_computed_from_what_is_not_known(revised):
    folder, music, good = revised
    lose_catalogue(folder)
    (folder / journal.name).unlink()
    shutil.rmtree(folder / "data" / "core" / "extractions")
    made_again(folder)
    with Store(folder) as store:
        said = chords(store, music)
        assert said[0] == good[0]
        assert set(said[1]) <= set(good[1])
        assert {row[1] for row in said[2]} == {"chords", "chord-count"}
        never = [row for row in good[2] if row[0].endswith("3.wav")]
        assert [row for row in said[2] if row[0].endswith("3.wav")] == never != []
        assert chords(store, music, retry_failed=True) == good


def test_of_several_lost_files_each_snapshot_has_its_rows_again(tmp_path, music, monkeypatch):
    folder, compact = tmp_path / "store", Store.compact
    monkeypatch.setattr(Store, "compact", lambda store: None)
    with Store(folder, create=True) as store:
        for number in range(1, 6):
            ingest(store, find([music / f"{number}.wav"]), {"frames": frames}, pool=here)
    said = ledgers(folder)
    for lost in ([1, 2], [0, 3, 4]):
        with Store(folder, read_only=True) as store:
            for at in lost:
                store.files("core.extractions")[at].unlink()
        done = repair(folder)
        assert (done.rows, done.again) == ({}, {"core.extractions": len(lost)})
        assert ledgers(folder) == said
    monkeypatch.setattr(Store, "compact", compact)
    with Store(folder) as store:
        store.compact()
    assert ledgers(folder)[: len(said)] == said


def test_a_ledger_made_again_is_merged_with_what_comes_later(tmp_path, music, monkeypatch):
    folder, compact = tmp_path / "store", Store.compact
    monkeypatch.setattr(Store, "compact", lambda store: None)
    with Store(folder, create=True) as store:
        for number in range(1, 4):
            ingest(store, find([music / f"{number}.wav"]), {"level": level, "frames": frames}, pool=here)
        store.files(f"feat.{level.table}")[1].unlink()
    repair(folder)  # so that rows of the ledger do not follow each other, and DuckLake keeps their numbers in a column
    monkeypatch.setattr(Store, "compact", compact)
    with Store(folder) as store:
        store.compact()
        (ledger,) = store.files("core.extractions")
        assert "_ducklake_internal_row_id" in pq.read_schema(ledger).names
        ledger.unlink()
    repair(folder)
    with Store(folder) as store:
        ingest(store, find([music]), {"level": level, "frames": frames}, pool=here)
        store.compact()
        assert len(store.files("core.extractions")) == 1
        assert store.sql("SELECT count(*) FROM ledger").item() == 2 * 6
    assert examine(folder, deep=True) == []


def test_tracks_of_a_table_of_several_rows_each_come_back_once(tmp_path):
    folder, table = tmp_path / "store", write(tmp_path / "notes.csv", "id,start,pitch\na,0,60\na,1,62\nb,0,50\n")
    with Store(folder, create=True) as store:
        import_table(store, table, dataset="notes")
        for path in store.files("core.tracks"):
            path.unlink()
    repair(folder)
    with Store(folder) as store:
        assert [import_table(store, table, dataset="notes").fresh for _ in range(2)] == [False, True]
        assert sorted(store.scan("core.tracks").collect()["track"]) == ["notes:a", "notes:b"]
        assert store.sql("SELECT count(*) FROM notes").item() == 3


def test_features_whose_definition_is_lost_are_told_of_and_removed(folder):
    for name, path in data(folder):
        if name == "core.feature_sets":
            path.unlink()
    repair(folder)
    with Store(folder) as store:
        states = {row["feature"]: row["state"] for row in status(store, Registry.load(), Plugins.installed())}
        assert {state.partition(":")[0] for state in states.values()} == {"lost"}
        assert store.resolve(f"level@{level.id}") == store.resolve(level.id) == level.id
        going = features(store, ["level"])
        remove(store, going, "rm")
        assert "level" not in store.names()
        assert store.scan(f"feat.{level.table}").collect().is_empty()


def test_an_older_table_that_is_imported_again_is_what_its_name_means(tmp_path):
    folder, table = tmp_path / "store", tmp_path / "values.csv"
    old, new = "id,tempo\na,100\n", "id,tempo\na,200\n"
    with Store(folder, create=True) as store:
        for text in (old, new, old):
            import_table(store, write(table, text), dataset="given")
        assert store.sql("SELECT tempo FROM given").item() == 100
        import_table(store, write(table, new), dataset="given")
        *_, last = sorted(store.files("core.names"), key=lambda path: path.name)
        last.unlink()
    repair(folder)
    with Store(folder) as store:
        assert [import_table(store, table, dataset="given").fresh for _ in range(2)] == [False, True]
        assert store.sql("SELECT tempo FROM given").item() == 200
