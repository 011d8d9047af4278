"""How a network learns: Adam in shuffled batches, until a validation part says that it gets no better.

It knows neither what goes in nor what comes out: batches and the loss are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mirstore.core import Training

if TYPE_CHECKING:
    import torch
    from torch import nn

    Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Batches(Protocol):
    """Examples, of which some at a time are read."""

    def __len__(self) -> int: ...

    def read(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what goes in, and what should come out."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    Attributes
    ----------
    epochs : int > 0
        At most so many.
    patience : int >= 0
        It stops after so many epochs without a better one.
    batch : int > 0
    rate : float > 0
        Learning rate of Adam.
    """

    epochs: int
    patience: int
    batch: int
    rate: float


@dataclass
class _Progress:
    """How far it came: all that an interrupted training needs to go on as if it had not been."""

    net: nn.Module
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    best: float = inf
    waited: int = 0
    weights: dict[str, Any] = field(default_factory=dict)  # of the best epoch

    def judge(self, loss: float) -> None:
        self.epoch, self.waited = self.epoch + 1, self.waited + 1
        if loss < self.best:
            self.best, self.waited, self.weights = loss, 0, deepcopy(self.net.state_dict())

    def save(self, path: Path) -> None:
        import torch

        state = {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict(), "weights": self.weights}
        numbers = {"epoch": self.epoch, "best": self.best, "waited": self.waited}
        torch.save(state | numbers, part := path.with_suffix(".part"))
        part.rename(path)  # a kill never leaves half a file

    def load(self, path: Path) -> None:
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)  # it may go on without the GPU
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name in ("epoch", "best", "waited", "weights"):
            setattr(self, name, state[name])


def descend(
    net: nn.Module,
    loss: Loss,
    train: Batches,
    validation: Batches | None,
    plan: Plan,
    seed: int,
    context: Training | None = None,
) -> None:
    """Train a network, and leave it with the weights of its best epoch.

    What is random in an epoch comes from the seed and the epoch's number, so that a training that was killed ends as
    one that was not.

    Parameters
    ----------
    net : nn.Module
    loss : callable
        Of what comes out and what should, as a mean over examples.
    train : Batches
    validation : Batches or None
        The loss on it says which epoch is best; without it the loss in training does.
    plan : Plan
    seed : int
    context : Training, optional
        It is told each epoch's ``loss`` and ``validation_loss``, and keeps a checkpoint.

    Raises
    ------
    ValueError
        If the loss is no finite number any more.
    """
    import torch

    progress = _Progress(net, torch.optim.Adam(net.parameters(), lr=plan.rate))
    saved = context.folder / "checkpoint.pt" if context else None
    if saved and saved.exists():
        progress.load(saved)
    while progress.epoch < plan.epochs and progress.waited <= plan.patience:
        with seeded(seed, progress.epoch):
            told = {"loss": _epoch(progress, loss, train, plan.batch)}
        if validation is not None:
            told["validation_loss"] = _mean_loss(net, loss, validation, plan.batch)
        judged = told.get("validation_loss", told["loss"])
        if not isfinite(judged):
            raise ValueError(f"the loss is {judged} in epoch {progress.epoch}: try a smaller rate than {plan.rate:g}")
        if context:
            context.report(progress.epoch, **told)
        progress.judge(judged)
        if saved:
            progress.save(saved)
    net.load_state_dict(progress.weights)
    net.eval()


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Have torch draw from a seed of these numbers, and go on outside as if nothing had been drawn.

    Parameters
    ----------
    *numbers : int >= 0
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
        yield


def _epoch(progress: _Progress, loss: Loss, train: Batches, size: int) -> float:
    import torch

    progress.net.train()
    total = 0.0
    for rows in np.array_split(torch.randperm(len(train)).numpy(), -(-len(train) // size)):  # none is nearly empty
        given, wanted = _there(progress.net, train.read(rows))
        found = loss(progress.net(given), wanted)
        progress.optimiser.zero_grad()
        found.backward()  # type: ignore[no-untyped-call]
        progress.optimiser.step()
        total += float(found.detach()) * len(rows)
    return total / len(train)


def _mean_loss(net: nn.Module, loss: Loss, part: Batches, size: int) -> float:
    import torch

    net.eval()
    with torch.inference_mode():
        pieces = np.array_split(np.arange(len(part)), -(-len(part) // size))
        read = (_there(net, part.read(rows)) for rows in pieces)
        losses = [float(loss(net(given), wanted)) * len(given) for given, wanted in read]
    return sum(losses) / len(part)


def _there(net: nn.Module, pair: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch where the network is."""
    device = next(net.parameters()).device
    return pair[0].to(device), pair[1].to(device)
