"""Stems, words, notes and what reads them, through an ingest and out of the store again."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from done import ingest, prepare
from inline import here

from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import StoreError, TrackError, UsageError
from mirstore.core.events import Started
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.export import wide_table
from mirstore.store.ingest import run as ingesting
from mirstore.store.ingest.plan import Need
from mirstore.store.ingest.sources import find
from mirstore.store.ingest.status import status
from mirstore.store.lake.doctor import doctor

rng = np.random.default_rng(440)


@pytest.fixture
def music(tmp_path, make_wav, test_plugins):
    """Two songs and an instrumental of a second each."""
    for number, name in enumerate(["one", "two", "instrumental"]):
        make_wav(tmp_path / "music" / f"{name}.wav", 0.1 * (number + 1) * rng.uniform(-1, 1, 8000), 8000)
    return tmp_path / "music"


def registered(**entries: dict) -> Registry:
    registry = Registry.load()
    registry.features.update({name.replace("_", "-"): FeatureEntry(**entry) for name, entry in entries.items()})
    return registry


def take(store, music, *names: str, **entries: dict):
    """Ingest some features after registry entries; return what the ingest says of each."""
    wanted = resolve(names, registered(**entries), Plugins.installed())
    return ingest(store, find([music]), wanted, pool=here).as_dict()["features"]


def packs(store) -> list[Path]:
    return sorted((store.path / "tensors").rglob("*"))


def test_a_sound_comes_out_of_the_store_as_it_was_made(store, music):
    take(store, music, "halves", "level")
    levels = store.features("level")
    sounds = store.sounds("halves", levels["track"].to_list(), "loud")
    assert len(sounds) == 3
    for sound, rms in zip(sounds, levels["rms"], strict=True):
        assert (sound.sr, sound.channels, sound.duration) == (8000, 1, 1.0)
        assert np.sqrt(np.mean(np.square(sound.samples))) == pytest.approx(4 * rms, rel=1e-4)
        assert sound.wav()[:4] == b"RIFF"
    tensors = store.tensors("halves", column="quiet")
    assert tensors[0].shape == (8000,)
    np.testing.assert_array_equal(tensors.crop(0, 100, 200), tensors[0][100:200])
    assert doctor(store) == []


def test_sql_shows_where_a_sound_lies_and_how_it_is(store, music):
    take(store, music, "halves")
    row = store.sql("SELECT loud.sr, loud.channels, loud.samples, loud.scale, loud.pack FROM halves").row(0, named=True)
    assert (row["sr"], row["channels"], row["samples"]) == (8000, 1, 8000)
    assert 0 < row["scale"] < 1e-3
    assert f"{row['pack']}.safetensors" in [path.name for path in packs(store)]


def test_tensors_are_no_sounds_to_play(store, music):
    take(store, music, "big", big={"extractor": "big", "params": {"megabytes": 0.1}})
    with pytest.raises(UsageError, match="features 'big' have tensors, no sounds"):
        store.sounds("big")


def test_one_commit_makes_one_pack_per_feature_set_and_leaves_nothing_of_the_jobs(store, music):
    take(store, music, "halves", "big", big={"extractor": "big", "params": {"megabytes": 0.1}})
    assert sum(path.suffix == ".safetensors" for path in packs(store)) == 2
    assert list((store.path / "jobs").iterdir()) == []


@pytest.mark.slow
def test_what_reads_stored_values_gets_what_it_gets_in_one_ingest(tmp_path, music):
    entry = {"big": {"extractor": "big", "params": {"megabytes": 0.1}}}
    with Store(tmp_path / "a", create=True) as a, Store(tmp_path / "b", create=True) as b:
        take(a, music, "big-mean", "stem-levels", **entry)
        for name in ("big", "big-mean", "halves", "stem-levels"):
            take(b, music, name, **entry)
        for name in ("big-mean", "stem-levels"):
            assert a.features(name).sort("track").equals(b.features(name).sort("track"))


@pytest.mark.parametrize("at_once", [True, False])
def test_no_rows_are_an_answer_in_whatever_order_things_are_ingested(store, music, at_once):
    if not at_once:
        assert take(store, music, "words")["words"]["ok"] == 3
    counts = take(store, music, "word-count")
    assert counts["word-count"]["failed"] == 0
    table = store.sql('SELECT path, words FROM "word-count" JOIN tracks USING (track)')
    assert {Path(path).stem: words for path, words in table.iter_rows()} == {"one": 3, "two": 3, "instrumental": 0}


def test_notes_that_begin_at_once_come_in_one_order_everywhere(store, music):
    take(store, music, "notes", "pitches")
    notes = store.features("notes")
    for _, group in notes.group_by("track"):
        assert " ".join(map(str, group["pitch"])) == store.features("pitches")["pitches"][0] == "60 60 64 67 60"
    take(store, music, "again", again={"extractor": "pitches", "inputs": {"notes": "notes"}})
    assert store.features("again")["pitches"].unique().to_list() == ["60 60 64 67 60"]


def test_rows_at_other_times_are_not_joined_in_silence(store, music):
    take(store, music, "words", "seconds", "level")
    for ask in (lambda: store.features(["level", "words", "seconds"]), lambda: wide_table(store, ["words", "seconds"])):
        with pytest.raises(UsageError, match="features 'words' and 'seconds' have rows at different times") as caught:
            ask()
        assert caught.value.hint == (
            "read one of them through an aggregator: a mean, std, histogram or per-second of 'seconds'"
        )


def test_rows_on_one_grid_are_joined_by_their_times(store, music):
    take(store, music, "seconds", "thrice", "level", thrice={"extractor": "seconds", "params": {"factor": 3.0}})
    wide = store.features(["seconds", "thrice", "level"])
    assert wide.height == 9
    assert (wide["thrice.v"] == 3 * wide["seconds.v"]).all()
    assert wide["start"].to_list() == [0.0, 1.0, 2.0] * 3


def test_several_rows_at_one_time_meet_those_of_the_same_rank(store, music):
    take(store, music, "notes")
    notes = store.features(["notes", f"notes@{store.resolve('notes')}"])
    assert notes.height == 15
    assert (notes["notes.pitch"] == notes[:, -2]).all()


def test_what_hears_a_stem_is_a_registry_entry(store, music):
    entry = {"loud_level": {"extractor": "level", "inputs": {"audio": "halves.loud"}}}
    take(store, music, "level", "loud-level", **entry)
    both = store.features(["level", "loud-level"])
    assert both["loud-level.rms"].to_list() == pytest.approx((4 * both["level.rms"]).to_list(), rel=1e-4)
    about = store.about("loud-level")
    assert about["inputs"] == {"audio.loud": store.resolve("halves")}
    other = {"loud_level": {"extractor": "level", "inputs": {"audio": "halves.quiet"}}}
    (need,) = prepare(store, find([music]), resolve(["loud-level"], registered(**other), Plugins.installed())).needs
    assert need.why == "upstream audio.quiet"


@pytest.fixture
def unkept(tmp_path):
    return {
        "halves": {"extractor": "halves", "params": {"log": str(tmp_path / "log")}, "keep": False},
        "loud_level": {"extractor": "level", "inputs": {"audio": "halves.loud"}},
    }


def made(tmp_path) -> int:
    """How often halves were computed."""
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_is_not_kept_is_computed_once_for_all_that_read_it(store, music, tmp_path, unkept):
    counts = take(store, music, "stem-levels", "loud-level", **unkept)
    assert [counts[name]["ok"] for name in ("halves", "stem-levels", "loud-level")] == [3, 3, 3]
    assert made(tmp_path) == 3
    assert packs(store) == []
    ledger = pl.read_parquet(store.files("core.extractions")).filter(pl.col("feature_set") == store.resolve("halves"))
    assert ledger["status"].to_list() == ["not kept"] * 3
    assert (ledger["seconds"] > 0).all()
    take(store, music, "stem-levels", "loud-level", **unkept)
    assert made(tmp_path) == 3


def test_what_is_not_kept_is_computed_again_only_where_a_reader_is_missing(store, music, tmp_path, unkept, make_wav):
    take(store, music, "stem-levels", **unkept)
    make_wav(music / "new.wav", 0.5 * rng.uniform(-1, 1, 8000), 8000)
    registry = registered(**unkept)
    plan = prepare(store, find([music]), resolve(["stem-levels"], registry, Plugins.installed()))
    needs = {need.feature: need for need in plan.needs}
    assert list(needs) == ["halves", "stem-levels"]
    assert (needs["halves"].tracks, needs["halves"].why) == (1, "not kept")
    assert needs["halves"].seconds > 0
    assert isinstance(needs["halves"], Need)
    take(store, music, "stem-levels", **unkept)
    assert made(tmp_path) == 4
    take(store, music, "loud-level", **unkept)
    assert made(tmp_path) == 8


def test_values_that_were_kept_before_are_used(store, music, tmp_path, unkept):
    kept = {**unkept, "halves": {**unkept["halves"], "keep": True}}
    take(store, music, "halves", **kept)
    take(store, music, "loud-level", **unkept)
    assert made(tmp_path) == 3
    assert len(store.sounds("halves", column="loud")) == 3


def test_values_that_nobody_kept_cannot_be_asked_for(store, music, unkept):
    take(store, music, "stem-levels", **unkept)
    for ask in (
        lambda: store.features("halves"),
        lambda: store.features(["stem-levels", "halves"]),
        lambda: store.tensors("halves", column="loud"),
        lambda: store.sounds("halves", column="loud"),
        lambda: store.sql("SELECT * FROM halves"),
        lambda: store.sql('SELECT * FROM "Halves"'),
        lambda: wide_table(store, ["halves"]),
    ):
        with pytest.raises(UsageError, match=r"features '[hH]alves' are not kept"):
            ask()
    state = {row["feature"]: row for row in status(store, registered(**unkept), Plugins.installed())}
    assert (state["halves"]["ok"], state["halves"]["state"]) == (0, "not kept: computed for what reads it")
    assert store.sql("SELECT ok, failed FROM features WHERE feature = 'halves'").row(0) == (0, 0)


def states(store, **entries: dict) -> dict:
    return {row["feature"]: row for row in status(store, registered(**entries), Plugins.installed())}


def test_an_ingest_that_was_stopped_before_any_track_leaves_all_of_them_missing(store, music, unkept):
    wanted = resolve(["stem-levels"], registered(**unkept), Plugins.installed())
    with ingesting.ingest(store, find([music]), wanted, pool=here) as events:
        next(event for event in events if event == Started("extract", 3))
    missing = {name: row["missing"] for name, row in states(store, **unkept).items()}
    assert missing == {"stem-levels": 3, "halves": 0}  # which is computed for others


def test_values_that_are_kept_under_another_name_are_not_said_to_be_not_kept(store, music, unkept):
    stored = {"extractor": "halves", "params": unkept["halves"]["params"]}
    take(store, music, "stored", stored=stored, **unkept)
    take(store, music, "stem-levels", **unkept)
    found = states(store, stored=stored, **unkept)
    assert found["stored"]["id"] == found["halves"]["id"]
    assert [(found[name]["ok"], found[name]["state"]) for name in ("stored", "halves")] == [(3, "current")] * 2


def test_what_nobody_kept_is_missing_where_the_registry_keeps_it_now(store, music, unkept):
    take(store, music, "stem-levels", **unkept)
    kept = {**unkept, "halves": {**unkept["halves"], "keep": True}}
    assert states(store, **kept)["halves"]["missing"] == 3


def test_an_ingest_that_would_keep_nothing_says_so(store, music, unkept):
    with pytest.raises(UsageError, match="features 'halves' are not kept, so there is nothing to compute"):
        take(store, music, "halves", **unkept)


def test_a_failure_of_what_is_not_kept_is_one_like_any_other(store, music, tmp_path):
    entries = {
        "liar": {"extractor": "liar", "params": {"how": "nan"}, "keep": False},
        "heard": {"extractor": "level", "inputs": {"audio": "liar"}},
    }
    counts = take(store, music, "heard", **entries)
    assert (counts["liar"]["failed"], counts["heard"]["failed"]) == (3, 3)
    errors = store.sql("SELECT DISTINCT feature, error FROM failures ORDER BY feature").rows()
    assert errors == [("heard", "upstream"), ("liar", "wrong value")]


def test_an_altered_pack_costs_the_tracks_that_read_it_and_is_named(store, music):
    take(store, music, "halves", "level")
    (pack,) = (path for path in packs(store) if path.suffix == ".safetensors")
    data = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(data[:-10])
    counts = take(store, music, "stem-levels")
    assert counts["stem-levels"]["failed"] == 3
    errors = store.sql("SELECT DISTINCT error, message FROM failures").rows()
    assert [error for error, _ in errors] == ["damaged"]
    assert str(pack) in errors[0][1]
    with pytest.raises(TrackError, match="bytes, which its header does not say"):
        store.sounds("halves", column="loud")[0]
    assert store.features("level").height == 3


def test_a_worker_that_is_killed_while_it_writes_costs_nothing(store, music, tmp_path):
    (tmp_path / "once").touch()
    entry = {"extractor": "dying", "params": {"megabytes": 4.0, "once": str(tmp_path / "once")}}
    wanted = resolve(["dying"], registered(dying=entry), Plugins.installed())
    summary = ingest(store, find([music]), wanted).as_dict()["features"]["dying"]
    assert not (tmp_path / "once").exists()
    assert (summary["ok"], summary["failed"]) == (3, 0)
    reader = store.tensors("dying")
    for track, value in zip(reader.tracks, reader, strict=True):
        expected = np.random.default_rng(int(track[:8], 16)).integers(0, 2000, value.shape, np.int16)
        np.testing.assert_array_equal(value, expected.astype(np.float16))
    assert list((store.path / "jobs").iterdir()) == []
    assert doctor(store) == []


def test_a_disk_that_is_full_ends_the_ingest_at_once(store, music, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("mirstore.core.workers.put", full)
    with pytest.raises(StoreError, match=r"a worker cannot write: .*: no space left on device"):
        take(store, music, "halves")
    assert list((store.path / "jobs").iterdir()) == []


def leave_an_orphan(store) -> Path:
    folder = store.path / "jobs" / "0123456789ab"
    (folder / "track").mkdir(parents=True)
    (folder / "lock").touch()
    (folder / "track" / "some.safetensors").write_bytes(b"half")
    return folder


def test_what_a_killed_ingest_left_of_its_jobs_is_removed_by_gc(store):
    folder = leave_an_orphan(store)
    files = [folder / "lock", folder / "track" / "some.safetensors"]
    assert sorted(store.gc(dry_run=True)) == files
    assert folder.exists()
    assert sorted(store.gc()) == files
    assert not folder.exists()


def test_what_a_killed_ingest_left_of_its_jobs_is_removed_by_the_next(store, music):
    folder = leave_an_orphan(store)
    take(store, music, "level")
    assert not folder.exists()


def test_what_a_running_ingest_has_of_its_jobs_stays(store, music):
    folder = leave_an_orphan(store)
    with open(folder / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        take(store, music, "level")
        assert store.gc() == []
    assert folder.exists()


def test_nothing_behind_a_link_is_removed(store, tmp_path):
    (tmp_path / "elsewhere" / "0123456789ab").mkdir(parents=True)
    (store.path / "jobs").symlink_to(tmp_path / "elsewhere")
    assert store.gc() == []
    assert (tmp_path / "elsewhere" / "0123456789ab").exists()
    assert store.links() == [store.path / "jobs"]


peak = """
import sys
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.entries import FeatureEntry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.ingest.run import ingest
from mirstore.store.ingest.sources import find
registry = Registry.load()
registry.features["big"] = FeatureEntry(extractor="big", params={"megabytes": float(sys.argv[3])})
with Store(sys.argv[1], create=True) as store:
    for name in ("big", "big-mean"):
        ingest(store, find([sys.argv[2]]), resolve([name], registry, Plugins.installed()), workers=1).result()
for line in open("/proc/self/status"):  # ru_maxrss begins with that of the process that started this one
    if line.startswith("VmHWM"):
        print(int(line.split()[1]) >> 10)
"""


@pytest.mark.slow
def test_what_the_committing_process_needs_does_not_grow_with_tensors(tmp_path, make_wav, test_plugins):
    for number in range(24):
        make_wav(tmp_path / "music" / f"{number}.wav", rng.uniform(-1, 1, 2000), 8000)

    def megabytes(size: float) -> int:
        command = [sys.executable, "-c", peak, str(tmp_path / f"store-{size}"), str(tmp_path / "music"), str(size)]
        environment = os.environ | {"POLARS_MAX_THREADS": "2"}
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)

    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux, to know the peak of a process")
    small, large = megabytes(0.01), megabytes(24.0)
    assert large < small + 60, f"{small} MB with 0.2 MB of tensors, {large} MB with 576 MB"
