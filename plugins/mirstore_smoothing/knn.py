"""Label distributions from the labels of neighbours, after Buisson et al. (2022), section 3.1.

Examples
--------
>>> X, Y = np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([[1, 0], [0, 1], [0, 1], [0, 1]])
>>> KNNSmoothing(k=2, include_self=True).smooth(X, Y, seed=0).tolist()
[[0.5, 0.5], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from mirstore.core import Smoother
from mirstore.core.errors import UsageError
from mirstore_smoothing.choosing import best, folds
from mirstore_smoothing.mappings import Mapping, fitted, mappings, supervised
from mirstore_smoothing.neighbours import Search, nearest
from mirstore_smoothing.parts import parts_of
from mirstore_smoothing.publications import buisson


@dataclass
class KNNSmoothing(Smoother):
    """Mean of the one-hot labels of the k nearest training examples.

    Distances are Euclidean, after scaling each column to deviation 1 and, if asked, a mapping to fewer dimensions.
    The labels averaged are the original ones: smoothed labels are not smoothed again. Among equally near examples the
    order of the table decides.

    Parameters
    ----------
    k : int > 0, or list of int
        Neighbours. Of several, that one is taken under which labels are likeliest that are left out, in five parts of
        what is learned from: the class shares count as one more neighbour, since no label is impossible.
    mapping : str
        ``"none"``, ``"pca"``, ``"lda"``, ``"nca"``, ``"lmnn"`` or ``"lmnn-metric-learn"``; all but the first two learn
        from the labels. The paper's S_A has none, S_B has LMNN: ``"lmnn"`` solves it exactly and fast,
        ``"lmnn-metric-learn"`` is the library that the paper used (``pip install 'mirstore[lmnn]'``).
    n_components : int, or list of int, optional
        Dimensions after the mapping; all that it can give by default. One of several is taken as for k.
    include_self : bool
        Whether an example is its own nearest neighbour; that moves 1/k to its own class.
    crossfit : int
        Number of parts: what maps a part and learns from labels is learned from the others, with each class in all
        parts alike. 0 learns it from all, as the paper: the mapping then has seen the very labels that it smooths, and
        finds classes where there are none. Of random labels of three classes (150 examples, 60 columns) LDA then leaves
        .60 to .63 in an example's own class; with five parts it is .29 to .34, and a third is true. Parts are drawn by
        example: of several tracks by one artist that sound alike, neighbours still say what each other's label is.
    search : {"scikit-learn", "faiss"}
        What finds the neighbours; they are the same. faiss (``pip install 'mirstore[ann]'``) is faster among tens of
        thousands.
    """

    name = "knn-smoothing"
    version = 2
    cite = (buisson,)
    k: int | list[int] = 10
    mapping: Mapping = "none"
    n_components: int | list[int] | None = None
    include_self: bool = False
    crossfit: int = 5
    search: Search = field(default="scikit-learn", compare=False)

    def __post_init__(self) -> None:
        if min(self._ks, default=0) < 1:
            raise ValueError(f"k must be at least 1, got {self.k}")
        if self.mapping not in mappings:
            raise ValueError(f"mapping must be one of {', '.join(map(repr, mappings))}, got {self.mapping!r}")
        if min((1 if size is None else size for size in self._sizes), default=0) < 1:
            raise ValueError(f"n_components must be at least 1, got {self.n_components}")
        if self.crossfit == 1 or self.crossfit < 0:
            raise ValueError(f"crossfit must be 0, or at least 2 parts, got {self.crossfit}")
        if self.search not in get_args(Search):
            raise ValueError(f"search must be 'scikit-learn' or 'faiss', got {self.search!r}")

    @property
    def _ks(self) -> Sequence[int]:
        return self.k if isinstance(self.k, list) else [self.k]

    @property
    def _sizes(self) -> Sequence[int | None]:
        return self.n_components if isinstance(self.n_components, list) else [self.n_components]

    def smooth(self, X: np.ndarray, Y: np.ndarray, seed: int) -> np.ndarray:
        """Return distributions [shape=(n, k)]; see `mirstore.core.Smoother.smooth`.

        Raises
        ------
        UsageError
            If there are fewer examples than neighbours asked for, fewer dimensions than the mapping shall keep, or too
            few members of a class for it; or if a number is not finite.
        """
        X, Y, k, size = self._chosen(X, Y, seed)
        classes, every = Y.argmax(axis=1), np.arange(len(X))
        if not self.crossfit or self.mapping not in supervised:
            return self._averages(fitted(self.mapping, size, X, classes, seed)(X), Y, every, k)
        smooth = np.zeros(Y.shape)
        parts = parts_of(classes, self.crossfit, seed)
        for part in np.unique(parts):
            others = parts != part
            mapped = fitted(self.mapping, size, X[others], classes[others], seed)(X)
            smooth[~others] = self._averages(mapped, Y, every[~others], k)
        return smooth

    def held_out(self, X: np.ndarray, Y: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray:
        """Return the mean labels of the k nearest training examples; see `mirstore.core.Smoother.held_out`.

        Raises
        ------
        UsageError
            As `smooth`.
        """
        center, deviation = _scale(np.asarray(X, dtype=np.float64))
        X, Y, k, size = self._chosen(X, Y, seed)
        to = fitted(self.mapping, size, X, Y.argmax(axis=1), seed)
        return np.asarray(Y[nearest(to(X), to((others - center) / deviation), k, self.search)].mean(axis=1))

    def _chosen(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, int, int | None]:
        """Return scaled features and labels, the number of neighbours and that of dimensions."""
        X, Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
        if not np.isfinite(X).all():
            bad = int((~np.isfinite(X)).any(axis=1).sum())
            raise UsageError(
                f"{bad} of {len(X)} examples have values that are no numbers", hint="fill them in, or leave them out"
            )
        ks, sizes = self._ks, self._sizes
        needed = max(ks) + (not self.include_self)
        if len(ks) > 1 or len(sizes) > 1:
            needed = max(needed, -(-max(ks) * folds // (folds - 1)))  # so that those not left out are enough
        if len(X) < needed:
            raise UsageError(
                f"k = {max(ks)} neighbours need {needed} training examples, there are {len(X)}",
                hint="smooth with a smaller k",
            )
        center, deviation = _scale(X)
        X = (X - center) / deviation
        return X, Y, *best(ks, sizes, self.mapping, self.search, X, Y.argmax(axis=1), seed)

    def _averages(self, mapped: np.ndarray, Y: np.ndarray, wanted: np.ndarray, k: int) -> np.ndarray:
        """Return the mean label of the neighbours of the wanted examples."""
        found = nearest(mapped, mapped[wanted], k - self.include_self, self.search, own=wanted)
        total = Y[found].sum(axis=1)
        return np.asarray((total + Y[wanted] if self.include_self else total) / k)


def _scale(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the deviation of each column, 1 where it is constant."""
    deviation = X.std(axis=0)
    constant = deviation <= 1e-12 * np.abs(X).max(axis=0, initial=0)  # what is left of one is rounding
    return X.mean(axis=0), np.where(constant, 1.0, deviation)
