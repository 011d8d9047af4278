"""From tempograms to a short vector: as the paper of Hsu et al. describes it, and as their released code does it."""
# ruff: noqa: TID253 (this module is loaded when a network is asked for: its base classes are torch's)

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import torch
from torch import nn

frames = 50
"""Of a tempogram. They are the channels of the convolutions, which slide over tempi or lags."""

kernels = ((3, 2), (3, 3), (5, 3), (5, 5))
"""Of the four parallel convolutions: width and step."""


def at_fifty(tempogram: torch.Tensor) -> torch.Tensor:
    """Return a tempogram averaged over time to 50 frames [shape=(n, rows, 50)]; one of 50 is as it was.

    Parameters
    ----------
    tempogram : torch.Tensor [shape=(n, rows, k × 50)]
    """
    return tempogram.reshape(*tempogram.shape[:2], frames, -1).mean(3)


class Squeezed(nn.Sequential):
    """A convolution over a row of numbers, and the maximum of each three that come out.

    Parameters
    ----------
    length : int >= 9
        Of the row.

    Attributes
    ----------
    size : int
        How many numbers come out.
    """

    def __init__(self, length: int) -> None:
        super().__init__(nn.Conv1d(1, 1, 3, 2), nn.BatchNorm1d(1), nn.ReLU(), nn.MaxPool1d(3), nn.Flatten())
        self.size = ((length - 3) // 2 + 1) // 3


class Bank(nn.Module):
    """Four parallel convolutions over the rows of tempograms, their outputs in a line."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.Conv1d(frames, frames, width, step), nn.BatchNorm1d(frames), nn.ReLU())
            for width, step in kernels
        )

    @staticmethod
    def length(rows: int) -> int:
        """Return how long the line is.

        Parameters
        ----------
        rows : int >= 5
        """
        return sum((rows - width) // step + 1 for width, step in kernels)

    def forward(self, over_rows: torch.Tensor) -> torch.Tensor:
        """Return the line [shape=(n, 50, length)].

        Parameters
        ----------
        over_rows : torch.Tensor [shape=(n, 50, rows)]
        """
        return torch.cat([convolution(over_rows) for convolution in self.convolutions], 2)


class Tempo(nn.Module):
    """What the paper describes: convolutions over tempograms, the mean over frames, and one more convolution.

    Parameters
    ----------
    rows : sequence of int
        Of each tempogram.
    early : bool
        Whether they are joined before the convolutions, or else after.
    shared : bool
        Whether the same convolutions go over each of them.

    Attributes
    ----------
    size : int
        How many numbers come out: 130 of both tempograms.

    Examples
    --------
    >>> late, early = Tempo((384, 193)), Tempo((384, 193), early=True)
    >>> [sum(weights.numel() for weights in net.parameters()) for net in (late, early)], late.size, early.size
    ([40606, 40606], 130, 130)
    """

    def __init__(self, rows: Sequence[int], *, early: bool = False, shared: bool = True) -> None:
        super().__init__()
        self.early = early
        lines = [sum(rows)] if early else rows
        self.banks = nn.ModuleList(Bank() for _ in (lines[:1] if shared else lines))
        self.squeezed = Squeezed(sum(map(Bank.length, lines)))
        self.size = self.squeezed.size

    def forward(self, *tempograms: torch.Tensor) -> torch.Tensor:
        """Return a vector for each chunk [shape=(n, size)].

        Parameters
        ----------
        *tempograms : torch.Tensor [shape=(n, rows, 50)]
        """
        given = [each.transpose(1, 2) for each in tempograms]
        given = [torch.cat(given, 2)] if self.early else given
        lines = [bank(each) for bank, each in zip(cycle(self.banks), given, strict=False)]  # one bank goes over all
        return self.squeezed(torch.cat(lines, 2).mean(1, keepdim=True))


class Released(nn.Module):
    """What the released code does: the outputs of its four convolutions are overwritten by what went in.

    It also reads the memory of a matrix in another shape where it was to be transposed. What remains is about the mean
    over time of each row, ReLU before, and the last convolution. The layers whose outputs are lost are left out here.

    Parameters
    ----------
    rows : sequence of int
        Of each tempogram.
    early : bool
        Whether they are joined before ReLU, or else after.

    Attributes
    ----------
    size : int
        How many numbers come out: 384 of both tempograms.
    """

    def __init__(self, rows: Sequence[int], *, early: bool = False) -> None:
        super().__init__()
        self.early = early
        self.squeezed = Squeezed(len(kernels) * sum(rows))
        self.size = self.squeezed.size

    def forward(self, *tempograms: torch.Tensor) -> torch.Tensor:
        """Return a vector for each chunk [shape=(n, size)].

        Parameters
        ----------
        *tempograms : torch.Tensor [shape=(n, rows, 50)]
        """
        given = [_reshaped(each) for each in tempograms]
        given = [torch.cat(given, 2)] if self.early else given
        lines = [torch.relu(each) for each in given for _ in kernels]
        return self.squeezed(_reshaped(torch.cat(lines, 2)).mean(2)[:, None])


def _reshaped(matrix: torch.Tensor) -> torch.Tensor:
    """Return the numbers in their order, in as many columns as there were rows."""
    return matrix.reshape(len(matrix), matrix.shape[2], matrix.shape[1])
