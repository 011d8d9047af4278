"""Where extractors run: the processors of this machine, its GPUs, or whatever else has an executor."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from glob import glob

from mirstore.core.pool import Crew, LocalPool, local_pool, memory_for_workers
from mirstore.core.workers import Limits

Pool = Callable[[int, Limits], Executor]
"""Makes an executor for a number of workers: local processes, or an existing cluster's."""


no_gpu = {"CUDA_VISIBLE_DEVICES": ""}
"""The variables of a process that sees none."""


@dataclass(frozen=True)
class Place:
    """One of the places that extractors name.

    Attributes
    ----------
    pool : callable
        Makes its executor. One that has a method ``capacity`` is asked by it, since workers come and go.
    workers : int > 0
        Calls that run there at once.
    here : bool
        Whether its processes share this machine's memory.
    """

    pool: Pool
    workers: int
    here: bool = True


def cpu_pool(workers: int, limits: Limits) -> LocalPool:
    """Return an executor of local processes that see no GPU: what is placed on processors computes there.

    Libraries take a GPU where they see one, and each of many processes would load its model there.

    Parameters
    ----------
    workers : int > 0
    limits : Limits
        As for `local_pool`.
    """
    return local_pool(workers, limits, environments=[no_gpu])


def places(workers: int, pool: Pool = cpu_pool, named: Container[str] = ("cpu", "gpu")) -> dict[str, Place]:
    """Return those of this machine's places that are named: so many processors by ``pool``, and its GPUs.

    Parameters
    ----------
    workers : int > 0
    pool : callable
        Makes the executor for the processors.
    named : container of str
        Which places are wanted.
    """
    found = {"cpu": Place(pool, workers)}
    if "gpu" in named:  # the driver takes its time to count them
        found["gpu"] = Place(gpu_pool, max(1, len(gpus())))
    return found


def gpu_pool(workers: int, limits: Limits) -> LocalPool:
    """Return an executor with one process per GPU, each of which sees that one only.

    No limit of memory: CUDA alone takes 2 GB of a process's data, more than a share may be, and what it takes on the
    device is not the process's memory at all.

    Parameters
    ----------
    workers : int > 0
    limits : Limits
        Of memory it takes none.
    """
    return LocalPool(workers, None, environments=gpu_variables())


def gpu_variables() -> list[dict[str, str]]:
    """Return the variables of a process on each GPU, which sees no other; one without any where there is none.

    It computes float32 as such: by default convolutions there use ten bits of its fraction (TF32), and so differ more
    from those on processors.
    """
    return [{"CUDA_VISIBLE_DEVICES": gpu, "NVIDIA_TF32_OVERRIDE": "0"} for gpu in gpus()] or [{}]


def gpus() -> list[str]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; empty if there are none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    if shutil.which("nvidia-smi"):
        with suppress(OSError, subprocess.SubprocessError):  # installed without a driver, or it hangs
            command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
            return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    return [path.removeprefix("/dev/nvidia") for path in sorted(glob("/dev/nvidia[0-9]*"))]


def opened(found: Mapping[str, Place], crews: Iterable[tuple[str, Crew]], limits: Limits) -> dict[str, Executor]:
    """Make the executors of the places that are needed, with shares of this machine's memory.

    Parameters
    ----------
    found : Mapping of str to Place
    crews : iterable of (str, Crew)
        The places that are needed, and who works there.
    limits : Limits
        If ``memory`` is None, what the processes that declare nothing may take is shared equally.
    """
    crews = list(crews)
    memory = limits.memory or _share(found, crews)
    executors: dict[str, Executor] = {}
    try:
        for name in dict.fromkeys(name for name, _ in crews):
            place = found[name]
            executors[name] = place.pool(place.workers, replace(limits, memory=memory) if place.here else limits)
    except BaseException:
        for executor in executors.values():
            executor.shutdown(wait=False)
        raise
    return executors


def _share(found: Mapping[str, Place], crews: Sequence[tuple[str, Crew]]) -> int:
    """Return an equal share [bytes] of what processes that declare their memory leave, at least of half of it all."""
    here = [(found[name].workers, crew) for name, crew in {*crews} if found[name].here]
    declared = sum(min(workers, crew.workers or workers) * crew.memory for workers, crew in here if crew.memory)
    others = sum(workers for workers, crew in here if not crew.memory)
    whole = memory_for_workers()
    return max(whole - declared, whole // 2) // max(others, 1)
