"""Datasets: their splits, and what leaks across them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError
from mirstore.core.experiments.copies import identities, known_of, similar_names
from mirstore.core.experiments.splits import as_published, shared_between
from mirstore.store.known_copies import copies, fingerprinted
from mirstore.store.lake.quoting import literal
from mirstore.store.store import Store


def listing(store: Store) -> pl.DataFrame:
    """Return the datasets with their numbers of tracks, artists and labels, and their label sets.

    Parameters
    ----------
    store : Store

    Returns
    -------
    pl.DataFrame
        ``dataset``, ``tracks``, ``artists``, ``labels`` (how many), ``label_sets`` (their names in one text).
    """
    return store.sql("""
        SELECT d.dataset, count(DISTINCT i.track) AS tracks, count(DISTINCT i.artist) AS artists,
               (SELECT count(DISTINCT label) FROM labels l WHERE l.dataset = d.dataset) AS labels,
               (SELECT string_agg(DISTINCT label_set, ', ') FROM labels l WHERE l.dataset = d.dataset) AS label_sets
        FROM datasets d LEFT JOIN items i USING (dataset) GROUP BY d.dataset ORDER BY d.dataset""")


def splits(store: Store, dataset: str) -> pl.DataFrame:
    """Return tracks and artists per split, fold and part.

    Parameters
    ----------
    store : Store
    dataset : str

    Returns
    -------
    pl.DataFrame
        ``split``, ``fold``, ``part``, ``tracks``, ``artists``.

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    """
    _check(store, dataset)
    return (
        _members(store, dataset)
        .group_by("split", "fold", "part")
        .agg(pl.col("track").n_unique().alias("tracks"), pl.col("artist").n_unique().alias("artists"))
        .sort("split", "fold", "part")
    )


def together(store: Store, dataset: str) -> pl.DataFrame:
    """Return what folds drawn by track would put on both sides: what needs no published split to know.

    Parameters
    ----------
    store : Store
    dataset : str

    Returns
    -------
    pl.DataFrame
        ``kind`` (``artist``, ``album``: of several tracks; ``audio``: identical files and equal samples; ``near``:
        copies by their fingerprints), ``known`` (tracks of which it is known), ``groups`` (that should stay together),
        ``tracks`` (in them), ``largest`` (group), ``examples``.

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    """
    _check(store, dataset)
    members = store.sql(
        "SELECT track, path, i.artist, i.album FROM items i JOIN tracks USING (track) "
        f"WHERE dataset = {literal(dataset)}"
    )
    same = identities(members, copies(store))
    known = known_of(members, same, fingerprinted(store, members["track"].to_list()))
    rows = [_groups(kind, values, known[kind]) for kind, values in same.items()]
    return pl.DataFrame(rows, schema_overrides={"examples": pl.String})


def spellings(store: Store, dataset: str) -> list[list[str]]:
    """Return artists of a dataset that may be one: they differ by case, spaces, an article or "feat." only.

    Parameters
    ----------
    store : Store
    dataset : str

    Returns
    -------
    list of list of str
        Groups of at least two spellings.

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    """
    _check(store, dataset)
    return similar_names(store.sql(f"SELECT DISTINCT artist FROM items WHERE dataset = {literal(dataset)}")["artist"])


def spelling_remarks(store: Store, dataset: str, most: int = 5) -> list[str]:
    """Return a sentence per artist of a dataset that may be one with another, see `spellings`.

    Parameters
    ----------
    store : Store
    dataset : str
    most : int > 0
        How many artists are named.
    """
    found = spellings(store, dataset)
    remarks = [
        f"one artist or several? {', '.join(map(repr, names))}: folds by artist do not keep them together"
        for names in found[:most]
    ]
    return remarks + ([f"and {len(found) - most} more artists with several spellings"] if len(found) > most else [])


def _groups(kind: str, values: Sequence[str | None], known: int) -> dict[str, Any]:
    counts = Counter(value for value in values if value)
    several = {value: count for value, count in counts.most_common() if count > 1}
    return {
        "kind": kind,
        "known": known,
        "groups": len(several),
        "tracks": sum(several.values()),
        "largest": max(several.values(), default=0),
        "examples": ", ".join(list(several)[:3]) or None,
    }


def leakage(store: Store, dataset: str) -> pl.DataFrame:
    """Return what stands in the test part of a published fold and in what is learned from or chosen by before it.

    Where a split has no test part, its validation part is the one that is asked about.

    Parameters
    ----------
    store : Store
    dataset : str

    Returns
    -------
    pl.DataFrame
        ``split``, ``fold``, ``kind`` (``artist``, ``album``, ``audio``: identical files and equal samples, ``near``:
        copies by their fingerprints), ``shared`` (how many; null where nothing is known of any track), ``examples``. No
        rows without a published split.

    Raises
    ------
    UnknownNameError
        If there is no such dataset.
    """
    _check(store, dataset)
    members = _members(store, dataset)
    tracks = members.unique("track", maintain_order=True)
    number = {track: position for position, track in enumerate(tracks["track"])}
    values = identities(tracks, copies(store))
    known = known_of(tracks, values, fingerprinted(store, list(number)))
    rows = []
    for (split,), found in members.sort("split").group_by("split", maintain_order=True):
        held_out = "test" if "test" in found["part"] else "validation"
        parts = [
            (number[track], fold, "test" if part == held_out else part)
            for track, fold, part in found.select("track", "fold", "part").iter_rows()
        ]
        for fold in as_published(parts):
            for kind in sorted(values):
                shared = shared_between([fold], values[kind])
                count, examples = len(shared) if known[kind] or shared else None, ", ".join(shared[:3]) or None
                rows.append((split, fold.number, kind, count, examples))
    schema = {"split": pl.String, "fold": pl.Int32, "kind": pl.String, "shared": pl.UInt32, "examples": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _check(store: Store, dataset: str) -> None:
    names = store.scan("core.datasets").select("dataset").collect()["dataset"].to_list()
    if dataset not in names:
        raise UnknownNameError("dataset", dataset, names)


def _members(store: Store, dataset: str) -> pl.DataFrame:
    return store.sql(
        f"SELECT s.split, s.fold, s.part, s.track, t.path, i.artist, i.album FROM splits s "
        f"LEFT JOIN items i USING (dataset, track) LEFT JOIN tracks t ON t.track = s.track "
        f"WHERE s.dataset = {literal(dataset)} ORDER BY i.position, s.track"
    )
