"""What runs inside a cluster's worker: calls are answered by processes of our own beside it.

So limits hold, in whatever thread the cluster calls, a new process can be had for one call, and code that crashes costs
a process of ours and never the cluster's worker.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from time import monotonic
from typing import Any

from mirstore.core.bucket import Bucket
from mirstore.core.errors import ClusterError, MirstoreError, UnreachableError
from mirstore.core.places import gpu_pool
from mirstore.core.pool import LocalPool, Task, memory_for_workers
from mirstore.core.workers import Limits

mend = "check its AWS_ENDPOINT_URL and credentials, or mount the folder there"
idle = 60.0  # [s] after which the processes end: whoever asked may have died without a word


@dataclass(frozen=True)
class Needs:
    """What a worker must have in common with whoever asks.

    Attributes
    ----------
    versions : Mapping of str to str
        See `versions`.
    modules : frozenset of str
        Of the components that run there.
    paths : frozenset of pathlib.Path
        Files and folders that it must see.
    bucket : Bucket or None
        That it must reach.
    """

    versions: Mapping[str, str]
    modules: frozenset[str] = frozenset()
    paths: frozenset[Path] = frozenset()
    bucket: Bucket | None = None

    def lacking(self) -> str:
        """Say what this process has not in common, empty if it has all."""
        return self.unlike() or self.unreached()

    def unlike(self) -> str:
        """Say what software or folder this process lacks."""
        here = versions(self.modules)
        for name, wanted in self.versions.items():
            if here.get(name) != wanted:
                return f"has {f'{name} {here[name]}' if name in here else f'no {name}'}, but {wanted} is wanted"
        unseen = sorted(path for path in self.paths if not path.exists())
        return f"does not see {unseen[0]}" if unseen else ""

    def unreached(self) -> str:
        """Say why this process does not reach the bucket."""
        try:
            if self.bucket is not None and self.bucket.read("head") is None:
                return f"does not see the store's data in {self.bucket.url}"
        except MirstoreError as error:
            return f"does not reach the store's bucket: {error.message}"
        return ""


@dataclass(frozen=True)
class Call:
    """A call on its way to a cluster.

    Attributes
    ----------
    data : bytes
        Function and arguments, pickled: nothing of a plugin is loaded before it is where it runs.
    task : Task
        Who answers it.
    limits : Limits
    gpu : bool
        Whether it wants the worker's GPU.
    session : str
        Of whoever asks.
    needs : Needs
    """

    data: bytes
    task: Task
    limits: Limits
    gpu: bool
    session: str
    needs: Needs


def versions(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python, mirstore and the distributions that bring these modules as plugins.

    Parameters
    ----------
    modules : iterable of str
        Their full names.
    """
    wanted = {module.partition(".")[0] for module in modules}
    found = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}", "mirstore": version("mirstore")}
    for entry in entry_points(group="mirstore"):
        if entry.module.partition(".")[0] in wanted and entry.dist is not None:
            found[entry.dist.name] = entry.dist.version
    return found


def answer(call: Call) -> bytes:
    """Have a call answered; return whether that went well, and the answer or the exception, pickled.

    Parameters
    ----------
    call : Call
    """
    try:
        with _lodging(call) as pool:
            return pickle.dumps((True, pool.submit(call.task, call.data).result()))
    except UnreachableError as error:
        from distributed import get_worker

        worker = get_worker().address
        named = UnreachableError(f"worker {worker}: {error.message}", hint=error.hint)
        named.worker = worker
        return pickle.dumps((False, named))
    except Exception as error:
        return pickle.dumps((False, error))


def unpickled(data: bytes) -> Any:
    """Call what was pickled as function, arguments and named arguments.

    Parameters
    ----------
    data : bytes
        From our own side: a pickle runs whatever it says.
    """
    function, arguments, named = pickle.loads(data)
    return function(*arguments, **named)


@dataclass
class _Lodging:
    """Our processes beside one worker, for one session."""

    pool: LocalPool
    guests: int = 0
    left: float = 0.0  # when the last one went [s]


_lodgings: dict[tuple[str, bool], _Lodging] = {}
_over: deque[str] = deque(maxlen=1000)  # sessions that have ended; a call of theirs may still be on its way
_lock = threading.Condition()
_tidying = threading.Event()  # whether a thread looks after them


@contextmanager
def _lodging(call: Call) -> Iterator[LocalPool]:
    key = call.session, call.gpu
    with _lock:
        if call.session in _over:
            raise ClusterError("is asked by a session that has ended")
        if key not in _lodgings:
            if lacking := call.needs.unlike():  # it has joined since the others were asked
                raise ClusterError(lacking)
            if lacking := call.needs.unreached():
                raise UnreachableError(lacking, hint=mend)
            _lodgings[key] = _Lodging(_pool(call))
            if not _tidying.is_set():
                _tidying.set()
                threading.Thread(target=_tidy, name="mirstore-tidy", daemon=True).start()
        lodging = _lodgings[key]
        lodging.guests += 1
    try:
        yield lodging.pool
    finally:
        with _lock:
            lodging.guests, lodging.left = lodging.guests - 1, monotonic()


def _tidy() -> None:
    """End processes that nobody has asked for a while: whoever did may have died without a word."""
    done = False
    while not done:
        with _lock:
            _lock.wait(idle / 4)  # or until a session ends
            over = [key for key, one in _lodgings.items() if not one.guests and monotonic() - one.left > idle]
            closing = [_lodgings.pop(key) for key in over]
            if done := not _lodgings:  # decided under the lock: whoever comes now starts another thread
                _tidying.clear()
        for lodging in closing:
            lodging.pool.shutdown()


def _pool(call: Call) -> LocalPool:
    from distributed import get_worker

    worker = get_worker()
    if call.gpu:
        return gpu_pool(max(1, int(worker.state.total_resources.get("GPU", 1))), call.limits)
    threads = worker.state.nthreads
    limit = worker.memory_manager.memory_limit or memory_for_workers()
    return LocalPool(threads, call.limits.memory or int(limit) // threads)


def end(session: str) -> None:
    """End the processes of a session, whatever they are at.

    Parameters
    ----------
    session : str
    """
    with _lock:
        _over.append(session)
        ours = [_lodgings.pop(key) for key in list(_lodgings) if key[0] == session]
        _lock.notify()
    for lodging in ours:
        lodging.pool.shutdown()
