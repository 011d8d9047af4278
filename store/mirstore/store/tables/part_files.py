"""Published splits that come as one table per part: ``train.csv``, ``validation.csv``, ``test.csv``."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.experiments.splits import part_name, part_words
from mirstore.store.tables.headed import Table


def part_of(file: Path) -> str | None:
    """Return the part of a split that a file's name says.

    Parameters
    ----------
    file : path

    Raises
    ------
    UsageError
        If it says several.

    Examples
    --------
    >>> part_of(Path("autotagging_moodtheme-train.tsv.gz")), part_of(Path("val_640.json")), part_of(Path("all.csv"))
    ('train', 'validation', None)
    """
    words = re.split(r"[^a-z]+", file.name.partition(".")[0].lower())
    found = list(dict.fromkeys(part for word in words if (part := part_name(word))))
    if len(found) > 1:
        raise UsageError(f"{file}: its name says {' and '.join(found)}", hint="one part of a split per file")
    return found[0] if found else None


def read_parts(pattern: Path, read: Callable[[Path], Table]) -> Table:
    """Read several tables as one, with a split that their names say; it is called as their folder.

    Parameters
    ----------
    pattern : path
        With ``*``, ``?`` or ``[…]`` in its last part.
    read : callable
        What reads one of them.

    Raises
    ------
    UsageError
        If there are none, a name says no part, two tables say one part, or their columns differ.
    """
    files = sorted(pattern.parent.glob(pattern.name))
    if not files:
        raise UsageError(f"{pattern}: no such file")
    tables = [read(file) for file in files]
    parts = {file: part_of(file) for file in files}
    for file, part in parts.items():
        if part is None:
            raise UsageError(f"{file}: its name says no part of a split", hint=f"part words are {part_words()}")
        if twice := [other for other in files if other != file and parts[other] == part]:
            raise UsageError(f"{twice[0]} and {file} are both {part}", hint="a narrower pattern")
    for table in tables[1:]:
        if other := sorted(set(table.frame.columns) ^ set(tables[0].frame.columns)):
            raise UsageError(f"{table.file}: has other columns than {tables[0].file}: {', '.join(other)}")
    split = f"split:{files[0].absolute().parent.name}"
    frames = [table.frame.with_columns(pl.lit(parts[table.file]).alias(split)) for table in tables]
    remarks = [f"{len(files)} files, a part of the split each: {', '.join(file.name for file in files)}"]
    remarks += [f"{table.file.name}: {remark}" for table in tables for remark in table.remarks]
    return Table(
        pattern, pl.concat([frame.select(frames[0].columns) for frame in frames], how="vertical_relaxed"), remarks
    )
