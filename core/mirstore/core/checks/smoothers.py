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


def _smooth(subject: Subject, X: np.ndarray, Y: np.ndarray, seed: int = 0) -> np.ndarray:
    smoother = component_of(subject)
    if not isinstance(smoother, Smoother):
        raise TypeError(f"{smoother!r} is no smoother")
    return np.asarray(smoother.smooth(X, Y, seed))


def gives_distributions(subject: Subject) -> None:
    """One row per example, non-negative, summing to 1."""
    X, Y = labelled_points()
    D = _smooth(subject, X, Y)
    require(D.shape == Y.shape, f"shape {D.shape} for labels of shape {Y.shape}")
    require(np.isfinite(D).all() and (D >= 0).all(), "distributions must be finite and non-negative")
    worst = np.abs(D.sum(axis=1) - 1).max()
    require(worst < 1e-6, f"rows must sum to 1, one is off by {worst:.2g}")


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


checks = (gives_distributions, repeats_itself_with_the_same_seed, leaves_its_arguments_untouched)
