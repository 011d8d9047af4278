"""What the sources of an ingest say that the store does not say yet: files, credits, labels, splits, tags."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mirstore.store.ingest.corrections import count_changes, taken_away
from mirstore.store.ingest.meanwhile import together
from mirstore.store.ingest.same_recording import one_per_track
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.tagging import compare_tags
from mirstore.store.ingest.vanished import origins
from mirstore.store.lake.schema import order
from mirstore.store.store import Store


@dataclass(frozen=True)
class News:
    """Rows that the store lacks, by table.

    Attributes
    ----------
    rows : dict of str to list of dict
        They lack what an ingest stamps them with.
    labels : Counter
        Tracks whose labels are ``added`` and ``changed``.
    tags : Counter
        See `mirstore.store.ingest.tagging.Tagging`.
    pairs : list of dict
        Files of one recording, see `mirstore.store.ingest.same_recording.SameFiles`.
    """

    rows: dict[str, list[dict[str, Any]]]
    labels: Counter[str]
    tags: Counter[str]
    pairs: list[dict[str, Any]]


def compare(store: Store, scanned: Sequence[Scanned], *, tags: bool = True) -> News:
    """Compare what was found with what the store says; nothing is written.

    Parameters
    ----------
    store : Store
    scanned : sequence of Scanned
    tags : bool
        Take titles, artists and labels from tags.

    Raises
    ------
    UsageError
        If two files of one recording have different labels in a set where all tracks have one.
    """
    tagging = compare_tags(store, scanned, wanted=tags)
    same = one_per_track(store, scanned, tagging.latest)
    rows = {
        "core.locations": [_location(item) for item in scanned if item.track and not item.located],
        "core.extractions": [_unreadable(item) for item in scanned if item.error],
        **dict(_said(store, same.scanned, scanned, tagging.labels)),
        "core.tags": tagging.rows,
    }
    said = ((row["dataset"], row["track"], row["label_set"]) for row in rows["core.labels"])
    return News(rows, count_changes(store, said), tagging.counts, same.pairs)


def _location(item: Scanned) -> dict[str, Any]:
    return {"track": item.track, "path": item.shown, "bytes": item.bytes, "mtime_ns": item.mtime_ns}


def _unreadable(item: Scanned) -> dict[str, Any]:
    error, message = item.error or ("", "")
    return {"path": item.shown, "status": "failed", "error": error, "message": message}


def _said(
    store: Store, tracks: Sequence[Scanned], files: Sequence[Scanned], tagged: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield tables and rows for what the sources say about their tracks and the store does not say yet.

    Files of one recording say one thing (`one_per_track`), but a published split may have put them on both sides.
    """
    items, labels, silent = [], list(tagged), []
    for item, is_new in zip(tracks, _without(store, tracks), strict=True):
        source, where = item.source, {"dataset": item.source.dataset, "track": item.track}
        credits = {"title": source.title, "artist": source.artist, "album": source.album}
        # A folder says nothing about its files: that must not wipe out what a table said before.
        if source.attrs or any(credits.values()) or is_new:
            attrs = json.dumps(dict(source.attrs), sort_keys=True, ensure_ascii=False, default=str)
            items.append({**where, **credits, "attrs": attrs})
        labels += [
            {**where, "label_set": label_set, "label": label, "value": 1.0}
            for label_set, names in source.labels.items()
            for label in names
        ]
        labels += [
            {**where, "label_set": label_set, "label": target, "value": value}
            for label_set, values in source.targets.items()
            for target, value in values.items()
        ]
        sets = {**source.labels, **source.targets}
        silent += [{**where, "label_set": label_set} for label_set, said in sets.items() if not said]
    splits = [
        {"dataset": item.source.dataset, "track": item.track, "split": split, "fold": fold, "part": part}
        for item in files
        if item.track is not None
        for split, (fold, part) in item.source.splits.items()
    ]
    yield "core.datasets", origins(store, files)
    yield "core.items", _changed(store, "core.items", items)
    labels += taken_away(store, silent)
    yield "core.labels", _changed(store, "core.labels", labels)
    yield "core.splits", _changed(store, "core.splits", splits)


def _without(store: Store, scanned: Sequence[Scanned]) -> pl.Series:
    """Tell of each file whether its track is not in its dataset yet."""
    names = {"dataset": [item.source.dataset for item in scanned], "track": [item.track for item in scanned]}
    members = store.scan("core.items").select("dataset", "track").unique().with_columns(pl.lit(False).alias("new"))
    found = pl.LazyFrame(names, schema={"dataset": pl.String, "track": pl.String})
    found = found.join(members, on=["dataset", "track"], how="left", maintain_order="left")
    return found.select(pl.col("new").fill_null(True)).collect()["new"]


def _changed(store: Store, table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows whose group is not what the store's latest rows of that group are."""
    if not rows:
        return []
    key = together[table]
    said = pl.LazyFrame([{name: row[name] for name in key} for row in rows], schema=dict.fromkeys(key, pl.String))
    stored = store.scan(table).join(said, on=key, how="semi", maintain_order="left").collect()
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
