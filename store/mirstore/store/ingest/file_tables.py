"""Tables that list files: one row per file, with credits, labels and splits, become sources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.core.text import counted, some
from mirstore.store.ingest.source import Source
from mirstore.store.tables import cells, column_roles
from mirstore.store.tables.column_options import Options, default
from mirstore.store.tables.column_roles import Roles
from mirstore.store.tables.headed import Table
from mirstore.store.tables.label_columns import label_rows, without_label
from mirstore.store.tables.meanings import meanings, missing
from mirstore.store.tables.reading import read
from mirstore.store.tables.report import Meaning, Report
from mirstore.store.tables.split_columns import split_parts


@dataclass
class Listing:
    """A table that lists files, read.

    Attributes
    ----------
    file : path
    key : str
        The column of paths.
    keys : list of str
        Its cells as written, one per source.
    sources : list of Source
        One per path; rows of one path add their labels.
    columns : list of str
    report : Report
    """

    file: Path
    key: str
    keys: list[str]
    sources: list[Source]
    columns: list[str]
    report: Report

    def refuse_ids(self) -> None:
        """Refuse a table whose ids are taken for paths and are none.

        Raises
        ------
        UsageError
            If the column is not called a path, and no file is there.
        """
        by_name = column_roles.find_path([self.key]) is None
        if by_name and not any(os.path.exists(source.path) for source in self.sources):
            raise UsageError(
                f"{self.file}: has no column of paths, and no file is called as its column {self.key!r} says",
                hint=f"mirstore ingest FOLDER --labels {self.file}, or --path-column",
            )


def read_listing(file: Path, options: Options = default) -> Listing:
    """Read a table that lists files.

    Columns by name: ``path`` or ``file``, else ``track_id``, ``id`` …; ``title``, ``artist``, ``album``; ``split``,
    ``split:NAME``, ``fold``; ``genre``, ``mood``, ``tags`` … and those that the options name hold one label or several
    separated by ``|`` or ``;``, or lists. A column ``label:NAME`` with 0 and 1 says who has the label NAME, with other
    cells it is the label set NAME.

    Parameters
    ----------
    file : path
        Of a table; see `mirstore.store.tables.reading.is_table`.
    options : Options
        What the user says of its columns.

    Raises
    ------
    UsageError
        If there is no column of paths, rows of one path contradict each other, or rows are segments of files.
    """
    table = read(file)
    frame = table.frame
    key = options.path_column or column_roles.find_path(frame.columns) or column_roles.find_id(frame.columns)
    if key is None or key not in frame.columns:
        raise UnknownNameError(f"column for paths in {file}:", options.path_column or "path", frame.columns)
    column_roles.refuse_nested(frame[key], file)
    found = column_roles.assign(
        frame, key, label_sets=options.sets(frame.columns, file), targets=options.numbers(frame.columns, file)
    )
    names = _keys(frame[key])
    empty = [row + 1 for row, name in enumerate(names) if not name]
    if empty:
        raise UsageError(f"{file}: row {empty[0]} has nothing in column {key!r}", hint="give each row a path")
    _refuse_segments(frame, names, file)
    labels = options.divided(label_rows(frame, found))
    _refuse_weights(frame, found, file)
    report = Report(file.name, remarks=[*table.remarks, *missing(frame.drop(key))])
    rows = _sources(table, found, names, labels, report)
    sources, keys = _merged(rows, names, file, report)
    said = meanings(frame, found, labels, "path" if options.path_column or column_roles.find_path([key]) else "id")
    report.columns = [said.get(name) or _rest(frame, name) for name in frame.columns]
    return Listing(file, key, keys, sources, frame.columns, report)


def _keys(column: pl.Series) -> list[str]:
    if column.dtype == pl.String:
        return column.str.strip_chars().fill_null("").to_list()
    return cells.text(column).fill_null("").to_list()


def _rest(frame: pl.DataFrame, name: str) -> Meaning:
    if column_roles.is_row_number(frame[name]):
        return Meaning(name, "left out", "an index that pandas wrote")
    return Meaning(name, "attrs")


def _refuse_segments(frame: pl.DataFrame, names: Sequence[str], file: Path) -> None:
    start = column_roles.find_start(frame.columns)
    if start is None or len(set(names)) == len(names):
        return
    begins = pl.DataFrame({"name": names, "start": frame[start]}).group_by("name").agg(pl.col("start").n_unique())
    if (begins["start"] > 1).any():
        raise UsageError(
            f"{file}: has several segments per file (column {start!r}), and labels are kept per file",
            hint="give one row per file",
        )


def _refuse_weights(frame: pl.DataFrame, found: Roles, file: Path) -> None:
    for members in found.labels.values():
        for column, label in members:
            if label is not None:
                values = cells.values(frame[column])
                odd = values.is_not_null() & ~values.is_in([0.0, 1.0])
                if odd.any():
                    row = odd.arg_true()[0]
                    raise UsageError(
                        f"{file}: column {column!r} has {values[row]:g} in row {row + 1}, which is neither 0 nor 1",
                        hint="decide from where on a track has the label; numbers to predict are --targets",
                    )


def _sources(table: Table, found: Roles, names: Sequence[str], labels: pl.DataFrame, report: Report) -> list[Source]:
    frame, base = table.frame, table.file.parent.absolute()
    empty = {label_set: without_label(frame, members) for label_set, members in found.labels.items()}
    said: list[dict[str, list[str]]] = [
        {label_set: [] for label_set, rows in empty.items() if rows[row]} for row in range(len(names))
    ]
    targets: list[dict[str, dict[str, float]]] = [{name: {} for name in found.targets} for _ in names]
    for row, label_set, label, value in labels.select("row", "label_set", "label", "value").iter_rows():
        if label_set in found.targets:
            targets[row][label_set][label] = value
        else:
            said[row].setdefault(label_set, []).append(label)
    credits = {what: cells.text(frame[name]).to_list() for what, name in found.credits.items()}
    splits = split_parts(frame, found, report)
    attrs = {name: _values(frame[name]) for name in found.rest if not column_roles.is_row_number(frame[name])}
    return [
        Source(
            os.path.abspath(base / name),
            **{what: column[row] for what, column in credits.items()},
            labels=said[row],
            targets=targets[row],
            splits=splits[row],
            attrs={key: column[row] for key, column in attrs.items() if column[row] is not None},
            dataset=base.name,
        )
        for row, name in enumerate(names)
    ]


def _values(column: pl.Series) -> list[Any]:
    if column.dtype == pl.String:
        return cells.text(column).to_list()
    if column.dtype.is_nested():
        return [None if value is None else str(value) for value in column.to_list()]
    return (column.fill_nan(None) if column.dtype.is_float() else column).to_list()


def _merged(rows: Sequence[Source], names: Sequence[str], file: Path, report: Report) -> tuple[list[Source], list[str]]:
    """Return one source per path: labels add up, the first credits stand, splits must agree."""
    found: dict[str, Source] = {}
    keys: dict[str, str] = {}
    differ: list[str] = []
    for source, name in zip(rows, names, strict=True):
        if source.path not in found:
            found[source.path], keys[source.path] = source, name
            continue
        first = found[source.path]
        for split in first.splits.keys() & source.splits.keys():
            (a, one), (b, other) = first.splits[split], source.splits[split]
            if (a, one) != (b, other):
                raise UsageError(
                    f"{file}: rows of {name!r} disagree about split {split!r}: {one} of fold {a}, {other} of fold {b}",
                    hint="one part per file; a column split:NAME for each further split",
                )
        for what in ("title", "artist", "album"):
            before, after = getattr(first, what), getattr(source, what)
            if before and after and before != after:
                differ.append(f"{name}: {what} {before!r}, {after!r}")
        labels = {label_set: list(first.labels.get(label_set, ())) for label_set in {**first.labels, **source.labels}}
        for label_set, more in source.labels.items():
            labels[label_set] += [label for label in more if label not in labels[label_set]]
        found[source.path] = replace(
            first,
            title=first.title or source.title,
            artist=first.artist or source.artist,
            album=first.album or source.album,
            labels=labels,
            targets=_united(name, first, source),
            splits={**first.splits, **source.splits},
            attrs={**first.attrs, **source.attrs},
        )
    if len(found) < len(rows):
        files = counted(len(found), "file")
        report.remarks.append(f"{len(rows)} rows name {files}: labels of rows of one file were united")
    if differ:
        report.remarks.append(f"rows of one file differ, the first one stands: {some(differ, between='; ')}")
    return list(found.values()), list(keys.values())


def _united(name: str, first: Source, other: Source) -> dict[str, dict[str, float]]:
    """Return the targets of two rows of one file, which must agree."""
    found = {target_set: dict(values) for target_set, values in first.targets.items()}
    for target_set, values in other.targets.items():
        own = found.setdefault(target_set, {})
        for target, value in values.items():
            if own.setdefault(target, value) != value:
                raise UsageError(
                    f"rows of {name!r} disagree about {target!r}: {own[target]:g} and {value:g}",
                    hint="give one row per file",
                )
    return found
