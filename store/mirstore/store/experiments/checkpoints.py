"""Folders in which models that train for long save themselves; they go when their case is finished."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, TextIO
from uuid import uuid4

from mirstore.core.durations import duration
from mirstore.core.events import Event
from mirstore.core.experiments.cases import Case
from mirstore.core.training import Training, curve_file
from mirstore.store.experiments.planned import Planned


@dataclass(frozen=True)
class Epoch(Event):
    """An epoch that a model reported while its case runs.

    Attributes
    ----------
    case : Case
    part : str
        Of the case: ``run-0-fold-2``, or ``whole``.
    number : int
    values : Mapping of str to float
        What was reported of it.
    of : int or None
        How many there will be, at most, if the model says so.
    left : float or None [s]
        How long these will take if they go on as since they were watched; None before a second one was seen.
    """

    case: Case
    part: str
    number: int
    values: Mapping[str, float]
    of: int | None = None
    left: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return its kind as ``event``, and its attributes."""
        return {**super().as_dict(), "case": self.case.names()}

    def note(self) -> str:
        """Return a few words to stand beside a bar while it is the latest: the first epoch is 1 to who waits."""
        values = ", ".join(f"{name} {value:.4g}" for name, value in self.values.items())
        of = f" of {self.of}" if self.of else ""
        left = f", {duration(self.left)} left" if self.left is not None else ""
        return f"{self.case.model} {self.part.replace('-', ' ')} epoch {self.number + 1}{of}: {values}{left}"


def folder_of(store: Path, item: Planned) -> Path:
    """Return the folder for checkpoints of a case: of everything that goes into it, so that no other finds it.

    Parameters
    ----------
    store : path
        The store's folder.
    item : Planned
    """
    return store / "checkpoints" / item.sha256


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Give a case's folder to one process; another one that is at the same case gets a temporary one.

    Parameters
    ----------
    folder : path
        The case's; made if it is not there.

    Yields
    ------
    path
        The folder itself, or a temporary one that is removed afterwards.
    """
    lock = _locked(folder)
    if lock is None:
        with TemporaryDirectory(prefix="mirstore-") as temporary:
            yield Path(temporary)
        return
    with lock:
        yield folder  # the lock ends with the file, also when this process is killed


def _locked(folder: Path) -> TextIO | None:
    """Return the lock of a folder that is there, None if another process has it."""
    while True:
        with suppress(FileNotFoundError, FileExistsError), ExitStack() as until:  # the folder goes meanwhile
            folder.mkdir(parents=True, exist_ok=True)
            lock = until.enter_context(open(folder / "lock", "a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(folder / "lock")):
                until.pop_all()
                return lock


def remove(folder: Path) -> None:
    """Remove the checkpoints of a case, unless another process uses them.

    Parameters
    ----------
    folder : path
    """
    if folder.exists():
        with held(folder) as mine:
            if mine == folder:  # away at once: another process may begin anew there before all is deleted
                gone = folder.rename(folder.with_name(f"{folder.name}.{uuid4().hex}.gone"))
                shutil.rmtree(gone, ignore_errors=True)


@dataclass
class Watch:
    """Tells the epochs that running cases reported since it was asked last: the latest of each part."""

    store: Path
    sizes: dict[Path, int] = field(default_factory=dict)
    begun: dict[Path, tuple[int, float]] = field(default_factory=dict)  # the epoch that was seen first, and when [s]

    def news(self, running: Sequence[Planned]) -> Iterator[Epoch]:
        """Yield the epochs that were reported since the last time.

        Parameters
        ----------
        running : sequence of Planned
        """
        for item in running:
            for path in sorted(folder_of(self.store, item).glob(f"*/{curve_file}")):
                with suppress(FileNotFoundError):  # a case that failed meanwhile
                    yield from self._news(item, path)

    def _news(self, item: Planned, path: Path) -> Iterator[Epoch]:
        size = path.stat().st_size
        if self.sizes.get(path) != size:
            self.sizes[path] = size
            training = Training(path.parent)
            of = training.epochs()
            for number, values in list(training.curve().items())[-1:]:
                yield Epoch(item.case, path.parent.name, number, values, of, self._left(path, number, of))

    def _left(self, path: Path, number: int, of: int | None) -> float | None:
        now = monotonic()
        first, then = self.begun.setdefault(path, (number, now))
        return (now - then) / (number - first) * (of - 1 - number) if of and number > first else None
