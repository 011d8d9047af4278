"""The only writer of an ingest: it commits what is computed in batches, each as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from sys import getsizeof
from time import monotonic
from typing import Any

from mirstore.core.errors import StoreError
from mirstore.core.events import Event, Failed, Warned
from mirstore.core.jobs import Done, Job, Outcome
from mirstore.core.packs import Reference
from mirstore.core.text import explained
from mirstore.core.workers import not_written, unreached, upstream
from mirstore.store.ingest.annotations import read
from mirstore.store.ingest.meanwhile import Meanwhile, unsaid
from mirstore.store.ingest.preview import Preview
from mirstore.store.ingest.summary import counted_as
from mirstore.store.lake.commit_in_halves import commit_in_halves
from mirstore.store.lake.job_folders import remove
from mirstore.store.lake.transaction import Transaction
from mirstore.store.store import Store

batch_tracks = 200  # a commit costs some 0.1 s; an ingest that is killed loses this many tracks at most
batch_bytes = 256 << 20  # of tensors and sounds, which wait in the folders of their jobs
batch_seconds = 30.0
hopeless = 20  # tracks in a row whose values no worker could read from the bucket, or put there
compact_after = 16  # commits, so that no table has many more files than that


class Committer:
    """Collects results and commits them in batches.

    Parameters
    ----------
    store : Store
        Open for writing.
    found : Preview
        What is to be done.
    """

    def __init__(self, store: Store, found: Preview) -> None:
        self.store, self.plan, self.news, self.summary = store, found.plan, found.news, found.summary
        self.message = f"ingest {self.summary.dataset or ''}".strip()
        self.stamp: dict[str, Any] = {"ingest": self.summary.ingest, "added": datetime.now(UTC).replace(tzinfo=None)}
        self.features = {feature.id: feature for feature in self.plan.named.values()}
        self.names = {feature.id: name for name, feature in self.plan.named.items()}
        concerned = self.plan.missing.keys() | {file.track for file in self.plan.annotated.files}
        self.shown = {item.track: item for item in self.plan.scanned if item.track in concerned}
        self.files: dict[tuple[str, str], dict[str, Any]] = {}  # of annotations, by track and set
        self.meanwhile = Meanwhile(self.plan.snapshot, self.features)
        self.commits = 0
        self.unreached = 0  # tracks in a row
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
                tx.append(table, [{**row, **self.stamp} for row in unsaid(tx, table, rows, self.plan.snapshot)])

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
        """Put a result into the batch, and commit the batch if it is full or old.

        Parameters
        ----------
        done : Done

        Raises
        ------
        StoreError
            If a worker could not write, or no worker reaches the bucket.
        """
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
        lost = [outcome.message for outcome in done.outcomes if outcome.error == unreached]
        rest = [outcome for outcome in done.outcomes if outcome.error not in (unreached, upstream)]
        self.unreached = self.unreached + 1 if lost and not rest else 0
        if self.unreached >= hopeless:  # each was tried by several workers, and would take as long for all that follow
            raise StoreError(
                f"no worker reached the store's bucket for {hopeless} tracks in a row; the last one: {lost[0]}",
                hint="mend that where the workers run, and give the same command again; what was committed is safe",
            )

    def told(self, done: Done) -> Iterator[Event]:
        """Yield what went wrong with a track, or is odd about it, and count what it cost.

        Parameters
        ----------
        done : Done
        """
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
        jobs = [done.job for done in self.batch]
        if self.batch:
            commit_in_halves(self.batch, self._commit, self._commit_by_feature)
            self.commits += 1
        self._clear(jobs)
        if self.commits == compact_after:
            self.store.compact()
            self.commits = 0
        self.bytes, self.since = 0, monotonic()

    def _clear(self, jobs: Sequence[Job]) -> None:
        """Remove what workers have written for jobs that are committed, also what they only handed on."""
        for job in jobs:
            if job.folder is not None and job.bucket is None:
                remove(job.folder)
        away = {job.folder for job in jobs if job.bucket is not None}
        if away and (bucket := self.store.home.bucket):
            with suppress(StoreError):  # the end of the ingest, or gc, has what stays
                left = [path for path, _ in bucket.list(f"jobs/{self.summary.ingest}")]
                bucket.delete(path for path in left if path.parent.relative_to(bucket.folder) in away)

    def _commit(self, batch: Sequence[Done]) -> None:
        """Commit features, ledger and tensors together, or nothing of them; nothing that others have committed."""
        tx = None
        try:
            with self.store.write(self.message) as tx:
                self.meanwhile.look(tx, self.summary.ingest)
                self._append(tx, [self.meanwhile.left(done) for done in batch])
        finally:
            if tx is not None and tx.committed:  # also if what comes after a commit fails: else it is made twice
                self._forget(batch, tx)

    def _forget(self, batch: Sequence[Done], tx: Transaction) -> None:
        """Count what is committed, and take it out of what waits."""
        self.meanwhile.seen = tx.number if tx.rows else tx.number - 1  # a commit that brings nothing is none
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
        new = [done for done in batch if done.facts and done.job.track not in self.plan.decoded]
        tx.append("core.tracks", [self._track(done) for done in new])
        for id_, feature in self.features.items():
            rows = [
                {"track": done.job.track, **row}
                for done in batch
                for outcome in done.outcomes
                if outcome.feature == id_ and feature.keep
                for row in outcome.rows
            ]
            if rows:
                tx.append_features(feature, rows, missing=True, **self.stamp)
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
            if outcome.error == unreached:  # of the feature itself nothing is known: the next ingest computes it
                continue
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
                self.summary.tracks[counted_as(self.shown[done.job.track])] -= 1
            for outcome in done.outcomes:
                counts = self.summary.features[self.names[outcome.feature]]
                counts["failed" if outcome.status == "failed" else "ok"] += 1
                self.summary.unreached += outcome.error == unreached

    def finish(self, command: str) -> None:
        """Merge the many small files of the batches and close the books.

        Parameters
        ----------
        command : str
            What the user asked, kept with the ingest.
        """
        if self.plan.total or self.plan.annotated.files:
            with self.store.write(self.message) as tx:
                tx.append("core.ingests", [{"command": command, "seconds": self.summary.seconds, **self.stamp}])
            self.store.compact()


def _size(value: Any) -> int:
    return value.nbytes if isinstance(value, Reference) else getsizeof(value)
