"""Worker processes answer calls, and what becomes of one is nobody else's matter."""

from __future__ import annotations

import operator
import os
import sys
import threading
import time
from concurrent.futures import CancelledError, wait

import pytest

from mirstore.core.cluster import Cluster, ClusterPool
from mirstore.core.errors import UsageError
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.pool import LocalPool, Task, WorkerDied
from mirstore.core.suspicion import Suspicions
from mirstore.core.workers import Limits


@pytest.fixture(params=["local", pytest.param("dask", marks=pytest.mark.slow)])
def pool(request):
    if request.param == "local":
        with LocalPool(2, 4 << 30) as made:
            yield made
    else:
        cluster = request.getfixturevalue("dask_cluster")
        with ClusterPool(Cluster.at(cluster.address, [], []), 1, Limits()) as made:
            yield made


def test_calls_are_answered_in_other_processes(pool):
    futures = [pool.submit(pow, number, 2) for number in range(20)]
    assert [future.result() for future in futures] == [number**2 for number in range(20)]
    assert pool.submit(os.getpid).result() != os.getpid()


def test_a_worker_that_dies_costs_the_call_that_it_was_at(pool):
    slow = pool.submit(time.sleep, 3)
    dead = pool.submit(os._exit, 1)
    after = [pool.submit(abs, -number) for number in range(6)]
    with pytest.raises(WorkerDied):
        dead.result()
    assert [future.result() for future in after] == list(range(6))
    assert slow.result() is None


def test_a_call_that_wants_a_fresh_worker_gets_one_and_leaves_none_behind(pool):
    used = {pool.submit(os.getpid).result() for _ in range(4)}
    fresh = [pool.submit(Task(os.getpid, fresh=True)).result() for _ in range(3)]
    assert len(set(fresh)) == 3
    assert used.isdisjoint(fresh)
    assert pool.submit(os.getpid).result() not in fresh


def test_what_does_not_pickle_costs_its_call(pool):
    before = pool.submit(os.getpid)
    with pytest.raises(Exception, match="pickle"):
        pool.submit(threading.Lock().acquire).result()
    with pytest.raises(Exception, match="pickle"):
        pool.submit(threading.Lock).result()
    assert before.result() > 0


def test_exceptions_arrive_and_exits_are_exceptions(pool):
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        pool.submit(operator.truediv, 1, 0).result()
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        pool.submit(sys.exit, 3).result()


def test_a_worker_stays_where_it_was_started(pool):
    home = pool.submit(os.getcwd).result()
    for _ in range(4):
        pool.submit(os.chdir, "/").result()
        assert pool.submit(os.getcwd).result() == home
        pool.submit(sys.setrecursionlimit, 10**9).result()
        assert pool.submit(sys.getrecursionlimit).result() < 10**6


def test_lines_of_workers_that_print_at_once_are_whole(capsys):
    lines = "for _ in range(20): print('whole', end=''); time.sleep(0.01); print(' line')"
    code = f"import time\n{lines}\nprint('end', end='')"
    with LocalPool(2, 4 << 30) as pool:
        wait([pool.submit(exec, code) for _ in range(2)])
    assert capsys.readouterr().err.replace("end", "") == "whole line\n" * 40


def test_shutting_down_ends_what_runs_and_cancels_what_waits():
    pool = LocalPool(1, 4 << 30)
    running, waiting = pool.submit(time.sleep, 600), pool.submit(abs, 1)
    while not running.running():
        time.sleep(0.05)
    pool.shutdown()
    wait([running], timeout=60)
    with pytest.raises(WorkerDied):
        running.result()
    with pytest.raises(CancelledError):
        waiting.result()
    with pytest.raises(RuntimeError, match="was shut down"):
        pool.submit(abs, 1)


def test_a_class_of_the_script_that_runs_is_refused(test_plugins, monkeypatch):
    from mirstore_test_slow import Slow

    monkeypatch.setattr(Slow, "__module__", "__main__")
    with pytest.raises(UsageError, match=r"class Slow is defined in the script that runs \(put it into a module"):
        list(extract([], [FeatureSet("slow", Slow())]))


def test_a_failure_is_believed_after_three_times_alone_unless_one_was_another_s_fault(test_plugins, tmp_path):
    from mirstore.core.jobs import Done, Job, Outcome
    from mirstore.core.suspicion import Repeat
    from mirstore_test_slow import Slow

    feature = FeatureSet("slow", Slow())
    job = Job("t", tmp_path / "x.wav", (feature.id,))
    failed = Done(job, None, [Outcome(feature.id, "failed", [], "ValueError", "no", doubtful=True)])
    good = Done(job, None, [Outcome(feature.id, "ok", [{"seconds": 1.0}])])
    suspicions = Suspicions()
    for _ in range(3):
        repeat = suspicions.check(failed, {feature.id: feature})
        assert isinstance(repeat, Repeat)
        assert repeat.job.features == (feature.id,)
        suspicions.learn(repeat, failed)
    assert suspicions.check(failed, {feature.id: feature}) is failed
    assert (feature.id, "ValueError") in suspicions.believed
    suspicions.learn(repeat, good)
    assert isinstance(suspicions.check(failed, {feature.id: feature}), Repeat)
