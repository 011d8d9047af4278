"""Linear baselines: ridge and logistic regression, one against the rest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from mirstore.core import Examples, Importance, Model, load_state, save_state
from mirstore_baselines.publications import pedregosa

rounding = 1e-9  # of shares that sum to 1
learned = ("labels_", "columns_", "groups_", "prior_", "constant_", "coef_", "intercept_", "variances_")


class _Linear(Model):
    """A weight per column and class; scores before they become probabilities are ``X @ coef.T + intercept``.

    A label that all or no training examples have cannot be learned: it keeps its prior.
    """

    role = "signed"
    tabular = True
    cite = (pedregosa,)

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.labels_, self.columns_ = examples.classes, examples.table.columns
        self.groups_ = {name: list(members) for name, members in groups.items()}
        used = np.array([self.columns_.index(column) for members in self.groups_.values() for column in members])
        X, Y = examples.table.to_numpy()[:, used], np.asarray(examples.labels, dtype=np.float64)
        self.prior_, self.constant_ = Y.mean(axis=0), np.ptp(Y, axis=0) <= rounding
        self.coef_, self.intercept_ = np.zeros((Y.shape[1], len(self.columns_))), np.zeros(Y.shape[1])
        learned = np.flatnonzero(~self.constant_)
        if len(learned):
            self.coef_[np.ix_(learned, used)], self.intercept_[learned] = self._weights(X, Y[:, learned])
        # How much of the spread of the scores each group makes, per label [shape=(k, groups)].
        self.variances_ = self.contributions(examples).var(axis=0)
        return self

    @abstractmethod
    def _weights(self, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [shape=(k, d)] and intercepts [shape=(k,)] of labels that vary."""

    @abstractmethod
    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Return scores in [0, 1] that keep their order."""

    def decision_function(self, examples: Examples) -> np.ndarray:
        """Return scores before they become probabilities [shape=(n, k)]; 0 for a label that was constant."""
        return examples.table.select(self.columns_).to_numpy() @ self.coef_.T + self.intercept_

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.where(self.constant_, self.prior_, self._probabilities(self.decision_function(examples)))

    def _label_shares(self) -> np.ndarray:
        """Return each group's share of the summed variance, NaN for a label without any [shape=(k, groups)]."""
        totals = self.variances_.sum(axis=1, keepdims=True)
        return np.divide(self.variances_, totals, out=np.full_like(self.variances_, np.nan), where=totals > 0)

    def group_importances(self) -> dict[str, float]:
        """Return the share of the variance of the groups' contributions, mean over labels."""
        shares = self._label_shares()
        shares = shares[np.isfinite(shares).all(axis=1)]
        means = shares.mean(axis=0) if len(shares) else np.full(len(self.groups_), 1 / len(self.groups_))
        return dict(zip(self.groups_, means.tolist(), strict=True))

    def importances(self) -> list[Importance]:
        """Return the same shares per label."""
        shares: dict[str | None, np.ndarray] = dict(zip(self.labels_, self._label_shares(), strict=True))
        shares[None] = np.array(list(self.group_importances().values()))
        text = "share of the group in the variance of the scores"
        return [
            Importance("variance", label, group, float(value), text)
            for label, row in shares.items()
            if np.isfinite(row).all()
            for group, value in zip(self.groups_, row, strict=True)
        ]

    def column_weights(self) -> np.ndarray:
        return self.coef_

    def save(self, folder: Path) -> None:
        save_state(folder, **{name: getattr(self, name) for name in learned})

    def load(self, folder: Path) -> Self:
        for name, value in load_state(folder).items():
            setattr(self, name, value)
        return self

    def contributions(self, examples: Examples) -> np.ndarray:
        X = examples.table.select(self.columns_).to_numpy()
        at = {column: i for i, column in enumerate(self.columns_)}
        members = [[at[column] for column in columns] for columns in self.groups_.values()]
        return np.stack([X[:, own] @ self.coef_[:, own].T for own in members], axis=-1)


@dataclass
class Ridge(_Linear):
    """Ridge regression on numbers, on labels, or on the shares of a label distribution.

    Parameters
    ----------
    alpha : float >= 0
        Penalty, after scikit-learn.
    """

    name = "ridge"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha >= 0:
            raise ValueError(f"alpha must not be negative, got {self.alpha}")

    def _weights(self, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import Ridge as Estimator

        fitted = Estimator(alpha=self.alpha).fit(X, Y)
        return np.reshape(fitted.coef_, (Y.shape[1], -1)), np.reshape(fitted.intercept_, Y.shape[1])

    def predict(self, examples: Examples) -> np.ndarray:
        return np.where(self.constant_, self.prior_, self.decision_function(examples))

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Return a logistic curve of slope 1 at 1/2: inside [0, 1], and in the same order."""
        from scipy.special import expit

        return expit(4 * (scores - 0.5))


@dataclass
class LogisticRegression(_Linear):
    """Logistic regression, one class against the rest.

    Label distributions are learned from as they are: each example counts for a class as much as its share of it, and
    for the rest as much as remains.

    Parameters
    ----------
    C : float > 0
        Inverse penalty, after scikit-learn.
    balanced : bool
        Whether a class and the rest weigh the same, however rare it is.
    """

    name = "logistic-regression"
    C: float = 1.0
    balanced: bool = False

    def __post_init__(self) -> None:
        if not self.C > 0:
            raise ValueError(f"C must be more than 0, got {self.C}")

    def _weights(self, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted = [self._one(X, y) for y in Y.T]
        return np.stack([one.coef_[0] for one in fitted]), np.array([one.intercept_[0] for one in fitted])

    def _one(self, X: np.ndarray, y: np.ndarray) -> Any:
        from sklearn.linear_model import LogisticRegression as Estimator

        if np.isin(y, (0, 1)).all():
            targets, weights = y, np.ones(len(y))
        else:
            X, targets, weights = np.vstack([X, X]), np.repeat([1, 0], len(y)), np.concatenate([y, 1 - y])
        if self.balanced:
            sums = np.where(targets == 1, weights[targets == 1].sum(), weights[targets == 0].sum())
            weights = weights * (weights.sum() / 2) / sums
        return Estimator(C=self.C, max_iter=1000).fit(X, targets, sample_weight=weights)

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        return expit(scores)
