"""What other ingests have committed since a plan was made: it is not committed twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mirstore.core.features import FeatureSet
from mirstore.core.jobs import Done, Outcome
from mirstore.store.lake.schema import order
from mirstore.store.lake.transaction import Transaction

together = {
    "core.items": ["dataset", "track"],
    "core.labels": ["dataset", "track", "label_set"],
    "core.splits": ["dataset", "split", "track"],
}
"""What tells groups of rows apart: those of one commit hold together. In other tables each row stands alone."""


def unsaid(tx: Transaction, table: str, rows: Sequence[Mapping[str, Any]], snapshot: int) -> list[Mapping[str, Any]]:
    """Return the rows that nobody else has committed since a snapshot: groups of them as a whole, or not at all.

    Parameters
    ----------
    tx : Transaction
        That is about to commit.
    table : str
        ``core.labels`` …
    rows : sequence of Mapping
        Of the same columns.
    snapshot : int
        Up to which the store was compared with them.
    """
    if not rows:
        return []
    key = together.get(table, list(rows[0]))
    names = [*key, *(name for name in rows[0] if name not in key)]
    last: dict[tuple[Any, ...], int] = {}
    said: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    for *values, number in tx.since(table, snapshot, [*names, order]):
        group = tuple(values[: len(key)])
        if number > last.get(group, 0):
            last[group], said[group] = number, set()
        if number == last[group]:
            said[group].add(tuple(values))
    ours = defaultdict(set)
    for row in rows:
        ours[tuple(row[name] for name in key)].add(tuple(row[name] for name in names))
    different = {group for group, content in ours.items() if said.get(group) != content}
    return [row for row in rows if tuple(row[name] for name in key) in different]


class Meanwhile:
    """Results of others, looked at under the lock and before each commit: only what came since the last look is read.

    Parameters
    ----------
    seen : int
        Snapshot that the plan knows.
    features : Mapping of str to FeatureSet
        By id.
    """

    def __init__(self, seen: int, features: Mapping[str, FeatureSet]) -> None:
        self.seen, self._features = seen, features
        self._tracks: set[str] = set()
        self._answers: dict[tuple[str, str], str] = {}

    def look(self, tx: Transaction, ingest: str) -> None:
        """Read what came since.

        Parameters
        ----------
        tx : Transaction
            That is about to commit.
        ingest : str
            Whose own results are passed over.
        """
        rows = tx.since("core.extractions", self.seen, ["track", "feature_set", "status", "ingest"])
        self._answers |= {(track, id_): status for track, id_, status, by in rows if by != ingest}
        tracks = tx.since("core.tracks", self.seen, ["track", "ingest"])
        self._tracks |= {track for track, by in tracks if by != ingest}

    def left(self, done: Done) -> Done:
        """Return what of a result nobody else has committed.

        Parameters
        ----------
        done : Done
        """
        track = done.job.track
        outcomes = [outcome for outcome in done.outcomes if not self._has(track, outcome)]
        facts = None if track in self._tracks else done.facts
        error = done.error if outcomes or not done.outcomes else None  # that of the file itself, were it all there is
        return replace(done, outcomes=outcomes, facts=facts, error=error)

    def _has(self, track: str, outcome: Outcome) -> bool:
        """Whether it is there, and as good: what may be revised can rest on something older."""
        feature = self._features[outcome.feature]
        own = outcome.status if feature.keep or outcome.status != "ok" else "not kept"
        return self._answers.get((track, feature.id)) in ("ok", "none", own) and not feature.is_revisable
