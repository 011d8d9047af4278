"""Both networks as models: from scratch, or from published weights, of which the last layer is replaced."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np

from mirstore.core import Training, Weights
from mirstore.core.nets.batches import Part, Table
from mirstore.core.nets.classifier import Classifier
from mirstore.core.nets.descent import descend, memory_for, processor, repeatable
from mirstore_musicnn.mel import bands, frames
from mirstore_musicnn.pools import published
from mirstore_musicnn.publications import choi, musicnn, pons
from mirstore_musicnn.weights import musicnns, vggs

if TYPE_CHECKING:
    from mirstore.core.nets.descent import Loss
    from mirstore_musicnn.net import VGG, MusiCNN


@dataclass
class _OfPatches(Classifier):
    """Classes or tags of patches of 3 s, by a network that may have learned other tags before."""

    hears = MappingProxyType({"mel-musicnn cut by chunk = { seconds = 2.992 }": (bands, frames)})
    scaled = False  # a normalisation is the first layer
    sets: ClassVar[Mapping[str, Weights]]
    epochs: int = 100
    patience: int | None = None
    batch: int = 32
    width: float = 1.0
    weights: Literal["msd", "mtt"] | None = None
    freeze: Literal["none", "trunk"] = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks = {
            f"weights are one of {', '.join(self.sets)}, or left out": self.weights in (None, *self.sets),
            "freeze is 'none' or 'trunk'": self.freeze in ("none", "trunk"),
            "width is above 0": self.width > 0,
            "weights are those of width 1": not self.weights or self.width == 1,
            "a trunk that does not learn needs weights": self.freeze == "none" or self.weights,
        }
        for rule, holds in checks.items():
            if not holds:
                raise ValueError(rule)

    def uses(self) -> tuple[Weights, ...]:
        return (self.sets[self.weights],) if self.weights else ()

    @abstractmethod
    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> MusiCNN | VGG:
        """Return the network as it is without any weights."""

    def learn(self, train: Part, validation: Part | None, loss: Loss, seed: int, context: Training | None) -> None:
        from torch import nn

        from mirstore_musicnn.net import adopt

        net = cast("MusiCNN | VGG", self.net_)
        for weights in self.uses():
            adopt(net, weights.load(), weights.name)
        if self.freeze == "none":
            super().learn(train, validation, loss, seed, context)
            return
        with memory_for(1), repeatable(exact=True):
            net.to(processor())
            train, validation = _embedded(net, train), validation and _embedded(net, validation)
        net.to("cpu")
        head = nn.Sequential(net.dropout, net.head)
        descend(head, loss, train, validation, self.plan, seed, context)


def _embedded(net: MusiCNN | VGG, part: Part) -> Part:
    """Return a part that has the layer before the last as what goes in; one by one, as in predictions."""
    import torch

    with torch.inference_mode():
        patches = (part.inputs.read(row)[0].to(processor()) for row in part.rows[:, None])
        embeddings = np.concatenate([net.embedding(patch).cpu().numpy() for patch in patches])
    return Part(Table(embeddings), part.wanted[part.rows], np.arange(len(part)))


@dataclass
class MusicnnModel(_OfPatches):
    """Classes or tags by MusiCNN: from scratch, or by transfer from what it has learned of 50 tags.

    It hears ``mel-musicnn`` in patches of 187 frames: an experiment has ``chunk = { seconds = 2.992 }``, and a track is
    what most of its patches are. A clip that is shorter has no patch, and is left out.

    Parameters
    ----------
    width : float > 0
        Of all layers, as a multiple of the published network: 1 is 0.79 million weights, which is much for processors;
        0.25 takes about a quarter of the time.
    weights : {"msd", "mtt"}, optional
        What it begins with, but for the last layer: `mirstore weights fetch musicnn-msd`, or ``musicnn-mtt``. None: it
        learns from scratch.
    freeze : {"none", "trunk"}
        What of it stays as it was. With ``"trunk"`` only the last layer learns, from an embedding of each patch that is
        computed once per fit: 150 epochs take little longer than one.
    """

    name = "musicnn"
    cite = (musicnn, pons)
    channels_last = False  # its kernels have up to 469 pixels
    needs = tuple(musicnns.values())
    sets = musicnns

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> MusiCNN:
        from mirstore_musicnn.net import MusiCNN

        return MusiCNN(outputs, self.width)


@dataclass
class VggModel(_OfPatches):
    """Classes or tags by a VGG: from scratch, or by transfer from what it has learned of 50 tags.

    It hears ``mel-musicnn`` in patches of 187 frames: an experiment has ``chunk = { seconds = 2.992 }``, and a track is
    what most of its patches are. A clip that is shorter has no patch, and is left out.

    Parameters
    ----------
    width : float > 0
        Of all layers, as a multiple of the published network: 1 is 0.61 million weights, which is much for processors;
        0.25 takes about an eighth of the time.
    weights : {"msd", "mtt"}, optional
        What it begins with, but for the last layer: `mirstore weights fetch vgg-msd`, or ``vgg-mtt``. None: it learns
        from scratch.
    freeze : {"none", "trunk"}
        What of it stays as it was; see `MusicnnModel`.
    pools : {"mtt", "msd"}, optional
        By which of the two published networks its maps become smaller. None: by that of the weights, and from scratch
        as Choi et al. and the one of ``"mtt"`` do.
    """

    name = "vgg"
    cite = (musicnn, choi)
    needs = tuple(vggs.values())
    sets = vggs
    pools: Literal["mtt", "msd"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pools not in (None, *published):
            raise ValueError(f"pools are one of {', '.join(published)}, or left out")
        if self.weights and self.pools not in (None, self.weights):
            raise ValueError(f"the weights {self.weights!r} were learned with other pools than {self.pools!r}")

    def untrained(self, shapes: Sequence[tuple[int, ...]], outputs: int) -> VGG:
        from mirstore_musicnn.net import VGG

        return VGG(outputs, self.pools or self.weights or "mtt", self.width)

    def restore(self, state: Mapping[str, Any]) -> None:
        kept, ours = state.get("net.pools"), self.untrained((), 1).pools.numpy()
        if kept is not None and not np.array_equal(kept, ours):
            raise ValueError("the weights were learned with other pools: they fit and say wrong")
        super().restore(state)
