"""An ingest of tensors and sounds that is killed at any moment: nothing is lost, doubled or half visible."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mirstore.store import Store
from mirstore.store.lake.doctor import doctor

rounds = int(os.environ.get("MIRSTORE_KILL_ROUNDS", "10"))
tracks = 10
script = """
import sys
import mirstore.store.ingest.committer as committer
import mirstore.store.ingest.run as run
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.entries import FeatureEntry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.ingest.sources import find
committer.batch_bytes = 3 << 20  # many commits
registry = Registry.load()
registry.features["big"] = FeatureEntry(extractor="big", params={"megabytes": 1.0})
registry.features["loud"] = FeatureEntry(extractor="level", inputs={"audio": "halves.loud"})
wanted = resolve(["big", "halves", "loud", "big-mean"], registry, Plugins.installed())
print("begins", flush=True)
with Store(sys.argv[1], create=True) as store:
    run.ingest(store, find([sys.argv[2]]), wanted, workers=2).result()
"""


def start(store: Path, music: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", script, str(store), str(music)], stdout=subprocess.PIPE)
    with process.stdout as said:
        assert said.readline() == b"begins\n"
    return process


def check(folder: Path) -> dict[str, int]:
    """Say how many tracks have each feature, after looking at every value."""
    found = {}
    with Store(folder) as store:
        assert doctor(store) == []
        for name in store.names():
            frame = store.features(name)
            assert frame["track"].is_unique().all()
            found[name] = frame.height
        for reader in [store.tensors("big")] if "big" in found else []:
            for track, value in zip(reader.tracks, reader, strict=True):
                rng = np.random.default_rng(int(track[:8], 16))
                np.testing.assert_array_equal(value, rng.integers(0, 2000, (2, 1 << 18), np.int16).astype(np.float16))
        for column in ("quiet", "loud") if "halves" in found else ():
            assert all(value.any() for value in store.tensors("halves", column=column))
        ledger = store.sql("SELECT count(*) AS n FROM failures")["n"][0]
        assert ledger == 0
    return found


def check_the_end(folder: Path) -> None:
    assert check(folder) == dict.fromkeys(["big", "halves", "loud", "big-mean"], tracks)
    assert list((folder / "jobs").iterdir()) == []
    with Store(folder) as store:
        store.gc(0)
        named = set(store.scan("core.packs").collect()["path"])
    there = {str(path.relative_to(folder)) for path in (folder / "tensors").rglob("*") if path.is_file()}
    assert there == named


@pytest.mark.slow
def test_an_ingest_of_tensors_that_is_killed_at_any_moment_loses_doubles_and_shows_halves_of_nothing(
    tmp_path, make_wav, test_plugins
):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng, noise = random.Random(seed), np.random.default_rng(0)
    for number in range(tracks):
        make_wav(tmp_path / "music" / f"{number}.wav", noise.uniform(-1, 1, 8000), 8000)
    begun = time.monotonic()
    assert start(tmp_path / "whole", tmp_path / "music").wait(300) == 0
    whole = time.monotonic() - begun
    check_the_end(tmp_path / "whole")
    killed = stores = 0
    while killed < rounds:
        folder = tmp_path / f"store-{stores}"
        process = start(folder, tmp_path / "music")
        try:
            code = process.wait(rng.uniform(0, whole))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
            if (folder / "catalog.sqlite").exists():
                check(folder)
        else:
            assert code == 0
            check_the_end(folder)
            stores += 1
    assert start(folder, tmp_path / "music").wait(300) == 0
    check_the_end(folder)
