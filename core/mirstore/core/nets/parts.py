"""Which tensors a network reads, and which examples it stops by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np

from mirstore.core.models import Examples, Hears
from mirstore.core.tensors import Tensors


def chosen(hears: Hears, examples: Examples, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tensors that a network reads, in the order that it hears them.

    Parameters
    ----------
    hears : Mapping of str to (int or None, int or None)
        As of `Model`.
    examples : Examples
        With at least one example.
    groups : Mapping of str to sequence of str
        What may be read.

    Raises
    ------
    ValueError
        If one is not there, or two would do, or there is something else.
    """
    grouped = {column for members in groups.values() for column in members}
    found = heard(hears, {column: examples.tensors[column] for column in grouped & examples.tensors.keys()})
    if unread := sorted(grouped - set(found)):
        raise ValueError(f"it reads {' and '.join(hears)}, and does nothing with {', '.join(unread)}")
    return found


def heard(hears: Hears, tensors: Mapping[str, Tensors]) -> list[str]:
    """Return which tensors are those that a network hears, in its order, by the shape of their first arrays.

    Parameters
    ----------
    hears : Mapping of str to (int or None, int or None)
        As of `Model`.
    tensors : Mapping of str to Tensors
        With at least one example.

    Raises
    ------
    ValueError
        If one is not there, or two would do.
    """
    there = {column: tensors[column][0].shape for column in sorted(tensors)}
    found = []
    for what, shape in hears.items():
        fitting = [column for column, given in there.items() if _fits(shape, given)]
        if len(fitting) != 1:
            sizes = " by ".join(f"{n or 'any'} {of}" for n, of in zip(shape, ("rows", "frames"), strict=True))
            given = ", ".join(f"{column} {given}" for column, given in there.items()) or "none"
            raise ValueError(f"it reads one tensor, {what} ({sizes}), and is given {given}")
        found += fitting
    return found


def _fits(wanted: tuple[int | None, int | None], given: tuple[int, ...]) -> bool:
    return len(given) == len(wanted) and all(a in (None, b) for a, b in zip(wanted, given, strict=True))


def set_aside(examples: Examples, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who is learned from, and who is stopped by: whole artists, as far as every class is still learned.

    Parameters
    ----------
    examples : Examples
        With labels; of classes, tags or numbers.
    share : float in [0, 1)
        Of the artists, rounded up; 0 sets nobody aside.
    seed : int
    """
    n = len(examples)
    units = np.arange(n).astype(str) if examples.units is None else examples.units.astype(str)
    names, of = np.unique(units, return_inverse=True)
    counts = np.zeros((len(names), 1)) if examples.numeric else _by_unit(np.asarray(examples.labels), of)
    left, held = counts.sum(axis=0), np.zeros(len(names), dtype=bool)
    for unit in np.random.default_rng(seed).permutation(len(names)):
        if held.sum() == min(ceil(share * len(names)), len(names) - 1):
            break
        after = left - counts[unit]
        if not ((after <= 0) & (left > 0)).any():
            held[unit], left = True, after
    return np.flatnonzero(~held[of]), np.flatnonzero(held[of])


def _by_unit(labels: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return how many examples of each unit have each label first of all, or at all [shape=(units, k)]."""
    has = labels >= labels.max(axis=1, keepdims=True)
    counts = np.zeros((of.max() + 1, labels.shape[1]))
    np.add.at(counts, of, has & (labels > 0))
    return counts
