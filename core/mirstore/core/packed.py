"""Values of tensor and sound columns: as they are, or as references into a pack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mirstore.core.packs import Reference, pieces
from mirstore.core.sounds import PCM

Value: TypeAlias = np.ndarray | PCM | Reference


def read(value: Value) -> np.ndarray | PCM:
    """Return a value itself, wherever it is; read-only where it is mapped.

    Parameters
    ----------
    value : np.ndarray, PCM or Reference

    Raises
    ------
    TrackError
        Reason ``"damaged"``: the pack is not there, or not as it was written.
    """
    if not isinstance(value, Reference):
        return value
    array = value.array()
    return array if value.sr is None or value.scale is None else PCM(array, value.sr, value.scale)


def referred(
    rows: Sequence[Mapping[str, Any]], names: Iterable[str], path: Path
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray | Reference]]:
    """Return rows that refer to a pack, and what the pack must hold.

    Parameters
    ----------
    rows : sequence of rows
    names : iterable of str
        Columns of tensors and sounds.
    path : pathlib.Path
        Of the pack.

    Returns
    -------
    tuple of (list of dict, dict)
        Rows with `Reference`s; and arrays, or where they are now, by key: ``TRACK/NUMBER/COLUMN``, without the track
        if the rows have none.
    """
    arrays: dict[str, np.ndarray | Reference] = {}
    made = []
    for number, row in enumerate(rows):
        values = dict(row)
        for name in names:
            if row.get(name) is not None:
                key = "/".join([*([row["track"][:16]] if "track" in row else []), str(number), name])
                arrays[key], values[name] = _moved(row[name], path, key)
        made.append(values)
    return made, arrays


def _moved(value: Value, path: Path, key: str) -> tuple[np.ndarray | Reference, Reference]:
    if isinstance(value, Reference):
        return value, replace(value, path=path, key=key)
    if isinstance(value, PCM):
        array = value.samples
        return array, Reference(path, key, str(array.dtype), array.shape, value.sr, value.scale)
    return value, Reference(path, key, str(value.dtype), value.shape)


def put(rows: Sequence[Mapping[str, Any]], names: Iterable[str], path: Path) -> list[dict[str, Any]]:
    """Write the tensors and sounds of rows as one pack, if there are any, and return rows that refer to it.

    Parameters
    ----------
    rows : sequence of dict
    names : iterable of str
        The columns of tensors and sounds.
    path : path
        Of the pack; nothing may be there.
    """
    made, arrays = referred(rows, names, path)
    if arrays:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            file.writelines(pieces(arrays))
    return made
