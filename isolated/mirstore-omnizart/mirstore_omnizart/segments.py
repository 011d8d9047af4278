"""From the chord of each frame to chords over time, by Omnizart's own rules.

They are kept as they are: a chord begins one frame late, which leaves gaps of 46 ms; what is shorter than 0.1 s is
given to the chord before; and the same chord may come twice in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

roots = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
labels = [f"{root}:{quality}" for quality in ("maj", "min") for root in roots]
"""Chords by their numbers; higher numbers are none and unknown."""

Segment = tuple[int, int, int]
"""Where a chord begins and ends, in frames, and its number."""


def segments(chords: Sequence[int], shortest: float) -> list[Segment]:
    """Return the chords of a track.

    Parameters
    ----------
    chords : sequence of int
        The number of each frame's chord.
    shortest : float > 0 [frames]
        What is shorter is given to the chord before, if there is one.

    Examples
    --------
    >>> segments([0] * 9 + [24] * 4 + [7] * 9 + [3, 3] + [7] * 9, 2.2)
    [(1, 9, 0), (14, 24, 7), (25, 33, 7)]
    """
    found: list[Segment] = []
    at = 0
    for chord, group in groupby(chords):
        first, at = at, at + len(list(group))
        if chord >= len(labels):
            continue
        if at - first - 1 >= shortest:
            found.append((first + 1, at, chord))
        elif found:
            found[-1] = (found[-1][0], at, found[-1][2])
    return found
