"""Experiments on a store: which cases there are, what each lacks, and running those that are not finished yet."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mirstore.core.components import Extractor, Grouper, Model, Smoother
from mirstore.core.errors import MirstoreError, PluginError, StoreError, UnknownNameError, UsageError
from mirstore.core.experiments.assembly import Assembly, Result
from mirstore.core.experiments.cases import Case
from mirstore.core.experiments.grouping import Groups, apply_grouper, written_by_hand
from mirstore.core.experiments.run import run_case
from mirstore.core.experiments.splits import Fold
from mirstore.core.extraction import Pool
from mirstore.core.features import canonical_json, normalise
from mirstore.core.plugins import Plugins
from mirstore.core.registry import ExperimentEntry, GroupingEntry, ModelEntry, Registry, SmoothingEntry, TaskEntry
from mirstore.core.resolve import component
from mirstore.core.workers import Limits, local_pool
from mirstore.store.examples import TaskExamples, load_task
from mirstore.store.health import describe
from mirstore.store.runs import finished, record_failure, record_result
from mirstore.store.store import Store

engine = 1
"""Counts up whenever the same case would give another result; part of what identifies a finished case."""


@dataclass
class Planned:
    """A case before it runs.

    Attributes
    ----------
    case : Case
    state : str
        ``ready``, ``finished`` (found again, not to be run) or ``lacking``.
    why : str or None
        What it lacks, and what to do about it.
    run : str or None
        The finished run.
    config, details : dict
        What identifies it; what describes its data.
    """

    case: Case
    state: str = "ready"
    why: str | None = None
    run: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    assembly: Assembly | None = None
    snapshot: int = 0

    @property
    def sha256(self) -> str:
        """Checksum of everything that went in."""
        return hashlib.sha256(canonical_json(self.config).encode()).hexdigest()


def plan(store: Store, cases: Sequence[Case], registry: Registry, plugins: Plugins) -> list[Planned]:
    """Assemble the cases and find those that are finished.

    Raises
    ------
    ConfigError
        If a registry entry is wrong; what is merely absent makes a case ``lacking``.
    """
    snapshot = store.snapshot_id
    with Store(store.path, snapshot=snapshot) as pinned:  # all cases see the same state
        known = finished(pinned)
        planner = _Planner(pinned, registry, plugins)
        planned = [planner.plan(case) for case in cases]
    for item in planned:
        item.snapshot = snapshot
        if item.state == "ready" and item.sha256 in known:
            item.state, item.run = "finished", known[item.sha256]
    return planned


class _Planner:
    """Assembles cases; what several of them share is read once."""

    def __init__(self, store: Store, registry: Registry, plugins: Plugins) -> None:
        self.store, self.registry, self.plugins = store, registry, plugins
        self._examples: dict[tuple[str, tuple[str, ...]], TaskExamples] = {}
        self._health: dict[str, Any] = {}
        self._folds: dict[tuple[str, int], tuple[list[Fold], list[dict[str, Any]]]] = {}

    def plan(self, case: Case) -> Planned:
        planned = Planned(case)
        try:
            self._assemble(planned)
        except (UsageError, PluginError, StoreError) as error:
            planned.state, planned.why = "lacking", f"{error}" + (f" ({error.hint})" if error.hint else "")
        return planned

    def _assemble(self, planned: Planned) -> None:
        case, entry = planned.case, self.registry.experiments[planned.case.experiment]
        task = self.registry.tasks.get(case.task)
        if task is None:
            raise UnknownNameError("task", case.task, self.registry.tasks)
        model = self._model(case.model)
        smoother, neighbours = self._smoother(case)
        data = self._load(task, case, neighbours)
        inside = tuple(f"{name.partition('@')[0]}." for name in case.features)
        columns = [column for column in data.table.columns if column.startswith(inside)]
        groups = self._groups(case.grouping, columns)
        folds, leakage = self._fold(data, entry.runs)
        planned.assembly = Assembly(
            examples=data.examples(),
            tracks=tuple(data.tracks["track"]),
            owners=data.owners,
            folds=tuple(folds),
            groups=groups.columns,
            model=model,
            smoother=smoother,
            smoothing_columns=tuple(
                c for c in data.table.columns if c.startswith(tuple(f"{n.partition('@')[0]}." for n in neighbours))
            ),
            seed=entry.seed,
            random_groupings=0 if case.grouping.startswith("random") else entry.random_groupings,
            bootstraps=entry.bootstraps,
        )
        planned.config = self._config(planned, entry, task, data, groups)
        if data.sha256 not in self._health:
            self._health[data.sha256] = describe(data)
        planned.details = {
            **self._health[data.sha256],
            "question": entry.question,
            "cite": [*entry.cite, *self._cited(case, groups, model, smoother)],
            "task": {
                **task.model_dump(),
                "name": case.task,
                "exclusive": data.exclusive,
                "group_by": data.group_by,
                "runs": entry.runs,
            },
            "folds": [{"run": f.repeat, "fold": f.number, "train": len(f.train), "test": len(f.test)} for f in folds],
            "leakage": leakage,
            "groups": {name: list(members) for name, members in groups.columns.items()},
            "lacking": {name: list(names) for name, names in groups.lacking.items()},
        }

    def _load(self, task: TaskEntry, case: Case, neighbours: Sequence[str]) -> TaskExamples:
        names = tuple(dict.fromkeys([*case.features, *neighbours]))
        key = case.task, names
        if key not in self._examples:
            self._examples[key] = load_task(self.store, task, names)
        return self._examples[key]

    def _fold(self, data: TaskExamples, runs: int) -> tuple[list[Fold], list[dict[str, Any]]]:
        key = data.sha256, runs
        if key not in self._folds:
            folds = data.folds(runs)
            self._folds[key] = folds, data.leakage(folds)
        return self._folds[key]

    def _model(self, name: str) -> Model:
        entry = self.registry.models.get(name, ModelEntry(model=name))
        return component(Model, "models", name, entry.model, entry.params, self.plugins)

    def _smoother(self, case: Case) -> tuple[Smoother | None, list[str]]:
        if case.smoothing == "none":
            return None, []
        entry = self.registry.smoothings.get(case.smoothing, SmoothingEntry(smoother=case.smoothing))
        smoother = component(Smoother, "smoothings", case.smoothing, entry.smoother, entry.params, self.plugins)
        return smoother, entry.features or list(case.features)

    def _groups(self, name: str, columns: Sequence[str]) -> Groups:
        entry = self.registry.groupings.get(name, GroupingEntry(grouper=name))
        where = f"groupings.{name}"
        if entry.groups is not None:
            return written_by_hand(entry.groups, columns, where)
        grouper = component(Grouper, "groupings", name, entry.grouper, entry.params, self.plugins)
        return apply_grouper(grouper, columns, where)

    def _cited(self, case: Case, groups: Groups, model: Model, smoother: Smoother | None) -> list[str]:
        extractors = [extractor for name in case.features for extractor in self._extractors(name)]
        cited = [extractor.cite for extractor in extractors] + [
            groups.cite,
            smoother.cite if smoother else (),
            model.cite,
        ]
        return list(dict.fromkeys(text for texts in cited for text in texts))

    def _extractors(self, feature: str) -> Iterator[type[Extractor]]:
        """Yield the extractors of a feature set and of what it read, as far as they are installed."""
        about = self.store.about(feature)
        for source in about["inputs"].values():
            yield from self._extractors(source)
        with suppress(UnknownNameError, PluginError):
            yield self.plugins.get(Extractor, about["extractor"].partition("@")[0])

    def _config(
        self, planned: Planned, entry: ExperimentEntry, task: TaskEntry, data: TaskExamples, groups: Groups
    ) -> dict[str, Any]:
        case, assembly = planned.case, planned.assembly
        assert assembly is not None
        smoother = assembly.smoother
        return {
            "engine": engine,
            "experiment": case.experiment,
            "case": case.names(),
            "task": normalise(task.model_dump()),
            "data": data.sha256,
            "features": {name: self.store.resolve(name) for name in case.features},
            "groups": {name: list(members) for name, members in groups.columns.items()},
            "smoothing": None if smoother is None else _identity(smoother),
            "model": _identity(assembly.model),
            "runs": entry.runs,
            "seed": entry.seed,
            "random_groupings": assembly.random_groupings,
            "bootstraps": assembly.bootstraps,
        }


def _identity(part: Model | Smoother) -> dict[str, Any]:
    return {"component": f"{part.name}@{part.version}", "params": normalise(part.params())}


@dataclass(frozen=True)
class Outcome:
    """What became of a case: the run, and why it failed if it did."""

    planned: Planned
    run: str
    error: str | None = None


def run(store: Store, planned: Sequence[Planned], *, workers: int = 1, pool: Pool = local_pool) -> Iterator[Outcome]:
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

    Yields
    ------
    Outcome
        One per case that ran.
    """
    waiting = [item for item in planned if item.state == "ready"]
    if not waiting:
        return
    executor = pool(min(workers, len(waiting)), Limits())
    try:
        suspects: list[Planned] = []
        futures = {executor.submit(_attempt, item.assembly): item for item in waiting}
        for future in as_completed(futures):
            try:
                yield _record(store, futures[future], future.result())
            except BrokenExecutor:
                suspects.append(futures[future])
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    for item in suspects:  # who dies alone did it
        yield _record(store, item, _alone(item, pool))


def _alone(item: Planned, pool: Pool) -> Result | str:
    executor: Executor = pool(1, Limits())
    try:
        future: Future[Result | str] = executor.submit(_attempt, item.assembly)
        return future.result()
    except BrokenExecutor:
        return "crashed: its process died: a crash in native code, or out of memory"
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _attempt(assembly: Assembly | None) -> Result | str:
    """Run in a worker: a failure comes back as text, because a plugin's exception may not travel."""
    assert assembly is not None  # only cases that are ready come here
    try:
        return run_case(assembly)
    except MirstoreError as error:
        return f"{error}" + (f" ({error.hint})" if error.hint else "")
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} (line {place.lineno} of {place.filename})"


def _record(store: Store, item: Planned, result: Result | str) -> Outcome:
    if isinstance(result, str):
        return Outcome(item, record_failure(store, item, result), result)
    return Outcome(item, record_result(store, item, result))
