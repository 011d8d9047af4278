"""An opaque baseline: what the features can give when nobody asks why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from mirstore.core import Examples, Model
from mirstore_baselines.publications import pedregosa


@dataclass
class RandomForest(Model):
    """Random forest: of classes where they exclude each other, else of all tags, or all targets, at once.

    Label distributions count as the class that has most of them. Targets are divided by their deviation first, so that
    none decides the splits by its unit.

    Parameters
    ----------
    n_estimators : int > 0
        Trees.
    n_jobs : int
        Threads; a case has one, so that cases can run side by side.
    """

    name = "random-forest"
    tabular = True
    cite = (pedregosa,)
    n_estimators: int = 200
    n_jobs: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        if self.n_estimators < 1:
            raise ValueError(f"n_estimators must be at least 1, got {self.n_estimators}")

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        self.groups_ = {name: list(members) for name, members in groups.items()}
        grouped = {column for members in self.groups_.values() for column in members}
        self.columns_ = [column for column in examples.table.columns if column in grouped]
        self.exclusive_, self.k_ = examples.exclusive, len(examples.classes)
        X, Y = examples.table.select(self.columns_).to_numpy(), np.asarray(examples.labels)
        if examples.numeric:
            deviation = Y.std(axis=0)
            self.scale_ = np.where(deviation > 0, deviation, 1.0)
            forest = RandomForestRegressor(self.n_estimators, random_state=seed, n_jobs=self.n_jobs)
            self.forest_ = forest.fit(X, Y[:, 0] / self.scale_[0] if self.k_ == 1 else Y / self.scale_)
            return self
        target = Y.argmax(axis=1) if self.exclusive_ else (Y > 0.5).astype(int)
        if target.shape[1:] == (1,):
            target = target[:, 0]  # one tag: scikit-learn wants a vector
        self.forest_ = RandomForestClassifier(self.n_estimators, random_state=seed, n_jobs=self.n_jobs).fit(X, target)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        found: Any = self.forest_.predict_proba(examples.table.select(self.columns_).to_numpy())
        if self.exclusive_:
            scores = np.zeros((examples.table.height, self.k_))
            scores[:, self.forest_.classes_] = found
            return scores
        # scikit-learn gives a list only if there are several tags, and one column for a tag that was constant.
        several = found if isinstance(found, list) else [found]
        classes = self.forest_.classes_ if isinstance(found, list) else [self.forest_.classes_]
        yes = [p[:, list(c).index(1)] if 1 in c else np.zeros(len(p)) for p, c in zip(several, classes, strict=True)]
        return np.stack(yes, axis=1)

    def predict(self, examples: Examples) -> np.ndarray:
        found = self.forest_.predict(examples.table.select(self.columns_).to_numpy())
        return np.reshape(found, (-1, self.k_)) * self.scale_

    def group_importances(self) -> dict[str, float]:
        """Return the summed impurity decrease of each group's columns."""
        of_column = dict(zip(self.columns_, self.forest_.feature_importances_, strict=True))
        shares = {name: float(sum(of_column[c] for c in members)) for name, members in self.groups_.items()}
        total = sum(shares.values())
        return {name: share / total if total else 1 / len(shares) for name, share in shares.items()}
