"""An opaque baseline: what the features can give when nobody asks why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from mirstore.core import Examples, Model, load_state, save_state
from mirstore_baselines.publications import pedregosa
from mirstore_baselines.trees import Trees


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
        self.groups_ = {name: list(members) for name, members in groups.items()}
        grouped = {column for members in self.groups_.values() for column in members}
        self.columns_ = [column for column in examples.table.columns if column in grouped]
        X, Y = self._matrix(examples), np.asarray(examples.labels)
        deviation = Y.std(axis=0)
        self.scale_ = np.where(deviation > 0, deviation, 1.0) if examples.numeric else np.ones(Y.shape[1])
        grow = self._of_numbers if examples.numeric else self._of_classes if examples.exclusive else self._of_tags
        forest, values = grow(X, Y, seed)
        self.trees_ = Trees.of(forest.estimators_, values)
        self.importances_ = np.asarray(forest.feature_importances_)
        return self

    def _of_numbers(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[Any, list[np.ndarray]]:
        """Return a forest, and what each node of each tree predicts [shape=(nodes, k)]."""
        from sklearn.ensemble import RandomForestRegressor

        Y = Y / self.scale_
        forest = RandomForestRegressor(self.n_estimators, random_state=seed, n_jobs=self.n_jobs)
        forest.fit(X, Y[:, 0] if Y.shape[1] == 1 else Y)
        return forest, [tree.tree_.value[:, :, 0] for tree in forest.estimators_]

    def _of_classes(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[Any, list[np.ndarray]]:
        forest = self._classifier(seed).fit(X, Y.argmax(axis=1))
        there = np.eye(Y.shape[1])[forest.classes_]  # a class without examples scores 0
        return forest, [tree.tree_.value[:, 0] @ there for tree in forest.estimators_]

    def _of_tags(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[Any, list[np.ndarray]]:
        target = (Y > 0.5).astype(int)
        forest = self._classifier(seed).fit(X, target[:, 0] if target.shape[1] == 1 else target)  # a vector is wanted
        classes = [forest.classes_] if target.shape[1] == 1 else forest.classes_
        # A tag that was constant has one class only.
        yes = [[float(1 in of_tag), of_tag.tolist().index(1) if 1 in of_tag else 0] for of_tag in classes]
        return forest, [
            np.stack([there * tree.tree_.value[:, k, int(at)] for k, (there, at) in enumerate(yes)], axis=1)
            for tree in forest.estimators_
        ]

    def _classifier(self, seed: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(self.n_estimators, random_state=seed, n_jobs=self.n_jobs)

    def _matrix(self, examples: Examples) -> np.ndarray:
        return examples.table.select(self.columns_).to_numpy()

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return self.trees_.predict(self._matrix(examples))

    def predict(self, examples: Examples) -> np.ndarray:
        return self.trees_.predict(self._matrix(examples)) * self.scale_

    def save(self, folder: Path) -> None:
        rest = {"scale": self.scale_, "importances": self.importances_}
        save_state(folder, groups=self.groups_, columns=self.columns_, **rest, **vars(self.trees_))

    def load(self, folder: Path) -> Self:
        state = load_state(folder)
        self.groups_, self.columns_ = state.pop("groups"), state.pop("columns")
        self.scale_, self.importances_ = state.pop("scale"), state.pop("importances")
        self.trees_ = Trees(**state)
        return self

    def group_importances(self) -> dict[str, float]:
        """Return the summed impurity decrease of each group's columns."""
        of_column = dict(zip(self.columns_, self.importances_, strict=True))
        shares = {name: float(sum(of_column[c] for c in members)) for name, members in self.groups_.items()}
        total = sum(shares.values())
        return {name: share / total if total else 1 / len(shares) for name, share in shares.items()}
