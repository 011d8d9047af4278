"""The one door: a store and a registry together, and everything that is done with them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self, Unpack

import polars as pl

from mirstore.core.components import Extractor
from mirstore.core.cores import cores
from mirstore.core.errors import MirstoreError, UnknownNameError, UsageError
from mirstore.core.events import Event, Warned, job
from mirstore.core.experiments.cases import cases
from mirstore.core.experiments.published import published
from mirstore.core.features import FeatureSet
from mirstore.core.isolated import everywhere
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.workers import Limits
from mirstore.store import export, models
from mirstore.store.experiments import planning, reporting, running, training
from mirstore.store.experiments.listeners import beside_listeners
from mirstore.store.experiments.planned import Planned
from mirstore.store.experiments.remarks import remarks
from mirstore.store.experiments.report import Report
from mirstore.store.experiments.results import Results, summaries
from mirstore.store.experiments.training import Trained
from mirstore.store.ingest import run as ingesting
from mirstore.store.ingest.annotation_sets import Given, all_sets, find, stored
from mirstore.store.ingest.annotation_sets import Source as Annotations
from mirstore.store.ingest.asked import Asked, Located, locate
from mirstore.store.ingest.imported import imported
from mirstore.store.ingest.preview import Preview, preview
from mirstore.store.ingest.status import stale
from mirstore.store.ingest.summary import Summary
from mirstore.store.lake.shared import home_at
from mirstore.store.lake.tensors import SoundReader, TensorReader
from mirstore.store.store import Store


class Project:
    """A store and a registry.

    What takes long returns `mirstore.core.events.Events`: iterate to watch it, or ask for its ``result()``.

    Parameters
    ----------
    store : str, path or Store
        A folder, opened when it is needed and made by the first ingest.
    registry : str, path or Registry, optional
        By default ``./registry.toml``, if it is there, over the one that mirstore ships.
    plugins : Plugins, optional
        By default those that are installed.
    command : str
        What the user asked; kept with every commit.

    Examples
    --------
    >>> import numpy as np
    >>> import soundfile
    >>> soundfile.write("noise.wav", np.random.default_rng(0).normal(0, 0.1, 22050), 22050)
    >>> with Project("store") as project:
    ...     summary = project.ingest("noise.wav").result()
    ...     project.sql("SELECT count(*) AS n FROM tracks").rows()
    [(1,)]
    >>> with Project("store", "registry.toml") as project:          # doctest: +SKIP
    ...     project.ingest("~/Music", features=["essentia"]).result()
    ...     project.run("clips").result()
    ...     fast = project.sql("SELECT title FROM tracks JOIN essentia USING (track) WHERE bpm > 160")
    """

    def __init__(
        self,
        store: str | Path | Store = "store",
        registry: str | Path | Registry | None = None,
        plugins: Plugins | None = None,
        *,
        command: str = "",
    ) -> None:
        self._given, self._registry, self._plugins = store, registry, plugins
        self._command = command
        self._opened: Store | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(kind, error, trace)

    def close(self) -> None:
        """Close the store, unless it was given open."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def store(self) -> Store:
        """The store, open.

        Raises
        ------
        StoreError
            If it is not there, damaged, or made by a newer mirstore.
        """
        return self._open(create=False)

    @cached_property
    def registry(self) -> Registry:
        """The registry.

        Raises
        ------
        ConfigError
            If it is wrong.
        """
        given = self._registry
        return given if isinstance(given, Registry) else Registry.load(None if given is None else Path(given))

    @cached_property
    def plugins(self) -> Plugins:
        """The installed plugins, also those in environments of their own."""
        return self._plugins or everywhere()

    def _open(self, *, create: bool) -> Store:
        if isinstance(self._given, Store):
            return self._given
        if self._opened is None:
            self._opened = Store(self._given, create=create, command=self._command)
        return self._opened

    @property
    def _there(self) -> Store | None:
        """The store, if it was made already."""
        return self.store if isinstance(self._given, Store) or home_at(self._given).exists() else None

    # Ingests

    @job
    def ingest(
        self,
        *paths: str | Path,
        jobs: int = 0,
        limits: Limits | None = None,
        executor: str | None = None,
        **asked: Unpack[Asked],
    ) -> Generator[Event, None, Summary]:
        """Bring files into the store and compute their features; what is there already is not computed again.

        Parameters
        ----------
        *paths : str or path
            Files, folders, globs, tables with a column of paths, or ``mirdata:NAME``.
        jobs : int >= 0
            Worker processes; 0 means one per core.
        limits : Limits, optional
            Time and memory that one extractor may take for a track.
        executor : str, optional
            ``dask://HOST:PORT`` of a cluster that computes instead.
        **asked
            See `mirstore.store.ingest.asked.Asked`.

        Returns
        -------
        Events of Summary
            Stopped, it commits what is computed; the next ingest goes on there.
        """
        located, annotations, features = yield from self._wanted(paths, asked)
        store = self._open(create=True)
        summary = yield from ingesting.ingest(
            store,
            located.sources,
            features,
            annotations=annotations,
            workers=jobs or cores(),
            limits=limits,
            command=store.command,
            executor=executor,
            dataset=asked.get("dataset"),
            retry_failed=asked.get("retry_failed", False),
            prune=asked.get("prune", False),
            tags=asked.get("tags", True),
        ).within()
        summary.tables = located.reports
        return summary

    @job
    def plan(self, *paths: str | Path, **asked: Unpack[Asked]) -> Generator[Event, None, Preview]:
        """Say what `ingest` would do, and what that would cost; nothing is written, and no store made.

        Parameters
        ----------
        *paths, **asked
            As for `ingest`.
        """
        located, annotations, features = yield from self._wanted(paths, asked)
        with self._or_empty() as store:
            found = yield from preview(
                store,
                located.sources,
                features,
                annotations=annotations,
                dataset=asked.get("dataset"),
                retry_failed=asked.get("retry_failed", False),
                prune=asked.get("prune", False),
                tags=asked.get("tags", True),
            ).within()
        found.summary.tables = located.reports
        return found

    def _wanted(
        self, paths: Sequence[str | Path], asked: Asked
    ) -> Generator[Event, None, tuple[Located, list[Annotations], dict[str, FeatureSet]]]:
        located = locate(paths, asked)
        yield from located.remarks()
        if not located.sources:
            yield Warned(f"no audio files in {', '.join(map(str, paths))}")
        given = [Given.parse(text) for text in asked.get("annotations", ())]
        annotations = find(self._there if given else None, given)
        features = self._features(asked.get("features"), annotations)
        if not features and not annotations:
            yield Warned("no features asked for: files and labels only (--features essentia,mel)")
        return located, annotations, features

    def _features(self, names: str | Sequence[str] | None, given: Sequence[Annotations]) -> dict[str, FeatureSet]:
        """Return feature sets by name: those that are asked for, or else those of the project's own registry."""
        wanted = self.registry.project_features if names is None else [names] if isinstance(names, str) else names
        if not wanted:
            return {}
        there = {**(stored(self._there) if self._there else {}), **all_sets(given)}
        tables = imported(self._there) if self._there else ()

        def kept(name: str) -> Path:
            if self._there is None:
                raise UnknownNameError("kept model", name, ())
            return models.find(self.store, name).folder

        return resolve(wanted, self.registry, self.plugins, there, kept, tables)

    @contextmanager
    def _or_empty(self) -> Iterator[Store]:
        """Give the store, or an empty one that is gone afterwards."""
        if self._there is not None:
            yield self._there
        else:
            with TemporaryDirectory() as folder, Store(folder, create=True) as store:
                yield store

    # Experiments

    def cases(self, *experiments: str, only: Sequence[str] = (), snapshot: int | None = None) -> list[Planned]:
        """Return the cases of experiments: ready, finished by a run, or lacking something.

        Parameters
        ----------
        *experiments : str
            Names; ``*`` and ``?`` match several.
        only : sequence of str
            ``key=value``: only these cases, such as ``model=ridge``.
        snapshot : int, optional
            See the store as it was then.

        Raises
        ------
        UnknownNameError
            If nothing is called so.
        ConfigError
            If a registry entry is wrong.
        """
        chosen = cases(self.registry, experiments, only)
        for experiment in dict.fromkeys(case.experiment for case in chosen):
            list(published(self.registry, experiment))  # a mistake in them is told before anything runs
        return planning.plan(self.store, chosen, self.registry, self.plugins, snapshot)

    def remarks(self, planned: Sequence[Planned]) -> Iterator[Warned]:
        """Yield what a person should know of cases before they run.

        Parameters
        ----------
        planned : sequence of Planned
            From `cases`.
        """
        yield from remarks(self.store, planned)
        now = [item.case for item in planned if item.snapshot == self.store.snapshot_id]
        smoothings = (self.registry.smoothings.get(case.smoothing) for case in now)
        read = [*(case.features for case in now), *(entry.features for entry in smoothings if entry)]
        names = dict.fromkeys(name for features in read for name in features)
        yield from map(Warned, stale(self.store, self.registry, self.plugins, names))

    @job
    def run(
        self,
        *experiments: str,
        only: Sequence[str] = (),
        snapshot: int | None = None,
        jobs: int = 0,
        timeout: float | None = None,
        executor: str | None = None,
    ) -> Generator[Event, None, Results]:
        """Run the cases of experiments that are not finished yet.

        Parameters
        ----------
        *experiments, only, snapshot
            As for `cases`.
        jobs : int >= 0
            Worker processes; 0 means one per core.
        timeout : float > 0 [s], optional
            What a case may take.
        executor : str, optional
            ``dask://HOST:PORT`` of a cluster that computes instead.

        Returns
        -------
        Events of Results
            Stopped, it keeps the cases that are finished.
        """
        planned = self.cases(*experiments, only=only, snapshot=snapshot)
        yield from self.remarks(planned)
        ran = yield from running.run(
            self.store, planned, workers=jobs or cores(), seconds=timeout, executor=executor
        ).within()
        runs = {one.planned.case: one.run for one in ran} | {item.case: item.run for item in planned if item.run}
        return Results(planned, summaries(self.store, [runs[item.case] for item in planned if item.case in runs]))

    @job
    def train(
        self,
        experiment: str,
        *,
        only: Sequence[str] = (),
        name: str | None = None,
        licence: str | None = None,
        timeout: float | None = None,
    ) -> Generator[Event, None, Trained]:
        """Fit one case of an experiment to its whole training part, and keep the model.

        Parameters
        ----------
        experiment : str
        only : sequence of str
            ``key=value``: which case, where there are several.
        name : str, optional
            What to call the model; by default as the experiment.
        licence : str, optional
            Of the model, as its card will say.
        timeout : float > 0 [s], optional
            What the fit may take.

        Returns
        -------
        Events of Trained
            Stopped, it keeps the checkpoints of a model that saves them.

        Raises
        ------
        UsageError
            If there are several cases, the case lacks something, or its model cannot be kept.
        """
        planned = self.cases(experiment, only=only)
        yield from self.remarks(planned)
        fit = training.train(self.store, planned, self.registry, name=name, licence=licence, seconds=timeout)
        return (yield from fit.within())

    def report(
        self,
        *names: str,
        clips: int = 0,
        tracks: Sequence[str] = (),
        show: Sequence[str] = (),
        by_class: Sequence[str] = (),
        listeners: Path | None = None,
    ) -> list[Report]:
        """Return what runs found, one report per task; `mirstore.page.render` makes a page of one.

        Parameters
        ----------
        *names : str
            Runs (the first letters do), or experiments.
        clips : int >= 0
            Take audio of so many of the tracks that are shown: of those asked for all (ten minutes at most), of the
            others ten seconds.
        tracks : sequence of str
            Tracks to report on beside those that are explained: paths or how they end, titles or how they end, ids or
            how they begin.
        show : sequence of str
            Feature sets with ``start`` and a text to show over time, beside those that the cases read, or tensors with
            a hop; also as ``NAME.COLUMN``.
        by_class : sequence of str
            Columns of numbers of stored features, as ``NAME.COLUMN``, to show by the classes of the task.
        listeners : path, optional
            A table of people's rankings of groups, with the columns ``rater``, ``group`` and ``rank``.

        Raises
        ------
        UnknownNameError
            If nothing is called so.
        UsageError
            If several tracks are called so, a feature set cannot be shown over time, a column not by class, or the
            rankings cannot be used.
        ConfigError
            If a published figure of the registry does not say which case it is of.
        """
        found = reporting.collect(
            self.store, names, clips=clips, tracks=tracks, show=show, columns=by_class, registry=self.registry
        )
        return beside_listeners(listeners, found) if listeners else found

    # Questions: see the methods of `Store` for what they may be asked

    def sql(self, query: str, *, timeout: float = 60.0, memory: str = "2GB") -> pl.DataFrame:
        """Answer one SELECT statement; see `Store.sql`.

        Parameters
        ----------
        query : str
        timeout : float > 0 [s]
        memory : str
            As ``"500MB"`` or ``"4GB"``.
        """
        return self.store.sql(query, timeout=timeout, memory=memory)

    def features(self, names: str | Sequence[str], tracks: str | Sequence[str] | None = None) -> pl.DataFrame:
        """Return features as a wide table; see `Store.features`.

        Parameters
        ----------
        names : str or sequence of str
            Feature sets by name, ``name@version`` or id.
        tracks : str or sequence of str, optional
            Only these.
        """
        return self.store.features(names, tracks)

    def rdf(self, name: str, *, dataset: str | None = None) -> str:
        """Return a feature set as a graph, in Turtle: what ``harmony`` reads, or ``chords`` as ``harmony`` reads them.

        Parameters
        ----------
        name : str
            Feature set of an extractor that has such a form, or what the one registered reader with such a form reads.
        dataset : str, optional
            Only its tracks.

        Raises
        ------
        UnknownNameError
            If there is no such name.
        UsageError
            If what is read is not stored, if neither the extractor nor a reader has a form in RDF, or several readers
            have one.
        """
        feature = self._features(name, ())[name]
        if not _has_graph(type(feature.extractor)) and (readers := self._graphed(name)):
            if len(readers) > 1:
                raise UsageError(
                    f"{name!r} becomes a graph as its reader takes it, and several read it: {', '.join(readers)}",
                    hint=f"mirstore export --rdf {readers[0]}",
                )
            feature = self._features(readers[0], ())[readers[0]]
        return export.rdf(self.store, feature, dataset=dataset)

    def _graphed(self, name: str) -> list[str]:
        """Return the registered feature sets that read this one and have a form in RDF."""
        found = []
        for reader, entry in self.registry.features.items():
            with suppress(MirstoreError):  # of a plugin that is not there or cannot be used there is no graph
                kind = self.plugins.get(Extractor, entry.extractor.partition("@")[0])
                if _has_graph(kind) and name in {entry.inputs.get(declared, declared) for declared in kind.inputs}:
                    found.append(reader)
        return found

    def tensors(self, name: str, tracks: str | Sequence[str] | None = None, column: str | None = None) -> TensorReader:
        """Return the tensors of a feature set, to be read one by one; see `Store.tensors`.

        Parameters
        ----------
        name : str
            Feature set.
        tracks : str or sequence of str, optional
            These, in this order; all by default.
        column : str, optional
            Needed if the feature set has several tensor columns.
        """
        return self.store.tensors(name, tracks, column)

    def sounds(self, name: str, tracks: str | Sequence[str] | None = None, column: str | None = None) -> SoundReader:
        """Return the sounds of a feature set, to be read one by one; see `Store.sounds`.

        Parameters
        ----------
        name, tracks, column
            As for `tensors`.
        """
        return self.store.sounds(name, tracks, column)


def _has_graph(kind: type[Extractor]) -> bool:
    return kind.rdf is not Extractor.rdf
