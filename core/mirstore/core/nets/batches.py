"""What a network reads, some examples at a time: matrices of tracks or of chunks, or rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mirstore.core.tensors import Tensors

if TYPE_CHECKING:
    import torch


class Inputs(Protocol):
    """What goes into a network."""

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Return some examples, an array for each argument of the network [each of shape=(n, ...)]."""


@dataclass(frozen=True)
class Scale:
    """Mean and deviation that are taken out before, and put back after.

    Attributes
    ----------
    means, deviations : np.ndarray [shape=(d,), dtype=float64]
        A deviation of what does not vary is 1.
    """

    means: np.ndarray
    deviations: np.ndarray

    @classmethod
    def of_columns(cls, values: np.ndarray) -> Scale:
        """Return the scale of a table's columns.

        Parameters
        ----------
        values : np.ndarray [shape=(n, d)]
        """
        return cls.of_sums(len(values), values.sum(axis=0), (values**2).sum(axis=0))

    @classmethod
    def of_sums(cls, n: int, sums: np.ndarray, squares: np.ndarray) -> Scale:
        """Return the scale of n values, by their sums and the sums of their squares.

        Parameters
        ----------
        n : int > 0
        sums, squares : np.ndarray [shape=(d,)]
        """
        means = sums / n
        variances = squares / n - means**2
        varies = variances > 1e-12 * (means**2 + 1)
        return cls(means, np.sqrt(np.where(varies, variances, 1.0)))

    @classmethod
    def of_rows(cls, tensors: Tensors, rows: np.ndarray) -> Scale:
        """Return the scale of the first axis of matrices, reading one at a time.

        Parameters
        ----------
        tensors : Tensors
            Matrices of one shape.
        rows : np.ndarray of int
            Which of them.

        Raises
        ------
        ValueError
            If one has another shape than the first, or holds what is no finite number.
        """
        shape = tensors[int(rows[0])].shape
        sums, squares = np.zeros(shape[0]), np.zeros(shape[0])
        for row in rows:
            matrix = checked(tensors[int(row)], shape).astype(np.float64)
            sums, squares = sums + matrix.sum(axis=1), squares + (matrix**2).sum(axis=1)
        return cls.of_sums(len(rows) * shape[1], sums, squares)


def checked(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a matrix if it has this shape, and only finite numbers.

    Parameters
    ----------
    matrix : np.ndarray
    shape : tuple of int

    Raises
    ------
    ValueError
        If not.
    """
    if matrix.shape != shape:
        raise ValueError(f"a track has a matrix of shape {matrix.shape}, and the network is for {shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("a track's matrix holds what is no finite number")
    return matrix


@dataclass(frozen=True)
class Matrices:
    """Matrices of one tensor column or several, which are read when they are asked for.

    Attributes
    ----------
    tensors : sequence of Tensors
        An argument of the network each.
    shapes : sequence of tuple of int
        Of the matrices of each.
    scales : sequence of (Scale or None)
        Of the rows of each; None leaves them as they are.
    """

    tensors: Sequence[Tensors]
    shapes: Sequence[tuple[int, ...]]
    scales: Sequence[Scale | None]

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Return some of them [each of shape=(n, rows of the matrices, frames), dtype=float32].

        Parameters
        ----------
        rows : np.ndarray of int
        """
        import torch

        together = zip(self.tensors, self.shapes, self.scales, strict=True)
        return tuple(torch.from_numpy(_stacked(tensors, shape, scale, rows)) for tensors, shape, scale in together)


def _stacked(tensors: Tensors, shape: tuple[int, ...], scale: Scale | None, rows: np.ndarray) -> np.ndarray:
    found = np.stack([checked(tensors[int(row)], shape) for row in rows]).astype(np.float32)
    if scale is not None:
        found -= scale.means.astype(np.float32)[:, None]
        found /= scale.deviations.astype(np.float32)[:, None]
    return found


@dataclass(frozen=True)
class Table:
    """Rows of numbers.

    Attributes
    ----------
    values : np.ndarray [shape=(n, d)]
    """

    values: np.ndarray

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Return some of them [shape=(n, d), dtype=float32].

        Parameters
        ----------
        rows : np.ndarray of int
        """
        import torch

        return (torch.from_numpy(self.values[rows].astype(np.float32)),)


@dataclass(frozen=True)
class Part:
    """Some examples with what should come out.

    Attributes
    ----------
    inputs : Inputs
    wanted : np.ndarray [shape=(examples, k)]
        Of all that the inputs have.
    rows : np.ndarray of int
        Those that belong to the part.
    """

    inputs: Inputs
    wanted: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: np.ndarray) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Return what goes in, and what should come out [shape=(n, k)].

        Parameters
        ----------
        rows : np.ndarray of int
            From 0 to the length of the part.
        """
        import torch

        of_all = self.rows[rows]
        return self.inputs.read(of_all), torch.from_numpy(self.wanted[of_all].astype(np.float32))
