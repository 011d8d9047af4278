"""The extraction engine: given tracks through worker processes, one result per track and feature set.

What it promises: an extractor runs where it belongs, after its inputs; a track's audio is decoded once for all that run
together; one that raises, hangs, returns wrong columns, eats memory or kills its process costs that track and feature
set only; and one that spoils its process for others is not believed: what fails there is tried again in a new one.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mirstore.core.errors import ConfigError, did_you_mean
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import places_of
from mirstore.core.jobs import Done, Job
from mirstore.core.places import Place, Pool, opened, places
from mirstore.core.pool import Task, local_pool, memory_for_workers
from mirstore.core.shared import Shared, call_with
from mirstore.core.stages import Stage, Way, stages
from mirstore.core.supervise import Attempt, Loss, Supervisor, refuse_scripts
from mirstore.core.suspicion import Repeat, Suspicions
from mirstore.core.weights.cache import require
from mirstore.core.workers import Limits, Work, run_jobs


def extract(
    jobs: Iterable[Job],
    features: Sequence[FeatureSet],
    *,
    workers: int = 1,
    limits: Limits | None = None,
    pool: Pool = local_pool,
    where: Mapping[str, Place] | None = None,
) -> Iterator[Done]:
    """Compute features of tracks, in whatever order they finish.

    Parameters
    ----------
    jobs : iterable of Job
        Read as workers become free, so it may be longer than memory.
    features : sequence of FeatureSet
        Everything that the jobs name, and its inputs, each after those.
    workers : int > 0
        Calls that run at once on this machine's processors.
    limits : Limits
        Time and memory that one extractor may take for one track.
    pool : callable
        Makes the executor for those; the default makes local processes.
    where : Mapping of str to Place, optional
        The places that extractors name, beside environments of their own; this machine's by default.

    Yields
    ------
    Done
        One per job.

    Raises
    ------
    ConfigError
        If there is no such place as an extractor asks for.
    ClusterError
        If the place where extractors run is gone.
    """
    refuse_scripts(feature.extractor for feature in features)
    require(feature.extractor for feature in features)
    limits = limits or Limits()
    here = where or places(workers, pool, {feature.place for feature in features})
    found = {**here, **places_of(features, workers)}
    line = _Line(jobs, features, found, limits)
    crews = [(station.stage.place, station.crew) for station in line.stations]
    with Supervisor[_Passed](opened(found, crews, limits), limits.seconds) as supervisor:
        while True:
            for batch in line.ready(supervisor):
                supervisor.submit(batch)
            if not line.inside:
                return
            for station, way, done in supervisor.finished():
                way.add(done)
                if not line.goes_on(station, way):
                    yield way.done


class _Station:
    """A stage at work."""

    def __init__(self, stage: Stage, place: Place, limits: Limits) -> None:
        self.stage, self._workers = stage, place.workers
        self.crew = stage.crew(place.workers, limits.memory or memory_for_workers())
        self.work = Shared.of(Work(stage.plan, limits))
        self.waiting: deque[Way] = deque()
        self.inside = 0

    def most(self, supervisor: Supervisor[_Passed]) -> int:
        """Return how many calls to submit: one waits for each that runs, which keeps workers busy and repeats cheap."""
        return 2 * max(1, supervisor.capacity(self.stage.place, self.crew, self._workers))


_Passed = tuple[_Station, Way, Done]
"""A job that has passed a stage."""


class _Line:
    """The stages in a row, and what waits between them: few jobs, because what they hand on may be large."""

    def __init__(
        self, jobs: Iterable[Job], features: Sequence[FeatureSet], found: Mapping[str, Place], limits: Limits
    ) -> None:
        _refuse_unknown_places(features, found)
        self.plan = {feature.id: feature for feature in features}
        self.stations = [_Station(stage, found[stage.place], limits) for stage in stages(features)]
        self.suspicions = Suspicions()
        self._jobs = iter(jobs)
        self._exhausted = False

    @property
    def inside(self) -> int:
        """Number of jobs that have begun and not left."""
        return sum(station.inside for station in self.stations)

    def ready(self, supervisor: Supervisor[_Passed]) -> Iterator[_Batch]:
        """Yield what to submit now."""
        most = {station: station.most(supervisor) for station in self.stations}
        self._admit(sum(calls * station.stage.batch for station, calls in most.items()))
        running = Counter(attempt.station for attempt in supervisor.running if isinstance(attempt, _Batch | _Alone))
        for station in reversed(self.stations):  # what is nearly done first
            for _ in range(most[station] - running[station]):
                if batch := self._batch(station):
                    yield _Batch(station, batch, self.plan, self.suspicions)

    def _admit(self, most: int) -> None:
        for job in itertools.islice(self._jobs, max(0, most - self.inside)):
            way = Way(job, self.plan)
            self._enter(self._next(way) or self.stations[0], way)  # whose job names none has its audio looked at
        self._exhausted = self.inside < most

    def _enter(self, station: _Station, way: Way) -> None:
        station.waiting.append(way)
        station.inside += 1

    def _next(self, way: Way) -> _Station | None:
        return next((station for station in self.stations if way.has_part_in(station.stage)), None)

    def _batch(self, station: _Station) -> list[Way]:
        """Return who goes together; fewer than the stage likes only if nobody else can come."""
        before = self.stations[: self.stations.index(station)]
        last = self._exhausted and not any(other.inside for other in before)
        if len(station.waiting) < station.stage.batch and not last:
            return []
        return [station.waiting.popleft() for _ in range(min(station.stage.batch, len(station.waiting)))]

    def goes_on(self, station: _Station, way: Way) -> bool:
        """Have a job that has passed a station wait at its next one, if there is one."""
        station.inside -= 1
        following = self._next(way)
        if following:
            self._enter(following, way)
        return following is not None


class _Batch(Attempt[_Passed]):
    """Jobs at a stage, together."""

    def __init__(
        self, station: _Station, ways: Sequence[Way], plan: Mapping[str, FeatureSet], suspicions: Suspicions
    ) -> None:
        self.station, self._ways, self._plan, self._suspicions = station, ways, plan, suspicions
        self.place = station.stage.place

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        jobs = [way.part(self.station.stage) for way in self._ways]
        return Task(call_with, self.station.crew), (run_jobs, self.station.work, jobs, self._suspicions.believed)

    def answered(self, answer: list[Done]) -> Iterator[_Passed | _Alone]:
        for way, done in zip(self._ways, answer, strict=True):
            checked = self._suspicions.check(done, self._plan)
            if isinstance(checked, Done):
                yield self.station, way, checked
            else:
                yield self._alone(way, checked)

    def lost(self, loss: Loss) -> Iterator[_Alone]:
        yield from (self._alone(way, Repeat.of_job(way.part(self.station.stage))) for way in self._ways)

    def _alone(self, way: Way, repeat: Repeat) -> _Alone:
        return _Alone(self.station, way, repeat, self._suspicions)


class _Alone(Attempt[_Passed]):
    """A job's doubtful features at a stage, each after the other in a new worker."""

    def __init__(self, station: _Station, way: Way, repeat: Repeat, suspicions: Suspicions) -> None:
        self.station, self._way, self._repeat, self._suspicions = station, way, repeat, suspicions
        self.place = station.stage.place

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        task = Task(call_with, self.station.crew, fresh=True)
        return task, (run_jobs, self.station.work, [self._repeat.job])

    def answered(self, answer: list[Done]) -> Iterator[_Passed | _Alone]:
        self._suspicions.learn(self._repeat, answer[0])
        self._repeat.add(answer[0])
        yield from self._next()

    def lost(self, loss: Loss) -> Iterator[_Passed | _Alone]:
        self._repeat.fail(loss.error, loss.message, loss.seconds)
        yield from self._next()

    def _next(self) -> Iterator[_Passed | _Alone]:
        result = self._repeat.result
        yield (self.station, self._way, result) if result else self


def _refuse_unknown_places(features: Iterable[FeatureSet], found: Mapping[str, Place]) -> None:
    for feature in features:
        if feature.place not in found:
            raise ConfigError(
                f"features.{feature.name}: there is no place {feature.place!r} to run extractors",
                hint=did_you_mean(feature.place, {"cpu", "gpu", *found}),
            )
