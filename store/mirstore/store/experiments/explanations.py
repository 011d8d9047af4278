"""Which tracks a report explains: those that a model gets best, worst, and cannot decide about."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.errors import TrackError
from mirstore.core.tracks import Track

each = 3  # tracks per role
clip_seconds = 10.0


def explain(
    contributions: pl.DataFrame, predictions: pl.DataFrame, credits: pl.DataFrame, exclusive: bool
) -> list[dict[str, Any]]:
    """Return tracks with their scores and what each group added to the label that is explained.

    A track's margin is the score of its least likely own label minus that of the likeliest other label; for tags,
    whose scores cannot be compared with each other, ranks among all tracks take the place of scores. The best tracks
    have the largest margins, the worst the smallest, the ambiguous ones those nearest to zero.

    Parameters
    ----------
    contributions, predictions : pl.DataFrame
        Of one run.
    credits : pl.DataFrame
        ``track``, ``title``, ``artist``, ``path``.
    exclusive : bool
        Whether a track has one class.
    """
    if contributions.is_empty():
        return []
    first = predictions.filter(pl.col("repeat") == 0)
    margins = _margins(first, exclusive)
    known = {row.pop("track"): row for row in credits.join(margins, on="track", how="semi").to_dicts()}
    nothing = {"title": None, "artist": None, "path": None}
    chosen: list[dict[str, Any]] = []
    for role, order in (
        ("best", margins.sort("margin", descending=True)),
        ("worst", margins.sort("margin")),
        ("ambiguous", margins.sort(pl.col("margin").abs())),
    ):
        taken = {item["track"] for item in chosen}
        for track, label in (
            order.filter(~pl.col("track").is_in(list(taken))).head(each).select("track", "label").iter_rows()
        ):
            chosen.append(
                {"role": role, "track": track, "label": label, **known.get(track, nothing), **_scores(first, track)}
            )
    for item in chosen:
        here = contributions.filter((pl.col("track") == item["track"]) & (pl.col("label") == item["label"]))
        item["contributions"] = dict(here.select("group", "value").iter_rows())
    return chosen


def _margins(predictions: pl.DataFrame, exclusive: bool) -> pl.DataFrame:
    ranked = pl.col("score") if exclusive else pl.col("score").rank().over("label") / pl.len().over("label")
    frame = predictions.with_columns(ranked.cast(pl.Float64).alias("height"))
    own = frame.filter(pl.col("truth") > 0).sort("height", "label").group_by("track", maintain_order=True)
    other = frame.filter(pl.col("truth") <= 0).group_by("track").agg(pl.col("height").max().alias("other"))
    return (
        own.agg(pl.col("height").first().alias("own"), pl.col("label").first())
        .join(other, on="track")
        .select("track", "label", (pl.col("own") - pl.col("other")).alias("margin"))
        .sort("track")
    )


def _scores(predictions: pl.DataFrame, track: str) -> dict[str, Any]:
    rows = predictions.filter(pl.col("track") == track).sort("score", descending=True)
    return {
        "truth": rows.filter(pl.col("truth") > 0)["label"].sort().to_list(),
        "scores": dict(rows.select("label", "score").head(10).iter_rows()),
    }


def clip(path: str | None) -> str | None:
    """Return ten seconds from the middle as an Ogg Vorbis data URL, None if the file is gone.

    Parameters
    ----------
    path : str or None
        Of the audio file.
    """
    import soundfile

    if path is None or not Path(path).is_file():
        return None
    try:
        whole = Track(path, Path(path)).audio(22050)
    except TrackError:
        return None
    size = int(clip_seconds * 22050)
    first = max(0, (len(whole) - size) // 2)
    buffer = BytesIO()
    soundfile.write(buffer, np.asarray(whole[first : first + size]), 22050, format="OGG", subtype="VORBIS")
    return "data:audio/ogg;base64," + base64.b64encode(buffer.getvalue()).decode()
