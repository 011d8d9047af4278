"""Models, a grouper and a smoother that behave, raise, abort and give nonsense."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mirstore.core import Examples, Grouper, Importance, Model, Smoother, hookimpl


@dataclass
class Centroid(Model):
    """Scores by the distance to the mean of each class."""

    name = "centroid"
    role = "signed"
    tabular = True
    cite = ("@book{nearest-mean}",)
    behaviour: str = "good"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Centroid:
        X, Y = examples.table.to_numpy(), np.asarray(examples.labels)
        if self.behaviour == "raises":
            raise ZeroDivisionError("no luck today")
        if self.behaviour == "exits":
            raise SystemExit(0)
        if self.behaviour == "aborts":
            os.abort()
        if self.behaviour in ("slow", "hangs"):
            time.sleep(1.0 if self.behaviour == "slow" else 600.0)
        self.columns, self.groups = examples.table.columns, {name: list(members) for name, members in groups.items()}
        self.means = (Y.T @ X) / np.maximum(Y.sum(axis=0), 1e-9)[:, None]
        return self

    def _parts(self, examples: Examples) -> np.ndarray:
        squares = (examples.table.to_numpy()[:, None, :] - self.means) ** 2
        at = {column: i for i, column in enumerate(self.columns)}
        return -np.stack([squares[..., [at[c] for c in m]].sum(axis=-1) for m in self.groups.values()], axis=-1)

    def predict_proba(self, examples: Examples) -> np.ndarray:
        scores = 1 / (1 - self._parts(examples).sum(axis=-1))
        return scores * np.nan if self.behaviour == "nonsense" else scores

    def group_importances(self) -> dict[str, float]:
        spread = self.means.var(axis=0)
        at = {column: i for i, column in enumerate(self.columns)}
        shares = {name: float(sum(spread[at[c]] for c in members)) for name, members in self.groups.items()}
        total = (sum(shares.values()) or 1.0) * (np.nan if self.behaviour == "nan shares" else 1.0)
        return {name: share / total for name, share in shares.items()}

    def importances(self) -> list[Importance]:
        return [Importance("columns", None, name, float(len(members))) for name, members in self.groups.items()]

    def column_weights(self) -> np.ndarray:
        return self.means

    def contributions(self, examples: Examples) -> np.ndarray:
        return self._parts(examples)


@dataclass
class Witness(Model):
    """Says what it was given: the seed as the share of the first group, the spread of its table in its weights."""

    name = "witness"
    tabular = True

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Witness:
        X = examples.table.to_numpy()
        if np.abs(X.mean(axis=0)).max() > 1e-9 or np.abs(X.std(axis=0) - 1).max() > 1e-9:
            raise AssertionError("the table is not scaled by what is learned from")
        first = np.asarray(examples.labels).argmax(axis=1)
        assert examples.units is not None
        for unit in set(examples.units.tolist()):  # each artist of the test data keeps to one genre
            if len(set(first[examples.units == unit].tolist())) > 1:
                raise AssertionError("units and labels are not those of the same rows")
        self.k, self.seed, self.groups = len(examples.classes), seed, list(groups)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.full((examples.table.height, self.k), 1 / self.k)

    def group_importances(self) -> dict[str, float]:
        share = 0.01 * self.seed
        return dict(zip(self.groups, [share, 1 - share], strict=True))


@dataclass
class Halves(Grouper):
    """The first half of the columns and the rest."""

    name = "halves"

    def group(self, columns: Sequence[str]) -> dict[str, list[str]]:
        middle = len(columns) // 2
        return {"first": list(columns[:middle]), "rest": list(columns[middle:])}


@dataclass
class Flat(Smoother):
    """Moves a tenth of each label to all classes."""

    name = "flat"

    def smooth(self, X: np.ndarray, Y: np.ndarray, seed: int) -> np.ndarray:
        return 0.9 * Y + 0.1 / Y.shape[1]


@hookimpl
def register_models() -> list[type[Model]]:
    return [Centroid, Witness]


@hookimpl
def register_groupers() -> list[type[Grouper]]:
    return [Halves]


@hookimpl
def register_smoothers() -> list[type[Smoother]]:
    return [Flat]
