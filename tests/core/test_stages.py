"""Extractors run where they belong: a plan is cut into stages, and jobs go through them."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirstore.core.bucket import Bucket
from mirstore.core.errors import ConfigError, UnreachableError
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Job
from mirstore.core.places import Place, gpu_pool, gpus, opened, places
from mirstore.core.pool import Crew, LocalPool, Task
from mirstore.core.shared import Shared
from mirstore.core.stages import stages
from mirstore.core.workers import Limits, Work, run_jobs, unreached

rng = np.random.default_rng(440)


@pytest.fixture
def sets(test_plugins, tmp_path):
    import mirstore_test_places as plugin

    log = str(tmp_path / "loads")
    net, heavy = FeatureSet("net", plugin.Net(log)), FeatureSet("heavy", plugin.Heavy(log))
    on_gpu = FeatureSet("on-gpu", plugin.OnGPU(log))
    after = FeatureSet("after-gpu", plugin.AfterGPU(), {"on-gpu": on_gpu})
    others = FeatureSet("batched", plugin.Batched()), FeatureSet("peak", plugin.Peak())
    return {feature.name: feature for feature in (net, heavy, on_gpu, after, *others)}


@pytest.fixture
def files(tmp_path, make_wav):
    paths = [tmp_path / "music" / f"{number}.wav" for number in range(6)]
    return [make_wav(path, 0.1 * (n + 1) * rng.uniform(-1, 1, 8000), 8000) for n, path in enumerate(paths)]


def jobs(files, features, folder=None):
    ids = tuple(feature.id for feature in features)
    return [Job(path.stem, path, ids, folder=folder and folder / path.stem) for path in files]


def rows(done):
    """Return track and name to rows; of failures the error."""
    return {(one.job.track, outcome.feature): outcome.error or outcome.rows for one in done for outcome in one.outcomes}


class Inline(Executor):
    """Calls at once, here."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_a_plan_is_cut_by_place_and_by_batch_and_a_model_that_declares_its_memory_is_alone(sets):
    cut = stages(list(sets.values()))
    assert [(stage.place, [feature.name for feature in stage.features]) for stage in cut] == [
        ("cpu", ["net", "peak"]),
        ("cpu", ["heavy"]),
        ("gpu", ["on-gpu"]),
        ("cpu", ["after-gpu"]),
        ("cpu", ["batched"]),
    ]
    assert [stage.batch for stage in cut] == [1, 1, 1, 1, 4]


def test_as_many_heavy_models_run_as_half_the_memory_holds(sets):
    (heavy,) = stages([sets["heavy"]])
    assert heavy.crew(8, 5 << 30).workers == 2
    assert heavy.crew(8, 1 << 20).workers == 1
    assert heavy.crew(2, 64 << 30).workers == 2


def test_the_processes_of_all_places_together_stay_under_the_memory_of_the_machine(sets, monkeypatch):
    monkeypatch.setattr("mirstore.core.places.memory_for_workers", lambda: 8 << 30)
    given = {}

    def pool(workers, limits):
        given[workers] = limits.memory
        return Inline()

    found = {"cpu": Place(pool, 3), "gpu": Place(pool, 1), "far": Place(pool, 50, here=False)}
    crews = [("cpu", Crew()), ("cpu", Crew()), ("cpu", Crew("heavy", 2, 1 << 30)), ("gpu", Crew()), ("far", Crew())]
    opened(found, crews, Limits())
    assert given == {3: (6 << 30) // 4, 1: (6 << 30) // 4, 50: None}


def test_a_model_that_wants_all_memory_leaves_others_enough_to_run(monkeypatch):
    monkeypatch.setattr("mirstore.core.places.memory_for_workers", lambda: 8 << 30)
    given = []
    found = {"cpu": Place(lambda workers, limits: given.append(limits.memory) or Inline(), 2)}
    for memory in (8 << 30, (8 << 30) - 1, 16 << 30):
        opened(found, [("cpu", Crew()), ("cpu", Crew("huge", 1, memory))], Limits())
    assert given == [2 << 30] * 3


def test_a_worker_loads_a_model_once(sets, files, tmp_path):
    list(extract(jobs(files, [sets["net"]]), [sets["net"]], workers=2))
    loads = (tmp_path / "loads").read_text().split()
    assert 1 <= len(loads) <= 2
    assert len(set(loads)) == len(loads)


def test_a_value_that_is_shared_is_unpickled_once_in_a_process():
    shared = Shared.of({"weights": [1.0]})
    again = replace(shared)
    assert shared.value is again.value
    assert Shared.of({"weights": [2.0]}).value == {"weights": [2.0]}


def test_each_batch_is_its_extractor_s_own(sets, files):
    features = [sets["net"], sets["batched"]]
    found = rows(extract(jobs(files, features), features, workers=1))
    together = [found[path.stem, sets["batched"].id][0]["together"] for path in files]
    assert sorted(together) == [2, 2, 4, 4, 4, 4]
    processes = {name: {found[path.stem, sets[name].id][0]["process"] for path in files} for name in ("net", "batched")}
    assert processes["net"].isdisjoint(processes["batched"])


def test_what_a_gpu_makes_is_handed_on_to_a_processor_and_not_reported_if_it_is_not_kept(
    sets, files, tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    stem = replace(sets["on-gpu"], keep=False)
    after = replace(sets["after-gpu"], inputs={"on-gpu": stem})
    features = [stem, after, sets["net"]]
    done = list(extract(jobs(files, features, tmp_path / "jobs"), features, workers=1))
    found = rows(done)
    assert len(done) == 6
    assert all(found[path.stem, stem.id] == [] for path in files)
    peaks = [found[path.stem, after.id][0]["peak"] for path in files]
    assert peaks == pytest.approx([3276 * (n + 1) for n in range(6)], rel=0.01)
    assert all(outcome.status == "ok" for one in done for outcome in one.outcomes)


def test_each_gpu_has_one_process_that_sees_it_alone(sets, files, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    found = rows(extract(jobs(files, [sets["on-gpu"]]), [sets["on-gpu"]], workers=4))
    seen = {(row["process"], row["gpu"]) for (row,) in found.values()}
    assert {gpu for _, gpu in seen} <= {"3", "5"}
    assert len(seen) == len({gpu for _, gpu in seen}) == len((tmp_path / "loads").read_text().split())


def test_what_is_placed_on_processors_sees_no_gpu(sets, files, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    features = [replace(sets["on-gpu"], place="cpu")]
    found = rows(extract(jobs(files, features), features, workers=2))
    assert {row["gpu"] for (row,) in found.values()} == {""}


def test_a_gpu_computes_with_all_bits_of_float32(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with gpu_pool(1, Limits()) as pool:
        assert pool.submit(os.getenv, "NVIDIA_TF32_OVERRIDE").result() == "0"


def test_without_a_gpu_there_is_one_process_on_the_processor(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
    assert places(4)["gpu"].workers == 1
    with gpu_pool(1, Limits()) as pool:
        assert pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == ""


def test_a_file_that_cannot_be_decoded_fails_alike_in_all_stages(sets, files, tmp_path):
    files[2].write_bytes(b"RIFF not audio")
    features = [sets["net"], sets["on-gpu"], sets["after-gpu"]]
    done = {one.job.track: one for one in extract(jobs(files, features), features, workers=2)}
    bad = done[files[2].stem]
    assert {outcome.feature for outcome in bad.outcomes} == {feature.id for feature in features}
    assert len({(outcome.error, outcome.message) for outcome in bad.outcomes} | {bad.error}) == 1
    assert all(outcome.status == "ok" for track, one in done.items() if one is not bad for outcome in one.outcomes)


def test_what_read_a_failure_of_an_earlier_stage_says_so(sets, files, test_plugins):
    import mirstore_test_aborts

    bad = FeatureSet("on-gpu", mirstore_test_aborts.Aborts("2"))
    after = FeatureSet("after-gpu", sets["after-gpu"].extractor, {"on-gpu": bad}, place="gpu")
    found = rows(extract(jobs(files, [bad, after]), [bad, after], workers=2))
    assert (found["2", bad.id], found["2", after.id]) == ("crashed", "upstream")
    assert found["1", bad.id] == [{"seconds": 1.0}]


def test_few_jobs_are_on_the_way_at_once(sets, files):
    begun, ended = 0, 0

    def counted():
        nonlocal begun
        for number in range(100):
            begun += 1
            yield Job(str(number), files[0], (sets["net"].id, sets["batched"].id))

    features = [sets["net"], sets["batched"]]
    for _ in extract(counted(), features, workers=1, pool=lambda workers, limits: Inline()):
        ended += 1
        assert begun - ended <= 2 * 1 + 2 * 4
    assert ended == 100


def test_a_place_that_is_not_there_is_an_error(sets):
    nowhere = replace(sets["net"], place="gpuu")
    with pytest.raises(ConfigError, match=r"features.net: there is no place 'gpuu'.*did you mean 'gpu'"):
        list(extract([], [nowhere]))


def test_a_crew_has_its_own_processes_and_never_more_than_it_may():
    few = Crew("few", 1)
    with LocalPool(3, None) as pool:
        ours = [pool.submit(Task(os.getpid, few)) for _ in range(12)]
        others = [pool.submit(os.getpid) for _ in range(12)]
        assert len({future.result() for future in ours}) == 1
        assert {future.result() for future in ours}.isdisjoint(future.result() for future in others)


@pytest.mark.slow
def test_a_large_batch_leaves_the_memory_of_other_extractors_as_it_was(sets, tmp_path, make_wav):
    """A worker's peak rose from 264 to 2,003 MB when one extractor of the plan liked 16 tracks at once."""
    noise = 0.1 * rng.uniform(-1, 1, (44100 * 60, 2))
    files = [make_wav(tmp_path / "long" / f"{number}.wav", noise * (number + 1) / 16, 44100) for number in range(8)]

    def peak(*names):
        features = [sets[name] for name in names]
        found = rows(extract(jobs(files, features), features, workers=1))
        return max(found[path.stem, sets["peak"].id][0]["mb"] for path in files)

    assert peak("peak", "batched") < peak("peak") + 30


def test_an_executor_is_closed_if_another_cannot_be_made(sets, files):
    closed = []

    class Closing(Inline):
        def shutdown(self, wait=True, *, cancel_futures=False):
            closed.append(True)

    def broken(workers, limits):
        raise OSError("no")

    found = {"cpu": Place(lambda workers, limits: Closing(), 1), "gpu": Place(broken, 1)}
    features = [sets["net"], sets["on-gpu"]]
    with pytest.raises(OSError, match="no"):
        list(extract(jobs(files, features), features, where=found))
    assert closed == [True]


def test_a_bucket_that_is_not_reached_is_no_failure_of_an_extractor(sets, files, tmp_path, monkeypatch):
    """What reads another's tensor in another place fails for the same reason, and not for lack of it."""
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    plan = {feature.id: feature for feature in (sets["on-gpu"], sets["after-gpu"])}
    lost = Bucket(f"file://{tmp_path}/not-mounted")
    todo = [replace(job, bucket=lost, folder=Path("jobs", job.track)) for job in jobs(files, plan.values())]
    with pytest.raises(UnreachableError, match="not-mounted: is not there") as error:
        run_jobs(Work(plan, Limits()), todo[:1])
    assert "mount it" in (error.value.hint or "")
    assert not any(path.is_file() for path in tmp_path.joinpath("cache").rglob("*"))
    done = list(extract(todo, list(plan.values()), workers=1))
    assert rows(done) == {(job.track, id_): unreached for job in todo for id_ in plan}
    assert all("not-mounted: is not there (mount it" in o.message for one in done for o in one.outcomes)
    (tmp_path / "not-mounted").mkdir()
    done = list(extract(todo, list(plan.values()), workers=1))
    assert {outcome.status for one in done for outcome in one.outcomes} == {"ok"}
