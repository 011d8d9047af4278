"""Opaque baselines: what the features can give when nobody asks why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from mirstore.core import Examples
from mirstore_baselines.publications import geurts, pedregosa
from mirstore_baselines.tree_model import TreeModel
from mirstore_baselines.trees import Trees


@dataclass
class _Forest(TreeModel):
    """A forest of classes where they exclude each other, else of all tags, or all targets, at once."""

    learned = (*TreeModel.learned, "scale")
    kind: ClassVar[str]
    """What scikit-learn's classes are called before ``Classifier`` and ``Regressor``."""
    n_estimators: int = 200
    n_jobs: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        if self.n_estimators < 1:
            raise ValueError(f"n_estimators must be at least 1, got {self.n_estimators}")

    def _grow(self, X: np.ndarray, examples: Examples, seed: int) -> tuple[Trees, np.ndarray]:
        Y = np.asarray(examples.labels)
        deviation = Y.std(axis=0)
        self.scale_ = np.where(deviation > 0, deviation, 1.0) if examples.numeric else np.ones(Y.shape[1])
        grow = self._of_numbers if examples.numeric else self._of_classes if examples.exclusive else self._of_tags
        forest, values = grow(X, Y, seed)
        return Trees.of(forest.estimators_, values), np.asarray(forest.feature_importances_)

    def _of_numbers(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[Any, list[np.ndarray]]:
        """Return a forest, and what each node of each tree predicts [shape=(nodes, k)]."""
        Y = Y / self.scale_
        forest = self._estimator("Regressor", seed)
        forest.fit(X, Y[:, 0] if Y.shape[1] == 1 else Y)
        return forest, [tree.tree_.value[:, :, 0] for tree in forest.estimators_]

    def _of_classes(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[Any, list[np.ndarray]]:
        forest = self._estimator("Classifier", seed).fit(X, Y.argmax(axis=1))
        there = np.eye(Y.shape[1])[forest.classes_]  # a class without examples scores 0
        return forest, [tree.tree_.value[:, 0] @ there for tree in forest.estimators_]

    def _of_tags(self, X: np.ndarray, Y: np.ndarray, seed: int) -> tuple[Any, list[np.ndarray]]:
        target = (Y > 0.5).astype(int)
        one = target.shape[1] == 1  # a vector is wanted
        forest = self._estimator("Classifier", seed).fit(X, target[:, 0] if one else target)
        classes = [forest.classes_] if one else forest.classes_
        # A tag that was constant has one class only.
        yes = [[float(1 in of_tag), of_tag.tolist().index(1) if 1 in of_tag else 0] for of_tag in classes]
        return forest, [
            np.stack([there * tree.tree_.value[:, k, int(at)] for k, (there, at) in enumerate(yes)], axis=1)
            for tree in forest.estimators_
        ]

    def _estimator(self, of: str, seed: int) -> Any:
        from sklearn import ensemble

        make = getattr(ensemble, f"{self.kind}{of}")
        return make(self.n_estimators, random_state=seed, n_jobs=self.n_jobs)

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return self.trees_.mean(self._matrix(examples))

    def predict(self, examples: Examples) -> np.ndarray:
        return self.trees_.mean(self._matrix(examples)) * self.scale_


@dataclass
class RandomForest(_Forest):
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
    kind = "RandomForest"
    cite = (pedregosa,)


@dataclass
class ExtraTrees(_Forest):
    """Extremely randomised trees: each sees all examples, and splits at the best of a few random thresholds.

    Labels are treated as `RandomForest` treats them.

    Parameters
    ----------
    n_estimators : int > 0
        Trees.
    n_jobs : int
        Threads; a case has one, so that cases can run side by side.
    """

    name = "extra-trees"
    kind = "ExtraTrees"
    cite = (geurts, pedregosa)
