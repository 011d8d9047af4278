"""The network as a model: what goes in is scaled per coefficient, what comes out are numbers in the targets' units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Self

import numpy as np

from mirstore.core import Examples, Model, Training, load_state, save_state
from mirstore_midlevel.descent import Plan, descend, seeded
from mirstore_midlevel.frames import Frames, Part, Scale
from mirstore_midlevel.net import smallest, vgg
from mirstore_midlevel.publications import aljanaki, chowdhury


@dataclass
class MidlevelNet(Model):
    """Numbers such as ratings of mid-level perception, from one matrix per track: MFCC, coefficients by frames.

    The network is that of Chowdhury et al. (2019), on MFCC as Patakis et al. use it. It stops by tracks of artists that
    it does not learn from: the validation part of a published split, or some that are set aside here.

    Parameters
    ----------
    width : float > 0
        Of all layers, as a multiple of the published network: 1 is 3.9 million weights, 0.25 is 0.25 million.
    last_kernel : int
        Side of the last convolution: 1, or 3 as some implementations have it.
    epochs : int > 0
        At most.
    patience : int >= 0
        Epochs without a smaller validation loss after which it stops.
    batch : int > 0
        Examples per step.
    rate : float > 0
        Learning rate of Adam.
    set_aside : float in (0, 1)
        Share of the artists that it stops by, where no validation part is published.
    """

    name = "midlevel-net"
    cite = (chowdhury, aljanaki)
    width: float = 0.25
    last_kernel: int = 1
    epochs: int = 60
    patience: int = 13
    batch: int = 16
    rate: float = 1e-3
    set_aside: float = 0.15

    def __post_init__(self) -> None:
        checks = {
            "width and rate are above 0": self.width > 0 and self.rate > 0,
            "last_kernel is 1 or 3": self.last_kernel in (1, 3),
            "epochs and batch are 1 or more, patience is 0 or more": min(self.epochs, self.batch, self.patience + 1)
            > 0,
            "set_aside is between 0 and 1": 0 < self.set_aside < 1,
        }
        for rule, holds in checks.items():
            if not holds:
                raise ValueError(rule)

    def fit(
        self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int, context: Training | None = None
    ) -> Self:
        self.column_, labels = _column(examples, groups), _labels(examples)
        given = context.validation if context else None
        learned, held = _set_aside(examples, 0 if given else self.set_aside, seed)
        tensors = examples.tensors[self.column_]
        self.shape_ = _checked_shape(tensors[int(learned[0])].shape)
        self.scale_, self.targets_ = Scale.of_rows(tensors, learned), Scale.of_columns(labels[learned])
        train = self._part(examples, learned)
        validation = self._part(given, np.arange(len(given))) if given else self._part(examples, held)
        self._learn(train, validation if len(validation) else None, seed, context)
        return self

    def predict(self, examples: Examples) -> np.ndarray:
        import torch

        frames = Frames(examples.tensors[self.column_], self.shape_, self.scale_)
        with torch.inference_mode():  # one by one: a prediction does not depend on the others, to the last bit
            found = [self._net(frames.read(np.array([row]))).numpy()[0] for row in range(len(examples))]
        scaled = np.array(found, dtype=np.float64).reshape(len(examples), len(self.targets_.means))
        return scaled * self.targets_.deviations + self.targets_.means

    def save(self, folder: Path) -> None:
        # Counters of batches, which only training asks for, are the arrays without an axis.
        weights = {f"net.{name}": value.numpy() for name, value in self._net.state_dict().items() if value.ndim}
        scales = {"means": self.scale_.means, "deviations": self.scale_.deviations}
        targets = {"target_means": self.targets_.means, "target_deviations": self.targets_.deviations}
        save_state(folder, column=self.column_, shape=self.shape_, **scales, **targets, **weights)

    def load(self, folder: Path) -> Self:
        import torch

        state = load_state(folder)
        self.column_, self.shape_ = str(state["column"]), tuple(state["shape"])
        self.scale_ = Scale(state["means"], state["deviations"])
        self.targets_ = Scale(state["target_means"], state["target_deviations"])
        self._net = vgg(len(self.targets_.means), self.width, self.last_kernel)
        weights = {name.removeprefix("net."): value for name, value in state.items() if name.startswith("net.")}
        expected = {name: tuple(value.shape) for name, value in self._net.state_dict().items() if value.ndim}
        if {name: value.shape for name, value in weights.items()} != expected:
            raise ValueError(f"the weights are not those of a network of width {self.width:g}")
        self._net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
        self._net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        return self

    def _part(self, examples: Examples, rows: np.ndarray) -> Part:
        wanted = (_labels(examples) - self.targets_.means) / self.targets_.deviations
        return Part(Frames(examples.tensors[self.column_], self.shape_, self.scale_), wanted, rows)

    def _learn(self, train: Part, validation: Part | None, seed: int, context: Training | None) -> None:
        import torch

        with seeded(seed):
            self._net = vgg(train.wanted.shape[1], self.width, self.last_kernel)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        plan = Plan(self.epochs, self.patience, self.batch, self.rate)
        descend(self._net, torch.nn.functional.mse_loss, train, validation, plan, seed, context)
        self._net.to("cpu")


def _column(examples: Examples, groups: Mapping[str, Sequence[str]]) -> str:
    grouped = {column for members in groups.values() for column in members}
    found = sorted(grouped & examples.tensors.keys())
    if len(found) != 1:
        raise ValueError(f"it reads one tensor, MFCC by frames, and is given {', '.join(found) or 'none'}")
    return found[0]


def _labels(examples: Examples) -> np.ndarray:
    labels = np.asarray(examples.labels, dtype=np.float64)
    if not np.isfinite(labels).all():
        raise ValueError("some targets are no finite numbers: it learns from tracks that have all of them")
    return labels


def _checked_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 2 or min(shape) < smallest:
        raise ValueError(f"it reads matrices of {smallest} coefficients and frames or more, and is given {shape}")
    return shape


def _set_aside(examples: Examples, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who is learned from, and who is stopped by: whole artists; nobody where there is one only."""
    n = len(examples)
    units = np.arange(n).astype(str) if examples.units is None else examples.units.astype(str)
    names = np.unique(units)
    chosen = np.random.default_rng(seed).permutation(names)[: min(ceil(share * len(names)), len(names) - 1)]
    held = np.isin(units, chosen)
    return np.flatnonzero(~held), np.flatnonzero(held)
