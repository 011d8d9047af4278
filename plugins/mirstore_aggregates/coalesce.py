"""The first of two that has an answer.

Examples
--------
>>> from pathlib import Path
>>> estimated = pl.DataFrame({"start": [0.0], "chord": ["C:maj"]})
>>> Coalesce().extract(Track("0" * 64, Path("a.wav"), {"a": estimated, "b": estimated}))
[{'start': 0.0, 'chord': 'C:maj', 'source': 'a'}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import polars as pl

from mirstore.core import Column, Extractor, Row, Track
from mirstore.core.errors import ConfigError, TrackError


@dataclass
class Coalesce(Extractor):
    """The rows of ``a`` where a track has an answer there, else those of ``b``: true chords, or else estimated ones.

    It has the columns that both have, in the order of ``a``, and ``source``, which is ``a`` or ``b``. An answer without
    rows is an answer: then there are none here either. A track for which both failed, or have nothing, fails. Unless
    it is asked for by itself, ``b`` is computed only for tracks that have no answer in ``a`` when an ingest begins: one
    that computes ``a`` too computes both.
    """

    name = "coalesce"
    inputs = ("a", "b")
    optional = frozenset({"a", "b"})
    fallbacks: ClassVar[Mapping[str, str]] = {"b": "a"}
    cost = 1e-5

    def columns(self, inputs: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
        a, b = inputs["a"], inputs["b"]
        if ("start" in a) != ("start" in b):
            raise ConfigError("coalesce: one of what it reads has several rows per track, and one has not")
        plain = [{name: each.dtype for name, each in columns.items() if not each.is_packed} for columns in (a, b)]
        shared = _shared(*plain)
        if not [name for name in shared if name not in ("start", "end")]:
            raise ConfigError(
                f"coalesce: what it reads has no columns of one name and type: {', '.join(a)}; {', '.join(b)}"
            )
        for name in shared:
            if a[name].unit and b[name].unit and a[name].unit != b[name].unit:
                raise ConfigError(f"coalesce: column {name!r} is in {a[name].unit!r} and in {b[name].unit!r}")
        source = Column(pl.String, "", "which of the two it is of: 'a' or 'b'")
        return {**{name: _either(a[name], b[name]) for name in shared}, "source": source}

    def extract(self, track: Track) -> Sequence[Row]:
        for source in self.inputs:
            if source in track.inputs:
                shared = _shared(track.features("a").schema, track.features("b").schema)
                return [{**row, "source": source} for row in track.features(source).select(shared).to_dicts()]
        raise TrackError("no answer", "neither a nor b has an answer for this track")


def _shared(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Return the columns of one name and type, without those of tensors and sounds."""
    return [name for name, kind in a.items() if name in b and kind == b[name] and kind != pl.Object]


def _either(a: Column, b: Column) -> Column:
    same = a.grid if a.grid == b.grid else None
    ends = None
    if a.ends is not None and b.ends is not None:
        ends = min(a.ends[0], b.ends[0]), max(a.ends[1], b.ends[1])
    nullable = a.nullable or b.nullable
    return replace(a, unit=a.unit or b.unit, range=ends, nullable=nullable, grid=same, fingerprint=None)
