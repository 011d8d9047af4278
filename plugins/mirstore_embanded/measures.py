"""How much a group matters: several answers, because the published one depends on priors and units."""

from __future__ import annotations

import numpy as np

from mirstore_embanded.regression import Fit

much = 0.1  # of a lambda, to be its prior's own

texts = {
    "variance": "share of the group's part in the variance of the predictions",
    "lambda": "share of the group in the variance expected of a weight: the published importance",
    "mean of lambda shares": "mean over labels of each label's shares of lambda",
    "prior share": "which part of lambda comes from the prior and not from the data",
    "degrees of freedom": "how many weights the data leave to the group, mean over labels",
    "product": "part of R² that falls to the group; it can be negative",
}
"""Measure to what it means, for the reader of a report."""


def mean_share(lambdas: np.ndarray) -> np.ndarray:
    """Return the published importance: lambda averaged over labels, then scaled to sum to 1 [shape=(groups,)].

    A few labels with large lambdas decide it.

    Parameters
    ----------
    lambdas : np.ndarray [shape=(l, groups)]

    Examples
    --------
    >>> mean_share(np.array([[3.0, 1.0], [0.0, 0.0]])).tolist()
    [0.75, 0.25]
    """
    mean = lambdas.mean(axis=0)
    return mean / mean.sum()


def shares(values: np.ndarray) -> np.ndarray:
    """Return each label's values scaled to sum to 1 [shape=(l, groups)]; even ones for a label that has none.

    Parameters
    ----------
    values : np.ndarray [shape=(l, groups)]
        From 0.

    Examples
    --------
    >>> shares(np.array([[3.0, 1.0], [0.0, 0.0]])).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    totals = values.sum(axis=1, keepdims=True)
    return np.divide(values, totals, out=np.full_like(values, 1 / values.shape[1]), where=totals > 0)


def variance(fit: Fit) -> np.ndarray:
    """Return the variance of each group's part of the prediction [shape=(l, groups)].

    Parameters
    ----------
    fit : Fit
    """
    G, _, _ = fit.gram.centred()
    parts = [
        np.einsum("ld,de,le->l", fit.coef[:, m], G[np.ix_(m, m)], fit.coef[:, m], optimize=True)
        for m in fit.groups.values()
    ]
    return np.maximum(np.stack(parts, axis=1) / fit.gram.n, 0.0)


def product(fit: Fit) -> np.ndarray:
    """Return the product measure [shape=(l, groups)]: parts of R², which they sum to exactly.

    ``(2 b_j' c_j - b_j' (G b)_j) / y'y``; a part can be negative.

    Parameters
    ----------
    fit : Fit
    """
    G, C, yy = fit.gram.centred()
    terms = fit.coef * (2 * C.T - fit.coef @ G)
    parts = np.stack([terms[:, members].sum(axis=1) for members in fit.groups.values()], axis=1)
    return parts / np.where(yy > 0, yy, 1.0)[:, None]
