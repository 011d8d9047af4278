"""What the trained networks say of a track, as the mean over its whole patches of three seconds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track, Weights
from mirstore_musicnn.mel import patches
from mirstore_musicnn.publications import choi, musicnn, pons
from mirstore_musicnn.tags import column, msd, mtt
from mirstore_musicnn.weights import musicnns, vggs

if TYPE_CHECKING:
    import torch

    from mirstore_musicnn.net import VGG, MusiCNN

_tags = {"msd": msd, "mtt": mtt}


@dataclass
class _Trained(Extractor):
    """What has a network with weights from either collection."""

    inputs = ("mel-musicnn",)
    sets: ClassVar[Mapping[str, Weights]]
    weights: Literal["msd", "mtt"] = "msd"  # type: ignore[assignment]  # whose hash is that of `uses`

    def __post_init__(self) -> None:
        if self.weights not in self.sets:
            raise MirstoreError(f"unknown weights {self.weights!r}", hint=f"known: {', '.join(self.sets)}")

    def uses(self) -> tuple[Weights, ...]:
        return (self.sets[self.weights],)

    @abstractmethod
    def untrained(self) -> MusiCNN | VGG:
        """Return the network with any weights."""

    @cached_property
    def net(self) -> MusiCNN | VGG:
        """The network, which stays as long as the worker."""
        from mirstore_musicnn.net import load

        net, (weights,) = self.untrained(), self.uses()
        load(net, weights.load(), weights.name)
        return net

    def mean(self, track: Track, said: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
        """Return the mean of what is said of each patch; one at a time, since batches are slower on processors."""
        import torch

        with torch.inference_mode():
            each = [said(torch.from_numpy(patch)[None])[0] for patch in patches(track)]
            return torch.stack(each).mean(0).numpy()


@dataclass
class _Tags(_Trained):
    """Probabilities of 50 tags, each the column that is called by it."""

    def columns(self) -> dict[str, Column]:
        return {column(tag): Column(pl.Float32, "", tag, range=(0, 1)) for tag in _tags[self.weights]}

    def extract(self, track: Track) -> Row:
        probabilities = self.mean(track, lambda patch: self.net(patch).sigmoid())
        return dict(zip(self.columns(), probabilities, strict=True))


@dataclass
class MusicnnTags(_Tags):
    """Probabilities of 50 tags by MusiCNN: genres, instruments, voices, moods, decades.

    Each is the mean over the track's whole patches of 3 s; what is left at the end is not heard. A track that is
    shorter than a patch fails.

    Parameters
    ----------
    weights : {"msd", "mtt"}
        What the network learned from, and so which tags there are: the Million Song Dataset with the tags of Last.fm's
        listeners, or MagnaTagATune, whose tags fit classical and folk music better.
    """

    name = "musicnn-tags"
    version = 1
    cost = 0.007
    cite = (musicnn, pons)
    needs = tuple(musicnns.values())
    sets = musicnns

    def untrained(self) -> MusiCNN:
        from mirstore_musicnn.net import MusiCNN

        return MusiCNN()


@dataclass
class MusicnnEmbedding(MusicnnTags):
    """The 200 numbers from which MusiCNN tells its tags: its layer before the last, for what one wants to learn.

    Each is the mean over the track's whole patches of 3 s; what is left at the end is not heard. A track that is
    shorter than a patch fails.

    Parameters
    ----------
    weights : {"msd", "mtt"}
        What the network learned from: the Million Song Dataset, or MagnaTagATune.
    """

    name = "musicnn-embedding"

    def columns(self) -> dict[str, Column]:
        kind = pl.Array(pl.Float32, 200)
        return {"embedding": Column(kind, "", "MusiCNN's layer before the last, mean over time")}

    def extract(self, track: Track) -> Row:
        return {"embedding": self.mean(track, self.net.embedding)}


@dataclass
class VggTags(_Tags):
    """Probabilities of 50 tags by a VGG: genres, instruments, voices, moods, decades.

    Each is the mean over the track's whole patches of 3 s; what is left at the end is not heard. A track that is
    shorter than a patch fails. The musicnn package builds the network of ``"msd"`` with other pools than it learned
    with, so that its tags differ; these are those of the published graph.

    Parameters
    ----------
    weights : {"msd", "mtt"}
        What the network learned from, and so which tags there are: the Million Song Dataset with the tags of Last.fm's
        listeners, or MagnaTagATune, whose tags fit classical and folk music better.
    """

    name = "vgg-tags"
    version = 1
    cost = 0.0075
    cite = (musicnn, choi)
    needs = tuple(vggs.values())
    sets = vggs

    def untrained(self) -> VGG:
        import torch

        from mirstore_musicnn.net import VGG

        net = VGG(pools=self.weights)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time on processors
        return net
