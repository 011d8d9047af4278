"""A store may come from somebody else: its catalogue is looked at before DuckDB believes it.

DuckLake takes what its tables say for true: it evaluates their views, macros, defaults and expressions as SQL, opens
the paths that they name, and SQLite's own views and triggers would stand in for them. mirstore makes none of that, so
whatever has any was made by other hands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from mirstore.core.errors import StoreError
from mirstore.core.text import shortened
from mirstore.store.lake.quoting import literal
from mirstore.store.lake.schema import numbers, refuse_newer, row_group

always_empty = (
    "ducklake_column_mapping", "ducklake_column_tag", "ducklake_delete_file", "ducklake_file_partition_value",
    "ducklake_file_variant_stats", "ducklake_inlined_data_tables", "ducklake_macro", "ducklake_macro_impl",
    "ducklake_macro_parameters", "ducklake_name_mapping", "ducklake_partition_column", "ducklake_partition_info",
    "ducklake_sort_expression", "ducklake_sort_info", "ducklake_tag", "ducklake_view",
)  # fmt: skip
_filled = (
    "ducklake_column", "ducklake_data_file", "ducklake_file_column_stats", "ducklake_files_scheduled_for_deletion",
    "ducklake_metadata", "ducklake_schema", "ducklake_schema_versions", "ducklake_snapshot",
    "ducklake_snapshot_changes", "ducklake_table", "ducklake_table_column_stats", "ducklake_table_stats",
)  # fmt: skip
_with_number = {"ducklake_schema", "ducklake_table", "ducklake_column", "ducklake_file_column_stats"}
_journal = "catalog.sqlite-journal"  # the catalogue is in WAL mode, always
_movable = ("data", "tensors", "artifacts", "jobs", "checkpoints", "backups")
_column = r'("\w+"|\w+) [A-Z]+( PRIMARY KEY| NOT NULL)?'
_plain_table = re.compile(rf'CREATE TABLE "?(?P<name>\w+)"? ?\({_column}(, ?{_column})*\)', re.ASCII)


def _whole(*columns: str, or_null: Sequence[str] = ()) -> str:
    """Return the condition that columns hold whole numbers; SQLite lets them hold anything, and orders texts last."""
    each = [*columns, *(f"coalesce({name}, 0)" for name in or_null)]
    ranges = " AND ".join(f"{name} BETWEEN 0 AND {1 << 60}" for name in each)
    return f"{ranges} AND typeof({' + '.join(each)}) = 'integer'"  # one call: there is a row per file and column


def _text_or_null(*columns: str) -> str:
    """Return the condition that columns of text hold no bytes, which SQLite orders after texts."""
    return " AND ".join(f"({name} < x'') IS NOT 0" for name in columns)


def _time(column: str) -> str:
    """Return the condition that a column holds a time as DuckLake writes it, which is one of the calendar's."""
    second, rest = f"substr({column}, 1, 19)", f"substr({column}, 20)"
    return (
        f"typeof({column}) = 'text' AND {column} BETWEEN '1970' AND '9999' AND length({column}) <= 29 "
        f"AND {second} = datetime({second}, '+0 seconds') "
        f"AND ({rest} = '+00' OR {rest} GLOB '.[0-9]*+00' AND rtrim({rest}, '+00') NOT GLOB '.*[^0-9]*')"
    )


_always = "end_snapshot IS NULL AND begin_snapshot IN (SELECT snapshot_id FROM ducklake_snapshot)"
"""Nothing in a store ends: rows are never taken out of a snapshot."""

types = ("boolean", "float32", "float64", "int32", "int64", "list", "struct", "timestamp", "varchar")

_rules = [
    ("ducklake_metadata", '"key"', "an option that mirstore does not set",
     "\"key\" IN ('version', 'created_by', 'data_path', 'encrypted', 'parquet_compression', "
     "'data_inlining_row_limit') AND scope IS NULL AND scope_id IS NULL AND typeof(\"value\") = 'text' "
     f"OR \"key\" = 'parquet_row_group_size' AND \"value\" = '{row_group}' AND scope = 'schema' "
     "AND scope_id = (SELECT schema_id FROM ducklake_schema WHERE schema_name = 'feat')"),
    ("ducklake_metadata", '"value"', "encryption", "\"key\" <> 'encrypted' OR \"value\" = 'false'"),
    ("ducklake_metadata", '"value"', "rows inside the catalogue",
     "\"key\" <> 'data_inlining_row_limit' OR \"value\" = '0'"),
    ("ducklake_snapshot", "snapshot_id", "a snapshot that is none",
     f"{_whole('snapshot_id', 'schema_version', 'next_catalog_id', 'next_file_id')} AND {_time('snapshot_time')}"),
    ("ducklake_snapshot", "snapshot_id", "a last snapshot that gives numbers twice",
     "snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshot) "
     "OR next_file_id > coalesce((SELECT max(data_file_id) FROM ducklake_data_file), -1) "
     "AND next_catalog_id > (SELECT max(table_id) FROM ducklake_table)"),
    ("ducklake_snapshot_changes", "snapshot_id", "a commit that mirstore does not make",
     f"{_whole('snapshot_id')} AND (changes_made = '' OR changes_made GLOB '[a-z]*_[a-z]*:*') "
     f"AND {_text_or_null('author', 'commit_message')} "
     "AND (commit_extra_info IS NULL OR CASE WHEN json_valid(commit_extra_info) AND typeof(commit_extra_info) = 'text' "
     "THEN json_type(commit_extra_info) = 'object' AND NOT EXISTS "
     "(SELECT 1 FROM json_each(commit_extra_info) WHERE type NOT IN ('text', 'null')) END)"),
    ("ducklake_schema", "schema_name || ': ' || path", "a schema that mirstore does not make",
     "schema_name IN ('main', 'core', 'feat') AND path = schema_name || '/' AND path_is_relative = 1 "
     f"AND typeof(schema_uuid) = 'text' AND {_whole('schema_id', 'begin_snapshot')} AND {_always}"),
    ("ducklake_table", "table_name || ': ' || path", "a table that mirstore does not make",
     "path = table_name || '/' AND path_is_relative = 1 AND typeof(table_uuid) = 'text' "
     f"AND {_whole('table_id', 'begin_snapshot')} AND {_always} "
     "AND CASE (SELECT schema_name FROM ducklake_schema s WHERE s.schema_id = ducklake_table.schema_id) "
     "WHEN 'core' THEN table_name GLOB '[a-z]*' AND table_name NOT GLOB '*[^a-z_]*' "
     f"WHEN 'feat' THEN table_name GLOB '[a-z]*_{'[0-9a-f]' * 10}' AND table_name NOT GLOB '*[^-a-z0-9_]*' END"),
    ("ducklake_schema_versions", "table_id", "a version of a table that is none",
     _whole("begin_snapshot", "schema_version", "table_id")),
    ("ducklake_column", "column_name || ': ' || coalesce(default_value, initial_default)", "a default",
     "initial_default IS NULL AND default_value = 'NULL' AND default_value_type IN ('literal', '') "
     "AND default_value_dialect = 'duckdb'"),
    ("ducklake_column", "column_name || ': ' || column_type", "a type that mirstore does not use",
     f"column_type IN {types} AND typeof(column_name) = 'text' AND nulls_allowed = 1 AND {_always} AND "
     + _whole("column_id", "begin_snapshot", "table_id", "column_order", or_null=["parent_column"])),
    ("ducklake_data_file", "path", "a file that mirstore does not make",
     "path GLOB 'ducklake-*.parquet' AND path NOT GLOB '*[^-.0-9a-z]*' AND path_is_relative = 1 "
     "AND file_format = 'parquet' AND encryption_key IS NULL AND mapping_id IS NULL AND partition_id IS NULL "
     f"AND file_order IS NULL AND {_always} AND "
     + _whole("data_file_id", "table_id", "begin_snapshot", "record_count", "file_size_bytes", "footer_size",
              or_null=["partial_max", "row_id_start"])),  # merged of files that do not follow each other: without a row
    ("(SELECT f.*, t.begin_snapshot AS since FROM ducklake_data_file f LEFT JOIN ducklake_table t USING (table_id))",
     "path", "a file of no table, or older than its table", "begin_snapshot >= since"),
    ("ducklake_files_scheduled_for_deletion", "path", "a file to be deleted that mirstore does not make",
     "path GLOB '[a-z]*/*/ducklake-*.parquet' AND path NOT GLOB '*..*' AND path NOT GLOB '*[^-./_0-9a-z]*' "
     f"AND path_is_relative = 1 AND {_whole('data_file_id')} AND {_time('schedule_start')}"),
    ("ducklake_table_stats", "table_id", "a size of a table that is none",
     _whole("table_id", "record_count", "next_row_id", "file_size_bytes")),
    ("ducklake_table_column_stats", "coalesce(min_value, max_value)", "a range of a column that mirstore does not make",
     f"{_text_or_null('min_value', 'max_value')} AND extra_stats IS NULL AND "
     + _whole("table_id", "column_id", or_null=["contains_null", "contains_nan"])),
    ("ducklake_file_column_stats", "coalesce(min_value, max_value)", "a range of a column that mirstore does not make",
     f"{_text_or_null('min_value', 'max_value')} AND extra_stats IS NULL AND "
     + _whole("data_file_id", "table_id", "column_id",
              or_null=["column_size_bytes", "value_count", "null_count", "contains_nan"])),
    *((table, "'rows'", f"rows in {table}", "false") for table in always_empty),
]  # fmt: skip
"""Table of the catalogue, what of a row is shown, what it is called, and what holds of each row that mirstore makes."""

_question = " UNION ALL ".join(
    f"SELECT {literal(what)}, substr(coalesce({shown}, 'null'), 1, 200) FROM {table} WHERE ({right}) IS NOT 1"
    for table, shown, what, right in _rules
)


def refuse_links(folder: Path) -> None:
    """Refuse a store some of whose own files are links: what is written to them would be written elsewhere.

    A user may move ``data``, ``tensors`` and the like to another disk, and leave a link; nothing behind one is deleted.

    Parameters
    ----------
    folder : path
        The store's.

    Raises
    ------
    StoreError
        If one is a link, or no file at all, or is of a kind that makes SQLite delete others.
    """
    entries = {entry.name: entry for entry in _entries(folder)}
    if _journal in entries:  # SQLite would roll back what it says, and delete another file that it names
        raise refusal(folder, "a journal beside its catalogue, which mirstore never leaves", _journal)
    for name, entry in entries.items():
        own = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
        if not own and name not in _movable and os.path.lexists(entry.path):  # else another process took it away
            raise refusal(folder, "something else than a file of its own", name)
    for link in _links(folder / "data"):
        raise refusal(folder, "a link in its data", str(link.relative_to(folder)))


def _links(folder: Path) -> list[Path]:
    """Return links to the folders of schemas and tables."""
    schemas = _entries(folder)
    tables = [table for schema in schemas if not schema.is_symlink() for table in _entries(schema.path)]
    return [Path(entry.path) for entry in (*schemas, *tables) if entry.is_symlink()]


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def check_catalogue(connection: duckdb.DuckDBPyConnection, path: str, folder: Path) -> None:
    """Refuse a catalogue that holds what neither mirstore nor DuckLake would have written.

    It is SQLite that is asked here, as it stands in DuckDB: a second SQLite in this process would end the first one's
    locks when it closes the file.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        To which nothing is attached yet.
    path : str
        Of the catalogue.
    folder : path
        The store's, for messages.

    Raises
    ------
    StoreError
        If it does, or is no catalogue at all.
    """
    connection.execute(f"ATTACH {literal(path)} AS seen (TYPE sqlite, READ_ONLY, BUSY_TIMEOUT 10000)")
    try:
        made = _ask(connection, "SELECT type, name, coalesce(sql, '') FROM sqlite_master")
        if _with_number <= {name for kind, name, sql in made if _is_plain(kind, name, sql)}:
            told = _ask(connection, f"{numbers} AND {_text_or_null('min_value', 'max_value')}")
            refuse_newer((text for row in told for text in row), folder)  # which may have what is not known here
        _check_tables(made, folder)
        for what, shown in _ask(connection, f"{_question} LIMIT 1"):
            raise refusal(folder, what, shown)
    finally:
        connection.execute("DETACH seen")


def _ask(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, ...]]:
    return connection.execute(f"FROM sqlite_query('seen', {literal(query)})").fetchall()


def _check_tables(made: list[tuple[str, ...]], folder: Path) -> None:
    """Refuse what is no plain table of DuckLake's: SQLite's own views, triggers and virtual tables are programs."""
    tables = set()
    for kind, name, sql in made:
        if _is_plain(kind, name, sql) and name in {*always_empty, *_filled}:
            tables.add(name)
        elif kind != "index" or sql or not name.startswith("sqlite_autoindex_"):
            raise refusal(folder, f"a {kind} that mirstore does not make", name)
    for missing in sorted({*always_empty, *_filled} - tables):
        raise StoreError(
            f"{folder}: its catalogue has no table {missing}: it is damaged, or of something else",
            hint="mirstore doctor; the last good catalogue is in the store's backups folder",
        )


def _is_plain(kind: str, name: str, sql: str) -> bool:
    plain = _plain_table.fullmatch(sql)
    return kind == "table" and plain is not None and plain["name"] == name


def refusal(store: Path | str, what: str, shown: str) -> StoreError:
    """Return the error about a store that has what mirstore does not make.

    Parameters
    ----------
    store : path or str
        For the message.
    what, shown : str
        What it has, and the part of it that tells.
    """
    return StoreError(f"{store}: has {what}: {shortened(repr(shown), 120)}", hint="do not use it; ask who made it")
