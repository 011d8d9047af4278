"""Fitted trees as plain arrays: a forest predicts what scikit-learn's does, to the last bit, and needs no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Trees:
    """Trees one after the other; a node's children are numbered within its tree.

    Attributes
    ----------
    sizes : np.ndarray of int [shape=(trees,)]
        Nodes of each tree.
    left, right : np.ndarray of int [shape=(nodes,)]
        Children; -1 in leaves.
    feature : np.ndarray of int [shape=(nodes,)]
        Column that decides.
    threshold : np.ndarray [shape=(nodes,)]
        To the left goes what is not larger.
    value : np.ndarray [shape=(nodes, k)]
        What a leaf predicts.
    """

    sizes: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, estimators: Sequence[Any], values: Sequence[np.ndarray]) -> Self:
        """Return the trees of a fitted forest, with the value [shape=(nodes, k)] of each tree's nodes."""
        parts = [estimator.tree_ for estimator in estimators]
        return cls(
            np.array([part.node_count for part in parts], dtype=np.int32),
            np.concatenate([part.children_left for part in parts]).astype(np.int32),
            np.concatenate([part.children_right for part in parts]).astype(np.int32),
            np.concatenate([part.feature for part in parts]).astype(np.int32),
            np.concatenate([part.threshold for part in parts]),
            np.concatenate(values),
        )

    @classmethod
    def none(cls, k: int) -> Self:
        """Return no trees, which predict 0 for each of k labels."""
        whole = np.zeros(0, dtype=np.int32)
        return cls(whole, whole, whole, whole, np.zeros(0), np.zeros((0, k)))

    def total(self, X: np.ndarray) -> np.ndarray:
        """Return the sum over the trees [shape=(n, k)]; trees compare single precision, as scikit-learn's do."""
        X = X.astype(np.float32)
        total = np.zeros((len(X), self.value.shape[1]))
        for root in np.cumsum(self.sizes) - self.sizes:
            total += self.value[root + self._leaves(X, int(root))]
        return total

    def mean(self, X: np.ndarray) -> np.ndarray:
        """Return the mean over the trees [shape=(n, k)]."""
        return self.total(X) / len(self.sizes)

    def _leaves(self, X: np.ndarray, root: int) -> np.ndarray:
        """Return the leaf that each row ends in, numbered within the tree that begins at ``root``."""
        node = np.zeros(len(X), dtype=np.int32)
        going = np.arange(len(X))
        while len(going):
            at = root + node[going]
            going, at = going[self.left[at] >= 0], at[self.left[at] >= 0]
            is_left = X[going, self.feature[at]] <= self.threshold[at]
            node[going] = np.where(is_left, self.left[at], self.right[at])
        return node
