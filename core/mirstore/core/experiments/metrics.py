"""How well scores tell labels: accuracy, ROC-AUC, average precision, per label and as a mean, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

ranges: dict[str, tuple[float, float]] = {
    "pearson_r": (-1.0, 1.0),
    "r2": (-np.inf, 1.0),
    "mae": (0.0, np.inf),
}
"""Metric to its smallest and largest possible value, for those that are not from 0 to 1."""

smaller_is_better = frozenset({"mae"})

of_chunks = "chunk_"
"""Begins the name of a metric that counts chunks, where tracks have several: ``chunk_accuracy``."""


def ends(name: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a metric.

    Parameters
    ----------
    name : str
        Also of chunks, as ``chunk_roc_auc``.

    Examples
    --------
    >>> ends("accuracy"), ends("chunk_pearson_r")
    ((0.0, 1.0), (-1.0, 1.0))
    """
    return ranges.get(name.removeprefix(of_chunks), (0.0, 1.0))


@dataclass(frozen=True)
class Value:
    """One value of one metric; label None is the mean over labels.

    Attributes
    ----------
    name : str
        ``accuracy``, ``balanced_accuracy``, ``recall`` (per label), ``roc_auc``, ``pr_auc``; of numbers
        ``pearson_r``, ``r2``, ``mae``; the same of chunks with ``chunk_`` before it.
    label : str or None
    value : float
        In [0, 1], or as `ends` says.
    """

    name: str
    label: str | None
    value: float


def evaluate(truth: np.ndarray, scores: np.ndarray, classes: Sequence[str], exclusive: bool) -> list[Value]:
    """Return every metric that applies.

    Parameters
    ----------
    truth : np.ndarray [shape=(n, k)]
        0/1.
    scores : np.ndarray [shape=(n, k)]
        Larger means more likely.
    classes : sequence of str
        The k names.
    exclusive : bool
        Whether each row of ``truth`` has one 1; only then is there an accuracy.

    Returns
    -------
    list of Value
        ROC-AUC and average precision of labels that have both positives and negatives here, and their means
        (macro average); accuracy, recall per class, and their mean over the classes present (balanced accuracy).

    Examples
    --------
    >>> truth = np.array([[1, 0], [1, 0], [0, 1]])
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> {v.name: round(v.value, 2) for v in evaluate(truth, scores, ("calm", "lively"), True) if v.label is None}
    {'roc_auc': 1.0, 'pr_auc': 1.0, 'accuracy': 0.67, 'balanced_accuracy': 0.75}
    """
    positive = truth > 0
    found = []
    for name, metric in (("roc_auc", roc_auc), ("pr_auc", average_precision)):
        per_label = metric(positive, scores)
        found += [Value(name, label, float(v)) for label, v in zip(classes, per_label, strict=True) if v == v]
        if not np.isnan(per_label).all():
            found.append(Value(name, None, float(np.nanmean(per_label))))
    if exclusive:
        recalls = recall(truth, scores)
        found += [Value("recall", label, float(v)) for label, v in zip(classes, recalls, strict=True) if v == v]
        found.append(Value("accuracy", None, float(hits(truth, scores).mean())))
        found.append(Value("balanced_accuracy", None, float(np.nanmean(recalls))))
    return found


def mean_of(metric: str, truth: np.ndarray, scores: np.ndarray) -> float:
    """Return one metric alone, as `evaluate` gives it; NaN if it is not defined here.

    Parameters
    ----------
    metric : str
        ``accuracy``, ``balanced_accuracy``, ``roc_auc`` or ``pr_auc``.
    truth, scores : np.ndarray [shape=(n, k)]
    """
    if metric == "accuracy":
        return float(hits(truth, scores).mean())
    per_label = {"balanced_accuracy": recall, "roc_auc": roc_auc, "pr_auc": average_precision}[metric](truth, scores)
    known = per_label[~np.isnan(per_label)]
    return float(known.mean()) if len(known) else float("nan")


def hits(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return whether the highest score is that of the right class.

    Parameters
    ----------
    truth : np.ndarray [shape=(n, k)]
        0/1, one 1 per row.
    scores : np.ndarray [shape=(n, k)]

    Returns
    -------
    np.ndarray [shape=(n,)]
        1 or 0; where m classes share the highest score, and the right one is among them, 1/m.

    Examples
    --------
    >>> hits(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
    [1.0, 0.5]
    """
    highest = scores == scores.max(axis=1, keepdims=True)
    return np.asarray((highest & (truth > 0)).sum(axis=1) / highest.sum(axis=1))


def recall(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the share of each class's examples that are `hits`.

    Parameters
    ----------
    truth, scores : np.ndarray [shape=(n, k)]
        As of `hits`.

    Returns
    -------
    np.ndarray [shape=(k,)]
        NaN for a class without examples here.
    """
    right, positive = hits(truth, scores), truth > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(positive.any(axis=0), right @ positive / positive.sum(axis=0), np.nan)


def kept(scores: np.ndarray) -> np.ndarray:
    """Return scores as a store keeps them: metrics are measured on these, so that they can be computed again.

    What only another order of summation would tell apart is a tie.

    Parameters
    ----------
    scores : np.ndarray of float

    Returns
    -------
    np.ndarray of float64
        Of 20 significant bits, which single precision holds.

    Examples
    --------
    >>> a, b = kept(np.array([0.1 + 0.2, 0.3]))
    >>> bool(a == b)
    True
    """
    mantissa, exponent = np.frexp(scores)
    return np.asarray(np.ldexp(np.round(mantissa * 2**20) / 2**20, exponent).astype(np.float32).astype(np.float64))


def roc_auc(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve per label, of all labels at once.

    Equal to scikit-learn's, which takes one label at a time: 1 ms each, more than fitting 56 tags takes.

    Parameters
    ----------
    positive : np.ndarray [shape=(n, k)]
        What is above 0 is positive.
    scores : np.ndarray [shape=(n, k)]

    Returns
    -------
    np.ndarray [shape=(k,)]
        In [0, 1]; NaN for a label that has only positives or only negatives here.

    Examples
    --------
    >>> positive = np.array([[True], [False], [True]])
    >>> roc_auc(positive, np.array([[0.9], [0.5], [0.1]])).tolist()
    [0.5]
    """
    positive = positive > 0
    yes = positive.sum(axis=0)
    no = len(positive) - yes
    ranks = np.where(positive, _ranks(scores), 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(yes * no > 0, (ranks - yes * (yes + 1) / 2) / (yes * no), np.nan)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Return ranks from 1 in each column, the mean rank for equal scores; scipy.stats takes 0.6 CPU-s to load."""
    columns = {str(i): column + 0.0 for i, column in enumerate(scores.T)}  # -0.0 is 0.0
    return pl.DataFrame(columns).select(pl.all().rank("average")).to_numpy()


def average_precision(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the average precision per label (area under the precision-recall curve, without interpolation).

    Parameters
    ----------
    positive : np.ndarray [shape=(n, k)]
        What is above 0 is positive.
    scores : np.ndarray [shape=(n, k)]
        Larger means more likely; equal ones are one threshold.

    Returns
    -------
    np.ndarray [shape=(k,)]
        In [0, 1]; NaN for a label that has only positives or only negatives here.

    Examples
    --------
    >>> positive = np.array([[True], [False], [True]])
    >>> average_precision(positive, np.array([[0.9], [0.5], [0.1]])).round(3).tolist()
    [0.833]
    """
    found, positive = np.full(positive.shape[1], np.nan), positive > 0
    for i in range(positive.shape[1]):
        order = np.argsort(-scores[:, i], kind="stable")
        hits, ranked = positive[order, i].cumsum(), scores[order, i]
        if 0 < hits[-1] < len(hits):
            last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores are one threshold
            gains = np.diff(hits[last], prepend=0)
            found[i] = (gains * hits[last] / (last + 1)).sum() / hits[-1]
    return found


def vote(scores: np.ndarray, owners: np.ndarray, exclusive: bool) -> np.ndarray:
    """Return one row of scores per track from those of its chunks.

    Exclusive classes are voted: each chunk gives its class one vote, and the mean score decides between equals. Tags
    and numbers are the mean over chunks.

    Parameters
    ----------
    scores : np.ndarray [shape=(chunks, k)]
        In [0, 1] if exclusive.
    owners : np.ndarray [shape=(chunks,)] of int
        Number of the track of each chunk, 0 to n - 1, none left out.
    exclusive : bool
        Whether each track has exactly one class.

    Returns
    -------
    np.ndarray [shape=(n, k)]
        In [0, 1].

    Examples
    --------
    >>> scores = np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0], [0.3, 0.7]])
    >>> vote(scores, np.array([0, 0, 0, 1]), exclusive=True).argmax(axis=1).tolist()
    [0, 1]
    >>> vote(scores, np.array([0, 0, 0, 1]), exclusive=False).round(2).tolist()
    [[0.4, 0.6], [0.3, 0.7]]
    """
    counts = np.bincount(owners)
    if (counts == 1).all():
        return scores[np.argsort(owners)]
    mean = np.zeros((len(counts), scores.shape[1]))
    np.add.at(mean, owners, scores)
    mean /= counts[:, None]
    if not exclusive:
        return mean
    votes = np.zeros_like(mean)
    np.add.at(votes, owners, np.eye(scores.shape[1])[scores.argmax(axis=1)])
    votes /= counts[:, None]
    smallest = 1 / (2 * counts.max())  # less than half the smallest difference between two counts
    return (votes + smallest * mean) / (1 + smallest)
