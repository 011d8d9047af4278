"""Run one case: learn on each training part, predict each test part, measure, explain."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import polars as pl

from mirstore.core.experiments.assembly import Assembly, Result
from mirstore.core.experiments.chance import above_guessing_in, guess, permuted
from mirstore.core.experiments.explaining import explain, shares_of
from mirstore.core.experiments.fitted import Fitted, checked_scores
from mirstore.core.experiments.fitting import Fitting, finite, means
from mirstore.core.experiments.metrics import Value, evaluate, kept, of_chunks, vote
from mirstore.core.experiments.regression import evaluate_numbers
from mirstore.core.experiments.splits import Fold

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
    result = Result()
    run = _Run(Fitting(case, result, folder))
    begun, times = process_time(), list[float]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for fold in case.folds:
            started = process_time()
            run.fold(fold)
            times.append(process_time() - started)
        if case.permutations:
            # The fastest fold: the first one loads libraries.
            result.chance += permuted(run.fitting, min(times) * len(times))
        if run.explains:
            found = above_guessing_in(case, result)
            explain(run.fitting, compared=found is not None and found.holds)
    result.notes = [*result.notes, *_told(caught)]
    result.seconds = process_time() - begun
    run.collect()
    return result


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
    fitting, every = Fitting(case, Result(), folder), case.examples
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        _, scaling, model = fitting.fitted_to_all()
    hops = {name: every.tensors[name].hop for name in fitting.tensors}
    fitted = Fitted(model, scaling, tuple(fitting.columns), hops, every.classes, every.exclusive, every.numeric)
    return fitted, _told(caught)


def _told(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    return sorted({f"{w.category.__name__}: {w.message}" for w in caught})


@dataclass
class _Run:
    fitting: Fitting
    frames: dict[str, list[pl.DataFrame]] = field(default_factory=dict)
    explains: bool = False
    """Whether a fitted model had anything to say about groups or columns."""

    def __post_init__(self) -> None:
        self.case, self.result = self.fitting.case, self.fitting.result
        self.names = pl.Series(self.case.tracks, dtype=pl.String)
        self.labels = pl.Series(self.case.examples.classes, dtype=pl.String)

    def fold(self, fold: Fold) -> None:
        """Learn from the training tracks, predict the test tracks."""
        case, seed, fitting = self.case, self.case.seed + fold.repeat, self.fitting
        _, (train, test, validation) = fitting.scaled(fold.train, fold.test, fold.validation)
        train = fitting.smoothed(train, fold.train, seed)
        if case.smoother is not None and fold.repeat == 0:
            _, first = np.unique(case.owners[case.rows_of(fold.train)], return_index=True)
            self._distributions("label_distributions", fold, fold.train, np.asarray(train.labels)[first])
            self._distributions(
                "held_out_distributions", fold, fold.test, fitting.held_out(fold.train, fold.test, seed)
            )
        model = fitting.fitted(train, seed, fold, validation)
        scores = fitting.timed(checked_scores, model, replace(test, labels=None))
        owners = np.searchsorted(fold.test, case.owners[case.rows_of(fold.test)])
        voted = kept(vote(scores, owners, case.examples.exclusive))
        truth = fitting.labels[fold.test]
        self._measure(fold, truth, voted)
        if len(scores) > len(voted):
            self._chunks(fold, owners, kept(scores))
        self._add("predictions", self._long(fold, fold.test, {"truth": truth, "score": voted.astype(np.float32)}))
        number = fold.repeat * (1 + max(f.number for f in case.folds)) + fold.number
        self.result.importances += shares_of(fitting, model, "fold", number)
        self.explains = self.explains or bool(self.result.importances) or model.column_weights() is not None
        if fold.repeat == 0:
            parts = fitting.timed(model.contributions, replace(test, labels=None))
            if parts is not None:
                parts = finite(model, "contributions", parts)
                self._add("contributions", self._explain(fold.test, truth, voted, means(parts, owners)))

    def collect(self) -> None:
        """Put the pieces of the folds together."""
        for name, frames in self.frames.items():
            setattr(self.result, name, pl.concat(frames))

    def _distributions(self, name: str, fold: Fold, tracks: np.ndarray, smooth: np.ndarray | None) -> None:
        if smooth is not None:
            frame = self._long(fold, tracks, {"truth": self.fitting.labels[tracks], "value": smooth})
            self._add(name, frame.filter((pl.col("value") > 0) | (pl.col("truth") > 0)))

    def _measure(self, fold: Fold, truth: np.ndarray, voted: np.ndarray) -> None:
        where = {"repeat": fold.repeat, "fold": fold.number}
        self.result.metrics += [{**where, **vars(value)} for value in self._evaluated(truth, voted)]
        guessed = self._evaluated(truth, guess(self.fitting.labels[fold.train], len(truth)))
        self.result.chance += [
            {"kind": "guessing", **where, "name": value.name, "value": value.value}
            for value in guessed
            if value.label is None
        ]

    def _chunks(self, fold: Fold, owners: np.ndarray, scores: np.ndarray) -> None:
        """Measure and keep the scores of chunks, each of which has its track's labels."""
        where, tracks = {"repeat": fold.repeat, "fold": fold.number}, fold.test[owners]
        values = self._evaluated(self.fitting.labels[tracks], scores)
        self.result.metrics += [
            {**where, "name": of_chunks + value.name, "label": None, "value": value.value}
            for value in values
            if value.label is None
        ]
        _, first, many = np.unique(owners, return_index=True, return_counts=True)
        number = np.arange(len(owners), dtype=np.int32) - np.repeat(first, many)
        chunk = np.repeat(number, scores.shape[1])[:, None]
        self._add("chunk_predictions", self._long(fold, tracks, {"chunk": chunk, "score": scores.astype(np.float32)}))

    def _evaluated(self, truth: np.ndarray, scores: np.ndarray) -> list[Value]:
        examples = self.case.examples
        if examples.numeric:
            return evaluate_numbers(truth, scores, examples.classes)
        return evaluate(truth, scores, examples.classes, examples.exclusive)

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

    def _add(self, name: str, frame: pl.DataFrame) -> None:
        self.frames.setdefault(name, []).append(frame)
