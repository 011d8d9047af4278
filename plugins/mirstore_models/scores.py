"""The scores of a kept model, as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.errors import ConfigError
from mirstore_models.names import column_names

if TYPE_CHECKING:
    from mirstore.core.artifacts.files import Artifact
    from mirstore.core.experiments.fitted import Fitted


@dataclass
class ModelScores(Extractor):
    """What a kept model predicts of a track: a score per class, or a value per target.

    It reads the very feature sets that the model learned from, scales them as they were scaled, and votes over rows and
    chunks as the experiment did. A track that the model cannot predict has no row.

    Parameters
    ----------
    artifact : str
        The model's folder; in the registry its name, or the first letters of its hash. What stands in the identity is
        the hash of what it learned.
    """

    name = "model"
    cost = 1e-4  # of a forest; a net's is its own, and the store's records say it after the first tracks
    artifact: str = field(default="", compare=False, metadata={"kept_model": True})

    @cached_property
    def _kept(self) -> Artifact:
        from mirstore.core.artifacts.files import Artifact
        from mirstore.core.plugins import Plugins

        if not self.artifact:
            raise ConfigError(
                "extractor 'model' needs a kept model",
                hint='params = { artifact = "NAME" }; mirstore models list has them',
            )
        found = Artifact.read(Path(self.artifact))
        found.model(Plugins.installed())  # or say at once what is missing
        return found

    @cached_property
    def _fitted(self) -> Fitted:
        from mirstore.core.plugins import Plugins

        return self._kept.fitted(Plugins.installed())

    @property
    def _names(self) -> dict[str, str]:
        return column_names(self._kept.card.learned.classes)

    def reads(self) -> Mapping[str, str | None]:
        return self._kept.card.learned.features if self.artifact else {}

    def weights(self) -> str:
        return self._kept.card.learned.sha256

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        card = self._kept.card
        learned = card.learned
        names, where = self._names, f"{learned.name} learned from {card.data.dataset}"
        if learned.numeric:
            texts = {label: f"{label} as {where} predicts it" for label in learned.classes}
        else:
            texts = {label: f"how much {label} ({card.data.labels}) it is, as {where} scores it" for label in names}
        ends = None if learned.numeric else (0, 1)
        return {names[label]: Column(pl.Float64, "", texts[label], range=ends) for label in learned.classes}

    def extract(self, track: Track) -> Row | Sequence[Row]:
        scores = self._fitted.scores_of_track({name: track.features(name) for name in self.reads()})
        return [] if scores is None else dict(zip(self._names.values(), scores.tolist(), strict=True))
