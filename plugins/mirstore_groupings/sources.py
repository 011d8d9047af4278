"""Groups by where columns come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mirstore.core import Grouper


@dataclass
class FeatureSets(Grouper):
    """A group for each feature set: how much is learned from one, and how much from another.

    Examples
    --------
    >>> FeatureSets().group(["essentia.bpm", "musicnn-tags.rock", "essentia.loudness"])
    {'essentia': ['essentia.bpm', 'essentia.loudness'], 'musicnn-tags': ['musicnn-tags.rock']}
    """

    name = "feature-sets"

    def group(self, columns: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for column in columns:
            found.setdefault(column.partition(".")[0], []).append(column)
        return found
