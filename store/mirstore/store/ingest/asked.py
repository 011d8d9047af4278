"""What is asked of an ingest: paths and tables become sources, with what a person should know of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from mirstore.core.events import Warned
from mirstore.store.ingest.folders import passed_over_text
from mirstore.store.ingest.mirdata import read_mirdata
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.sources import find
from mirstore.store.tables.column_options import Options, default
from mirstore.store.tables.report import Report

_loader = "mirdata:"


class Asked(TypedDict, total=False):
    """What may be asked of an ingest beside its paths.

    Attributes
    ----------
    dataset : str
        Dataset that the tracks belong to; by default their folder's name.
    features : str or sequence of str
        Names of features to compute; by default those of the project's registry.toml.
    labels : path
        A table with labels, credits and splits for these files.
    annotations : sequence of str
        ``NAME=PATTERN``: files that say something of these tracks, such as ``chords='labs/*.lab'``.
    columns : Options
        What the columns of the tables mean.
    label_from_folder : bool
        Whether a file's folder is its label, in the set ``label``.
    data_home : path
        Folder of a mirdata dataset.
    retry_failed : bool
        Whether to compute again what failed before.
    prune : bool
        Whether to take out of the dataset what is gone from the folder or table.
    tags : bool
        Whether to take credits and genres from the files' tags, as is done by default.
    """

    dataset: str | None
    features: str | Sequence[str] | None
    labels: Path | None
    annotations: Sequence[str]
    columns: Options
    label_from_folder: bool
    data_home: Path | None
    retry_failed: bool
    prune: bool
    tags: bool


@dataclass(frozen=True)
class Located:
    """The sources that paths name, and what is to be said of tables and of files that are no audio."""

    sources: list[Source]
    reports: list[Report] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    def remarks(self) -> Iterator[Warned]:
        """Yield what a person should know."""
        if text := passed_over_text(self.passed_over):
            yield Warned(text)
        yield from (Warned(line) for report in self.reports for line in report.lines())


def locate(paths: Sequence[str | Path], asked: Asked) -> Located:
    """Return the sources that paths, tables and ``mirdata:NAME`` name.

    Parameters
    ----------
    paths : sequence of (str or path)
        Files, folders, globs, tables or ``mirdata:NAME``; ``~`` is the user's home.
    asked : Asked

    Raises
    ------
    UsageError
        If one of them is not there, or a table cannot be understood.
    PluginError
        If mirdata is needed and not installed.
    """
    named = [os.path.expanduser(path) for path in paths]  # no shell has done it for Python
    loaders = [path.removeprefix(_loader) for path in named if path.startswith(_loader)]
    located = Located([source for name in loaders for source in read_mirdata(name, asked.get("data_home"))])
    located.sources.extend(
        find(
            [path for path in named if not path.startswith(_loader)],
            asked.get("labels"),
            options=asked.get("columns", default),
            label_from_folder=asked.get("label_from_folder", False),
            reports=located.reports,
            passed_over=located.passed_over,
        )
    )
    return located
