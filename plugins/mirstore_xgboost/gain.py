"""Group importance from the gain of features: several ways to average, which differ a lot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

split = re.compile(r"\[f(\d+)<[^]]*\] .*gain=([^,]+)")
"""An inner node in XGBoost's text dump."""


def split_gains(booster: Any, classes: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the summed gain and the number of the splits on each column, per class [shape=(classes, d)].

    Trees of a softmax model come in rounds of one per class, which ``get_score`` adds up.

    Parameters
    ----------
    booster : xgboost.Booster
    classes : int > 0
        Of a softmax model; 1 for a binary one.
    d : int > 0
        Columns.
    """
    total, count = np.zeros((classes, d)), np.zeros((classes, d))
    for number, tree in enumerate(booster.get_dump(with_stats=True)):
        for column, gain in split.findall(tree):
            total[number % classes, int(column)] += float(gain)
            count[number % classes, int(column)] += 1
    return total, count


def mean_per_split(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the gain of the average split, which XGBoost calls ``gain``; 0 where there is none.

    Parameters
    ----------
    total : np.ndarray
        Summed gain.
    count : np.ndarray, of the same shape
        Number of splits.

    Examples
    --------
    >>> mean_per_split(np.array([6.0, 0.0]), np.array([3, 0])).tolist()
    [2.0, 0.0]
    """
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def shares(gain: np.ndarray, columns: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the mean gain of each group's columns, scaled to sum to 1 (Patakis et al., section 3.3).

    Parameters
    ----------
    gain : np.ndarray [shape=(d,)]
        Per column, not negative.
    columns : sequence of str
        The d names.
    groups : Mapping
        Group to its columns.
    """
    return _normalised({name: float(values.mean()) for name, values in _members(gain, columns, groups).items()})


def total_shares(totals: np.ndarray, columns: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return what part of each label's gain each group makes, mean over the labels that have any.

    Sums instead of means give groups of many columns their due.

    Parameters
    ----------
    totals : np.ndarray [shape=(labels, d)]
        Summed gain of the splits on each column.
    columns, groups
        As of `shares`.
    """
    used = totals[totals.any(axis=1)]
    parts = (used / used.sum(axis=1, keepdims=True)).sum(axis=0)
    return _normalised({name: float(values.sum()) for name, values in _members(parts, columns, groups).items()})


def _members(values: np.ndarray, columns: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    at = {column: i for i, column in enumerate(columns)}
    return {name: values[[at[column] for column in members]] for name, members in groups.items()}


def _normalised(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {name: value / total if total else 1 / len(values) for name, value in values.items()}


def mean_gain(gains: np.ndarray) -> np.ndarray:
    """Return the mean over all labels; a label whose trees do not use a column counts as 0.

    Parameters
    ----------
    gains : np.ndarray [shape=(labels, d)]
        Mean gain of the splits on each column.
    """
    return gains.mean(axis=0)


def published_gain(gains: np.ndarray) -> np.ndarray:
    """Return what SAMAT's code computes for tags: the sum over (1 + the number of labels whose trees use the column).

    It lifts columns that few labels use, and so flattens the groups' shares.

    Parameters
    ----------
    gains : np.ndarray [shape=(labels, d)]
        Mean gain of the splits on each column.
    """
    return gains.sum(axis=0) / (1 + (gains > 0).sum(axis=0))
