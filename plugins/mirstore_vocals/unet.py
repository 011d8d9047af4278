"""Spleeter's U-Net, and separation by the masks of several of them, a patch of 12 s after another.

Frames of 4096 samples begin 4096 samples before the track and follow in steps of 1024; patches of 512 of them share no
frame. So do Spleeter's, and each patch is all that is in memory beside the sounds themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch

    Net: TypeAlias = Mapping[str, torch.Tensor]

depth = 6  # layers down, and up again
frame, hop, frames, bins = 4096, 1024, 512, 1024
span = (frames - 1) * hop + frame  # [samples] of a patch
tiny = 1e-10


def separated(samples: np.ndarray, nets: Mapping[str, Net]) -> dict[str, np.ndarray]:
    """Return the part of each net [shape=(2, n), dtype=float32].

    Parameters
    ----------
    samples : np.ndarray [shape=(2, n), dtype=float32]
        At 44.1 kHz, full scale is ±1.
    nets : Mapping of str to Net
        At least two.
    """
    import torch

    window = torch.hann_window(frame)
    n = samples.shape[1]
    made = {name: np.zeros(samples.shape, np.float32) for name in nets}
    with torch.inference_mode():
        for first in range(-frame, n, frames * hop):
            begin, end = max(first, 0), min(first + span, n)
            patch = torch.zeros(2, span)
            patch[:, begin - first : end - first] = torch.tensor(samples[:, begin:end])
            spectra = torch.stft(patch, frame, hop, window=window, center=False, return_complex=True)[:, :bins]
            for name, mask in _masks(nets, spectra.abs()).items():
                part = _sound(mask * spectra, window)
                made[name][:, begin:end] += part[:, begin - first : end - first].numpy()
    return made


def _masks(nets: Mapping[str, Net], magnitude: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return each net's share of the power [shape=(2, bins, frames)]; shares sum to 1."""
    powers = {name: estimate(net, magnitude.transpose(1, 2)[None])[0] ** 2 for name, net in nets.items()}
    whole = sum(powers.values()) + tiny
    return {name: ((power + tiny / len(nets)) / whole).transpose(1, 2) for name, power in powers.items()}


def estimate(net: Net, magnitude: torch.Tensor) -> torch.Tensor:
    """Return the magnitude of what a net listens for [shape=(1, 2, frames, bins)].

    Parameters
    ----------
    net : Net
        Its weights by layer: ``down0.weight``, ``up5.gain``, ``mask.bias`` and so on.
    magnitude : torch.Tensor [shape=(1, 2, frames, bins)]
        Of the mixture.
    """
    from torch import cat
    from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad, relu

    x, kept = magnitude, []
    for layer in range(depth):
        x = conv2d(pad(x, (1, 2, 1, 2)), net[f"down{layer}.weight"], net[f"down{layer}.bias"], stride=2)
        kept.append(x)
        x = leaky_relu(_normed(net, f"down{layer}", x), 0.2)
    x = kept.pop()  # not normed, and no more are those that join on the way up
    for layer in range(depth):
        x = conv_transpose2d(x, net[f"up{layer}.weight"], net[f"up{layer}.bias"], stride=2)[..., 1:-2, 1:-2]
        x = _normed(net, f"up{layer}", relu(x))
        if kept:
            x = cat([kept.pop(), x], dim=1)
    return magnitude * conv2d(x, net["mask.weight"], net["mask.bias"], padding=3, dilation=2).sigmoid()


def _normed(net: Net, layer: str, x: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import batch_norm

    mean, variance, gain, shift = (net[f"{layer}.{part}"] for part in ("mean", "variance", "gain", "shift"))
    return batch_norm(x, mean, variance, gain, shift, eps=1e-3)


def _sound(spectra: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Return frames added where they overlap [shape=(2, span)]; squares of Hann windows sum to 3/2 there."""
    import torch

    pieces = torch.fft.irfft(spectra.transpose(1, 2), frame) * window * (2 / 3)  # zero above the bins that are there
    pieces = pieces.reshape(2, frames, frame // hop, hop)
    sound = torch.zeros(2, span // hop, hop)
    for step in range(frame // hop):
        sound[:, step : step + frames] += pieces[:, :, step]
    return sound.reshape(2, span)
