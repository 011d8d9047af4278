"""Taking out tracks, datasets, label sets and features: gone at once from everything, and erased by `purge`.

A removal is a row, so that nothing is lost before a purge: a track comes back by `tracks` with ``undo``, features by
asking for them, a dataset by ingesting it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

import polars as pl

from mirstore.core.errors import AudioError, UnknownNameError, UsageError
from mirstore.core.experiment_entries import crossed
from mirstore.core.identity import track_id
from mirstore.core.text import counted, some
from mirstore.store.lake.hidden import removals
from mirstore.store.lake.latest import latest
from mirstore.store.lake.schema import order
from mirstore.store.store import Store


@dataclass(frozen=True)
class Removal:
    """What would go; `remove` does it.

    Attributes
    ----------
    what : str
        In words, for the one who has to agree.
    rows : sequence of dict
        Of the table of removals.
    counts : Mapping of str to int
        How much of what goes.
    """

    what: str
    rows: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int] = field(default_factory=dict)


def remove(store: Store, removal: Removal, message: str) -> None:
    """Commit a removal.

    Parameters
    ----------
    store : Store
        Open for writing.
    removal : Removal
    message : str
        What the history says.
    """
    stamp = {"added": datetime.now(UTC).replace(tzinfo=None)}
    with store.write(message) as tx:
        tx.append(removals, [{"undone": False, **row, **stamp} for row in removal.rows])


def tracks(store: Store, names: Sequence[str], *, undo: bool = False) -> Removal:
    """Return the withdrawal of some tracks, or its end.

    Parameters
    ----------
    store : Store
    names : sequence of str
        Paths of files or folders, globs of paths, ids or the first letters of one.
    undo : bool
        Bring withdrawn tracks back.

    Raises
    ------
    UsageError
        If a name fits no track, or the first letters fit several.
    """
    withdrawn = store.hidden.withdrawn
    known = withdrawn if undo else set(store.sql("SELECT track FROM tracks")["track"])
    locations = store.recorded("core.locations").select("path", "track", order).collect()
    paths = latest(locations, "path").filter(pl.col("track").is_in(list(known))).sort("path")
    chosen = list(dict.fromkeys(track for name in names for track in _matching(name, paths, known, undo)))
    if undo:
        rows = [{"kind": "track", "track": track, "undone": True} for track in chosen]
        there = store.recorded("core.tracks").filter(pl.col("track").is_in(chosen)).select("track").unique().collect()
        what = counted(len(chosen), "track")
        if erased := len(chosen) - there.height:
            of_them = "" if erased == len(chosen) else f"{erased} of them "
            what += f"; {of_them}erased by a purge: what brought them in has to be given again"
        return Removal(what, rows, {"tracks": len(chosen), "erased": erased})
    runs = _used(store, chosen)
    there = store.sql("SELECT dataset, track FROM items").filter(pl.col("track").is_in(chosen))
    labels = store.sql("SELECT * FROM labels").filter(pl.col("track").is_in(chosen))
    counts = {
        "tracks": len(chosen),
        "datasets": there["dataset"].n_unique(),
        "label sets": labels.select("dataset", "label_set").n_unique(),
        "runs": len({run for used in runs.values() for run in used}),
    }
    last = latest(locations.filter(pl.col("track").is_in(chosen)), "track").sort("path")["path"].to_list()
    names_shown = last or chosen
    what = f"{counted(len(chosen), 'track')} ({some(names_shown)})"
    if counts["datasets"]:
        what += f" of {some(there['dataset'].unique().sort().to_list())}"
    if counts["label sets"]:
        what += f", with labels of {counted(counts['label sets'], 'label set')}"
    if counts["runs"]:
        what += (
            f"; {counted(counts['runs'], 'run')} used it" if len(chosen) == 1 else f"; {counts['runs']} runs used them"
        )
    rows = [{"kind": "track", "track": track, "note": json.dumps(runs[track])} for track in chosen]
    return Removal(what, rows, counts)


def _matching(name: str, paths: pl.DataFrame, known: Iterable[str], undo: bool) -> list[str]:
    """Return the tracks that a path, folder, glob or id means."""
    path = os.fsencode(os.path.abspath(os.path.expanduser(name))).decode("utf-8", "backslashreplace")
    exact = paths.filter((pl.col("path") == path) | pl.col("path").str.starts_with(path.rstrip("/") + "/"))["track"]
    found = exact.to_list() or [
        track for at, track in paths.select("path", "track").iter_rows() if PurePath(at).match(path)
    ]
    if found or name in known:
        return found or [name]
    if undo and os.path.isfile(path):  # a purge has erased where it was, but the recording is its id
        with suppress(AudioError):
            if (track := track_id(Path(path))) in known:
                return [track]
    ids = sorted(track for track in known if track.startswith(name)) if len(name) >= 4 else []
    if len(ids) > 1:
        raise UsageError(f"{name!r} could be any of {some(ids)}", hint="give more of its letters")
    if not ids:
        state, view = ("withdrawn track", "removals") if undo else ("track", "tracks")
        raise UsageError(f"no {state} has the id or the path {name!r}", hint=f"mirstore sql 'FROM {view}' lists them")
    return ids


def dataset(store: Store, name: str, labels: str | None = None) -> Removal:
    """Return the removal of a dataset, or of one of its label sets.

    Parameters
    ----------
    store : Store
    name : str
    labels : str, optional
        A label set: only this one.

    Raises
    ------
    UnknownNameError
        If there is no such dataset or label set.
    """
    known = store.scan("core.datasets").select("dataset").collect()["dataset"].unique()
    if name not in known:
        raise UnknownNameError("dataset", name, known)
    items = store.sql("SELECT dataset, track FROM items")
    label_sets = store.sql("SELECT dataset, track, label_set FROM labels").filter(pl.col("dataset") == name)
    if labels is not None:
        rows = label_sets.filter(pl.col("label_set") == labels)
        if rows.is_empty():
            raise UnknownNameError(f"label set of {name!r}:", labels, label_sets["label_set"].unique())
        what = f"label set {labels} of dataset {name}: the labels of {counted(rows['track'].n_unique(), 'track')}"
        row = {"kind": "labels", "dataset": name, "label_set": labels}
        return Removal(what, [row], {"label sets": 1, "tracks": rows["track"].n_unique()})
    members = items.filter(pl.col("dataset") == name)
    elsewhere = items.filter(pl.col("dataset") != name)
    counts = {
        "tracks": members.height,
        "tracks only here": members.join(elsewhere, on="track", how="anti").height,
        "label sets": label_sets["label_set"].n_unique(),
    }
    what = f"dataset {name}: {counted(counts['tracks'], 'track')}, {counted(counts['label sets'], 'label set')}"
    if shared := counts["tracks"] - counts["tracks only here"]:
        what += f"; {counted(shared, 'track')} stay in other datasets"
    return Removal(what, [{"kind": "dataset", "dataset": name}], counts)


def features(store: Store, names: Sequence[str]) -> Removal:
    """Return the removal of feature sets: all that a name means and has meant, or one ``name@version`` or id.

    Parameters
    ----------
    store : Store
    names : sequence of str

    Raises
    ------
    UnknownNameError
        If nothing stored is called so.
    """
    chosen: dict[str, str] = {}
    for name in names:
        store.resolve(name)
        chosen |= {id_: name for id_ in store.meant(name) if id_ not in store.hidden.features}
    ledger = store.scan("core.extractions").filter(pl.col("feature_set").is_in(list(chosen))).collect()
    values = ledger.filter(pl.col("status") == "ok").n_unique(["track", "feature_set"])
    readers = store.scan("core.inputs").filter(pl.col("input").is_in(list(chosen))).collect()["feature_set"]
    left = {id_: name for name, id_ in store.names().items() if id_ in set(readers) - set(chosen)}
    what = f"{counted(len(chosen), 'feature set')} ({some([f'{name} {id_}' for id_, name in chosen.items()])}), "
    what += f"with the values of {counted(values, 'track')}"
    if left:
        what += f"; {some(sorted(left.values()))} read it, and stay"
    rows = [{"kind": "features", "feature_set": id_} for id_ in chosen]
    return Removal(what, rows, {"feature sets": len(chosen), "tracks": values})


def _used(store: Store, chosen: Sequence[str]) -> dict[str, list[str]]:
    """Return the runs that learned from, or were tested on, each track; all that a run could use, if it has failed."""
    found: dict[str, list[str]] = {track: [] for track in chosen}
    states = dict(store.sql("SELECT run, state FROM runs").iter_rows())
    tested = (
        store.scan("core.predictions").filter(pl.col("track").is_in(chosen)).select("run", "track").unique().collect()
    )
    rows = store.scan("core.runs").filter(pl.col("run").is_in(list(states))).collect()
    for run in rows.iter_rows(named=True):
        tracks_of = set(tested.filter(pl.col("run") == run["run"])["track"])
        tracks_of |= _taken(store, run, chosen, finished=states[run["run"]] == "finished")
        for track in tracks_of:
            found[track].append(run["run"])
    return found


def _taken(store: Store, run: Mapping[str, Any], chosen: Sequence[str], *, finished: bool) -> set[str]:
    """Return the tracks that a run had, but no predictions of: its folds do not test everything, or it has failed."""
    task, features_of = json.loads(run["details"])["task"], json.loads(run["config"])["features"].values()
    if finished and task["split"] in crossed and not task["evaluate_on"]:
        return set()
    then = pl.col(order) <= run["snapshot"]
    sets = {task["dataset"]: task["labels"]}
    if task["evaluate_on"] and not finished:
        sets[task["evaluate_on"]] = task.get("evaluate_labels") or task["labels"]
    theirs = [(pl.col("dataset") == name) & (pl.col("label_set") == labels) for name, labels in sets.items()]
    labels = store.scan("core.labels").filter(then & pl.any_horizontal(theirs))
    labelled = labels.filter(pl.col("track").is_in(chosen))
    if task["classes"]:
        labelled = labelled.filter(pl.col("label").is_in(task["classes"]))
    left = set(labelled.select("track").collect()["track"])
    for id_ in features_of:
        ledger = store.scan("core.extractions").filter(
            then & (pl.col("feature_set") == id_) & (pl.col("status") == "ok")
        )
        left &= set(ledger.select("track").collect()["track"])
    return left
