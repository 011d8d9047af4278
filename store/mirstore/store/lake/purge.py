"""Erasing what was removed: the files that hold it are written anew, in all snapshots, and the old ones deleted.

New files are on disk before the catalogue names them, in one transaction; old files go afterwards. So a kill at any
moment leaves a store that can be read, and the next purge finishes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.core.errors import StoreError
from mirstore.core.text import counted
from mirstore.store.lake.files import (
    data_files,
    left_by_jobs,
    new_data_file,
    unnamed_artifacts,
    unnamed_data_files,
    unnamed_packs,
)
from mirstore.store.lake.gone import forget
from mirstore.store.lake.hidden import Rule, homeless, removals
from mirstore.store.lake.home import Catalogue, Home
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.latest import latest
from mirstore.store.lake.repacking import Packs
from mirstore.store.lake.replacing import replace
from mirstore.store.lake.schema import feature_of, order
from mirstore.store.lake.scrub import Scrubber


@dataclass
class Purged:
    """What a purge erased.

    Attributes
    ----------
    tracks : int
        Withdrawn, or in removed datasets only.
    rows : dict of str to int
        Per table.
    rewritten : int
        Files that were written anew or emptied.
    deleted : list of path
        Files that are no more.
    backups : list of path
        What else lies among the copies of the catalogue, and may still name it.
    """

    tracks: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    rewritten: int = 0
    deleted: list[Path] = field(default_factory=list)
    backups: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rewritten)

    def __str__(self) -> str:
        """Say what goes in words."""
        tracks = counted(self.tracks, "track")
        rows = f"{counted(sum(self.rows.values()), 'row')} of {counted(len(self.rows), 'table')}"
        return f"{tracks}, {rows} ({counted(self.rewritten, 'file')})"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        paths = {"deleted": [str(path) for path in self.deleted], "backups": [str(path) for path in self.backups]}
        return {"tracks": self.tracks, "rows": self.rows, "rewritten": self.rewritten, **paths}


@dataclass(frozen=True)
class Erased:
    """What is to be erased."""

    rules: Sequence[Rule]
    tracks: frozenset[str]
    features: frozenset[str]
    scrubber: Scrubber


def purge(lake: Lake, *, dry_run: bool = False) -> Purged:
    """Erase what was removed, and record that.

    Parameters
    ----------
    lake : Lake
    dry_run : bool
        Say what would be erased, and erase nothing.

    Raises
    ------
    StoreError
        If the catalogue names files outside of the store, or another program keeps it locked.
    """
    with lake.lock():
        what = _erased(lake)
        with lake.maintenance() as catalogue:
            done = _purge(lake.home, catalogue, what, dry_run=dry_run)
    if not dry_run and (done or _is_unsaid(lake, what)):
        _note(lake, done)
    return done


def _purge(home: Home, catalogue: Catalogue, what: Erased, *, dry_run: bool) -> Purged:
    if linked := home.links():
        raise StoreError(
            f"{linked[0]}: is a link, and nothing behind a link is deleted", hint="move the folder back into the store"
        )
    done = Purged(len(what.tracks))
    files = data_files(catalogue, home.path)
    home.fetch({file.path: file.bytes for file in files})
    packs = Packs(home, files, what.tracks, what.features, dry_run=dry_run)
    changes = []
    for file in files:
        new = _without(file.table, pq.read_table(file.path), what, packs)
        if new is None:
            continue
        before, after = file.rows, new.num_rows
        if before > after:
            done.rows[file.table] = done.rows.get(file.table, 0) + before - after
        done.rewritten += 1
        if not dry_run:
            changes.append((file, new_data_file(home, file, new) if after else None))
    if dry_run:
        return done
    forget(home.path)  # it names tracks
    gone = home.forget_backups() if changes else []  # they name what is erased, and files that will be no more
    replace(home, catalogue, changes, what.scrubber.command)
    done.deleted = [*gone, *_sweep(home, catalogue)]
    home.shrink(catalogue)
    done.backups = sorted((home.path / "backups").glob("*"))
    return done


def _note(lake: Lake, done: Purged) -> None:
    counts = json.dumps({"tracks": done.tracks, "rows": sum(done.rows.values()) if done else None})
    with lake.write("purge") as tx:
        tx.append(removals, [{"kind": "purge", "note": counts, "added": datetime.now(UTC).replace(tzinfo=None)}])


def _is_unsaid(lake: Lake, what: Erased) -> bool:
    """Tell whether a purge that was killed has erased this, and has not come to say so."""
    events = lake.recorded(removals).select("kind", order).collect()
    *_, last = ["", *events.sort(order)["kind"]]
    return last != "purge" and any(not rule.rows.is_empty() for rule in what.rules)


def _erased(lake: Lake) -> Erased:
    """Return what is to be erased: not what merely left a dataset because its file is gone."""
    hidden = lake.hidden
    rules = [rule for rule in hidden.rules if rule.name in ("datasets", "labels")]
    withdrawn = pl.DataFrame({"track": sorted(hidden.withdrawn)}, schema={"track": pl.String})
    datasets = [rule for rule in rules if rule.name == "datasets"]
    tracks = pl.concat([withdrawn, *([homeless(lake.recorded("core.items"), datasets)] if datasets else [])]).unique()
    runs = lake.recorded("core.run_events").filter(pl.col("state") == "removed").select("run").unique().collect()
    values = pl.DataFrame({"feature_set": sorted(hidden.features)}, schema={"feature_set": pl.String})
    artifacts = latest(lake.recorded("core.artifacts").select("artifact", "state", order), "artifact")
    removed = artifacts.filter(pl.col("state") == "removed").select("artifact").collect()
    pins = runs.select(pl.format("run {}", "run").alias("name"))
    rules += [
        Rule("tracks", tracks),
        *(Rule(side, tracks.rename({"track": side}), frozenset({"core.duplicates"})) for side in ("a", "b")),
        Rule("runs", runs),
        Rule("artifacts", removed),
        Rule("pins", pins, frozenset({"core.pins"})),
        Rule("features", values, frozenset({"core.annotations", "core.extractions", "core.packs"})),
    ]
    return Erased(rules, frozenset(tracks["track"]), hidden.features, Scrubber.of(lake, tracks["track"]))


def _without(table: str, rows: pa.Table, what: Erased, packs: Packs) -> pa.Table | None:
    """Return a file's rows without what is erased; None if it holds nothing of that."""
    if table.startswith("feat.") and feature_of(table) in what.features:
        return rows.slice(0, 0)
    scrubber = what.scrubber
    new = scrubber.locations(rows) if table == "core.locations" else rows
    keys = [
        name
        for name in ("track", "dataset", "label_set", "feature_set", "run", "artifact", "name", "path", order)
        if name in rows.column_names
    ]
    frame = pl.from_arrow(new.select(keys))
    assert isinstance(frame, pl.DataFrame)
    kept = frame.with_row_index("_row").lazy()
    if {"track", "path"} <= set(keys):
        kept = kept.filter(~scrubber.about)
    for rule in what.rules:
        if rule.applies(table, keys):
            kept = rule.drop(kept)
    left = kept.collect()["_row"]
    new = new if len(left) == rows.num_rows else new.take(left.to_arrow())
    new = scrubber.texts(table, packs.references(table, new))
    return None if new.equals(rows) else new


def _sweep(home: Home, catalogue: Catalogue) -> list[Path]:
    """Delete every file that no snapshot names, however young: it may hold what is erased."""
    old = [
        *unnamed_data_files(catalogue, home),
        *unnamed_packs(catalogue, home),
        *unnamed_artifacts(catalogue, home),
        *left_by_jobs(home),
    ]
    home.delete(old)
    catalogue.execute("DELETE FROM ducklake_files_scheduled_for_deletion")
    return old
