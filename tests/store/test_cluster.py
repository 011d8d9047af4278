"""A Dask cluster computes what local processes compute, and whatever becomes of it costs nothing that is committed."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from done import ingest
from polars.testing import assert_frame_equal

from mirstore.core import cluster as core_cluster
from mirstore.core.cluster import Cluster, ClusterPool
from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ClusterError, UsageError
from mirstore.core.events import Progress
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Job
from mirstore.core.plugins import Plugins
from mirstore.core.pool import Crew
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.workers import Limits
from mirstore.store import Store
from mirstore.store.ingest.run import ingest as ingesting
from mirstore.store.ingest.sources import find
from mirstore.store.lake.doctor import doctor

pytestmark = pytest.mark.slow  # a scheduler and workers

rng = np.random.default_rng(440)


@pytest.fixture
def music(tmp_path, make_wav):
    folder = tmp_path / "music"
    for number, name in enumerate(["one", "two", "bad", "three", "four", "five"]):
        make_wav(folder / f"{name}.wav", 0.1 * (number + 1) * rng.uniform(-1, 1, 22050 * 2))
    return folder


def features(*names: str, **entries: dict):
    registry = Registry.load()
    registry.features.update({name.replace("_", "-"): FeatureEntry(**entry) for name, entry in entries.items()})
    return resolve([*(name.replace("_", "-") for name in entries), *names], registry, Plugins.installed())


def slow(delay: float = 0.5) -> dict:
    return {"slow": {"extractor": "slow@1", "params": {"delay": delay, "quiet": True}}}


def failures(store):
    rows = store.sql("SELECT * FROM failures").iter_rows(named=True)
    return {(os.path.basename(row["path"]), row["feature"]): row["error"] for row in rows}


def in_a_moment(seconds, call):
    timer = threading.Timer(seconds, call)
    timer.start()
    return timer


def ingest_and(store, wanted, files, calls, **options):
    """Ingest, and call what is due once so many tracks are done: a machine may be as slow as it likes."""
    job = ingesting(store, find([files]), wanted, **options)
    for event in job:
        if isinstance(event, Progress) and event.stage == "extract":
            while calls and event.done >= min(calls):
                calls.pop(min(calls))()
    return job.result()


def test_the_results_are_those_of_local_processes_bit_for_bit(dask_cluster, tmp_path, music, test_plugins, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the workers are elsewhere
    wanted = features("rms-segments", "mfcc-stats", "mel")
    with Store(tmp_path / "local", create=True) as local, Store("dask", create=True) as dask:
        ingest(local, find([music]), wanted, workers=2)
        summary = ingest(dask, find([music]), wanted, executor=dask_cluster.address)
        assert summary.features["mel"]["ok"] == 6
        for name in ("rms-segments", "mfcc-stats"):
            order = ["track", "start"] if name == "rms-segments" else ["track"]
            assert_frame_equal(local.features(name).sort(order), dask.features(name).sort(order), check_exact=True)
        ours, theirs = local.tensors("mel"), dask.tensors("mel")
        there = {track: index for index, track in enumerate(theirs.tracks)}
        assert all(np.array_equal(ours[n], theirs[there[track]]) for n, track in enumerate(ours.tracks))


@pytest.mark.parametrize("how", ["crash", "float", "fork", "close", "child"])
def test_who_spoils_or_crashes_its_process_costs_its_track_and_no_worker(dask_cluster, store, music, test_plugins, how):
    before = workers_of(dask_cluster)
    wanted = features("rms-segments", "slow", spoilt={"extractor": "a-spoils@1", "params": {"how": how}})
    ingest(store, find([music]), wanted, executor=dask_cluster.address)
    assert {feature for _, feature in failures(store)} <= {"spoilt"}
    assert how != "crash" or failures(store) == {("bad.wav", "spoilt"): "crashed"}
    assert store.features("rms-segments")["track"].n_unique() == 6
    assert workers_of(dask_cluster) == before


def workers_of(cluster):
    import psutil

    return {child.pid for worker in cluster.workers for child in psutil.Process(worker.pid).children()}


@pytest.mark.parametrize("native", [False, True])
def test_time_limits_hold_in_a_cluster_s_threads(dask_cluster, store, music, test_plugins, native):
    wanted = features("rms-segments", hangs={"extractor": "hangs@1", "params": {"native": native}})
    ingest(store, find([music]), wanted, executor=dask_cluster.address, limits=Limits(2.0))
    assert failures(store) == {("bad.wav", "hangs"): "timeout"}


def test_limits_of_memory_hold(dask_cluster, store, music, test_plugins):
    ingest(store, find([music]), features("memory"), executor=dask_cluster.address, limits=Limits(memory=1 << 30))
    assert failures(store) == {("bad.wav", "memory"): "out of memory"}


def test_nothing_of_an_ingest_is_left_beside_the_workers(dask_cluster, store, music, test_plugins):
    ingest(store, find([music]), features("slow"), executor=dask_cluster.address)
    assert dask_cluster.ours() == []


def test_whoever_stops_ends_what_runs(dask_cluster, music, test_plugins):
    wanted = features(slow={"extractor": "slow@1", "params": {"delay": 60.0, "only": "three"}})
    (feature,) = wanted.values()
    jobs = [Job(path.stem, path, (feature.id,)) for path in sorted(music.glob("*.wav"))]
    results = extract(jobs, [feature], where=Cluster.at(dask_cluster.address, [feature.extractor], [music]).places)
    assert next(results).outcomes[0].status == "ok"
    begun = time.monotonic()
    results.close()
    while dask_cluster.ours() and time.monotonic() - begun < 30:
        time.sleep(0.1)
    assert dask_cluster.ours() == []


def test_the_tracks_of_a_worker_that_is_killed_come_again(make_dask_cluster, store, music, test_plugins):
    with make_dask_cluster() as cluster:
        calls = {1: cluster.kill_a_worker}
        summary = ingest_and(store, features(**slow(2.0)), music, calls, executor=cluster.address)
    assert summary.features["slow"]["ok"] == 6
    assert failures(store) == {}
    assert sorted(store.features("slow")["seconds"]) == [2.0] * 6
    assert doctor(store) == []


def test_workers_may_join_and_leave(make_dask_cluster, store, music, test_plugins):
    with make_dask_cluster(1) as cluster:
        calls = {1: lambda: cluster.add(wait=False), 3: cluster.workers[0].terminate}
        summary = ingest_and(store, features(**slow(3.0)), music, calls, executor=cluster.address)
    assert summary.features["slow"]["ok"] == 6
    assert store.features("slow").height == 6


def test_what_wants_a_gpu_runs_where_one_is_offered(make_dask_cluster, music, test_plugins, tmp_path):
    from mirstore_test_places import Net, OnGPU

    sets = [FeatureSet("net", Net()), FeatureSet("on-gpu", OnGPU())]
    jobs = [Job(path.stem, path, tuple(one.id for one in sets)) for path in sorted(music.glob("*.wav"))]
    with make_dask_cluster(1) as cluster:
        cluster.add(resources="GPU=1", variables={"CUDA_VISIBLE_DEVICES": "7"})
        where = Cluster.at(cluster.address, [one.extractor for one in sets], [music]).places
        done = list(extract(jobs, sets, where=where))
    gpus = [outcome.rows[0]["gpu"] for one in done for outcome in one.outcomes if outcome.feature == sets[1].id]
    assert gpus == ["7"] * 6


def test_without_a_worker_that_offers_a_gpu_there_is_an_error_after_a_while(dask_cluster, music, monkeypatch):
    monkeypatch.setattr(core_cluster, "_look", 0.0)
    with ClusterPool(Cluster.at(dask_cluster.address, [], []), 1, Limits(), gpu=True) as pool:
        assert pool.capacity(Crew()) == 0
        monkeypatch.setattr(core_cluster, "patience", 0.0)
        with pytest.raises(ClusterError, match=r"no worker of dask://.* offers a GPU since .*--resources \"GPU=1\""):
            pool.capacity(Crew())


def test_that_no_worker_is_there_is_said_once(dask_cluster, monkeypatch, capsys):
    monkeypatch.setattr(core_cluster, "silence", 0.0)
    monkeypatch.setattr(core_cluster, "_look", 0.0)
    with ClusterPool(Cluster.at(dask_cluster.address, [], []), 1, Limits(), gpu=True) as pool:
        for _ in range(3):
            assert pool.capacity(Crew()) == 0
    said = capsys.readouterr().err
    assert said.count("offers a GPU: waiting up to 10 minutes for one (dask worker HOST:PORT --resources") == 1


def test_a_scheduler_that_goes_away_is_one_error_and_what_is_committed_stays(
    make_dask_cluster, store, music, test_plugins, monkeypatch
):
    monkeypatch.setattr("mirstore.store.ingest.committer.batch_tracks", 1)
    with make_dask_cluster() as cluster:
        calls = {2: cluster.scheduler.kill}
        with pytest.raises(ClusterError, match=r"lost the cluster at dask://.*the same command again"):
            ingest_and(store, features(**slow(3.0)), music, calls, executor=cluster.address)
    before = store.features("slow").height
    assert doctor(store) == []
    summary = ingest(store, find([music]), features(**slow(3.0)), workers=2)
    assert summary.features["slow"]["fresh"] == before
    assert store.features("slow").height == 6


def test_a_scheduler_that_is_not_there_is_one_error(store, music, test_plugins, monkeypatch):
    monkeypatch.setattr(core_cluster, "connecting", 1.0)
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at dask://127.0.0.1:9.*`dask scheduler`"):
        ingest(store, find([music]), features("slow"), executor="dask://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"'127.0.0.1:9' is no address of a cluster"):
        ingest(store, find([music]), features("slow"), executor="127.0.0.1:9")


def test_other_software_on_the_workers_is_refused_before_anything_runs(
    dask_cluster, store, music, test_plugins, monkeypatch
):
    monkeypatch.setattr(core_cluster, "versions", lambda modules: {"Python": "3.11", "mirstore-test-slow": "0.2.0"})
    with pytest.raises(ClusterError, match=r"worker .* has mirstore-test-slow 0.1.0, but 0.2.0 is wanted"):
        ingest(store, find([music]), features("slow"), executor=dask_cluster.address)
    assert store.sql("SELECT count(*) AS n FROM failures")["n"][0] == 0


def test_a_worker_that_leaves_while_it_is_asked_is_no_matter(dask_cluster, monkeypatch):
    from distributed import Client

    run = Client.run

    def left(self, function, *arguments, **named):
        return run(self, function, *arguments, **named) | {"tcp://127.0.0.1:1": OSError("stream is closed")}

    monkeypatch.setattr(Client, "run", left)
    with ClusterPool(Cluster.at(dask_cluster.address, [], []), 1, Limits()) as pool:
        assert pool.submit(abs, -1).result() == 1


def test_a_worker_that_cannot_load_mirstore_is_refused(dask_cluster, monkeypatch):
    from distributed import Client

    monkeypatch.setattr(Client, "run", lambda *_, **__: {"tcp://w:1": ImportError("no 'mirstore'")})
    with pytest.raises(ClusterError, match="worker tcp://w:1 cannot load mirstore: ImportError: no 'mirstore'"):
        ClusterPool(Cluster.at(dask_cluster.address, [], []), 1, Limits())


def test_a_folder_that_the_workers_do_not_see_is_refused(dask_cluster, tmp_path):
    with pytest.raises(ClusterError, match=rf"worker .* does not see {tmp_path}/nowhere .*the same folders"):
        ClusterPool(Cluster.at(dask_cluster.address, [], [tmp_path / "nowhere"]), 1, Limits())


def test_a_worker_with_other_software_that_joins_later_is_refused_too(dask_cluster, tmp_path):
    later = tmp_path / "later"
    later.touch()
    with ClusterPool(Cluster.at(dask_cluster.address, [], [later]), 1, Limits()) as pool:
        later.unlink()  # as if it had not been asked yet
        with pytest.raises(ClusterError, match=r"a worker of dask://.* does not see .*later"):
            pool.submit(abs, -1).result(timeout=60)


def test_an_experiment_on_a_cluster_is_that_of_local_processes(dask_cluster, tmp_path, test_plugins):
    from done import run, summaries
    from test_experiments import make_table, planned

    from mirstore.store.ingest.published_tables import import_table

    found = []
    (tmp_path / "True").mkdir()
    (tmp_path / "False").mkdir()
    for executor in (None, dask_cluster.address):
        file = make_table(tmp_path / f"{executor is None}" / "small.csv")
        with Store(tmp_path / f"store {executor is None}", create=True) as store:
            import_table(store, file, dataset="small", labels=["genre"], about=file.with_name("about.csv"))
            ready = planned(store, Plugins.installed())
            aborting = planned(store, Plugins.installed(), experiments__one__model="aborts")
            outcomes = run(store, [*ready, *aborting], executor=executor)
            assert sorted(outcome.error or "" for outcome in outcomes)[1].startswith(
                "crashed: its worker process died twice"
            )
            good = [outcome.run for outcome in outcomes if not outcome.error]
            found.append([(one["metrics"], one["importances"]) for one in summaries(store, good)])
    assert found[0] == found[1]


@pytest.fixture
def many(tmp_path, make_wav):
    for number in range(12):
        make_wav(tmp_path / "many" / f"{number}.wav", 0.01 * (number + 1) * rng.uniform(-1, 1, 8000), 8000)
    return tmp_path / "many"


@contextmanager
def killing(kill, least, most):
    """Call it again and again, after random times [s]."""
    chance, stopped = random.Random(440), threading.Event()

    def go_on():
        while not stopped.wait(chance.uniform(least, most)):
            kill(chance)

    killer = threading.Thread(target=go_on)
    killer.start()
    try:
        yield
    finally:
        stopped.set()
        killer.join()


def refuse_lost_or_doubled(store, summary):
    """Everything is there once, or told as crashed: a track whose process was killed twice."""
    assert summary.features["slow"]["ok"] + summary.features["slow"]["failed"] == 12
    found = store.features("slow")["track"]
    assert found.n_unique() == len(found) == summary.features["slow"]["ok"]
    assert set(failures(store).values()) <= {"crashed"}
    assert doctor(store) == []


def test_a_cluster_that_loses_workers_all_the_time_loses_nothing_and_doubles_nothing(
    make_dask_cluster, store, many, test_plugins
):
    with make_dask_cluster() as cluster, killing(lambda chance: cluster.kill_a_worker(chance.randrange(2)), 1, 6):
        summary = ingest(store, find([many]), features(**slow(1.0)), executor=cluster.address)
    refuse_lost_or_doubled(store, summary)


def test_local_processes_that_are_killed_all_the_time_lose_nothing_and_double_nothing(store, many, test_plugins):
    psutil = pytest.importorskip("psutil")
    killed = []

    def kill(chance):
        ours = []
        for one in psutil.Process().children():
            with suppress(psutil.Error):  # it has just ended
                if "mirstore.core.process" in " ".join(one.cmdline()):
                    ours.append(one)
        if ours:
            killed.append(chance.choice(ours).kill())

    with killing(kill, 1, 3):
        summary = ingest(store, find([many]), features(**slow(1.0)), workers=2)
    assert killed
    refuse_lost_or_doubled(store, summary)


def test_schedulers_that_are_killed_at_random_moments_cost_nothing_that_was_committed(
    make_dask_cluster, store, many, test_plugins, monkeypatch
):
    monkeypatch.setattr("mirstore.store.ingest.committer.batch_tracks", 1)
    chance, before = random.Random(440), 0
    for _ in range(3):
        with make_dask_cluster() as cluster:
            timer = in_a_moment(chance.uniform(2, 6), cluster.scheduler.kill)
            with suppress(ClusterError):
                ingest(store, find([many]), features(**slow(1.0)), executor=cluster.address)
            timer.join()
        there = store.sql('SELECT count(DISTINCT track) AS n, count(*) AS rows FROM "slow"').rows()[0]
        assert there[0] == there[1] >= before
        before = there[0]
    summary = ingest(store, find([many]), features(**slow(1.0)), workers=2)
    assert summary.features["slow"]["fresh"] == before
    summary.features["slow"]["ok"] += before
    refuse_lost_or_doubled(store, summary)
