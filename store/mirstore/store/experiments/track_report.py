"""What a report says of one track, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tested:
    """What one case predicted of a track, when the track was in a test part.

    Attributes
    ----------
    run : str
    case : Mapping of str to object
        What the case is called.
    repeat, fold : int
        In the test part of which fold of which repetition, both from 0.
    scores : Mapping of str to float
        Label, or target, to score: the highest ones, and those of the right labels; of targets all.
    """

    run: str
    case: Mapping[str, Any]
    repeat: int
    fold: int
    scores: Mapping[str, float]


@dataclass(frozen=True)
class ColumnStanding:
    """Where a track's value of a column stands among those of the tracks that the case was tested on.

    Attributes
    ----------
    column : str
        ``featureset.column``.
    unit, text : str or None
        As declared.
    value, mean : float
        The track's, the mean over its rows where it has several; and the mean of what the weight was learned from.
    lower, equal, higher : int
        How many other tracks have a lower, the same, or a higher value.
    unknown : int
        How many other tracks have none.
    weight : float
        Of the column for the label, in the fit to all tracks that some fold learns from.
    push : float
        The weight times the distance of the value from the mean, in standard deviations of the same fit.
    """

    column: str
    unit: str | None
    text: str | None
    value: float
    mean: float
    lower: int
    equal: int
    higher: int
    unknown: int
    weight: float
    push: float


@dataclass(frozen=True)
class GroupPart:
    """What a group added to a score.

    Attributes
    ----------
    group : str
    value : float
        What it added, in the model that did not see the track.
    columns : sequence of ColumnStanding
        Those that push the most, in either direction. None where the model's weights have no sign, or where they
        would together push the other way: a fit that knew the track then tells another story.
    missing : int
        Columns of which this track has no value: the model was given the mean of what it had learned from.
    """

    group: str
    value: float
    columns: Sequence[ColumnStanding]
    missing: int


@dataclass(frozen=True)
class LocalExplanation:
    """What each group added to the score of one label, the largest parts first.

    Attributes
    ----------
    label : str
    fold : int
        In whose test part the track was, from 0: what groups added is of the model that learned from the others.
    tracks : int
        How many tracks values are compared with, this one among them.
    averaged : bool
        Whether values are means over the rows of a track.
    groups : sequence of GroupPart
    """

    label: str
    fold: int
    tracks: int
    averaged: bool
    groups: Sequence[GroupPart]


@dataclass(frozen=True)
class Strip:
    """What a feature set says of a track over time.

    Attributes
    ----------
    feature, column : str
    text : str
        What the column is, as declared.
    rows : sequence of (float, float or None, str or None)
        Start, end [s] and text, in the order of time.
    total : int
        How many rows there are; `rows` may be the first of them.
    """

    feature: str
    column: str
    text: str
    rows: Sequence[tuple[float, float | None, str | None]]
    total: int


@dataclass(frozen=True)
class Panel:
    """A tensor of a track as a picture, time from left to right.

    Attributes
    ----------
    feature, column : str
    text, unit : str or None
        As declared.
    rows : int
        Of the tensor; the first is at the bottom.
    hop : float [s]
        A step of the tensor; the picture may have fewer columns.
    start, end : float [s]
        What of the track it shows.
    low, high : float
        Values that are drawn as nothing and as full ink; what lies beyond is drawn like them.
    picture : str
        A data URL.
    """

    feature: str
    column: str
    text: str | None
    unit: str | None
    rows: int
    hop: float
    start: float
    end: float
    low: float
    high: float
    picture: str


@dataclass(frozen=True)
class TrackReport:
    """One track: what it is, what was predicted of it, what is in it.

    Attributes
    ----------
    track : str
    title, artist, path : str or None
    datasets : sequence of str
    duration : float or None [s]
    asked : bool
        Whether it was asked for; else it is one that the report explains.
    labels : Mapping of str to float
        In the task's label set; of classes and tags those that it has.
    tested : sequence of Tested
        Empty if it was in no test part of any case.
    explanations : sequence of LocalExplanation
        Of the case that the report explains.
    strips : sequence of Strip
    panels : sequence of Panel
        Tensors that were asked for.
    sound : str or None
        A data URL.
    heard : (float, float) or None [s]
        Which part of the track that is.
    """

    track: str
    title: str | None
    artist: str | None
    path: str | None
    datasets: Sequence[str]
    duration: float | None
    asked: bool
    labels: Mapping[str, float]
    tested: Sequence[Tested]
    explanations: Sequence[LocalExplanation]
    strips: Sequence[Strip]
    panels: Sequence[Panel]
    sound: str | None
    heard: tuple[float, float] | None
