"""How listeners order groups of features, whether they agree, and how near a model's order is to theirs.

The agreement of raters is Kendall's W [#]_, 1 where all order alike and about 1 / raters where each orders by chance.
The distance of two orders is the mean absolute difference of ranks (Spearman's footrule, by the number of groups).

.. [#] Kendall, Babington Smith: The problem of m rankings. Annals of Mathematical Statistics 10, 1939.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

draws = 9999
"""Random orders, where all possible ones would be more."""


@dataclass(frozen=True)
class Agreement:
    """What raters have in common.

    Attributes
    ----------
    groups : sequence of str
        That all of them ranked.
    ranks : np.ndarray [shape=(raters, groups)]
        From 1, the most important; equal ranks share their mean.
    """

    groups: Sequence[str]
    ranks: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean rank of each group [shape=(groups,)]."""
        return np.asarray(self.ranks.mean(axis=0))

    @property
    def w(self) -> float | None:
        """Kendall's W, corrected for ties; None with one rater, or if every rater ranks all groups alike."""
        raters, groups = self.ranks.shape
        counts = [np.unique(row, return_counts=True)[1] for row in self.ranks]
        ties = sum(int((count**3 - count).sum()) for count in counts)
        most = raters**2 * (groups**3 - groups) - raters * ties
        return float(12 * _spread(self.ranks) / most) if raters > 1 and most > 0 else None

    @property
    def p(self) -> float | None:
        """How likely so high a W is if each rater orders by chance; None where there is no W."""
        if self.w is None:
            return None
        shuffled = np.random.default_rng(0).permuted(np.repeat(self.ranks[None], draws, axis=0), axis=2)
        return float((1 + (_spread(shuffled) >= _spread(self.ranks) - 1e-9).sum()) / (1 + draws))

    @property
    def to_each_other(self) -> float | None:
        """Mean distance of a rater to the mean of the others: what a person reaches; None with one rater."""
        if len(self.ranks) < 2:
            return None
        others = (self.ranks.sum(axis=0) - self.ranks) / (len(self.ranks) - 1)
        return float(np.mean([distance(mine, theirs) for mine, theirs in zip(self.ranks, others, strict=True)]))


def agreement(ranked: Mapping[str, Mapping[str, float]]) -> Agreement:
    """Return what raters have in common.

    Parameters
    ----------
    ranked : Mapping
        Rater to group to rank; all raters rank the same groups, with numbers of which the smallest is the first.

    Raises
    ------
    ValueError
        If there are no raters, fewer than two groups, or a rater ranks other groups.

    Examples
    --------
    >>> ann, bo = {"rhythm": 1, "timbre": 2, "harmony": 3}, {"rhythm": 1, "timbre": 3, "harmony": 2}
    >>> found = agreement({"ann": ann, "bo": bo})
    >>> found.mean.tolist(), found.w
    ([1.0, 2.5, 2.5], 0.75)
    """
    if not ranked:
        raise ValueError("nobody ranks anything")
    groups = list(next(iter(ranked.values())))
    if len(groups) < 2:
        raise ValueError("one group has no order: give two or more")
    for rater, ranks in ranked.items():
        other = sorted(set(groups) ^ set(ranks))
        if other:
            raise ValueError(f"rater {rater!r} and the first one rank different groups: {', '.join(other)}")
    return Agreement(groups, np.array([ranks_of([ranks[group] for group in groups]) for ranks in ranked.values()]))


def ranks_of(values: Sequence[float]) -> np.ndarray:
    """Return ranks from 1, the smallest; equal values share the mean of theirs.

    Parameters
    ----------
    values : sequence of float

    Examples
    --------
    >>> ranks_of([0.2, 0.1, 0.2]).tolist()
    [2.5, 1.0, 2.5]
    """
    array = np.asarray(values, dtype=float)
    below, equal = array[:, None] > array, array[:, None] == array
    return np.asarray(below.sum(axis=1) + (equal.sum(axis=1) + 1) / 2)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean absolute difference of ranks: 0 for the same order.

    Parameters
    ----------
    one, other : np.ndarray [shape=(groups,)]
    """
    return float(np.abs(ranks_of(one.tolist()) - ranks_of(other.tolist())).mean())


@dataclass(frozen=True)
class Nearness:
    """How near an order is to that of raters.

    Attributes
    ----------
    distance : float
        Mean absolute difference of ranks.
    by_chance : float
        Its mean over random orders.
    p : float
        How likely a random order is as near.
    ends : (float, float) or None
        Between which the distance lies in 95 % of fits to other tracks; None if there are none.
    """

    distance: float
    by_chance: float
    p: float
    ends: tuple[float, float] | None = None


def nearness(
    shares: Mapping[str, float], raters: Agreement, fits: Mapping[str, Sequence[float]] | None = None
) -> Nearness:
    """Return how near the order of a model's shares is to the mean order of raters.

    Parameters
    ----------
    shares : Mapping
        Group to share, the largest is the first; all groups of the raters, others do not count.
    raters : Agreement
    fits : Mapping, optional
        Group to its shares in fits to other tracks, as to halves of them.

    Examples
    --------
    >>> raters = agreement({"ann": {"rhythm": 1, "timbre": 2, "harmony": 3}})
    >>> nearness({"rhythm": 0.6, "timbre": 0.3, "harmony": 0.1}, raters)
    Nearness(distance=0.0, by_chance=0.8888888888888888, p=0.16666666666666666, ends=None)
    """
    mine = ranks_of([-shares[group] for group in raters.groups])
    theirs, found = ranks_of(raters.mean.tolist()), distance(mine, raters.mean)
    if math.factorial(len(mine)) <= draws:
        orders, extra = np.array(list(permutations(mine))), 0
    else:
        orders, extra = np.random.default_rng(0).permuted(np.repeat(mine[None], draws, axis=0), axis=1), 1
    drawn = np.abs(orders - theirs).mean(axis=1)
    near = (drawn <= found + 1e-12).sum()
    ends = None
    if fits and set(raters.groups) <= set(fits):
        table = np.array([fits[group] for group in raters.groups]).T
        low, high = np.quantile([distance(ranks_of(-row), raters.mean) for row in table], [0.025, 0.975])
        ends = float(low), float(high)
    return Nearness(found, float(drawn.mean()), float((near + extra) / (len(drawn) + extra)), ends)


def _spread(ranks: np.ndarray) -> np.ndarray:
    """Return how far the groups' sums of ranks [shape=(…, raters, groups)] are from equal."""
    sums = ranks.sum(axis=-2)
    return np.asarray(((sums - sums.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1))
