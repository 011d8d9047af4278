"""From sufficient statistics to fitted weights of many targets at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mirstore_embanded.evidence import Dual, Primal, Priors
from mirstore_embanded.groups import smoothness_root
from mirstore_embanded.solver import Solution, head_start, solve
from mirstore_embanded.statistics import Gram

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # X (n, d), Y (n, l), weight (n,)


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

    def __post_init__(self) -> None:
        if self.solver not in ("auto", "em"):
            raise ValueError(f"solver must be 'auto' or 'em', got {self.solver!r}")
        if self.max_iter < 1 or not self.tol > 0:
            raise ValueError(f"max_iter and tol must be positive, got {self.max_iter} and {self.tol}")
        if not min(vars(self.priors).values()) > 0:
            raise ValueError("eta, tau, phi and kappa must be positive")


@dataclass(frozen=True)
class Fit:
    """Fitted weights of l targets.

    Attributes
    ----------
    coef : np.ndarray [shape=(l, d)]
        In the units of X and Y; 0 for columns in no group.
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
        Group to positions of its columns.
    settings : Settings
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
        """Return the posterior covariance of a target's weights, in units of X and Y [shape=(d, d)].

        Parameters
        ----------
        target : int >= 0
            Its number.
        """
        T = _root(self.groups, self.settings.smoothness)
        G = self.gram.centred()[0][np.ix_(self.order, self.order)]
        scale = np.sqrt(np.repeat(self.lambdas[target], _sizes(self.groups)))
        B = (T.T @ G @ T) * (scale[:, None] * scale / self.nu[target])
        B.flat[:: len(B) + 1] += 1.0
        half = np.linalg.solve(np.linalg.cholesky(B), (T * scale).T)
        covariance = np.zeros((self.gram.d, self.gram.d))
        covariance[np.ix_(self.order, self.order)] = self.scale[target] ** 2 * (half.T @ half)
        return covariance


def fit(
    gram: Gram,
    groups: Mapping[str, np.ndarray],
    settings: Settings,
    rows: Rows | None = None,
    start: Fit | None = None,
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
    start : Fit, optional
        What `begun` gave for similar data.

    Raises
    ------
    ValueError
        If there are no rows, or not all numbers are finite.
    """
    gram.check()
    variance = gram.deviation[gram.d :] ** 2
    scale = np.sqrt(variance) if settings.scale_y else np.ones(len(variance))
    scale = np.where(scale > 0, scale, 1.0)
    T = None if settings.smoothness is None else _root(groups, settings.smoothness)
    evidence: Primal | Dual
    if rows is not None and _rows_are_cheaper(len(rows[0]), groups):
        evidence, targets = _by_rows(gram, groups, settings, scale, T, rows)
    else:
        evidence, targets = _by_products(gram, groups, settings, scale, T)
    shared = len(scale) if settings.shared else 1
    solutions = [
        solve(
            evidence,
            target,
            shared,
            settings.priors,
            None if start is None else (start.lambdas[number], float(start.nu[number])),
            solver=settings.solver,
            max_iter=settings.max_iter,
            tol=settings.tol,
        )
        for number, target in enumerate(targets)
    ]
    _warn(solutions, settings)
    weights = np.column_stack([solution.state.weights for solution in solutions])
    coef = np.zeros((len(scale), gram.d))
    coef[:, np.concatenate(list(groups.values()))] = ((weights if T is None else T @ weights) * scale).T
    return _collected(gram, groups, settings, coef, scale, solutions * shared)


def begun(gram: Gram, groups: Mapping[str, np.ndarray], settings: Settings) -> Fit:
    """Return the first steps of EM, from which fits to similar data may start.

    Parameters
    ----------
    gram : Gram
    groups : Mapping of str to np.ndarray of int
        Group to the positions of its columns.
    settings : Settings
    """
    return fit(gram, groups, replace(settings, solver="em", max_iter=head_start + 1))


def truncated(found: Fit, rank: int) -> Fit:
    """Return the fit whose predictions of all targets vary in so many directions only, the strongest ones.

    Related targets then borrow from each other: reduced-rank regression (Izenman, Journal of Multivariate Analysis 5,
    1975) of the fitted, scaled targets. Groups and contributions keep their meaning, since it stays linear.

    Parameters
    ----------
    found : Fit
    rank : int > 0
        How many directions.
    """
    G, _, _ = found.gram.centred()
    values, vectors = np.linalg.eigh(G)
    scaled = found.coef / found.scale[:, None]
    # The left singular vectors of the predictions, without touching X.
    left, _, _ = np.linalg.svd(scaled @ (vectors * np.sqrt(np.maximum(values, 0.0))), full_matrices=False)
    coef = found.scale[:, None] * (left[:, :rank] @ (left[:, :rank].T @ scaled))
    mean = found.gram.mean
    return replace(found, coef=coef, intercept=mean[found.gram.d :] - coef @ mean[: found.gram.d])


def _sizes(groups: Mapping[str, np.ndarray]) -> list[int]:
    return [len(members) for members in groups.values()]


def _root(groups: Mapping[str, np.ndarray], smoothness: Sequence[float | None] | None) -> np.ndarray:
    from scipy.linalg import block_diag

    lengths = smoothness if smoothness is not None else [None] * len(groups)
    if len(lengths) != len(groups):
        raise ValueError(f"smoothness has {len(lengths)} values for {len(groups)} groups")
    return block_diag(*(smoothness_root(len(m), h) for m, h in zip(groups.values(), lengths, strict=True)))


def _rows_are_cheaper(n: int, groups: Mapping[str, np.ndarray]) -> bool:
    """Return whether the rows' n × n products, one matrix per group, are smaller than X'X and its workspace."""
    d = sum(_sizes(groups))
    return n < d and len(groups) * n**2 <= 8 * d**2


def _by_rows(
    gram: Gram,
    groups: Mapping[str, np.ndarray],
    settings: Settings,
    scale: np.ndarray,
    T: np.ndarray | None,
    rows: Rows,
) -> tuple[Dual, list[Any]]:
    X, Y, weight = rows
    root = np.sqrt(weight)[:, None]
    centred = (X - gram.mean[: gram.d])[:, np.concatenate(list(groups.values()))] * root
    targets = (Y - gram.mean[gram.d :]) / scale * root
    each = [targets] if settings.shared else [targets[:, [i]] for i in range(targets.shape[1])]
    return Dual(centred if T is None else centred @ T, _sizes(groups), gram.n), each


def _by_products(
    gram: Gram, groups: Mapping[str, np.ndarray], settings: Settings, scale: np.ndarray, T: np.ndarray | None
) -> tuple[Primal, list[Any]]:
    order = np.concatenate(list(groups.values()))
    G, C, yy = gram.centred()
    G, C, yy = G[np.ix_(order, order)], C[order] / scale, yy / scale**2
    if T is not None:
        G, C = T.T @ G @ T, T.T @ C
    evidence = Primal(G, _sizes(groups), gram.n)
    if settings.shared:
        return evidence, [evidence.target(C, float(yy.sum()))]
    return evidence, [evidence.target(C[:, [i]], float(yy[i])) for i in range(len(yy))]


def _collected(
    gram: Gram,
    groups: Mapping[str, np.ndarray],
    settings: Settings,
    coef: np.ndarray,
    scale: np.ndarray,
    solutions: Sequence[Solution],
) -> Fit:
    return Fit(
        coef,
        gram.mean[gram.d :] - coef @ gram.mean[: gram.d],
        np.array([s.lambdas for s in solutions]),
        np.array([s.state.dof for s in solutions]),
        np.array([s.nu for s in solutions]),
        np.array([s.score for s in solutions]),
        np.array([s.iterations for s in solutions]),
        scale,
        gram,
        dict(groups),
        settings,
    )


def _warn(solutions: Sequence[Solution], settings: Settings) -> None:
    late = sum(not solution.converged for solution in solutions)
    if late:
        from sklearn.exceptions import ConvergenceWarning

        warnings.warn(
            f"{late} of {len(solutions)} targets did not converge in {settings.max_iter} evaluations: raise max_iter",
            ConvergenceWarning,
            stacklevel=4,
        )
