"""Gradient boosting by scikit-learn, whose trees look at every threshold: slower than XGBoost, and what papers used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore.core import Examples
from mirstore_baselines.publications import friedman, pedregosa
from mirstore_baselines.tree_model import TreeModel
from mirstore_baselines.trees import Trees


@dataclass
class GradientBoosting(TreeModel):
    """Gradient-boosted trees: of classes where they exclude each other, else of each tag or target by itself.

    Label distributions count as the class that has most of them. A tag that all or no training examples have keeps its
    prior.

    Parameters
    ----------
    n_estimators : int > 0
        Rounds; each adds a tree per class.
    max_depth : int > 0
        Of a tree.
    learning_rate : float in (0, 1]
    """

    name = "gradient-boosting"
    cite = (friedman, pedregosa)
    learned = (*TreeModel.learned, "base", "fixed", "exclusive")
    n_estimators: int = 100
    max_depth: int = 3
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        for name in ("n_estimators", "max_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate must be more than 0 and at most 1, got {self.learning_rate}")

    def _grow(self, X: np.ndarray, examples: Examples, seed: int) -> tuple[Trees, np.ndarray]:
        Y, self.exclusive_ = np.asarray(examples.labels, dtype=np.float64), examples.exclusive
        k = Y.shape[1]
        self.base_ = np.zeros(k)
        self.fixed_ = np.full(k, np.nan)  # the score of a label that there is nothing to learn about
        estimators, values, importances = list[Any](), list[np.ndarray](), np.zeros((k, X.shape[1]))
        for boosted, labels in self._boosted(X, Y, seed, numeric=examples.numeric):
            raw = np.ravel(_raw(boosted, X[:1]))
            for label, start, trees in zip(labels, raw, boosted.estimators_.T, strict=True):
                steps = [self.learning_rate * tree.tree_.value[:, 0] for tree in trees]
                self.base_[label] = start - self.learning_rate * sum(float(tree.predict(X[:1])[0]) for tree in trees)
                importances[label] = sum(tree.tree_.compute_feature_importances(normalize=False) for tree in trees)
                estimators += trees.tolist()
                values += [step * (np.arange(k) == label) for step in steps]
        return Trees.of(estimators, values) if estimators else Trees.none(k), importances

    def _boosted(self, X: np.ndarray, Y: np.ndarray, seed: int, *, numeric: bool) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield fitted models of scikit-learn, with the labels that the columns of their trees are of."""
        if not numeric and self.exclusive_:
            there, target = np.unique(Y.argmax(axis=1), return_inverse=True)
            self.fixed_[:] = 0  # a class without examples scores 0
            self.fixed_[there] = np.nan if len(there) > 1 else 1
            if len(there) > 1:  # of two classes, trees are of the second
                yield self._estimator("Classifier", seed).fit(X, target), there if len(there) > 2 else there[1:]
            return
        for label, y in enumerate(Y.T):
            if numeric:
                yield self._estimator("Regressor", seed).fit(X, y), np.array([label])
            elif (y > 0.5).any() and (y <= 0.5).any():
                yield self._estimator("Classifier", seed).fit(X, y > 0.5), np.array([label])
            else:
                self.fixed_[label] = float(y[0] > 0.5)

    def _estimator(self, of: str, seed: int) -> Any:
        from sklearn import ensemble

        make = getattr(ensemble, f"GradientBoosting{of}")
        settings = {"max_depth": self.max_depth, "learning_rate": self.learning_rate, "random_state": seed}
        return make(n_estimators=self.n_estimators, **settings)

    def predict(self, examples: Examples) -> np.ndarray:
        return self.base_ + self.trees_.total(self._matrix(examples))

    def predict_proba(self, examples: Examples) -> np.ndarray:
        from scipy.special import expit, softmax

        raw = self.predict(examples)
        learned = np.isnan(self.fixed_)
        scores = np.tile(self.fixed_, (len(raw), 1))
        if learned.any():
            scores[:, learned] = softmax(raw[:, learned], axis=1) if self.exclusive_ else expit(raw[:, learned])
        return scores


def _raw(boosted: Any, X: np.ndarray) -> Any:
    """Return what the trees sum to: before it becomes a probability, if there are classes."""
    return (boosted.decision_function if hasattr(boosted, "decision_function") else boosted.predict)(X)
