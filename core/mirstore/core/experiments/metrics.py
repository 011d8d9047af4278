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
        right = truth.argmax(axis=1) == scores.argmax(axis=1)
        recalls = [
            Value("recall", label, float(right[truth[:, i] > 0].mean()))
            for i, label in enumerate(classes)
            if (truth[:, i] > 0).any()
        ]
        found += [*recalls, Value("accuracy", None, float(right.mean()))]
        found.append(Value("balanced_accuracy", None, float(np.mean([value.value for value in recalls]))))
    return found


def roc_auc(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve per label, of all labels at once.

    Equal to scikit-learn's, which takes one label at a time: 1 ms each, more than fitting 56 tags takes.

    Parameters
    ----------
    positive : np.ndarray of bool [shape=(n, k)]
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
    positive : np.ndarray of bool [shape=(n, k)]
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
    found = np.full(positive.shape[1], np.nan)
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


def interval(values: Sequence[float], test_share: float, level: float = 0.95) -> tuple[float, float] | None:
    """Return the t interval of a mean over folds, corrected for their shared training examples.

    Parameters
    ----------
    values : sequence of float
        One per fold and repetition.
    test_share : float > 0
        Test examples over training examples of a fold.
    level : float in (0, 1)

    Returns
    -------
    (float, float) or None
        None with fewer than two values: one fold says nothing about the spread.

    Notes
    -----
    Folds share training examples, so that the plain t interval is too short. The variance is taken times
    ``1/folds + test_share`` instead of ``1/folds`` [#]_.

    .. [#] Nadeau, Bengio: Inference for the generalization error. Machine Learning 52, 2003.

    Examples
    --------
    >>> low, high = interval([0.70, 0.72, 0.74, 0.71, 0.73], test_share=0.25)
    >>> round(low, 3), round(high, 3)
    (0.691, 0.749)
    >>> interval([0.7], test_share=0.25) is None
    True
    """
    if len(values) < 2:
        return None
    from scipy.stats import t

    mean, variance = float(np.mean(values)), float(np.var(values, ddof=1))
    half = float(t.ppf(0.5 + level / 2, len(values) - 1) * np.sqrt(variance * (1 / len(values) + test_share)))
    return mean - half, mean + half
