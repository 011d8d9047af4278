"""The posterior of EM-banded regression at given variances: what an EM step and the objective need.

Model: ``y = X w + e``, ``w_j ~ N(0, lambda_j I)`` in group j, ``e ~ N(0, nu I)``; inverse gamma priors on all lambda
(eta, tau) and on nu (phi, kappa). Two ways to evaluate it, equal up to rounding: `Primal` works on X'X (d × d), `Dual`
on X X' (n × n), which is the smaller one when there are fewer rows than columns. Neither touches n rows per step.

References
----------
Fuglsang, Nielsen, Märcher, Kidmose, Hjortkjær: EM-banded ridge regression, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Priors:
    """Inverse gamma priors: ``eta``, ``tau`` of the groups' variances, ``phi``, ``kappa`` of the noise's."""

    eta: float
    tau: float
    phi: float
    kappa: float


@dataclass(frozen=True)
class State:
    """Everything at one (lambda, nu), for p targets that share them.

    Attributes
    ----------
    energy : np.ndarray [shape=(groups,)]
        Posterior mean of the squared weights of each group, over all targets.
    residual : float
        Posterior mean of the squared residuals, over all targets.
    dof : np.ndarray [shape=(groups,)]
        Effective degrees of freedom, 0 to the number of columns.
    fit : float
        Data term and volume term of the log posterior, without the priors.
    weights : np.ndarray [shape=(d, p)]
        Posterior mean.
    """

    energy: np.ndarray
    residual: float
    dof: np.ndarray
    fit: float
    weights: np.ndarray


class Evidence(Protocol):
    """Something that can be evaluated."""

    sizes: np.ndarray
    n: float

    def at(self, lambdas: np.ndarray, nu: float, target: object) -> State:
        """Return the state at these variances."""
        ...


class Primal:
    """On X'X, with the largest group rotated to its own eigenvectors.

    A rotation inside a group changes nothing, since its prior is a multiple of the identity; then that group's block
    of the posterior precision is diagonal and can be eliminated, and each step factors only the other r columns.

    Parameters
    ----------
    G : np.ndarray [shape=(d, d)]
        Centred X'X, columns sorted by group.
    sizes : sequence of int
        Columns per group, all at least 1.
    n : float
        Number of rows, or sum of their weights.
    """

    def __init__(self, G: np.ndarray, sizes: Sequence[int], n: float) -> None:
        from scipy.linalg import eigh

        self.sizes, self.n = np.asarray(sizes), n
        ends = np.cumsum(self.sizes)
        self.largest = int(np.argmax(self.sizes))
        self.inside = np.arange(ends[self.largest] - self.sizes[self.largest], ends[self.largest])
        self.outside = np.setdiff1d(np.arange(len(G)), self.inside)
        values, self.vectors = eigh(G[np.ix_(self.inside, self.inside)])
        self.values = np.maximum(values, 0.0)  # a Gram matrix has none below zero but by rounding
        self.cross = G[np.ix_(self.outside, self.inside)] @ self.vectors
        self.rest = G[np.ix_(self.outside, self.outside)]
        self.groups_outside = np.repeat(np.arange(len(self.sizes)), self.sizes)[self.outside]
        self._starts = np.searchsorted(self.groups_outside, np.delete(np.arange(len(self.sizes)), self.largest))

    def target(self, c: np.ndarray, yy: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return X'y [shape=(d, p)] and the sum of squares as `at` wants them: rotated."""
        return c[self.outside], self.vectors.T @ c[self.inside], yy

    def at(self, lambdas: np.ndarray, nu: float, target: tuple[np.ndarray, np.ndarray, float]) -> State:
        """Return the state; B = I + L^(1/2) G L^(1/2) / nu has no eigenvalue below 1, so nothing can fail."""
        from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

        c_rest, c_own, yy = target
        p = c_rest.shape[1]
        own = lambdas[self.largest]
        scale = np.sqrt(lambdas[self.groups_outside])
        b = 1.0 + (own / nu) * self.values
        thin = self.cross / b
        schur = self.rest - (own / nu) * (thin @ self.cross.T)
        S = schur * (scale[:, None] * scale / nu)
        S.flat[:: len(S) + 1] += 1.0
        second = (thin @ thin.T) * (scale[:, None] * scale * (own / nu**2))
        v_own, v_rest = np.sqrt(own) * c_own / nu, scale[:, None] * c_rest / nu
        right = v_rest - scale[:, None] * (np.sqrt(own) / nu) * (thin @ v_own)
        if len(S):
            factor, _ = dpotrf(S, lower=1, clean=0, overwrite_a=1)
            u_rest, _ = dpotrs(factor, right, lower=1)
            logdet = 2 * np.log(np.diag(factor)).sum()
            inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
            diagonal = np.diag(inverse).copy()
            # Only the lower triangle is filled; both matrices are symmetric.
            inverse = np.tril(inverse, -1)
            trace = 2 * float(np.einsum("ij,ij->", inverse, second)) + float(diagonal @ np.diag(second))
        else:
            u_rest, logdet, diagonal, trace = right, 0.0, np.zeros(0), 0.0
        u_own = (v_own - np.sqrt(own) / nu * (self.cross.T @ (scale[:, None] * u_rest))) / b[:, None]
        t, squares = np.empty(len(self.sizes)), np.empty(len(self.sizes))
        others = np.delete(np.arange(len(self.sizes)), self.largest)
        t[self.largest], squares[self.largest] = (1 / b).sum() + trace, float((u_own**2).sum())
        if len(others):
            t[others] = np.add.reduceat(diagonal, self._starts)
            squares[others] = np.add.reduceat((u_rest**2).sum(axis=1), self._starts)
        w_c = float((np.sqrt(own) * u_own * c_own).sum() + (scale[:, None] * u_rest * c_rest).sum())
        rss = yy - w_c - nu * squares.sum()
        dof = np.clip(self.sizes - t, 0.0, None)
        weights = np.empty((len(self.inside) + len(self.outside), p))
        weights[self.inside] = np.sqrt(own) * (self.vectors @ u_own)
        weights[self.outside] = scale[:, None] * u_rest
        logdet += float(np.log(b).sum())
        fit = -(yy - w_c) / (2 * nu) - p / 2 * (logdet + self.n * np.log(nu))
        return State(lambdas * (squares + p * t), max(rss, 0.0) + nu * p * dof.sum(), dof, fit, weights)


class Dual:
    """On the n × n products of rows: exact, and cheap where n is smaller than d.

    Parameters
    ----------
    X : np.ndarray [shape=(m, d)]
        Centred rows, each times the square root of its weight; columns sorted by group.
    sizes : sequence of int
        Columns per group.
    n : float
        Sum of the weights.
    """

    def __init__(self, X: np.ndarray, sizes: Sequence[int], n: float) -> None:
        self.X, self.sizes, self.n = X, np.asarray(sizes), n
        ends = np.cumsum(self.sizes)
        self.parts = [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]
        self.kernels = np.stack([X[:, part] @ X[:, part].T for part in self.parts])

    def at(self, lambdas: np.ndarray, nu: float, target: np.ndarray) -> State:
        """Return the state; ``target`` are the centred, weighted targets [shape=(m, p)]."""
        from scipy.linalg import cho_factor, cho_solve

        m, p = target.shape
        V = np.tensordot(lambdas, self.kernels, axes=1)
        V.flat[:: m + 1] += nu
        factor = cho_factor(V, lower=True)
        a, inverse = cho_solve(factor, target), cho_solve(factor, np.eye(m))
        dof = lambdas * np.einsum("ij,kij->k", inverse, self.kernels)
        squares = lambdas**2 * np.einsum("ip,kij,jp->k", a, self.kernels, a, optimize=True)
        logdet = 2 * np.log(np.diag(factor[0])).sum() - m * np.log(nu)
        fit = -float((a * target).sum()) / 2 - p / 2 * (logdet + self.n * np.log(nu))
        weights = np.repeat(lambdas, self.sizes)[:, None] * (self.X.T @ a)
        energy = squares + p * lambdas * (self.sizes - dof)
        return State(energy, nu**2 * float((a**2).sum()) + nu * p * dof.sum(), dof, fit, weights)
