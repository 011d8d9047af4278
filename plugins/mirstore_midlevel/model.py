"""The network as a model: what goes in is scaled per coefficient, what comes out are numbers in the targets' units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mirstore.core import Examples
from mirstore.core.nets.batches import Scale
from mirstore.core.nets.model import Network
from mirstore_midlevel.net import smallest, vgg
from mirstore_midlevel.publications import aljanaki, chowdhury

if TYPE_CHECKING:
    from torch import nn

    from mirstore.core.nets.descent import Loss


@dataclass
class MidlevelNet(Network):
    """Numbers such as ratings of mid-level perception, from one matrix per track: MFCC, coefficients by frames.

    The network is that of Chowdhury et al. (2019), on MFCC as Patakis et al. use it. It stops by tracks of artists that
    it does not learn from: the validation part of a published split, or some that are set aside here.

    Parameters
    ----------
    width : float > 0
        Of all layers, as a multiple of the published network: 1 is 3.9 million weights, 0.25 is 0.25 million.
    last_kernel : int
        Side of the last convolution: 1, or 3 as some implementations have it.
    """

    name = "midlevel-net"
    cite = (chowdhury, aljanaki)
    hears = MappingProxyType({"MFCC by frames": (None, None)})
    width: float = 0.25
    last_kernel: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.width > 0:
            raise ValueError("width is above 0")
        if self.last_kernel not in (1, 3):
            raise ValueError("last_kernel is 1 or 3")

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> nn.Module:
        (shape,) = shapes
        if len(shape) != 2 or min(shape) < smallest:
            raise ValueError(f"it reads matrices of {smallest} coefficients and frames or more, and is given {shape}")
        return vgg(outputs, self.width, self.last_kernel)

    def loss(self, examples: Examples) -> Loss:
        from torch.nn.functional import mse_loss

        return mse_loss

    def prepare(self, examples: Examples, groups: Mapping[str, Sequence[str]], learned: np.ndarray) -> None:
        labels = np.asarray(examples.labels, dtype=np.float64)
        if not np.isfinite(labels).all():
            raise ValueError("some targets are no finite numbers: it learns from tracks that have all of them")
        self.targets_ = Scale.of_columns(labels[learned])
        super().prepare(examples, groups, learned)

    def wanted(self, examples: Examples) -> np.ndarray:
        return (super().wanted(examples) - self.targets_.means) / self.targets_.deviations

    def predict(self, examples: Examples) -> np.ndarray:
        return self.outputs(examples) * self.targets_.deviations + self.targets_.means

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "target_means": self.targets_.means,
            "target_deviations": self.targets_.deviations,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self.targets_ = Scale(state["target_means"], state["target_deviations"])
