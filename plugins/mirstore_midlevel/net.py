"""The network of Chowdhury et al. (2019): nine convolutions, in the manner of VGG."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

smallest = 8
"""What each side of the input must have: it is halved three times."""


def vgg(outputs: int, width: float = 1.0, last_kernel: int = 1) -> nn.Sequential:
    """Return the network with random weights.

    Each convolution is followed by batch normalisation and ReLU; the mean over the whole map goes to a linear layer.

    Parameters
    ----------
    outputs : int > 0
    width : float > 0
        Of all layers, as a multiple of the published one: its square is about that of the number of weights.
    last_kernel : int
        Side of the last convolution: 1 or 3.

    Returns
    -------
    nn.Sequential
        From [shape=(n, coefficients, frames)] to [shape=(n, outputs)].

    Examples
    --------
    >>> sum(weights.numel() for weights in vgg(7).parameters())
    3937607
    """
    from torch import nn

    channels = 1

    def convolution(into: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
        nonlocal channels
        before, channels = channels, max(1, round(into * width))
        layer = nn.Conv2d(before, channels, kernel, stride, padding=kernel // 2)
        return [layer, nn.BatchNorm2d(channels), nn.ReLU()]

    def pooling() -> list[nn.Module]:
        return [nn.MaxPool2d(2), nn.Dropout(0.3)]

    return nn.Sequential(
        nn.Unflatten(1, (1, -1)),
        *convolution(64, kernel=5, stride=2),
        *convolution(64),
        *pooling(),
        *convolution(128),
        *convolution(128),
        *pooling(),
        *convolution(256),
        *convolution(256),
        *convolution(384),
        *convolution(512),
        *convolution(256, kernel=last_kernel),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, outputs),
    )
