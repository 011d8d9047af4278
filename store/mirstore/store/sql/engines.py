"""The processes that answer a user's SQL: kept from one statement to the next, and ended with the process that asks.

Each answers one statement at a time; threads that ask at once have one each. One that had to be stopped, that died or
has grown is replaced. A forked child has none of its parent's and starts its own, so that nobody reads another's answer
and no fork keeps a process alive.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mirstore.store.sql.engine import Engine

_most_idle = 2  # that are kept

_everybody: set[Engine] = set()
_idle: list[Engine] = []


def start() -> None:
    """Have a process ready for the first question: it starts while its asker opens the store."""
    if not _idle:
        _idle.append(_new())


@contextmanager
def engine() -> Iterator[Engine]:
    """Give a process that answers, for one statement."""
    one = _take()
    try:
        yield one
    finally:
        if one.usable and len(_idle) < _most_idle:
            _idle.append(one)
        else:
            _end(one)


def _take() -> Engine:
    while _idle:
        with suppress(IndexError):  # another thread took it
            one = _idle.pop()
            if one.alive:
                return one
            _end(one)  # somebody has ended it
    return _new()


def _new() -> Engine:
    one = Engine()
    _everybody.add(one)
    return one


def _end(one: Engine) -> None:
    _everybody.discard(one)
    one.end()


def _end_all() -> None:
    for one in list(_everybody):
        _end(one)


def _forget_all() -> None:
    for one in list(_everybody):
        one.forget()
    _everybody.clear()
    _idle.clear()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_forget_all)
