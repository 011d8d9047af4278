"""A network that tells classes or tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mirstore.core.models import Examples
from mirstore.core.nets.losses import absolute_error, cross_entropy, of_tags
from mirstore.core.nets.model import Network

if TYPE_CHECKING:
    from mirstore.core.nets.descent import Loss


@dataclass
class Classifier(Network):
    """A network whose outputs are logits of classes or tags.

    Parameters
    ----------
    error : {"cross-entropy", "absolute"}
        What it makes small where an example has one class: cross-entropy, or the mean absolute difference of
        distributions, by which Buisson et al. learn smoothed labels. Tags are learned by the cross-entropy of each.
    """

    error: Literal["cross-entropy", "absolute"] = "cross-entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.error not in ("cross-entropy", "absolute"):
            raise ValueError(f"error must be 'cross-entropy' or 'absolute', got {self.error!r}")

    def loss(self, examples: Examples) -> Loss:
        """Return what it makes small; see `Network.loss`."""
        if not examples.exclusive:
            return of_tags
        return absolute_error if self.error == "absolute" else cross_entropy

    def predict_proba(self, examples: Examples) -> np.ndarray:
        """Return a probability per class or tag; see `Model.predict_proba`."""
        logits = self.outputs(examples)
        if not examples.exclusive:
            return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
