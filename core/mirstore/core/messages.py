"""Messages between processes whose Python, numpy and polars may differ: pickles that all of them can read.

What `pickle` writes names modules, and a few of those that we send were moved: arrays live in ``numpy.core`` or in
``numpy._core``, paths in ``pathlib`` or in ``pathlib._local``.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections import ChainMap
from pathlib import Path
from typing import Any

import numpy as np

protocol = 5  # what Python 3.10 can read


def dumps(value: Any) -> bytes:
    """Return a value as a message; `pickle.loads` reads it.

    Parameters
    ----------
    value : object
        Arrays in it are written so that any numpy reads them, and paths so that any Python does.
    """
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


def array(dtype: str, shape: tuple[int, ...], data: bytes) -> np.ndarray:
    """Return an array that was sent.

    Parameters
    ----------
    dtype : str
    shape : tuple of int
    data : bytes
        In C order.
    """
    return np.frombuffer(bytearray(data), dtype).reshape(shape)  # of a bytearray, so that it can be written to


def path(text: str) -> Path:
    """Return a path that was sent.

    Parameters
    ----------
    text : str
    """
    return Path(text)


def _reduced(value: np.ndarray) -> Any:
    if value.dtype.kind in "OV":  # objects and records: numpy's own way
        return value.__reduce__()
    return array, (value.dtype.str, value.shape, value.tobytes())


def _reduced_path(value: Path) -> Any:
    return path, (str(value),)


_known: dict[type, Any] = copyreg.dispatch_table
_moved: dict[type, Any] = {np.ndarray: _reduced, type(Path()): _reduced_path}


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol)
        self.dispatch_table = ChainMap(_moved, _known)
