"""Running the cases of experiments that are not finished yet, each committed as it finishes."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from mirstore.core.cluster import places_at
from mirstore.core.components import Component
from mirstore.core.durations import duration
from mirstore.core.errors import MirstoreError
from mirstore.core.events import Event, Failed, Progress, Started, job
from mirstore.core.experiments.assembly import Assembly, Result
from mirstore.core.experiments.run import run_case
from mirstore.core.places import Pool, opened, places
from mirstore.core.pool import Crew, Task, local_pool
from mirstore.core.process import leave
from mirstore.core.supervise import Attempt, Loss, Supervisor, refuse_scripts
from mirstore.core.text import explained
from mirstore.core.training import takes_context
from mirstore.core.weights.cache import require
from mirstore.core.workers import Limits, TimeUp, time_limit
from mirstore.store.experiments.checkpoints import Watch, folder_of, held, remove
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.runs import prefer, record
from mirstore.store.lake.commit_in_halves import commit_in_halves
from mirstore.store.store import Store

few = 4  # cases whose files are not worth merging
moment = 1.0  # [s] between commits: cheap cases finish faster than they are committed, so several go together


@dataclass(frozen=True)
class Ran:
    """What became of a case: the run, and why it failed if it did."""

    planned: Planned
    run: str
    error: str | None = None


@job
def run(
    store: Store,
    planned: Sequence[Planned],
    *,
    workers: int = 1,
    seconds: float | None = None,
    pool: Pool = local_pool,
    executor: str | None = None,
) -> Generator[Event, None, list[Ran]]:
    """Run the cases that are ready, each committed when it is finished, in whatever order.

    A case whose model raises, or kills its process, is recorded as failed and costs no other. A model that saves
    checkpoints goes on from them when its case was killed or ran out of time; they go when the case is finished, or
    when the model itself raised.

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

    Returns
    -------
    Events of list of Ran
        Also `Epoch` events, of what models report while they train. Stopped, it has committed what is finished.
    """
    store.refuse_read_only()
    prefer(store, [item.run for item in planned if item.run])
    waiting = [item for item in planned if item.state == "ready"]
    components = [part for item in waiting for part in _components(item)]
    refuse_scripts(components)
    require(components)
    watch, usual = Watch(store.path), max(1, min(workers, len(waiting)))
    total, ran, cost = len(waiting), list[Ran](), dict[str, float]()
    results, committed = list[tuple[Planned, Result | str]](), perf_counter()
    if waiting:
        yield Started("cases", total)
    away = executor is not None and store.home.bucket is not None
    seen = [] if away else _to_be_seen(store, waiting)
    where = places_at(executor, components, seen, store.home.bucket) or places(usual, pool, "cpu")
    with Supervisor[_Answer](opened(where, [("cpu", Crew())], Limits(seconds)), seconds) as supervisor:
        while waiting or supervisor.running:
            # One case waits for each that runs: an assembly may be large.
            most = 2 * max(1, supervisor.capacity("cpu", Crew(), usual))
            while waiting and len(supervisor.running) < most:
                item = waiting.pop(0)
                supervisor.submit(_Case(item, seconds, None if away else _folder(store, item)))
            results += supervisor.finished()
            if (waiting or supervisor.running) and perf_counter() - committed < moment:
                continue
            recorded = _record(store, results)
            cost |= {str(item.case): result.seconds for item, result in results if isinstance(result, Result)}
            results, committed = [], perf_counter()
            yield from watch.news([case.item for case in supervisor.running if isinstance(case, _Case) and case.folder])
            for one in recorded:
                ran.append(one)
                if one.error:
                    yield Failed(str(one.planned.case), "", "failed", one.error)
                yield Progress("cases", len(ran), total, dict(cost))
    if total > few:
        store.compact()
    return ran


_Answer = tuple[Planned, Result | str]


class _Case(Attempt[_Answer]):
    """A case; if its worker dies it is run again, alone."""

    def __init__(self, item: Planned, seconds: float | None, folder: Path | None) -> None:
        self.item, self.folder, self._seconds = item, folder, seconds
        self._alone = False

    @property
    def call(self) -> tuple[Task, tuple[Any, ...]]:
        return Task(_attempt, fresh=self._alone), (self.item.assembly, self._seconds, self.folder)

    def answered(self, answer: Result | str) -> Iterator[_Answer]:
        yield self.item, answer

    def lost(self, loss: Loss) -> Iterator[_Answer | _Case]:
        if loss.died and not self._alone:
            self._alone = True
            yield self
        else:
            yield self.item, f"{loss.error}: {loss.message}"


def _components(item: Planned) -> Iterator[Component]:
    assert item.assembly is not None  # only cases that are ready run
    yield item.assembly.model
    if item.assembly.smoother is not None:
        yield item.assembly.smoother


def _to_be_seen(store: Store, waiting: Sequence[Planned]) -> list[Path]:
    """Return what must be there where the cases run: tensors are read and checkpoints written in the store's folder."""
    reads = any(item.assembly and item.assembly.examples.tensors for item in waiting)
    return [store.path.absolute()] if reads or any(_folder(store, item) for item in waiting) else []


def _folder(store: Store, item: Planned) -> Path | None:
    """Return where a case's model saves itself, None if it does not."""
    assert item.assembly is not None  # only cases that are ready run
    return folder_of(store.path.absolute(), item) if takes_context(item.assembly.model) else None


def _attempt(assembly: Assembly | None, seconds: float | None, folder: Path | None) -> Result | str:
    """Run in a worker: a failure comes back as text, because a plugin's exception may not travel."""
    assert assembly is not None  # only cases that are ready come here
    try:
        with time_limit(seconds), held(folder) if folder else nullcontext() as mine:
            return run_case(assembly, mine)
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        if folder and not isinstance(error, TimeUp):
            remove(folder)  # what the model saved may be why
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


def _record(store: Store, results: Sequence[tuple[Planned, Result | str]]) -> list[Ran]:
    """Commit what became of cases, in as few commits as that takes."""
    ran: list[Ran] = []

    def commit(some: Sequence[tuple[Planned, Result | str]]) -> None:
        for run, (item, result) in zip(record(store, some), some, strict=True):
            ran.append(Ran(item, run, result if isinstance(result, str) else None))

    def refused(one: tuple[Planned, Result | str], error: Exception) -> None:
        commit([(one[0], f"its results could not be stored: {', '.join(explained(error))}")])

    if results:
        commit_in_halves(results, commit, refused)
    for one in ran:
        if one.error is None and (folder := _folder(store, one.planned)):
            remove(folder)
    return ran
