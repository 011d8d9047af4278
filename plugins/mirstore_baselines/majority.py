"""The floors: what one gets without listening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mirstore.core import Examples, Model, load_state, save_state


@dataclass
class Majority(Model):
    """Scores every example by how common each class is in training."""

    name = "majority"
    role = "floor"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.prior_ = np.asarray(examples.labels).mean(axis=0)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.tile(self.prior_, (len(examples), 1))

    def save(self, folder: Path) -> None:
        save_state(folder, prior=self.prior_)

    def load(self, folder: Path) -> Self:
        self.prior_ = load_state(folder)["prior"]
        return self


@dataclass
class Mean(Model):
    """Predicts the mean of each target in training."""

    name = "mean-value"
    role = "floor"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.mean_ = np.asarray(examples.labels, dtype=np.float64).mean(axis=0)
        return self

    def predict(self, examples: Examples) -> np.ndarray:
        return np.tile(self.mean_, (len(examples), 1))

    def save(self, folder: Path) -> None:
        save_state(folder, mean=self.mean_)

    def load(self, folder: Path) -> Self:
        self.mean_ = load_state(folder)["mean"]
        return self
