"""A store that somebody else made can do nothing but be read: each attack is tried on a real store."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_store import Patches, loudness, stamp

from mirstore.core.errors import ConfigError, StoreError, TrackError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.core.packs import Reference, references
from mirstore.core.registry import Registry
from mirstore.store import Store
from mirstore.store.history import pin
from mirstore.store.ingest.preview import preview
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.lake import schema
from mirstore.store.lake.connect import committer, lock_down, with_extensions
from mirstore.store.lake.doctor import doctor, examine
from mirstore.store.lake.quoting import identifier, literal
from mirstore.store.lake.rebuilding import rebuild
from mirstore.store.lake.repairing import repair
from mirstore.store.lake.stranger import check_catalogue

patches = FeatureSet("patches", Patches())
track = "a" * 64


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    """A small store of several commits, merged once, so that files wait for their deletion."""
    path = tmp_path_factory.mktemp("honest") / "store"
    with Store(path, create=True) as store:
        for letter in "ab":
            with store.write("ingest") as tx:
                tx.add_feature_set("loudness", loudness, **stamp)
                tx.add_feature_set("patches", patches, **stamp)
                tx.append("core.locations", [{"track": letter * 64, "path": f"/m/{letter}.wav", **stamp}])
                tx.append("core.tracks", [{"track": letter * 64, "duration": 1.0, **stamp}], key=["track"])
                tx.append_features(loudness, [{"track": letter * 64, "rms_db": -3.0}], **stamp)
                mel = np.full((4, 3), ord(letter), np.float16)
                tx.append_features(patches, [{"track": letter * 64, "start": 0.0, "mel": mel}], **stamp)
        store.compact()
    return path


@pytest.fixture
def store(honest, tmp_path) -> Path:
    """A copy to be tampered with."""
    return Path(shutil.copytree(honest, tmp_path / "store"))


@contextmanager
def catalogue(store: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store / "catalog.sqlite")) as connection, connection:
        yield connection


def every_way_to_open(store: Path) -> Iterator[Callable[[], object]]:
    yield lambda: Store(store, read_only=True).close()
    yield lambda: Store(store).close()
    yield lambda: Store(store, snapshot=1).close()


def refuses(store: Path, what: str, hint: str = "do not use it; ask who made it") -> None:
    for opening in every_way_to_open(store):
        with pytest.raises(StoreError, match=what) as caught:
            opening()
        assert str(store) in caught.value.message
        assert caught.value.hint == hint


def test_an_honest_store_opens_everywhere(store):
    for opening in every_way_to_open(store):
        opening()
    with Store(store) as opened:
        assert opened.sql("SELECT count(*) FROM tracks").rows() == [(2,)]
        assert opened.gc(0.0) != []
        assert doctor(opened) == []
    with Store(store) as opened:  # also without the files that were merged
        assert opened.sql("SELECT sum(rms_db) FROM loudness").rows() == [(-6.0,)]


@pytest.mark.parametrize("number", [schema.version + 1, 12])
@pytest.mark.parametrize(
    "news",
    [
        "INSERT INTO ducklake_metadata VALUES ('another_option', '1', NULL, NULL)",
        "CREATE TABLE ducklake_news (what VARCHAR)",
        "UPDATE ducklake_column SET column_type = 'int128' WHERE column_name = 'bytes'",
    ],
)
def test_a_store_of_a_newer_mirstore_is_none_of_a_stranger(store, monkeypatch, number, news):
    with monkeypatch.context() as newer:
        newer.setattr(schema, "version", number)
        with Store(store) as opened:
            opened.compact()
            assert len(opened.files("core.meta")) == 1  # with both numbers
    with catalogue(store) as opened:
        opened.execute(news)
    refuses(store, rf"made by a newer mirstore \(store schema {number}, this", hint="pip install --upgrade mirstore")
    (problem,) = examine(store)
    assert (problem["remedy"], "newer mirstore" in problem["problem"]) == ("pip install --upgrade mirstore", True)
    before = (store / "catalog.sqlite").read_bytes()
    with pytest.raises(StoreError, match="newer mirstore"):
        repair(store, deep=True)
    with pytest.raises(StoreError, match="newer mirstore"):
        rebuild(store)
    assert (store / "catalog.sqlite").read_bytes() == before


# What stands in the catalogue

_schema_of = "SELECT schema_id FROM ducklake_schema WHERE schema_name = 'core'"
_edits = {
    "a table's name that is SQL": (
        "UPDATE ducklake_table SET table_name = 'meta'') LIMIT 0; COPY (SELECT 1) TO ''EVIL''; --' "
        "WHERE table_name = 'pins'",
        "a table that mirstore does not make: \"meta'",
    ),
    "a view over a file": (
        "INSERT INTO ducklake_view VALUES (900, 'u', 0, NULL, 2, 'meta', 'duckdb', "
        "'SELECT content AS key, 1 AS value FROM read_text(''/etc/hostname'')', '')",
        "rows in ducklake_view",
    ),
    "a macro": ("INSERT INTO ducklake_macro VALUES (2, 900, 'max', 0, NULL)", "rows in ducklake_macro"),
    "a macro's text": ("INSERT INTO ducklake_macro_impl VALUES (9, 0, 'duckdb', '1', 'scalar')", "ducklake_macro_impl"),
    "a macro's parameter": (
        "INSERT INTO ducklake_macro_parameters VALUES (9, 0, 0, 'a', 'int32', 'now()', 'expression')",
        "ducklake_macro_parameters",
    ),
    "a schema of its own": (
        "INSERT INTO ducklake_schema VALUES (90, 'u', 0, NULL, 'evil', 'evil/', 1)",
        "a schema that mirstore does not make: 'evil: evil/'",
    ),
    "a schema elsewhere": ("UPDATE ducklake_schema SET path = '/etc/', path_is_relative = 0", "a schema"),
    "a schema above": ("UPDATE ducklake_schema SET path = '../' WHERE schema_name = 'core'", "a schema"),
    "a table elsewhere": ("UPDATE ducklake_table SET path = '/etc/', path_is_relative = 0", "a table"),
    "a table above": ("UPDATE ducklake_table SET path = '../../' WHERE table_name = 'tracks'", "a table"),
    "a table in main": (
        "UPDATE ducklake_table SET schema_id = 0 WHERE table_name = 'pins'", "a table that mirstore does not make",
    ),
    "a table without schema": ("UPDATE ducklake_table SET schema_id = 77 WHERE table_name = 'pins'", "a table"),
    "a table of features with any name": (
        "UPDATE ducklake_table SET table_name = 'evil', path = 'evil/' WHERE table_name GLOB 'loudness_*'", "'evil: ",
    ),
    "a default that is SQL": (
        "UPDATE ducklake_column SET default_value = 'getenv(''HOME'')', default_value_type = 'expression' "
        "WHERE column_name = 'path'",
        "a default: \"path: getenv",
    ),
    "an initial default": (
        "UPDATE ducklake_column SET initial_default = 'x' WHERE column_name = 'path'", "a default: 'path: ",
    ),
    "a type that is SQL": (
        "UPDATE ducklake_column SET column_type = 'varchar); COPY (SELECT 1) TO ''EVIL''; --' "
        "WHERE column_name = 'note'",
        "a type that mirstore does not use",
    ),
    "an absolute file": (
        "UPDATE ducklake_data_file SET path = '/private/private.parquet', path_is_relative = 0",
        "a file that mirstore does not make: '/private/private.parquet'",
    ),
    "an absolute file called relative": ("UPDATE ducklake_data_file SET path = '/private/private.parquet'", "a file"),
    "a file above": ("UPDATE ducklake_data_file SET path = '../../../private.parquet'", "a file"),
    "a file with stars": ("UPDATE ducklake_data_file SET path = 'ducklake-*.parquet'", "a file"),
    "a file on the network": ("UPDATE ducklake_data_file SET path = 'http://evil/ducklake-1.parquet'", "a file"),
    "a CSV file": ("UPDATE ducklake_data_file SET file_format = 'csv'", "a file"),
    "an encrypted file": ("UPDATE ducklake_data_file SET encryption_key = 'k'", "a file"),
    "a mapped file": ("UPDATE ducklake_data_file SET mapping_id = 1", "a file"),
    "a deletion outside": (
        "UPDATE ducklake_files_scheduled_for_deletion SET path = '/private/thesis.txt', path_is_relative = 0",
        "a file to be deleted that mirstore does not make: '/private/thesis.txt'",
    ),
    "a deletion above": (
        "UPDATE ducklake_files_scheduled_for_deletion SET path = 'core/../../ducklake-1.parquet'", "a file to be",
    ),
    "a deletion of other files": ("UPDATE ducklake_files_scheduled_for_deletion SET path = 'core/a/b.txt'", "deleted"),
    "a delete file": (
        "INSERT INTO ducklake_delete_file VALUES (1, 1, 1, NULL, 1, '/x', 0, 'parquet', 1, 1, 1, NULL, NULL)",
        "rows in ducklake_delete_file",
    ),
    "inlined rows": ("INSERT INTO ducklake_inlined_data_tables VALUES (1, 'x; DROP', 1)", "ducklake_inlined"),
    "a sort expression": (
        "INSERT INTO ducklake_sort_expression VALUES (1, 1, 0, 'getenv(''HOME'')', 'duckdb', 'ASC', 'NULLS_LAST')",
        "ducklake_sort_expression",
    ),
    "a partition": ("INSERT INTO ducklake_partition_column VALUES (1, 1, 0, 1, 'identity')", "ducklake_partition"),
    "a mapping": ("INSERT INTO ducklake_name_mapping VALUES (1, 1, 'a', 1, NULL, 1)", "ducklake_name_mapping"),
    "a comment": ("INSERT INTO ducklake_tag VALUES (1, 0, NULL, 'comment', 'x')", "rows in ducklake_tag"),
    "encryption": ("UPDATE ducklake_metadata SET value = 'true' WHERE key = 'encrypted'", "has encryption: 'true'"),
    "inlining": (
        "UPDATE ducklake_metadata SET value = '1000' WHERE key = 'data_inlining_row_limit'", "rows inside the catalog",
    ),
    "an option": (
        "INSERT INTO ducklake_metadata VALUES ('hive_file_pattern', 'true', NULL, NULL)",
        "an option that mirstore does not set: 'hive_file_pattern'",
    ),
    "an option of one table": (
        "UPDATE ducklake_metadata SET scope = 'table', scope_id = 3 WHERE key = 'parquet_compression'", "an option",
    ),
    "larger row groups": (
        "UPDATE ducklake_metadata SET value = '16384000' WHERE key = 'parquet_row_group_size'",
        "an option that mirstore does not set: 'parquet_row_group_size'",
    ),
    "row groups that are SQL": (
        "UPDATE ducklake_metadata SET value = '1); --' WHERE key = 'parquet_row_group_size'", "an option",
    ),
    "row groups of all tables": (
        "UPDATE ducklake_metadata SET scope = NULL, scope_id = NULL WHERE key = 'parquet_row_group_size'", "an option",
    ),
    "row groups of another schema": (
        "UPDATE ducklake_metadata SET scope_id = 0 WHERE key = 'parquet_row_group_size'", "an option",
    ),
    "another option of that schema": (
        "UPDATE ducklake_metadata SET key = 'hive_file_pattern' WHERE key = 'parquet_row_group_size'", "an option",
    ),
    "an unknown table": ("CREATE TABLE ducklake_inlined_data_1_1 (a BIGINT)", "a table that mirstore does not make"),
    "a view of SQLite": ("CREATE VIEW more AS SELECT 1", "a view that mirstore does not make: 'more'"),
    "a view in a table's place": (
        "DROP TABLE ducklake_macro; CREATE VIEW ducklake_macro AS SELECT 1", "a view that mirstore does not make",
    ),
    "a trigger": (
        "CREATE TRIGGER t AFTER INSERT ON ducklake_snapshot BEGIN DELETE FROM ducklake_table; END",
        "a trigger that mirstore does not make: 't'",
    ),
    "a virtual table": ("CREATE VIRTUAL TABLE v USING fts5(a)", "a table that mirstore does not make"),
    "a generated column": (
        "DROP TABLE ducklake_macro; CREATE TABLE ducklake_macro(a BIGINT, b BIGINT AS (a))", "a table that",
    ),
    "a check": ("DROP TABLE ducklake_macro; CREATE TABLE ducklake_macro(a BIGINT CHECK (a > 1))", "a table that"),
    "an index": ("CREATE INDEX i ON ducklake_macro(abs(macro_id))", "a index that mirstore does not make"),
}  # fmt: skip


@pytest.mark.parametrize("attack", _edits)
def test_what_mirstore_would_not_write_is_refused_before_it_is_believed(store, attack):
    edit, what = _edits[attack]
    with catalogue(store) as connection:
        connection.executescript(edit)
    refuses(store, what)


_numbers = {
    "ducklake_snapshot": ["snapshot_id", "schema_version", "next_catalog_id", "next_file_id"],
    "ducklake_schema": ["schema_id", "begin_snapshot", "schema_uuid", "path"],
    "ducklake_table": ["table_id", "begin_snapshot", "schema_id", "table_name", "table_uuid"],
    "ducklake_column": ["column_id", "begin_snapshot", "table_id", "column_order", "column_type"],
    "ducklake_data_file": ["data_file_id", "table_id", "begin_snapshot", "path", "record_count", "file_size_bytes"],
}


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in _numbers for column in _numbers[table]])
def test_what_is_no_number_or_no_text_is_refused(honest, store, table, column):
    values = ["NULL", "x'ff00'", "-1", "1.5", "9223372036854775807"]
    for value in values[:2] if column.endswith("uuid") else values:
        for file in store.glob("catalog.sqlite-*"):
            file.unlink()
        shutil.copy(honest / "catalog.sqlite", store)
        with catalogue(store) as connection:
            connection.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = 1")
        with pytest.raises(StoreError):
            Store(store)


_absurd = {
    "null": "NULL",
    "bytes": "x'ff00'",
    "no UTF-8": "CAST(x'ff' AS TEXT)",
    "text": "'x'",
    "steering": "char(27) || '[31m' || char(10)",
    "negative": "-1",
    "fraction": "1.5",
    "huge": "9223372036854775807",
    "infinite": "9e999",
}


def shown(store: Path) -> list[list[tuple[object, ...]]]:
    """What a user sees of a store."""
    with Store(store, read_only=True) as opened:
        views = ("tracks", "loudness", "patches", "ingests", "core.locations", "information_schema.tables")
        return [
            *(opened.sql(f"SELECT * FROM {view} ORDER BY ALL").rows() for view in views),
            opened.sql("SELECT snapshot FROM snapshots ORDER BY ALL").rows(),
            opened.features("loudness").sort("track").rows(),
        ]


@pytest.mark.parametrize("kind", _absurd)
def test_an_absurd_value_in_any_column_is_refused_or_changes_nothing(honest, store, kind):
    """Each column in turn is asked of the check; what passes it is read all together."""
    looking, passed = with_extensions("ducklake", "sqlite_scanner"), list[str]()
    lock_down(looking, f"{store}/data/")
    with closing(sqlite3.connect(store / "catalog.sqlite", isolation_level=None)) as connection, closing(looking):
        connection.execute("PRAGMA synchronous = OFF")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                last = f"WHERE rowid = (SELECT max(rowid) FROM {table})"
                before = connection.execute(f'SELECT "{column}" FROM {table} {last}').fetchone()
                edit = f'UPDATE {table} SET "{column}" = {_absurd[kind]} {last}'
                with suppress(sqlite3.IntegrityError):  # no catalogue can say that
                    connection.execute(edit)
                    if before and allowed(looking, store):
                        passed.append(edit)
                    connection.execute(f'UPDATE {table} SET "{column}" = ? {last}', before or [None])
        for edit in passed:
            connection.execute(edit)
    if kind == "no UTF-8":  # DuckDB does not take it from SQLite
        with pytest.raises(StoreError, match="its catalogue cannot be read"):
            shown(store)
    else:
        assert shown(store) == shown(honest)


def allowed(looking: duckdb.DuckDBPyConnection, store: Path) -> bool:
    try:
        check_catalogue(looking, str(store / "catalog.sqlite"), store)
    except (StoreError, duckdb.Error):  # which opening the store makes a StoreError of
        return False
    return True


def test_what_is_refused_is_shown_without_steering_the_terminal_and_short(store):
    with catalogue(store) as connection:
        connection.execute("UPDATE ducklake_table SET table_name = ? WHERE table_name = 'pins'", ["\x1b[31m\n" * 1000])
    with pytest.raises(StoreError) as caught:
        Store(store)
    assert "\x1b" not in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 1000


def test_another_data_path_changes_nothing(store):
    with catalogue(store) as connection:
        connection.execute("UPDATE ducklake_metadata SET value = '/etc/' WHERE key = 'data_path'")
    with Store(store) as opened:
        assert opened.sql("SELECT count(*) FROM tracks").rows() == [(2,)]
        with opened.write("more") as tx:
            tx.append("core.pins", [{"name": "here", "snapshot": 1}])
        assert all(path.is_relative_to(store) for path in opened.files("core.pins"))


def test_the_catalogue_is_checked_with_its_log(store):
    with closing(sqlite3.connect(store / "catalog.sqlite")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("INSERT INTO ducklake_macro VALUES (2, 900, 'max', 0, NULL)")
        connection.commit()
        assert (store / "catalog.sqlite-wal").stat().st_size > 0
        refuses(store, "rows in ducklake_macro")


def test_the_copy_of_a_catalogue_on_read_only_media_is_checked(store, monkeypatch):
    with catalogue(store) as connection:
        connection.execute("INSERT INTO ducklake_macro VALUES (2, 900, 'max', 0, NULL)")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    refuses(store, "rows in ducklake_macro")


_no_catalogue = {
    "empty": b"",
    "text": b"no database at all" * 1000,
    "half a header": b"SQLite format 3\x00",
}


@pytest.mark.parametrize("kind", _no_catalogue)
def test_what_is_no_catalogue_is_said_to_be_none(store, kind):
    (store / "catalog.sqlite").write_bytes(_no_catalogue[kind])
    refuses(store, "its catalogue", "mirstore doctor; the last good catalogue is in the store's backups folder")
    assert (store / "catalog.sqlite").read_bytes() == _no_catalogue[kind]  # and no lake is made of it


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_half_a_catalogue_is_a_message(store, share):
    with catalogue(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = (store / "catalog.sqlite").read_bytes()
    (store / "catalog.sqlite").write_bytes(data[: int(len(data) * share)])
    for opening in every_way_to_open(store):
        with pytest.raises(StoreError, match="its catalogue"):
            opening()


def test_another_database_is_a_message(store):
    (store / "catalog.sqlite").unlink()
    with catalogue(store) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    refuses(store, "a table that mirstore does not make: 'photos'")


# Links


@pytest.mark.parametrize(
    "name", ["catalog.sqlite", "catalog.sqlite-wal", "write.lock", "checksums.sha256", "checksums.sha256.new", "notes"]
)
def test_own_files_that_are_links_are_refused_and_nothing_is_written_behind_them(store, tmp_path, name):
    victim = tmp_path / "victim"
    if (store / name).exists():
        (store / name).rename(victim)
    else:
        victim.write_text("mine")
    before = victim.read_bytes()
    (store / name).symlink_to(victim)
    refuses(store, f"something else than a file of its own: '{name}'")
    assert victim.read_bytes() == before


@pytest.mark.parametrize("name", ["catalog.sqlite-shm", "checksums.sha256", "write.lock"])
def test_own_files_that_are_pipes_are_refused_and_not_waited_for(store, name):
    (store / name).unlink(missing_ok=True)
    os.mkfifo(store / name)
    refuses(store, f"something else than a file of its own: '{name}'")


def test_a_lock_that_is_a_link_makes_no_file_elsewhere(tmp_path):
    (tmp_path / "write.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="cannot be written"), committer(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(StoreError):  # a new store in a folder that somebody prepared
        Store(tmp_path, create=True)
    assert not (tmp_path / "elsewhere").exists()


def hot_journal(victim: Path, pages: int) -> bytes:
    """Return a journal after which SQLite believes that a transaction over several files was cut off."""
    magic, name = bytes.fromhex("d9d505f920a163d7"), str(victim).encode()
    head = magic + struct.pack(">IIIII", 0, 1, pages, 512, 4096)
    checksum = sum(byte if byte < 128 else byte - 256 for byte in name) & 0xFFFFFFFF
    return (
        head.ljust(512, b"\0")
        + struct.pack(">I", (1 << 30) // 4096 + 1)
        + name
        + struct.pack(">II", len(name), checksum)
        + magic
    )


def test_a_journal_that_would_delete_a_file_is_refused(store, tmp_path):
    victim = tmp_path / "thesis.txt"
    journal = store / "catalog.sqlite-journal"
    with catalogue(store) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    victim.write_text("all my work")
    journal.write_bytes(hot_journal(victim, pages))
    refuses(store, "a journal beside its catalogue, which mirstore never leaves")
    assert victim.exists()
    (store / "catalog.sqlite").rename(tmp_path / "catalog.sqlite")
    with pytest.raises(StoreError):  # nor is a new catalogue made beside it
        Store(store, create=True)
    (tmp_path / "catalog.sqlite").rename(store / "catalog.sqlite")
    with catalogue(store) as connection:  # what SQLite would have done
        connection.execute("SELECT count(*) FROM ducklake_table").fetchone()
    assert not victim.exists()


@pytest.mark.parametrize("folder", ["core", "core/tracks", "feat"])
def test_links_in_the_data_are_refused(store, tmp_path, folder):
    (store / "data" / folder).rename(tmp_path / "elsewhere")
    (store / "data" / folder).symlink_to(tmp_path / "elsewhere")
    refuses(store, f"a link in its data: 'data/{folder}'")


def test_a_data_file_that_is_a_link_is_refused(store, tmp_path):
    pl.DataFrame({"track": [track], "duration": [42.0]}).write_parquet(tmp_path / "private.parquet")
    with Store(store) as opened:
        (file,) = opened.files("core.tracks")
    file.unlink()
    file.symlink_to(tmp_path / "private.parquet")
    with Store(store, read_only=True) as opened:
        with pytest.raises(StoreError, match=f"{file.name}: is a link"):
            opened.sql("SELECT duration FROM tracks")
        with pytest.raises(StoreError, match="is a link"):
            opened.scan("core.tracks")


@pytest.mark.parametrize("folder", ["tensors", "artifacts", "jobs", "checkpoints", "backups"])
def test_gc_neither_deletes_nor_writes_behind_a_link(store, tmp_path, folder):
    elsewhere = tmp_path / "elsewhere"
    mine = [
        elsewhere / "notes.txt",
        elsewhere / f"{'a' * 64}.safetensors",
        elsewhere / ("b" * 64) / "card.json",
        elsewhere / ("c" * 12) / "1.safetensors",
    ]
    for path in mine:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    if (store / folder).exists():
        shutil.rmtree(store / folder)
    (store / folder).symlink_to(elsewhere)
    with Store(store) as opened:
        if folder == "backups":
            with pytest.raises(StoreError, match="is a link, and nothing is written behind a link"):
                opened.gc(0.0)
        else:
            opened.gc(0.0)
    assert sorted(path for path in elsewhere.rglob("*") if path.is_file()) == sorted(mine)


def test_gc_deletes_nothing_behind_a_link_deeper_down(store, tmp_path):
    (tmp_path / "mine").mkdir()
    files = [tmp_path / "mine" / f"{'a' * 64}.safetensors", tmp_path / "mine" / f"ducklake-{'0' * 8}.parquet"]
    for file in files:
        file.write_text("mine")
    (store / "tensors" / "deeper").symlink_to(tmp_path / "mine")
    (store / "tensors" / f"{'b' * 64}.safetensors").symlink_to(files[0])
    with Store(store) as opened:
        opened.gc(0.0)
    assert all(file.exists() for file in files)


# The connection


def test_the_connection_opens_nothing_but_the_data(store, tmp_path):
    (tmp_path / "private.txt").write_text("mine")
    with Store(store) as opened:
        for statement in (
            f"FROM read_text({literal(str(tmp_path / 'private.txt'))})",
            f"FROM glob({literal(str(tmp_path / '*'))})",
            f"COPY (SELECT 1) TO {literal(str(tmp_path / 'evil.csv'))}",
            f"COPY (SELECT 1) TO {literal(str(store / 'data' / '..' / 'evil.csv'))}",
            f"ATTACH {literal(str(tmp_path / 'evil.duckdb'))}",
            f"EXPORT DATABASE {literal(str(tmp_path / 'evil'))}",
            "INSTALL httpfs",
            "FROM read_csv('http://127.0.0.1:9/evil.csv')",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
            "SET allow_unsigned_extensions = true",
        ):
            with pytest.raises(duckdb.Error):
                opened._connection.execute(statement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["private.txt", "store"]


def test_a_call_is_one_statement(store):
    with Store(store) as opened:
        for several in ("SELECT 1; SELECT 2", "SELECT 1; DROP TABLE lake.core.tracks", "", "; ;"):
            with pytest.raises(duckdb.InvalidInputException, match="where one is expected"):
                opened._connection.execute(several)
        assert opened.ask("SELECT 'a; b' -- ; c") == [("a; b",)]
        assert "core.tracks" in opened.tables()


# What the tables hold


def test_a_pack_that_is_elsewhere_is_not_read(store, tmp_path):
    for file in (store / "data" / "feat" / patches.table).glob("*.parquet"):
        rows = pl.read_parquet(file, glob=False)
        file.chmod(0o644)
        rows.with_columns(pl.col("mel").struct.with_fields(pack=pl.lit("../../../elsewhere"))).write_parquet(file)
        with closing(sqlite3.connect(store / "catalog.sqlite")) as catalogue, catalogue:
            size = "UPDATE ducklake_data_file SET file_size_bytes = ? WHERE path = ?"
            catalogue.execute(size, [file.stat().st_size, file.name])
    pack = next((store / "tensors" / patches.id).iterdir())
    shutil.copy(pack, tmp_path / "elsewhere.safetensors")
    with Store(store, read_only=True) as opened, pytest.raises(StoreError, match="no name of a pack"):
        opened.tensors("patches").crop(0, 0, 1)


def packed(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(begin: int, end: int, shape: object = (2,), dtype: str = "F16") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        packed({}, length=1 << 62),
        packed({}, length=(1 << 64) - 1),
        packed(b"[" * 100_000),
        packed(b"{" + b" " * 100),
        packed({"a": entry(0, 4)}, b"\0" * 3),
        packed({"a": entry(0, 1 << 50)}, b"\0" * 4),
        packed({"a": entry(1 << 40, (1 << 40) + 4)}, b"\0" * 4),
        packed({"a": entry(-8, -4)}, b"\0" * 4),
        packed({"a": entry(4, 0, (-2,))}, b"\0" * 4),
        packed({"a": entry(0, 4, (1 << 32, 1 << 32))}, b"\0" * 4),
        packed({"a": entry(0, 4, ("2",))}, b"\0" * 4),
        packed({"a": entry(0, 4, 2)}, b"\0" * 4),
        packed({"a": entry(0, 4, (2,), "O")}, b"\0" * 4),
        packed({"a": entry(0, 4, (2,), "../x")}, b"\0" * 4),
        packed({"a": {"dtype": "F16"}}, b"\0" * 4),
        packed({"a": [1, 2]}, b"\0" * 4),
        packed([1]),
        packed(b"null"),
    ],
    ids=range(20),
)
def test_a_pack_whose_header_lies_is_damaged(tmp_path, content):
    path = tmp_path / "evil.safetensors"
    path.write_bytes(content)
    with pytest.raises(TrackError, match="pack"):
        references(path)
    with pytest.raises(TrackError, match="pack"):
        Reference(path, "a", "float16", (2,)).array()


def test_arrays_that_overlap_in_a_pack_are_read_as_they_lie(tmp_path):
    path = tmp_path / "overlapping.safetensors"
    path.write_bytes(packed({"a": entry(0, 4), "b": entry(2, 6)}, np.arange(3, dtype=np.float16).tobytes()))
    arrays = {reference.key: reference.array().tolist() for reference in references(path)}
    assert arrays == {"a": [0.0, 1.0], "b": [1.0, 2.0]}  # and nothing beyond the file


# What is given to mirstore

_bombs = {
    "deep brackets": ("[features.a]\nparams = {a = " + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    "a long key": (".".join("a" * 20_000) + " = 1", "a key of more than 100 parts"),
    "a long key inside": ("x = {" + ".".join("a" * 20_000) + " = 1}", "a key of more than 100 parts"),
    "a long header": ("[" + ".".join("a" * 20_000) + "]", "a key of more than 100 parts"),
    "a long number": ("x = " + "9" * 10_000, "digits"),
    "a long hexadecimal number": ("x = 0x" + "f" * 1_000_000, "more than 64 bits"),
    "a large file": ("#" + "x" * (5 << 20), "larger than 4 MB"),
    "no UTF-8": (b"x = '\xff'", "can't decode"),
    "NUL": ("x = '\0'", "invalid character"),
    "no value": ("x = ", "Invalid value"),
}


@pytest.mark.parametrize("kind", _bombs)
def test_a_hostile_registry_is_refused_in_words(tmp_path, kind):
    text, problem = _bombs[kind]
    path = tmp_path / "registry.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError, match=problem):
        Registry.load(path)


def test_a_registry_without_end_is_refused(tmp_path):
    (tmp_path / "registry.toml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="larger than 4 MB"):
        Registry.load(tmp_path / "registry.toml")


def test_a_long_array_of_numbers_is_no_long_key(tmp_path):
    numbers = ", ".join(f"{number}.5" for number in range(500))
    (tmp_path / "registry.toml").write_text(
        f"schema = 1\n# {'.' * 300}\n[features.a]\nextractor = 'mel@1'\nparams = {{a = [{numbers}]}}\n"
    )
    registry = Registry.load(tmp_path / "registry.toml")
    assert len(registry.features["a"].params["a"]) == 500


@pytest.fixture(scope="module")
def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": ["a", "b"], "v": [1.0, 2.0]}), file)
    return file.getvalue()


_torn = {
    "no footer": lambda data: data[:-8],
    "half": lambda data: data[: len(data) // 2],
    "nothing": lambda data: b"",
    "other magic": lambda data: data[:-4] + b"EVIL",
    "a footer longer than the file": lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1",
    "an empty footer": lambda data: data[:-8] + b"\0\0\0\0PAR1",
    "a negative footer": lambda data: data[:-8] + b"\xff\xff\xff\xffPAR1",
}


@pytest.mark.parametrize("how", _torn)
def test_a_torn_parquet_file_is_refused_in_words(tmp_path, store, parquet, how):
    path = tmp_path / "table.parquet"
    path.write_bytes(_torn[how](parquet))
    with Store(store) as opened, pytest.raises(UsageError, match=r"table\.parquet: cannot be read"):
        import_table(opened, path, dataset="evil")


def test_a_parquet_footer_that_claims_rows_is_refused_or_read_as_what_is_there(tmp_path, store, parquet):
    size = int.from_bytes(parquet[-8:-4], "little")
    footer, path = parquet[-8 - size : -8], tmp_path / "table.parquet"
    two, many = b"\x16\x04", b"\x16\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"  # 2 and 2^62 - 1, as Thrift writes them
    places = [at for at in range(len(footer)) if footer[at : at + 2] == two]
    assert len(places) >= 3  # rows of the file, of the group, values of each column
    with Store(store) as opened:
        for at in places:
            lying = footer[:at] + many + footer[at + 2 :]
            path.write_bytes(parquet[: -8 - size] + lying + len(lying).to_bytes(4, "little") + b"PAR1")
            with suppress(UsageError):
                assert import_table(opened, path, dataset=f"evil {at}").tracks == 2
        assert opened.sql("SELECT count(*) FROM tracks").item() % 2 == 0


def test_names_in_a_table_stay_names(tmp_path, store):
    path = tmp_path / "table.parquet"
    columns = ["../../x", "/etc/passwd", "a'b\"c; DROP TABLE x", "x\0y", "z\x1b[31m", "l" * 100_000]
    table = {"id": ["../../a", "/etc/b", "c\0d"], **{name: [1.0, 2.0, 3.0] for name in columns}}
    pq.write_table(pa.table(table), path)
    before = sorted(tmp_path.rglob("*"))
    with Store(store) as opened:
        done = import_table(opened, path, dataset="../../evil")
        assert (done.tracks, done.columns) == (3, len(columns))
        assert opened.sql("SELECT count(*) FROM tracks").rows() == [(5,)]
        assert opened.sql('SELECT count(*) FROM "../../evil"').rows() == [(3,)]
    made = {path.relative_to(store).parts[0] for path in set(tmp_path.rglob("*")) - set(before)}
    assert made <= {"data", "catalog.sqlite-wal", "catalog.sqlite-shm", "jobs"}
    assert not [path for path in (store / "data").rglob("*") if "evil" in path.name]


_unreadable = ["", " ", "a\0b", "two\nlines", "a\x1b[31m", "\u202etxt", "\udce9", "x" * 10_000]


@pytest.mark.parametrize("name", _unreadable, ids=range(len(_unreadable)))
def test_names_that_nobody_could_type_again_are_refused(tmp_path, store, name):
    (tmp_path / "table.csv").write_text("id,v\na,1\n")
    with Store(store) as opened:
        before = opened.snapshot_id
        for call in (
            lambda: pin(opened, name),
            lambda: import_table(opened, tmp_path / "table.csv", dataset=name),
            lambda: import_table(opened, tmp_path / "table.csv", dataset="fine", feature=name),
            lambda: preview(opened, [], {}, dataset=name).result(),
            lambda: named_features(opened, name),
        ):
            with pytest.raises(UsageError, match="cannot be called"):
                call()
        assert opened.snapshot_id == before


def named_features(store: Store, name: str) -> None:
    with store.write("features") as tx:
        tx.add_feature_set(name, loudness, **stamp)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..", "a'b\"c; --", "C:\\evil", "Café 🎵"])
def test_names_that_look_like_paths_or_sql_are_names(tmp_path, store, name):
    (tmp_path / "table.csv").write_text("id,v,genre\na,1.5,rock\n")
    with Store(store) as opened:
        pin(opened, name)
        import_table(opened, tmp_path / "table.csv", dataset=name, feature=name)
        assert opened.sql(f"SELECT name FROM pins WHERE name = {literal(name)}").height == 1
        assert opened.sql(f"SELECT v FROM {identifier(name)}").rows() == [(1.5,)]
        assert opened.features(name).height == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "table.csv"]
    with Store(store) as opened:
        assert doctor(opened) == []


def test_doctor_neither_follows_a_journal_nor_advises_to_mend_what_others_made(store, tmp_path):
    (store / "catalog.sqlite-journal").write_bytes(b"x" * 512)
    (problem,) = examine(store)
    assert (problem["remedy"], "journal beside its catalogue" in problem["problem"]) == (
        "do not use it; ask who made it",
        True,
    )
    with pytest.raises(StoreError, match="journal beside its catalogue"):
        repair(store)
    (store / "catalog.sqlite-journal").unlink()
    with closing(sqlite3.connect(store / "catalog.sqlite")) as catalogue, catalogue:
        catalogue.execute("CREATE VIEW spy AS SELECT 1")
    assert [problem["remedy"] for problem in examine(store)] == ["do not use it; ask who made it"]
