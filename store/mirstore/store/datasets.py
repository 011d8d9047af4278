"""Datasets: their splits, and what leaks across them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError
from mirstore.core.experiments.copies import recordings, similar_names
from mirstore.store.known_copies import copies, fingerprinted
from mirstore.store.lake.quoting import literal
from mirstore.store.store import Store

_credits = ("artist", "album")
_copies = {"audio": ("same samples",), "near": ("near",)}


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
    pairs = copies(store)
    tracks = members["track"].to_list()
    paths = dict(members.select("track", "path").iter_rows())
    rows = [_groups(kind, members[kind].to_list(), members.height - members[kind].null_count()) for kind in _credits]
    for kind, kinds in _copies.items():
        owners = recordings(tracks, [(a, b) for found, a, b in pairs if found in kinds])
        known = fingerprinted(store, tracks) if kind == "near" else members.height
        rows.append(_groups(kind, [owner and (paths[owner] or owner) for owner in owners], known))
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
    """Return what stands in more than one part of a fold: artists, albums, the same audio.

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
    tracks = members["track"].unique(maintain_order=True).to_list()
    pairs = copies(store)
    for kind, kinds in _copies.items():
        owners = recordings(tracks, [(a, b) for found_kind, a, b in pairs if found_kind in kinds])
        owner_of = dict(zip(tracks, owners, strict=True))
        alone = [None] * len(tracks) if kind == "near" else tracks  # a track that is near to none is not looked at
        values = [owner_of[track] or fallback for track, fallback in zip(tracks, alone, strict=True)]
        members = members.with_columns(
            pl.col("track").replace_strict(tracks, values, return_dtype=pl.String).alias(kind)
        )
    found = []
    known = {kind: members.height - members[kind].null_count() for kind in _credits}
    known |= {"audio": len(tracks), "near": fingerprinted(store, tracks)}
    for kind in known:
        shared = (
            members.drop_nulls(kind)
            .group_by("split", "fold", kind)
            .agg(pl.col("part").n_unique().alias("parts"))
            .filter(pl.col("parts") > 1)
        )
        found.append(
            members.select("split", "fold")
            .unique()
            .join(
                shared.group_by("split", "fold").agg(
                    pl.len().alias("shared"), pl.col(kind).sort().head(3).str.join(", ").alias("examples")
                ),
                on=["split", "fold"],
                how="left",
            )
            .with_columns(pl.lit(kind).alias("kind"), pl.col("shared").fill_null(pl.lit(0 if known[kind] else None)))
        )
    return pl.concat(found).select("split", "fold", "kind", "shared", "examples").sort("split", "fold", "kind")


def _check(store: Store, dataset: str) -> None:
    names = store.scan("core.datasets").select("dataset").collect()["dataset"].to_list()
    if dataset not in names:
        raise UnknownNameError("dataset", dataset, names)


def _members(store: Store, dataset: str) -> pl.DataFrame:
    return store.sql(
        f"SELECT s.split, s.fold, s.part, s.track, i.artist, i.album FROM splits s "
        f"LEFT JOIN items i USING (dataset, track) WHERE s.dataset = {literal(dataset)}"
    )
