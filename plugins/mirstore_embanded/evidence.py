"""The posterior of EM-banded regression at given variances: what an EM step and the objective need.

Model: ``y = X w + e``, ``w_j ~ N(0, lambda_j I)`` in group j, ``e ~ N(0, nu I)``; inverse gamma priors on all lambda
(eta, tau) and on nu (phi, kappa). Two ways to evaluate it, equal up to rounding: `Primal` works on X'X (d × d), `Dual`
on X X' (n × n), which is the smaller one when there are fewer rows than columns. Neither touches n rows per step.

References
----------
Fuglsang et al.: Exploring an EM-algorithm for banded regression in computational neuroscience, 2023,
doi:10.1101/2023.09.22.558945.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


class Primal:
    """On X'X, with the largest group rotated to its own eigenvectors.

    A rotation inside a group changes nothing, since its prior is a multiple of the identity; then that group's block
    of the posterior precision is diagonal and can be eliminated, and each step factors only the other r columns.
    Directions in which the group's columns are collinear, as n-grams and shares are, drop out.

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
        values, vectors = eigh(G[np.ix_(self.inside, self.inside)])
        seen = values > values[-1] * len(values) * np.finfo(float).eps
        seen[-1] = True  # of constant columns too, so that no matrix is empty
        self.values, self.vectors = np.maximum(values[seen], 0.0), vectors[:, seen]
        self.unseen = int((~seen).sum())  # directions of which the data say nothing: the prior stays as it is
        self.cross = G[np.ix_(self.outside, self.inside)] @ self.vectors
        self.rest = np.asfortranarray(G[np.ix_(self.outside, self.outside)])
        self.groups_outside = np.repeat(np.arange(len(self.sizes)), self.sizes)[self.outside]
        self.others = np.delete(np.arange(len(self.sizes)), self.largest)
        self.starts = np.searchsorted(self.groups_outside, self.others)

    def target(self, c: np.ndarray, yy: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return X'y [shape=(d, p)] and the sum of squares as `at` wants them: rotated.

        Parameters
        ----------
        c : np.ndarray [shape=(d, p)]
            X'y.
        yy : float
            Sum of squares of y.
        """
        return c[self.outside], self.vectors.T @ c[self.inside], yy

    def at(self, lambdas: np.ndarray, nu: float, target: tuple[np.ndarray, np.ndarray, float]) -> State:
        """Return the state; B = I + L^(1/2) G L^(1/2) / nu has no eigenvalue below 1, so nothing can fail."""
        c_rest, c_own, yy = target
        p, root = c_rest.shape[1], np.sqrt(lambdas[self.largest])
        ratio = lambdas[self.largest] / nu
        scale = np.sqrt(lambdas[self.groups_outside])[:, None]
        b = 1.0 + ratio * self.values
        thin = self.cross / b  # (r, seen directions)
        v_own, v_rest = root * c_own / nu, scale * c_rest / nu
        right = v_rest - scale * (root / nu) * (thin @ v_own)
        u_rest, logdet, diagonal, trace = self._without_largest(thin, b, scale, right, ratio, nu)
        w_rest = scale * u_rest
        u_own = (v_own - root / nu * (self.cross.T @ w_rest)) / b[:, None]
        t, squares = np.empty(len(self.sizes)), np.empty(len(self.sizes))
        t[self.largest], squares[self.largest] = (1 / b).sum() + self.unseen + trace, np.vdot(u_own, u_own)
        if len(self.others):
            t[self.others] = np.add.reduceat(diagonal, self.starts)
            squares[self.others] = np.add.reduceat(np.einsum("ij,ij->i", u_rest, u_rest), self.starts)
        weights = np.empty((len(self.inside) + len(self.outside), p))
        weights[self.inside], weights[self.outside] = root * (self.vectors @ u_own), w_rest
        unexplained = yy - float(root * np.vdot(u_own, c_own) + np.vdot(w_rest, c_rest))
        rss = max(unexplained - nu * squares.sum(), 0.0)
        dof = np.maximum(self.sizes - t, 0.0)
        logdet += float(np.log(b).sum())
        fit = -unexplained / (2 * nu) - p / 2 * (logdet + self.n * np.log(nu))
        return State(lambdas * (squares + p * t), rss + nu * p * dof.sum(), dof, fit, weights)

    def _without_largest(
        self, thin: np.ndarray, b: np.ndarray, scale: np.ndarray, right: np.ndarray, ratio: float, nu: float
    ) -> tuple[np.ndarray, float, np.ndarray, float]:
        """Solve for the other groups on the Schur complement S.

        Returns the solution, log det S, the diagonal of its inverse, and what eliminating the largest group adds to
        the trace of that group's block. All matrices are symmetric, and only their lower triangles are filled.
        """
        from scipy.linalg.blas import dsyrk
        from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

        if not len(self.rest):
            return right, 0.0, np.zeros(0), 0.0
        products = scale * scale.T / nu
        S = dsyrk(-ratio, (self.cross / np.sqrt(b)).T, beta=1.0, c=self.rest, trans=1, lower=1) * products
        S.flat[:: len(S) + 1] += 1.0
        factor, _ = dpotrf(S, lower=1, clean=0, overwrite_a=1)
        solution, _ = dpotrs(factor, right, lower=1)
        logdet = 2 * float(np.log(factor.diagonal()).sum())
        inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
        second = dsyrk(ratio, thin.T, trans=1, lower=1) * products  # zero above the diagonal
        both = inverse.diagonal() @ second.diagonal()
        trace = 2 * float(np.vdot(inverse.T, second.T)) - float(both)
        return solution, logdet, inverse.diagonal().copy(), trace


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
