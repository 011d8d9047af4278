"""Decoded frames become one array, and what is missing between them is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import soxr

from mirstore.core.downmix import mono_weights

most_samples = 60_000_000  # of all channels together: 240 MB as float32
_block = 1 << 20  # samples
_named = 3  # places of loss that are told one by one
# FFmpeg's sample formats: numpy's type, and what makes full scale ±1. 24 bits come as the upper part of 32.
_formats = {
    "u8": ("u1", 2.0**-7),
    "s16": ("i2", 2.0**-15),
    "s32": ("i4", 2.0**-31),
    "s64": ("i8", 2.0**-63),
    "flt": ("f4", 1.0),
    "dbl": ("f8", 1.0),
}


@dataclass
class Run:
    """Frames of one rate and layout, one after the other."""

    sr: int
    layout: tuple[str, ...]
    blocks: list[np.ndarray] = field(default_factory=list)  # (channels, n), float32
    frames: int = 0

    @property
    def seconds(self) -> float:
        """Length [s]."""
        return self.frames / self.sr

    def converted(self, sr: int, channels: int) -> Run:
        """Return it at another rate, its mono mix in every channel if it has another number of them."""
        samples = join(self.blocks)
        if len(self.layout) != channels:
            samples = np.tile(mono_weights(self.layout) @ samples, (channels, 1))
        if self.sr != sr:
            samples = np.ascontiguousarray(soxr.resample(samples.T, self.sr, sr).T)
        return Run(sr, self.layout, [samples], samples.shape[1])


class Frames:
    """Collects frames of PyAV, as they come.

    Parameters
    ----------
    expected : float [s]
        A guess of the length, however wrong: where it suffices, each sample is written to its place once.
    """

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self.runs: list[Run] = []
        self.seconds = 0.0
        self.samples = 0  # of all channels together
        self._kind: tuple[Any, ...] = ()
        self._dtype, self._scale, self._planar = "", 1.0, True
        self._block = np.empty((0, 0), np.float32)
        self._at = 0

    def add(self, frame: Any) -> None:
        """Take one ``av.AudioFrame``."""
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        if kind != self._kind:
            self._begin(frame)
            self._kind = kind
        run, samples, at = self.runs[-1], frame.samples, self._at
        channels = len(run.layout)
        if at + samples > self._block.shape[1]:
            self._close()
            size = _block // channels if run.frames else min(int((self._expected + 1) * run.sr), most_samples // channels)
            self._block = np.empty((channels, max(samples, size)), np.float32)  # takes memory where it is written
            at = 0
        self._at = at + samples
        if self._planar:
            for channel, plane in enumerate(frame.planes):
                self._write(self._block[channel, at : self._at], np.frombuffer(plane, self._dtype, samples))
        else:
            packed = np.frombuffer(frame.planes[0], self._dtype, samples * channels)
            self._write(self._block[:, at : self._at], packed.reshape(samples, channels).T)
        run.frames += samples
        self.seconds += samples / run.sr
        self.samples += samples * channels

    def finish(self) -> list[Run]:
        """Return the runs that hold something."""
        self._close()
        return [run for run in self.runs if run.frames]

    def _begin(self, frame: Any) -> None:
        self._close()
        self._block = np.empty((0, 0), np.float32)
        names = tuple(channel.name for channel in frame.layout.channels)
        if not self.runs or (self.runs[-1].sr, self.runs[-1].layout) != (frame.sample_rate, names):
            self.runs.append(Run(frame.sample_rate, names))
        self._planar = frame.format.is_planar
        self._dtype, self._scale = _formats[frame.format.name.removesuffix("p")]

    def _write(self, target: np.ndarray, values: np.ndarray) -> None:
        if self._scale == 1.0:
            target[...] = values
        else:
            np.multiply(values, self._scale, out=target, casting="unsafe", dtype=np.float32)
            if self._dtype == "u1":
                target -= 1

    def _close(self) -> None:
        if self._at:
            self.runs[-1].blocks.append(self._block[:, : self._at])
        self._at = 0


def join(blocks: list[np.ndarray]) -> np.ndarray:
    """Return blocks [shape=(channels, n)] as one and empty the list: two copies never stand side by side."""
    if len(blocks) == 1:
        return blocks.pop()
    whole = np.empty((blocks[0].shape[0], sum(block.shape[1] for block in blocks)), np.float32)
    at = 0
    while blocks:
        block = blocks.pop(0)
        whole[:, at : at + block.shape[1]] = block
        at += block.shape[1]
    return whole


def unite(runs: list[Run]) -> tuple[np.ndarray, Run, list[str]]:
    """Return all runs as one array [shape=(channels, n)], the longest run, whose format rules, and warnings."""
    ruling = max(runs, key=lambda run: run.seconds)
    warnings: list[str] = []
    blocks: list[np.ndarray] = []
    at = 0.0
    if len(runs) > 1:
        for run in runs:
            if (run.sr, len(run.layout)) != (ruling.sr, len(ruling.layout)):
                what = f"{run.seconds:.3f} s at {clock(at)} are {run.sr} Hz with {len(run.layout)} channels"
                warnings.append(f"{what}: converted to {ruling.sr} Hz with {len(ruling.layout)}")
            at += run.seconds
    for run in runs:
        same = (run.sr, len(run.layout)) == (ruling.sr, len(ruling.layout))
        blocks += run.blocks if same else run.converted(ruling.sr, len(ruling.layout)).blocks
    return join(blocks), ruling, shortened(warnings, lambda rest: f"{rest} more pieces in other formats")


class Losses:
    """Where music is missing: timestamps that jump, packets that no frame came of."""

    def __init__(self, tick: Fraction) -> None:
        self.tick = float(tick)  # [s]
        self.damaged = 0
        self.places: list[tuple[float, float, int]] = []  # where [s], how much [s], damaged packets
        self._next: float | None = None
        self._since = 0  # damaged packets since the last frame

    def packet(self) -> None:
        """Count a packet that could not be decoded."""
        self.damaged += 1
        self._since += 1

    def frame(self, pts: int | None, samples: int, sr: int, at: float) -> None:
        """Compare a frame's time with the end of the one before; ``at`` [s] is how much was decoded until now."""
        if pts is None:
            self._next = self._next + samples / sr if self._next is not None else None
            return
        time = pts * self.tick
        gap = time - self._next if self._next is not None else 0.0
        if gap > max(0.002, 2 * self.tick):
            self.places.append((at, gap, self._since))
            self._since = 0
        self._next = time + samples / sr

    def warnings(self) -> list[str]:
        """Return what was lost, in words."""
        found = [
            f"{milliseconds(gap)} lost at {clock(at)}" + (f": {packets} damaged packets" if packets else "")
            for at, gap, packets in self.places
        ]
        told = sum(packets for _, _, packets in self.places)
        if self.damaged > told:
            found.append(f"{self.damaged - told} packets could not be decoded")
        seconds = sum(gap for _, gap, _ in self.places[_named:])
        return shortened(found, lambda rest: f"{rest} more places, {milliseconds(seconds)} in all")


def shortened(warnings: list[str], rest: Callable[[int], str]) -> list[str]:
    """Return the first warnings, and one for how many more there are."""
    more = len(warnings) - _named
    return warnings if more <= 1 else [*warnings[:_named], rest(more)]


def clock(seconds: float) -> str:
    """Return a time as ``1:02.3``."""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def milliseconds(seconds: float) -> str:
    """Return a length in whole ms, or in s from 10 s on."""
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1000:.0f} ms"
