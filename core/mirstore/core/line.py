"""Jobs in a line: the stages one after the other, what waits between them, and what is made of answers and losses."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Done, Job
from mirstore.core.places import Place
from mirstore.core.pool import Task, memory_for_workers
from mirstore.core.shared import Shared, call_with
from mirstore.core.stages import Stage, Way, stages
from mirstore.core.supervise import Attempt, Loss, Supervisor
from mirstore.core.suspicion import Repeat, Suspicions
from mirstore.core.workers import Limits, Work, run_jobs, unreached


class Station:
    """A stage at work."""

    def __init__(self, stage: Stage, place: Place, limits: Limits) -> None:
        self.stage, self._workers = stage, place.workers
        self.crew = stage.crew(place.workers, limits.memory or memory_for_workers())
        self.work = Shared.of(Work(stage.plan, limits))
        self.waiting: deque[Way] = deque()
        self.inside = 0

    def most(self, supervisor: Supervisor[Passed]) -> int:
        """Return how many calls to submit: one waits for each that runs, which keeps workers busy and repeats cheap.

        Parameters
        ----------
        supervisor : Supervisor
        """
        return 2 * max(1, supervisor.capacity(self.stage.place, self.crew, self._workers))


Passed = tuple[Station, Way, Done]
"""A job that has passed a stage."""


class Line:
    """The stages in a row, and what waits between them: few jobs, because what they hand on may be large."""

    def __init__(
        self, jobs: Iterable[Job], features: Sequence[FeatureSet], found: Mapping[str, Place], limits: Limits
    ) -> None:
        self.plan = {feature.id: feature for feature in features}
        self.stations = [Station(stage, found[stage.place], limits) for stage in stages(features)]
        self.suspicions = Suspicions()
        self._jobs = iter(jobs)
        self._exhausted = False

    @property
    def inside(self) -> int:
        """Number of jobs that have begun and not left."""
        return sum(station.inside for station in self.stations)

    def ready(self, supervisor: Supervisor[Passed]) -> Iterator[_Batch]:
        """Yield what to submit now.

        Parameters
        ----------
        supervisor : Supervisor
        """
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
            self._enter(self._next(way) or self.stations[0], way)  # whose job names none is decoded
        self._exhausted = self.inside < most

    def _enter(self, station: Station, way: Way) -> None:
        station.waiting.append(way)
        station.inside += 1

    def _next(self, way: Way) -> Station | None:
        return next((station for station in self.stations if way.has_part_in(station.stage)), None)

    def _batch(self, station: Station) -> list[Way]:
        """Return who goes together; fewer than the stage likes only if nobody else can come."""
        before = self.stations[: self.stations.index(station)]
        last = self._exhausted and not any(other.inside for other in before)
        if len(station.waiting) < station.stage.batch and not last:
            return []
        return [station.waiting.popleft() for _ in range(min(station.stage.batch, len(station.waiting)))]

    def goes_on(self, station: Station, way: Way) -> bool:
        """Have a job that has passed a station wait at its next one, if there is one.

        Parameters
        ----------
        station : Station
        way : Way

        Returns
        -------
        bool
            Whether there is one.
        """
        station.inside -= 1
        following = self._next(way)
        if following:
            self._enter(following, way)
        return following is not None


class _Batch(Attempt[Passed]):
    """Jobs at a stage, together."""

    def __init__(
        self, station: Station, ways: Sequence[Way], plan: Mapping[str, FeatureSet], suspicions: Suspicions
    ) -> None:
        self.station, self._ways, self._plan, self._suspicions = station, ways, plan, suspicions
        self.place = station.stage.place

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        jobs = [way.part(self.station.stage) for way in self._ways]
        return Task(call_with, self.station.crew), (run_jobs, self.station.work, jobs, self._suspicions.believed)

    def answered(self, answer: list[Done]) -> Iterator[Passed | _Alone]:
        for way, done in zip(self._ways, answer, strict=True):
            checked = self._suspicions.check(done, self._plan)
            if isinstance(checked, Done):
                yield self.station, way, checked
            else:
                yield self._alone(way, checked)

    def lost(self, loss: Loss) -> Iterator[Passed | _Alone]:
        for way in self._ways:
            repeat = Repeat.of_job(way.part(self.station.stage))
            if loss.error == unreached:  # by several workers already
                yield self.station, way, repeat.give_up(loss.error, loss.message, loss.seconds)
            else:
                yield self._alone(way, repeat)

    def _alone(self, way: Way, repeat: Repeat) -> _Alone:
        return _Alone(self.station, way, repeat, self._suspicions)


class _Alone(Attempt[Passed]):
    """A job's doubtful features at a stage, each after the other in a new worker."""

    def __init__(self, station: Station, way: Way, repeat: Repeat, suspicions: Suspicions) -> None:
        self.station, self._way, self._repeat, self._suspicions = station, way, repeat, suspicions
        self.place = station.stage.place

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        task = Task(call_with, self.station.crew, fresh=True)
        return task, (run_jobs, self.station.work, [self._repeat.job])

    def answered(self, answer: list[Done]) -> Iterator[Passed | _Alone]:
        self._suspicions.learn(self._repeat, answer[0])
        self._repeat.add(answer[0])
        yield from self._next()

    def lost(self, loss: Loss) -> Iterator[Passed | _Alone]:
        if loss.error == unreached:
            self._repeat.give_up(loss.error, loss.message, loss.seconds)
        else:
            self._repeat.fail(loss.error, loss.message, loss.seconds)
        yield from self._next()

    def _next(self) -> Iterator[Passed | _Alone]:
        result = self._repeat.result
        yield (self.station, self._way, result) if result else self
