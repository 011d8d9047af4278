"""What a cell of a table says: nothing, a number, one label or several."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from mirstore.core.errors import UsageError

missing_words = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NaN", "nan", "NAN", "<NA>", "?")
"""What R, Excel, SQL, Python, pandas and Weka write where nothing is."""

_whole = r"^[+-]?\d+$"
_comma = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_thousands = r"^[+-]?[1-9]\d{0,2},\d{3}$"  # 1,234 may be both
exact = 2**53
"""The largest whole number up to which a float holds all of them."""


def text(column: pl.Series) -> pl.Series:
    """Return a column as text without spaces around it; null where nothing is, in whatever word.

    Parameters
    ----------
    column : pl.Series
        Of any type.

    Examples
    --------
    >>> text(pl.Series(["rock ", "N/A", ""])).to_list(), text(pl.Series([1.0, None, 3.0])).to_list()
    (['rock', None, None], ['1', None, '3'])
    """
    if column.dtype.is_float():
        whole = column.fill_nan(None)
        fits = whole.is_not_null() & (whole.abs() < exact) & (whole.floor() == whole)
        if fits.sum() == whole.count():  # pandas makes floats of whole numbers where one is missing
            return whole.cast(pl.Int64).cast(pl.String)
        return whole.cast(pl.String)
    if column.dtype.is_nested() or column.dtype == pl.Duration:  # polars writes neither
        return pl.Series(column.name, [None if cell is None else str(cell) for cell in column.to_list()], pl.String)
    if column.dtype == pl.Boolean:
        return column.replace_strict({True: "true", False: "false"}, return_dtype=pl.String)
    cells = column.cast(pl.String).str.strip_chars()
    return cells.set((cells == "") | cells.is_in(missing_words), None)


def words(column: pl.Series) -> list[str]:
    """Return the words in a column that were taken for missing values.

    Parameters
    ----------
    column : pl.Series
    """
    if column.dtype != pl.String:
        return []
    cells = column.str.strip_chars()
    return sorted(cells.filter(cells.is_in(missing_words)).unique())


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Attributes
    ----------
    values : pl.Series of Float64 or None
        None if it is not of numbers.
    stray : tuple of (int, str) or None
        Row (from 1) and cell of the first that is none, in a column of which half or more are.
    commas : str
        ``"decimal"``, ``"unclear"`` (``1,234`` throughout) or ``""``.
    beyond : bool
        Whether whole numbers are too large for a float.
    """

    values: pl.Series | None = None
    stray: tuple[int, str] | None = None
    commas: str = ""
    beyond: bool = False


def numbers(column: pl.Series) -> Numbers:
    """Read a column as numbers; NaN and missing words are null.

    Parameters
    ----------
    column : pl.Series
        Of any type.
    """
    kind = column.dtype
    if kind.is_integer() and column.count() and int(column.abs().max() or 0) > exact:  # type: ignore[arg-type]
        return Numbers(beyond=True)
    if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        floats = column.cast(pl.Float64)
        return Numbers(floats.fill_nan(None) if floats.is_nan().any() else floats)  # to fill copies them
    if kind != pl.String:
        return Numbers()
    cells = text(column)
    lower = cells.str.to_lowercase().replace({"true": "1", "false": "0"})
    parsed = lower.cast(pl.Float64, strict=False).fill_nan(None)
    bad = cells.is_not_null() & parsed.is_null()
    if not bad.any():
        whole = cells.str.contains(_whole)
        if cells.count() and whole.all() and float(parsed.abs().max() or 0) > exact:  # type: ignore[arg-type]
            return Numbers(beyond=True)
        return Numbers(parsed)
    comma = cells.str.contains(_comma)
    if (comma | cells.str.contains(_whole)).all():
        clear = (comma & ~cells.str.contains(_thousands)).any()
        values = cells.str.replace(",", ".", literal=True).cast(pl.Float64)
        return Numbers(values, commas="decimal" if clear else "unclear")
    if 2 * int(bad.sum()) <= cells.count():
        row = bad.arg_true()[0]
        return Numbers(stray=(row + 1, cells[row]))
    return Numbers()


def values(column: pl.Series) -> pl.Series:
    """Return a column as numbers of which it is known that it is one.

    Parameters
    ----------
    column : pl.Series
    """
    found = numbers(column).values
    assert found is not None
    return found


def labels(cell: str) -> Iterator[tuple[str, str]]:
    """Yield label set (or ``""``) and label: ``genre---rock|mood---dark``, ``rock; pop``, ``['rock', 'pop']``.

    Parameters
    ----------
    cell : str

    Examples
    --------
    >>> list(labels("genre---rock|mood---dark")), list(labels("rock; pop"))
    ([('genre', 'rock'), ('mood', 'dark')], [('', 'rock'), ('', 'pop')])
    """
    parts = _listed(cell) if cell[:1] == "[" and cell[-1:] == "]" else None
    for part in cell.replace(";", "|").split("|") if parts is None else parts:
        label_set, _, label = part.strip().rpartition("---")
        if label and label not in missing_words:
            yield label_set, label


def _listed(cell: str) -> list[str] | None:
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return [str(item) for item in found] if isinstance(found, list) else None


def is_flag(column: pl.Series) -> bool:
    """Return whether a column says 0 or 1, or how much in between, and not the names of labels.

    Parameters
    ----------
    column : pl.Series
    """
    return flagged(column, column.name) is not None


def flagged(column: pl.Series, label: str) -> str | None:
    """Return the label if the column says 0 or 1, or how much in between; None if its cells are labels themselves.

    Parameters
    ----------
    column : pl.Series
    label : str
        What it is called after; ``label:`` at its beginning is left out.

    Raises
    ------
    UsageError
        If it has 0 or 1 in some rows, and words in others.
    """
    found = numbers(column)
    if found.stray is not None and text(column).is_in(["0", "1"]).any():
        raise UsageError(
            f"column {column.name!r} has {found.stray[1]!r} in row {found.stray[0]}, which is neither 0 nor 1",
            hint="give 0 and 1, or names of classes, throughout",
        )
    if found.values is None or not found.values.count():
        return None
    within = found.values.drop_nulls().is_between(0, 1)
    return label.removeprefix("label:") if within.all() else None
