"""What happens inside a worker process: limits, and one batch of jobs after another."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from time import perf_counter
from typing import Any

from mirstore.core.columns import Row, check_rows, input_frame
from mirstore.core.errors import TrackError
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Job, Outcome
from mirstore.core.tracks import Track

# Extractors run in as many processes as there are cores; threads of their own would only get in each other's way.
one_thread = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
    "1",
)
grace = 5.0  # [s] between asking an extractor to stop and ending its process


@dataclass(frozen=True)
class Limits:
    """What one extractor may take for one track.

    Attributes
    ----------
    seconds : float > 0 [s] or None
        Time; then it is stopped, and its process ended if it does not react.
    memory : int > 0 [bytes] or None
        Memory of a worker; None shares 90 % of the machine's between the workers.
    max_duration : float > 0 [s]
        Longer recordings are refused.
    """

    seconds: float | None = 600.0
    memory: int | None = None
    max_duration: float = 1200.0


class _LocalPool(ProcessPoolExecutor):
    """Ends its workers when it is shut down: after Ctrl-C or a crash nobody waits for what they hold."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        workers = list((self._processes or {}).values())  # Python 3.14 has kill_workers() for this
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        for worker in workers:
            worker.kill()


def local_pool(workers: int, limits: Limits) -> Executor:
    """Return an executor of local processes, each with a clean interpreter and one thread per library."""
    memory = limits.memory or int(0.9 * _physical_memory() / workers)
    with _environment(one_thread):
        executor = _LocalPool(workers, get_context("spawn"), _prepare, (memory,))
        for _ in range(workers):  # start them while the environment holds
            executor.submit(os.getpid)
    return executor


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that child processes inherit: some libraries read them only when they load."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _prepare(memory: int) -> None:
    """Set a new worker up."""
    os.dup2(2, 1)  # what a library prints must not get between a command's data on stdout
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def run_jobs(plan: Mapping[str, FeatureSet], jobs: Sequence[Job], limits: Limits) -> list[Done]:
    """Compute what the jobs ask for, extractor by extractor, each over all of the batch's tracks."""
    runs = [_TrackRun(plan, job, limits) for job in jobs]
    for id_, feature in plan.items():  # in dependency order
        ready = [run for run in runs if id_ in run.job.features and run.is_ready(feature)]
        for run, outcome in zip(ready, _run_extractor(feature, ready, limits), strict=True):
            run.add(outcome)
    return [run.done() for run in runs]


class _TrackRun:
    """One track on its way through the extractors."""

    def __init__(self, plan: Mapping[str, FeatureSet], job: Job, limits: Limits) -> None:
        self.plan, self.job = plan, job
        self.outcomes: list[Outcome] = []
        self.rows: dict[str, Sequence[Row]] = dict(job.given)
        self.track = Track(job.track, job.path, max_duration=limits.max_duration)
        self.error: tuple[str, str] | None = None
        if not job.features or any(not plan[id_].inputs for id_ in job.features):
            self._decode(limits)

    def _decode(self, limits: Limits) -> None:
        """Decode before any extractor runs, so that a bad file is told from a bad extractor."""
        try:
            with time_limit(limits.seconds):
                _ = self.track.decoded
        except TrackError as error:
            self.error = error.reason, str(error)
        except MemoryError:
            self.error = "out of memory", "decoding needs more memory than a worker may take"

    def is_ready(self, feature: FeatureSet) -> bool:
        """Whether all inputs are there; records the failure if not."""
        reason = self.error if not feature.inputs else None
        lacking = [source.name for source in feature.inputs.values() if source.id not in self.rows]
        if lacking:
            reason = self.error or ("upstream", f"reads {', '.join(lacking)}, which this track does not have")
        if reason:
            self.outcomes.append(Outcome(feature.id, "failed", [], *reason))
        return not reason

    def view(self, feature: FeatureSet) -> Track:
        """Return the track with the inputs that this extractor declared."""
        self.track.inputs = {
            name: input_frame(self.rows[source.id], source.extractor.columns())
            for name, source in feature.inputs.items()
        }
        return self.track

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.status != "failed":
            self.rows[outcome.feature] = outcome.rows

    def done(self) -> Done:
        audio = self.track._audio
        facts = None
        if audio is not None:
            names = ("sr", "channels", "duration", "codec", "decoder", "warnings", "samples_sha256")
            facts = AudioFacts(*(getattr(audio, name) for name in names))
        return Done(self.job, facts, self.outcomes, self.error)


def _run_extractor(feature: FeatureSet, runs: Sequence[_TrackRun], limits: Limits) -> list[Outcome]:
    if len(runs) > 1:
        begun = perf_counter()
        seconds = limits.seconds and limits.seconds * len(runs)
        try:
            with time_limit(seconds):
                results = feature.extractor.extract_batch([run.view(feature) for run in runs])
            if len(results) != len(runs):
                raise TrackError("wrong columns", f"{len(results)} results for a batch of {len(runs)} tracks")
            each = (perf_counter() - begun) / len(runs)
            return [_checked(feature, result, each) for result in results]
        except BaseException:  # one track spoils the batch: find out which
            return [_run_one(feature, run, limits) for run in runs]
    return [_run_one(feature, run, limits) for run in runs]


def _run_one(feature: FeatureSet, run: _TrackRun, limits: Limits) -> Outcome:
    begun = perf_counter()
    try:
        with time_limit(limits.seconds):
            (result,) = feature.extractor.extract_batch([run.view(feature)])
        return _checked(feature, result, perf_counter() - begun)
    except TrackError as error:
        reason = error.reason, str(error)
    except TimeUp:
        reason = "timeout", f"stopped after {limits.seconds:g} s"
    except MemoryError:
        reason = "out of memory", "needs more memory than a worker may take"
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        reason = type(error).__name__, " ".join(str(error).split()) or "no message"
    return Outcome(feature.id, "failed", [], *reason, perf_counter() - begun)


def _checked(feature: FeatureSet, result: Any, seconds: float) -> Outcome:
    try:
        rows = check_rows(result, feature.extractor.columns())
    except TrackError as error:
        return Outcome(feature.id, "failed", [], error.reason, str(error), seconds)
    return Outcome(feature.id, "ok" if rows else "none", rows, seconds=seconds)


class TimeUp(BaseException):
    """Raised by the alarm; no Exception, so that an extractor's own handler cannot swallow it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Stop what runs inside: by an exception, or, if native code does not let go, by ending the process."""
    if not seconds:
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeUp

    alarm = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGALRM")
    before = signal.signal(signal.SIGALRM, stop) if alarm else None
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(seconds + grace, exit=True, file=nowhere)  # needs no GIL
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            if alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()
