"""From a grouping's name to groups of the columns that a case has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mirstore.core.components import Grouper
from mirstore.core.errors import ConfigError, UsageError


@dataclass(frozen=True)
class Groups:
    """Groups of columns.

    Attributes
    ----------
    columns : Mapping
        Group to its columns, disjoint, none empty.
    lacking : Mapping
        Group to what it asks for and the feature sets do not have.
    grouper : Grouper or None
        Who made them; None if they were written by hand.
    """

    columns: Mapping[str, Sequence[str]]
    lacking: Mapping[str, Sequence[str]]
    grouper: Grouper | None = None


def apply_grouper(grouper: Grouper, columns: Sequence[str], where: str) -> Groups:
    """Return a grouper's groups, checked.

    Parameters
    ----------
    grouper : Grouper
    columns : sequence of str
        Qualified as ``featureset.column``.
    where : str
        The place in the registry, for messages.

    Raises
    ------
    ConfigError
        If it invents a column, or its groups cannot be used.
    """
    found = {name: list(members) for name, members in grouper.group(columns).items() if members}
    unknown = {column for members in found.values() for column in members} - set(columns)
    if unknown:
        raise ConfigError(f"{where}: {grouper.name} invents column {sorted(unknown)[0]!r}")
    lacking = {name: list(names) for name, names in grouper.lacking(columns).items() if names}
    return _checked(Groups(found, lacking, grouper), where)


def written_by_hand(groups: Mapping[str, Sequence[str]], columns: Sequence[str], where: str) -> Groups:
    """Return groups as registry.toml names their columns.

    Parameters
    ----------
    groups : Mapping
        Group to names: ``essentia.bpm``, ``bpm`` (of any feature set), or with ``*`` and ``?``.
    columns : sequence of str
        Those that the case has.
    where : str
        For messages.

    Raises
    ------
    ConfigError
        If two groups claim one column, or a group names nothing.
    UsageError
        If no group has any of the columns.
    """
    found: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for group, patterns in groups.items():
        if not patterns:
            raise ConfigError(f"{where}.groups.{group}: names no column")
        for pattern in patterns:
            matches = [c for c in columns if fnmatchcase(c if "." in pattern else c.partition(".")[2], pattern)]
            found.setdefault(group, []).extend(c for c in matches if c not in found.get(group, ()))
            if not matches:
                lacking.setdefault(group, []).append(pattern)
    return _checked(Groups({name: members for name, members in found.items() if members}, lacking), where)


def _checked(groups: Groups, where: str) -> Groups:
    owner: dict[str, str] = {}
    for name, members in groups.columns.items():
        for column in members:
            if owner.setdefault(column, name) != name:
                raise ConfigError(f"{where}: column {column!r} is in groups {owner[column]!r} and {name!r}")
    if not owner:
        raise UsageError(
            f"{where}: none of its columns is in the chosen features", hint="mirstore sql --schema lists the columns"
        )
    return groups
