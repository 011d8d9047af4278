"""A shared store's catalogue that holds what mirstore does not make is refused before DuckLake believes it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from mirstore.core.errors import StoreError
from mirstore.store import Store
from mirstore.store.lake import schema

psycopg = pytest.importorskip("psycopg")

attacks = {
    "a view": "INSERT INTO ducklake_view VALUES (1, NULL, 1, NULL, 1, 'x', 'duckdb', 'SELECT 1', NULL)",
    "a macro": "INSERT INTO ducklake_macro VALUES (1, 1, 'x', 1, NULL)",
    "a default": "UPDATE ducklake_column SET default_value = '(SELECT 1)' WHERE column_name = 'value'",
    "a default of another kind": "UPDATE ducklake_column SET default_value_type = 'expression'",
    "a path elsewhere": "UPDATE ducklake_data_file SET path = '../../../x.parquet'",
    "an absolute path": "UPDATE ducklake_data_file SET path = '/etc/passwd', path_is_relative = false",
    "another bucket": "UPDATE ducklake_data_file SET path = 's3://other/ducklake-1.parquet', path_is_relative = false",
    "a table's path": "UPDATE ducklake_table SET path = '../'",
    "a schema's path": "UPDATE ducklake_schema SET path = '/tmp/', path_is_relative = false",
    "SQL in a name": "UPDATE ducklake_table SET table_name = 'x; DROP', path = 'x; DROP/'",
    "a file to be deleted elsewhere": "INSERT INTO ducklake_files_scheduled_for_deletion VALUES "
    "(1, '../../x.parquet', true, now())",
    "rows in the catalogue": "UPDATE ducklake_metadata SET value = '10' WHERE key = 'data_inlining_row_limit'",
    "an option": "INSERT INTO ducklake_metadata VALUES ('expire_older_than', '0', NULL, NULL)",
    "larger row groups": "UPDATE ducklake_metadata SET value = '9999999' WHERE key = 'parquet_row_group_size'",
    "row groups of all tables": "UPDATE ducklake_metadata SET scope = NULL WHERE key = 'parquet_row_group_size'",
    "rows that end": "UPDATE ducklake_data_file SET end_snapshot = 1",
    "a table that lacks": "DROP TABLE ducklake_sort_info",
}


@pytest.fixture(scope="module")
def made(servers):
    with Store(servers.new_store(), create=True) as store:
        return store.address.partition("?")[0]


@pytest.fixture
def copy(made):
    """A copy of the database, which says where the data is."""
    name, (server, _, database) = f"c{uuid4().hex[:12]}", made.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {database}".encode())
    return f"{server}/{name}"


def test_a_copy_that_nobody_touched_opens(copy):
    with Store(copy, read_only=True) as store:
        assert store.newest == 1


def test_a_store_of_a_newer_mirstore_is_none_of_a_stranger(copy):
    with psycopg.connect(copy, autocommit=True) as connection:
        connection.execute(attacks["an option"].encode())
        (about,) = connection.execute(
            "UPDATE ducklake_file_column_stats s SET max_value = '99' FROM ducklake_column c, ducklake_table t "
            "WHERE c.table_id = s.table_id AND c.column_id = s.column_id AND t.table_id = s.table_id "
            "AND table_name = 'meta' AND column_name = 'value' RETURNING min_value"
        ).fetchall()
    assert about == (str(schema.version),)  # what DuckLake keeps of the number
    with pytest.raises(StoreError, match="made by a newer mirstore") as error:
        Store(copy)
    assert error.value.hint == "pip install --upgrade mirstore"


@pytest.mark.parametrize("attack", attacks)
def test_what_mirstore_does_not_make_is_refused(copy, attack):
    with psycopg.connect(copy, autocommit=True) as connection:
        connection.execute(attacks[attack].encode())
    with pytest.raises(StoreError, match=r"has an? |has rows|has encryption|has no table"):
        Store(copy)
