"""A pool without processes: starting them takes longer than what is tested."""

from __future__ import annotations

from concurrent.futures import Executor, Future


class Inline(Executor):
    """Calls at once, here."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def here(workers, limits):
    return Inline()
