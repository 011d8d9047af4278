"""Who did it? What fails beside other extractors is repeated alone in a new worker; if it fails there, it did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Believed, Done, Job, Outcome
from mirstore.core.workers import upstream

enough = 3  # repeats that fail alike, so that an extractor that always fails does not cost a process for each track


class Repeat:
    """One track's doubtful features, each after the other alone.

    Parameters
    ----------
    job : Job
        The whole of it.
    todo : sequence of str
        Ids of the feature sets to repeat, each after its inputs; empty if only the audio is looked at.
    done : Done
        What is known already of the others.
    doubts : set of str
        Those of them that failed, and did not only read what failed or die together with it.
    """

    def __init__(self, job: Job, todo: Sequence[str], done: Done, doubts: Set[str] = frozenset()) -> None:
        self._whole, self.doubts = job, doubts
        self._todo: list[tuple[str, ...]] = [(feature,) for feature in todo] or [()]
        self._facts: AudioFacts | None = done.facts
        self._error = done.error
        self._outcomes = [outcome for outcome in done.outcomes if outcome.feature not in todo]
        self._given = {**job.given, **_rows(self._outcomes)}

    @classmethod
    def of_job(cls, job: Job) -> Repeat:
        """Repeat all of a job whose worker died.

        Parameters
        ----------
        job : Job
        """
        return cls(job, job.features, Done(job, None, []))

    @property
    def job(self) -> Job:
        """What to try next."""
        return replace(self._whole, features=self._todo[0], given=self._given)

    @property
    def result(self) -> Done | None:
        """The whole job, once nothing is left to try."""
        return None if self._todo else Done(self._whole, self._facts, self._outcomes, self._error)

    def add(self, done: Done) -> None:
        """Take what the last try gave.

        Parameters
        ----------
        done : Done
        """
        self._todo.pop(0)
        self._outcomes += [replace(outcome, doubtful=False) for outcome in done.outcomes]
        self._given |= _rows(done.outcomes)
        self._facts = self._facts or done.facts
        self._error = None if self._facts else self._error or done.error

    def fail(self, error: str, message: str, seconds: float) -> None:
        """Take that the last try gave nothing.

        Parameters
        ----------
        error, message : str
            Name and text of what went wrong.
        seconds : float >= 0 [s]
            What it took.
        """
        features = self._todo.pop(0)
        self._outcomes += [Outcome(feature, "failed", [], error, message, seconds) for feature in features]
        if not features:
            self._error = error, message

    def give_up(self, error: str, message: str, seconds: float) -> Done:
        """Return the whole job: of what was still to try, nothing will be known.

        Parameters
        ----------
        error, message : str
            Name and text of what went wrong.
        seconds : float >= 0 [s]
            What it took.
        """
        while self._todo:
            self.fail(error, message, seconds)
        return Done(self._whole, self._facts, self._outcomes, self._error)


def _rows(outcomes: Sequence[Outcome]) -> dict[str, Sequence[Mapping[str, object]]]:
    return {outcome.feature: outcome.rows for outcome in outcomes if outcome.can_be_read}


class Suspicions:
    """Which failures an ingest has learned to believe."""

    def __init__(self) -> None:
        self._repeated: Counter[tuple[str, str]] = Counter()
        self._refuted: set[str] = set()

    @property
    def believed(self) -> Believed:
        """Failures that have come again alone often enough, of extractors of which none has not."""
        return frozenset(key for key, n in self._repeated.items() if n >= enough and key[0] not in self._refuted)

    def check(self, done: Done, plan: Mapping[str, FeatureSet]) -> Done | Repeat:
        """Return the job as it is, or what of it must be repeated, with all that reads it.

        Parameters
        ----------
        done : Done
        plan : Mapping of str to FeatureSet
            By id, each after its inputs.
        """
        doubts = {o.feature for o in done.outcomes if o.doubtful and (o.feature, o.error) not in self.believed}
        again = set(doubts)
        for outcome in done.outcomes:  # each after its inputs
            if outcome.error == upstream and not again.isdisjoint(s.id for s in plan[outcome.feature].inputs.values()):
                again.add(outcome.feature)
        if not again:
            return done
        return Repeat(done.job, [feature for feature in done.job.features if feature in again], done, doubts)

    def learn(self, repeat: Repeat, alone: Done) -> None:
        """Take how a feature set went alone.

        Parameters
        ----------
        repeat : Repeat
        alone : Done
            What its last try gave.
        """
        for outcome in alone.outcomes:
            if outcome.doubtful:
                self._repeated[outcome.feature, outcome.error or ""] += 1
            elif outcome.feature in repeat.doubts:
                self._refuted.add(outcome.feature)
