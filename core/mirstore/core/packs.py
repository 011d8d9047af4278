"""Packs: arrays in safetensors files, written in pieces and mapped when they are read.

Only what mirstore itself writes is understood, in numpy alone, so that a worker in any interpreter can read and write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.errors import TrackError

_tags = {"float32": "F32", "int32": "I32", "float16": "F16", "int16": "I16", "uint8": "U8"}
_names = {tag: name for name, tag in _tags.items()}
_block = 1 << 20  # [bytes] that are in memory at once
longest_header = 100 << 20
"""What safetensors itself accepts [bytes]."""
_metadata = "__metadata__"


@dataclass(frozen=True)
class Reference:
    """Where the value of a tensor or sound column lies.

    Attributes
    ----------
    path : pathlib.Path
        Of the pack.
    key : str
        In the pack.
    dtype : str
        ``"float16"``, ``"float32"``, ``"int16"``, ``"int32"`` or ``"uint8"``.
    shape : tuple of int
    sr : int [Hz] or None
        Of a sound.
    scale : float or None
        What one step of a sound's samples stands for.
    """

    path: Path
    key: str
    dtype: str
    shape: tuple[int, ...]
    sr: int | None = None
    scale: float | None = None

    @property
    def nbytes(self) -> int:
        """Size of the array [bytes]."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def array(self) -> np.ndarray:
        """Return the array, mapped: it costs no more than its pages that are looked at. Read-only.

        Raises
        ------
        TrackError
            Reason ``"damaged"``: the pack is not there, or not as it was written.
        """
        start = self._start()
        if not self.nbytes:
            return np.empty(self.shape, self.dtype)
        try:
            return np.memmap(self.path, self.dtype, "r", start, self.shape).view(np.ndarray)
        except (OSError, ValueError) as error:
            raise _damaged(self.path, str(error)) from None

    def pieces(self) -> Iterator[bytes]:
        """Yield the array's bytes, some at a time."""
        start = self._start()
        with open(self.path, "rb") as file:
            file.seek(start)
            for left in range(self.nbytes, 0, -_block):
                yield file.read(min(_block, left))

    def _start(self) -> int:
        """Return where the array begins in the pack."""
        try:
            status = os.stat(self.path)
            entries = _entries(str(self.path), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise _damaged(self.path, (error.strerror or str(error)).lower()) from None
        found = entries.get(self.key)
        if found is None or found[:2] != (self.dtype, self.shape):
            raise _damaged(self.path, f"has no {self.dtype} array {self.key!r} of shape {self.shape}")
        return found[2]


def _damaged(path: Path | str, problem: str) -> TrackError:
    return TrackError("damaged", f"pack {path}: {problem}")


@lru_cache(maxsize=256)
def _entries(path: str, size: int, _: int) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """Return key to type, shape and where it begins, of a file that has a size and a time of change."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(longest_header, size - 8):
            raise _damaged(path, "does not begin as one")
        text = file.read(length)
    try:
        entries = {key: _entry(value, 8 + length) for key, value in json.loads(text).items() if key != _metadata}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path, "has a header that cannot be read") from None
    ends = (start + prod(shape) * np.dtype(name).itemsize for name, shape, start in entries.values())
    if max(ends, default=8 + length) != size:
        raise _damaged(path, f"has {size:,} bytes, which its header does not say")
    return entries


def _entry(entry: Mapping[str, Any], first: int) -> tuple[str, tuple[int, ...], int]:
    name, shape, (start, stop) = _names[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
    if stop - start != prod(shape) * np.dtype(name).itemsize or min(start, *shape, 0) < 0:
        raise ValueError
    return name, shape, first + start


def references(path: Path) -> list[Reference]:
    """Return all that is in a pack.

    Parameters
    ----------
    path : path

    Raises
    ------
    TrackError
        Reason ``"damaged"``.
    """
    status = os.stat(path)
    entries = _entries(str(path), status.st_size, status.st_mtime_ns)
    return [Reference(path, key, name, shape) for key, (name, shape, _) in entries.items()]


def pieces(arrays: Mapping[str, np.ndarray | Reference]) -> Iterator[bytes | memoryview]:
    """Yield a pack of these arrays as bytes, some at a time; the same arrays give the same bytes.

    Parameters
    ----------
    arrays : Mapping of str to array or Reference
        By key; what is in other packs is copied without being held.

    Raises
    ------
    TrackError
        Reason ``"damaged"``: of a pack that is copied from.
    """
    ordered = sorted(arrays.items(), key=lambda item: (-np.dtype(item[1].dtype).itemsize, item[0]))  # all aligned
    yield header((key, _tags[str(array.dtype)], array.shape, array.nbytes) for key, array in ordered)
    for _, array in ordered:
        yield from array.pieces() if isinstance(array, Reference) else _blocks(array)


def header(arrays: Iterable[tuple[str, str, tuple[int, ...], int]]) -> bytes:
    """Return how a safetensors file of these arrays begins.

    Parameters
    ----------
    arrays : iterable of (str, str, tuple of int, int)
        Name, type as safetensors calls it, shape and size [bytes], in the order of their bytes.

    Raises
    ------
    ValueError
        If one is called ``__metadata__``, which is no name of an array there.
    """
    entries: dict[str, Any] = {}
    at = 0
    for name, tag, shape, size in arrays:
        entries[name] = {"dtype": tag, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    if _metadata in entries:
        raise ValueError(f"no array can be called {_metadata!r}")
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _blocks(array: np.ndarray) -> Iterator[memoryview]:
    data = np.ascontiguousarray(array, np.dtype(array.dtype).newbyteorder("<")).reshape(-1).view(np.uint8).data
    for at in range(0, len(data), _block):
        yield data[at : at + _block]
