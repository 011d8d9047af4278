"""Run one case: learn on each training part, predict each test part, measure, explain."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any, TypeVar

import numpy as np
import polars as pl

from mirstore.core.components import Examples, Model
from mirstore.core.errors import UsageError
from mirstore.core.experiments.assembly import Assembly, Result, take, without_columns
from mirstore.core.experiments.fitted import Fitted, checked_scores
from mirstore.core.experiments.metrics import Value, evaluate, of_chunks, vote
from mirstore.core.experiments.regression import evaluate_numbers
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.experiments.splits import Fold
from mirstore.core.training import Training, fit, takes_context

T = TypeVar("T")
explained_labels = 3  # per track: its own labels, and so many of those that the model thinks likely


def run_case(case: Assembly, folder: Path | None = None) -> Result:
    """Run a case.

    Parameters
    ----------
    case : Assembly
    folder : path, optional
        For the models' checkpoints: a run that was killed goes on from there if it is given the same folder. By
        default a temporary one.

    Raises
    ------
    UsageError
        If the assembly makes no sense, e.g. smoothing of tags.
    Exception
        Whatever a component raises: the caller records it as this case's failure.
    """
    if folder is None:
        with TemporaryDirectory(prefix="mirstore-") as temporary:
            return run_case(case, Path(temporary))
    run = _Run(case, Result(), folder)
    begun = process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for fold in case.folds:
            run.fold(fold)
        if run.explains:
            run.whole()
    run.result.notes = _told(caught)
    run.result.seconds = process_time() - begun
    run.collect()
    return run.result


def fit_case(case: Assembly, folder: Path) -> tuple[Fitted, list[str]]:
    """Fit a case's model to everything that some fold learns from, as `run_case` does to explain it.

    Parameters
    ----------
    case : Assembly
    folder : path
        For checkpoints; see `run_case`.

    Returns
    -------
    tuple of (Fitted, list of str)
        The model with what it needs to predict, and warnings, each once.

    Raises
    ------
    UsageError
        If the assembly makes no sense.
    Exception
        Whatever a component raises.
    """
    run, every = _Run(case, Result(), folder), case.examples
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        _, scaling, model = run.fitted_to_all()
    hops = {name: every.tensors[name].hop for name in run.tensors}
    fitted = Fitted(model, scaling, tuple(run.columns), hops, every.classes, every.exclusive, every.numeric)
    return fitted, _told(caught)


def _told(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    return sorted({f"{w.category.__name__}: {w.message}" for w in caught})


@dataclass
class _Run:
    case: Assembly
    result: Result
    folder: Path

    def __post_init__(self) -> None:
        if self.case.smoother is not None and not self.case.examples.exclusive:
            raise UsageError("smoothing needs classes of which each track has one: tags are no distribution")
        grouped = {column for members in self.case.groups.values() for column in members}
        # In the table's order: trees and forests draw columns by position, so a grouping must not decide it.
        self.columns = [column for column in self.case.examples.table.columns if column in grouped]
        self.tensors = [column for column in self.case.examples.tensors if column in grouped]
        self.frames: dict[str, list[pl.DataFrame]] = {}
        self.names = pl.Series(self.case.tracks, dtype=pl.String)
        self.labels = pl.Series(self.case.examples.classes, dtype=pl.String)
        self.explains = False  # whether a fitted model had anything to say about groups or columns

    def fold(self, fold: Fold) -> None:
        """Learn from the training tracks, predict the test tracks."""
        case, seed = self.case, self.case.seed + fold.repeat
        rows, test_rows = case.rows_of(fold.train), case.rows_of(fold.test)
        _, (train, test, validation) = self._scaled(rows, test_rows, case.rows_of(fold.validation))
        train = self._smoothed(train, rows, fold.train, seed)
        if case.smoother is not None and fold.repeat == 0:
            self._add("label_distributions", self._distributions(fold, rows, np.asarray(train.labels)))
        model = self._fitted(train, seed, fold, validation)
        scores = self._timed(lambda: checked_scores(model, replace(test, labels=None)))
        owners = np.searchsorted(fold.test, case.owners[test_rows])
        voted = vote(scores, owners, case.examples.exclusive)
        truth = self._truth(fold.test)
        self._measure(fold, truth, voted, test.labels, scores)
        self._add("predictions", self._predictions(fold, truth, voted))
        number = fold.repeat * (1 + max(f.number for f in case.folds)) + fold.number
        self._importances(model, "fold", number)
        self.explains = self.explains or bool(self.result.importances) or model.column_weights() is not None
        if fold.repeat == 0:
            parts = self._timed(lambda: model.contributions(replace(test, labels=None)))
            if parts is not None:
                parts = _finite(model, "contributions", parts)
                self._add("contributions", self._explain(fold.test, truth, voted, _means(parts, owners)))

    def _fitted(self, train: Examples, seed: int, fold: Fold | None, validation: Examples) -> Model:
        """Fit a fresh model; ``fold`` None is the fit to everything."""
        model, groups = _fresh(self.case.model), self.case.groups
        if not takes_context(model):
            return self._timed(lambda: fit(model, train, groups, seed, None))
        folder = self.folder / (f"run-{fold.repeat}-fold-{fold.number}" if fold else "whole")
        folder.mkdir(parents=True, exist_ok=True)
        context = Training(folder, validation if len(validation) else None)
        fitted = self._timed(lambda: fit(model, train, groups, seed, context))
        where = {"repeat": fold.repeat, "fold": fold.number} if fold else {"repeat": None, "fold": None}
        self.result.learning_curves += [
            {**where, "epoch": epoch, "name": name, "value": value}
            for epoch, values in context.curve().items()
            for name, value in values.items()
        ]
        return fitted

    def whole(self) -> None:
        """Describe the model by a fit to everything that some fold learns from: this is not about its success."""
        case = self.case
        everything, _, model = self.fitted_to_all()
        self._importances(model, "whole", 0)
        weights = model.column_weights()
        if weights is not None:
            self._add("column_weights", self._weights(_finite(model, "column_weights", weights)))
        if case.random_groupings and len(case.groups) > 1:
            groupings = list(random_groupings(case.groups, case.random_groupings, case.seed))
            draws = self._timed(lambda: model.importances_of_groupings(everything, groupings, case.seed))
            self._shares("random grouping", draws or ())

    def fitted_to_all(self) -> tuple[Examples, Scaling, Model]:
        """Return what some fold learns from, how it is scaled, and a model that has learned from all of it."""
        case = self.case
        tracks = np.unique(np.concatenate([fold.train for fold in case.folds]))
        others = np.setdiff1d(np.concatenate([fold.validation for fold in case.folds]), tracks)
        rows = case.rows_of(tracks)
        scaling, (everything, validation) = self._scaled(rows, case.rows_of(others))
        everything = self._smoothed(everything, rows, tracks, case.seed)
        return everything, scaling, self._fitted(everything, case.seed, None, validation)

    def collect(self) -> None:
        """Put the pieces of the folds together."""
        for name, frames in self.frames.items():
            setattr(self.result, name, pl.concat(frames))

    def _scaled(self, train: np.ndarray, *others: np.ndarray) -> tuple[Scaling, list[Examples]]:
        """Return the scaling of the first part, and the examples in these rows, scaled, with the groups' columns."""
        every = self.case.examples
        used = replace(
            every,
            table=every.table.select(self.columns) if self.columns else without_columns(every.table.height),
            tensors={name: every.tensors[name] for name in self.tensors},
        )
        parts = [take(used, rows) for rows in (train, *others)]
        scaling = Scaling.fit(parts[0].table)
        return scaling, [replace(part, table=scaling.apply(part.table)) for part in parts]

    def _smoothed(self, train: Examples, rows: np.ndarray, tracks: np.ndarray, seed: int) -> Examples:
        """Replace the training labels by distributions; test labels stay as they are.

        Neighbours are tracks, at the mean of their chunks: the chunks next to a chunk are those of its own track.
        """
        smoother = self.case.smoother
        if smoother is None:
            return train
        raw = self.case.examples.table[rows].select(self.case.smoothing_columns)
        owners = np.searchsorted(tracks, self.case.owners[rows])
        X = _means(Scaling.fit(raw).apply(raw).to_numpy(), owners)
        smooth = self._timed(lambda: smoother.smooth(X, self._truth(tracks), seed))
        return replace(train, labels=np.asarray(smooth)[owners])

    def _distributions(self, fold: Fold, rows: np.ndarray, smooth: np.ndarray) -> pl.DataFrame:
        _, first = np.unique(self.case.owners[rows], return_index=True)
        frame = self._long(fold, fold.train, {"truth": self._truth(fold.train), "value": smooth[first]})
        return frame.filter((pl.col("value") > 0) | (pl.col("truth") > 0))

    def _truth(self, tracks: np.ndarray) -> np.ndarray:
        _, first = np.unique(self.case.owners, return_index=True)
        assert self.case.examples.labels is not None
        return np.asarray(self.case.examples.labels[first[tracks]])

    def _measure(
        self, fold: Fold, truth: np.ndarray, voted: np.ndarray, chunk_truth: np.ndarray | None, chunks: np.ndarray
    ) -> None:
        values = self._evaluated(truth, voted)
        if len(chunks) > len(voted) and chunk_truth is not None:
            every = self._evaluated(chunk_truth, chunks)
            values += [Value(of_chunks + v.name, None, v.value) for v in every if v.label is None]
        where = {"repeat": fold.repeat, "fold": fold.number}
        self.result.metrics += [{**where, **vars(value)} for value in values]

    def _evaluated(self, truth: np.ndarray, scores: np.ndarray) -> list[Value]:
        examples = self.case.examples
        if examples.numeric:
            return evaluate_numbers(truth, scores, examples.classes)
        return evaluate(truth, scores, examples.classes, examples.exclusive)

    def _predictions(self, fold: Fold, truth: np.ndarray, scores: np.ndarray) -> pl.DataFrame:
        return self._long(fold, fold.test, {"truth": truth, "score": scores.astype(np.float32)})

    def _long(self, fold: Fold, tracks: np.ndarray, values: Mapping[str, np.ndarray]) -> pl.DataFrame:
        k, n = len(self.case.examples.classes), len(tracks)
        return pl.DataFrame(
            {
                "repeat": np.full(n * k, fold.repeat, np.int32),
                "fold": np.full(n * k, fold.number, np.int32),
                "track": self.names.gather(np.repeat(tracks, k)),
                "label": self.labels.gather(np.tile(np.arange(k), n)),
                **{name: array.ravel() for name, array in values.items()},
            }
        )

    def _explain(self, tracks: np.ndarray, truth: np.ndarray, scores: np.ndarray, parts: np.ndarray) -> pl.DataFrame:
        """Keep the contributions that somebody will ask for: a track's own labels and the likeliest; all of targets."""
        likely = np.argsort(np.argsort(-scores, axis=1), axis=1) < explained_labels
        row, label = np.nonzero((truth > 0) | likely | self.case.examples.numeric)
        groups = list(self.case.groups)
        return pl.DataFrame(
            {
                "track": self.names.gather(np.repeat(tracks[row], len(groups))),
                "label": self.labels.gather(np.repeat(label, len(groups))),
                "group": pl.Series(groups, dtype=pl.String).gather(np.tile(np.arange(len(groups)), len(row))),
                "value": parts[row, label].astype(np.float32).ravel(),
            }
        )

    def _weights(self, weights: np.ndarray) -> pl.DataFrame:
        classes = self.case.examples.classes
        return pl.DataFrame(
            {
                "label": [label for label in classes for _ in self.columns],
                "column": self.columns * len(classes),
                "value": weights.astype(np.float32).ravel(),
            }
        )

    def _importances(self, model: Model, kind: str, number: int) -> None:
        shares = model.group_importances()
        if shares and (min(shares.values()) < -1e-9 or abs(sum(shares.values()) - 1) > 1e-6):
            raise ValueError(f"{model.name}.group_importances gave {dict(shares)}: no shares of 1")
        self._shares(kind, [shares], number)
        items = list(model.importances())
        _finite(model, "importances", [item.value for item in items])
        self.result.measures |= {item.measure: item.text for item in items}
        self.result.importances += [
            {"kind": kind, "number": number, "measure": i.measure, "label": i.label, "group": i.group, "value": i.value}
            for i in items
        ]

    def _shares(self, kind: str, draws: Sequence[Mapping[str, float]], first: int = 0) -> None:
        for draw in draws:
            _finite(self.case.model, "group_importances", list(draw.values()))
            if unknown := draw.keys() - self.case.groups.keys():
                raise ValueError(
                    f"{self.case.model.name}.group_importances names group {min(unknown)!r}, which is none"
                )
        self.result.importances += [
            {"kind": kind, "number": number, "measure": "share", "label": None, "group": group, "value": float(value)}
            for number, draw in enumerate(draws, first)
            for group, value in draw.items()
        ]

    def _add(self, name: str, frame: pl.DataFrame) -> None:
        self.frames.setdefault(name, []).append(frame)

    def _timed(self, call: Callable[[], T]) -> T:
        begun = process_time()
        try:
            return call()
        finally:
            self.result.fit_seconds += process_time() - begun


def _fresh(model: Model) -> Model:
    """Return the same component without anything learned."""
    return replace(model)


def _finite(model: Model, method: str, values: Any) -> np.ndarray:
    """Return numbers that a plugin gave, if they are finite ones: NaN is no JSON, and means nothing to a reader."""
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{model.name}.{method} gave numbers that are not finite")
    return found


def _means(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the mean over the chunks of each track [shape=(tracks, ...)]."""
    counts = np.bincount(owners)
    if (counts == 1).all():
        return values[np.argsort(owners)]
    total = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(total, owners, values)
    return total / counts.reshape(-1, *[1] * (values.ndim - 1))


def random_groupings(groups: Mapping[str, Any], draws: int, seed: int) -> Iterator[dict[str, list[str]]]:
    """Yield groupings with the same names and sizes, and columns dealt out at random.

    Parameters
    ----------
    groups : Mapping of str to sequence of str
    draws : int >= 0
        How many groupings.
    seed : int

    Yields
    ------
    dict of str to list of str

    Examples
    --------
    >>> groups = {"rhythm": ["bpm", "onset_rate"], "timbre": ["centroid"]}
    >>> (drawn,) = random_groupings(groups, draws=1, seed=0)
    >>> {name: len(members) for name, members in drawn.items()}
    {'rhythm': 2, 'timbre': 1}
    """
    rng = np.random.default_rng(seed)
    columns = [column for members in groups.values() for column in members]
    ends = np.cumsum([len(members) for members in groups.values()])[:-1]
    for _ in range(draws):
        parts = np.split(rng.permutation(len(columns)), ends)
        yield {name: [columns[i] for i in part] for name, part in zip(groups, parts, strict=True)}
