"""Which number of neighbours, in how many dimensions: the one under which left-out labels are likeliest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirstore_smoothing.mappings import fitted
from mirstore_smoothing.neighbours import Search, nearest
from mirstore_smoothing.parts import parts_of

folds = 5  # of what is learned from, each left out once


def best(
    ks: Sequence[int],
    sizes: Sequence[int | None],
    mapping: str,
    search: Search,
    X: np.ndarray,
    classes: np.ndarray,
    seed: int,
) -> tuple[int, int | None]:
    """Return the best of some numbers of neighbours and of dimensions, and the first of equally good ones.

    Each fifth of the examples is looked up among the others, by a mapping that was learned from the others. The measure
    is the log-likelihood of its classes; the class shares count as one more neighbour, since no class is impossible.

    Parameters
    ----------
    ks : sequence of int > 0
    sizes : sequence of (int or None)
        Dimensions after the mapping.
    mapping, search : str
    X : np.ndarray [shape=(n, d)]
        Scaled; the other four parts have at least the most neighbours.
    classes : np.ndarray of int [shape=(n,)]
    seed : int
    """
    if len(ks) == len(sizes) == 1:
        return ks[0], sizes[0]
    parts, share = parts_of(classes, folds, seed), np.bincount(classes) / len(classes)
    score = np.zeros((len(sizes), len(ks)))
    for part in np.unique(parts):
        left_out, others = parts == part, parts != part
        own = classes[left_out][:, None]
        for i, size in enumerate(sizes):
            to = fitted(mapping, size, X[others], classes[others], seed)
            found = nearest(to(X[others]), to(X[left_out]), max(ks), search)
            hits = (classes[others][found] == own).cumsum(axis=1)[:, np.array(ks) - 1]
            score[i] += np.log((hits + share[own]) / (np.array(ks) + 1)).sum(axis=0)
    i, j = divmod(int(score.argmax()), len(ks))
    return ks[j], sizes[i]
