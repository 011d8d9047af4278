"""Running the cases of experiments that are not finished yet, each committed as it finishes."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mirstore.core.cluster import places_at
from mirstore.core.components import Component
from mirstore.core.durations import duration
from mirstore.core.errors import MirstoreError
from mirstore.core.experiments.assembly import Assembly, Result
from mirstore.core.experiments.run import run_case
from mirstore.core.places import Pool, opened, places
from mirstore.core.pool import Crew, Task, local_pool
from mirstore.core.process import leave
from mirstore.core.supervise import Attempt, Loss, Supervisor, refuse_scripts
from mirstore.core.text import explained
from mirstore.core.workers import Limits, TimeUp, time_limit
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.runs import prefer, record_failure, record_result
from mirstore.store.lake.commit_in_halves import concerns_rows
from mirstore.store.store import Store


@dataclass(frozen=True)
class Outcome:
    """What became of a case: the run, and why it failed if it did."""

    planned: Planned
    run: str
    error: str | None = None


def run(
    store: Store,
    planned: Sequence[Planned],
    *,
    workers: int = 1,
    seconds: float | None = None,
    pool: Pool = local_pool,
    executor: str | None = None,
) -> Iterator[Outcome]:
    """Run the cases that are ready, each committed as it finishes, in whatever order.

    A case whose model raises, or kills its process, is recorded as failed and costs no other.

    Parameters
    ----------
    store : Store
        Open for writing.
    planned : sequence of Planned
        From `plan`.
    workers : int > 0
        Processes.
    seconds : float > 0 [s], optional
        What a case may take.
    pool : callable
        Makes the executor of this machine's processors.
    executor : str, optional
        ``dask://HOST:PORT`` of a cluster that is to compute instead; see `mirstore.core.cluster`.

    Yields
    ------
    Outcome
        One per case that ran.
    """
    store.refuse_read_only()
    prefer(store, [item.run for item in planned if item.run])
    waiting = [item for item in planned if item.state == "ready"]
    components = [part for item in waiting for part in _components(item)]
    refuse_scripts(components)
    usual = max(1, min(workers, len(waiting)))
    tensors = any(item.assembly and item.assembly.examples.tensors for item in waiting)  # which are read where it runs
    seen = [store.path.absolute()] if tensors else []
    where = places_at(executor, components, seen) or places(usual, pool, "cpu")
    with Supervisor[_Ran](opened(where, [("cpu", Crew())], Limits(seconds)), seconds) as supervisor:
        while waiting or supervisor.running:
            # One case waits for each that runs: an assembly may be large.
            most = 2 * max(1, supervisor.capacity("cpu", Crew(), usual))
            while waiting and len(supervisor.running) < most:
                supervisor.submit(_Case(waiting.pop(0), seconds))
            for item, result in supervisor.finished():
                yield _record(store, item, result)


_Ran = tuple[Planned, Result | str]


class _Case(Attempt[_Ran]):
    """A case; if its worker dies it is run again, alone."""

    def __init__(self, item: Planned, seconds: float | None) -> None:
        self._item, self._seconds = item, seconds
        self._alone = False

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        return Task(_attempt, fresh=self._alone), (self._item.assembly, self._seconds)

    def answered(self, answer: Result | str) -> Iterator[_Ran]:
        yield self._item, answer

    def lost(self, loss: Loss) -> Iterator[_Ran | _Case]:
        if loss.died and not self._alone:
            self._alone = True
            yield self
        else:
            yield self._item, f"{loss.error}: {loss.message}"


def _components(item: Planned) -> Iterator[Component]:
    assert item.assembly is not None  # only cases that are ready run
    yield item.assembly.model
    if item.assembly.smoother is not None:
        yield item.assembly.smoother


def _attempt(assembly: Assembly | None, seconds: float | None) -> Result | str:
    """Run in a worker: a failure comes back as text, because a plugin's exception may not travel."""
    assert assembly is not None  # only cases that are ready come here
    try:
        with time_limit(seconds):
            return run_case(assembly)
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        leave()
        return _explain(error, seconds)


def _explain(error: BaseException, seconds: float | None) -> str:
    name, message = explained(error)
    if isinstance(error, TimeUp):
        return f"timeout: stopped after {duration(seconds or 0)}"
    if isinstance(error, MirstoreError):
        return message
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name}: {message} (line {place.lineno} of {place.filename})"


def _record(store: Store, item: Planned, result: Result | str) -> Outcome:
    if not isinstance(result, str):
        try:
            return Outcome(item, record_result(store, item, result))
        except Exception as error:
            if not concerns_rows(error):
                raise
            result = f"its results could not be stored: {', '.join(explained(error))}"
    return Outcome(item, record_failure(store, item, result), result)
