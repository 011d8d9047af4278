"""The split 8:1:1: of each class's artists eight parts are learned from, one validates, one is tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirstore.core.errors import UsageError
from mirstore.core.text import counted

small = 1e-6  # so much weighs the number of units beside a class: it decides between equals
_parts = ("test", "validation", "training")  # which one of equals gets the next artist


def three_parts(
    labels: np.ndarray, classes: Sequence[str], exclusive: bool, units: Sequence[str], unit: str, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the positions of training, test and validation part.

    Units are dealt out whole, in an order drawn by the seed: each to the part that lacks most of its classes. With one
    class per unit the shares hold to the unit, for each class; a class of fewer than ten units still has one in each
    part.

    Parameters
    ----------
    labels : np.ndarray [shape=(n, k)]
        0/1; no columns for numbers, which have no classes.
    classes : sequence of str
        The k names.
    exclusive : bool
        Whether every example has exactly one class. Then each class must be in each part; of tags that cannot be asked.
    units : sequence of str
        What must stay together; one per example.
    unit : str
        What they are, for messages: ``artist``, ``album`` or ``track``.
    seed : int

    Raises
    ------
    UsageError
        If a class has fewer than three units, or a part has none of a class.

    Examples
    --------
    >>> labels = np.repeat(np.eye(2, dtype=int), 20, axis=0)
    >>> parts = three_parts(labels, ("house", "trance"), True, [f"artist {i}" for i in range(40)], "artist", seed=0)
    >>> [labels[part].sum(axis=0).tolist() for part in parts]
    [[16, 16], [2, 2], [2, 2]]
    """
    names, owner = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    holds = np.zeros((len(names), labels.shape[1]))
    np.maximum.at(holds, owner, labels > 0)
    if exclusive:
        _check(classes, holds, labels, unit)
    part = _dealt(holds, seed)[owner]
    if exclusive:
        _check_parts(classes, labels, part, unit)
    test, validation, train = (np.flatnonzero(part == number) for number in range(len(_parts)))
    return train, test, validation


def _dealt(holds: np.ndarray, seed: int) -> np.ndarray:
    """Return the part of each unit, as a number of `_parts`.

    It is the part for which the squared distance to the wanted shares falls most, summed over classes; of parts that
    are equal to them, that which lacks most units, as do all to a unit without a tag.
    """
    holds = np.column_stack([holds, np.ones(len(holds))])
    totals = holds.sum(axis=0)
    tenth = np.where(totals < len(_parts), 0, np.maximum(1, totals / 10))  # a tag of two artists is learned from
    lacking = np.stack([tenth, tenth, totals - 2 * tenth])
    weight = np.append(np.full(holds.shape[1] - 1, 1.0), small) / np.maximum(totals, 1) ** 2
    order = np.random.default_rng(seed).permutation(len(holds))
    order = order[np.argsort(-holds[order].sum(axis=1), kind="stable")]  # who has several classes fits worst, so first
    found = np.zeros(len(holds), dtype=np.int64)
    for unit in order:
        found[unit] = np.argmax(lacking @ (holds[unit] * weight))
        lacking[found[unit]] -= holds[unit]
    return found


def _check(classes: Sequence[str], holds: np.ndarray, labels: np.ndarray, unit: str) -> None:
    for name, units, tracks in zip(classes, holds.sum(axis=0), (labels > 0).sum(axis=0), strict=True):
        if units < len(_parts):
            by = "" if unit == "track" else f" by {counted(int(units), unit)}"
            raise UsageError(
                f"class {name!r} has {counted(int(tracks), 'track')}{by}, too few for training, validation and test",
                hint="leave it out: classes = [...] in the task"
                + ("" if unit == "track" else '; or group_by = "track", which leaks'),
            )


def _check_parts(classes: Sequence[str], labels: np.ndarray, part: np.ndarray, unit: str) -> None:
    for number, name in enumerate(_parts):
        sizes = (labels[part == number] > 0).sum(axis=0)
        if not sizes.all():
            absent = classes[int(sizes.argmin())]
            raise UsageError(
                f"the {name} part has no track of class {absent!r}, whose {unit}s have other classes too",
                hint='another seed in the task; or group_by = "track", which leaks',
            )
