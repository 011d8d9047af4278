"""What the store knows of tracks that are one recording, and of how many it can know that."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mirstore.store.store import Store


def fingerprints(store: Store) -> list[tuple[str, str]]:
    """Return feature and column of what the store has to compare recordings by, whichever plugin made it.

    Parameters
    ----------
    store : Store
    """
    columns = store.scan("core.columns").filter(pl.col("fingerprint") == "chromaprint")
    named = columns.select("feature_set", "column").collect()
    names = {id_: name for name, id_ in store.names().items()}
    return [(names[id_], column) for id_, column in named.iter_rows() if id_ in names]


def copies(store: Store) -> list[tuple[str, str, str]]:
    """Return kind and tracks of the pairs that are two tracks and one recording.

    Parameters
    ----------
    store : Store
    """
    return store.sql("SELECT DISTINCT kind, a, b FROM duplicates WHERE a <> b ORDER BY ALL").rows()


def fingerprinted(store: Store, tracks: Sequence[str]) -> int:
    """Return how many of these tracks have a fingerprint.

    Parameters
    ----------
    store : Store
    tracks : sequence of str
    """
    have: set[str] = set()
    for feature, column in fingerprints(store):
        have |= set(store.features(feature, tracks).drop_nulls(column)["track"])
    return len(have)
