"""How well predicted numbers fit: correlation, explained variance, absolute error, per target and as a mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirstore.core.experiments.metrics import Value


def evaluate_numbers(truth: np.ndarray, values: np.ndarray, targets: Sequence[str]) -> list[Value]:
    """Return the metrics of predicted numbers, per target and as the mean over targets.

    Parameters
    ----------
    truth, values : np.ndarray [shape=(n, k)]
        In the targets' own units.
    targets : sequence of str
        The k names.

    Returns
    -------
    list of Value
        ``pearson_r`` and ``r2`` of targets that vary here, ``mae`` of all, and their means.

    Examples
    --------
    >>> truth, values = np.array([[1.0], [2.0], [3.0]]), np.array([[1.5], [2.0], [2.5]])
    >>> {v.name: round(v.value, 2) for v in evaluate_numbers(truth, values, ["arousal"]) if v.label is None}
    {'pearson_r': 1.0, 'r2': 0.75, 'mae': 0.33}
    """
    found = []
    for name, metric in metrics.items():
        per_target = metric(truth, values)
        known = ~np.isnan(per_target)
        found += [Value(name, target, float(v)) for target, v in zip(targets, per_target, strict=True) if v == v]
        if known.any():
            found.append(Value(name, None, float(per_target[known].mean())))
    return found


def mean_of_numbers(metric: str, truth: np.ndarray, values: np.ndarray) -> float:
    """Return one metric's mean over targets; NaN if none varies.

    Parameters
    ----------
    metric : str
    truth, values : np.ndarray [shape=(n, k)]
    """
    per_target = metrics[metric](truth, values)
    known = per_target[~np.isnan(per_target)]
    return float(known.mean()) if len(known) else float("nan")


def pearson_r(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation per target.

    Parameters
    ----------
    truth, values : np.ndarray [shape=(n, k)]

    Returns
    -------
    np.ndarray [shape=(k,)]
        In [-1, 1]; 0 where the same value is predicted throughout, which follows nothing; NaN for a target that does
        not vary here.
    """
    a, b = truth - truth.mean(axis=0), values - values.mean(axis=0)
    spread_a, spread_b = np.sqrt((a**2).sum(axis=0)), np.sqrt((b**2).sum(axis=0))
    constant = spread_b <= len(values) * np.finfo(float).eps * np.abs(values).max(axis=0, initial=0)
    product = np.where(constant, 1.0, spread_a * spread_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(constant, 0.0, (a * b).sum(axis=0) / product)
    return np.where(_varies(truth), np.clip(r, -1, 1), np.nan)


def r2(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the share of the variance that is explained, per target: 0 for the mean of ``truth``, 1 at best.

    Parameters
    ----------
    truth, values : np.ndarray [shape=(n, k)]

    Returns
    -------
    np.ndarray [shape=(k,)]
        At most 1, with no lower end; NaN for a target that does not vary here.

    Examples
    --------
    >>> truth = np.array([[1.0], [2.0], [3.0]])
    >>> r2(truth, truth).tolist(), r2(truth, np.full((3, 1), 2.0)).tolist()
    ([1.0], [0.0])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = 1 - ((truth - values) ** 2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    return np.where(_varies(truth), explained, np.nan)


def mae(truth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean absolute error per target, in its units; smaller is better.

    Parameters
    ----------
    truth, values : np.ndarray [shape=(n, k)]

    Returns
    -------
    np.ndarray [shape=(k,)]
        From 0.
    """
    return np.abs(truth - values).mean(axis=0)


def _varies(truth: np.ndarray) -> np.ndarray:
    return np.ptp(truth, axis=0) > 0


metrics = {"pearson_r": pearson_r, "r2": r2, "mae": mae}
