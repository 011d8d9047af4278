"""One case of an experiment, assembled: plain data that can go to another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.components import Smoother
from mirstore.core.experiments.splits import Fold
from mirstore.core.models import Examples, Model


@dataclass(frozen=True)
class Assembly:
    """Everything that decides the result of a case.

    Attributes
    ----------
    examples : Examples
        All of them, unscaled; a row per track, or per chunk of a track.
    tracks : tuple of str
        Names of the n tracks.
    owners : np.ndarray of int [shape=(rows,)]
        Number of the track that each row belongs to.
    folds : tuple of Fold
        Over the tracks.
    groups : Mapping
        Group to its columns.
    model : Model
        Not fitted.
    smoother : Smoother or None
    smoothing_columns : tuple of str
        Columns in which the smoother looks for neighbours.
    seed : int
        Repetition ``r`` uses ``seed + r``.
    metric : str
        The task's.
    wrong_labels : float in [0, 1)
        The task's.
    permutations, halves, random_groupings : int
        How often it is fitted to permuted labels, to half of the units, and to random groups: for the case that a
        report explains.
    """

    examples: Examples
    tracks: tuple[str, ...]
    owners: np.ndarray
    folds: tuple[Fold, ...]
    groups: Mapping[str, Sequence[str]]
    model: Model
    smoother: Smoother | None = None
    smoothing_columns: tuple[str, ...] = ()
    seed: int = 0
    metric: str = "accuracy"
    wrong_labels: float = 0.0
    permutations: int = 0
    halves: int = 0
    random_groupings: int = 0

    @cached_property
    def units(self) -> np.ndarray:
        """What each track must stay together with, itself if nothing is known [shape=(tracks,)]."""
        if self.examples.units is None:
            return np.arange(len(self.tracks))
        _, first = np.unique(self.owners, return_index=True)
        return np.asarray(self.examples.units[first])

    @cached_property
    def torn(self) -> bool:
        """Whether folds tear units apart: of most test tracks the unit, as the artist, is in the training part."""
        heard = [np.isin(self.units[fold.test], self.units[fold.train]).mean() for fold in self.folds]
        return bool(np.mean(heard) > 0.5)

    def rows_of(self, tracks: np.ndarray) -> np.ndarray:
        """Return the positions of the rows of some tracks.

        Parameters
        ----------
        tracks : np.ndarray of int
            Numbers of tracks, as in ``owners``.
        """
        return np.flatnonzero(np.isin(self.owners, tracks))


@dataclass
class Result:
    """What a case gave; each list or frame is a table of the store without its ``run``.

    Attributes
    ----------
    metrics : list of dict
        ``repeat``, ``fold``, ``name``, ``label`` (None for the mean), ``value``.
    importances : list of dict
        ``kind`` (``fold``, ``whole``, ``half`` or ``random grouping``), ``number``, ``measure``, ``label``, ``group``,
        ``value``.
    chance : list of dict
        ``kind``, ``name``, ``value``: what a model reaches that knows only how often labels are (``guessing``, with
        ``repeat`` and ``fold``), and by how much the mean over folds exceeds that with permuted labels (``permuted
        labels``, with ``number``).
    predictions : pl.DataFrame
        ``repeat``, ``fold``, ``track``, ``label``, ``truth``, ``score`` (of a target: the predicted value).
    chunk_predictions : pl.DataFrame
        ``repeat``, ``fold``, ``track``, ``label``, ``chunk`` (from 0 in its track), ``score``: of chunks,
        where tracks have several.
    learning_curves : list of dict
        ``repeat``, ``fold``, ``epoch``, ``name``, ``value``, as models reported it.
    contributions : pl.DataFrame
        ``track``, ``label``, ``group``, ``value``: of the first repetition, for a track's own and its best labels.
    label_distributions : pl.DataFrame
        ``repeat``, ``fold``, ``track``, ``label``, ``truth``, ``value``: what was learned from after smoothing, in the
        first repetition; labels that are neither the track's nor its neighbours' are left out.
    held_out_distributions : pl.DataFrame
        The same columns, of test tracks: what the smoother says of them without their labels. Nothing learns from it.
    column_weights : pl.DataFrame
        ``label``, ``column``, ``value``: of a fit to all that some fold learns from.
    measures : dict
        Measure to what its model says that it means.
    scales : dict
        Column to its mean and standard deviation in the fit whose ``column_weights`` there are; none of a constant
        one.
    notes : list of str
        Warnings, each once.
    fit_seconds, seconds : float [s]
        CPU time inside the components, and of the whole case.
    """

    metrics: list[dict[str, Any]] = field(default_factory=list)
    importances: list[dict[str, Any]] = field(default_factory=list)
    chance: list[dict[str, Any]] = field(default_factory=list)
    predictions: pl.DataFrame = field(default_factory=pl.DataFrame)
    chunk_predictions: pl.DataFrame = field(default_factory=pl.DataFrame)
    learning_curves: list[dict[str, Any]] = field(default_factory=list)
    contributions: pl.DataFrame = field(default_factory=pl.DataFrame)
    label_distributions: pl.DataFrame = field(default_factory=pl.DataFrame)
    held_out_distributions: pl.DataFrame = field(default_factory=pl.DataFrame)
    column_weights: pl.DataFrame = field(default_factory=pl.DataFrame)
    measures: dict[str, str] = field(default_factory=dict)
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    fit_seconds: float = 0.0
    seconds: float = 0.0


def take(examples: Examples, positions: np.ndarray) -> Examples:
    """Return the examples at these positions; tensors stay where they are until they are read.

    Parameters
    ----------
    examples : Examples
    positions : np.ndarray of int [shape=(m,)]
        In any order; one may stand there twice.
    """
    return replace(
        examples,
        table=_rows(examples.table, positions),
        labels=None if examples.labels is None else examples.labels[positions],
        tensors={name: items.take(positions) for name, items in examples.tensors.items()},
        units=None if examples.units is None else examples.units[positions],
    )


def _rows(table: pl.DataFrame, positions: np.ndarray) -> pl.DataFrame:
    return table[positions] if table.width else without_columns(len(positions))


def without_columns(rows: int) -> pl.DataFrame:
    """Return a table without columns: how many examples there are is all that it says.

    Parameters
    ----------
    rows : int >= 0

    Examples
    --------
    >>> without_columns(3).shape
    (3, 0)
    """
    return pl.DataFrame({"row": np.arange(rows)}).drop("row")
