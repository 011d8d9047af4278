"""For the tools of others: a wide table of chosen features with labels, and what an extractor has as RDF."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
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
    frame = _of_dataset(store, frame, dataset)
    labels = store.sql(
        f"SELECT track, label_set, string_agg(label, '|' ORDER BY label) AS labels FROM labels "
        f"WHERE dataset = {literal(dataset)} GROUP BY track, label_set ORDER BY label_set"
    )
    if labels.is_empty():
        return frame
    return frame.join(
        labels.pivot("label_set", index="track", values="labels"), on="track", how="left", suffix="_label"
    )


def rdf(store: Store, feature: FeatureSet, *, dataset: str | None = None) -> str:
    """Return the graph of what a feature set reads, in Turtle, as its extractor and parameters have it.

    Parameters
    ----------
    store : Store
        To read from.
    feature : FeatureSet
    dataset : str, optional
        Only its tracks.

    Raises
    ------
    UnknownNameError
        If the dataset does not exist.
    UsageError
        If what it reads is not stored, or the extractor has no form in RDF.
    """
    there = store.feature_set_ids()
    if lacking := [source.name for source in feature.inputs.values() if source.id not in there]:
        raise UsageError(
            f"features {', '.join(lacking)}, which {feature.name!r} reads, are not stored",
            hint=f"mirstore ingest … --features {feature.name}",
        )
    read = {name: store.features(source.id) for name, source in feature.inputs.items()}
    chosen = read if dataset is None else {name: _of_dataset(store, rows, dataset) for name, rows in read.items()}
    return feature.extractor.rdf(chosen)


def _of_dataset(store: Store, frame: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """Return the rows of a dataset's tracks."""
    names = store.scan("core.datasets").select("dataset").collect()["dataset"].to_list()
    if dataset not in names:
        raise UnknownNameError("dataset", dataset, names)
    members = store.scan("core.items").filter(pl.col("dataset") == dataset).select("track").unique().collect()
    return frame.join(members, on="track", how="semi")
