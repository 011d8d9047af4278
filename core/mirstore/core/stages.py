"""A plan cut into stages by place, and one job's way through them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mirstore.core.declared import computed, declared
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Job, Outcome
from mirstore.core.pool import Crew
from mirstore.core.workers import to_compute, unreached


@dataclass(frozen=True)
class Stage:
    """What runs together: extractors of one place that like the same number of tracks at once.

    Attributes
    ----------
    place : str
        Where it runs.
    batch : int > 0
        Tracks at once.
    memory : int > 0 [bytes] or None
        What one process takes, if its extractor declares that.
    features : tuple of FeatureSet
        Each after its inputs, unless those are in an earlier stage.
    """

    place: str = "cpu"
    batch: int = 1
    memory: int | None = None
    features: tuple[FeatureSet, ...] = ()

    @cached_property
    def ids(self) -> frozenset[str]:
        """Ids of its feature sets."""
        return frozenset(feature.id for feature in self.features)

    @property
    def plan(self) -> dict[str, FeatureSet]:
        """What its workers know, by id: its feature sets, and the declarations of what comes as rows."""
        read = {source.id: source for feature in self.features for source in feature.inputs.values()}
        given = {id_: declared(source) for id_, source in read.items() if id_ not in self.ids}
        return given | {feature.id: computed(feature) for feature in self.features}

    def crew(self, workers: int, memory: int) -> Crew:
        """Return who works on it.

        A GPU has one process, whatever runs there. Elsewhere batches, which hold many tracks, and models that declare
        their memory have processes of their own; of the latter as many as fit into half of what there is.

        Parameters
        ----------
        workers : int > 0
            Calls that run at once in this place.
        memory : int > 0 [bytes]
            What all workers may take together.
        """
        if self.place == "gpu" or (self.batch == 1 and self.memory is None):
            return Crew()
        name = f"batch {self.batch}" if self.memory is None else ",".join(sorted(self.ids))
        most = None if self.memory is None else max(1, min(workers, memory // 2 // self.memory))
        return Crew(name, most, self.memory)


def stages(features: Sequence[FeatureSet]) -> list[Stage]:
    """Cut a plan into stages, each after those that it reads.

    Parameters
    ----------
    features : sequence of FeatureSet
        Each after its inputs.

    Returns
    -------
    list of Stage
        At least one.
    """
    found: list[list[FeatureSet]] = []
    where: dict[str, int] = {}
    for feature in features:
        earliest = max((where[source.id] for source in feature.inputs.values()), default=0)
        fitting = (n for n in range(earliest, len(found)) if _kind(found[n][0]) == _kind(feature))
        number = next(fitting, len(found))
        if number == len(found):
            found.append([])
        found[number].append(feature)
        where[feature.id] = number
    return [Stage(*_kind(members[0])[:3], tuple(members)) for members in found] or [Stage()]


def _kind(feature: FeatureSet) -> tuple[str, int, int | None, str]:
    """Return what must agree within a stage: a model that declares its memory is alone, except on a GPU."""
    extractor, on_gpu = feature.extractor, feature.place == "gpu"
    memory = None if on_gpu else extractor.memory
    return feature.place, extractor.batch, memory, "" if memory is None else feature.id


class Way:
    """One job on its way through the stages.

    Parameters
    ----------
    job : Job
        The whole of it.
    plan : Mapping of str to FeatureSet
        By id.
    """

    def __init__(self, job: Job, plan: Mapping[str, FeatureSet]) -> None:
        self._job, self._plan = job, plan
        self._left = to_compute(plan, job)
        self._given = dict(job.given)
        self._outcomes: list[Outcome] = []
        self._facts: AudioFacts | None = None
        self._error: tuple[str, str] | None = None

    @property
    def done(self) -> Done:
        """The whole job, with the outcomes of all stages."""
        return Done(self._job, self._facts, self._outcomes, self._error)

    def has_part_in(self, stage: Stage) -> bool:
        """Whether a stage has something to do for it.

        Parameters
        ----------
        stage : Stage
        """
        return not stage.ids.isdisjoint(self._left)

    def part(self, stage: Stage) -> Job:
        """Return what a stage does for it, with the rows that it reads, and which it must hand on.

        Parameters
        ----------
        stage : Stage
        """
        features = tuple(id_ for id_ in self._left if id_ in stage.ids)
        read = self._read_by(features)
        return replace(
            self._job,
            features=features,
            given={id_: rows for id_, rows in self._given.items() if id_ in read},
            hand_on=stage.ids & self._read_by(id_ for id_ in self._left if id_ not in stage.ids),
            decode=self._job.decode and self._facts is None,
        )

    def _read_by(self, ids: Iterable[str]) -> frozenset[str]:
        return frozenset(source.id for id_ in ids for source in self._plan[id_].inputs.values())

    def add(self, done: Done) -> None:
        """Take what a stage gave.

        Parameters
        ----------
        done : Done
        """
        lost: tuple[str, str] | None = None
        for outcome in done.outcomes:
            self._left.remove(outcome.feature)
            if outcome.can_be_read:
                self._given[outcome.feature] = outcome.rows
            self._report(outcome)
            if outcome.error == unreached:
                lost = unreached, outcome.message or ""
        self._facts = self._facts or done.facts
        if lost:
            self._fail(self._left, lost)  # what reads it fails for that reason, and not for lack of it
        if done.error and not self._error:
            self._error = done.error
            self._give_up(done.error)

    def _report(self, outcome: Outcome) -> None:
        if outcome.feature in self._job.features:
            kept = self._plan[outcome.feature].keep
            self._outcomes.append(outcome if kept else replace(outcome, rows=[]))

    def _give_up(self, error: tuple[str, str]) -> None:
        """Fail what needs the file that could not be decoded: it would fail in every stage again."""
        for id_ in list(self._left):  # each after its inputs
            if self._plan[id_].reads_file or not self._read_by([id_]) <= self._given.keys() | set(self._left):
                self._fail([id_], error)

    def _fail(self, ids: Iterable[str], error: tuple[str, str]) -> None:
        for id_ in list(ids):
            self._left.remove(id_)
            self._report(Outcome(id_, "failed", [], *error))
