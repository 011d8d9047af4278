"""Workers in other interpreters: started with this mirstore's core, a decoder, and nothing else of ours."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as TimeUpError
from contextlib import suppress
from typing import Any, TypeVar

from mirstore.core import decoding, inside
from mirstore.core.descriptions import Plain
from mirstore.core.environments import Environment, alone, record
from mirstore.core.errors import PluginError, TrackError, UsageError
from mirstore.core.lending import core_sha256, lent
from mirstore.core.places import Place, gpu_variables, gpus, no_gpu
from mirstore.core.pool import LocalPool, WorkerDied, memory_for_workers
from mirstore.core.text import shortened, storable
from mirstore.core.workers import Limits

T = TypeVar("T")

oldest = (3, 10)  # what polars and the modules of a worker need
patience = 120.0  # [s] for a plugin to be imported and to say what it is

_probe = f"""
import sys
sys.path[:] = filter(None, sys.path)
if sys.version_info < {oldest}:
    sys.exit("is Python %d.%d; {".".join(map(str, oldest))} is the oldest that can be used" % sys.version_info[:2])
import mirstore.core.inside, mirstore.core.workers
"""


def variables(environment: Environment) -> dict[str, str]:
    """Return the environment variables of a worker there.

    Parameters
    ----------
    environment : Environment
    """
    return {
        inside.variable: environment.name,
        decoding.variable: json.dumps(decoding.command()),
        "PYTHONPATH": str(lent()),
        "PYTHONHOME": "",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
    }


def problem(environment: Environment) -> str | None:
    """Start the interpreter and say in a line why no worker can live there.

    Parameters
    ----------
    environment : Environment
    """
    if environment.problem:
        return f"environment {environment.name!r} cannot be used: {environment.problem}"
    why = _start(environment) and _start(environment)  # twice: somebody may have killed the first
    return f"environment {environment.name!r} cannot be used: {storable(shortened(why, 300))}" if why else None


def _start(environment: Environment) -> str:
    """Return why the interpreter does not start as a worker, empty if it does."""
    command, there = [str(environment.python), "-c", _probe], {**os.environ, **variables(environment)}
    try:
        subprocess.run(command, env=there, stdin=subprocess.DEVNULL, capture_output=True, timeout=patience, check=True)
        return ""
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)


class InterpreterPool(LocalPool):
    """Processes of another interpreter.

    Parameters
    ----------
    environment : Environment
        Whose.
    workers : int > 0
        Calls that run at once.
    memory : int > 0 [bytes] or None
        What each process may take.
    """

    def __init__(self, environment: Environment, workers: int, memory: int | None) -> None:
        self._environment = environment
        self.problem = problem(environment)
        there = variables(environment)
        each = [there | own for own in (gpu_variables() if _likes_gpus(environment) else [no_gpu])]
        super().__init__(workers, memory, environments=each, python=str(environment.python))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have ``fn`` called there; fail at once if no worker can live there.

        Parameters
        ----------
        fn : callable
        *args, **kwargs
            Its arguments.
        """
        if self.problem is None:
            return super().submit(fn, *args, **kwargs)
        future: Future[T] = Future()
        future.set_exception(TrackError("no environment", self.problem))
        return future

    def _failed(self, error: Exception) -> None:
        if isinstance(error, OSError | WorkerDied):  # is it the track, or is the interpreter gone?
            self.problem = self.problem or problem(self._environment)


def _likes_gpus(environment: Environment) -> bool:
    return any(told["place"] == "gpu" for told in environment.card.get("described", {}).get("extractors", ()))


def place(environment: Environment, workers: int) -> Place:
    """Return an environment as a place.

    Parameters
    ----------
    environment : Environment
    workers : int > 0
        Processes, unless the environment says how many; with extractors that gain from GPUs, as many as there are.
    """
    on_gpu = _likes_gpus(environment)

    def pool(workers: int, limits: Limits) -> Executor:
        return InterpreterPool(environment, workers, None if on_gpu else environment.memory or limits.memory)

    return Place(pool, environment.jobs or (max(1, len(gpus())) if on_gpu else workers))


_asking: dict[Environment, InterpreterPool] = {}


@atexit.register
def close() -> None:
    """End the workers that answered questions."""
    while _asking:
        _asking.popitem()[1].shutdown()


def asked(environment: Environment, call: Callable[..., T], *arguments: Any, patience: float = patience) -> T:
    """Call a function there, in a worker that is kept for further questions; again if the worker dies.

    Parameters
    ----------
    environment : Environment
    call : callable
        Of a module that can be imported there.
    *arguments
        That can be pickled.
    patience : float > 0 [s]
        How long to wait for the answer.

    Raises
    ------
    PluginError
        If no worker can live there, or if it dies twice or does not answer.
    """
    for _ in range(2):
        pool = _asking.get(environment) or InterpreterPool(environment, 1, memory_for_workers())
        _asking[environment] = pool
        try:
            return pool.submit(call, *arguments).result(patience)
        except TimeUpError:
            _asking.pop(environment).shutdown()
            why = f"environment {environment.name!r} does not answer within {patience:.0f} s"
            raise PluginError(why, hint=environment.remedy) from None
        except (WorkerDied, OSError):
            _asking.pop(environment).shutdown()
        except TrackError:
            if pool.problem is None:
                raise  # what was called says so
            _asking.pop(environment).shutdown()
    why = pool.problem or f"environment {environment.name!r} dies when it is asked: a crash, or out of memory"
    raise PluginError(why, hint=environment.remedy)


def described(environment: Environment) -> Plain:
    """Return what an environment has, see `inside.tell`; asked anew if this core is another than the one that asked.

    Parameters
    ----------
    environment : Environment

    Raises
    ------
    PluginError
        If it cannot say.
    """
    card = environment.card
    if card and (environment.problem or card["core"] == core_sha256()):
        return dict(card["described"])
    told = asked(environment, inside.tell)
    if card:
        with suppress(PluginError, UsageError), alone(environment.name):  # it will be asked again
            record(environment.name, {**card, "core": core_sha256(), "described": told})
    return told
