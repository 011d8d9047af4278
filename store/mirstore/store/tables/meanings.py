"""What each column of a table became, in words."""

from __future__ import annotations

import polars as pl

from mirstore.core.text import counted
from mirstore.store.tables import cells
from mirstore.store.tables.column_roles import Roles, normal
from mirstore.store.tables.label_columns import classes
from mirstore.store.tables.report import Meaning
from mirstore.store.tables.split_columns import fold_text, holds_folds, part_text


def meanings(frame: pl.DataFrame, roles: Roles, found: pl.DataFrame, kind: str) -> dict[str, Meaning]:
    """Return what each column became, by column; those of `Roles.rest` are the caller's.

    Parameters
    ----------
    frame : pl.DataFrame
    roles : Roles
        Of the columns of the same table.
    found : pl.DataFrame
        As `label_rows` returns.
    kind : str
        What the key is: ``path`` or ``id``.
    """
    said = {roles.key: Meaning(roles.key, kind)}
    said |= {name: Meaning(name, "credits", what) for what, name in roles.credits.items()}
    for split, name in roles.splits.items():
        folds = roles.fold is None and holds_folds(frame[name])
        said[name] = Meaning(name, "split", (fold_text if folds else part_text)(split, frame[name]))
    if roles.fold is not None:
        alone = fold_text("fold", frame[roles.fold])
        said[roles.fold] = Meaning(roles.fold, *(("fold",) if roles.splits else ("split", alone)))
    for label_set, members in roles.labels.items():
        for column, label in members:
            own = found.filter(pl.col("label_set") == label_set) if found.height else found
            if label is not None:
                count = own.filter(pl.col("label") == label).height
                detail = f"{label!r} of {label_set!r}, {counted(count, 'track')}"
            else:
                prefixed = classes(frame[column], label_set)
                sets = prefixed["label_set"].unique(maintain_order=True).to_list() or [label_set]
                number = prefixed["label"].n_unique()
                detail = counted(number, "class")
                detail += "" if sets == [normal(column)] or sets == [column] else f" of {', '.join(map(repr, sets))}"
            became = "credits, labels" if column in said and said[column].became == "credits" else "labels"
            said[column] = Meaning(column, became, detail)
    for target_set, columns in roles.targets.items():
        for column in columns:
            of_target = (pl.col("label_set") == target_set) & (pl.col("label") == column.strip())
            values = found.filter(of_target)["value"].to_list()
            span = f", {min(values):g} to {max(values):g}" if values else ""
            text = f"target of {target_set!r}, {counted(len(values), 'track')}{span}"
            said[column] = Meaning(column, "numbers", text)
    return {name: said[name] for name in frame.columns if name in said}


def missing(frame: pl.DataFrame) -> list[str]:
    """Return a remark on the words that were taken for missing values.

    Parameters
    ----------
    frame : pl.DataFrame
    """
    found = {name: cells.words(frame[name]) for name in frame.columns}
    told = [f"{', '.join(map(repr, words))} in {name!r}" for name, words in found.items() if words]
    more = f" and {len(told) - 3} more columns" if len(told) > 3 else ""
    return [f"taken for missing: {'; '.join(told[:3])}{more}"] if told else []
