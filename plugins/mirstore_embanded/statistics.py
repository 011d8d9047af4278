"""What a linear model needs to know of the data: counts, means and products. n rows become a d × d matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

block = 16_384  # rows per product: a few MB, and large enough for BLAS


@dataclass(frozen=True)
class Gram:
    """Sums over weighted rows of features X [shape=(n, d)] and targets Y [shape=(n, l)].

    Sums are taken about a shift near the mean: products of raw values lose all digits when the mean is large. Sums add
    up, so parts of the data can be merged, subtracted (a fold, an artist) or weighted (a bootstrap).

    Attributes
    ----------
    n : float
        Sum of the weights.
    shift : np.ndarray [shape=(d + l,)]
        Of the columns of X and Y side by side.
    total : np.ndarray [shape=(d + l,)]
        Weighted sum of the shifted columns.
    products : np.ndarray [shape=(d + l, d + l)]
        Weighted sum of the products of shifted columns.
    d : int
        Number of features.
    """

    n: float
    shift: np.ndarray
    total: np.ndarray
    products: np.ndarray
    d: int

    @classmethod
    def of(
        cls, X: np.ndarray, Y: np.ndarray, weight: np.ndarray | None = None, shift: np.ndarray | None = None
    ) -> Self:
        """Return the sums of some rows, computed block by block.

        Parameters
        ----------
        X : np.ndarray [shape=(n, d)]
        Y : np.ndarray [shape=(n, l)]
        weight : np.ndarray [shape=(n,)], optional
            1 each by default.
        shift : np.ndarray [shape=(d + l,)], optional
            The mean of the first block by default.
        """
        d, width = X.shape[1], X.shape[1] + Y.shape[1]
        if shift is None:
            shift = np.concatenate([X[:block].mean(axis=0), Y[:block].mean(axis=0)]).astype(np.float64)
        total, products, n = np.zeros(width), np.zeros((width, width)), 0.0
        for first in range(0, len(X), block):
            rows = slice(first, first + block)
            Z = np.empty((len(X[rows]), width))
            np.subtract(X[rows], shift[:d], out=Z[:, :d])
            np.subtract(Y[rows], shift[d:], out=Z[:, d:])
            s = None if weight is None else np.asarray(weight[rows], dtype=np.float64)
            n += len(Z) if s is None else float(s.sum())
            total += Z.sum(axis=0) if s is None else s @ Z
            products += Z.T @ Z if s is None else Z.T @ (Z * s[:, None])
        return cls(n, shift, total, products, d)

    @classmethod
    def of_batches(cls, batches: Iterable[Any], targets: Sequence[str]) -> Self:
        """Return the sums over Arrow record batches, whose number of rows does not matter to memory.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Columns of numbers without nulls, or one fixed-size list of the features; the same ones in each.
        targets : sequence of str
            Which columns are targets; the others are features.

        Raises
        ------
        ValueError
            If there is no row.
        """
        found: Self | None = None
        for batch in batches:
            if batch.num_rows:
                X, Y = _matrices(batch, targets)
                part = cls.of(X, Y, shift=None if found is None else found.shift)
                found = part if found is None else found + part
        if found is None:
            raise ValueError("no rows to learn from")
        return found

    def about(self, shift: np.ndarray) -> Self:
        """Return the same sums about another shift."""
        if np.array_equal(shift, self.shift):
            return self
        move = self.shift - shift
        cross = np.outer(self.total, move)
        products = self.products + cross + cross.T + self.n * np.outer(move, move)
        return type(self)(self.n, shift, self.total + self.n * move, products, self.d)

    def __add__(self, other: Self) -> Self:
        other = other.about(self.shift)
        return type(self)(
            self.n + other.n, self.shift, self.total + other.total, self.products + other.products, self.d
        )

    def __sub__(self, other: Self) -> Self:
        return self + -1.0 * other

    def __rmul__(self, weight: float) -> Self:
        return type(self)(weight * self.n, self.shift, weight * self.total, weight * self.products, self.d)

    def columns(self, features: np.ndarray) -> Self:
        """Return the sums of some features, by their positions, with all targets."""
        kept = np.concatenate([features, np.arange(self.d, len(self.shift))])
        return type(self)(self.n, self.shift[kept], self.total[kept], self.products[np.ix_(kept, kept)], len(features))

    @property
    def mean(self) -> np.ndarray:
        """Mean of the features and targets [shape=(d + l,)]."""
        return self.shift + self.total / self.n

    def centred(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return X'X [shape=(d, d)], X'Y [shape=(d, l)] and the squares of Y [shape=(l,)], all about the mean."""
        about_mean = self.products - np.outer(self.total, self.total) / self.n
        d = self.d
        return about_mean[:d, :d], about_mean[:d, d:], np.maximum(np.diag(about_mean)[d:], 0.0)


def _matrices(batch: Any, targets: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    features = [name for name in batch.schema.names if name not in targets]
    Y = np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in targets])
    first = batch.column(features[0])
    if len(features) == 1 and hasattr(first.type, "list_size"):
        return first.flatten().to_numpy(zero_copy_only=False).reshape(len(first), -1), Y
    return np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in features]), Y
