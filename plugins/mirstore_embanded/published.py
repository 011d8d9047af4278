"""The published iteration: expectation maximisation under inverse gamma priors, from 1.

The priors favour small variances, so that it ends in one of many optima, often with groups switched off; it stays as
it was published. `mirstore_embanded.variances` is the default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirstore_embanded.evidence import Dual, Primal, Priors, State

priors = Priors(1e-4, 1e-4, 1e-4, 1e-4)  # the paper's
standstill = 1e-13  # relative change per step below which it stops: 200 more would add 2e-11 at most


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
    """

    lambdas: np.ndarray
    nu: float
    state: State
    score: float
    iterations: int


def solve(evidence: Primal | Dual, target: Any, targets: int, priors: Priors, max_iter: int) -> Solution:
    """Return the variances of one target, or of several that share them.

    Parameters
    ----------
    evidence : Primal or Dual
    target : object
        As the evidence takes it.
    targets : int
        How many columns the target has.
    priors : Priors
    max_iter : int > 0
        ``max_iter - 1`` updates, fewer only where nothing changes any more.
    """
    step = _Map(evidence, target, targets, priors)
    theta = np.zeros(len(evidence.sizes) + 1)
    score, following, state = step(theta)
    iterations = 1
    for _ in range(max_iter - 1):
        change = np.abs(following - theta).max()
        theta = following
        score, following, state = step(theta)
        iterations += 1
        if change <= standstill:
            break
    variances = np.exp(theta)
    return Solution(variances[:-1], float(variances[-1]), state, score, iterations)


@dataclass(frozen=True)
class _Map:
    """One target, or several that share their variances: the objective and its EM step, in log variances."""

    evidence: Primal | Dual
    target: Any
    p: int
    priors: Priors

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray, State]:
        """Return the score at ``theta`` = log (lambda, nu), the next theta of EM, and the state.

        The maximisation step (Fuglsang et al., eqs. 9, 10) sets each variance to the mode of its posterior.
        """
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
