"""Linear baselines: ridge and logistic regression, one against the rest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mirstore.core import Examples, Importance, Model


class _Linear(Model):
    """A weight per column and class; scores before they become probabilities are ``X @ coef.T + intercept``."""

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.columns_ = examples.table.columns
        self.groups_ = {name: list(members) for name, members in groups.items()}
        used = [column for members in self.groups_.values() for column in members]
        X, Y = examples.table.select(used).to_numpy(), np.asarray(examples.labels)
        weights, self.intercept_ = self._weights(X, Y, seed)
        self.coef_ = np.zeros((Y.shape[1], len(self.columns_)))
        self.coef_[:, [self.columns_.index(column) for column in used]] = weights
        # How much of the spread of the scores each group makes, per label [shape=(k, groups)].
        self.variances_ = self.contributions(examples).var(axis=0)
        return self

    @abstractmethod
    def _weights(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [shape=(k, d)] and intercepts [shape=(k,)]."""

    def decision_function(self, examples: Examples) -> np.ndarray:
        """Return scores before they become probabilities [shape=(n, k)]."""
        return examples.table.select(self.columns_).to_numpy() @ self.coef_.T + self.intercept_

    def group_importances(self) -> dict[str, float]:
        """Return the share of the variance of the groups' contributions, mean over labels."""
        totals = self.variances_.sum(axis=1, keepdims=True)
        count = len(self.groups_)
        shares = np.divide(self.variances_, totals, out=np.full_like(self.variances_, 1 / count), where=totals > 0)
        return dict(zip(self.groups_, shares.mean(axis=0).tolist(), strict=True))

    def importances(self) -> list[Importance]:
        return [
            Importance("variance", None, group, float(value))
            for group, value in zip(self.groups_, self.variances_.mean(axis=0), strict=True)
        ]

    def column_weights(self) -> np.ndarray:
        return self.coef_

    def contributions(self, examples: Examples) -> np.ndarray:
        table = examples.table.select(self.columns_)
        at = {column: i for i, column in enumerate(self.columns_)}
        parts = []
        for members in self.groups_.values():
            positions = [at[column] for column in members]
            parts.append(table.to_numpy()[:, positions] @ self.coef_[:, positions].T)
        return np.stack(parts, axis=-1)


@dataclass
class Ridge(_Linear):
    """Ridge regression on the labels.

    Parameters
    ----------
    alpha : float > 0
        Penalty, after scikit-learn.
    """

    name = "ridge"
    alpha: float = 1.0

    def _weights(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import Ridge as Estimator

        fitted = Estimator(alpha=self.alpha).fit(X, Y)
        return np.reshape(fitted.coef_, (Y.shape[1], -1)), np.reshape(fitted.intercept_, Y.shape[1])

    def predict_proba(self, examples: Examples) -> np.ndarray:
        """Return a logistic curve of slope 1 at 1/2: inside [0, 1], and in the same order."""
        from scipy.special import expit

        return expit(4 * (self.decision_function(examples) - 0.5))


@dataclass
class LogisticRegression(_Linear):
    """Logistic regression, one class against the rest.

    Label distributions are learned from as they are: each example counts for a class as much as its share of it, and
    for the rest as much as remains.

    Parameters
    ----------
    C : float > 0
        Inverse penalty, after scikit-learn.
    """

    name = "logistic-regression"
    C: float = 1.0

    def _weights(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rows = [self._one(X, y) for y in Y.T]
        return np.array([row[:-1] for row in rows]), np.array([row[-1] for row in rows])

    def _one(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression as Estimator

        if y.max() == y.min():  # nothing to learn: the prior, just inside (0, 1)
            prior = np.clip(y.mean(), 1e-6, 1 - 1e-6)
            return np.append(np.zeros(X.shape[1]), np.log(prior / (1 - prior)))
        estimator = Estimator(C=self.C, max_iter=1000)
        if np.isin(y, (0, 1)).all():
            estimator.fit(X, y)
        else:
            both, targets = np.vstack([X, X]), np.repeat([1, 0], len(X))
            estimator.fit(both, targets, sample_weight=np.concatenate([y, 1 - y]))
        return np.append(estimator.coef_[0], estimator.intercept_[0])

    def predict_proba(self, examples: Examples) -> np.ndarray:
        from scipy.special import expit

        return expit(self.decision_function(examples))
