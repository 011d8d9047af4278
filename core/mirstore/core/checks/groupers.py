"""What groupers promise: named, disjoint groups of columns that exist."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mirstore.core.checks.subject import Subject, component_of, require
from mirstore.core.components import Grouper

columns = (
    "essentia.bpm", "essentia.danceability", "essentia.key_strength", "essentia.loudness", "essentia.mfcc_01",
    "essentia.mfcc_02", "harmony.ratio_major", "harmony.ratio_minor", "lyrics.words", "mel.spectrogram",
    "midlevel.melodiousness", "midlevel.minorness", "unheard-of.column",
)  # fmt: skip


def _groups(subject: Subject) -> dict[str, list[str]]:
    grouper = component_of(subject)
    if not isinstance(grouper, Grouper):
        raise TypeError(f"{grouper!r} is no grouper")
    groups: Mapping[str, Sequence[str]] = grouper.group(list(columns))
    return {name: list(members) for name, members in groups.items()}


def groups_known_columns_only(subject: Subject) -> None:
    """A group holds columns that were given."""
    unknown = sorted({column for members in _groups(subject).values() for column in members} - set(columns))
    require(not unknown, f"groups columns that were not given: {', '.join(unknown)}")


def makes_disjoint_groups(subject: Subject) -> None:
    """A column has one group at most, or importances would count it twice."""
    counts = Counter(column for members in _groups(subject).values() for column in members)
    twice = sorted(column for column, count in counts.items() if count > 1)
    require(not twice, f"in more than one group: {', '.join(twice)}")


def names_groups_that_have_members(subject: Subject) -> None:
    """Group names are what reports print."""
    for name, members in _groups(subject).items():
        require(isinstance(name, str) and name.strip(), f"group name {name!r} must be text")
        require(members, f"group {name!r} is empty")


def groups_the_same_way_twice(subject: Subject) -> None:
    """Grouping has no randomness."""
    require(_groups(subject) == _groups(subject), "the same columns are grouped another way when asked twice")


checks = (
    groups_known_columns_only,
    makes_disjoint_groups,
    names_groups_that_have_members,
    groups_the_same_way_twice,
)
