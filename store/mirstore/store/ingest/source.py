"""One file to ingest, with what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """One file to ingest, with what a table said about it.

    Attributes
    ----------
    path : str
        Absolute path as the user's system spells it.
    title, artist, album : str or None
        Credits.
    labels : Mapping of str to sequence of str
        Label set to its labels, e.g. ``{"genre": ["rock"], "mood": ["dark", "slow"]}``.
    splits : Mapping of str to (int, str)
        Split name to fold and part (``"train"``, ``"validation"``, ``"test"``).
    attrs : Mapping
        The table's other columns.
    dataset : str
        Named as people do: after the folder, or the folder of the file or table.
    origin : str
        Absolute path of the folder or table that lists it; empty if it was named itself.
    """

    path: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    splits: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""
    origin: str = ""
