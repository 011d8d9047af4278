"""Ranges of columns, which the catalogue keeps: DuckLake passes over files by them, so that a wrong one hides rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mirstore.store.lake.files import DataFile
from mirstore.store.lake.home import Catalogue

_read: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: text in ("1", "true"),
    "float32": np.float32,
    "float64": float,
    "int32": int,
    "int64": int,
    "timestamp": datetime.fromisoformat,
    "varchar": str.encode,  # texts are in the order of their bytes
}
"""What a value of a type is, of its text in the catalogue."""

_columns = "JOIN ducklake_column USING (table_id, column_id) WHERE parent_column IS NULL"
_of_files = (
    "SELECT data_file_id, column_name, column_type, min_value, max_value, value_count > 0, null_count > 0 "
    f"FROM ducklake_file_column_stats {_columns}"
)
# DuckLake itself gets a table's range of texts wrong: it keeps none of a file with a long text that is not ASCII, and
# takes that of the next file for the whole table. No honest store is damaged for it.
_number = "CASE WHEN column_type <> 'varchar' THEN {0} END"
_of_tables = (
    f"SELECT table_id, column_name, column_type, {_number.format('min_value')}, {_number.format('max_value')}, 1, "
    f"contains_null FROM ducklake_table_column_stats {_columns}"
)


def hiding(catalogue: Catalogue, files: Sequence[DataFile]) -> Iterator[tuple[DataFile, str]]:
    """Yield files with the name of a column whose range is narrower than the file's footer.

    Ranges of files are looked at, and those of tables but for texts.

    Parameters
    ----------
    catalogue : Catalogue
    files : sequence of DataFile
        Those that cannot be read are passed over.
    """
    by_file, by_table = _told(catalogue, _of_files), _told(catalogue, _of_tables)
    for file in files:
        try:
            groups = _groups(pq.read_metadata(file.path))
        except (OSError, pa.ArrowException, ValueError):
            continue
        for name, kind, *told in [*by_file.get(file.id, []), *by_table.get(file.table_id, [])]:
            try:
                covers = kind not in _read or all(_covers(_read[kind], told, group) for group in groups.get(name, []))
            except (ValueError, TypeError):  # one of the two is damaged
                covers = False
            if not covers:
                yield file, name


def _told(catalogue: Catalogue, query: str) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for id_, *told in catalogue.execute(query):
        found.setdefault(id_, []).append(tuple(told))
    return found


def _groups(about: pq.FileMetaData) -> dict[str, list[pq.ColumnChunkMetaData]]:
    """Return the parts of each column that a footer tells something about."""
    found: dict[str, list[pq.ColumnChunkMetaData]] = {}
    for group in range(about.num_row_groups):
        for number in range(about.num_columns):
            part = about.row_group(group).column(number)
            if part.statistics is not None:
                found.setdefault(part.path_in_schema, []).append(part)
    return found


def _covers(read: Callable[[str], Any], told: Sequence[Any], part: pq.ColumnChunkMetaData) -> bool:
    """Whether what is told (least, greatest, whether there are values and nulls) holds of a part of a column."""
    low, high, values, nulls = told
    there = part.statistics
    if there.has_null_count and ((there.null_count and nulls == 0) or (there.num_values and values == 0)):
        return False
    if not there.has_min_max:
        return True
    least, greatest = (value.encode() if isinstance(value, str) else value for value in (there.min, there.max))
    try:
        return not ((low is not None and read(low) > least) or (high is not None and read(high) < greatest))
    except ValueError:
        return False
