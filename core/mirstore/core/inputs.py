"""What an extractor reads of one track: tables of other feature sets, and a sound that may stand for the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from mirstore.core.columns import Row, input_frame
from mirstore.core.errors import AudioError
from mirstore.core.features import FeatureSet, heard
from mirstore.core.packed import read
from mirstore.core.recording import Audio
from mirstore.core.sounds import PCM
from mirstore.core.tracks import Track

Rows = Mapping[str, Sequence[Row]]
"""A track's rows by the ids of feature sets."""


class Inputs(Mapping[str, pl.DataFrame]):
    """The tables that an extractor declared, each made when it is asked for: tensors and sounds are large.

    One that the track lacks, and the extractor can do without, is no table that is in here; asked for, it is empty.

    Parameters
    ----------
    feature : FeatureSet
    rows : Mapping of str to rows
        By the ids of its inputs.
    """

    def __init__(self, feature: FeatureSet, rows: Rows) -> None:
        self._sources, self._rows = feature.tables, rows
        self._made: dict[str, pl.DataFrame] = {}

    def __getitem__(self, name: str) -> pl.DataFrame:
        if name not in self._made:
            source = self._sources[name]
            self._made[name] = input_frame(self._rows.get(source.id, []), source.columns)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sources and self._sources[str(name)].id in self._rows

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._sources if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def hearing(feature: FeatureSet, file: Track, rows: Rows) -> Track:
    """Return the file itself, or a track of which a sound of another feature set is what is heard.

    Parameters
    ----------
    feature : FeatureSet
    file : Track
    rows : Mapping of str to list of dict
        Id of a feature set to this track's rows.

    Raises
    ------
    AudioError
        If this track has no such sound, or if it is silent, as a file would be refused.
    """
    return file if feature.audio is None else replace(file, recording=_sound(feature, rows))


def _sound(feature: FeatureSet, rows: Rows) -> Audio:
    """Return what a feature set hears instead of the file; see `hearing`."""
    source, column = feature.inputs[heard], feature.audio or ""
    value = next(iter(rows[source.id]), {}).get(column)
    pcm = None if value is None else read(value)
    if not isinstance(pcm, PCM):
        raise AudioError("no sound", f"hears {source.name}.{column}, which this track does not have")
    if not pcm.samples.any():
        raise AudioError("silent", f"hears {source.name}.{column}: every sample is zero")
    return pcm.audio
