"""Label distributions from the labels of neighbours, after Buisson et al."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mirstore.core import Smoother
from mirstore.core.errors import UsageError


@dataclass
class KNNSmoothing(Smoother):
    """Mean of the one-hot labels of the k nearest training examples.

    Distances are Euclidean, after scaling each column to deviation 1 and, if asked, a mapping to fewer dimensions.
    The labels averaged are the original ones: smoothed labels are not smoothed again.

    Parameters
    ----------
    k : int > 0
        Neighbours.
    mapping : str
        ``"none"``, ``"pca"``, ``"lda"`` or ``"nca"``; the last two learn from the labels, and so flatter themselves
        in sample: see ``crossfit``.
    n_components : int, optional
        Dimensions after the mapping; all that it can give by default.
    include_self : bool
        Whether an example is its own nearest neighbour; that adds 1/k to its own class.
    crossfit : int
        0, or the number of parts: the mapping of each part is learned from the others.
    """

    name = "knn-smoothing"
    k: int = 10
    mapping: Literal["none", "pca", "lda", "nca"] = "none"
    n_components: int | None = None
    include_self: bool = False
    crossfit: int = 0

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if self.crossfit == 1 or self.crossfit < 0:
            raise ValueError(f"crossfit must be 0, or at least 2 parts, got {self.crossfit}")

    def smooth(self, X: np.ndarray, Y: np.ndarray, seed: int) -> np.ndarray:
        """Return distributions [shape=(n, k)]; see `mirstore.core.Smoother.smooth`.

        Raises
        ------
        UsageError
            If there are fewer examples than neighbours asked for.
        """
        needed = self.k + (not self.include_self)
        if len(X) < needed:
            raise UsageError(f"k = {self.k} neighbours need {needed} training examples, there are {len(X)}")
        scaled = _scaled(np.asarray(X, dtype=np.float64))
        if not self.crossfit or self.mapping in ("none", "pca"):
            return self._averages(self._fit(scaled, Y, seed)(scaled), Y, np.arange(len(X)))
        smooth = np.zeros(Y.shape)
        parts = np.random.default_rng(seed).permutation(len(X)) % self.crossfit
        for part in range(self.crossfit):
            mapped = self._fit(scaled[parts != part], Y[parts != part], seed)(scaled)
            inside = np.flatnonzero(parts == part)
            smooth[inside] = self._averages(mapped, Y, inside)
        return smooth

    def _fit(self, X: np.ndarray, Y: np.ndarray, seed: int) -> Any:
        """Return a function that maps examples."""
        if self.mapping == "none":
            return lambda Z: Z
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.neighbors import NeighborhoodComponentsAnalysis

        classes = Y.argmax(axis=1)
        if self.mapping == "pca":
            mapping = PCA(self.n_components, random_state=seed)
        elif self.mapping == "lda":
            mapping = LinearDiscriminantAnalysis(n_components=self.n_components)
        else:
            mapping = NeighborhoodComponentsAnalysis(self.n_components, random_state=seed, max_iter=50)
        return mapping.fit(X, classes).transform

    def _averages(self, mapped: np.ndarray, Y: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return the mean label of the neighbours of the wanted examples."""
        from sklearn.neighbors import NearestNeighbors

        neighbours = NearestNeighbors(n_neighbors=self.k + (not self.include_self), algorithm="brute").fit(mapped)
        _, found = neighbours.kneighbors(mapped[wanted])
        if not self.include_self:
            # Among equals the example itself need not come first; if it is not there at all, the last one goes.
            own = found == wanted[:, None]
            own[~own.any(axis=1), -1] = True
            found = found[~own].reshape(len(wanted), self.k)
        return np.asarray(Y, dtype=np.float64)[found].mean(axis=1)


def _scaled(X: np.ndarray) -> np.ndarray:
    deviation = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
