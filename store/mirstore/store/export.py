"""A wide table of chosen features with labels, for the tools of others."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.lake.quoting import literal
from mirstore.store.store import Store


def wide_table(store: Store, features: Sequence[str], *, dataset: str | None = None) -> pl.DataFrame:
    """Return one row per track (or per track and start) with all columns of the features, then the labels.

    Parameters
    ----------
    store : Store
        To read from.
    features : sequence of str
        Feature sets by name, ``name@version`` or id.
    dataset : str, optional
        Only its tracks, with its labels: one column per label set, several labels joined by ``|``.

    Raises
    ------
    UnknownNameError
        If a feature set or the dataset does not exist.
    """
    if not features:
        raise UsageError("no features chosen", hint="--features essentia,mfcc-stats")
    frame = store.features(list(features))
    tracks = store.sql("SELECT track, path, title, artist, album FROM tracks")
    frame = frame.join(tracks, on="track", how="left")
    credits = ["track", "path", "title", "artist", "album"]
    frame = frame.select(*credits, pl.exclude(credits))
    if dataset is None:
        return frame
    names = store.scan("core.datasets").select("dataset").collect()["dataset"].to_list()
    if dataset not in names:
        raise UnknownNameError("dataset", dataset, names)
    members = store.scan("core.items").filter(pl.col("dataset") == dataset).select("track").unique().collect()
    frame = frame.join(members, on="track", how="semi")
    labels = store.sql(
        f"SELECT track, label_set, string_agg(label, '|' ORDER BY label) AS labels FROM labels "
        f"WHERE dataset = {literal(dataset)} GROUP BY track, label_set ORDER BY label_set"
    )
    if labels.is_empty():
        return frame
    return frame.join(
        labels.pivot("label_set", index="track", values="labels"), on="track", how="left", suffix="_label"
    )
