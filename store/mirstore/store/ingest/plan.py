"""What an ingest would compute, why, and what it will cost."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet, in_order, normalise
from mirstore.core.jobs import Job
from mirstore.core.weights.cache import require
from mirstore.store.ingest.annotations import Annotated
from mirstore.store.ingest.costs import Costs
from mirstore.store.ingest.ledger import Ledger
from mirstore.store.ingest.scan import Scanned
from mirstore.store.store import Store

_chunk = 64  # tracks whose stored inputs are read at once


@dataclass(frozen=True)
class Need:
    """One line of a plan.

    Attributes
    ----------
    feature : str
        Name.
    id : str
        Of the feature set.
    tracks : int
        How many will be computed.
    why : str
        ``"new track"``, ``"new feature"``, ``"parameter sr: 22050 → 44100"``, ``"extractor version 1 → 2"``,
        ``"upstream mfcc"``, ``"weights"``, ``"annotation chords-true"``, ``"failed before"``, or ``"not kept"`` of what
        is computed only for others to read.
    seconds : float or None
        Expected CPU time [s], see `Costs`; None if nothing is known.
    """

    feature: str
    id: str
    tracks: int
    why: str
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What is there and what is missing.

    Attributes
    ----------
    scanned : sequence of Scanned
        All sources.
    named : Mapping of str to FeatureSet
        What was asked for and its inputs, in dependency order.
    missing : Mapping of str to tuple of str
        Track to the ids to compute, for tracks that lack any, and new tracks.
    fresh : Mapping of str to int
        Id to the number of tracks that have it.
    failed : Mapping of str to int
        Id to the number of tracks for which it failed before, and which are not tried again.
    needs : sequence of Need
        The reasons.
    none : set of (str, str)
        Tracks and ids of feature sets of which they have no rows, for a good reason.
    waiting : Mapping of str to int
        Id to the number of tracks that have no annotation for it to read.
    annotated : Annotated
        What annotations say anew; see `mirstore.store.ingest.annotations`.
    """

    scanned: Sequence[Scanned]
    named: Mapping[str, FeatureSet]
    missing: Mapping[str, tuple[str, ...]]
    fresh: Mapping[str, int]
    failed: Mapping[str, int]
    needs: Sequence[Need]
    none: Set[tuple[str, str]]
    waiting: Mapping[str, int] = field(default_factory=dict)
    annotated: Annotated = field(default_factory=Annotated)

    @property
    def total(self) -> int:
        """Number of tracks to work on."""
        return len(self.missing)

    @property
    def seconds(self) -> float | None:
        """Expected CPU time [s] of all needs of which it is known; None if it is of none."""
        known = [need.seconds for need in self.needs if need.seconds is not None]
        return sum(known) if known else None

    def jobs(self, store: Store, folder: Path) -> Iterator[Job]:
        """Yield the jobs, with the stored rows that they read; each has a place of its own in a folder.

        Parameters
        ----------
        store : Store
        folder : path
            Of this ingest.
        """
        paths = {item.track: item.source.path for item in self.scanned if item.track}
        by_id = {feature.id: feature for feature in self.named.values()}
        tracks = iter(self.missing)
        while chunk := list(itertools.islice(tracks, _chunk)):
            given = self._given(store, chunk, by_id)
            for track in chunk:
                yield Job(track, Path(paths[track]), self.missing[track], given.get(track, {}), folder / track)

    def _given(
        self, store: Store, tracks: Sequence[str], by_id: Mapping[str, FeatureSet]
    ) -> dict[str, dict[str, list[dict[str, Any]]]]:
        wanted: dict[str, list[str]] = {}
        for track in tracks:
            todo = self.missing[track]
            for id_ in {source.id for one in todo for source in by_id[one].inputs.values()}.difference(todo):
                wanted.setdefault(id_, []).append(track)
        given: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for id_, some in wanted.items():
            rows = store.rows(by_id[id_].table, some)
            for track in some:
                if track in rows or (track, id_) in self.none:
                    given.setdefault(track, {})[id_] = rows.get(track, [])
        return given


def make_plan(
    store: Store,
    scanned: Sequence[Scanned],
    features: Mapping[str, FeatureSet],
    *,
    retry_failed: bool,
    annotated: Annotated | None = None,
) -> Plan:
    """Compare what is asked for with the store's ledger.

    Raises
    ------
    UsageError
        If nothing of what is asked for is kept.
    ConfigError
        If an extractor can make nothing of what it reads.
    WeightsError
        If something is to be computed with weights that are missing or damaged.
    """
    if features and not any(feature.keep for feature in features.values()):
        raise UsageError(
            f"features {', '.join(map(repr, features))} are not kept, so there is nothing to compute",
            hint="ask for what reads them, or take out keep = false in the registry",
        )
    named = {feature.name: feature for feature in in_order(features)}
    computable = [feature for feature in named.values() if not feature.is_annotation]
    for feature in computable:
        _ = feature.columns  # whose extractor can make nothing of what it reads is told now, not when it is computed
    annotated = annotated or Annotated()
    ledger = Ledger(store, annotated.states)
    costs = Costs(store, scanned)
    missing: dict[str, tuple[str, ...]] = {}
    fresh: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    changes = {feature.id: change(store, feature) for feature in named.values()}
    decoded = set(store.recorded("core.tracks").select("track").collect()["track"])
    asked = {feature.id for feature in features.values()}
    preferred = _preferred(computable)
    seen: set[str] = set()
    for item in scanned:
        if item.track is None or item.track in seen:
            continue
        seen.add(item.track)
        there = {id_ for id_ in preferred if ledger.status(item.track, id_) in ("ok", "none")}
        todo: list[str] = []
        wanted = set(asked)
        read: set[str] = set()
        outdated = ledger.outdated(item.track, named.values())
        waiting.update(outdated.waiting)
        for feature in reversed(computable):  # what reads something before what is read
            if feature.id not in wanted:
                continue
            needed = [source.id for source in feature.needed(there)]
            wanted.update(needed)
            if not (feature.keep or feature.id in read) or feature.id in outdated.waiting:
                continue
            status = ledger.status(item.track, feature.id)
            changed = outdated.why.get(feature.id)
            if status == "failed" and not retry_failed and not changed:
                failed[feature.id] += 1
                continue
            if status in ("ok", "none") and not changed:
                fresh[feature.id] += 1
                continue
            todo.append(feature.id)
            read.update(needed)
            reasons[feature.name, changed or _why(feature, status, item.state, changes)] += 1
        todo.reverse()
        unasked = not computable or retry_failed
        if todo or (item.track not in decoded and unasked and ledger.status(item.track, None) is None):
            missing[item.track] = tuple(todo)
    require(named[name].extractor for name, _ in reasons)
    needs = [
        Need(name, named[name].id, count, why, costs.estimate(named[name], count))
        for (name, why), count in reasons.items()
    ]
    needs.sort(key=lambda need: list(named).index(need.feature))
    fresh += annotated.fresh
    failed += annotated.failed
    none = set(ledger.having("none"))
    return Plan(scanned, named, missing, fresh, failed, needs, none, waiting, annotated)


def _preferred(features: Iterable[FeatureSet]) -> set[str]:
    """Return the ids of what fallbacks stand in for."""
    return {
        feature.inputs[name].id
        for feature in features
        for name in feature.extractor.fallbacks.values()
        if name in feature.inputs
    }


def _why(feature: FeatureSet, status: str | None, state: str, changes: Mapping[str, str]) -> str:
    if not feature.keep:
        return "not kept"
    if status == "failed":
        return "failed before"
    return "new track" if state in ("new", "changed") else changes[feature.id]


def change(store: Store, feature: FeatureSet) -> str:
    """Say how this feature set differs from the one that its name means in the store.

    Parameters
    ----------
    store : Store
    feature : FeatureSet
    """
    before_it = store.names().get(feature.name, feature.id)
    if before_it == feature.id:
        return "new feature"
    (row,) = store.scan("core.feature_sets").filter(pl.col("feature_set") == before_it).collect().to_dicts()
    if (row["extractor"], row["version"]) != (feature.extractor.name, feature.extractor.version):
        return f"extractor {row['extractor']}@{row['version']} → {feature.extractor.name}@{feature.extractor.version}"
    before, now = json.loads(row["params"]), normalise(feature.extractor.params())
    changed = [
        f"{key}: {before.get(key)} → {now.get(key)}" for key in {**before, **now} if before.get(key) != now.get(key)
    ]
    if changed:
        return f"parameter {', '.join(changed)}"
    inputs = store.scan("core.inputs").filter(pl.col("feature_set") == before_it).collect()
    read = dict(zip(inputs["name"], inputs["input"], strict=True))
    upstream = [name for name, id_ in feature.reads.items() if read.get(name) != id_]
    return f"upstream {', '.join(upstream)}" if upstream else "weights"
