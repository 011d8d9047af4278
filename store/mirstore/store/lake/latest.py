"""The latest row wins: tables are only appended to, and what was committed last about a thing is what holds."""

from __future__ import annotations

from typing import TypeVar

import polars as pl

from mirstore.store.lake.schema import order

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def latest(rows: Frame, *key: str) -> Frame:
    """Return the last row of each key, the latest last.

    Parameters
    ----------
    rows : pl.DataFrame or pl.LazyFrame
        Rows of a table, with the number of the snapshot that brought each.
    *key : str
        Columns that tell things apart, null like any other value. Of rows of one commit the last one counts.
    """
    return rows.sort(order, maintain_order=True).unique(key, keep="last", maintain_order=True)


def latest_commit(rows: Frame, *key: str) -> Frame:
    """Return all rows of each key that its last commit brought: labels come together, and go together.

    Parameters
    ----------
    rows : pl.DataFrame or pl.LazyFrame
        With the number of the commit that brought each.
    *key : str
        Columns that tell apart what is asked about.
    """
    return rows.filter(pl.col(order) == pl.col(order).max().over(key))


def located(locations: pl.LazyFrame) -> pl.DataFrame:
    """Return what each path holds: ``path``, ``track`` (null where it holds nothing any more).

    Parameters
    ----------
    locations : pl.LazyFrame
        Rows of ``core.locations``.
    """
    return latest(locations.select("path", "track", order), "path").drop(order).collect()


def latest_sql(table: str, key: str) -> str:
    """Return a SELECT of the last row of each key, for SQL: the same rows as `latest`.

    Parameters
    ----------
    table : str
        Whose rows have the order of its files.
    key : str
        Columns, separated by commas.
    """
    placed = f"SELECT *, row_number() OVER () AS place FROM {table}"  # in the order of the files: one commit's, too
    last = f"row_number() OVER (PARTITION BY {key} ORDER BY {order} DESC, place DESC) = 1"
    return f"SELECT * EXCLUDE (place) FROM ({placed}) QUALIFY {last}"


def latest_commit_sql(table: str, key: str) -> str:
    """Return a SELECT of all rows of each key that its last commit brought, for SQL.

    Parameters
    ----------
    table : str
    key : str
        Columns, separated by commas.
    """
    return f"SELECT * FROM {table} QUALIFY {order} = max({order}) OVER (PARTITION BY {key})"
