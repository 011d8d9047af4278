"""Label distributions from the labels of neighbours, after Buisson et al. (2022), section 3.1.

Examples
--------
>>> X, Y = np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([[1, 0], [0, 1], [0, 1], [0, 1]])
>>> KNNSmoothing(k=2, include_self=True).smooth(X, Y, seed=0).tolist()
[[0.5, 0.5], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mirstore.core import Smoother
from mirstore.core.errors import UsageError
from mirstore_smoothing.publications import buisson

spare = 10  # neighbours fetched beyond those needed, so that equally near ones can be put in order
steps = 50  # of NCA, which gains little after them


@dataclass
class KNNSmoothing(Smoother):
    """Mean of the one-hot labels of the k nearest training examples.

    Distances are Euclidean, after scaling each column to deviation 1 and, if asked, a mapping to fewer dimensions.
    The labels averaged are the original ones: smoothed labels are not smoothed again. Among equally near examples the
    order of the table decides.

    Parameters
    ----------
    k : int > 0
        Neighbours.
    mapping : str
        ``"none"``, ``"pca"``, ``"lda"`` or ``"nca"``; the last two learn from the labels, and stand for the paper's
        LMNN in its method S_B.
    n_components : int, optional
        Dimensions after the mapping; all that it can give by default.
    include_self : bool
        Whether an example is its own nearest neighbour; that moves 1/k to its own class.
    crossfit : int
        Number of parts: what maps a part by ``"lda"`` or ``"nca"`` is learned from the others, with each class in all
        parts alike. 0 learns it from all: the mapping then has seen the very labels that it smooths, and finds classes
        where there are none. Of random labels of three classes (150 examples, 60 columns) LDA then leaves .60 to .63 in
        an example's own class; with five parts it is .29 to .34, and a third is true.
    """

    name = "knn-smoothing"
    version = 2
    cite = (buisson,)
    k: int = 10
    mapping: Literal["none", "pca", "lda", "nca"] = "none"
    n_components: int | None = None
    include_self: bool = False
    crossfit: int = 5

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if self.mapping not in ("none", "pca", "lda", "nca"):
            raise ValueError(f"mapping must be 'none', 'pca', 'lda' or 'nca', got {self.mapping!r}")
        if self.n_components is not None and self.n_components < 1:
            raise ValueError(f"n_components must be at least 1, got {self.n_components}")
        if self.crossfit == 1 or self.crossfit < 0:
            raise ValueError(f"crossfit must be 0, or at least 2 parts, got {self.crossfit}")

    def smooth(self, X: np.ndarray, Y: np.ndarray, seed: int) -> np.ndarray:
        """Return distributions [shape=(n, k)]; see `mirstore.core.Smoother.smooth`.

        Raises
        ------
        UsageError
            If there are fewer examples than neighbours asked for, or fewer dimensions than the mapping shall keep.
        """
        X, Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
        needed = self.k + (not self.include_self)
        if len(X) < needed:
            raise UsageError(
                f"k = {self.k} neighbours need {needed} training examples, there are {len(X)}",
                hint="smooth with a smaller k",
            )
        scaled = _scaled(X)
        if not self.crossfit or self.mapping not in ("lda", "nca"):
            return self._averages(self._mapping(scaled, Y, seed)(scaled), Y, np.arange(len(X)))
        smooth = np.zeros(Y.shape)
        parts = _parts(Y.argmax(axis=1), self.crossfit, seed)
        for part in np.unique(parts):
            mapped = self._mapping(scaled[parts != part], Y[parts != part], seed)(scaled)
            inside = np.flatnonzero(parts == part)
            smooth[inside] = self._averages(mapped, Y, inside)
        return smooth

    def _mapping(self, X: np.ndarray, Y: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that maps examples."""
        if self.mapping == "none":
            return lambda Z: Z
        from sklearn.exceptions import ConvergenceWarning

        classes = Y.argmax(axis=1)
        self._check_components(X, len(np.unique(classes)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # NCA stops after some steps on purpose
            return self._estimator(seed).fit(X, classes).transform

    def _check_components(self, X: np.ndarray, classes: int) -> None:
        varying = int((np.ptp(X, axis=0) > 0).sum())
        limits = {"pca": min(X.shape), "lda": min(classes - 1, varying), "nca": X.shape[1]}
        most, wanted = limits[self.mapping], self.n_components or 1
        if wanted > most:
            raise UsageError(
                f"mapping {self.mapping!r} can keep {most} dimensions of {varying} columns that vary and {classes} "
                f"classes, not {wanted}",
                hint=f"set n_components to at most {most}" if most else None,
            )

    def _estimator(self, seed: int) -> Any:
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.neighbors import NeighborhoodComponentsAnalysis

        if self.mapping == "pca":
            return PCA(self.n_components, random_state=seed)
        if self.mapping == "lda":
            return LinearDiscriminantAnalysis(n_components=self.n_components)
        return NeighborhoodComponentsAnalysis(self.n_components, random_state=seed, max_iter=steps)

    def _averages(self, mapped: np.ndarray, Y: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return the mean label of the neighbours of the wanted examples."""
        from sklearn.neighbors import NearestNeighbors

        others = self.k - self.include_self
        count = min(len(mapped), others + 1 + spare)
        distance, found = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(mapped).kneighbors(mapped[wanted])
        distance[found == wanted[:, None]] = np.inf  # itself is counted apart: among equals it need not be found
        # Equal rows come out with distances that differ by rounding, which depends on the processor.
        order = np.lexsort((found, np.round(distance, 9)), axis=1)[:, :others]
        total = Y[np.take_along_axis(found, order, axis=1)].sum(axis=1)
        return np.asarray((total + Y[wanted] if self.include_self else total) / self.k)


def _parts(classes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return each example's part [shape=(n,)], drawn class after class so that all parts have all classes alike."""
    drawn = np.random.default_rng(seed).permutation(len(classes))
    parts = np.empty(len(classes), dtype=int)
    parts[drawn[np.argsort(classes[drawn], kind="stable")]] = np.arange(len(classes)) % count
    return parts


def _scaled(X: np.ndarray) -> np.ndarray:
    deviation = X.std(axis=0)
    constant = deviation <= 1e-12 * np.abs(X).max(axis=0, initial=0)  # what is left of one is rounding
    return (X - X.mean(axis=0)) / np.where(constant, 1.0, deviation)
