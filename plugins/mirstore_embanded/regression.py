"""From sufficient statistics to fitted weights of many targets at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mirstore_embanded import published, variances
from mirstore_embanded.evidence import Dual, Primal, Priors
from mirstore_embanded.groups import smoothness_root
from mirstore_embanded.reduced import Columns, Rows
from mirstore_embanded.statistics import Gram

Data = tuple[np.ndarray, np.ndarray, np.ndarray]  # X (n, d), Y (n, l), weight (n,)


@dataclass(frozen=True)
class Settings:
    """How to fit; see `EMBandedRegressor`."""

    prior: str = "log"
    pooling: str = "labels"
    max_iter: int = 200
    tol: float = 1e-6
    priors: Priors = published.priors
    smoothness: Sequence[float | None] | None = None

    def __post_init__(self) -> None:
        if self.prior not in ("log", "inverse-gamma"):
            raise ValueError(f"prior must be 'log' or 'inverse-gamma', got {self.prior!r}")
        if self.pooling not in ("labels", "none"):
            raise ValueError(f"pooling must be 'labels' or 'none', got {self.pooling!r}")
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
        Variance per weight, of targets divided by ``scale``; effective degrees of freedom.
    prior_share : np.ndarray [shape=(l, groups)]
        Which part of a lambda is its prior's own: of the lambda that all targets share, where they do.
    nu, scores : np.ndarray [shape=(l,)]
        Noise variance in the same units, and log posterior.
    iterations : np.ndarray of int [shape=(l,)]
    scale : np.ndarray [shape=(l,)]
        What each target was divided by: its deviation, or 1 under the published priors.
    gram : Gram
    groups : Mapping
        Group to positions of its columns.
    settings : Settings
    """

    coef: np.ndarray
    intercept: np.ndarray
    lambdas: np.ndarray
    dof: np.ndarray
    prior_share: np.ndarray
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

    @cached_property
    def _products(self) -> tuple[np.ndarray | None, np.ndarray]:
        """The root of the smoothness if there is one, and X'X of what it makes of the columns, sorted by group."""
        T = _root(self.groups, self.settings.smoothness)
        G = self.gram.centred()[0][np.ix_(self.order, self.order)]
        return T, G if T is None else T.T @ G @ T

    def root_of_covariance(self, target: int) -> np.ndarray:
        """Return A with ``A' A`` the posterior covariance of a target's weights, in units of X and Y [shape=(any, d)].

        Parameters
        ----------
        target : int >= 0
            Its number.
        """
        from scipy.linalg import cholesky, solve_triangular

        T, G = self._products
        scale = np.sqrt(np.repeat(self.lambdas[target], sizes(self.groups)))
        B = G * (scale[:, None] * scale / self.nu[target])
        B.flat[:: len(B) + 1] += 1.0
        right = np.diag(scale) if T is None else (T * scale).T
        found = np.zeros((len(B), self.gram.d))
        found[:, self.order] = self.scale[target] * solve_triangular(cholesky(B, lower=True), right, lower=True)
        return found


@dataclass(frozen=True)
class _Found:
    """What a way of fitting found: fields as of `Fit`, weights of the prepared columns [shape=(d, l)]."""

    weights: np.ndarray
    lambdas: np.ndarray
    dof: np.ndarray
    prior_share: np.ndarray
    nu: np.ndarray
    scores: np.ndarray
    iterations: np.ndarray


def fit(gram: Gram, groups: Mapping[str, np.ndarray], settings: Settings, rows: Data | None = None) -> Fit:
    """Fit all targets of some statistics.

    Parameters
    ----------
    gram : Gram
    groups : Mapping
        Group to positions of its columns; columns in none have weight 0.
    settings : Settings
    rows : (X, Y, weight), optional
        The data themselves: used instead of X'X where there are fewer rows than columns.

    Raises
    ------
    ValueError
        If there are no rows, or not all numbers are finite.
    """
    gram.check()
    deviation = gram.deviation[gram.d :]
    scaled = settings.prior == "log"
    scale = np.where(deviation > 0, deviation, 1.0) if scaled else np.ones(len(deviation))
    T = _root(groups, settings.smoothness)
    found = (_by_newton if scaled else _as_published)(gram, groups, settings, scale, T, rows)
    coef = np.zeros((len(scale), gram.d))
    weights = found.weights if T is None else T @ found.weights
    coef[:, np.concatenate(list(groups.values()))] = (weights * scale).T
    return Fit(
        coef,
        gram.mean[gram.d :] - coef @ gram.mean[: gram.d],
        found.lambdas,
        found.dof,
        found.prior_share,
        found.nu,
        found.scores,
        found.iterations,
        scale,
        gram,
        dict(groups),
        settings,
    )


def _by_newton(
    gram: Gram,
    groups: Mapping[str, np.ndarray],
    settings: Settings,
    scale: np.ndarray,
    T: np.ndarray | None,
    rows: Data | None,
) -> _Found:
    space, labels, unit = reduced(gram, groups, scale, T, rows)
    found = variances.solve(
        space, labels, pooled=settings.pooling == "labels", tol=settings.tol, max_iter=settings.max_iter
    )
    if not found.converged:
        _warn(settings.max_iter)
    return _Found(
        found.weights / np.repeat(unit, sizes(groups))[:, None],
        found.lambdas / unit**2,
        found.dof,
        found.prior_share,
        found.nu,
        found.scores,
        found.iterations,
    )


def reduced(
    gram: Gram, groups: Mapping[str, np.ndarray], scale: np.ndarray, T: np.ndarray | None, rows: Data | None
) -> tuple[Columns | Rows, variances.Labels, np.ndarray]:
    """Return columns and labels in few coordinates, and what each group was divided by [shape=(groups,)].

    The mean square of the columns of a group becomes 1, so that the prior's floor means the same for all.
    """
    G, C, squares = _prepared_products(gram, groups, scale, T)
    counts = np.asarray(sizes(groups))
    power = np.add.reduceat(G.diagonal(), np.cumsum(counts) - counts) / counts / gram.n
    unit = np.sqrt(np.where(power > 0, power, 1.0))
    each = np.repeat(unit, counts)
    space: Columns | Rows
    if rows is not None and len(rows[0]) < len(G) - counts.max() and len(counts) * len(rows[0]) ** 2 <= 8 * len(G) ** 2:
        X, targets = _prepared_rows(gram, groups, scale, T, rows)
        space = Rows(X / each, counts)
    else:
        space = Columns(G / np.outer(each, each), counts)
        targets = space.coordinates(C / each[:, None])
    rest = np.maximum(squares - (targets**2).sum(axis=0), 0.0)
    return space, variances.Labels(targets.T[..., None], rest, gram.n), unit


def _as_published(
    gram: Gram,
    groups: Mapping[str, np.ndarray],
    settings: Settings,
    scale: np.ndarray,
    T: np.ndarray | None,
    rows: Data | None,
) -> _Found:
    evidence: Primal | Dual
    targets: list[Any]
    together = settings.pooling == "labels"
    if rows is not None and _rows_are_cheaper(len(rows[0]), groups):
        X, Y = _prepared_rows(gram, groups, scale, T, rows)
        evidence = Dual(X, sizes(groups), gram.n)
        targets = [Y] if together else [Y[:, [i]] for i in range(Y.shape[1])]
    else:
        G, C, yy = _prepared_products(gram, groups, scale, T)
        evidence = Primal(G, sizes(groups), gram.n)
        every = [list(range(len(yy)))] if together else [[i] for i in range(len(yy))]
        targets = [evidence.target(C[:, some], float(yy[some].sum())) for some in every]
    labels = len(scale) if together else 1
    solutions = [published.solve(evidence, target, labels, settings.priors, settings.max_iter) for target in targets]
    starts = np.cumsum([0, *sizes(groups)[:-1]])
    squares = [np.add.reduceat((s.state.weights**2).sum(axis=1), starts) for s in solutions]
    tau = settings.priors.tau
    return _Found(
        np.column_stack([s.state.weights for s in solutions]),
        np.array([s.lambdas for s in solutions] * labels),
        np.array([s.state.dof for s in solutions] * labels),
        np.array([2 * tau / (each + 2 * tau) for each in squares] * labels),
        np.array([s.nu for s in solutions] * labels),
        np.array([s.score for s in solutions] * labels),
        np.array([s.iterations for s in solutions] * labels),
    )


def shrunk(found: Fit, left_out: np.ndarray, Y: np.ndarray) -> tuple[Fit, np.ndarray]:
    """Return the fit, and scores of left-out examples, with each direction of the predictions shrunk.

    Scaled predictions of all labels vary in directions, their principal axes. Each is multiplied by the slope, 0 to 1,
    of labels on left-out scores along it: what few labels say by chance vanishes, what many say together stays. That
    is Breiman and Friedman's "curds and whey" (Journal of the Royal Statistical Society B 59, 1997), with slopes from
    left-out examples. It stays linear, so that groups and contributions keep their meaning; variances and degrees of
    freedom are those before.

    Parameters
    ----------
    found : Fit
    left_out, Y : np.ndarray [shape=(n, l)]
        Scores that the examples get from fits without them; their labels.
    """
    values, vectors = np.linalg.eigh(found.gram.centred()[0])
    scaled = found.coef / found.scale[:, None]
    # The left singular vectors of the predictions, without touching X.
    axes, _, _ = np.linalg.svd(scaled @ (vectors * np.sqrt(np.maximum(values, 0.0))), full_matrices=False)
    predicted = (left_out - left_out.mean(axis=0)) / found.scale @ axes
    wanted = (Y - Y.mean(axis=0)) / found.scale @ axes
    squares = np.maximum((predicted**2).sum(axis=0), np.finfo(float).tiny)
    keep = (axes * np.clip((predicted * wanted).sum(axis=0) / squares, 0.0, 1.0)) @ axes.T
    keep = found.scale[:, None] * keep / found.scale
    mean = found.gram.mean
    coef = keep @ found.coef
    centre = mean[found.gram.d :]
    fit = replace(found, coef=coef, intercept=centre - coef @ mean[: found.gram.d])
    return fit, centre + (left_out - centre) @ keep.T


def sizes(groups: Mapping[str, np.ndarray]) -> list[int]:
    """Return the number of columns of each group."""
    return [len(members) for members in groups.values()]


def _root(groups: Mapping[str, np.ndarray], smoothness: Sequence[float | None] | None) -> np.ndarray | None:
    from scipy.linalg import block_diag

    if smoothness is None:
        return None
    if len(smoothness) != len(groups):
        raise ValueError(f"smoothness has {len(smoothness)} values for {len(groups)} groups")
    return block_diag(*(smoothness_root(len(m), h) for m, h in zip(groups.values(), smoothness, strict=True)))


def _rows_are_cheaper(n: int, groups: Mapping[str, np.ndarray]) -> bool:
    """Return whether the rows' n × n products, one matrix per group, are smaller than X'X and its workspace."""
    d = sum(sizes(groups))
    return n < d and len(groups) * n**2 <= 8 * d**2


def _prepared_rows(
    gram: Gram, groups: Mapping[str, np.ndarray], scale: np.ndarray, T: np.ndarray | None, rows: Data
) -> tuple[np.ndarray, np.ndarray]:
    X, Y, weight = rows
    root = np.sqrt(weight)[:, None]
    centred = (X - gram.mean[: gram.d])[:, np.concatenate(list(groups.values()))] * root
    return centred if T is None else centred @ T, (Y - gram.mean[gram.d :]) / scale * root


def _prepared_products(
    gram: Gram, groups: Mapping[str, np.ndarray], scale: np.ndarray, T: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.concatenate(list(groups.values()))
    G, C, yy = gram.centred()
    G, C, yy = G[np.ix_(order, order)], C[order] / scale, yy / scale**2
    return (G, C, yy) if T is None else (T.T @ G @ T, T.T @ C, yy)


def _warn(max_iter: int) -> None:
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"variances did not converge in {max_iter} evaluations: raise max_iter", ConvergenceWarning, stacklevel=5
    )
