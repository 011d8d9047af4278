"""What an ingest did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mirstore.store.ingest.duplicates import Duplicates
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.vanished import Vanished
from mirstore.store.tables.report import Report


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
    unreached: int = 0  # results that no worker of a cluster could read or write; counted as failed, and not kept
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


def counted_as(item: Scanned) -> str:
    """Return under which of its states a summary counts a file: a moved one is a known track.

    Parameters
    ----------
    item : Scanned
    """
    return "known" if item.state == "moved" else item.state
