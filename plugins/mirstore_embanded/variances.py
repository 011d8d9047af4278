"""The variances that explain the data best, by Newton steps: shared by all labels first, then each label's own.

Stage one maximises the labels' log evidence with one lambda per group and one nu, minus ``tau_j / lambda_j``: a floor,
which never lets a group go. Stage two maximises each label's own log evidence minus half the squared distance of its
log lambda from the shared one. Rare labels, which say little themselves, so borrow from common ones. No start among
those tried found a higher optimum than the one used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from mirstore_embanded.reduced import Columns, Rows, room

floor = 1e-3  # of a label's variance per group, whatever the group's size
spread = 1.0  # standard deviation of a label's log lambda around the shared one
begin_explained, begin_noise = 0.3, 0.7  # of a label's variance
least_damping = 1e-4  # relative to the curvature
longest = 2.0  # a step in log variances
flat = 1e-4  # a gradient [nats] that is nothing at a limit
low, high, low_noise, high_noise = -30.0, 12.0, -12.0, 5.0  # of log lambda, and of log nu


@dataclass(frozen=True)
class Labels:
    """What the evidence needs of the labels, scaled to deviation 1, for p problems of t labels each.

    Attributes
    ----------
    Y : np.ndarray [shape=(p, r, t)]
        In the coordinates of X.
    rest : np.ndarray [shape=(p,)]
        Sum of squares outside these coordinates.
    n : float
        Number of rows, or sum of their weights.
    """

    Y: np.ndarray
    rest: np.ndarray
    n: float

    def some(self, which: slice | np.ndarray) -> Labels:
        """Return those of some problems."""
        return Labels(self.Y[which], self.rest[which], self.n)

    def pooled(self) -> Labels:
        """Return one problem of all labels, from problems of one label each."""
        return Labels(self.Y.T, self.rest.sum(keepdims=True), self.n)


@dataclass(frozen=True)
class Point:
    """The log evidence at log (lambda, nu) of p problems, with its derivatives.

    Attributes
    ----------
    value : np.ndarray [shape=(p,)]
    gradient : np.ndarray [shape=(p, groups + 1)]
        In log variances.
    information : np.ndarray [shape=(p, groups + 1, groups + 1)]
        Average information: the mean of the observed and the expected one.
    squares : np.ndarray [shape=(p, groups)]
        Squared weights of each group, over the labels of the problem.
    dof : np.ndarray [shape=(p, groups)]
        Effective degrees of freedom, of one label.
    a : np.ndarray [shape=(p, r, t)]
        V^-1 y.
    """

    value: np.ndarray
    gradient: np.ndarray
    information: np.ndarray
    squares: np.ndarray
    dof: np.ndarray
    a: np.ndarray


Prior = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""From log lambda [shape=(p, groups)] to the log density, and its gradient and curvature in each group."""


def evidence(space: Columns | Rows, labels: Labels, theta: np.ndarray) -> Point:
    """Return the log evidence at log (lambda, nu), up to a constant.

    Parameters
    ----------
    space : Columns or Rows
    labels : Labels
    theta : np.ndarray [shape=(p, groups + 1)]
    """
    many = max(1, room // (space.r * space.width + 1))
    parts = [_evidence(space, labels.some(slice(i, i + many)), theta[i : i + many]) for i in range(0, len(theta), many)]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[Point]) -> Point:
    return Point(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Point)))


def _evidence(space: Columns | Rows, labels: Labels, theta: np.ndarray) -> Point:
    lambdas, nu = np.exp(theta[:, :-1]), np.exp(theta[:, -1])
    (p, r, t), k = labels.Y.shape, theta.shape[1]
    inverse = space.inverse(lambdas, nu)
    a, rest = inverse.times(labels.Y), labels.rest / nu
    F = np.empty((p, r, k, t))  # of V in log variances, the derivative times a
    F[:, :, :-1], F[:, :, -1] = space.parts(lambdas, a), nu[:, None, None] * a
    across = F.swapaxes(1, 2).reshape(p, k, r * t)
    solved = inverse.times(F.reshape(p, r, k * t)).reshape(p, r, k, t).swapaxes(1, 2).reshape(p, k, r * t)
    energy = (across @ a.reshape(p, r * t, 1))[..., 0]
    information = across @ solved.swapaxes(1, 2) / 2
    energy[:, -1] += rest
    information[:, -1, -1] += rest / 2
    volume = np.empty((p, k))
    volume[:, :-1], volume[:, -1] = inverse.dof, labels.n - 1 - inverse.dof.sum(axis=1)
    logdet = inverse.logdet + (labels.n - 1 - r) * theta[:, -1]
    value = -((a * labels.Y).sum(axis=(1, 2)) + rest + t * logdet) / 2
    return Point(value, (energy - t * volume) / 2, information, lambdas * energy[:, :-1], inverse.dof, a)


@dataclass(frozen=True)
class Solution:
    """Variances of l labels and what belongs to them; fields as of `mirstore_embanded.regression.Fit`.

    Attributes
    ----------
    lambdas, dof, prior_share : np.ndarray [shape=(l, groups)]
    nu, scores : np.ndarray [shape=(l,)]
    weights : np.ndarray [shape=(d, l)]
    iterations : np.ndarray of int [shape=(l,)]
        Evaluations, of both stages.
    converged : bool
    """

    lambdas: np.ndarray
    dof: np.ndarray
    prior_share: np.ndarray
    nu: np.ndarray
    scores: np.ndarray
    weights: np.ndarray
    iterations: np.ndarray
    converged: bool


def solve(
    space: Columns | Rows,
    labels: Labels,
    start: np.ndarray | None = None,
    *,
    pooled: bool,
    tol: float,
    max_iter: int,
) -> Solution:
    """Return the variances of all labels.

    A label that does not vary has no say in what all share, and keeps that.

    Parameters
    ----------
    space : Columns or Rows
        Of columns whose mean square in a group is 1.
    labels : Labels
        A problem per label.
    start : np.ndarray [shape=(groups + 1,)], optional
        Log (lambda, nu); small variances of all groups, and much noise, by default. Another one is not known to lead
        elsewhere.
    pooled : bool
        Whether labels share a first stage; else each has that stage alone.
    tol : float > 0
        What log nu, and a lambda relative to the sum of them, may still change.
    max_iter : int > 0
        Evaluations of a stage.
    """
    vary = np.flatnonzero((labels.Y**2).sum(axis=(1, 2)) + labels.rest > 0)
    theta = np.tile(_beginning(space) if start is None else start, (len(labels.Y), 1))
    share, iterations = np.ones((len(theta), len(space.sizes))), np.zeros(len(theta), dtype=int)
    used, prior, converged = labels.some(vary), _floored(space), True
    if len(vary):
        first = used.pooled() if pooled else used
        stage = _climb(space, first, theta[: len(first.Y)], prior, tol, max_iter)
        constant = np.delete(np.arange(len(theta)), vary)
        theta[vary], iterations[vary], converged = stage.theta, stage.evaluations, stage.converged
        share[vary] = _prior_share(space, evidence(space, first, stage.theta).squares)
        if pooled and len(vary) > 1:
            theta[constant], prior = stage.theta, _pulled(stage.theta[0])
            own = _climb(space, used, theta[vary], prior, tol, max_iter)
            theta[vary], converged = own.theta, converged and own.converged
            iterations[vary] += own.evaluations
    point = evidence(space, labels, theta)
    lambdas = np.exp(theta[:, :-1])
    weights = space.weights(lambdas, point.a)[..., 0].T
    scores = point.value + prior(theta[:, :-1])[0]
    return Solution(lambdas, point.dof, share, np.exp(theta[:, -1]), scores, weights, iterations, converged)


def _beginning(space: Columns | Rows) -> np.ndarray:
    lambdas = np.full(len(space.sizes), begin_explained / space.sizes.sum())
    return np.log(np.append(lambdas, begin_noise))


def _floors(space: Columns | Rows) -> np.ndarray:
    """Return tau [shape=(groups,)]; 0 where no column varies, since any lambda is as good there."""
    return np.where(space.varies, floor / space.sizes, 0.0)


def _prior_share(space: Columns | Rows, squares: np.ndarray) -> np.ndarray:
    """Return the prior's part of the fixed point ``lambda_j = (squared weights + 2 tau_j) / dof_j``."""
    own = 2 * _floors(space)
    return np.where(space.varies, own / np.maximum(squares + own, np.finfo(float).tiny), 1.0)


def _floored(space: Columns | Rows) -> Prior:
    tau = _floors(space)

    def prior(log_lambda: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weight = tau * np.exp(-log_lambda)
        return -weight.sum(axis=1), weight, weight

    return prior


def _pulled(shared: np.ndarray) -> Prior:
    def prior(log_lambda: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        away = (log_lambda - shared[:-1]) / spread
        return -(away**2).sum(axis=1) / 2, -away / spread, np.full_like(away, spread**-2)

    return prior


@dataclass(frozen=True)
class _Summit:
    theta: np.ndarray
    evaluations: np.ndarray
    converged: bool


def _climb(
    space: Columns | Rows, labels: Labels, theta: np.ndarray, prior: Prior, tol: float, max_iter: int
) -> _Summit:
    """Climb by Newton steps, damped and never downhill, each problem for itself."""
    theta, left = theta.copy(), np.arange(len(theta))
    value, gradient, curvature = _posterior(space, labels, theta, prior)
    damping, evaluations = np.full(len(theta), least_damping), np.ones(len(theta), dtype=int)
    while len(left) and evaluations[left[0]] < max_iter:
        trial = _step(theta[left], gradient[left], curvature[left], damping[left])
        near = _change(theta[left], trial) < tol
        theta[left[near]] = trial[near]  # too little to be looked at again
        left, trial = left[~near], trial[~near]
        if not len(left):
            break
        found = _posterior(space, labels.some(left), trial, prior)
        evaluations[left] += 1
        up = found[0] >= value[left] - 1e-12 * np.abs(value[left])  # rounding is no way down
        damping[left] = np.where(up, np.maximum(damping[left] / 10, least_damping), damping[left] * 10)
        higher = left[up]
        theta[higher] = trial[up]
        value[higher], gradient[higher], curvature[higher] = (each[up] for each in found)
    return _Summit(theta, evaluations, converged=not len(left))


def _posterior(
    space: Columns | Rows, labels: Labels, theta: np.ndarray, prior: Prior
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the log posterior, its gradient and a curvature that is never negative.

    The average information leaves out the part of the data's curvature that is their gradient in log variances. Where
    that is negative, as of groups that explain nothing, it is most of the curvature.
    """
    point = evidence(space, labels, theta)
    density, slope, bend = prior(theta[:, :-1])
    gradient, curvature = point.gradient.copy(), point.information.copy()
    every = np.arange(theta.shape[1])
    curvature[:, every, every] += np.maximum(-gradient, 0.0)
    curvature[:, every[:-1], every[:-1]] += bend
    gradient[:, :-1] += slope
    return point.value + density, gradient, curvature


def _step(theta: np.ndarray, gradient: np.ndarray, curvature: np.ndarray, damping: np.ndarray) -> np.ndarray:
    """Return where a damped Newton step leads, within the limits.

    What is at its limit and does not want to come back stays there: its part of the step, which leads nowhere, would
    leave the others no length.
    """
    groups = theta.shape[1] - 1
    lowest, highest = np.array([low] * groups + [low_noise]), np.array([high] * groups + [high_noise])
    held = ((theta <= lowest) & (gradient < flat)) | ((theta >= highest) & (gradient > -flat))
    damped = np.where(held[:, :, None] | held[:, None, :], 0.0, curvature)
    every = np.arange(groups + 1)
    damped[:, every, every] *= 1 + damping[:, None]
    damped[:, every, every] += held + 1e-9  # of groups of constant columns there is none
    move = np.linalg.solve(damped, np.where(held, 0.0, gradient)[..., None])[..., 0]
    move *= (longest / np.maximum(np.linalg.norm(move, axis=1), longest))[:, None]
    return (theta + move).clip(lowest, highest)


def _change(theta: np.ndarray, trial: np.ndarray) -> np.ndarray:
    """Return the largest change of log nu, or of a lambda relative to the sum of them [shape=(p,)]."""
    before, after = np.exp(theta[:, :-1]), np.exp(trial[:, :-1])
    of_groups = np.abs(after - before).max(axis=1) / before.sum(axis=1)
    return np.maximum(of_groups, np.abs(trial[:, -1] - theta[:, -1]))
