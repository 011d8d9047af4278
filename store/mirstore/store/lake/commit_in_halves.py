"""A batch that cannot be committed is committed in halves, until what spoils it is alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import duckdb

from mirstore.core.errors import StoreError

T = TypeVar("T")
_others = (  # the disk, the catalogue, Ctrl-C, DuckDB itself, a table that is not what it was
    OSError, duckdb.OperationalError, duckdb.InterruptException, duckdb.InternalError, duckdb.FatalException,
    duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException, duckdb.PermissionException,
)  # fmt: skip


def commit_in_halves(
    items: Sequence[T], commit: Callable[[Sequence[T]], None], refused: Callable[[T, Exception], None]
) -> None:
    """Commit all items that can be committed, in as few commits as that takes.

    Parameters
    ----------
    items : sequence
        What belongs into the store.
    commit : callable
        Commits some of them, or raises and commits nothing.
    refused : callable
        Told each item that cannot be committed even alone, and why.

    Raises
    ------
    StoreError
        If it is not for the items: the disk is full, the store is locked, damaged or read-only.
    """
    try:
        commit(items)
    except Exception as error:
        if not concerns_rows(error):
            raise
        if len(items) == 1:
            refused(items[0], error)
            return
        middle = len(items) // 2
        commit_in_halves(items[:middle], commit, refused)
        commit_in_halves(items[middle:], commit, refused)


def concerns_rows(error: Exception) -> bool:
    """Whether a commit failed for what was in it: other rows, or the same ones later, would not fail for that.

    Parameters
    ----------
    error : Exception
        Of the commit.
    """
    cause = error.__cause__ if isinstance(error, StoreError) else error
    elsewhere = any(words in str(error) for words in ("disk is full", "is locked", "nterrupted"))  # whatever it is
    return cause is not None and not elsewhere and not isinstance(cause, _others)
