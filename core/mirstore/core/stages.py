"""A plan cut into stages by place, and one job's way through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Job, Outcome
from mirstore.core.pool import Crew


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
    def ids(self) -> Set[str]:
        """Ids of its feature sets."""
        return {feature.id for feature in self.features}

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
        self._left = set(job.features)
        self._given = dict(job.given)
        self._outcomes: list[Outcome] = []
        self._facts: AudioFacts | None = None
        self._error: tuple[str, str] | None = None

    @property
    def done(self) -> Done:
        """The whole job, with the outcomes of all stages."""
        return Done(self._job, self._facts, self._outcomes, self._error)

    def has_part_in(self, stage: Stage) -> bool:
        """Whether a stage has something to do for it."""
        return not stage.ids.isdisjoint(self._left)

    def part(self, stage: Stage) -> Job:
        """Return what a stage does for it, with the rows that it reads."""
        features = tuple(id_ for id_ in self._job.features if id_ in stage.ids)
        read = {source.id for id_ in features for source in self._plan[id_].inputs.values()}
        return replace(
            self._job, features=features, given={id_: rows for id_, rows in self._given.items() if id_ in read}
        )

    def add(self, done: Done) -> None:
        """Take what a stage gave."""
        self._outcomes += done.outcomes
        self._left -= {outcome.feature for outcome in done.outcomes}
        self._given |= {outcome.feature: outcome.rows for outcome in done.outcomes if outcome.status != "failed"}
        self._facts = self._facts or done.facts
        if done.error and not self._error:
            self._error = done.error
            self._give_up(done.error)

    def _give_up(self, error: tuple[str, str]) -> None:
        """Fail what needs the file that could not be decoded: it would fail in every stage again."""
        for id_ in self._job.features:  # each after its inputs
            inputs = {source.id for source in self._plan[id_].inputs.values()}
            if id_ in self._left and not (inputs and inputs <= self._given.keys() | self._left):
                self._outcomes.append(Outcome(id_, "failed", [], *error))
                self._left.remove(id_)
