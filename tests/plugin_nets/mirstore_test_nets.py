"""A net that learns from tensors alone and saves itself, a floor, a grouper by chance, spectra with a hop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from mirstore.core import (
    Column,
    Examples,
    Extractor,
    Grouper,
    Importance,
    Model,
    Row,
    Tensor,
    Track,
    Training,
    hookimpl,
    load_state,
    save_state,
)


@dataclass
class Net(Model):
    """Softmax regression on the mean of each tensor, by gradient descent, saved after every epoch.

    Parameters
    ----------
    epochs : int
    pause : float [s]
        After each epoch, for who wants to kill it.
    """

    name = "test-net"
    fits: ClassVar[int] = 0
    epochs: int = 12
    pause: float = field(default=0.0, compare=False)

    def fit(
        self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int, context: Training | None = None
    ) -> Net:
        type(self).fits += 1
        grouped = {column for members in groups.values() for column in members}
        self.names = sorted(grouped & examples.tensors.keys())
        if not self.names:
            raise ValueError("a net learns from tensors, and there are none")
        X = self._means(examples)
        self.mean, self.deviation = X.mean(axis=0), X.std(axis=0) + 1e-6
        X, Y = self._scaled(X), np.asarray(examples.labels, dtype=np.float64)
        epoch, self.W = 0, 0.1 * np.random.default_rng(seed).normal(size=(X.shape[1], Y.shape[1]))
        saved = context.folder / "net.npz" if context else None
        if saved and saved.exists():
            with np.load(saved) as state:
                epoch, self.W = int(state["epoch"]), state["W"]
        for number in range(epoch, self.epochs):
            P = self._softmax(X @ self.W)
            self.W = self.W - 0.5 * X.T @ (P - Y) / len(X)
            if context and saved:
                told = {"loss": _loss(P, Y)}
                if context.validation is not None:
                    P = self.predict_proba(context.validation)
                    told["validation_loss"] = _loss(P, np.asarray(context.validation.labels))
                context.report(number, **told)
                with open(context.folder / "epochs.log", "a") as log:
                    log.write(f"{number}\n")
                np.savez(part := saved.with_suffix(".part.npz"), epoch=number + 1, W=self.W)
                part.rename(saved)
            time.sleep(self.pause)
        return self

    def _means(self, examples: Examples) -> np.ndarray:
        means = [
            [items.crop(i, 0, items.length(i)).astype(np.float64).mean(axis=-1) for i in range(len(items))]
            for items in (examples.tensors[name] for name in self.names)
        ]
        return np.concatenate([np.reshape(part, (len(examples), -1)) for part in means], axis=1)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([(X - self.mean) / self.deviation, np.ones(len(X))])

    def _softmax(self, Z: np.ndarray) -> np.ndarray:
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        return E / E.sum(axis=1, keepdims=True)

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return self._softmax(self._scaled(self._means(examples)) @ self.W)


@dataclass
class KeptNet(Net):
    """A net that can be kept."""

    name = "test-kept-net"

    def save(self, folder: Path) -> None:
        save_state(folder, **{key: getattr(self, key) for key in ("names", "mean", "deviation", "W")})

    def load(self, folder: Path) -> KeptNet:
        vars(self).update(load_state(folder))
        return self


def _loss(P: np.ndarray, Y: np.ndarray) -> float:
    return float(-(Y * np.log(np.maximum(P, 1e-12))).sum(axis=1).mean())


@dataclass
class HearingNet(Net):
    """A net for spectra of 100 steps."""

    name = "test-hearing-net"
    hears = MappingProxyType({"fine spectrum": (4, 100)})


@dataclass
class Blind(Model):
    """Says the same of everything; only the three methods that a model once had to have."""

    name = "test-blind"
    fits: ClassVar[int] = 0

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Blind:
        type(self).fits += 1
        self.k = len(examples.classes)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        n = len(next(iter(examples.tensors.values())))
        return np.full((n, self.k), 1 / self.k)

    def group_importances(self) -> dict[str, float]:
        return {}


@dataclass
class Prior(Model):
    """What one gets without listening, by a third party: of classes and of numbers."""

    name = "prior"
    role = "floor"

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Prior:
        self.p = np.asarray(examples.labels).mean(axis=0)
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.tile(self.p, (len(examples), 1))

    def predict(self, examples: Examples) -> np.ndarray:
        return np.tile(self.p, (len(examples), 1))


@dataclass
class Slopes(Model):
    """Least squares, by a third party: its weights have a sign."""

    name = "slopes"
    role = "signed"
    tabular = True

    def fit(self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int) -> Slopes:
        X, Y = examples.table.to_numpy(), np.asarray(examples.labels, dtype=np.float64)
        self.groups, self.at = dict(groups), {column: i for i, column in enumerate(examples.table.columns)}
        self.mean = Y.mean(axis=0)
        self.W = np.linalg.lstsq(X, Y - self.mean, rcond=None)[0].T
        return self

    def predict_proba(self, examples: Examples) -> np.ndarray:
        return np.clip(self.predict(examples), 0, 1)

    def predict(self, examples: Examples) -> np.ndarray:
        return examples.table.to_numpy() @ self.W.T + self.mean

    def group_importances(self) -> dict[str, float]:
        sizes = {name: float(np.abs(self.W[:, [self.at[c] for c in m]]).sum()) for name, m in self.groups.items()}
        return {name: size / sum(sizes.values()) for name, size in sizes.items()}

    def importances(self) -> list[Importance]:
        text = "largest slope of the group"
        return [
            Importance("steepest", None, name, float(np.abs(self.W[:, [self.at[c] for c in members]]).max()), text)
            for name, members in self.groups.items()
        ]

    def column_weights(self) -> np.ndarray:
        return self.W


@dataclass
class Lots(Grouper):
    """Columns in two heaps, by the seed."""

    name = "lots"
    by_chance = True
    seed: int = 0

    def group(self, columns: Sequence[str]) -> dict[str, list[str]]:
        order = np.random.default_rng(self.seed).permutation(sorted(columns))
        heaps = {"heap 1": order[::2], "heap 2": order[1::2]}
        return {name: [str(column) for column in heap] for name, heap in heaps.items() if len(heap)}


@dataclass
class Spectra(Extractor):
    """Magnitudes of 8 bands in steps of 50 ms."""

    name = "test-spectra"
    sr: int = 16000  # [Hz]
    hop: float = 0.05  # [s]

    def columns(self) -> dict[str, Column]:
        return {"bands": Column(Tensor("float16", (8, None), self.hop), "", "log magnitude of 8 bands")}

    def extract(self, track: Track) -> Row:
        size = round(self.hop * self.sr)
        samples = track.audio(self.sr)
        frames = np.resize(samples, (max(1, len(samples) // size), size))
        parts = np.array_split(np.abs(np.fft.rfft(frames, axis=1)), 8, axis=1)
        return {"bands": np.log1p(np.stack([part.mean(axis=1) for part in parts])).astype(np.float16)}


@hookimpl
def register_models() -> list[type[Model]]:
    return [Net, KeptNet, HearingNet, Blind, Prior, Slopes]


@hookimpl
def register_groupers() -> list[type[Grouper]]:
    return [Lots]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Spectra]
