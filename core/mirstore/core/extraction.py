"""The extraction engine: given tracks through a pool of worker processes, one result per track and feature set.

What it promises: a track's audio is decoded once for all extractors; an extractor runs after its inputs; one that
raises, hangs, returns wrong columns, eats memory or kills its process costs that track and feature set only; and one
that spoils its process for others is not believed: what fails there is tried again in a new one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait

from mirstore.core.components import Component
from mirstore.core.durations import duration
from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Done, Job
from mirstore.core.pool import Fresh, local_pool
from mirstore.core.suspicion import Repeat, Suspicions
from mirstore.core.text import explained
from mirstore.core.workers import Limits, run_jobs

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
    refuse_scripts(feature.extractor for feature in features)
    plan = {feature.id: feature for feature in features}
    limits = limits or Limits()
    size = max((feature.extractor.batch for feature in features), default=1)
    batches = _batches(jobs, size)
    suspicions = Suspicions()
    executor = pool(workers, limits)
    running: dict[Future[list[Done]], list[Job] | Repeat] = {}
    try:
        while True:
            # One batch waits for each that runs: enough to keep workers busy, little to repeat after a crash.
            for batch in itertools.islice(batches, max(0, 2 * workers - len(running))):
                running[executor.submit(run_jobs, plan, batch, limits, suspicions.believed)] = batch
            if not running:
                return
            finished, _ = wait(running, timeout=ctrl_c, return_when=FIRST_COMPLETED)
            for future in finished:
                attempt = running.pop(future)
                for result in _results(future, attempt, plan, limits, suspicions):
                    if isinstance(result, Done):
                        yield result
                    else:
                        running[executor.submit(Fresh(run_jobs), plan, [result.job], limits)] = result
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _results(
    future: Future[list[Done]],
    attempt: list[Job] | Repeat,
    plan: Mapping[str, FeatureSet],
    limits: Limits,
    suspicions: Suspicions,
) -> Iterator[Done | Repeat]:
    """Yield what an attempt came to: jobs that are done, and what must be tried again alone."""
    try:
        results = future.result()
    except Exception as error:  # a worker died; or the engine itself failed at these jobs
        if isinstance(attempt, Repeat):
            attempt.fail(*_why_it_failed(error, limits))
            yield attempt.result or attempt
        else:
            yield from (Repeat.of_job(job) for job in attempt)
        return
    if isinstance(attempt, Repeat):
        suspicions.learn(attempt, results[0])
        attempt.add(results[0])
        yield attempt.result or attempt
    else:
        yield from (suspicions.check(done, plan) for done in results)


def refuse_scripts(components: Iterable[Component]) -> None:
    """Refuse components that a worker process cannot import.

    Raises
    ------
    UsageError
        If one's class is defined in the script or notebook that runs.
    """
    for component in components:
        if type(component).__module__ == "__main__":
            raise UsageError(
                f"class {type(component).__name__} is defined in the script that runs",
                hint="put it into a module of its own: worker processes import it from there",
            )


def _batches(jobs: Iterable[Job], size: int) -> Iterator[list[Job]]:
    waiting = iter(jobs)
    while batch := list(itertools.islice(waiting, size)):
        yield batch


def _why_it_failed(error: Exception, limits: Limits) -> tuple[str, str, float]:
    """Return the short word, the message and the seconds of an attempt that gave no result."""
    seconds = float(getattr(error, "seconds", 0.0))
    if not isinstance(error, BrokenExecutor):
        return (*explained(error), seconds)
    if limits.seconds and seconds >= limits.seconds:
        return "timeout", f"stopped after {duration(limits.seconds)}, twice", seconds
    return "crashed", "its worker process died twice: a crash in native code, or out of memory", seconds
