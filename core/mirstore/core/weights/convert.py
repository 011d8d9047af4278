"""Turning foreign files into safetensors, once, in a process of its own.

What runs is the plugin's own code, on files whose hashes fit. The process keeps its libraries out of ours, and a crash
in it is one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, wait
from pathlib import Path

from mirstore.core.errors import WeightsError
from mirstore.core.pretrained import Convert, Weights
from mirstore.core.text import explained, shown

_look = 0.2  # [s] between looks whether it is done


def convert(weights: Weights, files: Sequence[Path], to: Path) -> Iterator[None]:
    """Convert files in a worker process; yield while it works.

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
    from mirstore.core.pool import local_pool
    from mirstore.core.workers import Limits

    assert weights.convert is not None
    pool = local_pool(1, Limits())
    try:
        future = pool.submit(_convert, weights.convert, list(files), to)
        while not wait([future], timeout=_look).done:
            yield
        future.result()
    except OSError:  # no room for the result
        raise
    except Exception as error:
        why = "its process died" if isinstance(error, BrokenExecutor) else ": ".join(explained(error))
        hint = "the fetched files are as declared: tell the plugin's author"
        raise WeightsError(f"weights {weights.name!r} could not be converted: {why}", hint=hint) from None
    finally:
        pool.shutdown()


def _convert(function: Convert, files: list[Path], to: Path) -> None:
    from mirstore.core.weights.arrays import to_bytes

    arrays = function(files)
    if not isinstance(arrays, Mapping) or not arrays:
        raise TypeError(f"convert must return arrays by name, got {shown(arrays)}")
    to.write_bytes(to_bytes(arrays))
