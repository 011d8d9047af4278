"""Cutting tensors into chunks: excerpts that are aligned across features, each an example of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mirstore.core.errors import UsageError
from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.tensors import Excerpts, Tensors


@dataclass(frozen=True)
class Chunks:
    """Tensors in pieces.

    Attributes
    ----------
    rows : np.ndarray of int [shape=(chunks,)]
        Number of the tensor that each chunk is cut from, rising. One that is too short for a chunk has none.
    tensors : dict
        Tensor column to its chunks, as views: chunk ``i`` is of the same time, or the same share, in all columns.
    """

    rows: np.ndarray
    tensors: dict[str, Tensors]


def cut(tensors: Mapping[str, Tensors], chunk: ChunkEntry) -> Chunks:
    """Cut tensors along their last axis.

    All chunks of a column have the same number of steps if they are cut by seconds or steps, and all chunks of one
    tensor if they are cut by count. Steps that remain at the end are left out.

    Parameters
    ----------
    tensors : Mapping of str to Tensors
        Tensor column to n tensors, of the same n tracks.
    chunk : ChunkEntry
        Of ``seconds``, a ``count``, or ``steps`` of each feature set.

    Raises
    ------
    UsageError
        If there are no tensors; if they are to be cut by seconds and one has no ``hop``, or a longer one; or by steps,
        and one's feature set is not named.

    Examples
    --------
    >>> from mirstore.core.tensors import Arrays
    >>> mel = Arrays([np.zeros((128, 25)), np.zeros((128, 9))], hop=0.1)
    >>> chunks = cut({"mel.spectrogram": mel}, ChunkEntry(seconds=1.0))
    >>> chunks.rows.tolist(), chunks.tensors["mel.spectrogram"][1].shape
    ([0, 0], (128, 10))
    """
    if not tensors:
        raise UsageError("chunk cuts tensors, and the chosen features have none", hint="leave chunk out")
    grids = {name: _grid(name, items, chunk) for name, items in tensors.items()}
    counts = np.min([grid.counts for grid in grids.values()], axis=0)
    rows = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Chunks(rows, {name: Excerpts(items, rows, *grids[name].at(rows, number)) for name, items in tensors.items()})


@dataclass(frozen=True)
class _Grid:
    """Where the chunks of one column's tensors are: how many each has, their steps, and what they begin at."""

    counts: np.ndarray
    widths: np.ndarray
    step: float | None  # between two chunks, where it is no whole number

    def at(self, rows: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first step and the number of steps of chunks ``number`` of tensors ``rows``."""
        widths = self.widths[rows]
        first = number * widths if self.step is None else np.round(number * self.step).astype(np.int64)
        return first, widths


def _grid(name: str, items: Tensors, chunk: ChunkEntry) -> _Grid:
    lengths = np.array([items.length(i) for i in range(len(items))], dtype=np.int64)
    if chunk.count is not None:
        widths = lengths // chunk.count
        return _Grid(np.where(widths > 0, chunk.count, 0), widths, None)
    if chunk.seconds is None:
        width = _steps(name, chunk)
        return _Grid(lengths // width, np.full(len(lengths), width), None)
    if items.hop is None:
        raise UsageError(
            f"{name} does not say how long a step is, so that it cannot be cut into {chunk.seconds:g} s",
            hint="chunk = { count = … }, or Tensor(…, hop=…) in its extractor",
        )
    step = chunk.seconds / items.hop
    width = round(step)
    if width < 1:
        raise UsageError(f"a step of {name} is {items.hop:g} s, longer than chunks of {chunk.seconds:g} s")
    first = np.round(np.arange(int(lengths.max(initial=0) / step) + 2) * step)
    counts = np.searchsorted(first, lengths - width, side="right")
    return _Grid(counts, np.full(len(lengths), width), step)


def _steps(name: str, chunk: ChunkEntry) -> int:
    feature = name.partition(".")[0]
    if feature not in chunk.steps:
        raise UsageError(
            f"chunk says of {', '.join(sorted(chunk.steps))} how many steps a chunk has, but not of {feature}",
            hint=f"chunk = {{ steps = {{ {feature} = … }} }}",
        )
    return chunk.steps[feature]
