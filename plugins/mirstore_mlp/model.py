"""A multilayer perceptron, which learns classes, tags, or the distributions that a smoother makes of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mirstore.core import Examples
from mirstore.core.nets.batches import Table
from mirstore.core.nets.classifier import Classifier

if TYPE_CHECKING:
    from torch import nn


@dataclass
class MLP(Classifier):
    """Classes or tags from numbers, by a network with one hidden layer.

    It learns from label distributions as they are, which most models for tables cannot. By default it learns for a
    fixed number of epochs, as Buisson et al. do; with a patience it stops by artists that are set aside.

    Parameters
    ----------
    hidden : int > 0
        Units of the hidden layer.
    dropout : float in [0, 1)
        Share of them that is left out in each step of learning.
    """

    name = "mlp"
    tabular = True
    epochs: int = 200
    patience: int | None = None
    batch: int = 32
    hidden: int = 100
    dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden < 1 or not 0 <= self.dropout < 1:
            raise ValueError("hidden is 1 or more, dropout at least 0 and below 1")

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> nn.Module:
        from torch import nn

        ((columns,),) = shapes
        hidden = nn.Linear(columns, self.hidden)
        return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(self.hidden, outputs))

    def prepare(self, examples: Examples, groups: Mapping[str, Sequence[str]], learned: np.ndarray) -> None:
        grouped = {column for members in groups.values() for column in members}
        self.columns_ = [column for column in examples.table.columns if column in grouped]
        self.shapes_, self.scales_ = [(len(self.columns_),)], [None]

    def inputs(self, examples: Examples) -> Table:
        return Table(examples.table.select(self.columns_).to_numpy())
