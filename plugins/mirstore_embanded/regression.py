"""From sufficient statistics to fitted weights of many targets at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mirstore_embanded.evidence import Dual, Primal, Priors
from mirstore_embanded.groups import smoothness_root
from mirstore_embanded.solver import Solution, solve
from mirstore_embanded.statistics import Gram


@dataclass(frozen=True)
class Settings:
    """How to fit; see `EMBandedRegressor`."""

    solver: str
    max_iter: int
    tol: float
    priors: Priors
    smoothness: Sequence[float | None] | None
    scale_y: bool
    shared: bool


@dataclass(frozen=True)
class Fit:
    """Fitted weights of l targets.

    Attributes
    ----------
    coef : np.ndarray [shape=(l, d)]
        In the units of X and Y.
    intercept : np.ndarray [shape=(l,)]
    lambdas, dof : np.ndarray [shape=(l, groups)]
        Variance per weight, of targets scaled to deviation 1 if ``scale_y``; effective degrees of freedom.
    nu, scores : np.ndarray [shape=(l,)]
        Noise variance in the same units, and log posterior.
    iterations : np.ndarray of int [shape=(l,)]
    scale : np.ndarray [shape=(l,)]
        Deviation that each target was divided by.
    gram : Gram
    groups : Mapping
    """

    coef: np.ndarray
    intercept: np.ndarray
    lambdas: np.ndarray
    dof: np.ndarray
    nu: np.ndarray
    scores: np.ndarray
    iterations: np.ndarray
    scale: np.ndarray
    gram: Gram
    groups: Mapping[str, np.ndarray]
    settings: Settings

    @cached_property
    def order(self) -> np.ndarray:
        """Columns sorted by group."""
        return np.concatenate(list(self.groups.values()))

    def covariance(self, target: int) -> np.ndarray:
        """Return the posterior covariance of a target's weights, in units of X and Y [shape=(d, d)]."""
        T = _root(self.groups, self.settings.smoothness)
        G = self.gram.centred()[0][np.ix_(self.order, self.order)]
        sizes = [len(members) for members in self.groups.values()]
        scale = np.sqrt(np.repeat(self.lambdas[target], sizes))
        B = (T.T @ G @ T) * (scale[:, None] * scale / self.nu[target])
        B.flat[:: len(B) + 1] += 1.0
        half = np.linalg.solve(np.linalg.cholesky(B), (T * scale).T)
        sorted_covariance = self.scale[target] ** 2 * (half.T @ half)
        back = np.argsort(self.order)
        return sorted_covariance[np.ix_(back, back)]


def _root(groups: Mapping[str, np.ndarray], smoothness: Sequence[float | None] | None) -> np.ndarray:
    from scipy.linalg import block_diag

    lengths = smoothness if smoothness is not None else [None] * len(groups)
    if len(lengths) != len(groups):
        raise ValueError(f"smoothness has {len(lengths)} values for {len(groups)} groups")
    return block_diag(*(smoothness_root(len(m), h) for m, h in zip(groups.values(), lengths, strict=True)))


def fit(
    gram: Gram,
    groups: Mapping[str, np.ndarray],
    settings: Settings,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    warm: Fit | None = None,
) -> Fit:
    """Fit all targets of some statistics.

    Parameters
    ----------
    gram : Gram
    groups : Mapping
        Group to positions of its columns; columns in none have weight 0.
    settings : Settings
    rows : (X, Y, weight), optional
        The data themselves: used instead of X'X where there are fewer rows than columns.
    warm : Fit, optional
        Starts from its variances: fewer iterations to the same optimum.
    """
    order = np.concatenate(list(groups.values()))
    sizes = [len(members) for members in groups.values()]
    G, C, yy = gram.centred()
    scale = np.sqrt(yy / gram.n) if settings.scale_y else np.ones(len(yy))
    scale = np.where(scale > 0, scale, 1.0)
    T = _root(groups, settings.smoothness)
    plain = settings.smoothness is None
    evidence: Primal | Dual
    if rows is not None and len(rows[0]) < len(order):
        X, Y, weight = rows
        root = np.sqrt(weight)[:, None]
        evidence = Dual(((X - gram.mean[: gram.d])[:, order] @ T) * root, sizes, gram.n)
        centred = (Y - gram.mean[gram.d :]) / scale * root
        targets = [centred[:, [i]] for i in range(len(yy))]
        targets = [centred] if settings.shared else targets
    else:
        sorted_G, sorted_C = G[np.ix_(order, order)], C[order] / scale
        evidence = Primal(sorted_G if plain else T.T @ sorted_G @ T, sizes, gram.n)
        rotated = sorted_C if plain else T.T @ sorted_C
        squares = yy / scale**2
        targets = [evidence.target(rotated[:, [i]], float(squares[i])) for i in range(len(yy))]
        if settings.shared:
            targets = [evidence.target(rotated, float(squares.sum()))]
    solutions = [
        solve(
            evidence,
            target,
            len(yy) if settings.shared else 1,
            settings.priors,
            _start(settings, sizes, float((yy / scale**2)[i]) / gram.n, warm, i),
            solver=settings.solver,
            max_iter=settings.max_iter,
            tol=settings.tol,
        )
        for i, target in enumerate(targets)
    ]
    _warn(solutions, settings)
    coef = np.zeros((len(yy), gram.d))
    weights = np.column_stack([solution.state.weights for solution in solutions])
    coef[:, order] = ((weights if plain else T @ weights) * scale).T
    each = solutions * len(yy) if settings.shared else solutions
    return Fit(
        coef,
        gram.mean[gram.d :] - coef @ gram.mean[: gram.d],
        np.array([s.lambdas for s in each]),
        np.array([s.state.dof for s in each]),
        np.array([s.nu for s in each]),
        np.array([s.score for s in each]),
        np.array([s.iterations for s in each]),
        scale,
        gram,
        dict(groups),
        settings,
    )


def truncated(found: Fit, rank: int) -> Fit:
    """Return the fit whose predictions of all targets vary in so many directions only, the strongest ones.

    Related targets then borrow from each other: reduced-rank regression (Izenman, Journal of Multivariate Analysis 5,
    1975) of the fitted, scaled targets. Groups and contributions keep their meaning, since it stays linear.
    """
    G, _, _ = found.gram.centred()
    values, vectors = np.linalg.eigh(G)
    root = np.sqrt(np.maximum(values, 0.0))
    # The right singular vectors of the predictions X w, without touching X.
    spread = (found.coef / found.scale[:, None]) @ (vectors * root)
    left, _, _ = np.linalg.svd(spread, full_matrices=False)
    kept = left[:, :rank] @ left[:, :rank].T
    coef = found.scale[:, None] * (kept @ (found.coef / found.scale[:, None]))
    mean = found.gram.mean
    return replace(found, coef=coef, intercept=mean[found.gram.d :] - coef @ mean[: found.gram.d])


def _start(
    settings: Settings, sizes: Sequence[int], variance: float, warm: Fit | None, target: int
) -> tuple[np.ndarray, float]:
    """Return where to begin: at 1 as published, or where the targets' variance suggests."""
    if warm is not None and settings.solver != "em":
        return warm.lambdas[target], float(warm.nu[target])
    if settings.solver == "em":
        return np.ones(len(sizes)), 1.0
    variance = max(variance, 1e-10)
    return np.full(len(sizes), variance / sum(sizes)), variance


def _warn(solutions: Sequence[Solution], settings: Settings) -> None:
    from sklearn.exceptions import ConvergenceWarning

    late = sum(not solution.converged for solution in solutions)
    if late:
        warnings.warn(
            f"{late} of {len(solutions)} targets did not converge in {settings.max_iter} evaluations: raise max_iter",
            ConvergenceWarning,
            stacklevel=4,
        )
