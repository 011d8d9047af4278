"""Datasets: their splits, and what leaks across them."""

from __future__ import annotations

import polars as pl

from mirstore.core.errors import UnknownNameError
from mirstore.store.store import Store


def splits(store: Store, dataset: str) -> pl.DataFrame:
    """Return tracks and artists per split, fold and part.

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


def leakage(store: Store, dataset: str) -> pl.DataFrame:
    """Return what stands in more than one part of a fold: artists, albums, the same audio.

    Returns
    -------
    pl.DataFrame
        ``split``, ``fold``, ``kind`` (``artist``, ``album`` or ``audio``), ``shared`` (how many), ``examples``.
    """
    _check(store, dataset)
    members = _members(store, dataset)
    found = []
    for kind, column in (("artist", "artist"), ("album", "album"), ("audio", "track")):
        shared = (
            members.drop_nulls(column)
            .group_by("split", "fold", column)
            .agg(pl.col("part").n_unique().alias("parts"))
            .filter(pl.col("parts") > 1)
        )
        found.append(
            members.select("split", "fold")
            .unique()
            .join(
                shared.group_by("split", "fold").agg(
                    pl.len().alias("shared"), pl.col(column).sort().head(3).str.join(", ").alias("examples")
                ),
                on=["split", "fold"],
                how="left",
            )
            .with_columns(pl.lit(kind).alias("kind"), pl.col("shared").fill_null(0))
        )
    return pl.concat(found).select("split", "fold", "kind", "shared", "examples").sort("split", "fold", "kind")


def _check(store: Store, dataset: str) -> None:
    names = store.scan("core.datasets").select("dataset").collect()["dataset"].to_list()
    if dataset not in names:
        raise UnknownNameError("dataset", dataset, names)


def _members(store: Store, dataset: str) -> pl.DataFrame:
    quoted = dataset.replace("'", "''")
    return store.sql(
        f"SELECT s.split, s.fold, s.part, s.track, i.artist, i.album FROM splits s "
        f"LEFT JOIN items i USING (dataset, track) WHERE s.dataset = '{quoted}'"
    )
