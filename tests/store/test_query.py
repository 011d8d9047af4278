"""A user's SQL reads the views and nothing else, writes nothing, and ends."""

from __future__ import annotations

import hashlib
from datetime import datetime

import pytest
from test_store import fill, loudness

from mirstore.core.errors import MirstoreError, UnknownNameError, UsageError
from mirstore.store import Store

stamp = {"ingest": "i1", "added": datetime(2026, 1, 1)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("query") / "store", create=True) as store:
        fill(store, ["a", "b", "c"])
        with store.write("labels") as tx:
            rows = [("a", "rock"), ("a", "loud"), ("b", "pop")]
            where = {"dataset": "d", "label_set": "genre", "value": 1.0}
            tx.append("core.labels", [{**where, "track": t, "label": label, **stamp} for t, label in rows])
            item = {"dataset": "d", "track": "a", "title": "A", "artist": "X", "attrs": '{"bpm": "120"}'}
            tx.append("core.items", [{**item, **stamp}])
        yield store


def contents(store):
    return {
        path.relative_to(store.path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.path.rglob("*.parquet"))
    }


hostile = [
    "COPY tracks TO '{folder}/x.csv'",
    "COPY (SELECT 1) TO '{file}' (FORMAT parquet)",
    "COPY (SELECT 1) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
    "EXPLAIN SELECT 1",
    "COPY loudness FROM '{file}'",
    "EXPORT DATABASE '{folder}/dump'",
    "IMPORT DATABASE '{folder}/dump'",
    "ATTACH '{folder}/new.db'",
    "ATTACH '{folder}/catalog.sqlite' (TYPE sqlite)",
    "ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake",
    "DETACH memory",
    "USE core",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD sqlite_scanner",
    "FORCE INSTALL ducklake FROM community",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA memory_limit='100GB'",
    "CALL pragma_version()",
    "CREATE TABLE x (a INTEGER)",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE OR REPLACE VIEW tracks AS SELECT 1",
    "CREATE MACRO f(x) AS x",
    "CREATE SECRET s (TYPE s3)",
    "DROP VIEW tracks",
    "ALTER TABLE core.tracks ADD COLUMN x INTEGER",
    "INSERT INTO core.runs VALUES (1)",
    "DELETE FROM core.tracks",
    "UPDATE core.tracks SET sr = 1",
    "TRUNCATE core.tracks",
    "BEGIN",
    "COMMIT",
    "CHECKPOINT",
    "VACUUM",
    "PREPARE q AS SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW tracks",
    "",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{folder}/catalog.sqlite')",
    "SELECT * FROM read_parquet('{folder}/data/**/*.parquet')",
    "SELECT * FROM read_json('{folder}/registry.json')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM sqlite_scan('{folder}/catalog.sqlite', 'ducklake_snapshot')",
    "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/x.csv''')",
    "SELECT * FROM frame_in_python",
    "SELECT * FROM query_table('frame_in_python')",
    "SELECT getenv('HOME')",
    "FROM duckdb_extensions() SELECT install_path; LOAD json",
    "PIVOT labels ON label",
]


@pytest.mark.parametrize("statement", hostile, ids=range(len(hostile)))
def test_hostile_statements_are_refused(store, statement):
    frame_in_python = {"a": [1]}
    assert frame_in_python  # must not be found by its name
    before = contents(store)
    text = statement.format(folder=store.path, file=store.files(f"feat.{loudness.table}")[0])
    with pytest.raises(MirstoreError):
        store.sql(text, timeout=20)
    assert contents(store) == before
    assert not (store.path / "x.csv").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
        "SELECT sum(sin(a.range) * cos(b.range)) FROM range(1000000) a, range(1000000) b",
    ],
)
def test_a_runaway_query_is_stopped(store, statement):
    with pytest.raises(MirstoreError, match=r"stopped after 1 s|memory"):
        store.sql(statement, timeout=1.0)


def test_a_query_that_hoards_memory_is_stopped(store):
    with pytest.raises(MirstoreError, match="memory"):
        store.sql("SELECT list(range) FROM range(500000000)", memory="100MB", timeout=60)


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("SELECT count(*) FROM tracks", 0),
        ("SELECT count(*) FROM loudness", 3),
        ("SELECT min(rms_db) FROM loudness", -2.0),
        ("WITH x AS (SELECT * FROM loudness) SELECT count(*) FROM x", 3),
        ("SELECT label FROM labels JOIN loudness USING (track) WHERE track = 'b'", "pop"),
        ("SELECT attrs['bpm'] FROM items", "120"),
        ("SELECT rank() OVER (ORDER BY rms_db) FROM loudness WHERE track = 'c'", 1),
        ("FROM loudness SELECT max(rms_db)", 0.0),
        ("SELECT list_sum([1, 2, 3])", 6),
        ("SELECT unit FROM columns WHERE feature = 'loudness'", "dB"),
        ("SELECT feature FROM features WHERE current", "loudness"),
        ("SELECT count(*) FROM failures", 0),
        ("SELECT count(*) FROM runs", 0),
        ('SELECT count(*) FROM "loudness@1"', 3),
        ("SELECT column_name FROM (DESCRIBE loudness) LIMIT 1", "track"),
        ("SELECT 'a;b'", "a;b"),
    ],
)
def test_questions_are_answered(store, statement, answer):
    assert store.sql(statement).row(0)[0] == answer


def test_unknown_views_and_columns_get_a_suggestion(store):
    with pytest.raises(UnknownNameError, match="unknown view 'loudnes'") as error:
        store.sql("SELECT * FROM loudnes")
    assert error.value.hint == "did you mean 'loudness'?"
    with pytest.raises(UsageError, match="rms_db"):
        store.sql("SELECT rms FROM loudness")


def test_a_syntax_error_says_where(store):
    with pytest.raises(UsageError, match="syntax error"):
        store.sql("SELEC 1")


def test_the_schema_names_units_and_meanings(store):
    text = store.schema()
    assert "rms_db" in text
    assert "[dB] level" in text


def test_the_latest_labels_count(store):
    later = {"ingest": "i2", "added": datetime(2026, 1, 2)}
    with store.write("relabel") as tx:
        row = {"dataset": "d", "label_set": "genre", "value": 1.0, "track": "b", "label": "jazz"}
        tx.append("core.labels", [{**row, **later}])
    labels = store.sql("SELECT track, label FROM labels ORDER BY ALL").rows()
    assert labels == [("a", "loud"), ("a", "rock"), ("b", "jazz")]


def test_every_view_of_the_documentation_exists(store):
    for view in ("tracks", "labels", "splits", "features", "columns", "lineage", "failures", "datasets", "items"):
        store.sql(f"SELECT * FROM {view} LIMIT 1")
