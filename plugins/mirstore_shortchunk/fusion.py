"""Whole networks: of a mel-spectrogram, of tempograms, or of both."""
# ruff: noqa: TID253 (this module is loaded when a network is asked for: its base classes are torch's)

from __future__ import annotations

import torch
from torch import nn

from mirstore_shortchunk.tempo import Released, Tempo, at_fifty
from mirstore_shortchunk.trunk import Trunk, head


class OfMel(nn.Module):
    """Logits of a mel-spectrogram.

    Parameters
    ----------
    outputs : int > 0
    channels : int > 0
        Of the first block.
    dropout : float in [0, 1)

    Examples
    --------
    >>> sum(weights.numel() for weights in OfMel(30).parameters())
    12093982
    """

    def __init__(self, outputs: int, channels: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.trunk = Trunk(channels)
        self.head = head(self.trunk.size, self.trunk.size, outputs, dropout)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Return logits [shape=(n, outputs)].

        Parameters
        ----------
        mel : torch.Tensor [shape=(n, 128, frames)]
        """
        return self.head(self.trunk(mel))


class OfTempo(nn.Module):
    """Logits of one tempogram.

    Parameters
    ----------
    outputs : int > 0
    rows : int > 0
        Of the tempogram.
    hidden : int > 0
        Units of the dense layer.
    dropout : float in [0, 1)

    Examples
    --------
    >>> [sum(weights.numel() for weights in OfTempo(30, rows).parameters()) for rows in (384, 193)]
    [101564, 79548]
    """

    def __init__(self, outputs: int, rows: int, hidden: int = 512, dropout: float = 0.5) -> None:
        super().__init__()
        self.tempo = Tempo((rows,))
        self.head = head(self.tempo.size, hidden, outputs, dropout)

    def forward(self, tempogram: torch.Tensor) -> torch.Tensor:
        """Return logits [shape=(n, outputs)].

        Parameters
        ----------
        tempogram : torch.Tensor [shape=(n, rows, k × 50)]
        """
        return self.head(self.tempo(at_fifty(tempogram)))


class OfBoth(nn.Module):
    """Logits of a mel-spectrogram and of tempograms, whose vectors are joined before the dense layers.

    Parameters
    ----------
    outputs : int > 0
    tempo : Tempo or Released
        What makes a vector of the tempograms.
    channels : int > 0
        Of the first block.
    dropout : float in [0, 1)

    Examples
    --------
    >>> sum(weights.numel() for weights in OfBoth(30, Tempo((384, 193))).parameters())
    12201148
    """

    def __init__(self, outputs: int, tempo: Tempo | Released, channels: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.trunk, self.tempo = Trunk(channels), tempo
        self.head = head(self.trunk.size + tempo.size, self.trunk.size, outputs, dropout)

    def forward(self, mel: torch.Tensor, *tempograms: torch.Tensor) -> torch.Tensor:
        """Return logits [shape=(n, outputs)].

        Parameters
        ----------
        mel : torch.Tensor [shape=(n, 128, frames)]
        *tempograms : torch.Tensor [shape=(n, rows, k × 50)]
        """
        vector = self.tempo(*map(at_fifty, tempograms))
        return self.head(torch.cat([self.trunk(mel), vector], 1))
