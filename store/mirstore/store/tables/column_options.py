"""What a user says about the columns of tables that list files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

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
    targets : Mapping of str to sequence of str
        The same for columns with numbers that are to be predicted.
    divisors : Mapping of str to float
        Of these label sets of numbers, what each number is divided by: 10 makes 0.65 of a rating of 6.5.
    """

    path_column: str | None = None
    labels: Sequence[str] = ()
    label_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    divisors: Mapping[str, float] = field(default_factory=dict)

    def sets(self, columns: Sequence[str], file: Path) -> dict[str, list[str]]:
        """Return label sets with those of their columns that a table has.

        Parameters
        ----------
        columns : sequence of str
            Of the table.
        file : path
            Of the table, for messages.
        """
        found = {column_roles.normal(name): [name] for name in _here(self.labels, columns)}
        return found | _expanded(self.label_sets, columns, file)

    def numbers(self, columns: Sequence[str], file: Path) -> dict[str, list[str]]:
        """Return the label sets of numbers with those of their columns that a table has.

        Parameters
        ----------
        columns : sequence of str
            Of the table.
        file : path
            Of the table, for messages.
        """
        return _expanded(self.targets, columns, file)

    def divided(self, labels: pl.DataFrame) -> pl.DataFrame:
        """Return rows of labels with their values divided as the user said.

        Parameters
        ----------
        labels : pl.DataFrame
            With ``label_set`` and ``value``.
        """
        if not self.divisors:
            return labels
        by = pl.col("label_set").replace_strict(dict(self.divisors), default=1.0, return_dtype=pl.Float64)
        return labels.with_columns(pl.col("value") / by)

    def check(self, tables: Iterable[Collection[str]]) -> None:
        """Refuse columns that no table has.

        Parameters
        ----------
        tables : iterable of collection of str
            The columns of each table.

        Raises
        ------
        UsageError
            Naming the first.
        """
        known = {column for columns in tables for column in columns}
        sets = (*self.label_sets.values(), *self.targets.values())
        for name in (*self.labels, *(name for names in sets for name in names)):
            if not known:
                raise UsageError(f"no table was given that could have a column {name!r}", hint="--labels TABLE")
            for end in _ends(name, known):
                if end not in known:
                    raise UnknownNameError("column", end, known)


def _here(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    return [name for name in names if set(_ends(name, columns)) <= set(columns)]


def _expanded(sets: Mapping[str, Sequence[str]], columns: Sequence[str], file: Path) -> dict[str, list[str]]:
    found = {name: column_roles.expand(_here(names, columns), columns, file) for name, names in sets.items()}
    return {name: members for name, members in found.items() if members}


def _ends(name: str, columns: Iterable[str]) -> list[str]:
    first, dots, last = name.partition("..")
    return [first, last] if dots and name not in columns else [name]


default = Options()
"""Columns are known by their names."""
