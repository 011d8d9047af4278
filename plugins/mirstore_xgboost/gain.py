"""Group importance from the gain of features: three ways to average, which differ a lot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


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
    at = {column: i for i, column in enumerate(columns)}
    means = {name: float(gain[[at[column] for column in members]].mean()) for name, members in groups.items()}
    total = sum(means.values())
    return {name: mean / total if total else 1 / len(means) for name, mean in means.items()}


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
    """
    return gains.sum(axis=0) / (1 + (gains > 0).sum(axis=0))
