"""The short-chunk CNN with residual connections, of a mel-spectrogram of 128 bands."""
# ruff: noqa: TID253 (this module is loaded when a network is asked for: its base classes are torch's)

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

widths = (1, 1, 2, 2, 2, 2, 4)
"""Of the seven blocks, as multiples of the first: each halves the bands and the frames, so that 128 bands become 1."""


class Block(nn.Module):
    """Two convolutions of 3 × 3, and a third beside them in place of the identity; the first of each steps by two.

    Parameters
    ----------
    before, after : int > 0
        Channels.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = _convolution(before, after, 2)
        self.second = _convolution(after, after, 1)
        self.beside = _convolution(before, after, 2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps of half the height and width.

        Parameters
        ----------
        maps : torch.Tensor [shape=(n, before, height, width)]
        """
        return torch.relu(self.second(torch.relu(self.first(maps))) + self.beside(maps))


def _convolution(before: int, after: int, step: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, step, padding=1), nn.BatchNorm2d(after))


class Trunk(nn.Sequential):
    """Seven blocks, and the maximum over the frames that are left.

    Parameters
    ----------
    channels : int > 0
        Of the first block; 128 as published.

    Attributes
    ----------
    size : int
        How many numbers come out: four times as many.

    Examples
    --------
    >>> sum(weights.numel() for weights in Trunk().parameters())
    11814912
    """

    def __init__(self, channels: int = 128) -> None:
        super().__init__(*(Block(*sides) for sides in pairwise([1, *(channels * width for width in widths)])))
        self.size = channels * widths[-1]

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Return a vector for each chunk [shape=(n, size)].

        Parameters
        ----------
        mel : torch.Tensor [shape=(n, 128, frames)]
        """
        maps = mel[:, None]
        for block in self:
            maps = block(maps)
        return maps.amax((2, 3))


def head(before: int, hidden: int, outputs: int, dropout: float = 0.5) -> nn.Sequential:
    """Return the dense layers from vectors to logits.

    Parameters
    ----------
    before, hidden, outputs : int > 0
        Numbers that come in, units, and logits.
    dropout : float in [0, 1)
        Share of the units that is left out in each step of learning.
    """
    units = nn.Linear(before, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout)
    return nn.Sequential(*units, nn.Linear(hidden, outputs))
