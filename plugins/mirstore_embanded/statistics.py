"""What a linear model needs to know of the data: counts, means and products. n rows become a d × d matrix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

block = 4096  # rows per product: some MB, and large enough for BLAS


@dataclass(frozen=True)
class Gram:
    """Sums over weighted rows of features X [shape=(n, d)] and targets Y [shape=(n, l)].

    Sums are taken about a shift near the mean: products of raw values lose all digits when the mean is large. Sums add
    up, so parts of the data can be merged or subtracted (a fold, an artist).

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

        Raises
        ------
        ValueError
            If there is no row.
        """
        if not len(X):
            raise ValueError("no rows to learn from")
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
    def of_batches(cls, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> Self:
        """Return the sums over batches of rows; only one batch is in memory at a time.

        Parameters
        ----------
        batches : iterable of (X, Y)
            X [shape=(any, d)] and Y [shape=(any, l)].

        Raises
        ------
        ValueError
            If there is no row.
        """
        found: Self | None = None
        for X, Y in batches:
            if len(X):
                part = cls.of(X, Y, shift=None if found is None else found.shift)
                found = part if found is None else found + part
        if found is None:
            raise ValueError("no rows to learn from")
        return found

    @classmethod
    def of_arrow(cls, batches: Iterable[Any], targets: Sequence[str]) -> Self:
        """Return the sums over Arrow record batches, as ``pyarrow.parquet`` and DuckDB read them.

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
        return cls.of_batches(_matrices(batch, targets) for batch in batches)

    def about(self, shift: np.ndarray) -> Self:
        """Return the same sums about another shift."""
        if np.array_equal(shift, self.shift):
            return self
        move = self.shift - shift
        cross = np.outer(self.total, move)
        products = self.products + cross + cross.T + self.n * np.outer(move, move)
        return type(self)(self.n, shift, self.total + self.n * move, products, self.d)

    def __add__(self, other: Self) -> Self:
        if (other.d, len(other.shift)) != (self.d, len(self.shift)):
            raise ValueError(f"statistics of {other.d} features do not add to those of {self.d}, or targets differ")
        other = other.about(self.shift)
        return type(self)(
            self.n + other.n, self.shift, self.total + other.total, self.products + other.products, self.d
        )

    def __sub__(self, other: Self) -> Self:
        return self + -1.0 * other

    def __rmul__(self, weight: float) -> Self:
        return type(self)(weight * self.n, self.shift, weight * self.total, weight * self.products, self.d)

    def select(self, features: Sequence[int] | None = None, targets: Sequence[int] | None = None) -> Self:
        """Return the sums of some features and targets, by their positions; None keeps all.

        Parameters
        ----------
        features : sequence of int, optional
        targets : sequence of int, optional

        Examples
        --------
        >>> gram = Gram.of(np.eye(3), np.ones((3, 2)))
        >>> gram.select(features=[0, 2]).d
        2
        """
        X, Y = np.arange(self.d), np.arange(self.d, len(self.shift))
        X, Y = X if features is None else X[list(features)], Y if targets is None else Y[list(targets)]
        kept = np.concatenate([X, Y])
        return type(self)(self.n, self.shift[kept], self.total[kept], self.products[np.ix_(kept, kept)], len(X))

    def check(self) -> None:
        """Raise ValueError if there are no rows, or if any number in them was not finite."""
        if not self.n > 0:
            raise ValueError("no rows to learn from")
        if not np.isfinite(self.products).all():
            raise ValueError("features or targets hold NaN or infinity: nothing may be missing")

    @property
    def mean(self) -> np.ndarray:
        """Mean of the features and targets [shape=(d + l,)]."""
        return self.shift + self.total / self.n

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of the features and targets [shape=(d + l,)]."""
        return np.sqrt(np.maximum(self.products.diagonal() - self.total**2 / self.n, 0.0) / self.n)

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
