"""Tensors: matrices in immutable, content-addressed safetensors packs beside the tables."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.columns import Tensor
from mirstore.store.lake.connect import fsync


def write_pack(folder: Path, arrays: Mapping[str, np.ndarray]) -> tuple[str, int]:
    """Write arrays as one pack, on disk for good before this returns.

    Parameters
    ----------
    folder : path
        Of the feature set.
    arrays : Mapping of str to np.ndarray
        By key.

    Returns
    -------
    tuple of (str, int)
        SHA-256 of the file, which is its name, and its size.
    """
    from safetensors.numpy import save

    data = save({key: np.ascontiguousarray(array) for key, array in arrays.items()})
    sha256 = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sha256}.safetensors"
    if not path.exists():
        part = folder / f".{sha256}.{os.getpid()}.part"
        part.write_bytes(data)
        part.chmod(0o444)
        fsync(part)
        part.rename(path)
        for parent in (folder, folder.parent, folder.parent.parent):  # the store's tensors/<id> may be new as well
            fsync(parent)
    return sha256, len(data)


def split_tensors(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Tensor]
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return rows whose tensors are replaced by keys and shapes, and the arrays by key.

    The ``pack`` is filled in when the arrays have been written.
    """
    arrays: dict[str, np.ndarray] = {}
    plain = []
    for number, row in enumerate(rows):
        values = dict(row)
        for name in columns:
            if row.get(name) is None:
                values[name] = None
                continue
            key = f"{row['track'][:16]}/{number}/{name}"
            arrays[key] = row[name]
            values[name] = {"pack": "", "key": key, "dtype": str(row[name].dtype), "shape": list(row[name].shape)}
        plain.append(values)
    return plain, arrays


@lru_cache(maxsize=64)
def open_pack(path: str) -> Any:
    """Return an open pack; it is mapped into memory, so that one tensor costs no more than its own pages."""
    from safetensors import safe_open

    return safe_open(path, framework="numpy")


class TensorReader(Sequence[np.ndarray]):
    """Tensors of one column as a torch-style dataset: ``len(reader)``, ``reader[i]``, picklable, opened lazily.

    Attributes
    ----------
    tracks : list of str
        The track of each tensor.
    starts : list of float or None
        Its start [s] where a track has several.
    """

    def __init__(
        self,
        folder: Path,
        tracks: Sequence[str],
        references: Sequence[Mapping[str, Any]],
        starts: Sequence[float | None],
    ) -> None:
        self.folder, self.tracks, self.starts = folder, list(tracks), list(starts)
        self.references = list(references)

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, index: Any) -> Any:
        """Return tensor ``index`` [shape as declared], or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        reference = self.references[index]
        return open_pack(f"{self.folder}/{reference['pack']}.safetensors").get_tensor(reference["key"])

    def crop(self, index: int, first: int, last: int) -> np.ndarray:
        """Return frames ``first`` to ``last`` (last axis) of tensor ``index``, without reading the rest."""
        reference = self.references[index]
        part = open_pack(f"{self.folder}/{reference['pack']}.safetensors").get_slice(reference["key"])
        return part[(*[slice(None)] * (len(reference["shape"]) - 1), slice(first, last))]
