"""What the trained networks say of a track's whole patches of three seconds, and the mean over them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track, Weights
from mirstore.core.features import FeatureSet
from mirstore_musicnn.mel import MelMusicnn, frames, hop, patches, sr
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

    def said(self, track: Track, what: Callable[[torch.Tensor], torch.Tensor]) -> list[np.ndarray]:
        """Return what is said of each patch; one at a time, since batches are slower on processors."""
        import torch

        with torch.inference_mode():
            return [what(torch.from_numpy(patch)[None])[0].numpy() for patch in patches(track)]


@dataclass
class _MusiCNN(_Trained):
    """What has MusiCNN."""

    version = 1
    cite = (musicnn, pons)
    needs = tuple(musicnns.values())
    sets = musicnns

    def untrained(self) -> MusiCNN:
        from mirstore_musicnn.net import MusiCNN

        return MusiCNN()


def _tag_columns(weights: str) -> dict[str, Column]:
    return {column(tag): Column(pl.Float32, "", tag, range=(0, 1)) for tag in _tags[weights]}


@dataclass
class MusicnnPatches(_MusiCNN):
    """The 200 numbers from which MusiCNN tells its tags, of each whole patch of 3 s: its layer before the last.

    What is left at the end is not heard. A track that is shorter than a patch fails.

    Parameters
    ----------
    weights : {"msd", "mtt"}
        What the network learned from: the Million Song Dataset, or MagnaTagATune.
    """

    name = "musicnn-patches"
    cost = 0.007
    inputs = ("mel-musicnn",)

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float32, "s", "start of the patch"),
            "embedding": Column(pl.Array(pl.Float32, 200), "", "MusiCNN's layer before the last"),
        }

    def extract(self, track: Track) -> list[Row]:
        each = self.said(track, self.net.embedding)
        return [{"start": number * frames * hop / sr, "embedding": found} for number, found in enumerate(each)]


@dataclass
class MusicnnTags(_MusiCNN):
    """Probabilities of 50 tags by MusiCNN: genres, instruments, voices, moods, decades.

    Each is the mean over the track's whole patches of 3 s; what is left at the end is not heard. A track that is
    shorter than a patch fails.

    Parameters
    ----------
    weights : {"msd", "mtt"}
        What the network learned from, and so which tags there are: the Million Song Dataset with the tags of Last.fm's
        listeners, or MagnaTagATune, whose tags fit classical and folk music better. `MusicnnPatches` with the same
        weights are what it reads: the registry's ``musicnn-tags-mtt`` does.
    """

    name = "musicnn-tags"
    cost = 1e-5
    inputs = ("musicnn-patches",)

    def reads(self) -> dict[str, str | None]:
        heard = {"mel-musicnn": FeatureSet("mel-musicnn", MelMusicnn())}
        return {"musicnn-patches": FeatureSet("musicnn-patches", MusicnnPatches(self.weights), heard).id}

    def columns(self) -> dict[str, Column]:
        return _tag_columns(self.weights)

    def extract(self, track: Track) -> Row:
        import torch

        with torch.inference_mode():
            probabilities = self.net.head(torch.from_numpy(_embeddings(track))).sigmoid().mean(0).numpy()
        return dict(zip(self.columns(), probabilities, strict=True))


@dataclass
class MusicnnEmbedding(Extractor):
    """The 200 numbers from which MusiCNN tells its tags: its layer before the last, for what one wants to learn.

    Each is the mean over the track's whole patches of 3 s; what is left at the end is not heard. A track that is
    shorter than a patch fails.
    """

    name = "musicnn-embedding"
    version = 1
    cost = 1e-5
    cite = (musicnn, pons)
    inputs = ("musicnn-patches",)

    def columns(self) -> dict[str, Column]:
        kind = pl.Array(pl.Float32, 200)
        return {"embedding": Column(kind, "", "MusiCNN's layer before the last, mean over time")}

    def extract(self, track: Track) -> Row:
        return {"embedding": _embeddings(track).mean(0)}


def _embeddings(track: Track) -> np.ndarray:
    """Return those of a track's patches [shape=(n, 200), dtype=float32]."""
    return np.array(track.features("musicnn-patches")["embedding"].to_numpy())


@dataclass
class VggTags(_Trained):
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
    cost = 0.005
    cite = (musicnn, choi)
    inputs = ("mel-musicnn",)
    needs = tuple(vggs.values())
    sets = vggs

    def untrained(self) -> VGG:
        import torch

        from mirstore_musicnn.net import VGG

        net = VGG(pools=self.weights)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time on processors
        return net

    def columns(self) -> dict[str, Column]:
        return _tag_columns(self.weights)

    def extract(self, track: Track) -> Row:
        each = self.said(track, lambda patch: self.net(patch).sigmoid())
        return dict(zip(self.columns(), np.mean(each, axis=0), strict=True))
