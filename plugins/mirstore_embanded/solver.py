"""The variances that explain the data best: plain EM as published, or the same optimum much sooner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore_embanded.evidence import Dual, Primal, Priors, State

standstill = 1e-13  # relative change per step below which plain EM stops: 200 more would add 2e-11 at most
warm_up = 5  # EM steps before the quasi-Newton ones
longest = 1.0  # step in a log variance: longer ones land in other optima than EM


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

    def gradient(self, theta: np.ndarray, following: np.ndarray) -> np.ndarray:
        """Return the gradient of the score in log variances, from where EM goes: a ratio of 1 is a gradient of 0."""
        prior = self.priors
        weight = np.append(
            self.p * self.evidence.sizes + 2 * prior.eta + 2, self.p * self.evidence.n + 2 * prior.phi + 2
        )
        return weight / 2 * np.expm1(following - theta)

    def first_guess(self, theta: np.ndarray, state: State) -> np.ndarray:
        """Return an inverse curvature to start from."""
        curvature = self.p * state.dof / 2 + self.priors.tau / np.exp(theta[:-1]) + 1e-3
        return np.diag(1 / np.append(curvature, self.p * self.evidence.n / 2))


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
        more. ``"auto"``: quasi-Newton steps to the optimum.
    max_iter : int > 0
    tol : float > 0
        Of the log variances, for ``"auto"``.
    """
    step = _Map(evidence, target, targets, priors)
    theta = np.log(np.append(*start))
    if solver == "em":
        return _expectation_maximisation(step, theta, max_iter)
    return _quasi_newton(step, theta, max_iter, tol)


def _expectation_maximisation(step: _Map, theta: np.ndarray, max_iter: int) -> Solution:
    score, following, state = step(theta)
    for _ in range(max_iter - 1):
        change = np.abs(following - theta).max()
        theta = following
        score, following, state = step(theta)
        if change <= standstill:
            break
    return _solution(step, theta, score, state, converged=True)


def _quasi_newton(step: _Map, theta: np.ndarray, max_iter: int, tol: float) -> Solution:
    """Climb by BFGS in the log variances, after some EM steps that decide which of several optima is meant.

    The gradient comes for free with an EM step. The first guess of the curvature is that of the priors and of half the
    effective degrees of freedom, which is exact for a group that explains nothing: where EM is slowest.
    """
    for _ in range(min(warm_up, max_iter - 1)):
        _, theta, _ = step(theta)
    score, following, state = step(theta)
    gradient, inverse = step.gradient(theta, following), step.first_guess(theta, state)
    while True:
        move = inverse @ gradient
        if gradient @ move <= 0:
            inverse = step.first_guess(theta, state)
            move = inverse @ gradient
        converged = bool(np.abs(move).max() < tol)
        if converged or step.evaluations >= max_iter:
            return _solution(step, theta, score, state, converged=converged)
        move *= min(1.0, longest / np.abs(move).max())
        new_score, following, new_state = step(theta + move)
        while not new_score >= score - 1e-10 * abs(score):
            move *= 0.3
            flat = bool(np.abs(move).max() < tol)  # no way up: rounding is all that is left
            if flat or step.evaluations >= max_iter:
                return _solution(step, theta, score, state, converged=flat)
            new_score, following, new_state = step(theta + move)
        theta, score, state = theta + move, new_score, new_state
        new_gradient = step.gradient(theta, following)
        inverse = _updated(inverse, move, gradient - new_gradient)
        gradient = new_gradient


def _updated(inverse: np.ndarray, move: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the inverse curvature after a move that changed the (negative) gradient."""
    along = move @ change
    if along <= 1e-12 * np.linalg.norm(move) * np.linalg.norm(change):
        return inverse
    A = np.eye(len(move)) - np.outer(move, change) / along
    return A @ inverse @ A.T + np.outer(move, move) / along


def _solution(step: _Map, theta: np.ndarray, score: float, state: State, *, converged: bool) -> Solution:
    variances = np.exp(theta)
    return Solution(variances[:-1], float(variances[-1]), state, score, step.evaluations, converged)
