"""MusiCNN and VGG as torch modules.

Both hear patches [shape=(n, 96, 187)] of ``mel-musicnn``, bands by frames, and say a logit per tag [shape=(n, tags)].
Layers are those of the published TensorFlow graphs: convolution, ReLU, and normalisation after it. There, and so in the
kernels, frames come before bands.
"""
# ruff: noqa: TID253 (this module is loaded when a network is asked for: its base classes are torch's)

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import nn

from mirstore.core import MirstoreError
from mirstore_musicnn.pools import published

_norm = (1e-3, 0.01)  # epsilon and momentum
_kernels = ((7, 38), (7, 67), (128, 1), (64, 1), (32, 1))  # frames by bands: two of timbre, three of time
_filters = (204, 204, 51, 51, 51)


def _block(pad: nn.Module, convolution: nn.Module, norm: nn.Module) -> nn.Sequential:
    layers = {"pad": pad, "convolution": convolution, "relu": nn.ReLU(), "norm": norm}
    return nn.Sequential(OrderedDict(layers))


def _front(kernel: tuple[int, int], filters: int) -> nn.Sequential:
    """Return a convolution that keeps all frames; of an even kernel, the longer side is after."""
    pad = nn.ZeroPad2d((0, 0, (kernel[0] - 1) // 2, kernel[0] // 2))
    return _block(pad, nn.Conv2d(1, filters, kernel), nn.BatchNorm2d(filters, *_norm))


def _middle(channels: int, filters: int) -> nn.Sequential:
    return _block(nn.ConstantPad1d(3, 0.0), nn.Conv1d(channels, filters, 7), nn.BatchNorm1d(filters, *_norm))


def _times(width: float, units: int) -> int:
    return max(1, round(width * units))


def _untrained(layer: nn.Module) -> None:
    """Begin as the published networks did: uniformly after Glorot, and without a bias."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(cast("torch.Tensor", layer.bias))


def _image(patches: torch.Tensor) -> torch.Tensor:
    """Return patches as images of one channel, frames by bands [shape=(n, 1, frames, bands)]."""
    return patches.mT[:, None].contiguous()


class MusiCNN(nn.Module):
    """The network of Pons and Serra, which looks for timbres and for temporal patterns apart from each other.

    Parameters
    ----------
    outputs : int > 0
    width : float > 0
        Of all layers, as a multiple of the published network.

    Examples
    --------
    >>> sum(weights.numel() for weights in MusiCNN().parameters())
    787159
    """

    def __init__(self, outputs: int = 50, width: float = 1.0) -> None:
        super().__init__()
        filters = [_times(width, each) for each in _filters]
        heard, middle, dense = sum(filters), _times(width, 64), _times(width, 200)
        self.input = nn.BatchNorm2d(1, *_norm)
        self.front = nn.ModuleList(map(_front, _kernels, filters))
        self.middle = nn.ModuleList(_middle(channels, middle) for channels in (heard, middle, middle))
        pooled = 2 * (heard + 3 * middle)
        self.pooled = nn.BatchNorm1d(pooled, *_norm)
        self.dense = nn.Linear(pooled, dense)
        self.norm = nn.BatchNorm1d(dense, *_norm)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(dense, outputs)
        self.apply(_untrained)

    def embedding(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the layer before the last [shape=(n, 200)].

        Parameters
        ----------
        patches : torch.Tensor [shape=(n, 96, frames)]
        """
        x = self.input(_image(patches))  # (n, 1, frames, bands)
        front = torch.cat([block(x).amax(3) for block in self.front], 1)  # (n, 561, frames)
        first, second, third = self.middle
        one = first(front)
        two = second(one) + one
        three = third(two) + two
        maps = torch.cat([front, one, two, three], 1)
        pooled = torch.stack([maps.amax(2), maps.mean(2)], 2).flatten(1)  # maximum and mean of a channel, then the next
        return self.norm(torch.relu(self.dense(self.dropout(self.pooled(pooled)))))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return logits.

        Parameters
        ----------
        patches : torch.Tensor [shape=(n, 96, frames)]
        """
        return self.head(self.dropout(self.embedding(patches)))


class VGG(nn.Module):
    """Five convolutions of 3 × 3, as Choi et al. have it; it hears 187 frames, no more and no less.

    Parameters
    ----------
    outputs : int > 0
    pools : {"msd", "mtt"}
        By which of the two published networks its maps become smaller.
    width : float > 0
        Of all layers, as a multiple of the published network.

    Examples
    --------
    >>> sum(weights.numel() for weights in VGG().parameters())
    605748
    """

    pools: torch.Tensor

    def __init__(self, outputs: int = 50, pools: str = "msd", width: float = 1.0) -> None:
        super().__init__()
        filters = _times(width, 128)
        self.register_buffer("pools", torch.tensor(published[pools]))  # kept with the weights, which fit both
        self.input = nn.BatchNorm2d(1, *_norm)
        self.blocks = nn.ModuleList(self._block(channels, filters) for channels in (1, *[filters] * 4))
        self.shrinking = nn.ModuleList(nn.MaxPool2d(size, step) for size, step in published[pools])
        self.between = nn.Dropout(0.25)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(2 * filters, outputs)
        self.apply(_untrained)

    @staticmethod
    def _block(channels: int, filters: int) -> nn.Sequential:
        return _block(nn.ZeroPad2d(1), nn.Conv2d(channels, filters, 3), nn.BatchNorm2d(filters, *_norm))

    def embedding(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the layer before the last [shape=(n, 256)].

        Parameters
        ----------
        patches : torch.Tensor [shape=(n, 96, 187)]
        """
        x = self.input(_image(patches))
        for block, shrink in zip(self.blocks, self.shrinking, strict=True):
            x = shrink(block(self.between(x) if block is not self.blocks[0] else x))
        return x.permute(0, 2, 3, 1).flatten(1)  # (n, 128, 2, 1): all channels of the first half, then of the second

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return logits.

        Parameters
        ----------
        patches : torch.Tensor [shape=(n, 96, 187)]
        """
        return self.head(self.dropout(self.embedding(patches)))


def load(net: nn.Module, arrays: Mapping[str, np.ndarray], name: str) -> None:
    """Give a network its weights, and have it no longer learn.

    Parameters
    ----------
    net : MusiCNN or VGG
    arrays : Mapping of str to np.ndarray
        All of its layers.
    name : str
        What they are called, for messages.

    Raises
    ------
    MirstoreError
        If they are of another network, or of one with other pools.
    """
    state = {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
    ours = {key: value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    kind = type(net).__name__
    for key in sorted(ours.keys() | state.keys()):
        found, wanted = (list(of[key].shape) if key in of else None for of in (state, ours))
        if found != wanted:
            says = f"{key} has the shape {found}, not {wanted}" if found and wanted else f"only one of both has {key}"
            raise MirstoreError(f"weights {name!r} are not those of this {kind}: {says}", hint=_hint)
    if "pools" in ours and not torch.equal(state["pools"], ours["pools"]):
        raise MirstoreError(
            f"weights {name!r} are those of a {kind} with other pools: they fit and say wrong", hint=_hint
        )
    net.load_state_dict(state)
    net.eval()


def adopt(net: MusiCNN | VGG, arrays: Mapping[str, np.ndarray], name: str) -> None:
    """Give a network the weights of another that tells other tags: all but those of its last layer.

    Parameters
    ----------
    net : MusiCNN or VGG
    arrays : Mapping of str to np.ndarray
        All layers of the other.
    name : str
        What they are called, for messages.

    Raises
    ------
    MirstoreError
        As for `load`.
    """
    own = {f"head.{key}": value.numpy() for key, value in net.head.state_dict().items()}
    load(net, {**arrays, **own}, name)


_hint = "name the weights of this network, or the network of these weights"
