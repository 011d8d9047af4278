"""What all fits of a case have in common: its columns, how they are scaled, labels smoothed, a fresh model fitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any, ParamSpec, TypeVar

import numpy as np

from mirstore.core.errors import UsageError
from mirstore.core.experiments.assembly import Assembly, Result, take, without_columns
from mirstore.core.experiments.scaling import Scaling
from mirstore.core.experiments.splits import Fold
from mirstore.core.models import Examples, Model
from mirstore.core.training import Training, fit, takes_context

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Fitting:
    """Fits a case's model to parts of its tracks.

    Attributes
    ----------
    case : Assembly
    result : Result
        Gets the time that components take, and learning curves.
    folder : path
        For checkpoints.
    columns, tensors : list of str
        That groups name.
    units : np.ndarray [shape=(rows,)] or None
        What models are to keep together.
    """

    case: Assembly
    result: Result
    folder: Path

    def __post_init__(self) -> None:
        if self.case.smoother is not None and not self.case.examples.exclusive:
            raise UsageError("smoothing needs classes of which each track has one: tags are no distribution")
        if self.case.wrong_labels and not self.case.examples.exclusive:
            raise UsageError("wrong_labels needs classes of which each track has one")
        grouped = {column for members in self.case.groups.values() for column in members}
        # In the table's order: trees and forests draw columns by position, so a grouping must not decide it.
        self.columns = [column for column in self.case.examples.table.columns if column in grouped]
        self.tensors = [column for column in self.case.examples.tensors if column in grouped]
        _, first = np.unique(self.case.owners, return_index=True)
        self._first = first
        labels = self.case.examples.labels
        assert labels is not None  # an experiment's examples have labels
        self.labels = np.asarray(labels[first])
        self.units = _kept_together(self.case)

    def scaled(self, train: np.ndarray, *others: np.ndarray) -> tuple[Scaling, list[Examples]]:
        """Return the scaling of some tracks, and their examples and those of others, with the groups' columns.

        Parameters
        ----------
        train, *others : np.ndarray of int
            Positions of tracks.
        """
        every = self.case.examples
        used = replace(
            every,
            table=every.table.select(self.columns) if self.columns else without_columns(every.table.height),
            tensors={name: every.tensors[name] for name in self.tensors},
            units=self.units,
        )
        parts = [take(used, self.case.rows_of(tracks)) for tracks in (train, *others)]
        scaling = Scaling.fit(parts[0].table)
        return scaling, [replace(part, table=scaling.apply(part.table)) for part in parts]

    def smoothed(self, train: Examples, tracks: np.ndarray, seed: int) -> Examples:
        """Return training examples with the labels to learn: some of them wrong, if asked, then made distributions.

        Test labels stay as they are. Neighbours are tracks, at the mean of their chunks: the chunks next to a chunk are
        those of its own track.

        Parameters
        ----------
        train : Examples
            Of these tracks.
        tracks : np.ndarray of int
        seed : int
        """
        if self.case.wrong_labels:
            labels, owners = np.asarray(train.labels), self.case.owners[self.case.rows_of(tracks)]
            train = replace(train, labels=_wrong(labels, owners, self.case.wrong_labels, seed))
        if self.case.smoother is None:
            return train
        (X,) = self._neighbourhood(tracks)
        owners = np.searchsorted(tracks, self.case.owners[self.case.rows_of(tracks)])
        _, first = np.unique(owners, return_index=True)
        assert train.labels is not None
        truth = np.asarray(train.labels[first])
        smooth = self.timed(self.case.smoother.smooth, X, truth, seed)
        return replace(train, labels=np.asarray(smooth)[owners])

    def held_out(self, tracks: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray | None:
        """Return what the smoother says of tracks that it does not see the labels of, if it says anything.

        Parameters
        ----------
        tracks : np.ndarray of int
            Those that it sees.
        others : np.ndarray of int
        seed : int
        """
        if self.case.smoother is None:
            return None
        X, unseen = self._neighbourhood(tracks, others)
        labels = _wrong(self.labels[tracks], tracks, self.case.wrong_labels, seed)
        found = self.timed(self.case.smoother.held_out, X, labels, unseen, seed)
        return None if found is None else np.asarray(found)

    def _neighbourhood(self, tracks: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
        """Return the features in which neighbours are looked for, of some tracks and, scaled alike, of others."""
        rows = [self.case.rows_of(part) for part in (tracks, *others)]
        raw = [self.case.examples.table[part].select(self.case.smoothing_columns) for part in rows]
        owners = [np.unique(self.case.owners[part], return_inverse=True)[1] for part in rows]
        scaling = Scaling.fit(raw[0])
        return [means(scaling.apply(part).to_numpy(), of) for part, of in zip(raw, owners, strict=True)]

    def fitted(self, train: Examples, seed: int, fold: Fold | None, validation: Examples | None) -> Model:
        """Return a fresh model, fitted.

        Parameters
        ----------
        train : Examples
        seed : int
        fold : Fold or None
            For the name of its checkpoints; None for the fit to everything.
        validation : Examples or None
            None if it is not to save checkpoints or to report how it learns.
        """
        model, groups = fresh(self.case.model), self.case.groups
        if not takes_context(model) or validation is None:
            return self.timed(fit, model, train, groups, seed, None)
        folder = self.folder / (f"run-{fold.repeat}-fold-{fold.number}" if fold else "whole")
        folder.mkdir(parents=True, exist_ok=True)
        context = Training(folder, validation if len(validation) else None)
        found = self.timed(fit, model, train, groups, seed, context)
        where = {"repeat": fold.repeat, "fold": fold.number} if fold else {"repeat": None, "fold": None}
        self.result.learning_curves += [
            {**where, "epoch": epoch, "name": name, "value": value}
            for epoch, values in context.curve().items()
            for name, value in values.items()
        ]
        return found

    def everything(self) -> np.ndarray:
        """Return the positions of the tracks that some fold learns from."""
        return np.unique(np.concatenate([fold.whole for fold in self.case.folds]))

    def fitted_to_all(self) -> tuple[Examples, Scaling, Model]:
        """Return what some fold learns from, how it is scaled, and a model that has learned from all of it."""
        tracks = self.everything()
        others = np.setdiff1d(np.concatenate([fold.validation for fold in self.case.folds]), tracks)
        scaling, (everything, validation) = self.scaled(tracks, others)
        everything = self.smoothed(everything, tracks, self.case.seed)
        return everything, scaling, self.fitted(everything, self.case.seed, None, validation)

    def timed(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Call something of a component, and count the time as the component's.

        Parameters
        ----------
        call : callable
        *args, **named
            For it.
        """
        begun = process_time()
        try:
            return call(*args, **named)
        finally:
            self.result.fit_seconds += process_time() - begun


def _wrong(labels: np.ndarray, owners: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return labels of which some are another class's, the same for all chunks of a track."""
    rng = np.random.default_rng([seed, 20])  # nothing else draws from it
    k, tracks = labels.shape[1], np.unique(owners)
    moved = np.zeros(owners.max() + 1, dtype=int)
    chosen = rng.choice(tracks, round(share * len(tracks)), replace=False)
    moved[chosen] = rng.integers(1, k, len(chosen)) if k > 1 else 0
    return labels[np.arange(len(labels))[:, None], (np.arange(k) - moved[owners][:, None]) % k]


def fresh(model: Model) -> Model:
    """Return the same component without anything learned.

    Parameters
    ----------
    model : Model
    """
    return replace(model)


def finite(model: Model, method: str, values: Any) -> np.ndarray:
    """Return numbers that a plugin gave, if they are finite ones: NaN is no JSON, and means nothing to a reader.

    Parameters
    ----------
    model : Model
    method : str
        That gave them, for the message.
    values : array-like

    Raises
    ------
    ValueError
        If one is not.
    """
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{model.name}.{method} gave numbers that are not finite")
    return found


def checked_shares(model: Model, shares: Mapping[str, float], groups: Mapping[str, Any]) -> dict[str, float]:
    """Return what a model says that its groups are worth, if these are shares of its groups.

    Parameters
    ----------
    model : Model
    shares : Mapping of str to float
    groups : Mapping
        Whose names they may have.

    Raises
    ------
    ValueError
        If they are not finite, negative, do not sum to 1, or name no group.
    """
    finite(model, "group_importances", list(shares.values()))
    if unknown := shares.keys() - groups.keys():
        raise ValueError(f"{model.name}.group_importances names group {min(unknown)!r}, which is none")
    if shares and (min(shares.values()) < -1e-9 or abs(sum(shares.values()) - 1) > 1e-6):
        raise ValueError(f"{model.name}.group_importances gave {dict(shares)}: no shares of 1")
    return {group: float(value) for group, value in shares.items()}


def means(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the mean over the chunks of each track [shape=(tracks, ...)].

    Parameters
    ----------
    values : np.ndarray [shape=(chunks, ...)]
    owners : np.ndarray of int [shape=(chunks,)]
        Number of the track of each, from 0, none left out.
    """
    counts = np.bincount(owners)
    if (counts == 1).all():
        return values[np.argsort(owners)]
    total = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(total, owners, values)
    return total / counts.reshape(-1, *[1] * (values.ndim - 1))


def _kept_together(case: Assembly) -> np.ndarray | None:
    """Return what folds keep together; the track, whose chunks belong together, if that is not the case's units.

    A model that leaves whole artists out to learn how good its scores are would think too little of them where artists
    stand on both sides of a fold.
    """
    return np.asarray(case.tracks, dtype=object)[case.owners] if case.torn else case.examples.units
