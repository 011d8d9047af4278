"""The extraction engine: given tracks through a pool of worker processes, one result per track and feature set.

What it promises: a track's audio is decoded once for all extractors; an extractor runs after its inputs; one that
raises, hangs, returns wrong columns, eats memory or kills its process costs that track and feature set only.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from time import monotonic

from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Job, Outcome
from mirstore.core.workers import Limits, local_pool, run_jobs

Pool = Callable[[int, Limits], Executor]
"""Makes an executor for a number of workers: local processes, or an existing cluster's."""

ctrl_c = 0.5  # [s] between looks at it: polars keeps it from ending a wait for a lock


def extract(
    jobs: Iterable[Job],
    features: Sequence[FeatureSet],
    *,
    workers: int = 1,
    limits: Limits | None = None,
    pool: Pool = local_pool,
) -> Iterator[Done]:
    """Compute features of tracks, in whatever order they finish.

    Parameters
    ----------
    jobs : iterable of Job
        Read as workers become free, so it may be longer than memory.
    features : sequence of FeatureSet
        Everything that the jobs name, and its inputs.
    workers : int > 0
        Number of processes.
    limits : Limits
        Time and memory that one extractor may take for one track.
    pool : callable
        Makes the executor; the default makes local processes.

    Yields
    ------
    Done
        One per job.
    """
    plan = {feature.id: feature for feature in features}
    limits = limits or Limits()
    size = max((feature.extractor.batch for feature in features), default=1)
    batches = _batches(jobs, size)
    executor = pool(workers, limits)
    running: dict[Future[list[Done]], list[Job]] = {}
    try:
        while True:
            # One batch waits for each that runs: enough to keep workers busy, little to repeat after a crash.
            for batch in itertools.islice(batches, max(0, 2 * workers - len(running))):
                running[executor.submit(run_jobs, plan, batch, limits)] = batch
            if not running:
                return
            finished, _ = wait(running, timeout=ctrl_c, return_when=FIRST_COMPLETED)
            suspects: list[Job] = []
            for future in finished:
                batch = running.pop(future)
                try:
                    yield from future.result()
                except BrokenExecutor:
                    suspects += batch
            if suspects:
                suspects += itertools.chain.from_iterable(running.values())
                running.clear()
                executor.shutdown(wait=False, cancel_futures=True)
                yield from _one_by_one(suspects, plan, limits, pool)
                executor = pool(workers, limits)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    waiting = iter(jobs)
    while batch := list(itertools.islice(waiting, size)):
        yield batch


def _one_by_one(suspects: Sequence[Job], plan: Mapping[str, FeatureSet], limits: Limits, pool: Pool) -> Iterator[Done]:
    """Repeat jobs that were under way when a worker died, alone, one feature set at a time: who dies now did it."""
    executor = pool(1, limits)
    try:
        for job in suspects:
            facts: AudioFacts | None = None
            error: tuple[str, str] | None = None
            outcomes: list[Outcome] = []
            given = dict(job.given)
            todo: deque[tuple[str, ...]] = deque((feature,) for feature in job.features)
            if not todo:
                todo.append(())
            while todo:
                features = todo.popleft()
                begun = monotonic()
                try:
                    future = executor.submit(run_jobs, plan, [Job(job.track, job.path, features, given)], limits)
                    while not future.done():
                        wait([future], timeout=ctrl_c)
                    (done,) = future.result()
                except BrokenExecutor:
                    executor = pool(1, limits)
                    reason = _why_it_died(monotonic() - begun, limits)
                    outcomes += [Outcome(id_, "failed", [], *reason, monotonic() - begun) for id_ in features]
                    error = error or (reason if not features else None)
                    continue
                facts, error = facts or done.facts, error or done.error
                outcomes += done.outcomes
                given |= {outcome.feature: outcome.rows for outcome in done.outcomes if outcome.status != "failed"}
            yield Done(job, facts, outcomes, error)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _why_it_died(seconds: float, limits: Limits) -> tuple[str, str]:
    if limits.seconds and seconds >= limits.seconds:
        return "timeout", f"stopped after {limits.seconds:g} s, twice"
    return "crashed", "its worker process died twice: a crash in native code, or out of memory"


def default_workers() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1
