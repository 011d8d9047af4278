"""The card of a kept model: what decides its predictions, and what a person wants to know of it."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mirstore.core.experiment_entries import ChunkEntry
from mirstore.core.features import canonical_json


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Learned(_Part):
    """What decides the predictions.

    Attributes
    ----------
    component : str
        Of the model: ``ridge@1``.
    params : dict
    features : dict
        Name, as it stands in ``columns``, to the id of the feature set.
    columns : tuple of str
        Numbers that were learned from, qualified as ``featureset.column``, in this order.
    tensors : dict
        Tensors that were learned from, with their hop [s].
    chunk : ChunkEntry or None
        How tensors are cut.
    classes : tuple of str
        Or targets, if ``numeric``.
    exclusive, numeric : bool
        As in `mirstore.core.Examples`.
    files : dict
        Path below the artifact's folder to SHA-256: all files but the card.
    """

    component: str
    params: dict[str, Any]
    features: dict[str, str]
    columns: tuple[str, ...]
    tensors: dict[str, float | None]
    chunk: ChunkEntry | None
    classes: tuple[str, ...]
    exclusive: bool
    numeric: bool
    files: dict[str, str]

    @property
    def name(self) -> str:
        """Name of the model's component, without its version."""
        return self.component.partition("@")[0]

    @property
    def sha256(self) -> str:
        """Hash of all this: what a feature set's identity knows of the model."""
        return hashlib.sha256(canonical_json(self.model_dump()).encode()).hexdigest()


class Definition(_Part):
    """What a feature set is, by which it can be computed elsewhere: as in `FeatureSet.definition`."""

    extractor: str
    params: dict[str, Any]
    inputs: dict[str, str]
    weights: str | None


class Data(_Part):
    """What was learned from: tracks of a dataset with a label set, and a checksum of all that is in them."""

    dataset: str
    labels: str
    tracks: int
    licence: str | None
    sha256: str


class Score(_Part):
    """A metric's mean over the folds of the finished run of the same case, with its 95 % interval."""

    mean: float
    low: float | None
    high: float | None


class Card(_Part):
    """All that is known of a kept model, without times and places: the same training gives the same card.

    Attributes
    ----------
    learned : Learned
    definitions : dict
        Id to definition, of all feature sets that are read, and of what these read; not of imported ones.
    experiment : str
    case : dict
        What it is made of, by name.
    data : Data
    split : dict
        The task: how its tracks are split and what is measured.
    smoothing : dict or None
        The smoother of the labels, with its parameters and columns.
    seed : int
    scores : dict or None
        Metric to score; None if the case had no finished run.
    licence : str or None
        Of the model, as its maker says; None if nothing was said.
    distributions : dict
        Name to version, of what fitted it.
    """

    version: Literal[1] = Field(1, alias="schema")
    learned: Learned
    definitions: dict[str, Definition]
    experiment: str
    case: dict[str, Any]
    data: Data
    split: dict[str, Any]
    smoothing: dict[str, Any] | None
    seed: int
    scores: dict[str, Score] | None
    licence: str | None
    distributions: dict[str, str]

    def text(self) -> str:
        """Return it as JSON."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"
