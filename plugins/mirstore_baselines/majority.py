"""The floor: what one gets without listening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mirstore.core import Examples, Model


@dataclass
class Majority(Model):
    """Scores every example by how common each class is in training."""

    name = "majority"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.prior_ = np.asarray(examples.labels).mean(axis=0)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.tile(self.prior_, (examples.table.height, 1))

    def group_importances(self) -> dict[str, float]:
        """Return nothing: it uses no feature."""
        return {}
