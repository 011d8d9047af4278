"""The evidence of shared or separate variances, many labels at once, without touching the n rows again.

Model: ``y = mean + sum_j X_j w_j + e``, ``w_j ~ N(0, lambda_j I)``, ``e ~ N(0, nu I)``, so the covariance of a label
is ``V = nu I + sum_j lambda_j K_j`` with ``K_j = X_j X_j'``. The mean is integrated out, which leaves n - 1 dimensions.
All of this depends on X only through coordinates in the space of its columns: `Columns` takes them from X'X, `Rows` are
the examples themselves, for fewer rows than columns. Outside that space only the sum of squares of y counts.

A *problem* is one pair (lambda, nu) with the t labels that share it; p problems are evaluated together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

room = 400_000  # numbers in the largest array of an evaluation: larger ones leave the processor's cache


@dataclass(frozen=True)
class Inverse:
    """V^-1 of p problems, and what else its factors give.

    Attributes
    ----------
    times : callable
        Returns V^-1 B for B [shape=(p, r, any)].
    logdet : np.ndarray [shape=(p,)]
        Of V.
    dof : np.ndarray [shape=(p, groups)]
        Effective degrees of freedom, ``lambda_j tr(V^-1 K_j)``.
    """

    times: Callable[[np.ndarray], np.ndarray]
    logdet: np.ndarray
    dof: np.ndarray


class Columns:
    """Coordinates from X'X in which the largest group's K is diagonal, so that only the m other columns are factored.

    Directions in which columns are collinear, as n-grams and shares are, drop out.

    Parameters
    ----------
    G : np.ndarray [shape=(d, d)]
        Centred X'X, columns sorted by group.
    sizes : np.ndarray of int [shape=(groups,)]
        Columns per group, all at least 1.
    """

    def __init__(self, G: np.ndarray, sizes: np.ndarray) -> None:
        from scipy.linalg import eigh

        self.sizes = sizes
        ends = np.cumsum(self.sizes)
        self.largest = int(np.argmax(self.sizes))
        self.inside = np.arange(ends[self.largest] - self.sizes[self.largest], ends[self.largest])
        self.outside = np.setdiff1d(np.arange(len(G)), self.inside)
        noise = len(G) * np.finfo(float).eps * G.diagonal().sum()  # of the smallest eigenvalues
        values, vectors = eigh(G[np.ix_(self.inside, self.inside)])
        seen = values > noise
        self.root, self.vectors = np.sqrt(values[seen]), vectors[:, seen]
        self.shadow = (self.vectors.T @ G[np.ix_(self.inside, self.outside)]) / self.root[:, None]
        if len(self.outside):
            beside, own = eigh(G[np.ix_(self.outside, self.outside)] - self.shadow.T @ self.shadow)
            self.own_root, self.own = np.sqrt(beside[beside > noise]), own[:, beside > noise]
        else:
            self.own_root, self.own = np.zeros(0), np.zeros((0, 0))
        self.R = np.vstack([self.shadow, self.own_root[:, None] * self.own.T])  # the other columns (r, m)
        self.r = len(self.R)
        self.values = np.concatenate([self.root**2, np.zeros(len(self.own_root))])  # the largest group's K
        self.others = np.delete(np.arange(len(self.sizes)), self.largest)
        self.owner = np.repeat(self.others, self.sizes[self.others])
        self.bounds = np.concatenate([[0], np.cumsum(self.sizes[self.others])])
        self.width = max(len(self.outside), 1)
        self.varies = np.add.reduceat(G.diagonal(), ends - self.sizes) > 0

    def coordinates(self, C: np.ndarray) -> np.ndarray:
        """Return labels [shape=(r, l)] from X'Y [shape=(d, l)]."""
        first = (self.vectors.T @ C[self.inside]) / self.root[:, None]
        return np.vstack([first, self.own.T @ (C[self.outside] - self.shadow.T @ first) / self.own_root[:, None]])

    def inverse(self, lambdas: np.ndarray, nu: np.ndarray) -> Inverse:
        """Return V^-1 at lambdas [shape=(p, groups)] and nu [shape=(p,)]."""
        largest = lambdas[:, self.largest]
        D = nu[:, None] + largest[:, None] * self.values
        scaled = self.R * np.sqrt(lambdas[:, self.owner])[:, None, :]
        thin = scaled / np.sqrt(D)[..., None]
        M = thin.swapaxes(1, 2) @ thin
        M[:, np.arange(M.shape[1]), np.arange(M.shape[1])] += 1.0
        C = _inverse_factors(M)
        low_rank = (scaled / D[..., None]) @ C.swapaxes(1, 2)
        diagonal = 1 / D - np.einsum("prm,prm->pr", low_rank, low_rank)
        dof = np.empty(lambdas.shape)
        dof[:, self.largest] = largest * (diagonal @ self.values)
        if len(self.others):
            own = 1 - np.einsum("pkm,pkm->pm", C, C)
            dof[:, self.others] = np.add.reduceat(own, self.bounds[:-1], axis=1)
        logdet = np.log(D).sum(axis=1) - 2 * np.log(C.diagonal(axis1=1, axis2=2)).sum(axis=1)

        def times(B: np.ndarray) -> np.ndarray:
            return B / D[..., None] - low_rank @ (low_rank.swapaxes(1, 2) @ B)

        return Inverse(times, logdet, np.maximum(dof, 0.0))

    def parts(self, lambdas: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return ``lambda_j K_j a`` [shape=(p, r, groups, t)] for a [shape=(p, r, t)]: the groups' predictions."""
        found = np.empty((len(a), self.r, len(self.sizes), a.shape[2]))
        found[:, :, self.largest] = self.values[:, None] * a
        along = self.R.T @ a
        for j, first, last in zip(self.others, self.bounds[:-1], self.bounds[1:], strict=True):
            found[:, :, j] = self.R[:, first:last] @ along[:, first:last]
        found *= lambdas[:, None, :, None]
        return found

    def weights(self, lambdas: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return the weights, ``lambda_j X_j' a`` [shape=(p, d, t)]."""
        found = np.empty((len(a), len(self.inside) + len(self.outside), a.shape[2]))
        found[:, self.inside] = self.vectors @ (self.root[:, None] * a[:, : len(self.root)])
        found[:, self.outside] = self.R.T @ a
        return np.repeat(lambdas, self.sizes, axis=1)[..., None] * found


class Rows:
    """The examples themselves as coordinates: r = n, and n × n matrices are factored.

    Parameters
    ----------
    X : np.ndarray [shape=(n, d)]
        Centred rows, each times the square root of its weight; columns sorted by group.
    sizes : np.ndarray of int [shape=(groups,)]
        Columns per group, all at least 1.
    """

    def __init__(self, X: np.ndarray, sizes: np.ndarray) -> None:
        self.X, self.sizes = X, sizes
        self.r = self.width = len(X)
        ends = np.cumsum(self.sizes)
        blocks = [X[:, end - size : end] for end, size in zip(ends, self.sizes, strict=True)]
        self.kernels = np.stack([block @ block.T for block in blocks])
        self.varies = np.trace(self.kernels, axis1=1, axis2=2) > 0

    def inverse(self, lambdas: np.ndarray, nu: np.ndarray) -> Inverse:
        """Return V^-1 at lambdas [shape=(p, groups)] and nu [shape=(p,)]."""
        flat = self.kernels.reshape(len(self.sizes), -1)
        V = (lambdas @ flat).reshape(-1, self.r, self.r)
        V[:, np.arange(self.r), np.arange(self.r)] += nu[:, None]
        C = _inverse_factors(V)
        inverse = C.swapaxes(1, 2) @ C
        logdet = -2 * np.log(C.diagonal(axis1=1, axis2=2)).sum(axis=1)
        return Inverse(inverse.__matmul__, logdet, lambdas * (inverse.reshape(len(V), -1) @ flat.T))

    def parts(self, lambdas: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return ``lambda_j K_j a`` [shape=(p, r, groups, t)] for a [shape=(p, r, t)]: the groups' predictions."""
        return (self.kernels[None] @ a[:, None] * lambdas[..., None, None]).swapaxes(1, 2)

    def weights(self, lambdas: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return the weights, ``lambda_j X_j' a`` [shape=(p, d, t)]."""
        return np.repeat(lambdas, self.sizes, axis=1)[..., None] * (self.X.T @ a)


def _inverse_factors(M: np.ndarray) -> np.ndarray:
    """Return C with ``C' C = M^-1``, lower triangular, of positive definite matrices [shape=(p, m, m)]; M is lost."""
    from scipy.linalg.lapack import dpotrf, dtrtri

    for number in range(len(M) if M.shape[1] else 0):
        # LAPACK's upper triangle of columns is our lower one of rows.
        factor, _ = dpotrf(M[number].T, lower=0, clean=1, overwrite_a=1)
        inverse, _ = dtrtri(factor, lower=0, overwrite_c=1)
        M[number] = inverse.T
    return M
