"""Worker processes: fed one call after another, ended with all that they started, replaced when they die or are spoilt.

An `Executor`, so that a cluster's can take its place. Beyond that port it knows at once which call killed a worker (its
future raises `WorkerDied`, no other does), it leaves nothing of a worker behind, and it caps what workers print.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import ForkingPickler
from time import monotonic
from typing import Any, TypeVar

from mirstore.core.workers import Limits

T = TypeVar("T")

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
class Fresh:
    """A call that wants a worker to itself, in which nothing ran before and nothing runs after it."""

    call: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        """Call it; what an executor that knows nothing of this does."""
        return self.call(*arguments)


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


class LocalPool(Executor):
    """Local processes, each with a clean interpreter and one thread per library.

    Parameters
    ----------
    workers : int > 0
        Processes.
    memory : int > 0 [bytes]
        What each may take.
    """

    def __init__(self, workers: int, memory: int) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._workers = [_Worker(memory) for _ in range(workers)]
        # Daemons: whoever forgets to shut the pool down can still leave.
        self._threads = [threading.Thread(target=self._feed, args=(worker,), daemon=True) for worker in self._workers]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have ``fn`` called in a worker; it and its arguments must pickle."""
        if self._closed:
            raise RuntimeError("the pool was shut down")
        future: Future[T] = Future()
        self._calls.put((future, (fn, args, kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, whatever they are at: after Ctrl-C or a crash nobody waits for it."""
        self._closed = True
        with suppress(queue.Empty):
            while item := self._calls.get_nowait():
                item[0].cancel()
        for worker in self._workers:
            self._calls.put(None)
            worker.kill()
        for thread in self._threads:
            thread.join()

    def _feed(self, worker: _Worker) -> None:
        while item := self._calls.get():
            future, call = item
            if not future.set_running_or_notify_cancel():
                continue
            fresh = isinstance(call[0], Fresh)
            if fresh and worker.used:
                worker.end()
            try:
                good, answer, spoilt = worker.ask(call)
            except Exception as error:
                good, answer, spoilt = False, error, True
            if fresh or spoilt:
                worker.end()
            if good:
                future.set_result(answer)
            else:
                future.set_exception(answer)
            del item, future, call, answer  # results are large
        worker.end()


class _Worker:
    """One process after another, fed by one thread; any thread may kill it."""

    _connection: Connection
    _output: int
    _lifeline: int  # closed by the system when this process ends, however it ends

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.used = False
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False
        self._lock = threading.Lock()

    def ask(self, call: Any) -> tuple[bool, Any, bool]:
        """Return whether it went well, the answer or exception, and whether the worker must be replaced."""
        message = ForkingPickler.dumps(call)  # an argument that does not pickle leaves the worker as it is
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

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        self._output, their_output = os.pipe()
        their_lifeline, self._lifeline = os.pipe()
        os.set_blocking(self._output, False)
        arguments = f"{theirs.fileno()}, {their_lifeline}, {self.memory}"
        code = f"import sys; sys.path[:] = {sys.path!r}; from mirstore.core.process import serve; serve({arguments})"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=their_output,  # what a library prints must not get between a command's data on stdout
                stderr=their_output,
                pass_fds=(theirs.fileno(), their_lifeline),
                env=os.environ | one_thread,
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
    """What a worker prints during one call, passed on to stderr up to a limit."""

    def __init__(self, output: int) -> None:
        self.open = [output]
        self._left = most_output
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def read(self) -> None:
        """Pass on what is there by now."""
        for _ in range(most_output // _piece):  # not for ever: a child of the worker may print without end
            try:
                data = os.read(self.open[0], _piece) if self.open else b""
            except OSError:  # nothing there
                return
            if not data:  # the worker is dead, or has closed it
                self.open = []
                return
            if self._left > 0:
                text = self._decoder.decode(data[: self._left])
                self._left -= len(data)
                self._write(text if self._left > 0 else text + capped)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError, AttributeError):  # stderr is closed, or there is none
            sys.stderr.write(text)
            sys.stderr.flush()


def local_pool(workers: int, limits: Limits) -> Executor:
    """Return an executor of local processes."""
    return LocalPool(workers, limits.memory or int(0.9 * _physical_memory() / workers))


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
