"""Loudness times a gain that is in model weights: from an address, a wheel, or the user."""

import hashlib
import os
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Track, UserFile, WebFile, Weights, WheelFile, hookimpl

# A format of two files, as TensorFlow's checkpoints are: shapes in text, numbers in binary.
index = b"gain 1\nfilter 2 3\n"
data = np.arange(2, 9, dtype="<f4").tobytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read the two files, the one with the numbers beside the one with the shapes."""
    (path,) = (path for path in paths if path.suffix == ".index")
    numbers = np.fromfile(path.with_suffix(".data"), "<f4")
    arrays, at = {}, 0
    for line in path.read_text().splitlines():
        name, *shape = line.split()
        size = np.prod([int(n) for n in shape])
        arrays[name] = numbers[at : at + size].reshape([int(n) for n in shape])
        at += size
    return arrays


def from_web(url: str) -> Weights:
    """Return the weights that a server has as gain.index and gain.data."""
    files = [("gain.index", index), ("gain.data", data)]
    return Weights(
        "web-gain",
        "gain from an address",
        "MIT",
        tuple(WebFile(f"{url}/{name}", sha256(content), len(content)) for name, content in files),
        convert=read,
    )


web = from_web(os.environ.get("MIRSTORE_TEST_WEIGHTS", "https://example.org"))
wheel = Weights(
    "wheel-gain",
    "gain from the package index",
    "ISC",
    (
        WheelFile("gain-data==1.0", "gain_data/gain.index", sha256(index), len(index)),
        WheelFile("gain-data==1.0", "gain_data/gain.data", sha256(data), len(data)),
    ),
    convert=read,
    sha256="573063107ada88ac3e26fd8cb5c13d5ec8d337a802f7b7c364983f02c1519891",  # of what `read` gives, as safetensors
)
own = Weights("own-gain", "gain of the user's own", "none", (UserFile("own.safetensors", "train one"),))


@dataclass
class Gain(Extractor):
    """Mean of the squares of the samples times a gain."""

    name = "gain"
    needs = (web, wheel, own)
    source: str = "web"

    def uses(self) -> tuple[Weights, ...]:
        return tuple(weights for weights in self.needs if weights.name == f"{self.source}-gain")

    def columns(self) -> dict[str, Column]:
        return {"level": Column(pl.Float32, "", "mean of the squares times a gain")}

    def extract(self, track: Track) -> Row:
        (weights,) = self.uses()
        return {"level": float(weights.load()["gain"][0] * np.mean(track.audio() ** 2))}


@dataclass
class Filter(Gain):
    """The same with the filter's sum."""

    name = "filter"
    needs = (web,)

    def extract(self, track: Track) -> Row:
        return {"level": float(self.needs[0].load()["filter"].sum())}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Gain, Filter]


def read_pickle(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read a pickle of numbers, whose hash was looked at before."""
    return {"gain": np.array(pickle.loads(paths[0].read_bytes()), dtype="f4")}


def compares(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read the two files, after the numbers were compared with a checksum that the plugin knows."""
    if zlib.crc32(paths[1].read_bytes()) != 3959699625:
        raise ValueError("the numbers have another checksum")
    return read(paths)


def fails(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    raise ValueError("no such layer")


def dies(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    os.abort()


def gives_a_list(paths: Sequence[Path]) -> Any:
    return [1]


def gives_nothing(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    return {}


def gives_objects(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    return {"gain": np.array([None])}


def gives_odd_layouts(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    numbers = np.arange(24, dtype="f4").reshape(2, 3, 4)
    return {
        "turned": numbers.transpose(2, 0, 1),
        "fortran": np.asfortranarray(numbers),
        "strided": numbers[:, ::2, ::-1],
        "big-endian": numbers.astype(">f4"),
        "scalar": np.array(3.0),
        "empty": numbers[:0],
        "half": numbers.astype("f2"),
        "whole": numbers.astype("i8"),
    }
