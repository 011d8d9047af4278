"""Workers of a Dask cluster, behind the same port as local processes: ``--executor dask://HOST:PORT``.

Dask brings tasks to workers, and brings them again if a worker is lost. The answer itself comes from a process of our
own beside each worker, see `mirstore.core.guest`.
"""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from mirstore.core.bucket import Bucket
from mirstore.core.components import Component
from mirstore.core.errors import ClusterError, UnreachableError, UsageError
from mirstore.core.guest import Call, Needs, answer, end, unpickled, versions
from mirstore.core.places import Place
from mirstore.core.pool import Crew, Task, WorkerDied
from mirstore.core.text import explained
from mirstore.core.workers import Limits

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

connecting = 10.0  # [s] until a scheduler must have answered
patience = 600.0  # [s] without any worker; those of a queueing system come when there is work, and may take a while
silence = 5.0  # [s] of them until it is said that there is none
tries = 3  # of workers that do not reach the store's bucket
_look = 1.0  # [s] between questions who is there


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster.

    Parameters
    ----------
    address : str
        ``dask://HOST:PORT`` of its scheduler.
    needs : Needs
        What its workers must have in common with this process.
    """

    address: str
    needs: Needs

    @classmethod
    def at(
        cls, address: str, components: Iterable[Component], paths: Iterable[Path], bucket: Bucket | None = None
    ) -> Cluster:
        """Return the cluster at an address, for work with these components; paths are what its workers must see.

        Parameters
        ----------
        address : str
            ``dask://HOST:PORT``.
        components : iterable of Component
            Their plugins must be installed there, in the same versions.
        paths : iterable of path
            Of audio and the store.
        bucket : Bucket, optional
            Of the store, if they need not see its folder.
        """
        modules = frozenset(type(component).__module__ for component in components)
        return cls(address, Needs(versions(modules), modules, frozenset(path.absolute() for path in paths), bucket))

    @property
    def places(self) -> dict[str, Place]:
        """Its processors, and those of its workers that offer GPUs: ``dask worker --resources "GPU=1"``."""
        return {
            "cpu": Place(partial(ClusterPool, self), 1, here=False),
            "gpu": Place(partial(ClusterPool, self, gpu=True), 1, here=False),
        }


class ClusterPool(Executor):
    """The workers of a cluster as an executor.

    Parameters
    ----------
    cluster : Cluster
    workers : int
        Ignored: the cluster has as many as it has.
    limits : Limits
        ``memory`` None leaves each process its share of what its Dask worker may take.
    gpu : bool
        Whether calls want a GPU.

    Raises
    ------
    ClusterError
        If nothing answers there, or workers have other software or do not see the same folders.
    """

    def __init__(self, cluster: Cluster, workers: int, limits: Limits, *, gpu: bool = False) -> None:
        self._address, self._needs, self._limits, self._gpu = cluster.address, cluster.needs, limits, gpu
        self._session = uuid4().hex
        self._client = _connect(cluster.address)
        self._asked: dict[Future[Any], Any] = {}
        self._seen: list[int] = []  # calls that each worker answers at once
        self._looked = self._alone_since = monotonic() - _look
        self._said = False  # that nobody is there
        try:
            self._refuse_unlike()
        except BaseException:
            self.shutdown()
            raise

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Have ``fn``, perhaps a `Task`, called somewhere; it and its arguments must pickle.

        Parameters
        ----------
        fn : callable
        *args, **kwargs
            Its arguments.
        """
        task = fn if isinstance(fn, Task) else Task(fn)
        data = pickle.dumps((task.call, args, kwargs))
        call = Call(data, replace(task, call=unpickled), self._limits, self._gpu, self._session, self._needs)
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        self._ask(future, call)
        return future

    def _ask(self, future: Future[Any], call: Call, failed: tuple[str, ...] = (), workers: Any = None) -> None:
        """Have a call answered, by some workers if they are there; others have failed it."""
        with self._reachable():
            asked = self._client.submit(
                answer,
                call,
                key=f"mirstore-{uuid4().hex}",
                pure=False,
                resources={"GPU": 1} if self._gpu else None,
                workers=workers,
                allow_other_workers=workers is not None,
            )
        self._asked[future] = asked
        asked.add_done_callback(partial(self._settle, future, call, failed))

    def _settle(self, future: Future[Any], call: Call, failed: tuple[str, ...], asked: Any) -> None:
        """Take what became of a call; runs in a thread of the client's."""
        try:
            good, result = pickle.loads(asked.result())
        except Exception as error:
            good, result = False, self._translated(error)
        self._asked.pop(future, None)
        if isinstance(result, UnreachableError):
            failed = (*failed, result.worker)
            try:
                if len(failed) < tries and (others := self._others(failed)):
                    self._ask(future, call, failed, others)
                    return
            except ClusterError as error:
                result = error
        if good:
            future.set_result(result)
        else:
            future.set_exception(self._named(result))

    def _others(self, failed: Sequence[str]) -> list[str]:
        """Return the workers that might do what some have not done."""
        return [worker for worker, calls in self._workers().items() if calls and worker not in failed]

    def _translated(self, error: Exception) -> Exception:
        """Return what an error of Dask's own means."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):  # one after the other died under it
            return WorkerDied(0.0)
        return self._gone(error)

    def _named(self, error: Exception) -> Exception:
        if isinstance(error, ClusterError) and error.hint is None:
            return ClusterError(f"a worker of {self._address} {error.message}", hint=_same)
        return error

    def _gone(self, error: BaseException) -> ClusterError:
        name, message = explained(error)
        return ClusterError(
            f"lost the cluster at {self._address}: {name}: {message}",
            hint="what was committed stays; give the same command again when it is back",
        )

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # OSError, TimeoutError, ClosedClientError, RuntimeError of a closed loop
            raise self._gone(error) from None

    def capacity(self, crew: Crew) -> int:
        """Return how many calls of a crew run at once, with the workers that are there now.

        Parameters
        ----------
        crew : Crew

        Raises
        ------
        ClusterError
            If there has been none for ten minutes, or the scheduler is gone.
        """
        if monotonic() - self._looked >= _look:
            self._look()
        return sum(min(calls, crew.workers or calls) for calls in self._seen)

    def _workers(self) -> dict[str, int]:
        """Return how many calls each worker answers at once."""
        with self._reachable():
            there = self._client.scheduler_info(n_workers=-1)["workers"]
        gpu = self._gpu
        return {at: int(one["resources"].get("GPU", 0)) if gpu else one["nthreads"] for at, one in there.items()}

    def _look(self) -> None:
        self._seen, self._looked = [calls for calls in self._workers().values() if calls], monotonic()
        alone = self._looked - self._alone_since
        nobody = f"no worker of {self._address} {'offers a GPU' if self._gpu else 'is there'}"
        hint = 'dask worker HOST:PORT --resources "GPU=1"' if self._gpu else "dask worker HOST:PORT"
        if self._seen:
            self._alone_since, self._said = self._looked, False
        elif alone > patience:
            raise ClusterError(f"{nobody} since {patience / 60:.0f} minutes", hint=hint)
        elif alone > silence and not self._said:
            self._said = True
            print(f"{nobody}: waiting up to {patience / 60:.0f} minutes for one ({hint})", file=sys.stderr)

    def _refuse_unlike(self) -> None:
        """Refuse workers that have not what they must; those who join later are asked before their first call."""
        with self._reachable():
            found = self._client.run(self._needs.lacking, on_error="return")
        for address, lacking in found.items():
            if isinstance(lacking, OSError):
                continue  # it has just left
            if isinstance(lacking, BaseException):
                lacking = f"cannot load mirstore: {': '.join(explained(lacking))}"
            if lacking:
                raise ClusterError(f"worker {address} {lacking}", hint=_same)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End our processes beside the workers, whatever they are at, and leave the cluster."""
        with suppress(Exception):  # it may be gone, which is no news any more
            self._client.cancel(list(self._asked.values()), force=True)
            if self._client.status == "running":
                self._client.run(end, self._session, on_error="ignore")
        with suppress(Exception):
            self._client.close(timeout=2)


def places_at(
    executor: str | None, components: Iterable[Component], paths: Iterable[Path], bucket: Bucket | None = None
) -> Mapping[str, Place] | None:
    """Return the places of an executor that was named, None for this machine's.

    Parameters
    ----------
    executor : str or None
        ``dask://HOST:PORT``.
    components : iterable of Component
    paths : iterable of path
    bucket : Bucket, optional
        As for `Cluster.at`.
    """
    return None if executor is None else Cluster.at(executor, components, paths, bucket).places


_same = "install the same versions on all machines, and give them the same folders under the same paths"


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("a cluster needs Dask", hint="pip install 'mirstore[dask]'") from None
    scheme, _, where = address.partition("://")
    if scheme != "dask" or ":" not in where:
        raise UsageError(f"executor {address!r} is no address of a cluster", hint="--executor dask://HOST:8786")
    for name in ("distributed.client", "distributed.core"):  # what ends the work is told once, as our error
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(f"{_protocol()}://{where}", timeout=connecting, set_as_default=False, name="mirstore")
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address}: {explained(error)[1]}",
            hint="start one with `dask scheduler`, and workers with `dask worker HOST:PORT`",
        ) from None


def _protocol() -> str:
    from dask import config

    return "tls" if config.get("distributed.comm.require-encryption") else "tcp"
