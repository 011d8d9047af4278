"""The labels that columns of a table hold."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.tables import cells
from mirstore.store.tables.column_roles import Roles

from_tags = "tag:"
"""What the names of label sets that come from tags begin with, and no other's: they never mix with given labels."""


def label_rows(frame: pl.DataFrame, roles: Roles) -> pl.DataFrame:
    """Return one row per label of a row.

    Parameters
    ----------
    frame : pl.DataFrame
    roles : Roles
        Of its columns.

    Returns
    -------
    pl.DataFrame
        ``row`` (from 0), ``label_set``, ``label``, ``value`` (1, or what the column of that label or target says).

    Raises
    ------
    UsageError
        If a label set is called as those of tags are: the next ingest would take it for one; or if a target is no
        number.
    """
    schema = {"row": pl.UInt32, "label_set": pl.String, "label": pl.String, "value": pl.Float64}
    parts = [pl.DataFrame(schema=schema)]
    for label_set, members in roles.labels.items():
        for column, label in members:
            if label is None:
                part = classes(frame[column], label_set)
            else:
                values = cells.values(frame[column])
                part = pl.DataFrame({"value": values}).with_row_index("row").filter(pl.col("value") > 0)
                part = part.with_columns(pl.lit(label_set).alias("label_set"), pl.lit(label).alias("label"))
            parts.append(part.select(list(schema)).cast(schema))  # type: ignore[arg-type]
    parts += [numbers(frame[column], label_set) for label_set, members in roles.targets.items() for column in members]
    found = pl.concat(parts).unique(["row", "label_set", "label"], keep="first", maintain_order=True)
    for name in found["label_set"].unique().sort():
        if name.startswith(from_tags):
            raise UsageError(
                f"a label set cannot be called {name!r}: {from_tags} is for what files' tags say",
                hint="call it something else",
            )
    return found


def numbers(column: pl.Series, target_set: str) -> pl.DataFrame:
    """Return rows as `label_rows` does of a column of numbers; where nothing is, there is no row.

    Parameters
    ----------
    column : pl.Series
    target_set : str
        Label set of the rows.

    Raises
    ------
    UsageError
        If a cell is no finite number.
    """
    found = cells.numbers(column)
    if found.values is None or found.commas == "unclear":
        where = f": {found.stray[1]!r} in row {found.stray[0]}" if found.stray else ""
        raise UsageError(f"target {column.name!r} is no column of numbers{where}", hint="give numbers, or leave it out")
    rows = pl.DataFrame({"value": found.values}).with_row_index("row").drop_nulls("value")
    odd = rows.filter(pl.col("value").is_infinite())
    if odd.height:
        raise UsageError(f"target {column.name!r} is infinite in row {odd['row'][0] + 1}", hint="leave the cell empty")
    return rows.select(
        "row", pl.lit(target_set).alias("label_set"), pl.lit(column.name.strip()).alias("label"), "value"
    )


def without_label(frame: pl.DataFrame, members: Sequence[tuple[str, str | None]]) -> list[bool]:
    """Return per row whether its cells of a label set are empty; 0 is an answer of its own, and counts as empty too.

    Parameters
    ----------
    frame : pl.DataFrame
    members : sequence of (column, label)
        The label set's columns; label None where cells are labels.
    """
    empty = pl.Series([True] * frame.height, dtype=pl.Boolean)
    for column, label in members:
        if label is None:
            cell = frame[column]
            nested = isinstance(cell.dtype, pl.List | pl.Array)
            some = cell.list.len() > 0 if isinstance(cell.dtype, pl.List) else cell.is_not_null()
            empty &= ~(some.fill_null(False) if nested else cells.text(cell).is_not_null())
    return empty.to_list()


def classes(column: pl.Series, label_set: str) -> pl.DataFrame:
    """Return rows as `label_rows` does of a column whose cells are labels.

    Parameters
    ----------
    column : pl.Series
    label_set : str
        Of cells that name none themselves.

    Examples
    --------
    >>> classes(pl.Series("genre", ["rock; pop", None, "jazz"]), "genre").select("row", "label").rows()
    [(0, 'rock'), (0, 'pop'), (2, 'jazz')]
    """
    if isinstance(column.dtype, pl.List | pl.Array):
        rows = pl.DataFrame({"cell": column}).with_row_index("row").explode("cell")
        names = cells.text(rows["cell"])
        found = pl.DataFrame({"row": rows["row"], "label": names}).drop_nulls("label")
        return found.with_columns(pl.lit(label_set).alias("label_set"), pl.lit(1.0).alias("value"))
    names = cells.text(column)
    said = [
        (cell, own or label_set, label) for cell in names.drop_nulls().unique() for own, label in cells.labels(cell)
    ]
    meanings = pl.DataFrame(
        said, schema={"cell": pl.String, "label_set": pl.String, "label": pl.String}, orient="row"
    ).with_columns(pl.lit(1.0).alias("value"))
    rows = pl.DataFrame({"cell": names}).with_row_index("row")
    return rows.join(meanings, on="cell", maintain_order="left_right")
