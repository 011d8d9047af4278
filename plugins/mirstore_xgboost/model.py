"""XGBoost as a model of mirstore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from mirstore.core import Examples, Importance, Model, load_state, save_state
from mirstore_xgboost import gain
from mirstore_xgboost.publications import chen

texts = {
    "gain": "mean gain of a split on the group's features",
    "gain as published": "the same, averaged as in the paper",
    "total gain": "gain of all splits together",
}
learned = ("groups_", "columns_", "labels_", "table_", "softmax_", "priors_")


@dataclass
class XGBoost(Model):
    """Gradient-boosted trees: one softmax model of classes that exclude each other, else one model per tag.

    The defaults are SAMAT's for classes; its settings for tags are registered as ``xgboost-samat``. Label distributions
    are learned from with each example standing for each class as much as its share of it. A tag that all or no training
    examples have keeps its prior.

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
        Least sum of second derivatives in a leaf.
    single : str
        How classes that exclude each other are learned: ``"softmax"``, or ``"one-vs-rest"`` like tags.
    """

    name = "xgboost"
    tabular = True
    cite = (chen,)
    n_estimators: int = 100
    max_depth: int = 3
    learning_rate: float = 0.3
    gamma: float = 0.0
    min_child_weight: float = 1.0
    single: Literal["softmax", "one-vs-rest"] = "softmax"

    def __post_init__(self) -> None:
        for name in ("n_estimators", "max_depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("gamma", "min_child_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate must be more than 0 and at most 1, got {self.learning_rate}")
        if self.single not in ("softmax", "one-vs-rest"):
            raise ValueError(f"single must be 'softmax' or 'one-vs-rest', got {self.single!r}")

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.groups_ = {name: list(members) for name, members in groups.items()}
        grouped = {column for members in self.groups_.values() for column in members}
        self.columns_ = [column for column in examples.table.columns if column in grouped]
        self.labels_, self.table_ = examples.classes, examples.table.columns
        self.softmax_ = examples.exclusive and self.single == "softmax"
        X, Y = examples.table.select(self.columns_).to_numpy(), np.asarray(examples.labels, dtype=np.float64)
        self.priors_ = Y.mean(axis=0)
        self.boosters_: list[Any] = [self._classes(X, Y, seed)] if self.softmax_ else self._tags(X, Y, seed)
        self._remember_gains()
        return self

    def _train(self, data: Any, seed: int, **task: Any) -> Any:
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
        return xgboost.train(params, data, self.n_estimators)

    def _classes(self, X: np.ndarray, Y: np.ndarray, seed: int) -> Any:
        import xgboost

        row, label = np.nonzero(Y)  # an example with several shares stands for each of them
        hard = len(row) == len(Y)
        data = xgboost.DMatrix(X[row], label, weight=None if hard else Y[row, label], nthread=1)
        return self._train(data, seed, objective="multi:softprob", num_class=Y.shape[1])

    def _tags(self, X: np.ndarray, Y: np.ndarray, seed: int) -> list[Any]:
        """Return a booster per tag, None for a constant one."""
        import xgboost

        data, boosters = xgboost.DMatrix(X, nthread=1), []
        for y in Y.T:
            data.set_label(y)
            varies = y.min() < y.max()
            boosters.append(self._train(data, seed, objective="binary:logistic") if varies else None)
        return boosters

    def _remember_gains(self) -> None:
        """Set the gain of each column, per label as mean and sum of the splits [shape=(k, d)], and over all labels."""
        k, d = len(self.labels_), len(self.columns_)
        totals, counts = np.zeros((k, d)), np.zeros((k, d))
        if self.softmax_:
            totals, counts = gain.split_gains(self.boosters_[0], k, d)
        else:
            for i, booster in enumerate(self.boosters_):
                if booster is not None:
                    totals[i : i + 1], counts[i : i + 1] = gain.split_gains(booster, 1, d)
        self.gains_, self.totals_ = gain.mean_per_split(totals, counts), totals
        softmax = gain.mean_per_split(totals.sum(axis=0), counts.sum(axis=0))  # what XGBoost itself calls gain
        self.gain_ = softmax if self.softmax_ else gain.mean_gain(self.gains_)

    def _matrix(self, examples: Examples) -> Any:
        import xgboost

        return xgboost.DMatrix(examples.table.select(self.columns_).to_numpy(), nthread=1)

    def predict_proba(self, examples: Examples) -> np.ndarray:
        data = self._matrix(examples)
        if self.softmax_:
            return np.asarray(self.boosters_[0].predict(data)).reshape(-1, len(self.labels_))
        columns = [
            np.full(examples.table.height, prior) if booster is None else booster.predict(data)
            for booster, prior in zip(self.boosters_, self.priors_, strict=True)
        ]
        return np.stack(columns, axis=1)

    def save(self, folder: Path) -> None:
        """Write each booster as XGBoost's own JSON, which holds its numbers exactly."""
        save_state(folder, **{name: getattr(self, name) for name in learned}, boosters=len(self.boosters_))
        for i, booster in enumerate(self.boosters_):
            if booster is not None:
                booster.save_model(folder / f"booster-{i}.json")

    def load(self, folder: Path) -> Self:
        state = load_state(folder)
        files = [folder / f"booster-{i}.json" for i in range(state.pop("boosters"))]
        for name, value in state.items():
            setattr(self, name, value)
        self.boosters_ = [_booster(file) if file.exists() else None for file in files]
        self._remember_gains()
        return self

    def group_importances(self) -> dict[str, float]:
        """Return the mean gain of each group's columns over all labels, scaled to sum to 1."""
        return gain.shares(self.gain_, self.columns_, self.groups_)

    def importances(self) -> list[Importance]:
        """Return the shares by the other averages, and per label."""
        return list(self._importances())

    def _importances(self) -> Iterator[Importance]:
        published = self.gain_ if self.softmax_ else gain.published_gain(self.gains_)
        measures = {
            "gain": self.group_importances(),
            "gain as published": gain.shares(published, self.columns_, self.groups_),
            "total gain": gain.total_shares(self.totals_, self.columns_, self.groups_),
        }
        for measure, values in measures.items():
            yield from (Importance(measure, None, group, value, texts[measure]) for group, value in values.items())
        for label, row in zip(self.labels_, self.gains_, strict=True):
            if row.any():  # trees without a split say nothing
                of_label = gain.shares(row, self.columns_, self.groups_)
                yield from (Importance("gain", label, group, v, texts["gain"]) for group, v in of_label.items())

    def column_weights(self) -> np.ndarray:
        """Return the mean gain of the splits on each column in the trees of each label; it has no sign."""
        weights = np.zeros((len(self.labels_), len(self.table_)))
        weights[:, [self.table_.index(column) for column in self.columns_]] = self.gains_
        return weights

    def contributions(self, examples: Examples) -> np.ndarray:
        """Return TreeSHAP values summed per group [shape=(n, k, groups)], in log odds."""
        data = self._matrix(examples)
        values = np.zeros((examples.table.height, len(self.labels_), len(self.columns_) + 1))
        if self.softmax_:
            values = np.reshape(self.boosters_[0].predict(data, pred_contribs=True), values.shape)
        else:
            for i, booster in enumerate(self.boosters_):
                if booster is not None:
                    values[:, i] = booster.predict(data, pred_contribs=True)
        at = {column: i for i, column in enumerate(self.columns_)}
        parts = [values[..., [at[c] for c in members]].sum(axis=-1) for members in self.groups_.values()]
        return np.stack(parts, axis=-1)


def _booster(file: Path) -> Any:
    import xgboost

    return xgboost.Booster({"nthread": 1}, model_file=file)
