"""Which column belongs to which group, and the smoothness of a group's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mirstore.core.errors import did_you_mean


def resolve(
    groups: Any, columns: int, names: Sequence[str] | None = None, *, complete: bool = True
) -> dict[str, np.ndarray]:
    """Return group name to the positions of its columns.

    Parameters
    ----------
    groups : None, sequence of int, sequence of sequences, or Mapping
        None: one group; one number per column; or lists of positions or names, with or without a name of their own.
    columns : int
        How many there are.
    names : sequence of str, optional
        Of the columns.
    complete : bool
        Whether every column must be in a group.

    Raises
    ------
    ValueError
        If a column is unknown, in two groups or, where that matters, in none; or a group is empty.
    """
    found = {name: _positions(members, columns, names) for name, members in _named(groups, columns).items()}
    if not found:
        raise ValueError("there are no groups")
    owner: dict[int, str] = {}
    for name, members in found.items():
        if not len(members):
            raise ValueError(f"group {name!r} is empty")
        for column in members.tolist():
            if column in owner:
                shown = column if names is None else repr(names[column])
                raise ValueError(f"column {shown} is in groups {owner[column]!r} and {name!r}")
            owner[column] = name
    lacking = sorted(set(range(columns)) - owner.keys())
    if complete and lacking:
        raise ValueError(f"columns {lacking[:5]} are in no group")
    return found


def _named(groups: Any, columns: int) -> dict[str, Any]:
    if groups is None:
        return {"all": np.arange(columns)}
    if isinstance(groups, Mapping):
        return {str(name): members for name, members in groups.items()}
    if all(np.ndim(member) == 0 and not isinstance(member, str) for member in groups):
        if len(groups) != columns:
            raise ValueError(f"groups has {len(groups)} numbers for {columns} columns")
        numbers = np.asarray(groups)
        return {str(number): np.flatnonzero(numbers == number) for number in np.unique(numbers)}
    return {str(number): members for number, members in enumerate(groups)}


def _positions(members: Any, columns: int, names: Sequence[str] | None) -> np.ndarray:
    positions, at = [], {name: i for i, name in enumerate(names or ())}
    for member in members:
        if isinstance(member, str):
            if member not in at:
                raise ValueError(f"unknown column {member!r} in groups; {did_you_mean(member, at)}")
            positions.append(at[member])
        elif not 0 <= int(member) < columns:
            raise ValueError(f"column {member} in groups, but there are {columns}")
        else:
            positions.append(int(member))
    return np.array(positions, dtype=int)


def smoothness_root(size: int, smoothness: float | None) -> np.ndarray:
    """Return a matrix T with T T' = Omega, the prior covariance of neighbouring weights [shape=(size, size)].

    ``Omega[a, b] = (1 + sqrt(3) |a - b| / h) exp(-sqrt(3) |a - b| / h)``, a Matérn kernel of order 3/2 over the
    positions of the columns; with None the weights do not know each other.

    Parameters
    ----------
    size : int > 0
        Columns of the group.
    smoothness : float > 0 or None
        Over how many columns weights are alike.

    Raises
    ------
    ValueError
        If ``smoothness`` is not positive.
    """
    if smoothness is None:
        return np.eye(size)
    if not smoothness > 0:
        raise ValueError(f"smoothness must be positive, got {smoothness}")
    distance = np.sqrt(3) * np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / smoothness
    return np.linalg.cholesky((1 + distance) * np.exp(-distance))
