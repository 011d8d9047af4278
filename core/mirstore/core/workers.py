"""What happens inside a worker process: limits, and one batch of jobs after another. Nothing that a job does raises.

What raises is a bucket that this machine does not reach: it is nobody's failure, and another machine may.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any
from uuid import uuid4

from mirstore.core.away import arrived, here, remove, sent, workplace
from mirstore.core.columns import Row, check_rows, packed
from mirstore.core.durations import duration
from mirstore.core.errors import StoreError, TrackError, UnreachableError
from mirstore.core.features import FeatureSet, heard
from mirstore.core.inputs import Inputs, hearing
from mirstore.core.jobs import AudioFacts, Believed, Done, Job, Outcome
from mirstore.core.packed import put
from mirstore.core.process import leave
from mirstore.core.text import explained, shortened, storable
from mirstore.core.tracks import Track

upstream = "upstream"  # the error of what reads something that failed
not_written = (
    "not written"  # the error of values that the job's folder does not take: the next ones will fare no better
)
unreached = "bucket not reached"  # the error of what no worker could read or write: nothing is known of it
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


@dataclass(frozen=True)
class Work:
    """What the jobs of a stage share, and a worker keeps from call to call with all that its components load.

    Attributes
    ----------
    plan : Mapping of str to FeatureSet
        By id, each after its inputs.
    limits : Limits
    """

    plan: Mapping[str, FeatureSet]
    limits: Limits


def run_jobs(work: Work, jobs: Sequence[Job], believed: Believed = frozenset()) -> list[Done]:
    """Compute what the jobs ask for, extractor by extractor, each over all of the batch's tracks.

    Parameters
    ----------
    work : Work
    jobs : sequence of Job
    believed : set of (feature set's id, error)
        Failures that are known to be the extractor's own; any other is `Outcome.doubtful`.

    Returns
    -------
    list of Done
        One per job. Whatever else is raised on the way is in there.

    Raises
    ------
    UnreachableError
        If this machine cannot read what a job reads, or put what it makes, into the store's bucket.
    """
    try:
        runs = [_TrackRun(work, job) for job in jobs]
        for id_, feature in work.plan.items():
            ready = [run for run in runs if id_ in run.todo and run.is_ready(feature)]
            for run, outcome in zip(ready, _run_extractor(feature, ready, work.limits), strict=True):
                run.add(feature, outcome)
        return [run.done(believed) for run in runs]
    finally:
        for job in jobs:
            remove(job)


class _TrackRun:
    """One track on its way through the extractors."""

    def __init__(self, work: Work, job: Job) -> None:
        self.plan, self.job = work.plan, job
        self.outcomes: list[Outcome] = []
        self.rows = dict(job.given) if job.bucket is None else _fetched(job)
        self.todo = to_compute(work.plan, job)
        self.file = Track(job.track, job.path, max_duration=work.limits.max_duration)
        self.sounds: dict[tuple[str, str | None], Track] = {}
        self.error: tuple[str, str] | None = None
        self.doubtful = False
        if job.decode or any(work.plan[id_].reads_file for id_ in self.todo):
            self._decode(work.limits)

    def _decode(self, limits: Limits) -> None:
        """Decode before any extractor runs, so that a bad file is told from a bad extractor."""
        try:
            with time_limit(limits.seconds):
                _ = self.file.decoded
        except BaseException as error:  # decoders raise more than they say: OSError, RuntimeError
            self.error = _why(error, limits)
            self.doubtful = _is_doubtful(error)

    def is_ready(self, feature: FeatureSet) -> bool:
        """Whether all inputs are there; records the failure if not."""
        needed = (source for name, source in feature.inputs.items() if name not in feature.extractor.optional)
        lacking = [source.name for source in needed if source.id not in self.rows]
        if lacking and not self.error:
            reason = upstream, f"reads {', '.join(lacking)}, which this track does not have"
            self._record(Outcome(feature.id, "failed", [], *reason))
        elif self.error and (lacking or feature.reads_file):
            self._record(Outcome(feature.id, "failed", [], *self.error, doubtful=self.doubtful))
        else:
            return True
        return False

    def view(self, feature: FeatureSet) -> Track:
        """Return the track with what this extractor reads and hears."""
        track = self.file
        if feature.audio is not None:
            key = feature.inputs[heard].id, feature.audio
            if key not in self.sounds:
                self.sounds[key] = hearing(feature, self.file, self.rows)
            track = self.sounds[key]
        track.inputs = Inputs(feature, self.rows)
        return track

    def add(self, feature: FeatureSet, outcome: Outcome) -> None:
        """Take an outcome: its large values leave the memory, unless nobody outside is to have them."""
        self.todo.remove(feature.id)
        if outcome.status != "failed":
            kept = feature.keep or feature.id in self.job.hand_on
            if kept and self.job.folder is not None:
                outcome = _written(outcome, feature, self.job)
        if outcome.status != "failed":
            self.rows[feature.id] = here(self.job, outcome.rows)
            outcome = outcome if kept else replace(outcome, rows=[])
        self._record(outcome)
        wanted = {(self.plan[id_].inputs[heard].id, self.plan[id_].audio) for id_ in self.todo if self.plan[id_].audio}
        self.sounds = {key: track for key, track in self.sounds.items() if key in wanted}

    def _record(self, outcome: Outcome) -> None:
        if outcome.feature in self.job.features:
            self.outcomes.append(outcome)

    def done(self, believed: Believed) -> Done:
        outcomes = [replace(o, doubtful=o.doubtful and (o.feature, o.error) not in believed) for o in self.outcomes]
        if any(outcome.doubtful or outcome.error == "timeout" for outcome in outcomes):
            leave()  # whatever it was may have left anything behind
        return Done(self.job, AudioFacts.of(self.file.recording), outcomes, self.error)


def to_compute(plan: Mapping[str, FeatureSet], job: Job) -> list[str]:
    """Return what to compute: what the job asks for, and what that reads but nobody keeps.

    Parameters
    ----------
    plan : Mapping of str to FeatureSet
        By id, each after its inputs.
    job : Job

    Returns
    -------
    list of str
        Ids, in the order of the plan.
    """
    wanted = set(job.features)
    for id_, feature in reversed(list(plan.items())):
        if id_ in wanted:
            wanted |= {s.id for s in feature.needed(job.given) if not plan[s.id].keep and s.id not in job.given}
    return [id_ for id_ in plan if id_ in wanted]


def _fetched(job: Job) -> dict[str, Sequence[Row]]:
    try:
        return arrived(job)
    except (StoreError, OSError) as error:
        raise _unreachable(error) from None


def _unreachable(error: StoreError | OSError) -> UnreachableError:
    """Return the error, of the bucket or of the disk for its copies, as one of this machine."""
    if isinstance(error, StoreError):
        return UnreachableError(error.message, hint=error.hint)
    where = f"{error.filename}: " if error.filename else ""
    return UnreachableError(
        f"{where}{(error.strerror or str(error)).lower()}", hint="mend the folder, or set MIRSTORE_CACHE to another"
    )


def _written(outcome: Outcome, feature: FeatureSet, job: Job) -> Outcome:
    """Return the outcome with its tensors and sounds in the job's folder, and references in their place."""
    folder = workplace(job)
    path = folder / f"{feature.id}-{uuid4().hex}.safetensors"  # unlike that of an earlier try, which may be mapped
    try:
        rows = put(outcome.rows, packed(feature.columns), path)
        return replace(outcome, rows=rows if job.bucket is None else sent(job, rows))
    except (StoreError, OSError) as error:
        if job.bucket is not None:
            raise _unreachable(error) from None
        why = f"{folder}: {(error.strerror or str(error)).lower()}" if isinstance(error, OSError) else error.message
        return Outcome(feature.id, "failed", [], not_written, why, outcome.seconds)


def _run_extractor(feature: FeatureSet, runs: Sequence[_TrackRun], limits: Limits) -> list[Outcome]:
    if len(runs) > 1:
        begun = perf_counter()
        seconds = limits.seconds and limits.seconds * len(runs)
        try:
            with time_limit(seconds):
                views = [run.view(feature) for run in runs]
                results = feature.extractor.extract_batch(views)
                if len(results) != len(runs):
                    raise TrackError("wrong columns", f"{len(results)} results for a batch of {len(runs)} tracks")
                pairs = zip(results, views, strict=True)
                checked = [check_rows(result, feature.columns, view) for result, view in pairs]
            each = (perf_counter() - begun) / len(runs)
            return [_good(feature, rows, each) for rows in checked]
        except BaseException:  # one track spoils the batch: find out which
            pass
    return [_run_one(feature, run, limits) for run in runs]


def _run_one(feature: FeatureSet, run: _TrackRun, limits: Limits) -> Outcome:
    begun, returned = perf_counter(), False
    try:
        with time_limit(limits.seconds):
            view = run.view(feature)
            (result,) = feature.extractor.extract_batch([view])
            returned = True
            rows = check_rows(result, feature.columns, view)
        return _good(feature, rows, perf_counter() - begun)
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        seconds = perf_counter() - begun
        return Outcome(feature.id, "failed", [], *_why(error, limits), seconds, returned or _is_doubtful(error))


def _good(feature: FeatureSet, rows: list[dict[str, Any]], seconds: float) -> Outcome:
    return Outcome(feature.id, "ok" if rows else "none", rows, seconds=seconds)


def _is_doubtful(error: BaseException) -> bool:
    """Whether another extractor in this process may be to blame: not if this one says why, or takes too long."""
    return not isinstance(error, TrackError | TimeUp)


def _why(error: BaseException, limits: Limits) -> tuple[str, str]:
    """Return a failure's short word and its message."""
    name, message = explained(error)
    if isinstance(error, TrackError):
        return storable(shortened(str(error.reason), 80)), message
    if isinstance(error, TimeUp):
        return "timeout", f"stopped after {duration(limits.seconds or 0)}"
    if isinstance(error, MemoryError):
        return "out of memory", "needs more memory than a worker may take"
    return storable(shortened(name, 80)), message


class TimeUp(BaseException):
    """Raised by the alarm; no Exception, so that an extractor's own handler cannot swallow it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Stop what runs inside: by an exception, or, if native code does not let go, by ending the process.

    Parameters
    ----------
    seconds : float > 0 [s] or None
        None, or 0, sets no limit.

    Raises
    ------
    TimeUp
        When the time is up.
    """
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
