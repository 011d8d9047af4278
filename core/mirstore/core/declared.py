"""Feature sets of which a worker reads values only: their declarations, without the plugin behind them.

A worker imports what it runs. What it reads may come from a plugin that its interpreter does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mirstore.core.columns import Column, Row
from mirstore.core.components import Extractor
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import Isolated

if TYPE_CHECKING:
    from mirstore.core.tracks import Track


@dataclass
class Declared(Extractor):
    """Stands for an extractor that runs elsewhere."""

    name = "declared"

    def columns(self) -> Mapping[str, Column]:
        """Refuse: its feature set knows them."""
        raise TypeError("the feature set knows its columns")

    def extract(self, track: Track) -> Row:
        """Refuse."""
        raise TypeError("it runs elsewhere")


def declared(feature: FeatureSet) -> FeatureSet:
    """Return a feature set with its name, id and columns, and nothing else.

    Parameters
    ----------
    feature : FeatureSet
    """
    return _known(FeatureSet(feature.name, Declared()), feature)


def computed(feature: FeatureSet) -> FeatureSet:
    """Return a feature set as a worker that computes it must have it: what it reads is declared.

    Parameters
    ----------
    feature : FeatureSet
    """
    inputs = {name: declared(source) for name, source in feature.inputs.items()}
    extractor = feature.extractor
    extractor = extractor.there if isinstance(extractor, Isolated) else extractor
    return _known(replace(feature, extractor=extractor, inputs=inputs), feature)


def _known(made: FeatureSet, feature: FeatureSet) -> FeatureSet:
    vars(made).update(id=feature.id, columns=feature.columns)  # cached properties, which cannot be worked out any more
    return made
