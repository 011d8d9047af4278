"""Computing an extractor's rows outside the engine, and comparing them."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.columns import Column, check_rows
from mirstore.core.features import FeatureSet
from mirstore.core.identity import track_id
from mirstore.core.inputs import Inputs, hearing
from mirstore.core.pool import local_pool
from mirstore.core.tracks import Track
from mirstore.core.workers import Limits

Rows = list[dict[str, Any]]


def rows_of(feature: FeatureSet, path: Path) -> Rows:
    """Compute a feature set and what it reads for one file, each checked against its declaration.

    A plugin's warnings are no breach, so they do not depend on whether a test suite makes them errors.

    Parameters
    ----------
    feature : FeatureSet
    path : path
        Of an audio file.

    Raises
    ------
    TrackError
        If an extractor fails, or breaks its declaration.
    """
    with warnings.catch_warnings(action="ignore"):
        track = track_of(feature, path)
        result = feature.extractor.extract(track)
    return check_rows(result, feature.columns, track)


def rows_in_a_new_process(feature: FeatureSet, path: Path) -> Rows:
    """Compute them as the engine does, in a clean interpreter.

    Parameters
    ----------
    feature : FeatureSet
    path : path
        Of an audio file.
    """
    with local_pool(1, Limits()) as pool:
        return pool.submit(rows_of, feature, path).result()


def track_of(feature: FeatureSet, path: Path) -> Track:
    """Return a file as a track with what an extractor reads and hears.

    Parameters
    ----------
    feature : FeatureSet
    path : path
        Of an audio file.
    """
    rows = {source.id: rows_of(source, path) for source in feature.inputs.values()}
    return hearing(feature, Track(track_id(path), path, Inputs(feature, rows)), rows)


def difference(a: Rows, b: Rows, *, rtol: float = 0.0) -> str:
    """Name the first columns whose values differ by more than ``rtol``, empty if none does.

    Parameters
    ----------
    a, b : list of dict
        Rows of one feature set.
    rtol : float >= 0
        Relative to ``b``; 0 wants the same bits.

    Examples
    --------
    >>> difference([{"bpm": 120.0, "mode": "major"}], [{"bpm": 121.0, "mode": "major"}])
    'bpm'
    """
    if len(a) != len(b):
        return f"the number of rows: {len(a)}, {len(b)}"
    differ = {name for x, y in zip(a, b, strict=True) for name in x if not _equal(x[name], y[name], rtol)}
    return ", ".join(sorted(differ)[:5])


def _equal(x: Any, y: Any, rtol: float) -> bool:
    if x is None or y is None or isinstance(x, str):
        return bool(x == y)
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.dtype.kind in "biu" or not rtol:
        return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
    scale = np.max(np.abs(x), initial=0.0, where=np.isfinite(x))  # small beside the largest is as good as zero
    return np.allclose(x, y, rtol=rtol, atol=rtol * 1e-3 * scale, equal_nan=True)


def outside(value: Any, column: Column) -> str:
    """Say how far a value leaves its declared range, empty if it does not.

    Parameters
    ----------
    value : number, np.ndarray or None
    column : Column
    """
    if column.ends is None or value is None or not np.size(value):
        return ""
    least, most = column.ends
    low, high = float(np.nanmin(value)), float(np.nanmax(value))
    slack = 1e-6 * max(abs(end) for end in column.ends if math.isfinite(end))  # float32 rounds
    if low >= least - slack and high <= most + slack:
        return ""
    return f"{low:g} to {high:g} is outside {column.range}"
