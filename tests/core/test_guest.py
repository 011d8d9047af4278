"""What runs beside a cluster's worker: processes of our own, for as long as somebody asks."""

from __future__ import annotations

import os
import pickle
import threading
import time
from concurrent.futures import Future

import pytest

from mirstore.core import guest
from mirstore.core.errors import ClusterError
from mirstore.core.guest import Call, Needs, answer, end, unpickled, versions
from mirstore.core.pool import LocalPool, Task, WorkerDied
from mirstore.core.workers import Limits


@pytest.fixture
def ask(monkeypatch):
    """Ask as a cluster does; the pool is one of this test's."""
    monkeypatch.setattr(guest, "_pool", lambda call: LocalPool(1, None))

    def asked(function, *arguments, session="s", needs=Needs({}), gpu=False):  # noqa: B008 - frozen
        data = pickle.dumps((function, arguments, {}))
        return pickle.loads(answer(Call(data, Task(unpickled), Limits(), gpu, session, needs)))

    yield asked
    for session, _ in list(guest._lodgings):
        end(session)
    guest._over.clear()


def test_a_call_is_answered_by_a_process_that_stays_for_its_session(ask):
    good, process = ask(os.getpid)
    assert good
    assert process != os.getpid()
    assert ask(os.getpid) == (True, process)
    assert ask(os.getpid, session="another's")[1] != process
    end("s")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    good, error = ask(os.getpid)  # one that was on its way
    assert not good
    assert str(error) == "is asked by a session that has ended"


def test_what_was_raised_and_who_died_come_back(ask):
    good, error = ask(divmod, 1, 0)
    assert not good
    assert isinstance(error, ZeroDivisionError)
    good, error = ask(os.abort)
    assert not good
    assert isinstance(error, WorkerDied)
    assert error.seconds >= 0
    assert ask(abs, -1) == (True, 1)


def test_processes_end_when_nobody_has_asked_for_a_while(ask, monkeypatch):
    monkeypatch.setattr(guest, "idle", 0.2)
    _, process = ask(os.getpid)
    for _ in range(400):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it is still there")
    assert not guest._lodgings


def test_one_thread_looks_after_the_processes_however_often_they_come_and_go(monkeypatch):
    class Pool:
        """Ends as one asks anew."""

        def submit(self, task, data):
            answered = Future()
            answered.set_result(None)
            return answered

        def shutdown(self):
            if again:
                again.pop()
                answer(call)
                alive.append(sum(thread.name == "mirstore-tidy" for thread in threading.enumerate()))

    again, alive = [1] * 5, []
    monkeypatch.setattr(guest, "_pool", lambda call: Pool())
    monkeypatch.setattr(guest, "idle", 0.02)
    call = Call(b"", Task(abs), Limits(), False, "t", Needs({}))
    answer(call)
    deadline = time.monotonic() + 30
    while guest._lodgings or guest._tidying.is_set() or again:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(alive) == 5
    assert max(alive) <= 2  # the one that ends, and the one that came for it
    assert not [thread for thread in threading.enumerate() if thread.name == "mirstore-tidy"]


def test_a_worker_says_what_it_has_not_in_common(ask, tmp_path, test_plugins):
    here = versions(["mirstore_test_slow"])
    assert here["mirstore-test-slow"] == "0.1.0"
    modules = frozenset({"mirstore_test_slow"})
    assert Needs(here, modules, frozenset({tmp_path})).lacking() == ""
    assert Needs({**here, "mirstore": "9"}, modules).lacking() == f"has mirstore {here['mirstore']}, but 9 is wanted"
    assert Needs({"mirstore-stems": "2"}, modules).lacking() == "has no mirstore-stems, but 2 is wanted"
    unseen = Needs(here, modules, frozenset({tmp_path / "music"}))
    good, error = ask(abs, -1, needs=unseen)
    assert not good
    assert isinstance(error, ClusterError)
    assert str(error) == f"does not see {tmp_path}/music"
