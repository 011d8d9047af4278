"""Ingest: find files, plan what is missing, extract it in worker processes, commit in batches.

One process commits; nothing that was committed is computed again, so an ingest that was interrupted goes on where it
stopped.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from sys import getsizeof
from time import monotonic
from typing import Any

from mirstore.core.cluster import places_at
from mirstore.core.columns import packed
from mirstore.core.errors import StoreError
from mirstore.core.events import Event, Failed, Progress, Started, Warned, job
from mirstore.core.extraction import extract
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Done, Outcome
from mirstore.core.packs import Reference
from mirstore.core.places import Pool
from mirstore.core.pool import local_pool
from mirstore.core.text import explained
from mirstore.core.workers import Limits, not_written
from mirstore.store.ingest.annotation_sets import Source as Annotations
from mirstore.store.ingest.annotation_sets import all_sets
from mirstore.store.ingest.annotations import look, read
from mirstore.store.ingest.duplicates import Duplicates
from mirstore.store.ingest.news import News, compare
from mirstore.store.ingest.plan import Plan, make_plan
from mirstore.store.ingest.scan import Scanned, scan
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.tagging import latest_tags
from mirstore.store.ingest.vanished import Vanished, continued, renamed
from mirstore.store.ingest.vanished import find as find_vanished
from mirstore.store.ingest.vanished import prune as take_out
from mirstore.store.lake.commit_in_halves import commit_in_halves
from mirstore.store.lake.job_folders import job_folder, remove
from mirstore.store.lake.transaction import Transaction
from mirstore.store.store import Store
from mirstore.store.tables.report import Report

batch_tracks = 200  # a commit costs some 0.1 s; an ingest that is killed loses this many tracks at most
batch_bytes = 256 << 20  # of tensors and sounds, which wait in the folders of their jobs
batch_seconds = 30.0


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
    tables: list[Report] = field(default_factory=list)
    annotations: list[Report] = field(default_factory=list)
    annotated: list[str] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
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
            "tables": [report.as_dict() for report in self.tables],
            "annotations": [report.as_dict() for report in self.annotations],
            "annotated": self.annotated,
            "waiting": self.waiting,
            "duplicates": self.duplicates.as_dict(),
            "snapshot": self.snapshot,
            "seconds": round(self.seconds, 3),
        }


def _prepare(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    annotations: Sequence[Annotations],
    retry_failed: bool,
    tags: bool,
) -> Generator[Event, None, Plan]:
    """Scan the sources and find what an ingest would compute, why, and what it will cost."""
    scanned = []
    tagged = {path: track for path, (track, text) in latest_tags(store).items() if text is not None} if tags else None
    if sources:
        yield Started("scan", len(sources))
    for number, item in enumerate(scan(store, sources, tagged=tagged), start=1):
        scanned.append(item)
        yield Progress("scan", number, len(sources))
    annotated = look(store, annotations, scanned, retry_failed=retry_failed)
    features = {**features, **all_sets(annotations)}
    return make_plan(store, scanned, features, retry_failed=retry_failed, annotated=annotated)


@dataclass(frozen=True)
class Preview:
    """What an ingest would do: what it computes, what it writes before, and what it says of that."""

    plan: Plan
    news: News
    summary: Summary


@job
def preview(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    *,
    annotations: Sequence[Annotations] = (),
    dataset: str | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    tags: bool = True,
) -> Generator[Event, None, Preview]:
    """Say what `ingest` with these parameters would do; it begins with the same.

    Parameters
    ----------
    store : Store
    sources : sequence of Source
    features : Mapping of str to FeatureSet
    annotations : sequence of Annotations
    dataset : str, optional
    retry_failed, prune, tags : bool
        As for `ingest`.

    Raises
    ------
    UsageError
        If two files of one recording have different labels in a set where all tracks have one.
    """
    if dataset is not None:
        sources = [replace(source, dataset=dataset) for source in sources]
    plan = yield from _prepare(store, sources, features, annotations, retry_failed, tags)
    summary = Summary(uuid.uuid4().hex[:12], dataset, pruned=prune)
    if dataset is None:  # which was not asked for by name
        summary.renamed = renamed(store, plan.scanned)
        plan = replace(plan, scanned=continued(plan.scanned, summary.renamed))
    summary.dataset = ", ".join(sorted({item.source.dataset for item in plan.scanned})) or None
    summary.restored = [name for name, feature in plan.named.items() if feature.id in store.hidden.features]
    summary.tracks.update(_counted_as(item) for item in plan.scanned)
    summary.features = {
        name: {"id": feature.id, "ok": 0, "failed": plan.failed[feature.id], "fresh": plan.fresh[feature.id]}
        for name, feature in plan.named.items()
    }
    summary.annotations = plan.annotated.reports
    yield from (Warned(line) for report in summary.annotations for line in report.lines())
    summary.annotated = [name for name, feature in plan.named.items() if feature.is_annotation]
    summary.waiting = {name: plan.waiting[f.id] for name, f in plan.named.items() if f.id in plan.waiting}
    news = compare(store, plan.scanned, tags=tags)
    summary.labels, summary.tags = news.labels, news.tags
    news.rows["core.duplicates"] = summary.duplicates.add(store, news.pairs)
    summary.vanished = find_vanished(store, plan.scanned, news.rows["core.datasets"])
    return Preview(plan, news, summary)


@job
def ingest(
    store: Store,
    sources: Sequence[Source],
    features: Mapping[str, FeatureSet],
    *,
    annotations: Sequence[Annotations] = (),
    dataset: str | None = None,
    workers: int = 1,
    limits: Limits | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    tags: bool = True,
    command: str = "",
    pool: Pool = local_pool,
    executor: str | None = None,
) -> Generator[Event, None, Summary]:
    """Bring the store up to date with the sources.

    Parameters
    ----------
    store : Store
        Open for writing.
    sources : sequence of Source
        See `mirstore.store.ingest.sources.find`.
    features : Mapping of str to FeatureSet
        What to compute, by name; inputs are computed too.
    annotations : sequence of Source
        Files that say something about the tracks, see `mirstore.store.ingest.annotation_sets.find`.
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
    pool : callable
        Makes the executor of this machine's processors.
    executor : str, optional
        ``dask://HOST:PORT`` of a cluster that is to compute instead; see `mirstore.core.cluster`.

    Returns
    -------
    Events of Summary
        Stopped, it commits what is computed; the next ingest goes on there.
    """
    begun = monotonic()
    found = yield from preview(
        store,
        sources,
        features,
        annotations=annotations,
        dataset=dataset,
        retry_failed=retry_failed,
        prune=prune,
        tags=tags,
    ).within()
    plan, summary = found.plan, found.summary
    committer = _Committer(store, found)
    committer.register()
    if prune:
        take_out(store, summary.vanished)
    yield from committer.annotate()
    if plan.total:
        yield Started("extract", plan.total)  # the workers take a while to start
        with job_folder(store.path.absolute(), summary.ingest) as folder:  # workers may be elsewhere
            ordered = list(plan.named.values())
            where = places_at(executor, (feature.extractor for feature in ordered), _to_be_seen(plan, folder))
            results = extract(plan.jobs(store, folder), ordered, workers=workers, limits=limits, pool=pool, where=where)
            try:
                for number, done in enumerate(results, start=1):
                    committer.add(done)
                    yield from committer.told(done)
                    yield Progress("extract", number, plan.total, dict(committer.seconds))
            finally:
                results.close()  # type: ignore[attr-defined]
                committer.flush()  # also after Ctrl-C: what is done stays done
        summary.duplicates.look(store, committer.stamp)
    summary.seconds = monotonic() - begun
    committer.finish(command)
    summary.snapshot = store.snapshot_id
    return summary


def _to_be_seen(plan: Plan, folder: Path) -> list[Path]:
    """Return what workers elsewhere must see: the audio, and where tensors and sounds lie, if there are any.

    The lock in the folder is new, and so is nobody else's.
    """
    folders = sorted({Path(item.source.path).parent for item in plan.scanned if item.track in plan.missing})
    by_reference = any(packed(feature.columns) for feature in plan.named.values())
    return [*([folder / "lock"] if by_reference else []), *folders[:: 1 + len(folders) // 20]]


class _Committer:
    """Collects results and commits them in batches: the only writer of an ingest."""

    def __init__(self, store: Store, found: Preview) -> None:
        self.store, self.plan, self.news, self.summary = store, found.plan, found.news, found.summary
        self.message = f"ingest {self.summary.dataset or ''}".strip()
        self.stamp: dict[str, Any] = {"ingest": self.summary.ingest, "added": datetime.now(UTC).replace(tzinfo=None)}
        self.features = {feature.id: feature for feature in self.plan.named.values()}
        self.names = {feature.id: name for name, feature in self.plan.named.items()}
        self.shown = {item.track: item for item in self.plan.scanned if item.track}
        self.files: dict[tuple[str, str], dict[str, Any]] = {}  # of annotations, by track and set
        self.batch: list[Done] = []
        self.bytes = 0
        self.since = monotonic()
        self.seconds = dict.fromkeys(self.names.values(), 0.0)  # what each feature set has cost so far

    def register(self) -> None:
        """Commit what is known before anything is computed: feature sets, files, labels, files that cannot be read."""
        if not (self.store.unknown_feature_sets(self.plan.named) or any(self.news.rows.values())):
            return
        with self.store.write(self.message) as tx:
            for name, feature in self.plan.named.items():
                source = "annotation" if feature.is_annotation else "extractor"
                tx.add_feature_set(name, feature, source=source, **self.stamp)
            for table, rows in self.news.rows.items():
                tx.append(table, [{**row, **self.stamp} for row in rows])

    def annotate(self) -> Iterator[Event]:
        """Read annotations, and commit what they say: before anything that reads them is computed. Yield failures."""
        as_before, told = [], list[Event]()
        for each in read(self.store, self.plan.annotated.files):
            row = each.row | self.stamp
            if each.outcome is None:
                as_before.append(row)
                continue
            self.files[each.file.track, each.file.feature.id] = row
            self.add(each.done)
            told += self.told(each.done)
        self.flush()
        if as_before:
            with self.store.write(self.message) as tx:
                tx.append("core.annotations", as_before)
        yield from told  # committed: whoever stops listening loses nothing

    def add(self, done: Done) -> None:
        for outcome in done.outcomes:
            if outcome.error == not_written:
                raise StoreError(
                    f"a worker cannot write: {outcome.message}",
                    hint="free some space, or mend the folder; what was committed is safe",
                )
        self.batch.append(done)
        for outcome in done.outcomes:
            self.bytes += sum(_size(value) for row in outcome.rows for value in row.values())
        full = len(self.batch) >= batch_tracks or self.bytes >= batch_bytes
        if full or monotonic() - self.since > batch_seconds:
            self.flush()

    def told(self, done: Done) -> Iterator[Event]:
        """Yield what went wrong with a track, or is odd about it, and count what it cost."""
        path = self.shown[done.job.track].shown
        if done.facts is not None:
            yield from (Warned(text, path) for text in done.facts.warnings)
        if done.error is not None and not done.outcomes:  # nothing was asked for but the file itself
            yield Failed(path, "audio", *done.error)
        for outcome in done.outcomes:
            name = self.names[outcome.feature]
            self.seconds[name] += outcome.seconds
            if outcome.status == "failed":
                yield Failed(path, name, outcome.error or "", outcome.message or "")

    def flush(self) -> None:
        """Commit the batch: what of it the store refuses becomes a failure of its track and feature."""
        folders = [done.job.folder for done in self.batch if done.job.folder is not None]
        if self.batch:
            commit_in_halves(self.batch, self._commit, self._commit_by_feature)
        for folder in folders:
            remove(folder)
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
                if outcome.feature == id_ and feature.keep
                for row in outcome.rows
            ]
            if rows:
                tx.append_features(feature, rows, **self.stamp)
        tx.append("core.extractions", [row for done in batch for row in self._ledger(done)])
        said = ((done.job.track, outcome.feature) for done in batch for outcome in done.outcomes)
        tx.append("core.annotations", [self.files[key] for key in said if key in self.files])

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
                "status": outcome.status if self._keeps(outcome) else "not kept",
                "rows": len(outcome.rows),
                "error": outcome.error,
                "message": outcome.message,
                "seconds": outcome.seconds,
            }
        if done.error and not done.outcomes:  # nothing was asked for but the file itself
            yield {**where, "status": "failed", "error": done.error[0], "message": done.error[1]}

    def _keeps(self, outcome: Outcome) -> bool:
        return outcome.status != "ok" or self.features[outcome.feature].keep

    def _count(self, batch: Sequence[Done]) -> None:
        for done in batch:
            if done.error:
                self.summary.tracks["failed"] += 1
                self.summary.tracks[_counted_as(self.shown[done.job.track])] -= 1
            for outcome in done.outcomes:
                counts = self.summary.features[self.names[outcome.feature]]
                counts["failed" if outcome.status == "failed" else "ok"] += 1

    def finish(self, command: str) -> None:
        """Merge the many small files of the batches and close the books."""
        if self.plan.total or self.plan.annotated.files:
            with self.store.write(self.message) as tx:
                tx.append("core.ingests", [{"command": command, "seconds": self.summary.seconds, **self.stamp}])
            self.store.compact()


def _counted_as(item: Scanned) -> str:
    return "known" if item.state == "moved" else item.state


def _size(value: Any) -> int:
    return value.nbytes if isinstance(value, Reference) else getsizeof(value)
