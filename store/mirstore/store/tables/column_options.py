"""What a user says about the columns of tables that list files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.tables import column_roles


@dataclass(frozen=True)
class Options:
    """What a user says about the columns of tables that list files.

    Attributes
    ----------
    path_column : str or None
        Found by its name if not given.
    labels : sequence of str
        Columns that are a label set each.
    label_sets : Mapping of str to sequence of str
        Label set to its columns, with 0 and 1 or with labels; ``first..last`` is a range.
    """

    path_column: str | None = None
    labels: Sequence[str] = ()
    label_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def sets(self, columns: Sequence[str], file: Path) -> dict[str, list[str]]:
        """Return label sets with those of their columns that a table has."""

        def here(names: Sequence[str]) -> list[str]:
            return [name for name in names if set(_ends(name, columns)) <= set(columns)]

        found = {column_roles.normal(name): [name] for name in here(self.labels)}
        found |= {
            label_set: column_roles.expand(here(names), columns, file) for label_set, names in self.label_sets.items()
        }
        return {label_set: names for label_set, names in found.items() if names}

    def check(self, tables: Iterable[Collection[str]]) -> None:
        """Refuse columns that no table has.

        Raises
        ------
        UsageError
            Naming the first.
        """
        known = {column for columns in tables for column in columns}
        for name in (*self.labels, *(name for names in self.label_sets.values() for name in names)):
            if not known:
                raise UsageError(f"no table was given that could have a column {name!r}", hint="--labels TABLE")
            for end in _ends(name, known):
                if end not in known:
                    raise UnknownNameError("column", end, known)


def _ends(name: str, columns: Iterable[str]) -> list[str]:
    first, dots, last = name.partition("..")
    return [first, last] if dots and name not in columns else [name]


default = Options()
"""Columns are known by their names."""
