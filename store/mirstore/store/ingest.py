"""Ingest: find files, plan what is missing, extract it in worker processes, commit in batches.

One process commits; nothing that was committed is computed again, so an ingest that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sys import getsizeof
from time import monotonic
from typing import Any

from mirstore.core.extraction import Pool, extract
from mirstore.core.features import FeatureSet, in_order
from mirstore.core.jobs import Done, Outcome
from mirstore.core.pool import local_pool
from mirstore.core.text import explained
from mirstore.core.workers import Limits
from mirstore.store.corrections import count_changes, taken_away
from mirstore.store.duplicates import Duplicates
from mirstore.store.halves import commit_in_halves
from mirstore.store.plan import Plan, make_plan
from mirstore.store.same import one_per_track
from mirstore.store.scan import Scanned, scan
from mirstore.store.schema import order
from mirstore.store.source import Source
from mirstore.store.store import Store
from mirstore.store.tagging import compare_tags, latest_tags
from mirstore.store.transaction import Transaction
from mirstore.store.vanished import Vanished, continued, origins, renamed
from mirstore.store.vanished import find as find_vanished
from mirstore.store.vanished import prune as take_out

batch_tracks = 200  # a commit costs some 0.1 s; an ingest that is killed loses this many tracks at most
batch_bytes = 64 << 20  # of tensors, so that memory does not grow with their size
batch_seconds = 30.0

Progress = Callable[[int, int, str], None]
"""Called with done, total and a word for the stage."""


@dataclass
class Summary:
    """What an ingest did; `as_dict` is what ``mirstore ingest --json`` prints."""

    ingest: str
    dataset: str | None
    tracks: Counter[str] = field(default_factory=Counter)
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    vanished: list[Vanished] = field(default_factory=list)
    pruned: bool = False
    restored: list[str] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    duplicates: Duplicates = field(default_factory=Duplicates)
    snapshot: int | None = None
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether any track or feature failed."""
        return bool(self.tracks["failed"] or any(counts["failed"] for counts in self.features.values()))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "ingest": self.ingest,
            "dataset": self.dataset,
            "tracks": {state: self.tracks[state] for state in ("new", "changed", "known", "failed")},
            "features": self.features,
            "labels": {state: self.labels[state] for state in ("added", "changed")},
            "withdrawn": self.tracks["withdrawn"],
            "renamed": self.renamed,
            "restored": self.restored,
            "vanished": [item.as_dict() | {"pruned": self.pruned} for item in self.vanished],
            "tags": {count: self.tags[count] for count in ("read", "artist", "genre", "unreadable", "retagged")},
            "duplicates": self.duplicates.as_dict(),
            "snapshot": self.snapshot,
            "seconds": round(self.seconds, 3),
        }


def prepare(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    *,
    retry_failed: bool = False,
    tags: bool = True,
    progress: Progress | None = None,
) -> Plan:
    """Scan the sources and say what an ingest would compute, why, and what it will cost."""
    scanned = []
    tagged = {path: track for path, (track, text) in latest_tags(store).items() if text is not None} if tags else None
    if progress and sources:
        progress(0, len(sources), "scan")
    for number, item in enumerate(scan(store, sources, tagged=tagged), start=1):
        scanned.append(item)
        if progress:
            progress(number, len(sources), "scan")
    return make_plan(store, scanned, features, retry_failed=retry_failed)


def ingest(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    *,
    dataset: str | None = None,
    workers: int = 1,
    limits: Limits | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    tags: bool = True,
    command: str = "",
    progress: Progress | None = None,
    pool: Pool = local_pool,
) -> Summary:
    """Bring the store up to date with the sources.

    Parameters
    ----------
    store : Store
        Open for writing.
    sources : sequence of Source
        See `mirstore.store.sources.find`.
    features : Mapping of str to FeatureSet
        What to compute, by name; inputs are computed too.
    dataset : str, optional
        Name of the dataset that the tracks and their labels belong to; each source's own by default.
    workers : int > 0
        Processes.
    limits : Limits, optional
        Time and memory for one extractor on one track.
    retry_failed : bool
        Compute again what failed before; otherwise failures stay.
    prune : bool
        Take out of the datasets what is gone from them.
    tags : bool
        Whether the files' tags give credits and genres where a table does not; False takes those of these files out
        of use.
    command : str
        What the user asked, kept with the ingest.
    progress : callable, optional
        Told done, total and stage.
    pool : callable
        Makes the executor.

    Returns
    -------
    Summary
    """
    begun = monotonic()
    if dataset is not None:
        sources = [replace(source, dataset=dataset) for source in sources]
    plan = prepare(store, sources, features, retry_failed=retry_failed, tags=tags, progress=progress)
    summary = Summary(uuid.uuid4().hex[:12], dataset)
    if dataset is None:  # which was not asked for by name
        summary.renamed = renamed(store, plan.scanned)
        plan = replace(plan, scanned=continued(plan.scanned, summary.renamed))
    summary.dataset = ", ".join(sorted({item.source.dataset for item in plan.scanned})) or None
    summary.restored = [name for name, feature in plan.named.items() if feature.id in store.hidden.features]
    summary.tracks.update("known" if item.state == "moved" else item.state for item in plan.scanned)
    summary.features = {
        name: {"id": feature.id, "ok": 0, "failed": plan.failed[feature.id], "fresh": plan.fresh[feature.id]}
        for name, feature in plan.named.items()
    }
    committer = _Committer(store, summary)
    committer.register(plan, tags)
    summary.vanished, summary.pruned = find_vanished(store, plan.scanned), prune
    if prune:
        take_out(store, summary.vanished)
    jobs = plan.jobs(store)
    if plan.total:
        if progress:
            progress(0, plan.total, "extract")  # the workers take a while to start
        results = extract(jobs, in_order(features), workers=workers, limits=limits, pool=pool)
        try:
            for number, done in enumerate(results, start=1):
                committer.add(done)
                if progress:
                    progress(number, plan.total, "extract")
        finally:
            results.close()  # type: ignore[attr-defined]
            committer.flush()  # also after Ctrl-C: what is done stays done
        summary.duplicates.look(store, committer.stamp)
    summary.seconds = monotonic() - begun
    committer.finish(command)
    summary.snapshot = store.snapshot_id
    return summary


class _Committer:
    """Collects results and commits them in batches: the only writer of an ingest."""

    def __init__(self, store: Store, summary: Summary) -> None:
        self.store, self.summary = store, summary
        self.message = f"ingest {summary.dataset or ''}".strip()
        self.stamp: dict[str, Any] = {"ingest": summary.ingest, "added": datetime.now(UTC).replace(tzinfo=None)}
        self.plan: Plan | None = None
        self.batch: list[Done] = []
        self.bytes = 0
        self.since = monotonic()

    def register(self, plan: Plan, tags: bool) -> None:
        """Commit what is known before anything is computed: feature sets, files, labels, files that cannot be read."""
        self.plan = plan
        self.features = {feature.id: feature for feature in plan.named.values()}
        self.names = {feature.id: name for name, feature in plan.named.items()}
        self.shown = {item.track: item for item in plan.scanned if item.track}
        located = [self._location(item) for item in plan.scanned if item.track and not item.located]
        unreadable = [self._unreadable(item) for item in plan.scanned if item.error]
        tagging = compare_tags(self.store, plan.scanned, wanted=tags)
        self.summary.tags = tagging.counts
        same = one_per_track(self.store, plan.scanned, tagging.latest)
        described = list(describe(self.store, same.scanned, plan.scanned, tagging.labels))
        described += [
            ("core.tags", tagging.rows),
            ("core.duplicates", self.summary.duplicates.add(self.store, same.pairs)),
        ]
        self.summary.labels = count_changes(
            self.store,
            ((row["dataset"], row["track"], row["label_set"]) for row in dict(described)["core.labels"]),
        )
        unknown = self.store.unknown_feature_sets(plan.named)
        if not (located or unreadable or unknown or any(rows for _, rows in described)):
            return
        with self.store.write(self.message) as tx:
            for name, feature in plan.named.items():
                tx.add_feature_set(name, feature, **self.stamp)
            tx.append("core.locations", located)
            tx.append("core.extractions", unreadable)
            for table, rows in described:
                tx.append(table, [{**row, **self.stamp} for row in rows])

    def _location(self, item: Scanned) -> dict[str, Any]:
        return {
            "track": item.track,
            "path": item.shown,
            "bytes": item.bytes,
            "mtime_ns": item.mtime_ns,
            **self.stamp,
        }

    def _unreadable(self, item: Scanned) -> dict[str, Any]:
        error, message = item.error or ("", "")
        return {"path": item.shown, "status": "failed", "error": error, "message": message, **self.stamp}

    def add(self, done: Done) -> None:
        self.batch.append(done)
        for outcome in done.outcomes:
            self.bytes += sum(_size(value) for row in outcome.rows for value in row.values())
        full = len(self.batch) >= batch_tracks or self.bytes >= batch_bytes
        if full or monotonic() - self.since > batch_seconds:
            self.flush()

    def flush(self) -> None:
        """Commit the batch: what of it the store refuses becomes a failure of its track and feature."""
        if self.batch:
            commit_in_halves(self.batch, self._commit, self._commit_by_feature)
        self.bytes, self.since = 0, monotonic()

    def _commit(self, batch: Sequence[Done]) -> None:
        """Commit features, ledger and tensors together, or nothing of them."""
        with self.store.write(self.message) as tx:
            self._append(tx, batch)
        self._count(batch)
        over = {done.job.track for done in batch}
        self.batch = [done for done in self.batch if done.job.track not in over]

    def _commit_by_feature(self, done: Done, error: Exception) -> None:
        parts = [replace(done, outcomes=[outcome], error=None) for outcome in done.outcomes]
        if len(parts) > 1:
            commit_in_halves(parts, self._commit, self._commit_by_feature)
            return
        why = "not stored", f"could not be stored: {': '.join(explained(error))}"
        failed = [Outcome(outcome.feature, "failed", [], *why, outcome.seconds) for outcome in done.outcomes]
        self._commit([replace(done, facts=None, outcomes=failed, error=None if failed else why)])

    def _append(self, tx: Transaction, batch: Sequence[Done]) -> None:
        tx.append("core.tracks", [self._track(done) for done in batch if done.facts], key=["track"])
        for id_, feature in self.features.items():
            rows = [
                {"track": done.job.track, **row}
                for done in batch
                for outcome in done.outcomes
                if outcome.feature == id_
                for row in outcome.rows
            ]
            if rows:
                tx.append_features(feature, rows, **self.stamp)
        tx.append("core.extractions", [row for done in batch for row in self._ledger(done)])

    def _track(self, done: Done) -> dict[str, Any]:
        assert done.facts is not None
        facts = vars(done.facts) | {"warnings": "; ".join(done.facts.warnings) or None}
        return {"track": done.job.track, "bytes": self.shown[done.job.track].bytes, **facts, **self.stamp}

    def _ledger(self, done: Done) -> Iterator[dict[str, Any]]:
        where = {"track": done.job.track, "path": self.shown[done.job.track].shown, **self.stamp}
        for outcome in done.outcomes:
            yield {
                **where,
                "feature_set": outcome.feature,
                "status": outcome.status,
                "rows": len(outcome.rows),
                "error": outcome.error,
                "message": outcome.message,
                "seconds": outcome.seconds,
            }
        if done.error and not done.outcomes:  # nothing was asked for but the file itself
            yield {**where, "status": "failed", "error": done.error[0], "message": done.error[1]}

    def _count(self, batch: Sequence[Done]) -> None:
        for done in batch:
            if done.error:
                self.summary.tracks["failed"] += 1
                self.summary.tracks[self.shown[done.job.track].state] -= 1
            for outcome in done.outcomes:
                counts = self.summary.features[self.names[outcome.feature]]
                counts["failed" if outcome.status == "failed" else "ok"] += 1

    def finish(self, command: str) -> None:
        """Merge the many small files of the batches and close the books."""
        if self.plan and self.plan.total:
            with self.store.write(self.message) as tx:
                tx.append("core.ingests", [{"command": command, "seconds": self.summary.seconds, **self.stamp}])
            self.store.compact()


def _size(value: Any) -> int:
    return int(getattr(value, "nbytes", 0)) or getsizeof(value)


def describe(
    store: Store, tracks: Sequence[Scanned], files: Sequence[Scanned], tagged: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield tables and rows for what the sources say about their tracks and the store does not say yet.

    Files of one recording say one thing (`one_per_track`), but a published split may have put them on both sides.
    """
    items, labels, silent = [], list(tagged), []
    members = set(store.scan("core.items").select("dataset", "track").collect().iter_rows())
    for item in tracks:
        source, where = item.source, {"dataset": item.source.dataset, "track": item.track}
        attrs = json.dumps(source.attrs, sort_keys=True, ensure_ascii=False, default=str)
        credits = {"title": source.title, "artist": source.artist, "album": source.album}
        # A folder says nothing about its files: that must not wipe out what a table said before.
        if source.attrs or any(credits.values()) or (source.dataset, item.track) not in members:
            items.append({**where, **credits, "attrs": attrs})
        labels += [
            {**where, "label_set": label_set, "label": label, "value": 1.0}
            for label_set, names in source.labels.items()
            for label in names
        ]
        silent += [{**where, "label_set": label_set} for label_set, names in source.labels.items() if not names]
    splits = [
        {"dataset": item.source.dataset, "track": item.track, "split": split, "fold": fold, "part": part}
        for item in files
        if item.track is not None
        for split, (fold, part) in item.source.splits.items()
    ]
    yield "core.datasets", origins(store, files)
    yield "core.items", changed(store, "core.items", items, ["dataset", "track"])
    labels += taken_away(store, silent)
    yield "core.labels", changed(store, "core.labels", labels, ["dataset", "track", "label_set"])
    yield "core.splits", changed(store, "core.splits", splits, ["dataset", "split", "track"])


def changed(store: Store, table: str, rows: list[dict[str, Any]], key: list[str]) -> list[dict[str, Any]]:
    """Return the rows whose group (by key) is not what the store's latest rows of that group are."""
    if not rows:
        return []
    import polars as pl

    stored = store.scan(table).filter(pl.col("dataset").is_in({row["dataset"] for row in rows})).collect()
    if stored.is_empty():
        return rows
    latest = stored.filter(pl.col(order) == pl.col(order).max().over(key))
    values = [name for name in rows[0] if name not in key]

    def groups(records: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], set[tuple[Any, ...]]]:
        found: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
        for record in records:
            found.setdefault(tuple(record[k] for k in key), set()).add(tuple(record[v] for v in values))
        return found

    before, now = groups(latest.iter_rows(named=True)), groups(rows)
    different = {group for group, content in now.items() if before.get(group) != content}
    return [row for row in rows if tuple(row[k] for k in key) in different]
