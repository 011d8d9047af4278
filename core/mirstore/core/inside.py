"""What happens inside an environment of its own: its extractors are described, built, and asked for what JSON can say.

Only what every such environment has may be imported here, and by what is imported here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.columns import Column, Row
from mirstore.core.components import Extractor, weights_of
from mirstore.core.descriptions import Plain, about, columns_as_json, describe
from mirstore.core.errors import PluginError, TrackError
from mirstore.core.plugins import Plugins, distributions
from mirstore.core.recording import Audio
from mirstore.core.text import explained
from mirstore.core.tracks import Track

variable = "MIRSTORE_ENVIRONMENT"
"""The environment variable that says in which environment a worker is."""

Table = Mapping[str, tuple[Any, list[Any]]]
"""A table by columns: type and values. Frames themselves cannot travel between versions of polars."""


@dataclass(frozen=True)
class Sent:
    """A track on its way: `Track` in what all interpreters can read."""

    id: str
    path: Path
    inputs: Mapping[str, Table]
    max_duration: float
    recording: Audio | None

    @property
    def track(self) -> Track:
        """The track."""
        frames = {name: _frame(table) for name, table in self.inputs.items()}
        return Track(self.id, self.path, frames, self.max_duration, self.recording)


def _frame(table: Table) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, values, dtype=dtype) for name, (dtype, values) in table.items()])


@dataclass
class Lodger(Extractor):
    """An extractor of this environment, as it was sent here: by its name, and built when it is needed.

    If it cannot be, each of its tracks fails and says why.
    """

    name = "lodger"
    called: str
    of_version: int
    params_given: Mapping[str, Any]

    @cached_property
    def _own(self) -> Extractor:
        try:
            return build(self.called, self.of_version, self.params_given)
        except Exception as error:  # of the plugin
            raise TrackError("no extractor", explained(error)[1]) from None

    def columns(self) -> Mapping[str, Column]:
        """Refuse: its feature set knows them."""
        raise TypeError("the feature set knows its columns")

    def extract(self, track: Track) -> Row | Sequence[Row]:
        """Have the extractor do it."""
        return self._own.extract(track)

    def extract_batch(self, tracks: Sequence[Track]) -> Sequence[Row | Sequence[Row]]:
        """Have the extractor do it."""
        return self._own.extract_batch(tracks)


@cache
def _installed() -> Plugins:
    return Plugins(entry_points(group="mirstore"))


def tell() -> Plain:
    """Return what this environment has: its plugins, its extractors, and versions of what they rest on."""
    found = _installed()
    extractors = []
    for plugin in found.rows():
        for name in (component.partition("@")[0] for component in plugin.components):
            if name in found.names(Extractor) and plugin.status == "ok":
                try:
                    kind = found.get(Extractor, name)
                    told = describe(kind)
                    extractors.append({**told, "plugin": plugin.name, "distributions": distributions(kind)})
                except Exception as error:  # of the plugin
                    plugin.status = f"broken: extractor {name!r}: {': '.join(explained(error))}"
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, "plugins": [vars(plugin) for plugin in found.rows()], "extractors": extractors}


def build(name: str, version: int, params: Mapping[str, Any]) -> Extractor:
    """Return an extractor.

    Parameters
    ----------
    name : str
    version : int
        That was described.
    params : Mapping of str to plain JSON

    Raises
    ------
    PluginError
        If this environment has another version of it than was described.
    """
    kind = _installed().get(Extractor, name)
    if kind.version != version:
        here = os.environ.get(variable)
        raise PluginError(
            f"environment {here!r} was described with {name}@{version}, but has {name}@{kind.version}: install it again"
        )
    return kind(**params)


def ask(name: str, version: int, params: Mapping[str, Any]) -> Plain:
    """Return what depends on the parameters, see `descriptions.about`; or the problem with them.

    Parameters
    ----------
    name : str
    version : int
        That was described.
    params : Mapping of str to plain JSON
    """
    try:
        return about(build(name, version, params))
    except (TypeError, ValueError) as error:
        return {"problem": ": ".join(explained(error))}


def columns(name: str, version: int, params: Mapping[str, Any], inputs: Mapping[str, Mapping[str, Column]]) -> Plain:
    """Return the columns that an extractor writes, given what it reads.

    Parameters
    ----------
    name : str
    version : int
        That was described.
    params : Mapping of str to plain JSON
    inputs : Mapping of str to Mapping of str to Column
        The columns of each input.
    """
    return columns_as_json(build(name, version, params).columns(inputs))


def weights(name: str, version: int, params: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of the weights that an extractor uses.

    Parameters
    ----------
    name : str
    version : int
        That was described.
    params : Mapping of str to plain JSON
    """
    return weights_of(build(name, version, params))


def extract(
    name: str, version: int, params: Mapping[str, Any], tracks: Sequence[Sent]
) -> list[dict[str, Any] | list[dict[str, Any]]]:
    """Return one result per track.

    Parameters
    ----------
    name : str
    version : int
        That was described.
    params : Mapping of str to plain JSON
    tracks : sequence of Sent
    """
    results = build(name, version, params).extract_batch([sent.track for sent in tracks])
    return [_plain(rows) if isinstance(rows, Mapping) else [_plain(row) for row in rows] for rows in results]


def _plain(row: Row) -> dict[str, Any]:
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
