"""The parts and folds that columns of a table put files into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.experiments.splits import part_name, part_words
from mirstore.core.text import counted
from mirstore.store.tables import cells
from mirstore.store.tables.column_roles import Roles
from mirstore.store.tables.report import Report


def holds_folds(column: pl.Series) -> bool:
    """Return whether a column of a split numbers folds: it has whole numbers only, and no words like train and test.

    Parameters
    ----------
    column : pl.Series

    Examples
    --------
    >>> holds_folds(pl.Series(["1", "2", None])), holds_folds(pl.Series(["train", "test"]))
    (True, False)
    """
    words = cells.text(column).drop_nulls()
    return bool(words.len() and words.str.contains(r"^\d{1,9}$").all())


def fold_text(split: str, column: pl.Series) -> str:
    """Say how many folds a column numbers.

    Parameters
    ----------
    split : str
    column : pl.Series
    """
    return f"{split!r}: {counted(cells.text(column).n_unique() - bool(cells.text(column).null_count()), 'fold')}"


def part_text(split: str, column: pl.Series) -> str:
    """Say which parts a column has, and in which words.

    Parameters
    ----------
    split : str
    column : pl.Series

    Examples
    --------
    >>> part_text("official", pl.Series(["train", "train", "dev"]))
    "'official': train 2, validation 1 called 'dev'"
    """
    found = Counter(cells.text(column).drop_nulls())
    told = [
        f"{part_name(word)} {count}" + (f" called {word!r}" if word != part_name(word) else "")
        for word, count in found.most_common(6)
        if part_name(word)
    ]
    told += [f"{word!r} {count}" for word, count in found.most_common(3) if not part_name(word)]
    return f"{split!r}: {', '.join(told)}"


def split_parts(frame: pl.DataFrame, found: Roles, report: Report) -> list[dict[str, tuple[int, str]]]:
    """Return per row what its splits say: split to fold and part. Words that no protocol knows are told.

    Each fold of a column ``fold`` alone, or of a split that holds only numbers, is tested once.

    Parameters
    ----------
    frame : pl.DataFrame
    found : Roles
        Of its columns.
    report : Report
        Gets the remarks.

    Returns
    -------
    list of dict of str to (int, str)
        Per row: split to fold and part.

    Raises
    ------
    UsageError
        If a fold is no whole number.
    """
    folds = _folds(frame[found.fold], report.table) if found.fold is not None else [None] * frame.height
    result: list[dict[str, tuple[int, str]]] = [{} for _ in range(frame.height)]
    for split, name in found.splits.items():
        if found.fold is None and holds_folds(frame[name]):
            _test_each(result, split, _folds(frame[name], report.table))
            continue
        unknown: Counter[str] = Counter()
        for row, word in enumerate(cells.text(frame[name])):
            if word is not None:
                part = part_name(word)
                unknown[word] += part is None
                result[row][split] = (folds[row] or 0, part or word)
        if told := [f"{word!r} ({counted(count, 'row')})" for word, count in unknown.most_common(5) if count]:
            report.remarks.append(
                f"split {split!r} has parts that no experiment uses: {', '.join(told)}; known are {part_words()}"
            )
    if not found.splits:
        _test_each(result, "fold", folds)
    return result


def _test_each(result: Sequence[dict[str, tuple[int, str]]], split: str, folds: Sequence[int | None]) -> None:
    for said, fold in zip(result, folds, strict=True):
        if fold is not None:
            said[split] = (fold, "test")  # each fold is learned from all the others


def _folds(column: pl.Series, table: str) -> list[int | None]:
    found = cells.numbers(column)
    values, words = found.values, cells.text(column)
    if values is None:
        values = words.cast(pl.Float64, strict=False)
    bad = words.is_not_null() & (
        values.is_null() | ~values.is_between(0, 2**31 - 1) | (values != values.floor())
    ).fill_null(True)
    if bad.any():
        row = bad.arg_true()[0]
        raise UsageError(f"{table}: fold {words[row]!r} in row {row + 1} is no whole number")
    return values.cast(pl.Int64).to_list()
