"""Names of columns after names of classes, which may be any text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

taken = {"track", "start", "end"}  # by the store


def column_names(labels: Sequence[str]) -> dict[str, str]:
    """Return label to column: lower case, digits and underscores, unique, in the order of the labels.

    Parameters
    ----------
    labels : sequence of str

    Examples
    --------
    >>> column_names(["Hip Hop", "R&B", "hip-hop", "80s", "演歌"])
    {'Hip Hop': 'hip_hop', 'R&B': 'r_b', 'hip-hop': 'hip_hop_2', '80s': 'is_80s', '演歌': 'is_5'}
    """
    found: dict[str, str] = {}
    for number, label in enumerate(labels, 1):
        plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
        name = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or str(number)
        if not name[0].isalpha() or name in taken:
            name = f"is_{name}"
        others = (f"{name}_{count}" for count in range(2, len(labels) + 2))
        found[label] = name if name not in found.values() else next(n for n in others if n not in found.values())
    return found
