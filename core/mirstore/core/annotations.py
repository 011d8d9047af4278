"""Annotations: values that people, or another program, gave. They come from files, and nothing computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mirstore.core.columns import Column, Row
from mirstore.core.components import Extractor
from mirstore.core.errors import TrackError
from mirstore.core.tracks import Track


@dataclass
class Annotation(Extractor):
    """What stands for an extractor where there is none.

    Parameters
    ----------
    of : str
        What a user calls it. Two sets of the same columns are two sets.
    given : Mapping of str to Column
        Its columns.
    """

    name = "annotation"
    of: str = ""
    given: Mapping[str, Column] = field(default_factory=dict)

    def params(self) -> dict[str, Any]:
        """Return its name and the types of its columns: that is its identity, whatever the files say."""
        return {"of": self.of, "columns": {name: str(column.dtype) for name, column in self.given.items()}}

    def columns(self) -> Mapping[str, Column]:
        """Return its columns."""
        return self.given

    def extract(self, track: Track) -> Row:
        """Refuse: nothing can be computed."""
        raise TrackError("no annotation", f"{self.of} is an annotation, and this track has none")
