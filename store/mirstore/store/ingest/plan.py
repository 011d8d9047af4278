"""What an ingest would compute, why, and what it will cost."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from mirstore.core.bucket import Bucket
from mirstore.core.errors import UsageError
from mirstore.core.features import FeatureSet, in_order, normalise
from mirstore.core.jobs import Job
from mirstore.core.weights.cache import require
from mirstore.store.ingest.annotations import Annotated
from mirstore.store.ingest.costs import Costs
from mirstore.store.ingest.ledger import Ledger
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.work import Asked
from mirstore.store.store import Store
from mirstore.store.values import Rows

_first, _most, _bytes = 64, 1 << 16, 64 << 20
# Tracks whose stored inputs are read at once: each time a whole table is looked through. Few at first, for the workers
# wait; then as many as fit into so many bytes.


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
        Missing tracks and ids of feature sets of which they have no rows, for a good reason.
    waiting : Mapping of str to int
        Id to the number of tracks that have no annotation for it to read.
    annotated : Annotated
        What annotations say anew; see `mirstore.store.ingest.annotations`.
    decoded : set of str
        Those of the missing tracks of which the store says what decoding them told.
    to_decode : set of str
        Those that are decoded whatever is computed of them.
    snapshot : int
        That it was made from: what others commit later, it does not know.
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
    decoded: Set[str] = frozenset()
    to_decode: Set[str] = frozenset()
    snapshot: int = 0

    @property
    def total(self) -> int:
        """Number of tracks to work on."""
        return len(self.missing)

    @property
    def seconds(self) -> float | None:
        """Expected CPU time [s] of all needs of which it is known; None if it is of none."""
        known = [need.seconds for need in self.needs if need.seconds is not None]
        return sum(known) if known else None

    def jobs(self, store: Store, folder: Path, bucket: Bucket | None = None) -> Iterator[Job]:
        """Yield the jobs, with the stored rows that they read; each has a place of its own in a folder.

        Parameters
        ----------
        store : Store
        folder : path
            Of this ingest; relative to the store's if there is a bucket.
        bucket : Bucket, optional
            Through which tensors and sounds come and go, because the workers do not see the store's folder.
        """
        paths = {item.track: item.source.path for item in self.scanned if item.track in self.missing}
        reads = {todo: self._reads(todo) for todo in set(self.missing.values())}
        tracks, size = iter(self.missing), _first
        while chunk := list(itertools.islice(tracks, size)):
            given = self._given(store, chunk, reads, away=bucket is not None)
            for track in chunk:
                todo = self.missing[track]
                rows = {id_: given[id_].of(track) for id_ in reads[todo]}
                known = {id_: some for id_, some in rows.items() if some or (track, id_) in self.none}
                decode = track in self.to_decode
                yield Job(track, Path(paths[track]), todo, known, folder / track, bucket=bucket, decode=decode)
            size = _next(size, sum(each.bytes for each in given.values()))

    def _reads(self, todo: Sequence[str]) -> set[str]:
        """Return the ids of what is read and not computed beside it."""
        computed = (feature for feature in self.named.values() if feature.id in todo)
        return {source.id for feature in computed for source in feature.inputs.values()}.difference(todo)

    def _given(
        self, store: Store, tracks: Sequence[str], reads: Mapping[tuple[str, ...], Set[str]], *, away: bool
    ) -> dict[str, Rows]:
        wanted: dict[str, list[str]] = {}
        for track in tracks:
            for id_ in reads[self.missing[track]]:
                wanted.setdefault(id_, []).append(track)
        tables = {feature.id: feature.table for feature in self.named.values()}
        return {id_: store.rows(tables[id_], some, away=away) for id_, some in wanted.items()}


def _next(size: int, read: int) -> int:
    """Return of how many tracks to read at once, after so many bytes of so many."""
    return max(_first, min(8 * size, size * _bytes // max(read, 1), _most))


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
    of_files = {feature.id for feature in computable if feature.reads_file}
    annotated = annotated or Annotated()
    snapshot = store.newest
    asked = Asked(
        list(named.values()),
        {feature.id for feature in features.values()},
        {feature.id: change(store, feature) for feature in named.values()},
        retry_failed,
    )
    items = _one_per_track(scanned)
    tracks = pl.Series([item.track for item in items], dtype=pl.String)
    ledger = Ledger(store, tracks, (feature.id for feature in asked.named), asked.named, annotated.states)
    new = np.array([item.state in ("new", "changed") for item in items], dtype=bool)
    decoded = tracks.is_in(store.recorded("core.tracks").select("track").collect()["track"].implode()).to_numpy()
    fresh, failed, waiting = Counter(annotated.fresh), Counter(annotated.failed), Counter[str]()
    reasons: Counter[tuple[str, str]] = Counter()
    missing: dict[int, _Missing] = {}  # by position
    for at, entries, traits in ledger.alike(new=new, decoded=decoded):
        work = asked.work(entries, new=traits["new"])
        for counts, ids in ((fresh, work.fresh), (failed, work.failed), (waiting, work.waiting)):
            counts.update(dict.fromkeys(ids, len(at)))
        reasons.update(dict.fromkeys(work.reasons, len(at)))
        # what reads the file is there, so it was decoded: what that told was lost with its data file
        wanted = not computable or not of_files.isdisjoint(entries.having("ok", "none", "not kept"))
        tried = traits["decoded"] or (entries.status(None) == "failed" and not retry_failed)
        decode = wanted and not tried
        if work.todo or decode:
            one = _Missing(tuple(work.todo), entries.having("none"), traits["decoded"], decode)
            missing |= dict.fromkeys(at.tolist(), one)
    require(named[name].extractor for name, _ in reasons)
    costs = Costs(store, scanned)
    needs = [
        Need(name, named[name].id, count, why, costs.estimate(named[name], count))
        for (name, why), count in reasons.items()
    ]
    needs.sort(key=lambda need: list(named).index(need.feature))
    left = [(items[at].track or "", missing[at]) for at in sorted(missing)]
    return Plan(
        scanned,
        named,
        {track: one.todo for track, one in left},
        fresh,
        failed,
        needs,
        {(track, id_) for track, one in left for id_ in one.none},
        waiting,
        annotated,
        {track for track, one in left if one.decoded},
        {track for track, one in left if one.decode},
        snapshot,
    )


@dataclass(frozen=True)
class _Missing:
    """What is to be computed of a track, what has no rows for a good reason, whether it was and is to be decoded."""

    todo: tuple[str, ...]
    none: set[str]
    decoded: bool
    decode: bool


def _one_per_track(scanned: Iterable[Scanned]) -> list[Scanned]:
    """Return the first file of each track."""
    seen: dict[str, Scanned] = {}
    for item in scanned:
        if item.track is not None:
            seen.setdefault(item.track, item)
    return list(seen.values())


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
    rows = store.scan("core.feature_sets").filter(pl.col("feature_set") == before_it).collect().to_dicts()
    if not rows:  # lost
        return f"features {before_it} before"
    (row,) = rows
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
