"""XGBoost as a model of mirstore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mirstore.core import Examples, Importance, Model
from mirstore_xgboost.gain import mean_gain, published_gain, shares


@dataclass
class XGBoost(Model):
    """Gradient-boosted trees: one softmax model of classes that exclude each other, else one model per tag.

    The defaults are SAMAT's for classes; its settings for tags are registered as ``xgboost-samat``. Label distributions
    are learned from with each example standing for each class as much as its share of it.

    Parameters
    ----------
    n_estimators : int > 0
        Rounds.
    max_depth : int > 0
        Of a tree.
    learning_rate : float in (0, 1]
    gamma : float >= 0
        Least loss reduction of a split.
    min_child_weight : float >= 0
    """

    name = "xgboost"
    n_estimators: int = 100
    max_depth: int = 3
    learning_rate: float = 0.3
    gamma: float = 0.0
    min_child_weight: float = 1.0

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.groups_ = {name: list(members) for name, members in groups.items()}
        self.columns_ = [column for members in self.groups_.values() for column in members]
        self.exclusive_, self.labels_, self.table_ = examples.exclusive, examples.classes, examples.table.columns
        X, Y = examples.table.select(self.columns_).to_numpy(), np.asarray(examples.labels, dtype=np.float64)
        self.boosters_: list[Any] = (
            [self._classes(X, Y, seed)] if self.exclusive_ else [self._tag(X, y, seed) for y in Y.T]
        )
        self.priors_ = Y.mean(axis=0)
        self.gains_ = self._per_label("gain")
        return self

    def _train(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, seed: int, **task: Any) -> Any:
        import xgboost

        params = {
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "gamma": self.gamma,
            "min_child_weight": self.min_child_weight,
            "nthread": 1,
            "seed": seed,
            "verbosity": 0,
            **task,
        }
        return xgboost.train(params, xgboost.DMatrix(X, y, weight=weight), self.n_estimators)

    def _classes(self, X: np.ndarray, Y: np.ndarray, seed: int) -> Any:
        row, label = np.nonzero(Y)  # an example with several shares stands for each of them
        hard = len(row) == len(Y)
        weight = None if hard else Y[row, label]
        return self._train(X[row], label, weight, seed, objective="multi:softprob", num_class=Y.shape[1])

    def _tag(self, X: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return a booster, or None for a tag that all or no examples have: it keeps its prior."""
        if y.min() == y.max():
            return None
        return self._train(X, y, None, seed, objective="binary:logistic")

    def predict_proba(self, examples: Examples) -> np.ndarray:
        import xgboost

        data = xgboost.DMatrix(examples.table.select(self.columns_).to_numpy())
        if self.exclusive_:
            return np.asarray(self.boosters_[0].predict(data)).reshape(-1, len(self.labels_))
        columns = [
            np.full(examples.table.height, prior) if booster is None else booster.predict(data)
            for booster, prior in zip(self.boosters_, self.priors_, strict=True)
        ]
        return np.stack(columns, axis=1)

    def _per_label(self, kind: str) -> np.ndarray:
        """Return the importance of each column per model [shape=(models, d)]."""
        found = np.zeros((len(self.boosters_), len(self.columns_)))
        for row, booster in zip(found, self.boosters_, strict=True):
            for name, value in (booster.get_score(importance_type=kind) if booster else {}).items():
                row[int(name[1:])] = value
        return found

    def group_importances(self) -> dict[str, float]:
        """Return the mean gain of each group's columns over all labels, scaled to sum to 1."""
        return shares(mean_gain(self.gains_), self.columns_, self.groups_)

    def importances(self) -> list[Importance]:
        """Return the shares by the other averages, and per tag."""
        return list(self._importances())

    def _importances(self) -> Iterator[Importance]:
        total = self._per_label("total_gain").sum(axis=0)
        at = {column: i for i, column in enumerate(self.columns_)}
        sums = {name: float(total[[at[c] for c in members]].sum()) for name, members in self.groups_.items()}
        whole = sum(sums.values()) or 1.0
        measures = {"total gain": {name: value / whole for name, value in sums.items()}}
        if not self.exclusive_:  # for exclusive classes the published average is the plain one
            measures["gain as published"] = shares(published_gain(self.gains_), self.columns_, self.groups_)
        for measure, values in measures.items():
            yield from (Importance(measure, None, group, value) for group, value in values.items())
        if not self.exclusive_:
            for label, gain in zip(self.labels_, self.gains_, strict=True):
                of_label = shares(gain, self.columns_, self.groups_)
                yield from (Importance("gain", label, group, value) for group, value in of_label.items())

    def column_weights(self) -> np.ndarray:
        """Return the gain of each column; classes that exclude each other share one."""
        weights = np.zeros((len(self.labels_), len(self.table_)))
        weights[:, [self.table_.index(column) for column in self.columns_]] = self.gains_
        return weights

    def contributions(self, examples: Examples) -> np.ndarray:
        """Return TreeSHAP values summed per group [shape=(n, k, groups)], in log odds."""
        import xgboost

        data = xgboost.DMatrix(examples.table.select(self.columns_).to_numpy())
        n, k, d = examples.table.height, len(self.labels_), len(self.columns_)
        values = np.zeros((n, k, d + 1))
        if self.exclusive_:
            values = np.reshape(self.boosters_[0].predict(data, pred_contribs=True), (n, k, d + 1))
        else:
            for i, booster in enumerate(self.boosters_):
                if booster is not None:
                    values[:, i] = booster.predict(data, pred_contribs=True)
        at = {column: i for i, column in enumerate(self.columns_)}
        parts = [values[..., [at[c] for c in members]].sum(axis=-1) for members in self.groups_.values()]
        return np.stack(parts, axis=-1)

    def importances_of_groupings(
        self, examples: Examples, groupings: Sequence[Mapping[str, Sequence[str]]], seed: int
    ) -> list[dict[str, float]]:
        """Return shares of this fit: the trees do not depend on the grouping."""
        return [shares(mean_gain(self.gains_), self.columns_, groups) for groups in groupings]
