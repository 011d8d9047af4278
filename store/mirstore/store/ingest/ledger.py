"""What became of each track and feature set, and what of it rests on annotations that are others now.

Of a million tracks most have the same entries: they are kept as arrays, and what is asked about a track is asked once
of all that are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from math import inf

import numpy as np
import polars as pl

from mirstore.core.features import FeatureSet, in_order
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.schema import order

_states = ("", "ok", "none", "failed", "not kept")
_part = 3_000_000  # entries that are read at once


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


class Entries:
    """The latest entries about a track, or about tracks that are alike.

    Parameters
    ----------
    of : Mapping of str or None to (str, float)
        Id of a feature set, None for the file itself, to its status and the number of the commit that brought it; only
        those that there are.
    """

    def __init__(self, of: Mapping[str | None, tuple[str, float]]) -> None:
        self._of = of

    def status(self, id_: str | None) -> str | None:
        """Return ``"ok"``, ``"none"``, ``"failed"``, ``"not kept"``, or None if there is no entry.

        Parameters
        ----------
        id_ : str or None
            Of a feature set; None asks about the file itself.
        """
        return self._of[id_][0] if id_ in self._of else None

    def having(self, *states: str) -> set[str]:
        """Return the ids of feature sets with one of these states.

        Parameters
        ----------
        *states : str
            Some that `status` returns.
        """
        return {id_ for id_, (state, _) in self._of.items() if state in states and id_ is not None}

    def outdated(self, features: Iterable[FeatureSet]) -> Outdated:
        """Return what was computed before what it reads.

        Parameters
        ----------
        features : iterable of FeatureSet
            Each after its inputs.
        """
        found = Outdated()
        for feature in features:
            if not feature.is_revisable or feature.is_annotation:
                continue
            if any(self._lacks(source, found.waiting) for source in _needed(feature)):
                found.waiting.add(feature.id)
            elif self.status(feature.id) is not None and (why := self._newer(feature, found.why.keys())):
                found.why[feature.id] = why
        return found

    def _lacks(self, source: FeatureSet, waiting: Set[str]) -> bool:
        return source.id in waiting or (source.is_annotation and source.id not in self._of)

    def _newer(self, feature: FeatureSet, outdated: Set[str]) -> str:
        """Return what was read and is newer; what nobody keeps is made anew each time, and says nothing."""
        own = self._number(feature.id) or inf  # what nobody keeps is itself never behind
        newer = {source.id: source for source in _below(feature) if self._number(source.id) > own}
        if changed := [source.name for source in newer.values() if source.is_annotation]:
            return f"annotation {', '.join(changed)}"
        read = [source.name for source in feature.inputs.values() if source.id in newer.keys() | outdated]
        return f"upstream {', '.join(read)}" if read else ""

    def _number(self, id_: str) -> float:
        status, number = self._of.get(id_, ("", 0))
        return 0 if status == "not kept" else number


class Ledger:
    """The latest entry about each of some tracks and feature sets.

    Parameters
    ----------
    lake : Lake
    tracks : pl.Series of str
        Each once.
    ids : iterable of str
        Of the feature sets; the file itself is always among them.
    features : iterable of FeatureSet
        Those of which `Entries.outdated` will be asked.
    coming : Mapping of (str, str) to str
        Track and id to the status of entries that are not made yet.
    """

    def __init__(
        self,
        lake: Lake,
        tracks: pl.Series,
        ids: Iterable[str],
        features: Iterable[FeatureSet],
        coming: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self._ids: list[str | None] = [None, *dict.fromkeys(ids)]
        revisable = (feature for feature in features if feature.is_revisable and not feature.is_annotation)
        dated = {source.id for feature in revisable for source in (feature, *_below(feature))}
        self._status = {id_: np.zeros(len(tracks), np.int8) for id_ in self._ids}
        self._number = {id_: np.zeros(len(tracks)) for id_ in self._ids if id_ in dated}
        numbers = pl.DataFrame({"track": tracks, "at": np.arange(len(tracks), dtype=np.uint32)})
        self._enter(self._read(lake, numbers))
        self._enter(self._coming(coming or {}, numbers))

    def _read(self, lake: Lake, numbers: pl.DataFrame) -> pl.DataFrame:
        """Return numbers in place of words, in the order of the commits: words of a million tracks take gigabytes."""
        rows = lake.recorded("core.extractions").select("track", "feature_set", "status", order)
        parts = [self._read_part(rows.slice(at, _part), numbers) for at in range(0, max(1, _height(rows)), _part)]
        return pl.concat(parts).sort(order, maintain_order=True)

    def _read_part(self, rows: pl.LazyFrame, numbers: pl.DataFrame) -> pl.DataFrame:
        wanted = rows.filter(pl.col("feature_set").is_in(self._ids[1:]) | pl.col("feature_set").is_null())
        coded = wanted.with_columns(self._coded("feature_set", self._ids), self._coded("status", _states))
        return coded.join(numbers.lazy(), on="track", how="inner", maintain_order="left").drop("track").collect()

    def _coming(self, coming: Mapping[tuple[str, str], str], numbers: pl.DataFrame) -> pl.DataFrame:
        rows = [(track, id_, status, inf) for (track, id_), status in coming.items()]
        names = {"track": pl.String, "feature_set": pl.String, "status": pl.String, order: pl.Float64}
        frame = pl.DataFrame(rows, schema=names, orient="row").filter(pl.col("feature_set").is_in(self._ids[1:]))
        coded = frame.with_columns(self._coded("feature_set", self._ids), self._coded("status", _states))
        return coded.join(numbers, on="track", how="inner", maintain_order="left")

    def _coded(self, column: str, words: Iterable[str | None]) -> pl.Expr:
        codes = {word: number for number, word in enumerate(words)}
        return pl.col(column).replace_strict(codes, return_dtype=pl.Int16)

    def _enter(self, rows: pl.DataFrame) -> None:
        """Take over entries, the last of a track and feature set last."""
        for (code,), part in rows.group_by("feature_set"):
            id_ = self._ids[int(str(code))]
            at = part["at"].to_numpy()
            self._status[id_][at] = part["status"].to_numpy()
            if id_ in self._number:
                self._number[id_][at] = part[order].to_numpy()

    def alike(self, **traits: np.ndarray) -> Iterator[tuple[np.ndarray, Entries, dict[str, bool]]]:
        """Yield positions of tracks with the same entries and traits, and those; in the order of the first of each.

        Parameters
        ----------
        **traits : np.ndarray [shape=(n,)] of bool
            What else tells tracks apart.

        Yields
        ------
        at : np.ndarray [shape=(m,)] of int
            In ascending order.
        entries : Entries
        traits : dict of str to bool
        """
        states = {f"status {number}": self._status[id_] for number, id_ in enumerate(self._ids)}
        numbers = {f"number {number}": self._number[id_] for number, id_ in enumerate(self._ids) if id_ in self._number}
        frame = pl.DataFrame({**traits, **states, **numbers})
        groups = frame.with_row_index("at").group_by(frame.columns, maintain_order=True).agg("at")
        for at in groups["at"]:
            first = at[0]
            entries = {
                id_: (_states[states[first]], float(self._number[id_][first]) if id_ in self._number else 0.0)
                for id_, states in self._status.items()
                if states[first]
            }
            yield at.to_numpy(), Entries(entries), {name: bool(values[first]) for name, values in traits.items()}


def _height(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect().item())


def _needed(feature: FeatureSet) -> Iterator[FeatureSet]:
    return (source for name, source in feature.inputs.items() if name not in feature.extractor.optional)


def _below(feature: FeatureSet) -> list[FeatureSet]:
    """Return all that a feature set rests on."""
    return in_order({"": feature})[:-1]
