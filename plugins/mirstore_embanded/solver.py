"""The variances that explain the data best: plain EM as published, or the same optimum much sooner.

Weak priors make many optima: a group whose variance is small already keeps it small. So all solvers begin where the
published one does. A start at the optimum of similar data is nearer, and would find the same one again even where
these data mean another; a start a few steps of EM towards it decides nothing yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore_embanded.evidence import Dual, Primal, Priors, State

standstill = 1e-13  # relative change per step below which plain EM stops: 200 more would add 2e-11 at most
warm_up = 10  # EM steps before the quasi-Newton ones: they decide which of several optima is meant
head_start, remaining = 5, 3  # EM steps on similar data that may replace most of them, and those still to do
longest = 1.0  # step in a log variance: longer ones land in other optima than EM
many = 20  # groups; with more of them there are many optima, and quasi-Newton steps leave the one of EM


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
    start: tuple[np.ndarray, float] | None = None,
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
    start : (lambdas, nu), optional
        Where `head_start` steps of EM on similar data ended. All are 1 by default, as published.
    solver : str
        ``"em"``: the published iteration, ``max_iter - 1`` updates, stopping early only where nothing changes any
        more. ``"auto"``: to the optimum, by quasi-Newton steps, or with `many` groups by extrapolated EM steps.
    max_iter : int > 0
    tol : float > 0
        For ``"auto"``: what the variances may still change, relative to the sum of the groups' variances. One that is
        already next to nothing need not be followed to its own limit, which takes many steps and decides nothing.
    """
    step = _Map(evidence, target, targets, priors)
    theta = np.zeros(len(evidence.sizes) + 1) if start is None else np.log(np.append(*start))
    if solver == "em":
        return _expectation_maximisation(step, theta, max_iter)
    if len(theta) - 1 > many:
        return _extrapolation(step, theta, max_iter, tol)
    for _ in range(min(warm_up if start is None else remaining, max_iter - 1)):
        _, theta, _ = step(theta)
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


def _extrapolation(step: _Map, theta: np.ndarray, max_iter: int, tol: float) -> Solution:
    """Climb by SQUAREM: of two EM steps, extrapolate where they lead, and take the second one if that is no higher.

    Varadhan and Roland, Scandinavian Journal of Statistics 35, 2008, scheme S3.
    """
    _, first, _ = step(theta)
    while True:
        move = first - theta
        new_score, second, new_state = step(first)
        bend = second - first - move
        length = max(1.0, float(np.linalg.norm(move)) / max(float(np.linalg.norm(bend)), 1e-300))
        jump = theta + 2 * length * move + length**2 * bend - second
        trial = second + jump * min(1.0, longest / max(float(np.abs(jump).max()), 1e-300))
        # The jump is an estimate of what is left to go; below `standstill` it is one of rounding.
        converged = _change(theta, trial - theta) < tol or bool(np.abs(move).max() < standstill)
        if converged or step.evaluations >= max_iter:
            return _solution(step, first, new_score, new_state, converged=converged)
        score, following, _ = step(trial)
        if not score >= new_score:
            trial = second
            _, following, _ = step(trial)
        theta, first = trial, following


def _quasi_newton(step: _Map, theta: np.ndarray, max_iter: int, tol: float) -> Solution:
    """Climb by BFGS in the log variances.

    The gradient comes for free with an EM step. The first guess of the curvature is that of the priors and of half the
    effective degrees of freedom, which is exact for a group that explains nothing: where EM is slowest.
    """
    score, following, state = step(theta)
    gradient, inverse = step.gradient(theta, following), step.first_guess(theta, state)
    while True:
        move = inverse @ gradient
        if gradient @ move <= 0:
            inverse = step.first_guess(theta, state)
            move = inverse @ gradient
        converged = _change(theta, move) < tol
        if converged or step.evaluations >= max_iter:
            return _solution(step, theta, score, state, converged=converged)
        move *= min(1.0, longest / np.abs(move).max())
        new_score, following, new_state = step(theta + move)
        while not new_score >= score - 1e-10 * abs(score):
            move *= 0.3
            flat = _change(theta, move) < tol  # no way up: rounding is all that is left
            if flat or step.evaluations >= max_iter:
                return _solution(step, theta, score, state, converged=flat)
            new_score, following, new_state = step(theta + move)
        theta, score, state = theta + move, new_score, new_state
        new_gradient = step.gradient(theta, following)
        inverse = _updated(inverse, move, gradient - new_gradient)
        gradient = new_gradient


def _change(theta: np.ndarray, move: np.ndarray) -> float:
    """Return the largest change of a variance, relative to the noise's own or to the sum of the groups'."""
    variances, growth = np.exp(theta[:-1]), np.expm1(np.minimum(move, 50.0))
    return max(float(np.abs(variances * growth[:-1]).max() / variances.sum()), abs(float(growth[-1])))


def _updated(inverse: np.ndarray, move: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the inverse curvature after a move that changed the (negative) gradient."""
    along = move @ change
    if along <= 1e-12 * np.sqrt((move @ move) * (change @ change)):
        return inverse
    bent = np.outer(inverse @ change, move)
    return inverse + ((1 + change @ inverse @ change / along) * np.outer(move, move) - bent - bent.T) / along


def _solution(step: _Map, theta: np.ndarray, score: float, state: State, *, converged: bool) -> Solution:
    variances = np.exp(theta)
    return Solution(variances[:-1], float(variances[-1]), state, score, step.evaluations, converged)
