"""What a session sees of a store: the tables and views that a statement reads from, at one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from mirstore.core.errors import UnknownNameError
from mirstore.store.lake import schema
from mirstore.store.lake.hidden import Hidden
from mirstore.store.lake.lake import Lake, internal, merged_column
from mirstore.store.lake.quoting import identifier, literal, literals
from mirstore.store.lake.snapshots import snapshots
from mirstore.store.sql.declared import declared, revisable
from mirstore.store.sql.locked import Contents
from mirstore.store.sql.views import View, all_views

own = "core.snapshots"
"""The table that no file holds and a statement may name."""

_ledger = {"core.extractions"}


def contents(lake: Lake, wanted: Iterable[str], *, lists: bool = False) -> Contents:
    """Return what a session has.

    Parameters
    ----------
    lake : Lake
    wanted : iterable of str
        Views, and tables as ``core.tracks``, in lower case; what they rest on is there, too. Unknown names are passed
        over.
    lists : bool
        Whether the other views and tables are there to be listed: they are empty.
    """
    known = all_views(lake)
    reached = _reached(wanted, known)
    reached |= _ledger if reached & {table.lower() for table in revisable(lake)} else set()
    names = tables(lake)
    files = {table: [str(path) for path in _files(lake, table)] for table in names if table.lower() in reached}
    kinds = declared(lake) if lists or not all(files.values()) else {}
    hidden = lake.hidden
    given = hidden.tables
    made = []
    for table in names:
        if files.get(table):
            made.append(_view(lake, table, files[table], hidden))
        elif lists or table in files:
            made.append(f"CREATE TABLE {_target(table)} ({kinds.get(table) or _own_columns(table)})")
    if lists or own in reached:
        given[own] = snapshots(lake)
    for key, view in known.items():
        if lists or key in reached:
            made.append(f"CREATE VIEW {identifier(view.name)} AS {view.query}")
    return Contents(
        {name: rows.to_arrow() for name, rows in given.items()},
        made,
        [path for paths in files.values() for path in paths],
    )


def tables(lake: Lake) -> list[str]:
    """Return the store's tables, and those that this version of mirstore would make.

    Parameters
    ----------
    lake : Lake
    """
    return sorted({*lake.tables(), *(f"core.{name}" for name in schema.tables)})


def _reached(wanted: Iterable[str], known: Mapping[str, View]) -> set[str]:
    """Return the names and all that they rest on."""
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += known[name].reads if name in known else ()
    return found


def _files(lake: Lake, table: str) -> list[Path]:
    """Return a table's files; none of one that is younger than the snapshot."""
    try:
        return lake.files(table)
    except UnknownNameError:
        return []


def _own_columns(table: str) -> str:
    return f"{schema.tables[table.removeprefix('core.')]}, {schema.order} BIGINT"


def _target(table: str) -> str:
    folder, _, name = table.partition(".")
    return f"{folder}.{identifier(name)}"


def _view(lake: Lake, table: str, paths: Sequence[str], hidden: Hidden) -> str:
    own = (internal, schema.revision)
    first = _columns(paths[0])
    names = [column for column in first if not column.startswith(own)]
    rows = f"read_parquet({literals(paths)}, union_by_name = true)"
    kept = list(hidden.conditions(table, names, "r"))
    if (seen := lake.seen(table)) is not None and any(merged_column in _columns(path) for path in paths):
        kept.append(f"coalesce({merged_column}, 0) <= {seen}")
    if schema.revision in first:
        kept.append(_holds(table))
    where = f"WHERE {' AND '.join(kept)}" if kept else ""
    shown = ", ".join(map(identifier, names))
    return f"CREATE VIEW {_target(table)} AS SELECT {shown} FROM {rows} r {where}"


def _holds(table: str) -> str:
    """Return the condition that rows of features are what the ledger has last about their track."""
    last = f"SELECT track, max({schema.order}) FROM core.extractions"
    last += f" WHERE feature_set = {literal(table.rpartition('_')[2])} GROUP BY track"
    return f"(track, {schema.revision}) IN (SELECT (l.*) FROM ({last}) l)"


def _columns(path: str) -> list[str]:
    return pl.scan_parquet(path, glob=False).collect_schema().names()  # a folder may be called a[1]
