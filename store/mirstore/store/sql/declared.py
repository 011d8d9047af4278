"""The columns of all tables as the catalogue has them: no file is opened to know them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from mirstore.store.lake.connect import catalogue
from mirstore.store.lake.lake import Lake
from mirstore.store.lake.quoting import identifier, literal
from mirstore.store.lake.schema import revision

_Column = tuple[int, str, str]  # its number, name and type
_types = {"float32": "FLOAT", "float64": "DOUBLE", "int32": "INTEGER", "int64": "BIGINT"}


def declared(lake: Lake) -> dict[str, str]:
    """Return the columns of each table, with their types, as CREATE TABLE takes them.

    Parameters
    ----------
    lake : Lake
    """
    now = lake.snapshot_id
    rows = lake.ask(
        f"SELECT schema_name || '.' || table_name, parent_column, column_id, column_name, column_type "
        f"FROM {catalogue}.ducklake_column c JOIN {catalogue}.ducklake_table t USING (table_id) "
        f"JOIN {catalogue}.ducklake_schema USING (schema_id) "
        f"WHERE t.begin_snapshot <= {now} AND coalesce(t.end_snapshot > {now}, true) "
        f"AND c.begin_snapshot <= {now} AND coalesce(c.end_snapshot > {now}, true) "
        f"AND column_name <> {literal(revision)} ORDER BY column_order"
    )
    children: dict[str, dict[int | None, list[_Column]]] = defaultdict(lambda: defaultdict(list))
    for table, parent, *column in rows:
        children[table][parent].append((column[0], column[1], column[2]))
    return {table: _listed(parts, None) for table, parts in children.items()}


def revisable(lake: Lake) -> set[str]:
    """Return the tables of features whose rows hold only as long as the ledger says so.

    Parameters
    ----------
    lake : Lake
    """
    rows = lake.ask(
        f"SELECT DISTINCT 'feat.' || table_name FROM {catalogue}.ducklake_column "
        f"JOIN {catalogue}.ducklake_table USING (table_id) WHERE column_name = {literal(revision)}"
    )
    return {name for (name,) in rows}


def with_files(lake: Lake) -> set[str]:
    """Return the names of the tables of features that have any files.

    Parameters
    ----------
    lake : Lake
    """
    now = lake.snapshot_id
    rows = lake.ask(
        f"SELECT DISTINCT table_name FROM {catalogue}.ducklake_data_file f "
        f"JOIN {catalogue}.ducklake_table t USING (table_id) JOIN {catalogue}.ducklake_schema USING (schema_id) "
        f"WHERE schema_name = 'feat' AND f.begin_snapshot <= {now} AND coalesce(f.end_snapshot > {now}, true)"
    )
    return {name for (name,) in rows}


def _listed(parts: Mapping[int | None, Sequence[_Column]], parent: int | None) -> str:
    return ", ".join(f"{identifier(name)} {_type(parts, number, kind)}" for number, name, kind in parts[parent])


def _type(parts: Mapping[int | None, Sequence[_Column]], number: int, kind: str) -> str:
    if kind == "list":
        ((inner, _, of),) = parts[number]
        return f"{_type(parts, inner, of)}[]"
    if kind == "struct":
        return f"STRUCT({_listed(parts, number)})"
    return _types.get(kind, kind.upper())
