"""A long job tells what it does, ends with its result, and stops when it is told to."""

from __future__ import annotations

import doctest

import pytest

from mirstore.core import events
from mirstore.core.errors import MirstoreError, StoreError
from mirstore.core.events import Finished, Progress, Started, Warned, job


@pytest.fixture
def committed() -> list[int]:
    return []


@pytest.fixture
def count(committed):
    @job
    def count(n, breaks_at=None):
        yield Started("count", n)
        try:
            for i in range(1, n + 1):
                if i == breaks_at:
                    raise StoreError("full")
                yield Progress("count", i, n)
        finally:
            committed.append(i)
        return 10 * n

    return count


def test_nothing_is_done_before_it_is_asked_for(count, committed):
    assert "result()" in repr(count(3))
    assert committed == []


def test_a_job_ends_with_its_result(count):
    events = list(count(2))
    assert events == [Started("count", 2), Progress("count", 1, 2), Progress("count", 2, 2), Finished(20)]
    assert events[-1].as_dict() == {"event": "finished", "result": 20}
    assert count(3).result() == 30


def test_the_result_is_there_after_it_was_watched_and_does_not_do_it_again(count, committed):
    watched = count(2)
    list(watched)
    assert watched.result() == watched.result() == 20
    assert committed == [2]


def test_a_loop_that_is_left_stops_the_job(count, committed):
    for event in count(9):
        if isinstance(event, Progress) and event.done == 2:
            break
    assert committed == [2]


def test_a_job_that_was_stopped_has_no_result(count, committed):
    with count(9) as stopped:
        assert [next(stopped), next(stopped)] == [Started("count", 9), Progress("count", 1, 9)]
    assert committed == [1]
    assert list(stopped) == []
    with pytest.raises(MirstoreError, match="stopped before its end"):
        stopped.result()


def test_what_ends_a_job_is_raised_once_and_leaves_no_result(count, committed):
    broken = count(3, breaks_at=2)
    with pytest.raises(StoreError, match="full"):
        broken.result()
    assert list(broken) == []
    with pytest.raises(MirstoreError, match="stopped before its end"):
        broken.result()


def test_a_part_of_another_job_tells_its_events_but_not_its_end(count, committed):
    @job
    def twice():
        first = yield from count(1).within()
        yield Warned("half")
        return first + (yield from count(2).within())

    assert [type(event).__name__ for event in twice()].count("Finished") == 1
    assert twice().result() == 30
    outer = twice()
    next(event for event in outer if event == Warned("half"))
    next(outer), next(outer)
    outer.close()
    assert committed[-1] == 1


def test_the_examples_of_the_module_hold():
    assert doctest.testmod(events).failed == 0
