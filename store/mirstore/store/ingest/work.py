"""What there is to compute for a track, given what became of it before: the same for all tracks that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from mirstore.core.features import FeatureSet
from mirstore.store.ingest.ledger import Entries


@dataclass
class Work:
    """What is there and what is missing.

    Attributes
    ----------
    todo : list of str
        Ids to compute, each after its inputs.
    reasons : list of (str, str)
        Names of those and why.
    fresh, failed : list of str
        Ids that are there, and that failed before and are not tried again.
    waiting : set of str
        Ids that have no annotation to read.
    """

    todo: list[str] = field(default_factory=list)
    reasons: list[tuple[str, str]] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    waiting: Set[str] = frozenset()


@dataclass(frozen=True)
class Asked:
    """What is asked of every track.

    Attributes
    ----------
    named : sequence of FeatureSet
        What was asked for and its inputs, each after those.
    ids : set of str
        Of what was asked for.
    changes : Mapping of str to str
        Id to how the feature set differs from the one that its name means in the store.
    retry_failed : bool
        Whether what failed before is tried again.
    """

    named: Sequence[FeatureSet]
    ids: Set[str]
    changes: Mapping[str, str]
    retry_failed: bool

    @property
    def computable(self) -> list[FeatureSet]:
        """Without annotations."""
        return [feature for feature in self.named if not feature.is_annotation]

    def work(self, entries: Entries, *, new: bool) -> Work:
        """Return what there is to do for a track.

        Parameters
        ----------
        entries : Entries
            What became of it before.
        new : bool
            Whether its file is new, or another now.
        """
        found, wanted, read = Work(), set(self.ids), set[str]()
        there = _preferred(self.computable) & entries.having("ok", "none")
        outdated = entries.outdated(self.named)
        found.waiting = outdated.waiting
        for feature in reversed(self.computable):  # what reads something before what is read
            if feature.id not in wanted:
                continue
            needed = [source.id for source in feature.needed(there)]
            wanted.update(needed)
            if not (feature.keep or feature.id in read) or feature.id in outdated.waiting:
                continue
            status, changed = entries.status(feature.id), outdated.why.get(feature.id)
            if status == "failed" and not self.retry_failed and not changed:
                found.failed.append(feature.id)
            elif status in ("ok", "none") and not changed:
                found.fresh.append(feature.id)
            else:
                found.todo.insert(0, feature.id)
                found.reasons.append((feature.name, changed or self._why(feature, status, new)))
                read.update(needed)
        return found

    def _why(self, feature: FeatureSet, status: str | None, new: bool) -> str:
        if not feature.keep:
            return "not kept"
        if status == "failed":
            return "failed before"
        return "new track" if new else self.changes[feature.id]


def _preferred(features: Iterable[FeatureSet]) -> set[str]:
    """Return the ids of what fallbacks stand in for."""
    return {
        feature.inputs[name].id
        for feature in features
        for name in feature.extractor.fallbacks.values()
        if name in feature.inputs
    }
