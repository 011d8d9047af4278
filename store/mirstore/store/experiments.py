"""Running the cases of experiments that are not finished yet, each committed as it finishes."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, wait
from dataclasses import dataclass

from mirstore.core.durations import duration
from mirstore.core.errors import MirstoreError
from mirstore.core.experiments.assembly import Assembly, Result
from mirstore.core.experiments.run import run_case
from mirstore.core.extraction import Pool, ctrl_c
from mirstore.core.workers import Limits, TimeUp, local_pool, time_limit
from mirstore.store.cases import Planned
from mirstore.store.runs import prefer, record_failure, record_result
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

    Yields
    ------
    Outcome
        One per case that ran.
    """
    store.refuse_read_only()
    prefer(store, [item.run for item in planned if item.run])
    waiting = [item for item in planned if item.state == "ready"]
    while waiting:
        size = min(workers, len(waiting))
        unfinished: list[Planned] = []
        for item, result in _together(waiting, size, seconds, pool):
            if result is None:
                unfinished.append(item)
            else:
                yield _record(store, item, result)
        # A process died. The first ones had begun; who dies alone did it, and the others start again together.
        for item in unfinished[: size + 1]:
            ((_, result),) = _together([item], 1, seconds, pool)
            yield _record(store, item, result or "crashed: its process died, by native code, lack of memory or time")
        waiting = unfinished[size + 1 :]


def _together(
    items: Sequence[Planned], workers: int, seconds: float | None, pool: Pool
) -> Iterator[tuple[Planned, Result | str | None]]:
    """Yield each case's result or failure as it finishes; None, in order, for those that a dead process took along."""
    executor: Executor = pool(workers, Limits(seconds))
    try:
        futures = {executor.submit(_attempt, item.assembly, seconds): item for item in items}
        lost = set()
        while futures:
            finished, _ = wait(futures, timeout=ctrl_c, return_when=FIRST_COMPLETED)
            for future in finished:
                item = futures.pop(future)  # results are large: keep none that is recorded
                try:
                    yield item, future.result()
                except BrokenExecutor:
                    lost.add(id(item))
                except Exception as error:  # what cannot be pickled
                    yield item, f"{type(error).__name__}: {error}"
        yield from ((item, None) for item in items if id(item) in lost)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _attempt(assembly: Assembly | None, seconds: float | None) -> Result | str:
    """Run in a worker: a failure comes back as text, because a plugin's exception may not travel."""
    assert assembly is not None  # only cases that are ready come here
    try:
        with time_limit(seconds):
            return run_case(assembly)
    except TimeUp:
        return f"timeout: stopped after {duration(seconds or 0)}"
    except MirstoreError as error:
        return f"{error}" + (f" ({error.hint})" if error.hint else "")
    except BaseException as error:  # sys.exit() in a plugin is its failure too
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} (line {place.lineno} of {place.filename})"


def _record(store: Store, item: Planned, result: Result | str) -> Outcome:
    if isinstance(result, str):
        return Outcome(item, record_failure(store, item, result), result)
    return Outcome(item, record_result(store, item, result))
