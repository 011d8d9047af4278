"""A Dask cluster on this machine: a scheduler and workers in processes of their own, which a test can kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil


class DaskCluster:
    """A scheduler on loopback and its workers; as a context manager it ends them all."""

    def __init__(self, folder: Path, workers: int = 2, path: Sequence[str] = (), **options: str) -> None:
        self.folder, self.path = folder, path
        self.file = folder / "scheduler.json"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--scheduler-file", self.file
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        while not self.file.exists():
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        for _ in range(workers):
            self.add(wait=False, **options)
        if workers:
            self.wait_for(workers)

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    def _start(self, kind: str, *arguments: object, **variables: str) -> subprocess.Popen[bytes]:
        places = os.pathsep.join([*self.path, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        with open(self.folder / f"{kind}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + kind, "--no-dashboard", *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": places, **variables},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def add(self, *, wait: bool = True, variables: Mapping[str, str] | None = None, **options: str) -> None:
        """Start a worker with its nanny, which starts it again if it is killed."""
        more = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
        more += [
            "--nthreads",
            "1",
            "--host",
            "127.0.0.1",
            "--scheduler-file",
            self.file,
            "--local-directory",
            self.folder,
        ]
        self.workers.append(self._start("worker", *more, **(variables or {})))
        if wait:
            self.wait_for(len(self.workers))

    def wait_for(self, workers: int, seconds: float = 60.0) -> None:
        """Wait until so many workers are there."""
        from distributed import Client

        with Client(f"tcp://127.0.0.1:{self.port}", set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=seconds)

    def kill_a_worker(self, number: int = 0) -> None:
        """Kill one worker process by signal; its nanny starts another."""
        nanny = psutil.Process(self.workers[number].pid)
        for child in nanny.children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)

    def ours(self) -> list[psutil.Process]:
        """Return the processes of mirstore beside the workers."""
        found = [child for worker in self.workers for child in psutil.Process(worker.pid).children(recursive=True)]
        return [process for process in found if "mirstore.core.process" in " ".join(_cmdline(process))]

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.scheduler):
            everyone = [psutil.Process(process.pid)] if process.poll() is None else []
            everyone += [child for one in everyone for child in one.children(recursive=True)]
            for one in everyone:
                with _gone():
                    one.kill()
            process.wait()


def _cmdline(process: psutil.Process) -> list[str]:
    with _gone():
        return process.cmdline()
    return []


def _gone() -> suppress:
    return suppress(psutil.NoSuchProcess, psutil.ZombieProcess)
