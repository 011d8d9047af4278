"""One file to ingest, with what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_nothing: Mapping[str, Any] = MappingProxyType({})


def _none() -> Mapping[str, Any]:
    """Return one for all: there may be a million files."""
    return _nothing


@dataclass(frozen=True, slots=True)
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
    targets : Mapping of str to Mapping
        Label set of numbers to target to value, e.g. ``{"emotion": {"arousal": 6.1, "valence": 4.7}}``.
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
    labels: Mapping[str, Sequence[str]] = field(default_factory=_none)
    targets: Mapping[str, Mapping[str, float]] = field(default_factory=_none)
    splits: Mapping[str, tuple[int, str]] = field(default_factory=_none)
    attrs: Mapping[str, Any] = field(default_factory=_none)
    dataset: str = ""
    origin: str = ""
