"""Turning foreign files into safetensors, once, in a process of its own.

What runs is the plugin's own code, on files whose hashes fit. The process keeps its libraries out of ours, and a crash
in it is one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from mirstore.core.errors import WeightsError
from mirstore.core.pretrained import Weights
from mirstore.core.text import explained
from mirstore.core.weights.elsewhere import Elsewhere

if TYPE_CHECKING:
    from mirstore.core.pool import LocalPool

_look = 0.2  # [s] between looks whether it is done


def convert(weights: Weights, files: Sequence[Path], to: Path) -> Iterator[None]:
    """Convert files in a worker process of the plugin's interpreter; yield while it works.

    Parameters
    ----------
    weights : Weights
        That have a ``convert``.
    files : sequence of path
        As they were fetched.
    to : path
        Where the safetensors file is written.

    Raises
    ------
    WeightsError
        If that fails, or gives something else than arrays of numbers.
    """
    from mirstore.core.weights.arrays import write_converted

    assert weights.convert is not None
    pool = _pool(weights)
    try:
        future = pool.submit(write_converted, weights.convert, list(files), to)
        while not wait([future], timeout=_look).done:
            yield
        why = future.result()
    except OSError:  # no room for the result
        raise
    except Exception as error:
        why = "its process died" if isinstance(error, BrokenExecutor) else ": ".join(explained(error))
    finally:
        pool.shutdown()
    if why:
        unknown = [file.name for file in weights.files if file.sha256 is None]
        known = "the fetched files are as declared: tell the plugin's author"
        hint = f"get {', '.join(unknown)} again: its hash is not known" if unknown else known
        raise WeightsError(f"weights {weights.name!r} could not be converted: {why}", hint=hint)


def _pool(weights: Weights) -> LocalPool:
    """Return a process of the interpreter that has the conversion."""
    from mirstore.core.interpreters import InterpreterPool
    from mirstore.core.pool import LocalPool, memory_for_workers

    if not isinstance(weights.convert, Elsewhere):
        return LocalPool(1, memory_for_workers())
    environment = weights.convert.environment
    pool = InterpreterPool(environment, 1, memory_for_workers())
    if pool.problem:
        pool.shutdown()
        why = f"weights {weights.name!r} cannot be converted: {pool.problem}"
        raise WeightsError(why, hint=environment.remedy)
    return pool
