"""Parts of what is learned from, for what must not see the labels that it says something of."""

from __future__ import annotations

import numpy as np


def parts_of(classes: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return each example's part [shape=(n,)], drawn class after class so that all parts have all classes alike.

    Parameters
    ----------
    classes : np.ndarray of int [shape=(n,)]
    count : int > 1
    seed : int
    """
    drawn = np.random.default_rng(seed).permutation(len(classes))
    parts = np.empty(len(classes), dtype=int)
    parts[drawn[np.argsort(classes[drawn], kind="stable")]] = np.arange(len(classes)) % count
    return parts
