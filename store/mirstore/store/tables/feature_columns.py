"""Columns of a published table as features: numbers and vectors, under names that SQL takes without quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.tables import cells
from mirstore.store.tables.report import Meaning, Report

_longest = 2000  # values of a vector that a table holds


def feature_columns(
    frame: pl.DataFrame, wanted: Sequence[str], file: Path, report: Report, texts: Sequence[str] = ()
) -> tuple[pl.DataFrame, dict[str, str], dict[str, Meaning]]:
    """Take the features out of a table, and return them.

    Each column leaves the frame as it becomes numbers: text takes more memory than they do.

    Parameters
    ----------
    frame : pl.DataFrame
        It keeps what becomes no feature.
    wanted : sequence of str
        Columns that are neither ids nor labels nor anything else.
    file : path
        For errors.
    report : Report
        Takes remarks.
    texts : sequence of str
        Columns that are features as text, also wanted.

    Returns
    -------
    values : pl.DataFrame
        Float64, and lists or arrays as arrays of Float32, in the store's names.
    names : dict
        Name in the store to column.
    meanings : dict
        Column to what it became; columns of text become attributes.

    Raises
    ------
    UsageError
        If a cell of a column of numbers is none, or commas may be decimal ones or not.
    """
    values: dict[str, pl.Series] = {}
    said: dict[str, Meaning] = {}
    commas: dict[str, dict[str, str]] = {"decimal": {}, "unclear": {}}
    for name in wanted:
        column = frame[name]
        kind = column.dtype
        if name in texts:
            values[name] = cells.text(column)
            frame.drop_in_place(name)
            continue
        if isinstance(kind, pl.List | pl.Array) and kind.inner.is_numeric():
            values[name] = _vectors(column, file)
            frame.drop_in_place(name)
            continue
        found = cells.numbers(column)
        if found.stray is not None:
            row, cell = found.stray
            raise UsageError(
                f"{file}: row {row}, column {name!r}: {cell!r} is no number",
                hint="mend the cell, or leave it empty; --drop leaves the column out",
            )
        if found.commas:
            commas[found.commas][name] = str(column.filter(column.str.contains(",")).first())
        if found.values is not None:
            values[name] = found.values.rechunk()  # else all are, once they go to Arrow
            frame.drop_in_place(name)
        else:
            said[name] = Meaning(name, "attrs", "whole numbers too large for a feature" if found.beyond else "")
    _decide(commas, file, report)
    names = safe_names(list(values))
    for name, original in names.items():
        kind = values[original].dtype
        detail = [name] if name != original else []
        detail += ["text"] if kind == pl.String else []
        detail += [f"vector of {kind.size}, as 32-bit floats"] if isinstance(kind, pl.Array) else []
        said[original] = Meaning(original, "features", ", ".join(detail))
    if not names:
        return pl.DataFrame(), {}, said
    return pl.DataFrame([values[original].alias(name) for name, original in names.items()]), names, said


def _decide(commas: Mapping[str, Mapping[str, str]], file: Path, report: Report) -> None:
    """Let columns like ``0,81`` decide what ``1,234`` means; of each column, its first cell with a comma is given."""
    if commas["unclear"] and not commas["decimal"]:
        name, cell = next(iter(commas["unclear"].items()))
        raise UsageError(
            f"{file}: column {name!r}: {cell!r} may be {cell.replace(',', '.')} or {cell.replace(',', '')}",
            hint="write numbers with points, and without separators of thousands",
        )
    if commas["decimal"]:
        report.remarks.append(
            f"decimal commas in {', '.join(map(repr, sorted({**commas['decimal'], **commas['unclear']})))}"
        )


def _vectors(column: pl.Series, file: Path) -> pl.Series:
    lists = column.cast(pl.List(pl.Float32))
    sizes = lists.list.len()
    size = int(sizes.max() or 0)  # type: ignore[arg-type]
    odd = (sizes != size).fill_null(False)
    if odd.any():
        row = odd.arg_true()[0]
        raise UsageError(
            f"{file}: column {column.name!r} has vectors of {size} and, in row {row + 1}, of {sizes[row]} values",
            hint="--drop leaves the column out",
        )
    if not 0 < size <= _longest:
        raise UsageError(f"{file}: column {column.name!r} has vectors of {size} values", hint="--drop leaves it out")
    return lists.list.to_array(size)


def safe_names(originals: Sequence[str]) -> dict[str, str]:
    """Return names that SQL takes without quotes: ``1-ZCRm`` is zcrm, ``0`` is c_0, ``select`` is c_select.

    Of columns that would have one name, the later ones get a number: ``lag-1`` and ``lag+1`` are lag_1 and lag_1_2.

    Parameters
    ----------
    originals : sequence of str

    Returns
    -------
    dict of str to str
        Safe name to the original one, in their order.

    Examples
    --------
    >>> safe_names(["1-ZCRm", "0", "select", "lag-1", "lag+1"])
    {'zcrm': '1-ZCRm', 'c_0': '0', 'c_select': 'select', 'lag_1': 'lag-1', 'lag_1_2': 'lag+1'}
    """
    names: dict[str, str] = {}
    for original in originals:
        name = re.sub(r"\W+", "_", re.sub(r"^\d+\W+(?=.*[^\W\d])", "", original.strip())).strip("_").lower()
        name = name or "column"
        if name[0].isdigit() or name in _reserved():
            name = f"c_{name}"
        free, number = name, 1
        while free in names:
            number += 1
            free = f"{name}_{number}"
        names[free] = original
    return names


@cache
def _reserved() -> frozenset[str]:
    """Return words that cannot stand for a column in SQL, and the columns that all feature tables have."""
    import duckdb

    query = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
    with duckdb.connect() as connection:
        rows: Iterable[tuple[str]] = connection.execute(query).fetchall()
    return frozenset({"track", "start", "end", *(word for (word,) in rows)})
