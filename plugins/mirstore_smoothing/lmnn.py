"""Large margin nearest neighbours (Weinberger and Saul, 2009): the objective as it is, minimised by L-BFGS.

Each example has targets, its nearest examples of its own class in the input space. A linear mapping is learned that
pulls targets near, and pushes away whatever is of another class and not farther than the target by a margin of 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

targets = 3  # of each example, as in the paper and in Buisson et al.

cells = 1 << 20
"""Distances that are in memory at once: 8 MB."""


@dataclass
class LMNN:
    """Linear mapping under which the nearest neighbours are of an example's own class.

    The result does not depend on the unit of the features, all scaled alike: it is searched in coordinates in which
    they have deviation 1 in all directions. That also saves most of the iterations. The start are the principal
    components or, for fewer dimensions than classes, the most discriminative directions. One needs at least two
    classes, each with a member more than there are targets.

    Parameters
    ----------
    n_components : int > 0, optional
        Dimensions after the mapping; by default as many as before.
    n_neighbors : int > 0
        Targets of each example.
    regularization : float in [0, 1]
        Weight of the pull; that of the push is the rest.
    tol : float >= 0
        It ends when an iteration lowers the objective by less than this share.
    max_iter : int > 0
        Most iterations.

    Attributes
    ----------
    components_ : np.ndarray [shape=(n_components, d)]
        The mapping.
    objective_ : float
        What is left of the objective.
    n_iter_ : int
        Iterations done.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [0.0, 9.0], [1.0, 1.0], [1.0, 8.0]])
    >>> mapped = LMNN(1, n_neighbors=1).fit(X, np.array([0, 0, 1, 1])).transform(X)
    >>> bool(np.ptp(mapped[:2]) < np.ptp(mapped))  # the second column, which says nothing, is all but gone
    True
    """

    n_components: int | None = None
    n_neighbors: int = targets
    regularization: float = 0.5
    tol: float = 1e-5
    max_iter: int = 1000
    components_: np.ndarray = field(init=False, repr=False, compare=False)
    objective_: float = field(init=False, repr=False, compare=False)
    n_iter_: int = field(init=False, repr=False, compare=False)

    def fit(self, X: np.ndarray, y: np.ndarray) -> LMNN:
        """Learn the mapping, and return self.

        Parameters
        ----------
        X : np.ndarray [shape=(n, d)]
            Finite.
        y : np.ndarray of int [shape=(n,)]
            Class of each example.
        """
        from scipy.optimize import minimize

        near = nearest_of_class(X, y, self.n_neighbors)
        white, axes, deviations = _whitened(X)
        start = _start(white, y, deviations, self.n_components or X.shape[1])
        between = start @ (white[:, None] - white[near]).reshape(-1, white.shape[1]).T
        if (spread := np.sqrt((between**2).sum(axis=0).mean())) > 1e-6:  # less is between equal examples
            start /= spread  # targets at the margin's distance

        def flat(mapping: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = objective(mapping.reshape(start.shape), white, y, near, self.regularization)
            return value, gradient.ravel()

        options = {"maxiter": self.max_iter, "maxfun": 10 * self.max_iter, "ftol": self.tol, "gtol": 0, "maxcor": 20}
        found = minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        self.components_ = found.x.reshape(start.shape) @ axes
        self.objective_, self.n_iter_ = float(found.fun), int(found.nit)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return examples in the dimensions that were learned [shape=(n, n_components)].

        Parameters
        ----------
        X : np.ndarray [shape=(n, d)]
        """
        return np.asarray(X @ self.components_.T)


def objective(
    mapping: np.ndarray, X: np.ndarray, y: np.ndarray, targets: np.ndarray, regularization: float = 0.5
) -> tuple[float, np.ndarray]:
    """Return the objective, and its gradient [shape=(p, d)].

    It is the sum over all examples i and their targets j of regularization · d(i, j), and of (1 - regularization) ·
    max(0, 1 + d(i, j) - d(i, l)) over all l of other classes, where d is the squared distance after the mapping.

    Parameters
    ----------
    mapping : np.ndarray [shape=(p, d)]
    X : np.ndarray [shape=(n, d)]
    y : np.ndarray of int [shape=(n,)]
    targets : np.ndarray of int [shape=(n, t)]
        As `nearest_of_class` returns them.
    regularization : float in [0, 1]
    """
    Z = X @ mapping.T
    pulled = Z[:, None] - Z[targets]  # (n, t, p)
    near = (pulled**2).sum(axis=2)
    push, value = 1 - regularization, regularization * near.sum()
    weights = np.full(near.shape, regularization)
    gradient = np.zeros_like(Z)  # half of it, with regard to Z
    for inside, outside in _blocks(y):
        squared = _squared_distances(Z[inside], Z[outside])
        impostors = np.zeros(squared.shape)  # of how many targets of i is l an impostor
        for j in range(near.shape[1]):
            margin = 1 + near[inside, j]
            active = squared < margin[:, None]
            many = active.sum(axis=1)
            weights[inside, j] += push * many
            value += push * margin @ many
            impostors += active
        value -= push * np.vdot(impostors, squared)
        impostors *= push
        gradient[inside] -= impostors.sum(axis=1)[:, None] * Z[inside] - impostors @ Z[outside]
        gradient[outside] -= impostors.sum(axis=0)[:, None] * Z[outside] - impostors.T @ Z[inside]
    pulled *= weights[:, :, None]
    gradient += pulled.sum(axis=1)
    np.subtract.at(gradient, targets, pulled)
    return float(value), 2 * gradient.T @ X


def nearest_of_class(X: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest others of each example's own class [shape=(n, count)].

    Parameters
    ----------
    X : np.ndarray [shape=(n, d)]
    y : np.ndarray of int [shape=(n,)]
        Each class has more than ``count`` members.
    count : int > 0
    """
    from sklearn.neighbors import NearestNeighbors

    found = np.empty((len(X), count), dtype=np.intp)
    for number in np.unique(y):
        members = np.flatnonzero(y == number)
        search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(X[members])
        found[members] = members[search.kneighbors(return_distance=False)]
    return found


def _blocks(y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some members of a class, and all that are of another, till each example was there once."""
    for number in np.unique(y):
        inside, outside = np.flatnonzero(y == number), np.flatnonzero(y != number)
        rows = max(1, cells // max(1, len(outside)))
        for begin in range(0, len(inside), rows):
            yield inside[begin : begin + rows], outside


def _squared_distances(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    squared = A @ B.T
    squared *= -2
    squared += (A**2).sum(axis=1)[:, None]
    squared += (B**2).sum(axis=1)
    return np.asarray(squared)


def _whitened(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return examples with deviation 1 in all directions, the map to them, and the deviations that there were."""
    U, deviations, axes = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    rank = max(1, int((deviations > 1e-6 * deviations[0]).sum()))  # less is rounding: features are stored as float32
    deviations = deviations[:rank] / np.sqrt(len(X))
    return U[:, :rank] * np.sqrt(len(X)), axes[:rank] / np.where(deviations, deviations, 1)[:, None], deviations


def _start(white: np.ndarray, y: np.ndarray, deviations: np.ndarray, count: int) -> np.ndarray:
    """Return the most discriminative directions if there are as many, or else the principal components."""
    numbers, sizes = np.unique(y, return_counts=True)
    if count < len(numbers):
        means = np.array([white[y == number].mean(axis=0) for number in numbers])
        found = np.linalg.svd(np.sqrt(sizes)[:, None] * means, full_matrices=False)[2][:count]
    else:
        found = np.diag(deviations)[:count]
    start = np.zeros((count, white.shape[1]))
    start[: len(found)] = found
    return start
