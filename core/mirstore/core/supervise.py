"""One supervisor for all work in other processes: it feeds executors, and knows who answered and whose worker died.

What becomes of an answer or a loss is the attempt's own matter: a result, or further attempts, as a rule alone in a new
worker, so that the right one is blamed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from mirstore.core.components import Component
from mirstore.core.durations import duration
from mirstore.core.errors import ClusterError, TrackError, UnreachableError, UsageError
from mirstore.core.pool import Crew, Task
from mirstore.core.text import explained
from mirstore.core.workers import unreached

R = TypeVar("R")

ctrl_c = 0.5  # [s] between looks at it: polars keeps it from ending a wait for a lock


@dataclass(frozen=True)
class Loss:
    """Why a call gave no answer.

    Attributes
    ----------
    error, message : str
        A short stable word, and a sentence, for the case that it comes to blame.
    seconds : float
        How long it had run.
    died : bool
        Whether its worker died, and perhaps through somebody else; otherwise the call raised.
    """

    error: str
    message: str
    seconds: float
    died: bool


class Attempt(ABC, Generic[R]):
    """One call, and what follows from it."""

    place: str = "cpu"

    @property
    @abstractmethod
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        """What to submit, with its arguments."""

    @abstractmethod
    def answered(self, answer: Any) -> Iterable[R | Attempt[R]]:
        """Yield results, and what to try next.

        Parameters
        ----------
        answer : object
            What the call returned.
        """

    @abstractmethod
    def lost(self, loss: Loss) -> Iterable[R | Attempt[R]]:
        """Yield results, and what to try next, although there is no answer.

        Parameters
        ----------
        loss : Loss
            Why there is none.
        """


class Supervisor(Generic[R]):
    """Feeds executors and tells results; leaving it ends the executors.

    Parameters
    ----------
    executors : Mapping of str to Executor
        By place.
    seconds : float > 0 [s] or None
        What a call may take; tells a worker that was stopped from one that crashed.
    """

    def __init__(self, executors: Mapping[str, Executor], seconds: float | None) -> None:
        self._executors, self._seconds = executors, seconds
        self._running: dict[Future[Any], Attempt[R]] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the executors, whatever they are at."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)

    def submit(self, attempt: Attempt[R]) -> None:
        """Have an attempt made.

        Parameters
        ----------
        attempt : Attempt
        """
        task, arguments = attempt.call
        self._running[self._executors[attempt.place].submit(task, *arguments)] = attempt

    def capacity(self, place: str, crew: Crew, usual: int) -> int:
        """Return how many calls of a crew run at once; an executor that says nothing of it has the usual number.

        Parameters
        ----------
        place : str
        crew : Crew
        usual : int > 0
        """
        asked = getattr(self._executors[place], "capacity", None)
        return usual if asked is None else int(asked(crew))

    @property
    def running(self) -> Collection[Attempt[R]]:
        """What is submitted and has no answer yet."""
        return self._running.values()

    def finished(self) -> Iterator[R]:
        """Wait a moment, and yield the results of what was answered, or lost, by then."""
        answered, _ = wait(self._running, timeout=ctrl_c, return_when=FIRST_COMPLETED)
        for future in [future for future in self._running if future in answered]:  # in the order of submitting
            attempt = self._running.pop(future)  # answers are large: keep none that was told
            for step in self._steps(future, attempt):
                if isinstance(step, Attempt):
                    self.submit(step)
                else:
                    yield step

    def _steps(self, future: Future[Any], attempt: Attempt[R]) -> Iterable[R | Attempt[R]]:
        try:
            answer = future.result()
        except (ClusterError, CancelledError):  # nobody is left to ask again
            raise
        except Exception as error:
            return attempt.lost(self._loss(error))
        return attempt.answered(answer)

    def _loss(self, error: Exception) -> Loss:
        seconds = float(getattr(error, "seconds", 0.0))
        if isinstance(error, TrackError):
            return Loss(error.reason, error.message, seconds, died=False)
        if isinstance(error, UnreachableError):
            return Loss(unreached, str(error), seconds, died=False)
        if not isinstance(error, BrokenExecutor):
            return Loss(*explained(error), seconds, died=False)
        if self._seconds and seconds >= self._seconds:
            return Loss("timeout", f"stopped after {duration(self._seconds)}, twice", seconds, died=True)
        message = "its worker process died twice: a crash in native code, or out of memory"
        return Loss("crashed", message, seconds, died=True)


def refuse_scripts(components: Iterable[Component]) -> None:
    """Refuse components that a worker process cannot import.

    Parameters
    ----------
    components : iterable of Component

    Raises
    ------
    UsageError
        If one's class is defined in the script or notebook that runs.
    """
    for component in components:
        if type(component).__module__ == "__main__":
            raise UsageError(
                f"class {type(component).__name__} is defined in the script that runs",
                hint="put it into a module of its own: worker processes import it from there",
            )
