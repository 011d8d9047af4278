"""The variances that explain the data best: plain EM as published, or the same optimum much sooner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore_embanded.evidence import Dual, Primal, Priors, State

standstill = 1e-14  # relative change below which plain EM only repeats itself


@dataclass(frozen=True)
class Solution:
    """Variances and what belongs to them.

    Attributes
    ----------
    lambdas : np.ndarray [shape=(groups,)]
    nu : float
    state : State
        At these variances.
    score : float
        Log posterior up to constants.
    iterations : int
        Evaluations.
    converged : bool
    """

    lambdas: np.ndarray
    nu: float
    state: State
    score: float
    iterations: int
    converged: bool


class _Map:
    """One target, or several that share their variances: the objective and its EM step, in log variances."""

    def __init__(self, evidence: Primal | Dual, target: Any, targets: int, priors: Priors) -> None:
        self.evidence, self.target, self.p, self.priors = evidence, target, targets, priors
        self.evaluations = 0

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, State]:
        """Return the score at ``theta`` = log (lambda, nu), the next theta of EM, and the state.

        The maximisation step (Fuglsang et al., eqs. 9, 10) sets each variance to the mode of its posterior.
        """
        self.evaluations += 1
        variances = np.exp(theta)
        lambdas, nu, prior = variances[:-1], float(variances[-1]), self.priors
        state = self.evidence.at(lambdas, nu, self.target)
        sizes, n = self.evidence.sizes, self.evidence.n
        new = (state.energy + 2 * prior.tau) / (self.p * sizes + 2 * prior.eta + 2)
        new_nu = (state.residual + 2 * prior.kappa) / (self.p * n + 2 * prior.phi + 2)
        score = (
            state.fit
            - (1 + prior.eta) * theta[:-1].sum()
            - (prior.tau / lambdas).sum()
            - (1 + prior.phi) * theta[-1]
            - prior.kappa / nu
        )
        return float(score), np.log(np.append(new, new_nu)), state


def solve(
    evidence: Primal | Dual,
    target: Any,
    targets: int,
    priors: Priors,
    start: tuple[np.ndarray, float],
    *,
    solver: str,
    max_iter: int,
    tol: float,
) -> Solution:
    """Return the variances of one target, or of several that share them.

    Parameters
    ----------
    evidence : Primal or Dual
    target : object
        As the evidence takes it.
    targets : int
        How many columns the target has.
    priors : Priors
    start : (lambdas, nu)
    solver : str
        ``"em"``: the published iteration, ``max_iter - 1`` updates, stopping early only where nothing changes any
        more. ``"auto"``: squared extrapolation of it to the optimum.
    max_iter : int > 0
    tol : float > 0
        Of the log variances, for ``"auto"``.
    """
    step = _Map(evidence, target, targets, priors)
    theta = np.log(np.append(*start))
    if solver == "em":
        return _expectation_maximisation(step, theta, max_iter)
    return _squarem(step, theta, max_iter, tol)


def _expectation_maximisation(step: _Map, theta: np.ndarray, max_iter: int) -> Solution:
    score, following, state = step(theta)
    for _ in range(max_iter - 1):
        change = np.abs(following - theta).max()
        theta = following
        score, following, state = step(theta)
        if change <= standstill:
            break
    return _solution(step, theta, score, state, converged=True)


def _squarem(step: _Map, theta: np.ndarray, max_iter: int, tol: float) -> Solution:
    """Extrapolate from two EM steps, then take a third; fall back on EM where that is worse.

    The step length is scheme S3 of Varadhan and Roland (Scandinavian Journal of Statistics 35, 2008). The remaining
    distance is estimated as the last step times that length, the sum of a geometric series.
    """
    _, first, _ = step(theta)
    while True:
        score, second, state = step(first)
        r = first - theta
        v = (second - first) - r
        length = np.sqrt((r @ r) / (v @ v)) if v @ v > 0 else 1.0
        remaining = max(length, 1.0) * np.abs(second - first).max()
        if remaining < tol or step.evaluations >= max_iter:
            return _solution(step, first, score, state, converged=remaining < tol)
        leap = theta + 2 * length * r + length**2 * v if length > 1 else second
        leap = first + np.clip(leap - first, -4.0, 4.0)  # a leap by more than e^4 is no extrapolation but a guess
        leap_score, leap_next, _ = step(leap)
        if np.isfinite(leap_score) and leap_score >= score - 1e-9 * abs(score):
            theta, first = leap, leap_next
        else:
            theta = second
            _, first, _ = step(theta)


def _solution(step: _Map, theta: np.ndarray, score: float, state: State, *, converged: bool) -> Solution:
    variances = np.exp(theta)
    return Solution(variances[:-1], float(variances[-1]), state, score, step.evaluations, converged)
