"""What all models made of trees have in common: which columns they see, what these are worth, how they are kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from mirstore.core import Examples, Model, load_state, save_state
from mirstore_baselines.trees import Trees


@dataclass
class TreeModel(Model):
    """A model whose trees are plain arrays once it is fitted."""

    tabular = True
    learned: ClassVar[tuple[str, ...]] = ("groups", "columns", "table", "importances")
    """What is kept beside the trees; as attributes with an underscore behind."""

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.groups_ = {name: list(members) for name, members in groups.items()}
        grouped = {column for members in self.groups_.values() for column in members}
        self.table_ = list(examples.table.columns)
        self.columns_ = [column for column in self.table_ if column in grouped]
        self.trees_, self.importances_ = self._grow(self._matrix(examples), examples, seed)
        return self

    @abstractmethod
    def _grow(self, X: np.ndarray, examples: Examples, seed: int) -> tuple[Trees, np.ndarray]:
        """Return trees and how much each column lessens impurity [shape=(d,)], or that per label [shape=(k, d)]."""

    def _matrix(self, examples: Examples) -> np.ndarray:
        return examples.table.select(self.columns_).to_numpy()

    def group_importances(self) -> dict[str, float]:
        """Return the summed impurity decrease of each group's columns."""
        of_column = dict(zip(self.columns_, np.atleast_2d(self.importances_).sum(axis=0), strict=True))
        shares = {name: float(sum(of_column[c] for c in members)) for name, members in self.groups_.items()}
        total = sum(shares.values())
        return {name: share / total if total else 1 / len(shares) for name, share in shares.items()}

    def column_weights(self) -> np.ndarray:
        """Return the impurity decrease of each column; it has no sign, and is the same for all labels of one forest."""
        at = [self.table_.index(column) for column in self.columns_]
        weights = np.zeros((self.trees_.value.shape[1], len(self.table_)))
        weights[:, at] = self.importances_
        return weights

    def save(self, folder: Path) -> None:
        save_state(folder, **{name: getattr(self, f"{name}_") for name in self.learned}, **vars(self.trees_))

    def load(self, folder: Path) -> Self:
        state = load_state(folder)
        state.setdefault("table", state["columns"])  # forests were once kept without it
        for name in self.learned:
            setattr(self, f"{name}_", state.pop(name))
        self.trees_ = Trees(**state)
        return self
