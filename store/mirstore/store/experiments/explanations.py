"""Which tracks a report explains: those with the largest and smallest lead of the right label, and the most level."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.errors import TrackError
from mirstore.core.tracks import Track

each = 3  # tracks per role
clip_seconds = 10.0
clip_rate = 22050  # [Hz]


def explain(contributions: pl.DataFrame, predictions: pl.DataFrame, credits: pl.DataFrame) -> list[dict[str, Any]]:
    """Return tracks with their scores and what each group added to the label that is explained.

    A track's lead is the score of its right label, of several the lowest, less the highest score of another label. The
    best tracks have the largest leads, the worst of the others the smallest, the ambiguous ones of the rest those
    nearest to zero.

    Parameters
    ----------
    contributions, predictions : pl.DataFrame
        Of one run.
    credits : pl.DataFrame
        ``track``, ``title``, ``artist``, ``path``.
    """
    if contributions.is_empty():
        return []
    first = predictions.filter(pl.col("repeat") == 0)
    leads = _leads(first)
    known = {row.pop("track"): row for row in credits.join(leads, on="track", how="semi").to_dicts()}
    nothing = {"title": None, "artist": None, "path": None}
    chosen: list[dict[str, Any]] = []
    for role, order in (
        ("best", leads.sort("lead", descending=True, maintain_order=True)),
        ("worst", leads.sort("lead", maintain_order=True)),
        ("ambiguous", leads.sort(pl.col("lead").abs(), maintain_order=True)),
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


def _leads(predictions: pl.DataFrame) -> pl.DataFrame:
    right = predictions.filter(pl.col("truth") > 0).sort("score", "label").group_by("track", maintain_order=True)
    other = predictions.filter(pl.col("truth") <= 0).group_by("track").agg(pl.col("score").max().alias("other"))
    return (
        right.agg(pl.col("score", "label").first())
        .join(other, on="track")
        .select("track", "label", (pl.col("score") - pl.col("other")).alias("lead"))
        .sort("track")
    )


def _scores(predictions: pl.DataFrame, track: str) -> dict[str, Any]:
    rows = predictions.filter(pl.col("track") == track).sort("score", descending=True).with_row_index()
    shown = rows.filter((pl.col("index") < 10) | (pl.col("truth") > 0))
    return {
        "truth": rows.filter(pl.col("truth") > 0)["label"].sort().to_list(),
        "scores": dict(shown.select("label", "score").iter_rows()),
    }


@dataclass(frozen=True)
class Clip:
    """A part of a track's audio.

    Attributes
    ----------
    sound : str
        A data URL of Ogg Vorbis.
    start, end : float [s]
        Which part of the track it is.
    """

    sound: str
    start: float
    end: float


def clip(path: str | None, seconds: float) -> Clip | None:
    """Return the middle of a track, all of it if it is no longer; None if the file is gone.

    Parameters
    ----------
    path : str or None
        Of the audio file.
    seconds : float > 0 [s]
    """
    if path is None or not Path(path).is_file():
        return None
    try:
        whole = Track(path, Path(path)).audio(clip_rate)
    except TrackError:
        return None
    size = int(seconds * clip_rate)
    first = max(0, (len(whole) - size) // 2)
    part = np.asarray(whole[first : first + size])
    sound = "data:audio/ogg;base64," + base64.b64encode(_vorbis(part)).decode()
    return Clip(sound, first / clip_rate, (first + len(part)) / clip_rate)


def _vorbis(samples: np.ndarray) -> bytes:
    import soundfile

    buffer = BytesIO()
    with soundfile.SoundFile(buffer, "w", clip_rate, 1, "VORBIS", format="OGG") as file:
        for first in range(0, len(samples), clip_rate):  # by the second: its encoder dies of minutes at once
            file.write(samples[first : first + clip_rate])
    return buffer.getvalue()
