"""Decoded frames become one array, and what is missing between them is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import soxr

from mirstore.core.downmix import mono_weights
from mirstore.core.text import counted

most_samples = 60_000_000  # of all channels together: 240 MB as float32
_block = 1 << 20  # samples
_named = 3  # places of loss that are told one by one
_swing = 0.012  # [s] by which timestamps may be off
_restart = 0.1  # [s] by which they fall back where another file begins
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
        """Return it at another rate, its mono mix in every channel if it has another number of them.

        Parameters
        ----------
        sr : int > 0 [Hz]
        channels : int > 0
        """
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
        """Take one ``av.AudioFrame``.

        Parameters
        ----------
        frame : av.AudioFrame
        """
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        if kind != self._kind:
            self._begin(frame)
            self._kind = kind
        run, samples, at = self.runs[-1], frame.samples, self._at
        channels = len(run.layout)
        if at + samples > self._block.shape[1]:
            self._close()
            guess = int((self._expected + 1) * run.sr)
            size = _block // channels if run.frames else min(guess, most_samples // channels)
            self._block = np.empty((channels, max(samples, size)), np.float32)  # takes memory where it is written
            at = 0
        self._at = at + samples
        if self._planar:
            for row, plane in zip(self._block, frame.planes, strict=False):  # PyAV sees a ninth plane behind eight
                self._write(row[at : self._at], np.frombuffer(plane, self._dtype, samples))
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
    """Return blocks [shape=(channels, n)] as one and empty the list: two copies never stand side by side.

    Parameters
    ----------
    blocks : list of np.ndarray [shape=(channels, n), dtype=float32]
        At least one; it is empty afterwards.
    """
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
    """Return all runs as one array [shape=(channels, n)], the run whose format rules, and warnings.

    The first one rules, as in FFmpeg, unless it is a splinter: a damaged header makes a frame of any format.

    Parameters
    ----------
    runs : list of Run
        In their order, at least one; not to be used afterwards.
    """
    whole = sum(run.seconds for run in runs)
    ruling = next(run for run in runs if run.seconds >= whole / len(runs) / 2)
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
    """Where music is missing: the timestamps of what is decoded run ahead of it, and do not come back.

    Vorbis' timestamps swing by half a block, so one that is ahead says nothing; what lies behind all later ones does.
    """

    def __init__(self, tick: Fraction) -> None:
        self.tick = float(tick)  # [s]
        self.damaged = 0  # packets that could not be decoded
        self.stopped = ""  # why reading ended before the file did
        self._seen: list[tuple[float, float, int]] = []  # decoded until here [s], ahead by [s], damaged until here

    def frame(self, pts: int | None, at: float) -> None:
        """Compare a frame's time with how much was decoded before it, ``at`` [s].

        Parameters
        ----------
        pts : int or None
            The frame's time as the file says [ticks].
        at : float >= 0 [s]
        """
        if pts is not None:
            self._seen.append((at, pts * self.tick - at, self.damaged))

    @cached_property
    def places(self) -> list[tuple[float, float, int]]:
        """Where [s] how much [s] was lost, and how many damaged packets were there."""
        if not self._seen:
            return []
        at, ahead, damaged = (np.array(values) for values in zip(*self._seen, strict=True))
        found: list[tuple[float, float, int]] = []
        restarts = np.flatnonzero(np.diff(ahead) < -_restart) + 1  # files that were joined
        for part in np.split(np.arange(len(ahead)), restarts):
            lasting = np.minimum.accumulate(ahead[part][::-1])[::-1]
            gaps, packets = np.diff(lasting), np.diff(damaged[part])
            lost = np.flatnonzero(gaps > np.where(packets > 0, max(0.002, 2 * self.tick), _swing))
            found += [(float(at[part[i + 1]]), float(gaps[i]), int(packets[i])) for i in lost]
        return found

    @property
    def seconds(self) -> float:
        """How much was lost where the timestamps tell [s]."""
        return sum(gap for _, gap, _ in self.places)

    @property
    def before(self) -> float:
        """Time of the first frame [s]."""
        return self._seen[0][1] if self._seen else 0.0

    def warnings(self, seconds: float) -> list[str]:
        """Return what was lost of a file of which ``seconds`` were decoded, in words.

        Parameters
        ----------
        seconds : float >= 0 [s]
        """
        found = [
            f"{milliseconds(gap)} lost at {clock(at)}" + (f": {counted(packets, 'damaged packet')}" if packets else "")
            for at, gap, packets in self.places
        ]
        rest = sum(gap for _, gap, _ in self.places[_named:])
        found = shortened(found, lambda count: f"{count} more places, {milliseconds(rest)} in all")
        if others := self.damaged - sum(packets for _, _, packets in self.places):
            found.append(f"{counted(others, 'damaged packet')} left out")
        if self.stopped:
            found.append(f"what comes after {clock(seconds)} cannot be read: {self.stopped}")
        return found


def shortened(warnings: list[str], rest: Callable[[int], str]) -> list[str]:
    """Return the first warnings, and one for how many more there are.

    Parameters
    ----------
    warnings : list of str
    rest : callable
        Says of a number how many more there are.
    """
    more = len(warnings) - _named
    return warnings if more <= 1 else [*warnings[:_named], rest(more)]


def clock(seconds: float) -> str:
    """Return a time as ``1:02.3``.

    Parameters
    ----------
    seconds : float >= 0 [s]

    Examples
    --------
    >>> clock(62.345)
    '1:02.3'
    """
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def milliseconds(seconds: float) -> str:
    """Return a length in whole ms, or in s from 10 s on.

    Parameters
    ----------
    seconds : float >= 0 [s]

    Examples
    --------
    >>> milliseconds(0.026), milliseconds(12.5)
    ('26 ms', '12.5 s')
    """
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1000:.0f} ms"
