"""What a long job tells while it runs: its events, one after the other, and in the end its result."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from mirstore.core.errors import MirstoreError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """Something that a long job tells."""

    def as_dict(self) -> dict[str, Any]:
        """Return its kind as ``event``, and its attributes."""
        return {"event": type(self).__name__.lower(), **vars(self)}

    def note(self) -> str:
        """Return a few words to stand beside a bar while it is the latest."""
        return ""


@dataclass(frozen=True)
class Started(Event):
    """A stage began.

    Attributes
    ----------
    stage : str
        ``"scan"``, ``"extract"``, ``"cases"`` …
    total : int
        How many items it has.
    """

    stage: str
    total: int


@dataclass(frozen=True)
class Progress(Event):
    """How far a stage is.

    Attributes
    ----------
    stage : str
    done, total : int
        Items; of a download, bytes.
    seconds : Mapping of str to float [s]
        What each feature set, or case, has cost so far, where that is known.
    """

    stage: str
    done: int
    total: int
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Warned(Event):
    """Something that is not as the one who asked may think.

    Attributes
    ----------
    text : str
    where : str
        The one item that it is about, such as a path; empty if it is about the job.
    """

    text: str
    where: str = ""


@dataclass(frozen=True)
class Failed(Event):
    """An item failed; the job goes on.

    Attributes
    ----------
    item : str
        A path, or a case.
    part : str
        What of it: a feature set, or ``audio``; empty if all.
    error, message : str
        A short stable word, and a sentence.
    """

    item: str
    part: str
    error: str
    message: str


@dataclass(frozen=True)
class Finished(Event, Generic[T]):
    """The last event of a job that came to its end."""

    result: T


class Events(Iterator[Event], Generic[T]):
    """A long job: iterate to do it and to watch it, or ask for its `result`.

    Nothing is done before the first event is asked for. A job that is stopped, by `close`, the end of a ``with``, or
    Ctrl-C, keeps what it has done.

    Parameters
    ----------
    steps : generator
        Yields events and returns the result; see `job`.
    """

    def __init__(self, steps: Generator[Event, None, T]) -> None:
        self._ended: list[Finished[T]] = []
        self._events = _whole(steps, self._ended)  # which does not hold this: whoever drops it in a loop stops it

    def __next__(self) -> Event:
        return next(self._events)

    def result(self) -> T:
        """Do the rest and return the result.

        Raises
        ------
        MirstoreError
            If the job was stopped before its end, or whatever ended it.
        """
        for _ in self:
            pass
        if not self._ended:
            raise MirstoreError("this was stopped before its end", hint="ask again: what is done is not done twice")
        return self._ended[0].result

    def within(self) -> Generator[Event, None, T]:
        """Do it as a part of another job: ``result = yield from job.within()``."""
        with self:
            for event in self:
                if not isinstance(event, Finished):
                    yield event
            return self.result()

    def close(self) -> None:
        """Stop here; what is done stays done."""
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<finished: {self._ended[0].result!r}>" if self._ended else "<a job: .result() does it, so does a loop>"


def _whole(steps: Generator[Event, None, T], ended: list[Finished[T]]) -> Generator[Event, None, None]:
    ended.append(Finished((yield from steps)))
    yield ended[0]


def job(function: Callable[P, Generator[Event, None, T]]) -> Callable[P, Events[T]]:
    """Make a generator of events that returns a result a function that returns `Events`.

    Parameters
    ----------
    function : callable
        A generator function; what it yields are events, what it returns is the result.

    Examples
    --------
    >>> @job
    ... def count(n):
    ...     for i in range(n):
    ...         yield Progress("count", i + 1, n)
    ...     return n
    >>> [event.done for event in count(2) if isinstance(event, Progress)]
    [1, 2]
    >>> count(2).result()
    2
    """

    @wraps(function)
    def begin(*args: P.args, **kwargs: P.kwargs) -> Events[T]:
        return Events(function(*args, **kwargs))

    return begin
