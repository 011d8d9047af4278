"""The mappings in which neighbours are looked for: each is fitted to some examples, and maps those and others."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from mirstore.core.errors import UsageError
from mirstore_smoothing.lmnn import LMNN, targets
from mirstore_smoothing.peer import metric_learn_lmnn

Mapping = Literal["none", "pca", "lda", "nca", "lmnn", "lmnn-metric-learn"]
mappings: tuple[str, ...] = get_args(Mapping)
supervised = frozenset(mappings) - {"none", "pca"}
"""Those that learn from labels."""

steps = 50  # of NCA, which gains little after them


def fitted(
    mapping: str, n_components: int | None, X: np.ndarray, classes: np.ndarray, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that maps examples.

    Parameters
    ----------
    mapping : str
        One of `mappings`.
    n_components : int or None
        Dimensions to keep; all that the mapping can give if None.
    X : np.ndarray [shape=(n, d)]
        Scaled.
    classes : np.ndarray of int [shape=(n,)]
    seed : int

    Raises
    ------
    UsageError
        If the mapping cannot be learned from these examples.
    """
    if mapping == "none":
        return lambda Z: Z
    from sklearn.exceptions import ConvergenceWarning

    _check(mapping, n_components or 1, X, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # NCA stops after some steps on purpose
        return _estimator(mapping, n_components, seed).fit(X, classes).transform


def _check(mapping: str, wanted: int, X: np.ndarray, classes: np.ndarray) -> None:
    present, members = np.unique(classes, return_counts=True)
    varying = int((np.ptp(X, axis=0) > 0).sum())
    limits = {"pca": min(X.shape), "lda": min(len(present) - 1, varying)}
    most = limits[mapping] if mapping in limits else X.shape[1]
    if wanted > most:
        raise UsageError(
            f"mapping {mapping!r} can keep {most} dimensions of {varying} columns that vary and {len(present)} "
            f"classes, not {wanted}",
            hint=f"set n_components to at most {most}" if most else None,
        )
    if mapping in supervised and len(present) == 1:
        raise UsageError(
            f"mapping {mapping!r} tells classes apart, and all examples are of one", hint='use mapping = "none"'
        )
    if mapping.startswith("lmnn") and members.min() <= targets:
        raise UsageError(
            f"mapping {mapping!r} needs {targets + 1} examples of each class to learn from, of one there are "
            f"{members.min()}",
            hint='leave that class out with classes = [...] of the task, or use mapping = "lda"',
        )


def _estimator(mapping: str, n_components: int | None, seed: int) -> Any:
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    if mapping == "pca":
        return PCA(n_components, random_state=seed)
    if mapping == "lda":
        return LinearDiscriminantAnalysis(n_components=n_components)
    if mapping == "nca":
        return NeighborhoodComponentsAnalysis(n_components, random_state=seed, max_iter=steps)
    return LMNN(n_components) if mapping == "lmnn" else metric_learn_lmnn(n_components, seed)
