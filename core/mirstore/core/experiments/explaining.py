"""What a model says of its groups and columns: in each fold, fitted to everything, to halves, to groups by chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from time import process_time
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.durations import duration
from mirstore.core.experiments.fitting import Fitting, checked_shares, finite, fresh
from mirstore.core.experiments.permutations import halves
from mirstore.core.models import Examples, Model
from mirstore.core.training import fit

patience = 600.0
"""How long the fits to halves, and those to random groups, may take together [CPU-s]."""


def explain(fitting: Fitting, *, compared: bool) -> None:
    """Describe a case's model by a fit to everything that some fold learns from: this is not about its success.

    Parameters
    ----------
    fitting : Fitting
        Its result gets the importances and the columns' weights.
    compared : bool
        Whether the shares of groups are also compared with those of other fits, as the case asks for.
    """
    case, result = fitting.case, fitting.result
    begun = process_time()
    everything, scaling, model = fitting.fitted_to_all()
    cost = process_time() - begun
    result.importances += shares_of(fitting, model, "whole", 0)
    weights = model.column_weights()
    if weights is not None:
        result.column_weights = _weights(fitting, finite(model, "column_weights", weights))
        both = zip(scaling.mean.tolist(), scaling.deviation.tolist(), strict=True)
        result.scales = {name: pair for name, pair in zip(fitting.columns, both, strict=True) if math.isfinite(pair[1])}
    if not compared or model.role != "signed" or len(case.groups) < 2 or not model.group_importances():
        return
    expected = cost * (case.halves + case.random_groupings)
    if expected > patience:
        result.notes.append(
            f"{model.name}: its groups were not compared, which would take {duration(expected)}: lower halves and "
            "random_groupings of the experiment"
        )
        return
    result.importances += _compared(fitting, "half", _halved(fitting), case.groups)
    for number, groups in enumerate(random_groupings(case.groups, case.random_groupings, case.seed)):
        result.importances += _compared(fitting, "random grouping", [everything], groups, number)


def _halved(fitting: Fitting) -> Iterator[Examples]:
    """Yield what a model learns from half of the units: scaled, and smoothed, as a training part of its own."""
    case, tracks = fitting.case, fitting.everything()
    classes = fitting.labels[tracks].argmax(axis=1) if case.examples.exclusive else np.zeros(len(tracks), dtype=int)
    units = case.units[tracks]
    for half in halves(classes.tolist(), units.tolist(), case.halves, case.seed):
        _, (train,) = fitting.scaled(tracks[half])
        yield fitting.smoothed(train, tracks[half], case.seed)


def _compared(
    fitting: Fitting, kind: str, parts: Iterable[Examples], groups: Mapping[str, Any], first: int = 0
) -> list[dict[str, Any]]:
    found = []
    for number, part in enumerate(parts, first):
        model = fresh(fitting.case.model)
        fitting.timed(fit, model, part, groups, fitting.case.seed, None)
        shares = checked_shares(model, fitting.timed(model.group_importances), groups)
        found += [_row(kind, number, "share", None, group, value) for group, value in shares.items()]
    return found


def shares_of(fitting: Fitting, model: Model, kind: str, number: int) -> list[dict[str, Any]]:
    """Return what a fitted model says of its groups, as rows of the table of importances.

    Parameters
    ----------
    fitting : Fitting
        Its result gets the texts of the measures.
    model : Model
        Fitted.
    kind : str
        ``fold`` or ``whole``.
    number : int
        Of the fold.
    """
    shares = checked_shares(model, model.group_importances(), fitting.case.groups)
    items = list(model.importances())
    finite(model, "importances", [item.value for item in items])
    fitting.result.measures |= {item.measure: item.text for item in items}
    return [_row(kind, number, "share", None, group, value) for group, value in shares.items()] + [
        _row(kind, number, item.measure, item.label, item.group, item.value) for item in items
    ]


def _row(kind: str, number: int, measure: str, label: str | None, group: str, value: float) -> dict[str, Any]:
    return {"kind": kind, "number": number, "measure": measure, "label": label, "group": group, "value": value}


def _weights(fitting: Fitting, weights: np.ndarray) -> pl.DataFrame:
    classes = fitting.case.examples.classes
    return pl.DataFrame(
        {
            "label": [label for label in classes for _ in fitting.columns],
            "column": fitting.columns * len(classes),
            "value": weights.astype(np.float32).ravel(),
        }
    )


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
