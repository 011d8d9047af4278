"""Groups by chance.

Examples
--------
>>> groups = Random(groups=2).group(["a.x", "a.y", "b.z"])
>>> {name: len(columns) for name, columns in groups.items()}
{'random_1': 2, 'random_2': 1}
>>> groups == Random(groups=2).group(["b.z", "a.y", "a.x"])
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mirstore.core import Grouper


@dataclass
class Random(Grouper):
    """Columns dealt out by chance, as evenly as possible: what a grouping without meaning looks like.

    Parameters
    ----------
    groups : int > 0
        SAMAT compares with five.
    seed : int >= 0
        The draw depends on it and on the columns' names, not on their order.
    """

    name = "random"
    by_chance = True
    groups: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise ValueError(f"groups must be at least 1, got {self.groups}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")

    def group(self, columns: Sequence[str]) -> dict[str, list[str]]:
        shuffled = np.random.default_rng(self.seed).permutation(sorted(columns))
        parts = np.array_split(shuffled, min(self.groups, len(columns)) or 1)
        return {f"random_{i}": [str(c) for c in part] for i, part in enumerate(parts, 1) if len(part)}
