"""Labels dealt out anew, and halves of the tracks: what belongs together stays together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from math import factorial

import numpy as np

enough = 200
"""Fewer different permutations cannot show anything at 5 %."""


class Permutations:
    """Ways to deal out labels anew; iterating gives for each track the track whose labels it gets, without end.

    If all tracks of each unit have one label, any unit can have that of any other. Else units of the same size
    exchange theirs.

    Attributes
    ----------
    different : int
        How many different ways there are, at most `enough`.
    """

    def __init__(self, labels: np.ndarray, units: Sequence[Hashable], strata: Sequence[Hashable], seed: int) -> None:
        members: dict[tuple[Hashable, Hashable], list[int]] = {}
        for track, place in enumerate(zip(strata, units, strict=True)):
            members.setdefault(place, []).append(track)
        kinds = [row.tobytes() for row in np.ascontiguousarray(labels)]
        one_each = all(len({kinds[track] for track in tracks}) == 1 for tracks in members.values())
        pools: dict[Hashable, list[list[int]]] = {}
        for (stratum, _), tracks in members.items():
            pools.setdefault((stratum, 0 if one_each else len(tracks)), []).append(tracks)
        self._pools, self._tracks, self._seed = list(pools.values()), len(kinds), seed
        self.different = 1
        for pool in self._pools:
            alike = Counter(kinds[t[0]] if one_each else tuple(kinds[track] for track in t) for t in pool)
            self.different = min(enough, self.different * _arrangements(list(alike.values())))

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng([self._seed, 7])  # not the numbers that a fold's model draws
        while True:
            source = np.empty(self._tracks, dtype=np.int64)
            for pool in self._pools:
                for tracks, giver in zip(pool, rng.permutation(len(pool)), strict=True):
                    given = pool[giver]
                    source[tracks] = given if len(given) == len(tracks) else given[0]
            yield source


def _arrangements(counts: Sequence[int]) -> int:
    """Return in how many different orders things can stand of which so many each are alike; at most `enough`."""
    total = sum(counts)
    if total - max(counts) > 20:  # more than 2 ** 20: no need to know
        return enough
    ways = factorial(total)
    for count in counts:
        ways //= factorial(count)
    return min(ways, enough)


def halves(classes: Sequence[Hashable], units: Sequence[Hashable], draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield positions of half of the units of each class, drawn without copies.

    Parameters
    ----------
    classes : sequence of hashable [shape=(n,)]
        One and the same for tags and numbers. A unit counts as the class of most of its tracks.
    units : sequence of hashable [shape=(n,)]
    draws : int >= 0
    seed : int

    Yields
    ------
    np.ndarray of int
        Sorted. At least two units of each class, if it has them.

    Examples
    --------
    >>> (half,) = halves(["calm"] * 4 + ["lively"] * 4, range(8), draws=1, seed=0)
    >>> half.tolist()
    [0, 2, 4, 7]
    """
    members: dict[Hashable, list[int]] = {}
    for position, unit in enumerate(units):
        members.setdefault(unit, []).append(position)
    of_class: dict[Hashable, list[list[int]]] = {}
    for positions in members.values():
        ((most, _),) = Counter(classes[position] for position in positions).most_common(1)
        of_class.setdefault(most, []).append(positions)
    rng = np.random.default_rng([seed, 11])
    for _ in range(draws):
        drawn = [
            pool[i]
            for pool in of_class.values()
            for i in rng.permutation(len(pool))[: max(min(2, len(pool)), len(pool) // 2)]
        ]
        yield np.sort(np.concatenate(drawn))
