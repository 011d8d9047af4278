"""What became of each track and feature set, and what of it rests on annotations that are others now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from math import inf

from mirstore.core.features import FeatureSet, in_order
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import order

Key = tuple[str, str | None]
"""A track and the id of a feature set; None for the file itself."""


@dataclass(frozen=True)
class Outdated:
    """What of a track does not hold as it is.

    Attributes
    ----------
    why : dict of str to str
        Id of a feature set to what it rests on that is another now: ``"annotation chords-true"``.
    waiting : set of str
        Ids of those that cannot be computed, for this track has no annotation to read.
    """

    why: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)


class Ledger:
    """The latest entry about each track and feature set.

    Parameters
    ----------
    lake : Lake
    coming : Mapping of Key to str
        Status of entries that are not made yet.
    """

    def __init__(self, lake: Lake, coming: Mapping[tuple[str, str], str] | None = None) -> None:
        rows = lake.recorded("core.extractions").select("track", "feature_set", "status", order)
        entries = latest(rows, "track", "feature_set").collect()
        self._entries: dict[Key, tuple[str, float]] = {
            (track, id_): (status, number) for track, id_, status, number in entries.iter_rows()
        }
        self._below: dict[str, list[FeatureSet]] = {}  # id of a feature set to all that it rests on
        self._entries |= {key: (status, inf) for key, status in (coming or {}).items()}

    def status(self, track: str, id_: str | None) -> str | None:
        """Return ``"ok"``, ``"none"``, ``"failed"``, ``"not kept"``, or None if there is no entry.

        Parameters
        ----------
        track : str
        id_ : str or None
            Of a feature set; None asks about the file itself.
        """
        return self._entries.get((track, id_), (None, 0))[0]

    def having(self, status: str) -> Iterator[tuple[str, str]]:
        """Yield tracks and ids of feature sets.

        Parameters
        ----------
        status : str
            One that `status` returns.
        """
        return ((track, id_) for (track, id_), entry in self._entries.items() if entry[0] == status and id_ is not None)

    def outdated(self, track: str, features: Iterable[FeatureSet]) -> Outdated:
        """Return what of a track was computed before what it reads.

        Parameters
        ----------
        track : str
        features : iterable of FeatureSet
            Each after its inputs.
        """
        found = Outdated()
        for feature in features:
            if not feature.is_revisable or feature.is_annotation:
                continue
            if any(self._lacks(track, source, found.waiting) for source in _needed(feature)):
                found.waiting.add(feature.id)
            elif self.status(track, feature.id) is not None and (why := self._newer(track, feature, found.why.keys())):
                found.why[feature.id] = why
        return found

    def _lacks(self, track: str, source: FeatureSet, waiting: Set[str]) -> bool:
        return source.id in waiting or (source.is_annotation and (track, source.id) not in self._entries)

    def _newer(self, track: str, feature: FeatureSet, outdated: Set[str]) -> str:
        """Return what was read and is newer; what nobody keeps is made anew each time, and says nothing."""
        if feature.id not in self._below:
            self._below[feature.id] = in_order({"": feature})[:-1]
        own = self._number(track, feature.id) or inf  # what nobody keeps is itself never behind
        newer = {source.id: source for source in self._below[feature.id] if self._number(track, source.id) > own}
        if changed := [source.name for source in newer.values() if source.is_annotation]:
            return f"annotation {', '.join(changed)}"
        read = [source.name for source in feature.inputs.values() if source.id in newer.keys() | outdated]
        return f"upstream {', '.join(read)}" if read else ""

    def _number(self, track: str, id_: str) -> float:
        status, number = self._entries.get((track, id_), (None, 0))
        return 0 if status == "not kept" else number


def _needed(feature: FeatureSet) -> Iterator[FeatureSet]:
    return (source for name, source in feature.inputs.items() if name not in feature.extractor.optional)
