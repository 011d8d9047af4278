"""Feature sets side by side, as models read them: numbers by qualified names, vectors as a column per value."""

from __future__ import annotations

import polars as pl


def qualified(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return a feature set's rows with columns called ``NAME.COLUMN``, without text and ``end``.

    Parameters
    ----------
    name : str
        Of the feature set.
    frame : pl.DataFrame
        With ``track``, and ``start`` if there are several rows per track. What stands for a tensor is a struct.
    """
    values = [column for column in frame.columns if column not in ("track", "start", "end")]
    frame = frame.select(c for c in frame.columns if c != "end").rename({c: f"{name}.{c}" for c in values})
    for column, kind in frame.select(f"{name}.{c}" for c in values).schema.items():
        if isinstance(kind, pl.List | pl.Array):
            frame = _unpacked(frame, column)
        elif not (kind.is_numeric() or kind == pl.Boolean or isinstance(kind, pl.Struct)):
            frame = frame.drop(column)  # text describes, models count
    return frame


def _unpacked(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the frame with a vector as columns ``NAME_000`` …; all vectors of a column have the same length."""
    values = pl.col(column) if isinstance(frame.schema[column], pl.List) else pl.col(column).arr.to_list()
    width = int(frame.select(values.list.len().max()).item() or 0)
    return frame.with_columns(
        values.list.get(i, null_on_oob=True).alias(f"{column}_{i:03}") for i in range(width)
    ).drop(column)


def references(frame: pl.DataFrame) -> list[str]:
    """Return the columns that stand for tensors.

    Parameters
    ----------
    frame : pl.DataFrame
        Of features, as the store has them.
    """
    return [column for column, kind in frame.schema.items() if isinstance(kind, pl.Struct)]


def beside(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of tracks that are in both, matched by ``start`` if both have it.

    Parameters
    ----------
    left, right : pl.DataFrame
        With a column ``track``.

    Examples
    --------
    >>> bpm = pl.DataFrame({"track": ["a", "b"], "bpm": [120.0, 90.0]})
    >>> words = pl.DataFrame({"track": ["b", "b"], "start": [0.0, 1.0], "word": ["la", "li"]})
    >>> beside(bpm, words)["bpm"].to_list()
    [90.0, 90.0]
    """
    both = "start" in left.columns and "start" in right.columns
    return left.join(right, on=["track", "start"] if both else ["track"], how="inner")
