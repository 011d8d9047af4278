"""How the two published VGG make their maps smaller: otherwise than each other, though their weights fit both."""

from __future__ import annotations

_rest = (((2, 2), (2, 2)), ((2, 2), (2, 2)), ((4, 4), (4, 4)))

published = {
    "mtt": (((4, 1), (2, 2)), ((2, 2), (2, 2)), *_rest),
    "msd": (((4, 1), (4, 1)), ((1, 4), (1, 4)), *_rest),
}
"""Size and step of each maximum, in frames and bands, by what the network learned from.

The musicnn package itself builds both as ``"mtt"``, and what it says with the weights of ``"msd"`` is wrong by that.
"""
