"""Extractors that say where they run, and tell where they did."""

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, Row, Tensor, Track, hookimpl

process = Column(pl.Int64, "", "id of the process that computed it")


@dataclass
class Net(Extractor):
    """A model that loads when it is first used; a line in ``log`` for each time."""

    name = "net"
    log: str = field(default="", compare=False)

    def columns(self) -> dict[str, Column]:
        return {"process": process}

    @cached_property
    def model(self) -> int:
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{os.getpid()}\n")
        return os.getpid()

    def extract(self, track: Track) -> Row:
        return {"process": self.model}


@dataclass
class OnGPU(Net):
    """The same on a GPU: which one it sees, and a stem for what reads it."""

    name = "on-gpu"
    place = "gpu"

    def columns(self) -> dict[str, Column]:
        visible = Column(pl.String, "", "CUDA_VISIBLE_DEVICES", nullable=True)
        return {"process": process, "gpu": visible, "stem": Column(Tensor("int16", (None,)), "", "the samples")}

    def extract(self, track: Track) -> Row:
        stem = (32767 * track.audio()).astype(np.int16)
        return {"process": self.model, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "stem": stem}


@dataclass
class AfterGPU(Extractor):
    """Reads what a GPU made, on a processor."""

    name = "after-gpu"
    inputs = ("on-gpu",)

    def columns(self) -> dict[str, Column]:
        return {"process": process, "peak": Column(pl.Int32, "", "largest sample")}

    def extract(self, track: Track) -> Row:
        stem = track.features("on-gpu")["stem"][0]
        return {"process": os.getpid(), "peak": int(np.abs(stem.astype(int)).max())}


@dataclass
class Heavy(Net):
    """A model that declares its memory."""

    name = "heavy"
    memory: ClassVar[int | None] = 1 << 30


@dataclass
class Batched(Extractor):
    """Likes four tracks at once, and tells how many it got."""

    name = "batched"
    batch: ClassVar[int] = 4

    def columns(self) -> dict[str, Column]:
        return {"process": process, "together": Column(pl.Int32, "", "tracks of the batch")}

    def extract(self, track: Track) -> Row:
        return {"process": os.getpid(), "together": 1}

    def extract_batch(self, tracks: Sequence[Track]) -> Sequence[Row]:
        return [{"process": os.getpid(), "together": len(tracks)} for _ in tracks]


@dataclass
class Peak(Extractor):
    """Peak memory of the process that computes it."""

    name = "peak"

    def columns(self) -> dict[str, Column]:
        return {"mb": Column(pl.Float32, "MB", "most memory so far")}

    def extract(self, track: Track) -> Row:
        track.audio(44100)
        return {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Net, OnGPU, AfterGPU, Heavy, Batched, Peak]
