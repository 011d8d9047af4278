"""Tensors and sounds: immutable, content-addressed safetensors packs beside the tables."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mirstore.core.bucket import Bucket
from mirstore.core.errors import StoreError
from mirstore.core.packed import read
from mirstore.core.packs import Reference, pieces
from mirstore.core.recording import Audio
from mirstore.core.sounds import PCM
from mirstore.core.tensors import Tensors
from mirstore.store.lake.connect import fsync


def pack_folder(store: Path, feature_set: str) -> Path:
    """Return where the packs of a feature set lie in a store's folder.

    Parameters
    ----------
    store : path
        The store's folder.
    feature_set : str
        Its id.

    Raises
    ------
    StoreError
        If it is no id: a table that somebody else wrote may say anything.
    """
    return store / "tensors" / _hash(feature_set, 10, "feature set")


def pack_path(folder: Path, pack: str) -> Path:
    """Return the file of a pack.

    Parameters
    ----------
    folder : path
        Of the feature set.
    pack : str

    Raises
    ------
    StoreError
        If it is no name of a pack.
    """
    return folder / f"{_hash(pack, 64, 'pack')}.safetensors"


def _hash(text: str, digits: int, what: str) -> str:
    if re.fullmatch(f"[0-9a-f]{{{digits}}}", text) is None:
        raise StoreError(f"{text[:200]!r} is no name of a {what}", hint="do not use this store; ask who made it")
    return text


def write_pack(folder: Path, arrays: Mapping[str, np.ndarray | Reference]) -> tuple[str, int]:
    """Write arrays as one pack, on disk for good before this returns.

    Parameters
    ----------
    folder : path
        Of the feature set.
    arrays : Mapping of str to np.ndarray or Reference
        By key; what lies in other packs is copied without being held.

    Returns
    -------
    tuple of (str, int)
        SHA-256 of the file, which is its name, and its size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{uuid.uuid4().hex}.{os.getpid()}.part"
    digest = hashlib.sha256()
    try:
        with open(part, "xb") as file:
            for piece in pieces(arrays):
                digest.update(piece)
                file.write(piece)
        path = pack_path(folder, digest.hexdigest())
        if not path.exists():
            part.chmod(0o444)
            fsync(part)
            part.rename(path)
            for parent in (folder, folder.parent, folder.parent.parent):  # the store's tensors/<id> may be new as well
                fsync(parent)
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest(), path.stat().st_size


def stored(reference: Reference, pack: str) -> dict[str, Any]:
    """Return what a table has of a tensor or sound.

    Parameters
    ----------
    reference : Reference
    pack : str
        That it is in.
    """
    where = {"pack": pack, "key": reference.key}
    if reference.sr is None:
        return {**where, "dtype": reference.dtype, "shape": list(reference.shape)}
    channels, samples = reference.shape
    return {**where, "sr": reference.sr, "channels": channels, "samples": samples, "scale": reference.scale}


def located(value: Mapping[str, Any], folder: Path) -> Reference:
    """Return where a tensor or sound lies, after what a table has of it; `folder` is the feature set's.

    Parameters
    ----------
    value : Mapping of str to value
        As `stored` returns it.
    folder : path
    """
    path, key = pack_path(folder, value["pack"]), value["key"]
    if "scale" in value:
        return Reference(path, key, "int16", (value["channels"], value["samples"]), value["sr"], value["scale"])
    return Reference(path, key, value["dtype"], tuple(value["shape"]))


class TensorReader(Tensors):
    """Tensors of one column, read from their packs when they are asked for; picklable.

    Sounds can be read so, too; one is float32 [shape=(channels, n), or (n,) if there is one channel].

    Attributes
    ----------
    tracks : list of str
        The track of each tensor.
    starts : list of float or None
        Its start [s] where a track has several.
    bucket : Bucket or None
        From which packs come when they are first read, on whatever machine; `folder` is relative then.
    """

    def __init__(
        self,
        folder: Path,
        tracks: Sequence[str],
        references: Sequence[Mapping[str, Any]],
        starts: Sequence[float | None],
        hop: float | None = None,
        bucket: Bucket | None = None,
    ) -> None:
        self.folder, self.tracks, self.starts, self.hop = folder, list(tracks), list(starts), hop
        self.references, self.bucket = list(references), bucket

    def __len__(self) -> int:
        return len(self.references)

    def length(self, index: int) -> int:
        """Return how many frames, or samples, tensor ``index`` has.

        Parameters
        ----------
        index : int >= 0
        """
        return located(self.references[index], self.folder).shape[-1]

    def where(self, index: int) -> Reference:
        """Return where tensor ``index`` lies; from then on, it is on this machine.

        Parameters
        ----------
        index : int >= 0
        """
        if self.bucket is None:
            return located(self.references[index], self.folder)
        found = located(self.references[index], self.bucket.folder / self.folder)
        self.bucket.fetch({found.path: None})
        return found

    def crop(self, index: int, first: int, last: int) -> np.ndarray:
        """Return frames ``first`` to ``last`` (last axis) of tensor ``index``, without reading the rest.

        Parameters
        ----------
        index : int >= 0
        first, last : int
            As for `Tensors.crop`.
        """
        value = read(self.where(index))
        if isinstance(value, PCM):
            return np.array(replace(value, samples=value.samples[:, first:last]))
        return np.array(value[..., first:last])


class SoundReader(Sequence[Audio]):
    """Sounds of one column: ``reader[i]`` is an `Audio`, whose ``wav()`` a page can play.

    Parameters
    ----------
    reader : TensorReader
        Of a column of sounds.
    """

    def __init__(self, reader: TensorReader) -> None:
        self._reader, self.tracks = reader, reader.tracks

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: Any) -> Any:
        """Return sound ``index``, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        value = read(self._reader.where(range(len(self))[index]))
        assert isinstance(value, PCM)
        return value.audio
