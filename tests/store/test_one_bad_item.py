"""One bad item costs that item: whatever a file holds, an extractor returns, raises or does to its process."""

from __future__ import annotations

import errno
import os
import subprocess

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from done import ingest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inline import here

from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import StoreError
from mirstore.core.plugins import Plugins
from mirstore.core.pool import capped, most_output
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.workers import Limits
from mirstore.store import Store
from mirstore.store.ingest.sources import find
from mirstore.store.lake.commit_in_halves import commit_in_halves
from mirstore.store.lake.doctor import doctor
from mirstore.store.lake.transaction import Transaction

pytestmark = pytest.mark.slow  # processes by the dozen

rng = np.random.default_rng(440)
names = ["one", "two", "bad", "three"]


@pytest.fixture
def music(tmp_path, make_wav):
    folder = tmp_path / "music"
    for number, name in enumerate(names):
        make_wav(folder / f"{name}.wav", 0.1 * (number + 1) * rng.uniform(-1, 1, 22050 * 2))
    return folder


def features(*names: str, **entries: dict):
    registry = Registry.load()
    registry.features.update({name.replace("_", "-"): FeatureEntry(**entry) for name, entry in entries.items()})
    return resolve([*(name.replace("_", "-") for name in entries), *names], registry, Plugins.installed())


def failures(store):
    return {
        (os.path.basename(row["path"]), row["feature"]): (row["error"], row["message"])
        for row in store.sql("SELECT * FROM failures").iter_rows(named=True)
    }


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("int32", "wrong value", "column 'small': is 2147483648, which does not fit int32"),
        ("int64", "wrong value", "which does not fit int64"),
        ("float", "wrong value", "column 'level': is 1e+39, which does not fit float32"),
        ("huge", "wrong value", "does not fit float32"),
        ("surrogate", "wrong value", "column 'text': has no UTF-8 form: '\\udce9' at 3"),
        ("nul", "wrong value", "has a character NUL"),
        ("book", "wrong value", "has 100,000,000 characters; 1,048,576 are the most"),
        ("object", "wrong value", "expected text, got <class 'object'>"),
        ("message", "no beats \\udce9", "no beats in "),
        ("error", "ValueError", "no beats in "),
        ("long", "ValueError", "characters)"),
        ("local", "LocalError", "cannot travel"),
    ],
)
def test_what_cannot_be_stored_costs_its_track_and_feature(store, music, test_plugins, how, error, message):
    for path in music.glob("*.wav"):  # names that are no text
        os.rename(path, os.fsencode(path).replace(b".wav", b"-caf\xe9.wav"))
    wanted = features("rms-segments", poison={"extractor": "poison@1", "params": {"how": how}})
    summary = ingest(store, find([music]), wanted, pool=here)
    ((name, feature),) = failures(store)
    found_error, found_message = failures(store)[name, feature]
    assert (name, feature) == ("bad-caf\\xe9.wav", "poison")
    assert found_error.startswith(error)
    assert message in found_message
    assert len(found_message) < 5000
    assert store.features("poison").height == 3
    assert (summary.features["poison"]["ok"], summary.features["rms-segments"]["ok"]) == (3, 4)
    again = ingest(store, find([music]), wanted, pool=here)
    assert again.features["poison"] == {"id": wanted["poison"].id, "ok": 0, "failed": 1, "fresh": 3}


def test_a_file_at_which_the_decoder_itself_fails_costs_that_file(store, music, shared, test_plugins):
    damaged = bytearray((shared / "data/torture/trunc100b.wma").read_bytes())
    damaged[51] = 0xDA  # PyAV seeks to a negative place: OSError
    (music / "bad.wma").write_bytes(damaged)
    ingest(store, find([music]), features("rms-segments"), workers=2)
    ((name, _),) = failures(store)
    assert name == "bad.wma"
    assert store.features("rms-segments")["track"].n_unique() == 4


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("soxr"), MemoryError(), SystemExit()])
def test_whatever_decoding_raises_costs_that_file(store, music, test_plugins, monkeypatch, error):
    from mirstore.core import audio

    decode = audio.decode

    def failing(path, **more):
        if path.name == "bad.wav":
            raise error
        return decode(path, **more)

    monkeypatch.setattr(audio, "decode", failing)
    ingest(store, find([music]), features("rms-segments"), pool=here)
    ((name, feature),) = failures(store)
    assert (name, feature) == ("bad.wav", "rms-segments")
    assert store.features("rms-segments")["track"].n_unique() == 3


@pytest.mark.parametrize("how", ["float", "fork", "child", "close", "chdir", "ignore"])
def test_who_spoils_its_process_costs_no_other(store, music, test_plugins, how):
    spoilt = {"extractor": "a-spoils@1", "params": {"how": how}}
    wanted = features("rms-segments", spoilt=spoilt, slow={"extractor": "slow@1", "params": {"delay": 0.0}})
    ingest(store, find([music]), wanted, workers=1)
    assert {feature for _, feature in failures(store)} <= {"spoilt"}
    assert store.features("rms-segments")["track"].n_unique() == 4
    assert sorted(store.features("slow")["seconds"]) == [2.0] * 4
    assert doctor(store) == []


def test_a_crash_is_the_fault_of_the_extractor_that_crashed_and_not_of_its_neighbours(store, music, test_plugins):
    crash = {"extractor": "a-spoils@1", "params": {"how": "crash"}}
    ingest(store, find([music]), features("rms-segments", "slow", crash=crash), workers=2)
    assert {key: error for key, (error, _) in failures(store).items()} == {("bad.wav", "crash"): "crashed"}


def test_nothing_that_a_plugin_started_outlives_the_ingest(store, music, test_plugins):
    for how in ("child", "fork", "crash"):
        ingest(store, find([music]), features(spoilt={"extractor": "a-spoils@1", "params": {"how": how}}), workers=2)
    running = subprocess.run(["ps", "-ww", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    here = os.environ["PYTHONPATH"].split(os.pathsep)[0]  # of this test alone; a worker is given its path
    assert not [line for line in running.splitlines() if here in line or str(music) in line]


def test_what_a_plugin_prints_is_capped(store, music, test_plugins, capsys):
    ingest(store, find([music]), features(spoilt={"extractor": "a-spoils@1", "params": {"how": "print"}}))
    printed = capsys.readouterr().err
    assert most_output <= len(printed) < most_output + 1000
    assert capped in printed
    assert failures(store) == {}


def test_an_extractor_that_always_fails_costs_few_new_processes(store, tmp_path, make_wav, test_plugins, monkeypatch):
    from mirstore.core.pool import _Worker

    started = []
    start = _Worker._start
    monkeypatch.setattr(_Worker, "_start", lambda self: (started.append(1), start(self))[1])
    for number in range(20):
        make_wav(tmp_path / "many" / f"bad{number}.wav", 0.01 * (number + 1) * rng.uniform(-1, 1, 5000))
    ingest(store, find([tmp_path / "many"]), features("raises", "rms-segments"))
    assert len(failures(store)) == 20
    assert len(started) <= 12  # three are tried again alone, each in a new process and before a new one


# The safety net: what no check foresaw.


errors = [pa.ArrowInvalid("too large"), duckdb.ConversionException("no"), UnicodeError("no"), KeyError("x")]


@given(bad=st.sets(st.integers(0, 7)), error=st.sampled_from(errors))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_that_the_store_refuses_become_failures_and_the_others_are_kept(
    tmp_path_factory, test_plugins, error, bad
):
    folder = tmp_path_factory.mktemp("refused")
    append = Transaction.append_features

    def refusing(self, feature, rows, **stamp):
        if feature.name == "slow" and any(round(row["seconds"] * 100) - 11 in bad for row in rows):
            raise error
        return append(self, feature, rows, **stamp)

    import soundfile

    for number in range(8):
        soundfile.write(folder / f"{number}.wav", 0.1 * rng.uniform(-1, 1, 80 * (11 + number)), 8000)
    wanted = features("rms-segments", slow={"extractor": "slow@1", "params": {"delay": 0.0}})
    with pytest.MonkeyPatch.context() as patch, Store(folder / "store", create=True) as store:
        patch.setattr(Transaction, "append_features", refusing)
        summary = ingest(store, find([folder]), wanted, pool=here)
        found = failures(store)
        assert set(found) == {(f"{number}.wav", "slow") for number in bad}
        assert all(reason == "not stored" for reason, _ in found.values())
        assert summary.features["slow"]["ok"] == 8 - len(bad)
        assert summary.features["slow"]["failed"] == len(bad)
        assert summary.features["rms-segments"]["ok"] == 8
        assert store.features("rms-segments")["track"].n_unique() == 8
        assert store.sql("SELECT count(*) AS n FROM tracks WHERE duration > 0")["n"][0] == 8


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), duckdb.IOException("gone")])
def test_a_store_that_cannot_be_written_ends_the_ingest_at_once(store, music, test_plugins, monkeypatch, error):
    tried = []

    def failing(self, feature, rows, **stamp):
        tried.append(len(rows))
        raise error

    monkeypatch.setattr(Transaction, "append_features", failing)
    with pytest.raises(StoreError):
        ingest(store, find([music]), features("slow"), pool=here)
    assert tried == [4]


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_halves_find_exactly_what_is_bad_and_commit_the_rest_once(good):
    kept, refused = [], []

    def commit(items):
        if not all(good[item] for item in items):
            raise ValueError
        kept.extend(items)

    commit_in_halves(range(len(good)), commit, lambda item, error: refused.append(item))
    assert kept == [item for item, fine in enumerate(good) if fine]
    assert refused == [item for item, fine in enumerate(good) if not fine]


def test_limits_hold_for_a_worker_that_replaces_a_dead_one(store, music, test_plugins):
    both = features("memory", crash={"extractor": "a-spoils@1", "params": {"how": "crash"}})
    ingest(store, find([music]), both, limits=Limits(memory=1 << 30))
    errors = {key: error for key, (error, _) in failures(store).items()}
    assert errors == {("bad.wav", "crash"): "crashed", ("bad.wav", "memory"): "out of memory"}
