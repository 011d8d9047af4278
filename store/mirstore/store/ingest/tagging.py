"""The tags of an ingest's files beside what the store says: what is new, and the label set of their genres."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.vanished import exists
from mirstore.store.lake.latest import latest, latest_commit
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
        Track and tags, as they will be, of each path whose recording has several files or has moved.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    latest: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def latest_tags(store: Store) -> pl.DataFrame:
    """Return ``track``, ``path`` and ``tags`` as each path had them last: JSON, or null where they are not to be used.

    Parameters
    ----------
    store : Store
    """
    return latest(store.scan("core.tags"), "path").select("track", "path", "tags").collect()


def compare_tags(store: Store, scanned: Sequence[Scanned], *, wanted: bool = True) -> Tagging:
    """Compare the tags that a scan read with the store's.

    Parameters
    ----------
    store : Store
        Read only.
    scanned : sequence of Scanned
        Files whose tags were not read keep those of the store.
    wanted : bool
        False takes the tags of these files out of use.
    """
    stored, found = latest_tags(store), Tagging()
    concerned = [item for item in scanned if item.track is not None and not (wanted and item.tags is None)]
    before = {path: (track, tags) for path, track, tags in _rows_of(stored, [item.shown for item in concerned])}
    for path, track in _left(scanned, stored):
        found.rows.append({"track": track, "path": path, "tags": None})
        before[path] = track, None
    for item in concerned:
        text = _text(item, found.counts) if item.tags is not None and wanted else None
        known = before.get(item.shown)
        if known == (item.track, text) or (known is None and text is None):
            continue
        if known and known[0] == item.track and None not in (known[1], text):
            found.counts["retagged"] += 1
        found.rows.append({"track": item.track, "path": item.shown, "tags": text})
    now = _latest(stored, found.rows)
    several = now.filter(pl.col("track").is_in(_several(scanned).implode()))
    found.latest = {path: (track, tags) for track, path, tags in several.iter_rows()}
    found.labels = list(_labels(store, scanned, _genres(now), {row["track"] for row in found.rows}))
    return found


def _latest(stored: pl.DataFrame, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    if not rows:
        return stored
    both = pl.concat([stored, pl.DataFrame(rows, schema=stored.schema)])
    return both.unique("path", keep="last", maintain_order=True)


def _rows_of(rows: pl.DataFrame, paths: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    wanted = pl.DataFrame({"path": pl.Series(paths, dtype=pl.String)})
    return rows.join(wanted, on="path", how="semi").select("path", "track", "tags").iter_rows()


def _several(scanned: Sequence[Scanned]) -> pl.Series:
    """Return the tracks that several files have, or one that has moved."""
    tracks = pl.Series([item.track for item in scanned if item.track], dtype=pl.String)
    moved = pl.Series([item.track for item in scanned if item.state == "moved"], dtype=pl.String)
    return pl.concat([tracks.filter(tracks.is_duplicated()), moved]).unique()


def _left(scanned: Sequence[Scanned], stored: pl.DataFrame) -> list[tuple[str, str]]:
    """Return paths that moved files have left: their tags of then must not count before those of now."""
    moved = [item.track for item in scanned if item.state == "moved"]
    if not moved:
        return []
    here = {item.shown for item in scanned}
    rows = stored.drop_nulls("tags").filter(pl.col("track").is_in(moved)).select("path", "track").iter_rows()
    return [(path, track) for path, track in rows if path not in here and not exists(path)]


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


def _genres(tags: pl.DataFrame) -> pl.DataFrame:
    """Return ``track`` and its genres, ``names``: of files of one recording the first path's, as the views have it."""
    read = pl.col("tags").str.json_decode(pl.Struct({"genre": pl.List(pl.String)})).struct.field("genre")
    names = tags.lazy().drop_nulls("tags").select("track", "path", read.alias("names"))
    return names.sort("path").unique("track", keep="first", maintain_order=True).drop("path").collect()


def _labels(
    store: Store, scanned: Sequence[Scanned], genres_of: pl.DataFrame, retagged: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield the genres of each track for which the store says otherwise, or one row without a label if it has none.

    Those of a track whose tags are others now, in every dataset that it is in.
    """
    names = {"dataset": [item.source.dataset for item in scanned], "track": [item.track for item in scanned]}
    here = pl.DataFrame(names, schema={"dataset": pl.String, "track": pl.String}).drop_nulls()
    elsewhere = store.scan("core.items").filter(pl.col("track").is_in(list(retagged))).select("dataset", "track")
    members = pl.concat([here, elsewhere.collect()]).unique(maintain_order=True)
    rows = latest_commit(store.scan("core.labels").filter(pl.col("label_set") == genres), "dataset", "track")
    said = rows.group_by("dataset", "track").agg(pl.col("label").drop_nulls().unique().sort().alias("before"))
    both = members.lazy().join(genres_of.lazy(), on="track", how="left", maintain_order="left")
    both = both.join(said, on=["dataset", "track"], how="left", maintain_order="left")
    now, before = (pl.col(column).fill_null([]) for column in ("names", "before"))
    differing = both.filter(now.list.unique().list.sort() != before).select("dataset", "track", now)
    for dataset, track, names_of_it in differing.collect(engine="streaming").iter_rows():
        where = {"dataset": dataset, "track": track, "label_set": genres}
        yield from ({**where, "label": name, "value": 1.0} for name in names_of_it)
        if not names_of_it:
            yield {**where, "label": None, "value": None}
