"""How a network learns: Adam in shuffled batches, for so many epochs or until it gets no better.

It knows neither what goes in nor what comes out: batches and the loss are the caller's. On a GPU, if there is one, with
bfloat16 where that is enough; on several, each takes a share of every batch, with float32. One kind of GPU repeats
itself to the last bit, and learns otherwise than a processor: dropout is drawn by a generator of its own.
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

from mirstore.core.errors import MirstoreError
from mirstore.core.training import Training

if TYPE_CHECKING:
    import torch
    from torch import nn

    Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Batches(Protocol):
    """Examples, of which some at a time are read."""

    def __len__(self) -> int: ...

    def read(self, rows: np.ndarray) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Return what goes in, an array for each argument of the network, and what should come out."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    Attributes
    ----------
    epochs : int > 0
        At most so many.
    patience : int >= 0 or None
        So many epochs in a row may be no better than the best one: it stops after one more, and is as it was in the
        best. None has it learn for all epochs, and be as it is after the last.
    batch : int > 0
    rate : float > 0
        Learning rate of Adam.
    weight_decay : float >= 0
        Of Adam.
    """

    epochs: int
    patience: int | None
    batch: int
    rate: float
    weight_decay: float = 0.0


@dataclass
class _Progress:
    """How far it came: all that an interrupted training needs to go on as if it had not been."""

    net: nn.Module
    optimiser: torch.optim.Optimizer
    patience: int | None
    epoch: int = 0
    best: float = inf
    waited: int = 0
    weights: dict[str, Any] = field(default_factory=dict)  # of the best epoch

    @property
    def gave_up(self) -> bool:
        """Whether it has waited for long enough."""
        return self.patience is not None and self.waited > self.patience

    def judge(self, loss: float) -> None:
        self.epoch, self.waited = self.epoch + 1, self.waited + 1
        if self.patience is not None and loss < self.best:
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
    """Train a network, and leave it with the weights of its best epoch, or of its last one where it has no patience.

    What is random in an epoch comes from the seed and the epoch's number, so that a training that was killed ends as
    one that was not.

    Parameters
    ----------
    net : nn.Module
    loss : callable
        Of what comes out and what should, as a mean over examples.
    train : Batches
    validation : Batches or None
        The loss on it says which epoch is best; without it the loss in training does. It is told in any case.
    plan : Plan
    seed : int
    context : Training, optional
        It is told each epoch's ``loss`` and ``validation_loss``, and keeps a checkpoint.

    Raises
    ------
    ValueError
        If there are fewer than two examples, or the loss is no finite number any more.
    MirstoreError
        If there is too little memory, on the GPU or else on the machine.
    """
    if len(train) < 2:
        raise ValueError("a network needs two examples or more to learn from")
    with memory_for(plan.batch), repeatable():
        net.to(processor())
        _descend(net, loss, train, validation, plan, seed, context)
    net.to("cpu").eval()


def _descend(
    net: nn.Module,
    loss: Loss,
    train: Batches,
    validation: Batches | None,
    plan: Plan,
    seed: int,
    context: Training | None,
) -> None:
    import torch

    learning = [weights for weights in net.parameters() if weights.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=plan.rate, weight_decay=plan.weight_decay)
    progress = _Progress(net, optimiser, plan.patience)
    saved = context.folder / "checkpoint.pt" if context else None
    if saved and saved.exists():
        progress.load(saved)
    while progress.epoch < plan.epochs and not progress.gave_up:
        with seeded(seed, progress.epoch):
            told = {"loss": _epoch(progress, loss, train, plan.batch)}
        if validation is not None:
            told["validation_loss"] = _mean_loss(net, loss, validation, plan.batch)
        judged = told.get("validation_loss", told["loss"])
        if not isfinite(judged):
            raise ValueError(f"the loss is {judged} in epoch {progress.epoch}: try a smaller rate than {plan.rate:g}")
        if context:
            context.report(progress.epoch, of=plan.epochs, **told)
        progress.judge(judged)
        if saved:
            progress.save(saved)
    if progress.weights:
        net.load_state_dict(progress.weights)


@contextmanager
def memory_for(batch: int) -> Iterator[None]:
    """Say what to do if there is too little memory.

    Parameters
    ----------
    batch : int > 0
        Examples at once.

    Raises
    ------
    MirstoreError
        In place of what is raised inside for lack of memory, on the GPU or on the machine.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        where = _lacking_memory(error)
        if where is None:
            raise
        hints = [f"batch = {batch // 2} needs about half of it"] if batch > 2 else []
        if where == "the GPU":
            hints.append("what runs at once shares it: -j 1 runs one case after another")
        hint = "; ".join(hints) or None
        raise MirstoreError(f"{where} has too little memory for batches of {batch}", hint=hint) from error


def _lacking_memory(error: Exception) -> str | None:
    """Return whose memory an error says there is too little of; None if it is about something else."""
    import torch

    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "the machine"
    # What CUDA and its libraries take for themselves is not asked of torch, and said in words alone.
    own = any(words in str(error) for words in ("CUDA error: out of memory", "_STATUS_ALLOC_FAILED"))
    return "the GPU" if own or isinstance(error, torch.OutOfMemoryError) else None


@contextmanager
def repeatable(*, exact: bool = False) -> Iterator[None]:
    """Have convolutions on a GPU give the same each time.

    Parameters
    ----------
    exact : bool
        Whether they use all bits of float32, as processors do, rather than ten of its fraction (TF32).
    """
    from torch.backends import cudnn

    with cudnn.flags(enabled=cudnn.enabled, deterministic=True, allow_tf32=cudnn.allow_tf32 and not exact):
        yield


def processor() -> torch.device:
    """Return where networks learn: on the GPU, if there is one."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Have torch draw from a seed of these numbers, and go on outside as if nothing had been drawn.

    Parameters
    ----------
    *numbers : int >= 0
    """
    import torch

    with torch.random.fork_rng(range(torch.cuda.device_count())):  # told, so that several GPUs are no warning
        torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
        yield


def _epoch(progress: _Progress, loss: Loss, train: Batches, size: int) -> float:
    import torch

    progress.net.train()
    total = 0.0
    steps = min(-(-len(train) // size), len(train) // 2)  # as equal as they can be: normalisation needs two examples
    for rows in np.array_split(torch.randperm(len(train)).numpy(), steps):
        found = _loss(progress.net, loss, *train.read(rows))
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
        return sum(float(_loss(net, loss, *part.read(rows))) * len(rows) for rows in pieces) / len(part)


def _loss(net: nn.Module, loss: Loss, given: tuple[torch.Tensor, ...], wanted: torch.Tensor) -> torch.Tensor:
    """Return the loss of a batch, where the network is."""
    import torch

    device = next(net.parameters()).device
    there = [array.to(device, non_blocking=True) for array in given]
    if device.type == "cpu":
        return loss(net(*there), wanted)
    several = torch.cuda.device_count() > 1
    shared = torch.nn.DataParallel(net) if several else net
    # The threads of several GPUs do not know of bfloat16: they would compute with float16, which overflows.
    with torch.autocast(device.type, torch.bfloat16, enabled=torch.cuda.is_bf16_supported() and not several):
        found = shared(*there)
    return loss(found.float(), wanted.to(device))
