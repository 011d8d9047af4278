"""Extractors that live in an environment of their own, well or badly."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal, Optional

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Sound, Tensor, Track, TrackError, hookimpl
from mirstore.core.pretrained import UserFile, Weights, WheelFile

print("noise when it is imported")


@dataclass
class Samples(Extractor):
    """What is heard, sample by sample."""

    name = "elsewhere-samples"
    version = 2
    cite = ("@article{nobody}",)
    cost = 0.01
    sr: int = 16000
    mono: bool = True
    bands: tuple[float, ...] = (0.5, 1.0)
    weighting: Optional[Literal["a", "c"]] = None  # noqa: UP045
    names: dict[str, int] = field(default_factory=dict)
    device: str = field(default="cpu", compare=False)

    def __post_init__(self) -> None:
        if self.sr < 1:
            raise ValueError(f"sr={self.sr} must be above 0")

    def columns(self) -> dict[str, Column]:
        shape = (None,) if self.mono else (None, None)
        return {
            "sha256": Column(pl.String, "", "hash of the samples"),
            "samples": Column(Tensor("float32", shape, 1 / self.sr), "", "the samples"),
            "first": Column(pl.Array(pl.Float32, 2), "", "the first two", range=(-2, None), nullable=True),
            "process": Column(pl.Int32, "", "number of the process"),
        }

    def extract(self, track: Track) -> dict[str, Any]:
        os.write(1, b"garbage \xff on standard output\n")
        if "crash" in track.path.name:
            os.abort()
        if "hang" in track.path.name:
            time.sleep(1000)
        if "fail" in track.path.name:
            raise TrackError("no beat", "has no beat")
        samples = track.audio(self.sr, self.mono)
        digest = hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()
        return {"sha256": digest, "samples": samples, "first": samples.ravel()[:2], "process": os.getpid()}


@dataclass
class Interpreter(Extractor):
    """Where it runs, and what it reads."""

    name = "elsewhere-interpreter"
    inputs = ("slow", "mood")
    optional = frozenset({"mood"})
    fallbacks: ClassVar[Mapping[str, str]] = {"mood": "slow"}

    @cached_property
    def number(self) -> int:
        with open(os.environ.get("TEST_LOADED", os.devnull), "a") as file:
            file.write("loaded\n")
        return os.getpid()

    def columns(self, inputs: Any) -> dict[str, Column]:
        return {
            "prefix": Column(pl.String, "", "the interpreter's folder"),
            "foreign": Column(pl.String, "", "modules that no environment needs"),
            "twice": Column(pl.Float64, inputs["slow"]["seconds"].unit, "twice the length"),
            "child": Column(pl.String, "", "what a child of it imports"),
        }

    def extract(self, track: Track) -> dict[str, Any]:
        assert self.number == os.getpid()
        foreign = {"av", "soundfile", "soxr", "pyarrow", "safetensors", "pydantic", "sklearn"} & sys.modules.keys()
        command = [sys.executable, "-c", "import mirstore.core.columns as columns; print(columns.__name__)"]
        child = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        twice = 2 * track.features("slow")["seconds"][0]
        return {"prefix": sys.prefix, "foreign": " ".join(sorted(foreign)), "twice": twice, "child": child}


@dataclass
class Stem(Extractor):
    """The recording at half its level, as a sound."""

    name = "elsewhere-stem"

    def columns(self) -> dict[str, Column]:
        return {"half": Column(Sound(22050, 2), "", "half the level")}

    def extract(self, track: Track) -> dict[str, Any]:
        samples = track.audio(22050, mono=False)
        return {"half": 0.5 * np.broadcast_to(samples, (2, samples.shape[1]))}


@dataclass
class Liar(Extractor):
    """Declares one column and returns another."""

    name = "elsewhere-liar"

    def columns(self) -> dict[str, Column]:
        return {"truth": Column(pl.Float32, "", "a number")}

    def extract(self, track: Track) -> dict[str, Any]:
        return {"lie": 1.0}


numbers = b"1 2 4\n"


class LayerError(Exception):
    """What no other interpreter has."""


def read(files: Any) -> Any:
    return {"gain": np.loadtxt(files[0], dtype=np.float32), "prefix": np.frombuffer(sys.prefix.encode(), np.uint8)}


def fails(files: Any) -> Any:
    raise LayerError("no such layer")


def dies(files: Any) -> Any:
    os.abort()


def gives_a_list(files: Any) -> Any:
    return [LayerError]


about_it = hashlib.sha256(numbers).hexdigest(), len(numbers)
gain = Weights(
    "elsewhere-gain", "a gain", "MIT", (WheelFile("gain-data==1.0", "gain_data/gain.txt", *about_it),), convert=read
)
plain = Weights("elsewhere-plain", "a gain as it is", "ISC", (UserFile("plain.safetensors", "make one"),))
broken = Weights("elsewhere-broken", "none", "MIT", (UserFile("gain.txt", "ask", *about_it),), convert=fails)


@dataclass
class Gain(Extractor):
    """The sum of its weights."""

    name = "elsewhere-gain"
    needs = (gain, plain, broken)
    kind: str = "gain"

    def uses(self) -> tuple[Weights, ...]:
        return tuple(weights for weights in self.needs if weights.name == f"elsewhere-{self.kind}")

    def columns(self) -> dict[str, Column]:
        return {"sum": Column(pl.Float64, "", "sum of the weights")}

    def extract(self, track: Track) -> dict[str, Any]:
        (weights,) = self.uses()
        assert weights.path().exists()
        return {"sum": float(weights.load()["gain"].sum())}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Samples, Interpreter, Stem, Liar, Gain]
