"""What many calls have in common: it travels with each, and a process unpickles it once and keeps it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from mirstore.core.messages import dumps

T = TypeVar("T")

_most = 8  # values that a process keeps; an ingest has one per stage
_kept: dict[str, Any] = {}


@dataclass(frozen=True)
class Shared(Generic[T]):
    """A pickled value.

    Attributes
    ----------
    data : bytes
        The pickle.
    sha256 : str
        Its hash, by which a process knows it again.
    """

    data: bytes
    sha256: str

    @classmethod
    def of(cls, value: T) -> Shared[T]:
        """Return a value so that it can be sent many times.

        Parameters
        ----------
        value : object
            That can be pickled.
        """
        data = dumps(value)
        return cls(data, hashlib.sha256(data).hexdigest())

    @property
    def value(self) -> T:
        """The value: the same object each time that this process asks, so what it loads lazily is loaded once."""
        if self.sha256 not in _kept:
            while len(_kept) >= _most:
                del _kept[next(iter(_kept))]  # the oldest
            _kept[self.sha256] = pickle.loads(self.data)
        return cast(T, _kept[self.sha256])


def call_with(call: Callable[..., Any], shared: Shared[Any], *arguments: Any) -> Any:
    """Call with the shared value first; what is submitted to an executor.

    Parameters
    ----------
    call : callable
    shared : Shared
        Unpickled once per process.
    *arguments
        The others.
    """
    return call(shared.value, *arguments)
