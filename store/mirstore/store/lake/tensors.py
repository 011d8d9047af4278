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
from mirstore.core.tensors import Tensors
from mirstore.store.lake.connect import fsync


def pack_folder(store: Path, feature_set: str) -> Path:
    """Return where the packs of a feature set lie in a store's folder."""
    return store / "tensors" / feature_set


def pack_path(folder: Path, pack: str) -> Path:
    """Return the file of a pack."""
    return folder / f"{pack}.safetensors"


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
    path = pack_path(folder, sha256)
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
def open_pack(path: Path) -> Any:
    """Return an open pack; it is mapped into memory, so that one tensor costs no more than its own pages."""
    from safetensors import safe_open

    return safe_open(path, framework="numpy")


class TensorReader(Tensors):
    """Tensors of one column, read from their packs when they are asked for; picklable.

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
        hop: float | None = None,
    ) -> None:
        self.folder, self.tracks, self.starts, self.hop = folder, list(tracks), list(starts), hop
        self.references = list(references)

    def __len__(self) -> int:
        return len(self.references)

    def length(self, index: int) -> int:
        """Return how many frames tensor ``index`` has."""
        return int(self.references[index]["shape"][-1])

    def crop(self, index: int, first: int, last: int) -> np.ndarray:
        """Return frames ``first`` to ``last`` (last axis) of tensor ``index``, without reading the rest."""
        reference = self.references[index]
        part = open_pack(pack_path(self.folder, reference["pack"])).get_slice(reference["key"])
        frames = slice(first, min(last, self.length(index)))
        return part[(*[slice(None)] * (len(reference["shape"]) - 1), frames)]
