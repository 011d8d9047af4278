"""How right chords are, where the true ones are known: ``python examples/chord_scores.py --by style chords``.

Reads from a store the features named and an annotation of the true chords (``mirstore ingest … --annotation
chords-true='labs/*.lab'``), and prints one table per feature: the scores of mir_eval (``pip install mir_eval``), all
tracks first and then those of each label of a set. A score is the share of time in which the chord is right, as the
mean over tracks: its root; major or minor; with the seventh, over tracks whose true chords have some; and how well the
segments fit, whatever they are called. Where there is no row, there is no chord.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import mir_eval
import numpy as np
import polars as pl

from mirstore.core.errors import MirstoreError, UnknownNameError
from mirstore.store import Store

scores = {"root": "root", "majmin": "majmin", "sevenths": "sevenths", "segments": "seg"}  # as mir_eval calls them
no_chord = mir_eval.chord.NO_CHORD


def compare(truth: pl.DataFrame, found: pl.DataFrame) -> dict[str, float | None]:
    """Return the scores of one track.

    Parameters
    ----------
    truth, found : polars.DataFrame
        With ``start``, ``end`` [s] and ``label``.
    """
    end = truth["end"].max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # mir_eval says so where nothing can be compared, and scores 0
        result = mir_eval.chord.evaluate(*filled(truth, end), *filled(found, end))
    made = {name: result[theirs] for name, theirs in scores.items()}
    return made if any("7" in label for label in truth["label"]) else made | {"sevenths": None}


def filled(rows: pl.DataFrame, end: float) -> tuple[np.ndarray, list[str]]:
    """Return intervals [shape=(n, 2)] and labels of rows, with no chord in the gaps between them.

    Parameters
    ----------
    rows : polars.DataFrame
        With ``start``, ``end`` [s] and ``label``.
    end : float [s]
        Of what is compared.
    """
    intervals, labels, at = [], [], 0.0
    for row in [*rows.sort("start").iter_rows(named=True), {"start": end, "end": end}]:
        if row["start"] > at:
            intervals.append((at, row["start"]))
            labels.append(no_chord)
        if row["end"] > row["start"]:
            intervals.append((row["start"], row["end"]))
            labels.append(row["label"])
        at = max(at, row["end"])
    return np.array(intervals), labels


def score(store: Store, feature: str, truth: str, by: str | None) -> pl.DataFrame:
    """Return a row of scores for all tracks, and one for each label.

    Parameters
    ----------
    store : Store
    feature, truth : str
        Names of feature sets.
    by : str or None
        Name of a label set.
    """
    known, found = store.features(truth), store.features(feature)
    of_feature, answered = pl.col("feature_set") == store.resolve(feature), pl.col("status").is_in(["ok", "none"])
    done = set(store.scan("core.extractions").filter(of_feature & answered).collect()["track"])
    frame = pl.DataFrame(
        [
            {"track": track, **compare(known.filter(pl.col("track") == track), found.filter(pl.col("track") == track))}
            for track in known["track"].unique(maintain_order=True)
            if track in done
        ],
        schema={"track": pl.String} | dict.fromkeys(scores, pl.Float64),
    )
    means = [pl.len().alias("tracks"), *(pl.col(name).mean() for name in scores)]
    every = frame.select(pl.lit("all").alias("label"), *means)
    if by is None:
        return every
    sets = store.sql("FROM labels")
    labels = sets.filter((pl.col("label_set") == by) & (pl.col("value") == 1))
    if labels.is_empty():
        raise UnknownNameError("label set", by, sets["label_set"].unique())
    return pl.concat(
        [every, frame.join(labels.select("track", "label"), on="track").group_by("label").agg(means).sort("label")]
    )


def lines(feature: str, table: pl.DataFrame) -> Iterator[str]:
    """Yield a table in Markdown.

    Parameters
    ----------
    feature : str
        Its name.
    table : polars.DataFrame
        As `score` makes it.
    """
    yield f"| {feature} | {' | '.join(table.columns[1:])} |"
    yield "|---|" + "--:|" * (len(table.columns) - 1)
    for label, tracks, *values in table.iter_rows():
        cells = ["" if value is None else f"{value:.3f}".removeprefix("0") for value in values]
        yield f"| {label} | {tracks} | {' | '.join(cells)} |"
    yield ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("features", nargs="+", help="such as chords and chords-template")
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("MIRSTORE_STORE") or "store"))
    parser.add_argument("--truth", default="chords-true", help="the annotation with the true chords")
    parser.add_argument("--by", help="a label set, such as style")
    given = parser.parse_args()
    try:
        with Store(given.store) as store:
            for feature in given.features:
                print("\n".join(lines(feature, score(store, feature, given.truth, given.by))))
    except MirstoreError as error:
        parser.error(str(error))
