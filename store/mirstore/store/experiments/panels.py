"""Tensors of a track over time as pictures: spectrograms, tempograms, chroma."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore.core.columns import Tensor
from mirstore.core.errors import UsageError
from mirstore.store.experiments.track_report import Panel
from mirstore.store.names import with_column
from mirstore.store.store import Store

most_rows, most_steps = 96, 1000  # of a picture
shades = 48


@dataclass(frozen=True)
class Timed:
    """A tensor column whose steps have a length.

    Attributes
    ----------
    id, feature, column : str
        The feature set's id, what it is called, and the column.
    about : Mapping
        The column's declaration.
    hop : float [s]
    start : float [s]
        Where in the track its first step is.
    """

    id: str
    feature: str
    column: str
    about: Mapping[str, Any]
    hop: float
    start: float


def timed(store: Store, text: str) -> Timed | None:
    """Return what a name means if that is a tensor with a hop, and one per track; None if it is none.

    Parameters
    ----------
    store : Store
    text : str
        ``NAME``, of which the first such column is meant, or ``NAME.COLUMN``.

    Raises
    ------
    UnknownNameError
        If nothing stored is called so.
    """
    name, id_, column = with_column(store, text)
    declared = {each["column"]: each for each in store.about(id_)["columns"]}
    if "start" in declared:
        return None
    for each, about in declared.items():
        tensor = Tensor.parse(about["dtype"])
        if tensor and tensor.hop and column in ("", each):
            return Timed(id_, name, each, about, tensor.hop, _offset(store, id_))
    return None


def _offset(store: Store, id_: str) -> float:
    """Return the parameter ``offset`` [s] of a feature set, or of what it is made of; 0 if none has one."""
    about = store.about(id_)
    given = about["params"].get("offset")
    if isinstance(given, int | float):
        return float(given)
    return next((found for one in about["inputs"].values() if (found := _offset(store, one))), 0.0)


def panels(store: Store, columns: Sequence[Timed], durations: Mapping[str, float | None]) -> dict[str, list[Panel]]:
    """Return a picture per track and tensor, in the order of the columns; nothing of what is not there.

    Parameters
    ----------
    store : Store
    columns : sequence of Timed
    durations : Mapping of str to (float or None) [s]
        Track to its length.
    """
    found: dict[str, list[Panel]] = {track: [] for track in durations}
    for one in columns:
        with suppress(UsageError):  # not kept, or removed
            reader = store.tensors(one.id, column=one.column)
            where = {track: i for i, track in enumerate(reader.tracks)}
            for track, duration in durations.items():
                if track in where and (value := np.asarray(reader[where[track]], dtype=np.float32)).size:
                    found[track].append(_panel(one, value, duration))
    return found


def _panel(one: Timed, value: np.ndarray, duration: float | None) -> Panel:
    matrix = value.reshape(-1, value.shape[-1])  # (rows, steps)
    lasts = matrix.shape[1] * one.hop
    # An excerpt that a track is too short for is taken from earlier on.
    start = one.start if duration is None else min(one.start, max(0.0, duration - lasts))
    small = _averaged(_averaged(matrix, most_steps).T, most_rows).T
    finite = small[np.isfinite(small)]
    low, high = np.quantile(finite, [0.01, 0.995]).tolist() if finite.size else (0.0, 0.0)
    filled = np.nan_to_num((small - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    opacity = (np.clip(filled, 0, 1) * shades).round() / shades * 255
    return Panel(
        feature=one.feature,
        column=one.column,
        text=one.about["text"],
        unit=one.about["unit"],
        rows=matrix.shape[0],
        hop=one.hop,
        start=start,
        end=start + lasts,
        low=low,
        high=high,
        picture=_png(opacity[::-1].astype(np.uint8)),
    )


def _averaged(matrix: np.ndarray, most: int) -> np.ndarray:
    """Return a matrix of so many columns at most: means over neighbouring ones."""
    if matrix.shape[1] <= most:
        return matrix
    edges = np.linspace(0, matrix.shape[1], most + 1).astype(int)
    return np.add.reduceat(matrix, edges[:-1], axis=1) / np.diff(edges)


def _png(opacity: np.ndarray) -> str:
    """Return the data URL of a black picture of this opacity: what lies behind it is the lightest shade."""
    height, width = opacity.shape
    pixels = np.zeros((height, width, 2), dtype=np.uint8)  # grey and alpha
    pixels[..., 1] = opacity
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 4, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    written = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + written).decode()
