"""What smoothers promise: label distributions."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

import numpy as np

from mirstore.core.checks.subject import Subject, component_of, require
from mirstore.core.components import Smoother


def labelled_points() -> tuple[np.ndarray, np.ndarray]:
    """Return three overlapping clouds in four dimensions [shape=(60, 4)] and their one-hot labels [shape=(60, 3)]."""
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(3), 20)
    return rng.normal(size=(60, 4)) + 1.5 * np.eye(3, 4)[classes], np.eye(3)[classes]


def _smoother(subject: Subject) -> Smoother:
    smoother = component_of(subject)
    if not isinstance(smoother, Smoother):
        raise TypeError(f"{smoother!r} is no smoother")
    return smoother


def _smooth(subject: Subject, X: np.ndarray, Y: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.asarray(_smoother(subject).smooth(X, Y, seed))


def _require_distributions(D: np.ndarray, shape: tuple[int, ...]) -> None:
    require(D.shape == shape, f"shape {D.shape} where {shape} is due")
    require(np.isfinite(D).all() and (D >= 0).all(), "distributions must be finite and non-negative")
    worst = np.abs(D.sum(axis=1) - 1).max()
    require(worst < 1e-6, f"rows must sum to 1, one is off by {worst:.2g}")


def gives_distributions(subject: Subject) -> None:
    """One row per example, non-negative, summing to 1."""
    X, Y = labelled_points()
    _require_distributions(_smooth(subject, X, Y), Y.shape)


def gives_distributions_of_others_or_nothing(subject: Subject) -> None:
    """What it says of examples whose labels it has not seen are distributions too."""
    X, Y = labelled_points()
    D = _smoother(subject).held_out(X, Y, X[:7] + 0.5, 0)
    if D is not None:
        _require_distributions(np.asarray(D), (7, Y.shape[1]))


def repeats_itself_with_the_same_seed(subject: Subject) -> None:
    """The seed is the only source of randomness."""
    X, Y = labelled_points()
    require(np.array_equal(_smooth(subject, X, Y), _smooth(subject, X, Y)), "two calls with seed 0 differ")


def leaves_its_arguments_untouched(subject: Subject) -> None:
    """The caller's arrays are read by others too."""
    X, Y = labelled_points()
    _smooth(subject, X, Y)
    before = labelled_points()
    require(np.array_equal(X, before[0]), "changes X")
    require(np.array_equal(Y, before[1]), "changes Y")


checks = (
    gives_distributions,
    gives_distributions_of_others_or_nothing,
    repeats_itself_with_the_same_seed,
    leaves_its_arguments_untouched,
)
