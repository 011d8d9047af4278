"""The catalogue of a shared store is looked at before DuckDB believes it, as that of a folder is.

PostgreSQL's columns hold nothing but what they are declared to hold; what is left is what DuckLake would run or open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mirstore.core.errors import StoreError
from mirstore.store.lake.quoting import literal
from mirstore.store.lake.schema import numbers, refuse_newer, row_group
from mirstore.store.lake.stranger import always_empty, refusal, types

_rules = [
    ("ducklake_metadata", "key", "an option that mirstore does not set",
     "key IN ('version', 'created_by', 'data_path', 'encrypted', 'parquet_compression', 'data_inlining_row_limit') "
     f"AND scope IS NULL OR key = 'parquet_row_group_size' AND value = '{row_group}' AND scope = 'schema' "
     "AND scope_id = (SELECT schema_id FROM ducklake_schema WHERE schema_name = 'feat')"),
    ("ducklake_metadata", "value", "encryption, or rows inside the catalogue",
     "(key <> 'encrypted' OR value = 'false') AND (key <> 'data_inlining_row_limit' OR value = '0')"),
    ("ducklake_schema", "concat(schema_name, ': ', path)", "a schema that mirstore does not make",
     "schema_name IN ('main', 'core', 'feat') AND path = schema_name || '/' AND path_is_relative "
     "AND end_snapshot IS NULL"),
    ("ducklake_table", "concat(table_name, ': ', path)", "a table that mirstore does not make",
     "path = table_name || '/' AND path_is_relative AND end_snapshot IS NULL "
     "AND CASE (SELECT schema_name FROM ducklake_schema s WHERE s.schema_id = ducklake_table.schema_id) "
     "WHEN 'core' THEN table_name ~ '^[a-z][a-z_]*$' "
     "WHEN 'feat' THEN table_name ~ '^[a-z][-a-z0-9_]*_[0-9a-f]{10}$' END"),
    ("ducklake_column", "concat(column_name, ': ', default_value)", "a default, or a type that mirstore does not use",
     "initial_default IS NULL AND default_value = 'NULL' AND default_value_type IN ('literal', '') "
     f"AND column_type IN ({', '.join(map(literal, types))}) AND end_snapshot IS NULL"),
    ("ducklake_data_file", "path", "a file that mirstore does not make",
     "path ~ '^ducklake-[-0-9a-z]+[.]parquet$' AND path_is_relative AND file_format = 'parquet' "
     "AND encryption_key IS NULL AND mapping_id IS NULL AND partition_id IS NULL AND end_snapshot IS NULL"),
    ("ducklake_files_scheduled_for_deletion", "path", "a file to be deleted that mirstore does not make",
     "path ~ '^[a-z]+/[-a-z0-9_]+/ducklake-[-0-9a-z]+[.]parquet$' AND path_is_relative"),
    *((table, "'rows'", f"rows in {table}", "false") for table in always_empty),
]  # fmt: skip
"""Table of the catalogue, what of a row is shown, what it is called, and what holds of each row that mirstore makes."""

_question = " UNION ALL ".join(
    f"(SELECT {literal(what)}, left({shown}, 200) FROM {table} WHERE ({right}) IS NOT TRUE LIMIT 1)"
    for table, shown, what, right in _rules
)


def check_database(ask: Callable[[str], Sequence[Sequence[Any]]], store: str) -> None:
    """Refuse a catalogue that holds what neither mirstore nor DuckLake would have written.

    Parameters
    ----------
    ask : callable
        Returns the rows that a query gives.
    store : str
        Its address, for messages.

    Raises
    ------
    StoreError
        If it does, or lacks tables.
    """
    there = {name for (name,) in ask("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
    if missing := sorted({table for table, *_ in _rules} - there):
        raise StoreError(
            f"{store}: its catalogue has no table {missing[0]}", hint="restore the newest backup of the database"
        )
    refuse_newer((text for row in ask(numbers) for text in row), store)  # which may have what is not known here
    for what, shown in ask(_question):
        raise refusal(store, what, shown or "")
