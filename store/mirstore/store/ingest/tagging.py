"""The tags of an ingest's files beside what the store says: what is new, and the label set of their genres."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.vanished import exists
from mirstore.store.lake.latest import latest
from mirstore.store.store import Store
from mirstore.store.tables.label_columns import from_tags

genres = f"{from_tags}genre"
"""Label set of the genres in the tags."""


@dataclass
class Tagging:
    """What tags change.

    Attributes
    ----------
    rows : list of dict
        For ``core.tags``.
    labels : list of dict
        For ``core.labels``: the genres of every track, or one row without label where they are gone.
    counts : Counter
        Of the files whose tags were read: ``read``, with ``artist``, with ``genre``, ``unreadable``, ``retagged``.
    latest : dict of str to (str, str or None)
        Track and tags of each path, as they will be.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    latest: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def latest_tags(store: Store) -> dict[str, tuple[str, str | None]]:
    """Return track and tags (JSON, or None where they are not to be used) that each path had last.

    Parameters
    ----------
    store : Store
    """
    rows = latest(store.scan("core.tags"), "path").select("path", "track", "tags").collect()
    return {path: (track, tags) for path, track, tags in rows.iter_rows()}


def compare_tags(store: Store, scanned: Iterable[Scanned], *, wanted: bool = True) -> Tagging:
    """Compare the tags that a scan read with the store's.

    Parameters
    ----------
    store : Store
        Read only.
    scanned : iterable of Scanned
        Files whose tags were not read keep those of the store.
    wanted : bool
        False takes the tags of these files out of use.
    """
    scanned = list(scanned)
    found = Tagging(latest=latest_tags(store))
    latest = found.latest
    for path, track in _left(scanned, latest):
        found.rows.append({"track": track, "path": path, "tags": None})
        latest[path] = track, None
    for item in scanned:
        if item.track is None or (wanted and item.tags is None):
            continue
        text = _text(item, found.counts) if item.tags is not None and wanted else None
        before = latest.get(item.shown)
        if before == (item.track, text) or (before is None and text is None):
            continue
        if before and before[0] == item.track and None not in (before[1], text):
            found.counts["retagged"] += 1
        found.rows.append({"track": item.track, "path": item.shown, "tags": text})
        latest[item.shown] = item.track, text
    found.labels = list(_labels(store, scanned, latest, {row["track"] for row in found.rows}))
    return found


def _left(scanned: Sequence[Scanned], latest: Mapping[str, tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Return paths that moved files have left: their tags of then must not count before those of now."""
    moved = {item.track for item in scanned if item.state == "moved"}
    here = {item.shown for item in scanned}
    return [
        (path, track)
        for path, (track, tags) in latest.items()
        if track in moved and tags is not None and path not in here and not exists(path)
    ]


def _text(item: Scanned, counts: Counter[str]) -> str:
    assert item.tags is not None
    tags = item.tags
    counts.update(
        read=1,
        artist=int(bool(tags.artist or tags.albumartist)),
        genre=int(bool(tags.genre)),
        unreadable=int(bool(tags.problem)),
    )
    return json.dumps(tags.as_dict(), ensure_ascii=False, sort_keys=True)


def _labels(
    store: Store, scanned: Iterable[Scanned], latest: dict[str, tuple[str, str | None]], retagged: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield the genres of each track: of files of one recording, the first path's count, as the views have it.

    Those of a track whose tags are others now, in every dataset that it is in.
    """
    first: dict[str, str] = {}
    for _, (track, tags) in sorted(latest.items()):
        if tags is not None:
            first.setdefault(track, tags)
    stored = store.scan("core.labels").filter(pl.col("label_set") == genres).select("dataset", "track").collect()
    labelled = set(stored.iter_rows())
    members = dict.fromkeys((item.source.dataset, item.track) for item in scanned if item.track)
    elsewhere = store.scan("core.items").filter(pl.col("track").is_in(sorted(retagged))).select("dataset", "track")
    members |= dict.fromkeys(elsewhere.unique(maintain_order=True).collect().iter_rows())
    for dataset, track in members:
        where = {"dataset": dataset, "track": track, "label_set": genres}
        names = json.loads(first.get(track, "{}")).get("genre", ())
        yield from ({**where, "label": name, "value": 1.0} for name in names)
        if not names and (dataset, track) in labelled:
            yield {**where, "label": None, "value": None}
