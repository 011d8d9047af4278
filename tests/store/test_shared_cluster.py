"""A cluster whose workers see neither the store's folder nor each other's: what they make goes through the bucket."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from dask_cluster import DaskCluster
from done import ingest
from polars.testing import assert_frame_equal
from servers import Servers

from mirstore.core.bucket import Bucket
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ClusterError, StoreError
from mirstore.core.events import Progress
from mirstore.core.guest import Needs
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.ingest import committer
from mirstore.store.ingest.run import ingest as ingesting
from mirstore.store.ingest.sources import find
from mirstore.store.lake.doctor import doctor

pytestmark = pytest.mark.slow  # servers, a scheduler and workers

rng = np.random.default_rng(440)
tensors = ("mfcc", "mfcc-percussive")
numbers = ("mfcc-stats", "mfcc-stats-percussive")


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    import soundfile

    folder = tmp_path_factory.mktemp("music")
    for number in range(6):
        samples = 0.1 * (number + 1) * rng.uniform(-1, 1, 22050 * 2)
        soundfile.write(folder / f"{number}.wav", samples, 22050, subtype="PCM_16")
    return folder


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Each machine has a cache of its own; this one is the committer's."""
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "here"))
    return [tmp_path / "there", tmp_path / "elsewhere"]


@pytest.fixture
def cluster(tmp_path, plugin_path, caches, servers):
    with DaskCluster(tmp_path, 0, plugin_path) as cluster:
        for cache in caches:
            cluster.add(wait=False, variables={"MIRSTORE_CACHE": str(cache)})
        cluster.wait_for(2)
        yield cluster


def features(*names: str, **entries: dict):
    registry = Registry.load()
    registry.features.update({name.replace("_", "-"): FeatureEntry(**entry) for name, entry in entries.items()})
    return resolve([*(name.replace("_", "-") for name in entries), *names], registry, Plugins.installed())


def packs(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.safetensors")}


def test_values_are_those_of_one_machine_and_nothing_passes_through_the_committer(
    servers: Servers, cluster, caches, music, tmp_path
):
    with Store(servers.new_store(), create=True) as far, Store(tmp_path / "near", create=True) as near:
        for names in (
            ["mfcc"],
            [*numbers, *tensors],
        ):  # the second reads tensors that are stored, and some that are not
            summary = ingest(far, find([music]), features(*names), executor=cluster.address)
            assert {counts["failed"] for counts in summary.features.values()} == {0}
            ingest(near, find([music]), features(*names))
        assert packs(tmp_path / "here") == set()
        assert not [path for path, _ in far.home.bucket.list("jobs")]
        assert not any(path for cache in caches for path in cache.glob("stores/*/away/*/jobs/*/*"))
        for name in numbers:
            assert_frame_equal(far.features(name).sort("track"), near.features(name).sort("track"))
        for name in tensors:
            here, there = near.tensors(name), far.tensors(name)
            assert here.tracks == there.tracks
            assert len(here) == 6
            assert all(np.array_equal(here[i], there[i]) for i in range(6))
        assert doctor(far, deep=True) == []
        again = ingest(far, find([music]), features(*numbers), executor=cluster.address)
        assert {counts["ok"] for counts in again.features.values()} == {0}


def test_tensors_are_read_wherever_a_case_of_an_experiment_runs(servers: Servers, caches, music, tmp_path):
    with Store(servers.new_store(), create=True) as store:
        ingest(store, find([music]), features("mfcc"))
        reader = store.tensors("mfcc")
        (tmp_path / "reader").write_bytes(pickle.dumps(reader))
        code = "import pickle, sys; print(sum(float(x.sum()) for x in pickle.load(open(sys.argv[1], 'rb'))))"
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "reader"],
            env={**os.environ, "MIRSTORE_CACHE": str(tmp_path / "yonder")},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert float(done.stdout) == sum(float(x.sum()) for x in reader)
        assert packs(tmp_path / "yonder") == packs(tmp_path / "here") != set()


def test_a_worker_that_is_killed_costs_nothing(servers: Servers, cluster, caches, music, test_plugins):
    slow = {"slow": {"extractor": "slow@1", "params": {"delay": 1.0, "quiet": True}}}
    with Store(servers.new_store(), create=True) as store:
        events = ingesting(store, find([music]), features("mfcc", **slow), executor=cluster.address)
        for event in events:
            if isinstance(event, Progress) and event.done == 1:
                threading.Thread(target=cluster.kill_a_worker).start()
        assert len(store.tensors("mfcc")) == 6
        assert doctor(store, deep=True) == []


def test_workers_that_do_not_reach_the_bucket_are_refused_before_anything_runs(
    servers: Servers, tmp_path, plugin_path, caches, music
):
    with DaskCluster(tmp_path, 0, plugin_path) as cluster, Store(servers.new_store(), create=True) as store:
        cluster.add(variables={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
        with pytest.raises(ClusterError, match="does not reach the store's bucket"):
            ingest(store, find([music]), features("mfcc"), executor=cluster.address)
        assert store.sql("FROM failures").is_empty()


def test_a_worker_that_sees_another_bucket_says_so(servers: Servers):
    with Store(servers.new_store(), create=True) as store:
        assert Needs({}, bucket=store.home.bucket).lacking() == ""
        assert "does not see the store's data" in Needs({}, bucket=Bucket("s3://lake/another")).lacking()


def test_what_a_worker_cannot_write_another_does_or_the_next_ingest(
    servers: Servers, tmp_path, plugin_path, music, test_plugins, monkeypatch
):
    wanted = features(halves={"extractor": "halves@1"}, stem_levels={"extractor": "stem-levels@1"})
    with DaskCluster(tmp_path, 0, plugin_path) as cluster, Store(servers.new_store(), create=True) as store:
        (tmp_path / "full").touch()
        cluster.add(variables={"MIRSTORE_CACHE": str(tmp_path / "full")})
        summary = ingest(store, find([music]), wanted, executor=cluster.address)
        assert [counts["failed"] for counts in summary.features.values()] == [6, 6]
        assert summary.unreached == 12
        assert store.sql("FROM failures").is_empty()
        assert store.recorded("core.extractions").collect().is_empty()
        with monkeypatch.context() as impatient:
            impatient.setattr(committer, "hopeless", 3)
            with pytest.raises(StoreError, match="for 3 tracks in a row; the last one: worker tcp"):
                ingest(store, find([music]), wanted, executor=cluster.address)
        assert not [path for path, _ in store.home.bucket.list("jobs")]

        cluster.add(variables={"MIRSTORE_CACHE": str(tmp_path / "there")})
        summary = ingest(store, find([music]), wanted, executor=cluster.address)
        assert [counts["ok"] for counts in summary.features.values()] == [6, 6]
        assert summary.unreached == 0
        assert doctor(store, deep=True) == []
