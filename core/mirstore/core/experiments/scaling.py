"""Scaling and imputing, fitted on training examples only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each column in the training part.

    What is missing, or infinite, becomes the training mean. A column that is constant or missing in training is 0
    everywhere: it cannot have been learned from.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, table: pl.DataFrame) -> Scaling:
        """Learn from training examples.

        Parameters
        ----------
        table : pl.DataFrame [shape=(n, d)]
            Of numbers. What is not finite counts as missing; a column without any spread becomes 0 throughout.

        Examples
        --------
        >>> scaling = Scaling.fit(pl.DataFrame({"bpm": [100.0, 140.0, None]}))
        >>> scaling.apply(pl.DataFrame({"bpm": [120.0, 160.0, None]}))["bpm"].to_list()
        [0.0, 2.0, 0.0]
        """
        X = _finite(table)
        known = ~np.isnan(X)
        counts = known.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(counts > 0, np.where(known, X, 0).sum(axis=0) / counts, 0.0)
            variance = np.where(counts > 0, (np.where(known, X - mean, 0) ** 2).sum(axis=0) / counts, 0.0)
        deviation = np.sqrt(variance)
        # Sums of equal numbers leave a deviation of some rounding errors.
        return cls(mean, np.where(deviation > 10 * np.finfo(float).eps * np.abs(mean), deviation, np.inf))

    def apply(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the table with mean 0 and deviation 1, as measured in training, and nothing missing.

        Parameters
        ----------
        table : pl.DataFrame [shape=(n, d)]
            The columns of training, in their order. What is missing becomes 0, the mean.
        """
        X = np.nan_to_num((_finite(table) - self.mean) / self.deviation, nan=0.0)
        # Told, because polars takes the rows of a square matrix for columns.
        return pl.DataFrame(X, schema=table.columns, orient="row") if table.width else table


def _finite(table: pl.DataFrame) -> np.ndarray:
    if any(dtype != pl.Float64 for dtype in table.dtypes):
        table = table.cast(pl.Float64)
    X = table.to_numpy().astype(np.float64, copy=False)  # what is missing is NaN
    return np.where(np.isfinite(X), X, np.nan)
