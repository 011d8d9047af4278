"""A table as read, and what makes the names of its columns out of the rows at its top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from mirstore.core.errors import UsageError


@dataclass
class Table:
    """A table as read.

    Attributes
    ----------
    file : path
    frame : pl.DataFrame
        Text columns as written; Parquet keeps its types. A first column without a name is called ``""``.
    remarks : list of str
        What was taken for granted or left out.
    """

    file: Path
    frame: pl.DataFrame
    remarks: list[str] = field(default_factory=list)


def header(head: Sequence[Sequence[str]], file: Path) -> tuple[list[str], int]:
    """Return the columns' names and how many of the first rows hold them.

    Several rows, as pandas writes columns of several levels: the last one names the index and nothing else.

    Parameters
    ----------
    head : sequence of sequence of str
        The first rows, at least one.
    file : path
        Of the table, for messages.

    Raises
    ------
    UsageError
        If two columns have one name.
    """
    first = [cell.strip() for cell in head[0]]
    twice = [name for name, count in Counter(first[1:]).items() if name and count > 1]
    for last in range(2, len(head)) if twice else ():
        row = [cell.strip() for cell in head[last]]
        if row[0] and not any(row[1:]) and len({len(cells) for cells in head[: last + 1]}) == 1:
            levels = zip(*head[:last], strict=True)
            joined = ["_".join(part.strip() for part in level if _is_level(part)) for level in levels]
            names, used = [row[0], *joined[1:]], last + 1
            break
    else:
        names, used = first, 1
    refuse_equal(names, file)
    return names, used


def _is_level(part: str) -> bool:
    return bool(part.strip()) and not part.startswith("Unnamed:")


def refuse_equal(names: Sequence[str], file: Path) -> None:
    """Refuse columns of one name.

    Parameters
    ----------
    names : sequence of str
    file : path
        Of the table, for messages.

    Raises
    ------
    UsageError
        Naming the first.
    """
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        raise UsageError(f"{file}: column {twice[0]!r} stands there twice", hint="rename one of them")


def named(table: Table) -> Table:
    """Return the table without columns that have neither a name nor cells, as commas at the ends of lines make.

    Parameters
    ----------
    table : Table
        Its frame has names that begin with a zero byte where there was none.

    Raises
    ------
    UsageError
        If a column other than the first has cells and no name.
    """
    for number, name in enumerate(table.frame.columns):
        if name.startswith("\0"):
            cells = table.frame[name].str.strip_chars()
            if (cells.fill_null("") != "").any():
                raise UsageError(f"{table.file}: column {number + 1} has no name", hint="name it in the header")
            table.frame = table.frame.drop(name)
            table.remarks.append(f"column {number + 1} has neither a name nor cells: left out")
    return table
