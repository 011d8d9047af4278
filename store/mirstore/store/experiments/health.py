"""What a report says about the data: how many tracks, and which columns are missing, constant or outlying."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from mirstore.store.experiments.examples import TaskExamples

far = 5.0  # robust standard deviations from the median; normal data has one such value in two million


def describe(data: TaskExamples) -> dict[str, Any]:
    """Return ``data`` (numbers of tracks, artists, hours, labels) and ``health`` (one row per column)."""
    durations = data.tracks["duration"]
    return {
        "data": {
            "tracks": data.tracks.height,
            "hours": float(durations.sum()) / 3600 if durations.null_count() < len(durations) else None,
            "artists": data.tracks["artist"].n_unique() if data.tracks["artist"].null_count() == 0 else None,
            "classes": [
                {"label": label, "tracks": int(count)}
                for label, count in zip(data.classes, (data.labels > 0).sum(axis=0), strict=True)
            ],
            "left_out": [{"why": why, "tracks": count} for why, count in data.left_out.items()],
        },
        "health": [_column(name, data.table[name]) for name in data.table.columns],
    }


def _column(name: str, values: pl.Series) -> dict[str, Any]:
    X = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = X[np.isfinite(X)]
    row: dict[str, Any] = {"column": name, "missing": len(X) - len(known), "constant": False, "outliers": 0}
    if not len(known):
        return {**row, "low": None, "high": None}
    median = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - median))  # the standard deviation, if it were normal
    outliers = int((np.abs(known - median) > far * spread).sum()) if spread > 0 else 0
    low, high = float(known.min()), float(known.max())
    return {**row, "constant": low == high, "outliers": outliers, "low": low, "high": high}
