"""Files that are gone: members of a dataset that nothing leads to any more, and folders that have another name now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mirstore.core.text import counted, some
from mirstore.store.ingest.scan import Scanned
from mirstore.store.lake.hidden import removals
from mirstore.store.lake.latest import latest, located
from mirstore.store.store import Store

_most = 0.9  # share of a source's tracks that must be a dataset's for it to be the same


@dataclass(frozen=True)
class Vanished:
    """Members of a dataset that are gone.

    Attributes
    ----------
    dataset : str
    state : str
        ``"gone"``: none of their files exists; ``"unlisted"``: the folder or table does not name them any more.
    tracks, paths : tuple of str
        Which, and where each was last.
    """

    dataset: str
    state: str
    tracks: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def them(self) -> str:
        """Pronoun for the files."""
        return "it" if len(self.paths) == 1 else "them"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"dataset": self.dataset, "state": self.state, "tracks": len(self.tracks), "paths": list(self.paths)}

    def __str__(self) -> str:
        what = f"{counted(len(self.paths), 'file')} of dataset {self.dataset}"
        are = "is" if len(self.paths) == 1 else "are"
        state = f"{are} gone" if self.state == "gone" else "no longer listed"
        return f"{what} {state}: {some([os.path.basename(path) for path in self.paths])}"


def find(
    store: Store, scanned: Iterable[Scanned] | None = None, new_origins: Iterable[Mapping[str, Any]] = ()
) -> list[Vanished]:
    """Return what is gone from the datasets.

    Parameters
    ----------
    store : Store
    scanned : iterable of Scanned, optional
        What an ingest found: only its datasets are looked at, and only files are looked for that it did not see.
    new_origins : iterable of dict
        What `origins` says of them, while it is not committed.
    """
    members = store.scan("core.items").select("dataset", "track").unique().collect()
    complete: set[str] = set()
    seen: set[str] = set()
    if scanned is not None:
        scanned = list(scanned)
        named = {item.source.dataset for item in scanned}
        known = {**_origins(store), **{row["dataset"]: row["source"] or "" for row in new_origins}}
        complete = {dataset for dataset, origin in _listed(scanned).items() if origin and known.get(dataset) == origin}
        there = pl.DataFrame(
            {"dataset": [item.source.dataset for item in scanned], "track": [item.track for item in scanned]},
            schema={"dataset": pl.String, "track": pl.String},
        )
        members = members.filter(pl.col("dataset").is_in(list(named))).join(there, on=["dataset", "track"], how="anti")
    if members.is_empty():
        return []
    if scanned is not None:
        seen = {item.shown for item in scanned if not (item.error and item.error[0] == "missing")}
    at = _located(store).join(members.select("track").unique(), on="track", how="semi")
    stands = {path: path in seen or exists(path) for path in at["path"]}
    by_track: dict[str, list[str]] = {}
    for path, track in at.select("path", "track").iter_rows():
        by_track.setdefault(track, []).append(path)
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for dataset, track in members.sort("dataset", "track").iter_rows():
        paths = by_track.get(track)
        if paths is None:
            continue  # an imported one, which never had a file
        if not any(stands[path] for path in paths):
            found.setdefault((dataset, "gone"), []).append((paths[-1], track))
        elif dataset in complete and not any(path in seen for path in paths):
            found.setdefault((dataset, "unlisted"), []).append((paths[-1], track))
    return [
        Vanished(dataset, state, tuple(track for _, track in sorted(rows)), tuple(path for path, _ in sorted(rows)))
        for (dataset, state), rows in found.items()
    ]


def prune(store: Store, vanished: Sequence[Vanished]) -> None:
    """Take these tracks out of their datasets; of those that are in no other, the paths hold nothing any more.

    Parameters
    ----------
    store : Store
        Open for writing.
    vanished : sequence of Vanished
    """
    leaving = pl.DataFrame(
        [(item.dataset, track) for item in vanished for track in item.tracks],
        schema={"dataset": pl.String, "track": pl.String},
        orient="row",
    )
    if leaving.is_empty():
        return
    items = store.scan("core.items").select("dataset", "track").unique().collect()
    staying = items.join(leaving, on=["dataset", "track"], how="anti")
    homeless = leaving.select("track").unique().join(staying, on="track", how="anti")
    gone = {track for item in vanished if item.state == "gone" for track in item.tracks}
    free = _located(store).join(homeless, on="track", how="semi").filter(pl.col("track").is_in(list(gone)))
    stamp = {"added": datetime.now(UTC).replace(tzinfo=None)}
    with store.write(f"prune {', '.join(sorted(set(leaving['dataset'])))}") as tx:
        tx.append(removals, [{"kind": "member", **row, **stamp} for row in leaving.to_dicts()])
        tx.append("core.locations", [{"path": path, **stamp} for path in free["path"]])


def renamed(store: Store, scanned: Sequence[Scanned]) -> dict[str, str]:
    """Return which datasets, named after their folders or tables, are ones that had another name.

    A folder or table that was ingested as a dataset before goes on as that one. So does one whose tracks are nearly all
    members of exactly one dataset, whose files are gone: it was renamed. Of several such datasets it is the one whose
    folder or table is gone, too.

    Parameters
    ----------
    store : Store
    scanned : sequence of Scanned

    Returns
    -------
    dict of str to str
        New name to the one that the dataset goes on with.
    """
    known = set(store.scan("core.datasets").select("dataset").collect()["dataset"])
    new = {item.source.dataset for item in scanned} - known
    if not new:
        return {}
    known_origins = _origins(store)
    before = {origin: dataset for dataset, origin in known_origins.items() if origin}
    members: dict[str, set[str]] = {}
    for dataset, track in store.scan("core.items").select("dataset", "track").unique().collect().iter_rows():
        members.setdefault(dataset, set()).add(track)
    found: dict[str, str] = {}
    for name in sorted(new):
        items = [item for item in scanned if item.source.dataset == name]
        origins = {item.source.origin for item in items}
        if len(origins) == 1 and (same := before.get(origins.pop())):
            found[name] = same
            continue
        tracks = {item.track for item in items if item.track}
        alike = [old for old, theirs in members.items() if tracks and len(tracks & theirs) >= _most * len(tracks)]
        if len(alike) > 1:
            alike = [old for old in alike if known_origins.get(old) and not os.path.lexists(known_origins[old])]
        if len(alike) == 1 and _all_gone(store, members[alike[0]]):
            found[name] = alike[0]
    return found


def continued(scanned: Sequence[Scanned], names: Mapping[str, str]) -> list[Scanned]:
    """Return what was found, under the names that its datasets have.

    Parameters
    ----------
    scanned : sequence of Scanned
    names : Mapping of str to str
        As `renamed` returns them.
    """
    return [
        replace(item, source=replace(item.source, dataset=names[item.source.dataset]))
        if item.source.dataset in names
        else item
        for item in scanned
    ]


def origins(store: Store, scanned: Iterable[Scanned]) -> list[dict[str, Any]]:
    """Return rows for datasets whose folder or table is new: it is known as long as a dataset has one only.

    Parameters
    ----------
    store : Store
    scanned : iterable of Scanned

    Returns
    -------
    list of dict
        ``dataset`` and ``source``, which is None where several folders or tables are in one.
    """
    known = _origins(store)
    rows = []
    for dataset, origin in sorted(_listed(item for item in scanned if item.track).items()):
        before = known.get(dataset)
        if before is None:
            rows.append({"dataset": dataset, "source": origin or None})
        elif os.path.isabs(before) and origin != before:
            another = os.path.lexists(before)  # there are two now, or it was renamed
            rows.append({"dataset": dataset, "source": None if another else origin or None})
    return rows


def _listed(scanned: Iterable[Scanned]) -> dict[str, str]:
    """Return the one folder or table that each dataset came from this time, ``""`` if it was not one."""
    found: dict[str, set[str]] = {}
    for item in scanned:
        found.setdefault(item.source.dataset, set()).add(item.source.origin)
    return {dataset: origins.pop() if len(origins) == 1 else "" for dataset, origins in found.items()}


def _origins(store: Store) -> dict[str, str]:
    rows = latest(store.scan("core.datasets"), "dataset").select("dataset", "source").collect()
    return {dataset: source or "" for dataset, source in rows.iter_rows()}


def _located(store: Store) -> pl.DataFrame:
    """Return the paths that hold something, as they were found: ``path``, ``track``."""
    return located(store.scan("core.locations")).drop_nulls("track")


def _all_gone(store: Store, tracks: set[str]) -> bool:
    paths = _located(store).filter(pl.col("track").is_in(list(tracks)))["path"]
    return len(paths) > 0 and not any(exists(path) for path in paths)


def exists(path: str) -> bool:
    r"""Tell whether there is such a file; a byte of its name that is no UTF-8 is stored as ``\xff``.

    Parameters
    ----------
    path : str
        As the store has it.
    """
    raw = os.fsencode(path)
    if os.path.lexists(raw):
        return True
    real = re.sub(rb"\\x([89a-f][0-9a-f])", lambda byte: bytes.fromhex(byte[1].decode()), raw)
    return real != raw and os.path.lexists(real)
