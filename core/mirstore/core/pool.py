"""Worker processes: fed one call after another, ended with all that they started, replaced when they die or are spoilt.

An `Executor`, so that a cluster's can take its place. Beyond that port it knows at once which call killed a worker (its
future raises `WorkerDied`, no other does), it leaves nothing of a worker behind, and it caps what workers print.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from mirstore.core.messages import dumps
from mirstore.core.workers import Limits

T = TypeVar("T")
_Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

# Workers run in as many processes as there are cores; threads of their own would only get in each other's way.
one_thread = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"),
    "1",
)
most_output = 64 << 10  # [bytes] of what one call may print
capped = f"\n[output capped: a worker printed more than {most_output >> 10} KB at once]\n"
_piece = 1 << 12
_look = 0.5  # [s] between looks at a silent worker: a child of it may hold its pipes open after its death


@dataclass(frozen=True)
class Crew:
    """Workers that answer one kind of call and no other: what it loads, and how large it grows, is theirs alone.

    Attributes
    ----------
    name : str
        Tells crews apart; the usual one has none.
    workers : int > 0 or None
        The most processes that it may have; None means as many as the pool has.
    memory : int > 0 [bytes] or None
        What each may take; None leaves it to the pool.
    """

    name: str = ""
    workers: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Task:
    """A call that is particular about who answers it; an executor that knows nothing of this just calls it.

    Attributes
    ----------
    call : callable
    crew : Crew
        Who answers it.
    fresh : bool
        Whether it wants a worker to itself, in which nothing ran before and nothing runs after it.
    """

    call: Callable[..., Any]
    crew: Crew = Crew()
    fresh: bool = False

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it."""
        return self.call(*arguments, **named)


class WorkerDied(BrokenExecutor):
    """The worker process ended before it answered: a crash in native code, ``os._exit``, or out of memory.

    Parameters
    ----------
    seconds : float [s]
        How long it had worked on the call.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"a worker process died after {seconds:.1f} s")
        self.seconds = seconds

    def __reduce__(self) -> tuple[type[WorkerDied], tuple[float]]:
        return type(self), (self.seconds,)


class LocalPool(Executor):
    """Local processes, each with a clean interpreter and one thread per library.

    Parameters
    ----------
    workers : int > 0
        Calls that run at once.
    memory : int > 0 [bytes] or None
        What each process may take; None for any.
    environments : sequence of Mapping
        Variables for the first process of a crew, for the second and so on; then from the beginning.
    python : str or None
        Another interpreter, which finds `mirstore.core` by itself; None for this one, with what it finds.
    """

    def __init__(
        self,
        workers: int,
        memory: int | None,
        *,
        environments: Sequence[Mapping[str, str]] = ({},),
        python: str | None = None,
    ) -> None:
        self._workers, self._memory, self._environments, self._python = workers, memory, environments, python
        self._calls: deque[tuple[Future[Any], Task, _Call]] = deque()
        self._crews: dict[str, list[_Worker]] = {}
        self._changed = threading.Condition()
        self._closed = False
        # Daemons: whoever forgets to shut the pool down can still leave.
        self._threads = [threading.Thread(target=self._feed, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have ``fn``, perhaps a `Task`, called in a worker; it and its arguments must pickle.

        Parameters
        ----------
        fn : callable
        *args, **kwargs
            Its arguments.

        Raises
        ------
        RuntimeError
            If the pool was shut down.
        """
        future: Future[T] = Future()
        task = fn if isinstance(fn, Task) else Task(fn)
        with self._changed:
            if self._closed:
                raise RuntimeError("the pool was shut down")
            self._calls.append((future, task, (task.call, args, kwargs)))
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, whatever they are at: after Ctrl-C or a crash nobody waits for it."""
        with self._changed:
            self._closed = True
            while self._calls:
                self._calls.popleft()[0].cancel()
            for worker in self._everybody():
                worker.kill()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for worker in self._everybody():
            worker.end()

    def capacity(self, crew: Crew) -> int:
        """Return how many calls of a crew run at once.

        Parameters
        ----------
        crew : Crew
        """
        return min(self._workers, crew.workers or self._workers)

    def _everybody(self) -> list[_Worker]:
        return [worker for crew in self._crews.values() for worker in crew]

    def _feed(self) -> None:
        while item := self._next():
            future, task, call, worker = item
            if future.set_running_or_notify_cancel():
                self._ask(worker, future, task, call)
            with self._changed:
                worker.busy = False
                self._changed.notify_all()
            del item, future, call

    def _next(self) -> tuple[Future[Any], Task, _Call, _Worker] | None:
        """Return the first call for which there is somebody, with who answers it; None if the pool is closed."""
        with self._changed:
            while not self._closed:
                for number, (future, task, call) in enumerate(self._calls):
                    if worker := self._free(task.crew):
                        del self._calls[number]
                        worker.busy = True
                        return future, task, call, worker
                self._changed.wait()
        return None

    def _free(self, crew: Crew) -> _Worker | None:
        members = self._crews.setdefault(crew.name, [])
        if worker := next((worker for worker in members if not worker.busy), None):
            return worker
        if len(members) >= self.capacity(crew):
            return None
        variables = self._environments[len(members) % len(self._environments)]
        members.append(_Worker(self._python, crew.memory or self._memory, variables))
        return members[-1]

    def _ask(self, worker: _Worker, future: Future[Any], task: Task, call: _Call) -> None:
        if task.fresh and worker.used:
            worker.end()
        try:
            good, answer, spoilt = worker.ask(call)
        except Exception as error:
            good, answer, spoilt = False, error, True
        if task.fresh or spoilt:
            worker.end()
        if good:
            future.set_result(answer)
        else:
            self._failed(answer)
            future.set_exception(answer)

    def _failed(self, error: Exception) -> None:
        """Learn that a call has no answer, before whoever asked does."""


class _Worker:
    """One process after another, fed by one thread at a time; any thread may kill it."""

    _connection: Connection
    _output: int
    _lifeline: int  # closed by the system when this process ends, however it ends

    def __init__(self, python: str | None, memory: int | None, variables: Mapping[str, str]) -> None:
        self._python, self._memory, self._variables = python, memory, variables
        self.used = self.busy = False
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._lock = threading.Lock()

    def ask(self, call: _Call) -> tuple[bool, Any, bool]:
        """Return whether it went well, the answer or exception, and whether the worker must be replaced."""
        message = dumps(call)  # an argument that does not pickle leaves the worker as it is
        if self._process is not None and self._process.poll() is not None:
            self.end()  # it died when it had nothing to do
        with self._lock:
            if self._killed:
                raise WorkerDied(0.0)
            if self._process is None:
                self._start()
        begun, self.used, printed = monotonic(), True, _Printed(self._output)
        try:
            self._connection.send_bytes(message)
            while True:
                ready = wait([self._connection, *printed.open], timeout=_look)
                if self._connection in ready:
                    return pickle.loads(self._connection.recv_bytes())
                printed.read()
                if not ready and self._process is not None and self._process.poll() is not None:
                    raise EOFError
        except (OSError, EOFError):
            raise WorkerDied(monotonic() - begun) from None
        finally:
            printed.read()
            printed.end()

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        self._output, their_output = os.pipe()
        their_lifeline, self._lifeline = os.pipe()
        os.set_blocking(self._output, False)
        arguments = f"{theirs.fileno()}, {their_lifeline}, {self._memory}"
        path = "filter(None, sys.path)" if self._python else repr(sys.path)  # never the folder where it happens to be
        code = f"import sys; sys.path[:] = {path}; from mirstore.core.process import serve; serve({arguments})"
        try:
            self._process = subprocess.Popen(
                [self._python or sys.executable, "-u", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=their_output,  # what a library prints must not get between a command's data on stdout
                stderr=their_output,
                pass_fds=(theirs.fileno(), their_lifeline),
                env={**os.environ, **one_thread, **self._variables},
                start_new_session=True,  # a group of its own: Ctrl-C passes it by, and its children can be found
            )
        finally:
            theirs.close()
            os.close(their_output)
            os.close(their_lifeline)

    def kill(self) -> None:
        """Kill the process, if any, with all that it started, and start no other."""
        with self._lock:
            self._killed = True
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS: it is dead already
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill the process and let go of its pipes; for the thread that feeds it."""
        with self._lock:
            if self._process is None:
                return
            self._kill()
            self._process.wait()
            self._process, self.used = None, False
            self._connection.close()
            os.close(self._output)
            os.close(self._lifeline)


class _Printed:
    """What a worker prints during one call, passed on to stderr up to a limit.

    In whole lines: a worker writes a line and its end apart, and another's could come between.
    """

    def __init__(self, output: int) -> None:
        self.open = [output]
        self._begun = ""  # a line that has no end yet
        self._left = most_output
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def read(self) -> None:
        """Pass on what is there by now."""
        for _ in range(most_output // _piece):  # not for ever: a child of the worker may print without end
            try:
                data = os.read(self.open[0], _piece) if self.open else b""
            except OSError:  # nothing there
                break
            if not data:  # the worker is dead, or has closed it
                self.open = []
                break
            if self._left > 0:
                text = self._decoder.decode(data[: self._left])
                self._left -= len(data)
                self._begun += text if self._left > 0 else text + capped
        lines, end, self._begun = self._begun.rpartition("\n")
        self._write(lines + end)

    def end(self) -> None:
        """Pass on what has no end of a line, either."""
        self._write(self._begun)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):  # stderr is closed, or there is none
            sys.stderr.write(text)
            sys.stderr.flush()


def local_pool(workers: int, limits: Limits, *, environments: Sequence[Mapping[str, str]] = ({},)) -> LocalPool:
    """Return an executor of local processes.

    Parameters
    ----------
    workers : int > 0
    limits : Limits
        Of memory per process; by default an equal share of what workers may take together.
    environments : sequence of Mapping
        As of `LocalPool`.
    """
    return LocalPool(workers, limits.memory or memory_for_workers() // workers, environments=environments)


def memory_for_workers() -> int:
    """Return what all workers of this machine may take together [bytes]: 90 % of it, or of this container."""
    return int(0.9 * min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), _container_memory()))


def _container_memory() -> float:
    with suppress(OSError, ValueError):  # no control groups here, or "max"
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    return float("inf")
