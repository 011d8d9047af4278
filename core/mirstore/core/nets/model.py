"""A model that is a torch network: which tensors it reads, how it learns, and how it is kept."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from mirstore.core.models import Examples, Model
from mirstore.core.nets.batches import Inputs, Matrices, Part, Scale
from mirstore.core.nets.descent import Plan, descend, seeded
from mirstore.core.nets.parts import chosen, set_aside
from mirstore.core.state import load_state, save_state
from mirstore.core.training import Training

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mirstore.core.nets.descent import Loss

Shapes = Sequence[tuple[int, ...]]


@dataclass
class Network(Model):
    """A network that reads tensors, one array of each per example.

    A subclass says what it ``hears``, makes the network, and turns what comes out into scores or numbers.

    Parameters
    ----------
    epochs : int > 0
        At most.
    patience : int >= 0, optional
        Epochs in a row without a smaller validation loss that it bears: after one more it stops, and goes back to the
        best. None: it learns from everything for all epochs, and stays as it is after the last.
    batch : int > 1
        Examples per step, at most; three where two would leave one over.
    rate : float > 0
        Learning rate of Adam.
    weight_decay : float >= 0
        Of Adam.
    set_aside : float in (0, 1)
        Share of the artists that it stops by, where no validation part is published and there is a patience.

    Attributes
    ----------
    scaled : bool
        Whether each row is brought to mean 0 and deviation 1, by what is learned from.
    channels_last : bool
        Whether convolutions of images are computed with the channels of a pixel side by side: on processors that takes
        less time for kernels of a few pixels, and more for large ones.
    """

    scaled: ClassVar[bool] = True
    channels_last: ClassVar[bool] = True
    epochs: int = 60
    patience: int | None = 13
    batch: int = 16
    rate: float = 1e-3
    weight_decay: float = 0.0
    set_aside: float = 0.15

    def __post_init__(self) -> None:
        checks = {
            "epochs is 1 or more, batch 2 or more": self.epochs >= 1 and self.batch >= 2,
            "patience is 0 or more": self.patience is None or self.patience >= 0,
            "rate is above 0, weight_decay 0 or more": self.rate > 0 and self.weight_decay >= 0,
            "set_aside is between 0 and 1": 0 < self.set_aside < 1,
        }
        for rule, holds in checks.items():
            if not holds:
                raise ValueError(rule)

    @abstractmethod
    def untrained(self, shapes: Shapes, outputs: int) -> nn.Module:
        """Return the network as it is before it learns; what is random comes from torch's generator.

        Parameters
        ----------
        shapes : sequence of tuple of int
            Of the arrays of each tensor, in the order of ``hears``.
        outputs : int > 0

        Returns
        -------
        nn.Module
            From arrays [shape=(n, rows, frames)] to [shape=(n, outputs)].
        """

    @abstractmethod
    def loss(self, examples: Examples) -> Loss:
        """Return what it makes small.

        Parameters
        ----------
        examples : Examples
            To be learned from.
        """

    def wanted(self, examples: Examples) -> np.ndarray:
        """Return what should come out of the network [shape=(n, k)]: the labels.

        Parameters
        ----------
        examples : Examples
            With labels.
        """
        return np.asarray(examples.labels, dtype=np.float64)

    def fit(
        self, examples: Examples, groups: Mapping[str, Sequence[str]], seed: int, context: Training | None = None
    ) -> Self:
        """Learn; see `Model.fit`."""
        given = context.validation if context else None
        share = 0 if given or self.patience is None else self.set_aside
        learned, held = set_aside(examples, share, seed)
        self.prepare(examples, groups, learned)
        train = Part(self.inputs(examples), self.wanted(examples), learned)
        if given:
            validation = Part(self.inputs(given), self.wanted(given), np.arange(len(given)))
        else:
            validation = Part(train.inputs, train.wanted, held)
        self.outputs_ = train.wanted.shape[1]
        with seeded(seed):
            self.net_ = self._begun()
        self.learn(train, validation if len(validation) else None, self.loss(examples), seed, context)
        return self

    def _begun(self) -> nn.Module:
        """Return the network as it is before it learns, with its numbers as it computes them."""
        import torch

        net = self.untrained(self.shapes_, self.outputs_)
        if self.channels_last:
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net

    def prepare(self, examples: Examples, groups: Mapping[str, Sequence[str]], learned: np.ndarray) -> None:
        """Find out which tensors are read, what shape they have, and how they are scaled.

        Parameters
        ----------
        examples : Examples
        groups : Mapping of str to sequence of str
        learned : np.ndarray of int
            The rows that may be learned from.
        """
        self.columns_ = chosen(self.hears, examples, groups)
        tensors = [examples.tensors[column] for column in self.columns_]
        self.shapes_ = [tensor[int(learned[0])].shape for tensor in tensors]
        self.scales_ = [Scale.of_rows(tensor, learned) if self.scaled else None for tensor in tensors]

    def inputs(self, examples: Examples) -> Inputs:
        """Return what the network reads.

        Parameters
        ----------
        examples : Examples
        """
        return Matrices([examples.tensors[column] for column in self.columns_], self.shapes_, self.scales_)

    def learn(self, train: Part, validation: Part | None, loss: Loss, seed: int, context: Training | None) -> None:
        """Train the network.

        Parameters
        ----------
        train : Part
        validation : Part or None
        loss : callable
        seed : int
        context : Training or None
        """
        descend(self.net_, loss, train, validation, self.plan, seed, context)

    @property
    def plan(self) -> Plan:
        """How long and how fast it learns."""
        return Plan(self.epochs, self.patience, self.batch, self.rate, self.weight_decay)

    def outputs(self, examples: Examples) -> np.ndarray:
        """Return what comes out [shape=(n, k), dtype=float64], one by one: none depends on the others, to the last bit.

        Parameters
        ----------
        examples : Examples
        """
        import torch

        inputs = self.inputs(examples)
        with torch.inference_mode():
            found = [self.net_(*inputs.read(np.array([row])))[0].numpy() for row in range(len(examples))]
        return np.array(found, dtype=np.float64).reshape(len(examples), -1)

    def save(self, folder: Path) -> None:
        """Write the weights, and all that goes with them; see `Model.save`."""
        save_state(folder, **self.state())

    def state(self) -> dict[str, Any]:
        """Return what is kept, by name; a subclass adds to it."""
        weights = {f"net.{name}": value.numpy() for name, value in _lasting(self.net_).items()}
        scales = {
            f"{what}.{number}": array
            for number, scale in enumerate(self.scales_)
            if scale is not None
            for what, array in (("means", scale.means), ("deviations", scale.deviations))
        }
        return {"columns": self.columns_, "shapes": self.shapes_, "outputs": self.outputs_} | scales | weights

    def load(self, folder: Path) -> Self:
        """Take up what `save` wrote; see `Model.load`.

        Raises
        ------
        ValueError
            If the weights are those of another network.
        """
        self.restore(load_state(folder))
        return self

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` returned; a subclass takes up what it added.

        Parameters
        ----------
        state : Mapping of str to what `mirstore.core.load_state` gives
        """
        import torch

        self.columns_, self.outputs_ = list(state["columns"]), int(state["outputs"])
        self.shapes_ = [tuple(shape) for shape in state["shapes"]]
        self.scales_ = [
            Scale(state[f"means.{number}"], state[f"deviations.{number}"]) if f"means.{number}" in state else None
            for number in range(len(self.shapes_))
        ]
        self.net_ = self._begun()
        weights = {name.removeprefix("net."): value for name, value in state.items() if name.startswith("net.")}
        expected = {name: tuple(value.shape) for name, value in _lasting(self.net_).items()}
        if {name: value.shape for name, value in weights.items()} != expected:
            raise ValueError(f"the weights are not those of a network {self.name} with these parameters")
        self.net_.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        self.net_.eval()


def _lasting(net: nn.Module) -> dict[str, torch.Tensor]:
    """Return all that a network has learned: not its counters of batches, which only training asks for."""
    return {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
