"""The cases of experiments on a store: assembled, or what each lacks, or the run that has finished it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from mirstore.core.components import Component, Extractor, Grouper, Smoother
from mirstore.core.entries import GroupingEntry, ModelEntry, SmoothingEntry
from mirstore.core.errors import ConfigError, MirstoreError, PluginError, StoreError, UnknownNameError, UsageError
from mirstore.core.experiment_entries import ChunkEntry, ExperimentEntry, TaskEntry
from mirstore.core.experiments.assembly import Assembly
from mirstore.core.experiments.cases import Case, expand, explained
from mirstore.core.experiments.grouping import Groups, apply_grouper, written_by_hand
from mirstore.core.experiments.splits import Fold
from mirstore.core.features import normalise
from mirstore.core.models import Model
from mirstore.core.plugins import Plugins, distributions
from mirstore.core.registry import Registry
from mirstore.core.resolve import component
from mirstore.core.text import some
from mirstore.core.weights.cache import identity
from mirstore.store.experiments.details import (
    Components,
    DataDetails,
    Details,
    FoldDetails,
    LabelCount,
    Leak,
    LeftOut,
    TaskDetails,
)
from mirstore.store.experiments.examples import TaskExamples
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.readable import readable
from mirstore.store.experiments.runs import finished
from mirstore.store.experiments.tasks import load_task
from mirstore.store.health import ColumnHealth
from mirstore.store.store import Store

engine = 4
"""Counts up whenever the same case would give another result; part of what identifies a finished case."""


def plan(
    store: Store, cases: Sequence[Case], registry: Registry, plugins: Plugins, snapshot: int | None = None
) -> list[Planned]:
    """Assemble the cases, from the store as it was at a snapshot if one is given, and find those that are finished.

    Parameters
    ----------
    store : Store
    cases : sequence of Case
    registry : Registry
    plugins : Plugins
    snapshot : int, optional
        The latest by default.

    Raises
    ------
    ConfigError
        If a registry entry is wrong; what is merely absent makes a case ``lacking``.
    """
    snapshot = store.snapshot_id if snapshot is None else snapshot
    known = finished(store)
    with Store(store.address, snapshot=snapshot) as pinned:  # all cases see the same state
        planner = _Planner(pinned, registry, plugins)
        planned, mistakes = [], {}
        for case in cases:
            try:
                planned.append(planner.plan(case))
            except ConfigError as error:
                mistakes[str(error)] = error
        if mistakes:
            raise ConfigError("\n".join(mistakes))
    for item in planned:
        item.snapshot = snapshot
        if item.state == "ready" and item.sha256 in known:
            item.state, item.run = "finished", known[item.sha256]
    return planned


class _Planner:
    """Assembles cases; what several of them share is read once."""

    def __init__(self, store: Store, registry: Registry, plugins: Plugins) -> None:
        self.store, self.registry, self.plugins = store, registry, plugins
        self._examples: dict[tuple[str, tuple[str, ...], ChunkEntry | None], TaskExamples | MirstoreError] = {}
        self._features: dict[str, tuple[str, list[type[Extractor]]]] = {}
        self._health: dict[str, list[ColumnHealth]] = {}
        self._named: dict[str, dict[str, Case]] = {}
        self._folds: dict[tuple[str, int], tuple[list[Fold], list[Leak], list[FoldDetails]]] = {}

    def plan(self, case: Case) -> Planned:
        planned = Planned(case)
        try:
            self._assemble(planned)
        except (UsageError, PluginError, StoreError) as error:
            planned.state, planned.why = "lacking", str(error)
        return planned

    def _assemble(self, planned: Planned) -> None:
        case, entry = planned.case, self.registry.experiments[planned.case.experiment]
        task = self.registry.tasks.get(case.task)
        if task is None:
            raise UnknownNameError("task", case.task, self.registry.tasks)
        model = self._model(case.model)
        _check_fits(case, model, task)
        smoother, neighbours = self._smoother(case)
        data = self._load(task, case, neighbours)
        columns = _columns_of(case.features, [*data.table.columns, *data.tensors])
        found = self._groups(case.grouping, columns)
        groups, remarks = readable(case, model, found, data)
        remarks += [*_ungrouped(case, found, columns), *data.assumed]
        folds, leakage, about_folds = self._fold(data, entry.runs)
        remarks += [f"tasks.{case.task}: {text}" for text in data.lacking(folds)]
        planned.assembly = Assembly(
            examples=data.examples(),
            tracks=tuple(data.tracks["track"]),
            owners=data.owners,
            folds=tuple(folds),
            groups=groups,
            model=model,
            smoother=smoother,
            smoothing_columns=_near(case, neighbours, data) if smoother else (),
            seed=entry.seed,
            metric=task.metric,
            wrong_labels=task.wrong_labels,
            **(tests(entry) if self._explained(case) else {}),
        )
        planned.config = self._config(planned, entry, task, data)
        parts = [part for part in (found.grouper, smoother, model) if part is not None]
        apart = len(set(data.units)) == len(data.units)
        about = {
            **task.model_dump(exclude={"source"}),
            "label_map": data.label_map,
            "group_by": data.kept_together,
            "units": "track" if apart else data.group_by,
        }
        planned.details = Details(
            question=entry.question,
            cite=[*entry.cite, *self._cited(case, parts)],
            distributions={name: number for part in parts for name, number in distributions(type(part)).items()},
            components=Components(
                model.name, model.role, found.grouper.name if found.grouper else None, by_chance(found)
            ),
            task=TaskDetails(**about, name=case.task, exclusive=data.exclusive, numeric=task.numeric, runs=entry.runs),
            data=_about_data(data),
            health=self._health_of(data),
            folds=about_folds,
            leakage=leakage,
            groups={name: list(members) for name, members in groups.items()},
            lacking={name: list(names) for name, names in found.lacking.items()},
            remarks=remarks,
            explained=self._explained(case),
            named=named.names() if (named := self._named_for(case)) else {},
        )

    def _explained(self, case: Case) -> bool:
        return self._named_for(case) == case

    def _named_for(self, case: Case) -> Case | None:
        """Return the case that a report on this one's task explains: named before any has run."""
        if case.experiment not in self._named:
            entry = self.registry.experiments[case.experiment]
            every = expand(case.experiment, entry)
            roles, chance = dict[str, str](), set[str]()
            for each in every:  # what cannot be used is told of its own cases
                with suppress(MirstoreError):
                    roles[each.model] = self._model(each.model).role
                with suppress(MirstoreError):
                    chance |= {each.grouping} if self._drawn(each.grouping) else set()
            self._named[case.experiment] = explained(self.registry, case.experiment, roles, chance)
        return self._named[case.experiment].get(case.task)

    def _drawn(self, grouping: str) -> bool:
        """Return whether a grouping draws its groups at random."""
        entry = self.registry.groupings.get(grouping, GroupingEntry(grouper=grouping))
        if entry.groups is not None:
            return False
        return component(Grouper, "groupings", grouping, entry.grouper, entry.params, self.plugins).by_chance

    def _health_of(self, data: TaskExamples) -> list[ColumnHealth]:
        if data.sha256 not in self._health:
            self._health[data.sha256] = [ColumnHealth.of(values) for values in data.table]
        return self._health[data.sha256]

    def _load(self, task: TaskEntry, case: Case, neighbours: Sequence[str]) -> TaskExamples:
        names = tuple(dict.fromkeys([*case.features, *neighbours]))
        key = case.task, names, case.chunk
        if key not in self._examples:
            try:
                if case.chunk is None:
                    self._examples[key] = load_task(self.store, task, names)
                else:
                    whole = self._load(task, replace(case, chunk=None), neighbours)
                    self._examples[key] = whole.chunked(case.chunk)
            except UnknownNameError as error:
                self._examples[key] = self._uncomputed(names, task) or error
            except (UsageError, StoreError) as error:
                self._examples[key] = error
        found = self._examples[key]
        if isinstance(found, MirstoreError):
            raise found
        return found

    def _uncomputed(self, names: Sequence[str], task: TaskEntry) -> UsageError | None:
        """Return what to say of a dataset whose features could be computed and are not."""
        there = self.store.names()
        absent = [name for name in names if name.partition("@")[0] not in there]
        known = {*self.registry.features, *self.plugins.names(Extractor)}
        datasets = self.store.scan("core.datasets").select("dataset").collect()["dataset"]
        if not absent or task.dataset not in datasets or not known.issuperset(n.partition("@")[0] for n in absent):
            return None
        return UsageError(
            f"features {', '.join(absent)} were not computed",
            hint=f"mirstore ingest … --dataset {task.dataset} --features {','.join(absent)}",
        )

    def _fold(self, data: TaskExamples, runs: int) -> tuple[list[Fold], list[Leak], list[FoldDetails]]:
        """Return the folds, what leaks, and what is told of each fold."""
        key = data.sha256, runs
        if key not in self._folds:
            folds = data.folds(runs)
            tracks = data.tracks["track"].to_list()
            leakage = [Leak(**row) for row in data.leakage(folds)]
            self._folds[key] = folds, leakage, [_about_fold(fold, tracks) for fold in folds]
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

    def _cited(self, case: Case, parts: Sequence[Component]) -> list[str]:
        kinds: list[type[Component]] = [kind for name in case.features for kind in self._feature(name)[1]]
        kinds += [type(part) for part in parts]
        return list(dict.fromkeys(text for kind in kinds for text in kind.cite))

    def _feature(self, name: str) -> tuple[str, list[type[Extractor]]]:
        """Return a feature set's id, and what computed it."""
        if name not in self._features:
            self._features[name] = self.store.resolve(name), list(self._extractors(name))
        return self._features[name]

    def _extractors(self, feature: str) -> Iterator[type[Extractor]]:
        """Yield the extractors of a feature set and of what it read, as far as they are installed."""
        about = self.store.about(feature)
        for source in about["inputs"].values():
            yield from self._extractors(source)
        with suppress(UnknownNameError, PluginError):
            yield self.plugins.get(Extractor, about["extractor"].partition("@")[0])

    def _config(self, planned: Planned, entry: ExperimentEntry, task: TaskEntry, data: TaskExamples) -> dict[str, Any]:
        case, assembly = planned.case, planned.assembly
        assert assembly is not None
        smoother = assembly.smoother
        return {
            "engine": engine,
            "experiment": case.experiment,
            "case": case.names(),
            "task": normalise(task.identity()),
            "data": data.sha256,
            "features": {name: self._feature(name)[0] for name in case.features},
            "groups": {name: list(members) for name, members in assembly.groups.items()},
            "smoothing": None if smoother is None else _identity(smoother) | {"columns": assembly.smoothing_columns},
            "model": _identity(assembly.model),
            "runs": entry.runs,
            "seed": entry.seed,
            "tests": tests(entry) if self._explained(case) else None,
        }


def tests(entry: ExperimentEntry) -> dict[str, int]:
    """Return how often the case that is explained is fitted beside its folds.

    Parameters
    ----------
    entry : ExperimentEntry
    """
    return {name: getattr(entry, name) for name in ("permutations", "halves", "random_groupings")}


def by_chance(groups: Groups) -> bool:
    """Return whether groups were drawn at random.

    Parameters
    ----------
    groups : Groups
    """
    return groups.grouper is not None and groups.grouper.by_chance


def _check_fits(case: Case, model: Model, task: TaskEntry) -> None:
    if not model.predicts(numeric=task.numeric):
        can, asked = ("classes", "numbers") if task.numeric else ("numbers", "classes")
        raise UsageError(
            f"model {case.model!r} predicts {can}, and {task.metric} of task {case.task!r} is of {asked}",
            hint="choose another model, or another task",
        )


def _columns_of(features: Sequence[str], columns: Iterable[str]) -> list[str]:
    inside = tuple(f"{name.partition('@')[0]}." for name in features)
    return [column for column in columns if column.startswith(inside)]


def _near(case: Case, features: Sequence[str], data: TaskExamples) -> tuple[str, ...]:
    """Return the columns in which a smoother looks for neighbours."""
    found = tuple(_columns_of(features, data.table.columns))
    if not found:
        raise UsageError(
            f"smoothing {case.smoothing!r} looks for neighbours in numbers, and features {', '.join(features)} are "
            "tensors only",
            hint="give it features = [...] of its own",
        )
    return found


def _ungrouped(case: Case, found: Groups, columns: Sequence[str]) -> list[str]:
    """Return what is to be said of columns that are in no group."""
    inside = {column for members in found.columns.values() for column in members}
    outside = [column for column in columns if column not in inside]
    if not outside:
        return []
    return [f"{case.grouping} groups {len(inside)} of {len(columns)} columns: {some(outside)} not used"]


def _about_data(data: TaskExamples) -> DataDetails:
    durations, artists = data.tracks["duration"], data.tracks["artist"]
    counts = np.full(len(data.classes), len(data.labels)) if data.task.numeric else (data.labels > 0).sum(axis=0)
    return DataDetails(
        tracks=data.tracks.height,
        hours=float(durations.sum()) / 3600 if durations.null_count() < len(durations) else None,
        artists=artists.n_unique() if artists.null_count() == 0 else None,
        classes=[LabelCount(label, int(count)) for label, count in zip(data.classes, counts, strict=True)],
        left_out=[LeftOut(why, count) for why, count in data.left_out.items()],
    )


def _about_fold(fold: Fold, tracks: Sequence[str]) -> FoldDetails:
    """Return the size of a fold, and a checksum by which the same fold of another case is known."""
    parts = (fold.whole, fold.test, *([fold.validation] if len(fold.validation) else []))
    names = json.dumps([[tracks[i] for i in part] for part in parts])
    sha256 = hashlib.sha256(names.encode()).hexdigest()
    sizes = {"train": len(fold.train), "validation": len(fold.validation), "test": len(fold.test)}
    return FoldDetails(run=fold.repeat, fold=fold.number, **sizes, sha256=sha256)


def _identity(part: Model | Smoother) -> dict[str, Any]:
    weights = identity(part.uses())
    own = {"component": f"{part.name}@{part.version}", "params": normalise(part.params())}
    return own if weights is None else own | {"weights": weights}
