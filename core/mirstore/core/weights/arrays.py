"""Arrays as the bytes of a safetensors file and back, by numpy alone: a worker may have no other library.

The same arrays give the same bytes, whatever is installed: their hash may be pinned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.packs import header, longest_header
from mirstore.core.pretrained import Convert
from mirstore.core.text import explained, shown

_kinds = {"BOOL": "?", "U8": "u1", "I8": "i1", "BF16": "<u2"} | {
    f"{letter.upper()}{8 * size}": f"<{letter}{size}" for letter in "uif" for size in (2, 4, 8)
}
_tags = {np.dtype(kind): tag for tag, kind in _kinds.items() if tag != "BF16"}


def to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays [any shape; bool, int, uint or float] as a safetensors file, the widest types first.

    Parameters
    ----------
    arrays : Mapping of str to np.ndarray

    Raises
    ------
    TypeError
        If a value is no array of numbers.
    ValueError
        If one is called ``__metadata__``.

    Examples
    --------
    >>> import numpy as np
    >>> from_bytes(np.frombuffer(to_bytes({"bias": np.array([0.5, 1.0])}), np.uint8))["bias"].tolist()
    [0.5, 1.0]
    """
    whole = {name: _whole(name, array) for name, array in arrays.items()}
    names = sorted(whole, key=lambda name: (-whole[name].itemsize, name))  # so that all are aligned
    begin = header((name, _tags[whole[name].dtype], whole[name].shape, whole[name].nbytes) for name in names)
    return b"".join([begin, *(whole[name].tobytes() for name in names)])


def write_converted(convert: Convert, files: Sequence[Path], to: Path) -> str | None:
    """Write what a plugin's conversion gives as a safetensors file; return why there is none, None if there is.

    A reason is text, since the plugin's interpreter may be the only one that has the exception's class.

    Parameters
    ----------
    convert : callable
    files : sequence of path
        What it converts.
    to : path

    Raises
    ------
    OSError
        If there is no room for the file.
    """
    try:
        arrays = convert(files)
        if not isinstance(arrays, Mapping) or not arrays:
            raise TypeError(f"convert must return arrays by name, got {shown(arrays)}")
        data = to_bytes(arrays)
    except Exception as error:  # of the plugin
        return ": ".join(explained(error))
    to.write_bytes(data)
    return None


def from_bytes(data: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays in a safetensors file, as views of its bytes; bfloat16, which numpy lacks, as float32.

    Parameters
    ----------
    data : np.ndarray [shape=(bytes,)] of uint8

    Raises
    ------
    ValueError
        If it is no safetensors file.
    """
    first = 8 + int.from_bytes(data[:8].tobytes(), "little")
    if not 8 < first <= min(len(data), longest_header):
        raise ValueError("does not begin as one")
    try:
        told = json.loads(data[8:first].tobytes())
        told.pop("__metadata__", None)
        arrays = {name: _array(data[first:], entry) for name, entry in told.items()}
        ends = sorted(tuple(entry["data_offsets"]) for entry in told.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("has a header that does not describe it") from None
    starts = [0, *(stop for _, stop in ends)]
    if [start for start, _ in ends] != starts[:-1] or starts[-1] != len(data) - first:
        raise ValueError("has bytes that belong to no array, or to two")
    return arrays


def _whole(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.newbyteorder("<") not in _tags:
        raise TypeError(f"{name!r} is no array of numbers")
    return np.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")


def _array(data: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    kind, shape, (start, stop) = np.dtype(_kinds[entry["dtype"]]), entry["shape"], entry["data_offsets"]
    if any(type(size) is not int or size < 0 for size in [*shape, start, stop]):
        raise ValueError(shape)
    if stop - start != prod(shape) * kind.itemsize or stop > len(data):
        raise ValueError(shape)
    array = data[start:stop].view(kind).reshape(shape)
    return (array.astype("<u4") << 16).view("<f4") if entry["dtype"] == "BF16" else array
