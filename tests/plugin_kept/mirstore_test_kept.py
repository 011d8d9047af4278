"""Cheap features, a model of tensors that can be kept, and models that cannot."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from mirstore.core import Column, Examples, Extractor, Model, Row, Tensor, Track, hookimpl, load_state, save_state


@dataclass
class Tones(Extractor):
    """Loudness, and magnitudes of three bands as a vector; with a text, which no model counts."""

    name = "test-tones"
    sr: int = 8000  # [Hz]

    def columns(self) -> dict[str, Column]:
        return {
            "loud": Column(pl.Float32, "", "root of the mean square"),
            "bands": Column(pl.Array(pl.Float32, 3), "", "mean magnitude of three bands"),
            "word": Column(pl.String, "", "the loudest band"),
        }

    def extract(self, track: Track) -> Row:
        samples = track.audio(self.sr)
        bands = [part.mean() for part in np.array_split(np.abs(np.fft.rfft(samples)), 3)]
        return {"loud": float(np.sqrt(np.mean(samples**2))), "bands": bands, "word": "abc"[int(np.argmax(bands))]}


@dataclass
class Rising(Extractor):
    """A value per second: several rows per track."""

    name = "test-seconds"
    sr: int = 8000  # [Hz]

    def columns(self) -> dict[str, Column]:
        return {
            "start": Column(pl.Float64, "s", "where the second begins"),
            "crossings": Column(pl.Float32, "", "share of samples after which the sign changes"),
        }

    def extract(self, track: Track) -> list[Row]:
        seconds = np.array_split(track.audio(self.sr), max(1, int(track.duration)))
        crossings = [np.mean(np.diff(np.signbit(part).astype(int)) != 0) for part in seconds]
        return [{"start": float(number), "crossings": float(value)} for number, value in enumerate(crossings)]


@dataclass
class Frames(Extractor):
    """Magnitudes of four bands in steps of 0.1 s."""

    name = "test-frames"
    sr: int = 8000  # [Hz]

    def columns(self) -> dict[str, Column]:
        return {"bands": Column(Tensor("float32", (4, None), 0.1), "", "mean magnitude of four bands")}

    def extract(self, track: Track) -> Row:
        frames = np.abs(np.fft.rfft(np.resize(track.audio(self.sr), (int(track.duration * 10), self.sr // 10))))
        return {"bands": np.stack([part.mean(axis=1) for part in np.array_split(frames, 4, axis=1)]).astype(np.float32)}


@dataclass
class Nearest(Model):
    """Scores by the distance of a tensor's mean to that of each class."""

    name = "test-nearest"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        grouped = {column for members in groups.values() for column in members}
        self.name_ = min(grouped & examples.tensors.keys())
        Y = np.asarray(examples.labels, dtype=np.float64)
        self.means_ = (Y.T @ self._points(examples)) / Y.sum(axis=0)[:, None]
        return self

    def _points(self, examples: Examples) -> np.ndarray:
        return np.array([array.mean(axis=-1, dtype=np.float64).ravel() for array in examples.tensors[self.name_]])

    def predict_proba(self, examples: Examples) -> np.ndarray:
        distances = ((self._points(examples)[:, None] - self.means_) ** 2).sum(axis=-1)
        return 1 / (1 + distances)

    def save(self, folder: Path) -> None:
        save_state(folder, name=self.name_, means=self.means_)

    def load(self, folder: Path) -> Self:
        state = load_state(folder)
        self.name_, self.means_ = state["name"], state["means"]
        return self


@dataclass
class Constant(Model):
    """Says the same of everything, and cannot be kept."""

    name = "test-constant"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Self:
        self.k_ = len(examples.classes)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.full((len(examples), self.k_), 0.5)


@dataclass
class Odd(Constant):
    """Saves itself in a way that it should not.

    Parameters
    ----------
    way : str
        ``"nothing"``, ``"pickle"``, ``"disguised"``, ``"forgets"``, ``"aborts"``, ``"raises"`` or ``"well"``.
    """

    name = "test-odd"
    way: str = "well"

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.full((len(examples), self.k_), getattr(self, "p_", 0.25))

    def save(self, folder: Path) -> None:
        if self.way == "aborts":
            os.abort()
        if self.way == "raises":
            raise ZeroDivisionError("no luck today")
        if self.way in ("pickle", "disguised"):
            name = "state.pkl" if self.way == "pickle" else "state.safetensors"
            folder.joinpath(name).write_bytes(pickle.dumps(self.k_))
        if self.way in ("forgets", "well"):
            save_state(folder, k=self.k_)

    def load(self, folder: Path) -> Self:
        self.k_ = load_state(folder)["k"]
        if self.way == "forgets":
            self.p_ = 0.75
        return self


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Tones, Rising, Frames]


@hookimpl
def register_models() -> list[type[Model]]:
    return [Nearest, Constant, Odd]
