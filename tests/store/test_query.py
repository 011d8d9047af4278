"""A user's SQL reads the views and nothing else, writes nothing, and ends."""

from __future__ import annotations

import hashlib
import shlex
from datetime import date, datetime, time

import duckdb
import pytest
from test_store import Loudness, Patches, fill, loudness

from mirstore.core.errors import MirstoreError, StoreError, UnknownNameError, UsageError
from mirstore.core.features import FeatureSet
from mirstore.store import Store
from mirstore.store.lake.hidden import decisive
from mirstore.store.sql.statement import allowed, parser

stamp = {"ingest": "i1", "added": datetime(2026, 1, 1)}


@pytest.fixture(scope="module")
def store(tmp_path_factory, store_kind):
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


# The message that must come, and the statements that must get it.
hostile = {
    "the store is read-only": [
        "COPY tracks TO '{folder}/x.csv'",
        "COPY (SELECT 1) TO '{file}' (FORMAT parquet)",
        "COPY (SELECT 1) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (FORMAT parquet, USE_TMP_FILE false)",
        "EXPLAIN COPY (SELECT 1) TO '{folder}/x.csv'",
        "/* x */ explain -- y\nANALYZE/**/COPY (SELECT 1) TO '{folder}/x.csv'",
        "EXPLAIN /* x */ ANALYZE COPY (SELECT 1) TO '{folder}/x.csv'",
        "EXPLAIN ANALYZE DROP VIEW tracks",
        "EXPLAIN SELECT 1; COPY (SELECT 1) TO '{folder}/x.csv'",
        "EXPLAIN EXPLAIN SELECT 1",
        "COPY loudness FROM '{file}'",
        "EXPORT DATABASE '{folder}/dump'",
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
        "SELECT 1; DROP VIEW tracks",
        "FROM duckdb_extensions() SELECT install_path; LOAD json",
        "PIVOT labels ON label",
        "EXPLAIN ANALYZE SELECT 1; DROP VIEW tracks",
        "SELECT 1; COPY (SELECT 1) TO '{folder}/x.csv'",
        "COPY (SELECT 1) TO '{folder}/x.parquet' (FORMAT parquet, PARTITION_BY (a))",
        "COPY FROM DATABASE memory TO memory",
        "SET VARIABLE x = 1",
        "EXECUTE q",
        "DEALLOCATE q",
        "ANALYZE",
        "COMMENT ON TABLE core.tracks IS 'x'",
        "MERGE INTO core.tracks USING labels ON true WHEN MATCHED THEN DELETE",
    ],
    "statements given": [
        "SELECT 1; SELECT 2",
        "",
    ],
    r"table function '\w+' refused": [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('{folder}/catalog.sqlite')",
        "SELECT * FROM read_parquet('{folder}/data/**/*.parquet')",
        "SELECT * FROM read_json('{folder}/registry.json')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM sqlite_scan('{folder}/catalog.sqlite', 'ducklake_snapshot')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "SELECT * FROM query('COPY (SELECT 1) TO ''{folder}/x.csv''')",
        "SELECT * FROM query_table('frame_in_python')",
        "FROM read_parquet('{file}')",
        "FROM parquet_metadata('{file}')",
        "FROM read_duckdb('{folder}/catalog.sqlite')",
        "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "FROM enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/x.csv')",
        "FROM enable_profiling(format = 'json', save_location = '{folder}/x.json')",
        "FROM checkpoint()",
        "FROM duckdb_settings()",
        "FROM arrow_scan(1, 2, 3)",
        "FROM Main.READ_TEXT('{file}')",
        "SELECT 1 WHERE EXISTS (FROM glob('/etc/*'))",
        "SELECT * FROM loudness, LATERAL (FROM read_text('/etc/passwd'))",
        "WITH x AS (FROM read_text('/etc/passwd')) FROM x",
        "SELECT track FROM loudness ORDER BY (SELECT 1 FROM glob('/etc/*'))",
        "DESCRIBE (FROM read_csv('/etc/passwd'))",
        "SUMMARIZE (FROM read_csv('/etc/passwd'))",
        "SELECT list_transform([1], lambda x: (SELECT count(*) FROM glob('/etc/*')))",
    ],
    "unknown view": [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM frame_in_python",
    ],
    "does not exist": [
        "SELECT getenv('HOME')",
    ],
    "Permission Error": [
        "IMPORT DATABASE '{folder}/dump'",
        "PRAGMA import_database('{folder}/dump')",
        "IMPORT DATABASE 'https://example.org/dump'",
        "FROM 'https://example.org/x.parquet'",
        "FROM '{folder}/catalog.parquet'",
    ],
    "A CTE needs a SELECT": [
        "WITH x AS (INSERT INTO core.runs VALUES (1) RETURNING *) FROM x",
    ],
}


@pytest.mark.parametrize(
    ("statement", "message"), [(text, message) for message, texts in hostile.items() for text in texts]
)
def test_hostile_statements_are_refused(store, statement, message):
    frame_in_python = {"a": [1]}
    assert frame_in_python  # must not be found by its name
    dump = store.path / "dump"
    dump.mkdir(exist_ok=True)
    for name in ("schema", "load"):
        (dump / f"{name}.sql").write_text("password: hunter2")
    before = contents(store)
    text = statement.format(folder=store.path, file=store.files(f"feat.{loudness.table}")[0])
    with pytest.raises(MirstoreError, match=message) as error:
        store.sql(text, timeout=20)
    assert "hunter2" not in str(error.value)
    assert contents(store) == before
    assert not list(store.path.glob("x.*"))


@pytest.mark.parametrize("statement", [*hostile["the store is read-only"], *hostile[r"table function '\w+' refused"]])
def test_the_guard_refuses_them_before_there_is_a_session(store, statement):
    query = statement.format(folder=store.path, file=store.files(f"feat.{loudness.table}")[0])
    with (
        duckdb.connect(config=parser) as connection,
        pytest.raises(UsageError, match=r"the store is read-only|table function '\w+' refused"),
    ):
        allowed(connection, query)


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
    for column in ("rms", "loudness.rms"):
        with pytest.raises(UnknownNameError, match="unknown column 'rms'") as error:
            store.sql(f"SELECT {column} FROM loudness")
        assert error.value.hint == "did you mean 'rms_db'?"
    with pytest.raises(MirstoreError, match="unknown column 'boom'") as unlike:
        store.sql("SELECT boom FROM tracks")
    assert unlike.value.hint == "mirstore sql --schema shows the columns"


def test_a_column_of_another_view_is_not_suggested_for_itself(store):
    with pytest.raises(UsageError, match="unknown column 'codec'") as error:
        store.sql("SELECT i.codec FROM items i JOIN tracks t USING (track)")
    assert error.value.hint == "mirstore sql --schema shows which view has it"


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


def test_an_answer_that_outgrows_the_memory_limit_is_stopped(store):
    with pytest.raises(MirstoreError, match="needs more than 50MB"):
        store.sql("SELECT * FROM range(1000000000)", memory="50MB", timeout=60)


def test_a_query_is_stopped_while_its_answer_is_read(store):
    query = "SELECT a.range FROM range(100000) a, range(100000) b WHERE hash(a.range, b.range) % 1000 = 3"
    with pytest.raises(MirstoreError, match="stopped after 1 s"):
        store.sql(query, timeout=1.0)


def test_an_error_in_the_middle_of_an_answer_is_a_usage_error(store):
    with pytest.raises(UsageError, match="too far"):
        store.sql("SELECT CASE WHEN range = 900000 THEN error('too far') END FROM range(1000000)")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1\0; COPY (SELECT 1) TO 'x.csv'", "no text"),
        ("SELECT '\udce9'", "no text"),
        ("SELECT (" * 400 + "SELECT 1" + ")" * 400, "nested|depth"),
        ("SELECT " + "+".join(["1"] * 20000), "depth"),
    ],
    ids=["NUL", "surrogate", "subqueries", "sum"],
)
def test_a_query_that_the_guard_cannot_see_through_is_refused(store, query, message):
    with pytest.raises(UsageError, match=message):
        store.sql(query)


def test_a_memory_limit_that_is_no_size_is_refused(store):
    with pytest.raises(UsageError, match='memory "2GB\'; SELECT 1" is no size'):
        store.sql("SELECT 1", memory="2GB'; SELECT 1")


def test_columns_of_the_same_name_are_numbered(store):
    both = store.sql("SELECT l.*, r.*, 1 AS track_1 FROM loudness l JOIN loudness r ON l.track = r.track")
    assert both.columns == ["track", "rms_db", "track_2", "rms_db_1", "track_1"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("INTERVAL 1 DAY", "column 'x' has a type that a frame cannot hold: INTERVAL"),
        ("340282366920938463463374607431768211455::UHUGEINT", "frame cannot hold: UHUGEINT"),
        ("['101'::BIT]", r"frame cannot hold: BIT\[\]"),
        ("{'a': [1::BIGNUM]}", "frame cannot hold: STRUCT"),
        ("'12:00:00+02'::TIMETZ", "frame cannot hold: TIME WITH TIME ZONE"),
        ("TIME '24:00:00'", "has a time of 24:00:00"),
        ("[TIME '24:00:00']", "has a time of 24:00:00"),
        ("'infinity'::TIMESTAMP", "a date outside of the years 1 to 9999"),
        ("'-infinity'::TIMESTAMP_NS", "a date outside"),
        ("'290000-01-01'::TIMESTAMP_MS", "a date outside"),
        ("DATE '9999-12-31' + 1", "a date outside"),
        ("MAP {'a': '0044-03-15 (BC)'::DATE}", "a date outside"),
        ("'10000-01-01'::TIMESTAMPTZ", "a date outside"),
    ],
)
def test_what_no_frame_holds_is_a_usage_error_and_no_other_value(store, value, message):
    with pytest.raises(UsageError, match=message) as error:
        store.sql(f"SELECT {value} AS x")
    assert error.value.hint == "cast it to VARCHAR"
    assert store.sql(f"SELECT ({value})::VARCHAR AS x")["x"][0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DATE '9999-12-31'", date(9999, 12, 31)),
        ("DATE '0001-01-01'", date(1, 1, 1)),
        ("'9999-12-31 23:59:59.999999'::TIMESTAMP", datetime(9999, 12, 31, 23, 59, 59, 999999)),
        ("[NULL::TIMESTAMP]", [None]),
        ("{'a': TIME '23:59:59'}", {"a": time(23, 59, 59)}),
        ("MAP {'a': [1, 2]::INTEGER[2]}", {"a": [1, 2]}),
    ],
)
def test_what_a_frame_holds_comes_as_it_is(store, value, expected):
    ((found,),) = store.sql(f"SELECT {value} AS x").rows()
    assert found == expected


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("SELECT * FROM mfcc-stats", 'a name with a dash needs double quotes: "mfcc-stats"'),
        ("PIVOT labels ON label", "PIVOT needs its values: ON label IN ('rock', 'pop')"),
    ],
)
def test_a_common_slip_is_explained(store, statement, hint):
    with pytest.raises(UsageError) as error:
        store.sql(statement)
    assert error.value.hint == hint


@pytest.fixture
def empty(tmp_path):
    with Store(tmp_path / "store", create=True) as store:
        yield store


def day(number):
    """The clock goes back: what is later is decided by the snapshot."""
    return {"ingest": f"i{number}", "added": datetime(2026, 2, 10 - number)}


@pytest.mark.folder_only  # a copy that is not whole is fetched again
@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "is missing"), (b"", "has 0 bytes instead of"), (b"PAR1 and no more", "has 16 bytes instead of")],
)
def test_a_damaged_file_is_a_store_error(empty, content, what):
    fill(empty, ["a"])
    (file,) = empty.files(f"feat.{loudness.table}")
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StoreError, match=f"{file.name}: {what}") as error:
        empty.sql("SELECT * FROM loudness")
    assert str(error.value.hint).startswith("mirstore doctor")


def test_a_name_is_its_latest_version_and_older_ones_stay_readable(empty):
    fill(empty, ["a", "b"])
    newer = FeatureSet("loudness", Loudness(floor=-60.0))
    with empty.write("newer") as tx:
        tx.add_feature_set("loudness", newer, **day(1))
        tx.append_features(newer, [{"track": "a", "rms_db": -7.0}], **day(1))
    assert empty.sql("SELECT * FROM loudness").rows() == [("a", -7.0)]
    assert empty.sql(f'SELECT count(*) FROM "loudness@{loudness.id}"').item() == 2
    current = empty.sql("SELECT id, columns FROM features WHERE current").rows()
    assert current == [(newer.id, 1)]


@pytest.mark.parametrize("name", ['a "quoted" name', "Loudness", "100%", "select"])
def test_any_feature_name_is_a_view(empty, name):
    fill(empty, ["a"])
    fill(empty, ["a"], FeatureSet(name, Loudness(floor=-50.0)))
    quoted = name.replace('"', '""')
    assert empty.sql(f'SELECT count(*) FROM "{quoted}"').item() == 1


def test_a_feature_named_like_a_view_does_not_hide_it(empty):
    fill(empty, ["a"], FeatureSet("Tracks", Loudness()))
    assert "path" in empty.sql("SELECT * FROM tracks").columns
    assert empty.sql('SELECT count(*) FROM "Tracks@1"').item() == 1


def test_an_older_snapshot_answers_as_it_did(empty):
    fill(empty, ["a"])
    snapshot = empty.snapshot_id
    fill(empty, ["b"])
    empty.compact()
    with Store(empty.path, snapshot=snapshot) as old:
        assert old.sql("SELECT track FROM loudness").rows() == [("a",)]
    assert empty.sql("SELECT count(*) FROM loudness").item() == 2


def test_a_label_set_that_was_removed_is_gone(empty):
    row = {"dataset": "d", "track": "a", "label_set": "genre"}
    with empty.write("labels") as tx:
        tx.append("core.labels", [{**row, "label": "rock", "value": 1.0, **day(1)}])
    with empty.write("later") as tx:
        tx.append("core.labels", [{**row, "label": None, **day(2)}])
    assert empty.sql("SELECT * FROM labels").is_empty()


def located(tx, track, path, number):
    tx.append("core.locations", [{"track": track, "path": path, **day(number)}])


def failed(tx, number, feature_set=loudness.id, status="failed", **row):
    event = {"feature_set": feature_set, "status": status, "error": "timeout", "message": "60 s", **row}
    tx.append("core.extractions", [{**event, **day(number)}])


def failing_paths(store):
    return store.sql("SELECT path, feature FROM failures ORDER BY ALL").rows()


def test_a_failure_says_how_to_retry(empty):
    with empty.write("failure") as tx:
        tx.add_feature_set("loudness", loudness, **day(1))
        located(tx, "a", "/it's here.wav", 1)
        failed(tx, 1, track="a", path="/it's here.wav")
        tx.append("core.items", [{"dataset": "Ann's", "track": "a", "attrs": "{}", **day(1)}])
    row = empty.sql("SELECT * FROM failures").row(0, named=True)
    assert (row["track"], row["feature"], row["error"], row["message"]) == ("a", "loudness", "timeout", "60 s")
    assert shlex.split(row["retry"]) == [
        "mirstore", "--store", empty.address, "ingest", "/it's here.wav", "--dataset", "Ann's",
        "--features", "loudness", "--retry-failed",
    ]  # fmt: skip


def test_only_the_latest_event_of_a_track_counts(empty):
    with empty.write("events") as tx:
        tx.add_feature_set("loudness", loudness, **day(1))
        for track in "ab":
            located(tx, track, f"/{track}.wav", 1)
            failed(tx, 1, track=track, path=f"/{track}.wav")
    with empty.write("later") as tx:
        failed(tx, 2, status="ok", track="a", path="/a.wav")
    assert failing_paths(empty) == [("/b.wav", "loudness")]


def test_a_file_with_new_content_has_not_failed(empty):
    with empty.write("mended") as tx:
        tx.add_feature_set("loudness", loudness, **day(1))
        located(tx, "broken", "/a.wav", 1)
        failed(tx, 1, track="broken", path="/a.wav")
    with empty.write("later") as tx:
        located(tx, "good", "/a.wav", 2)
    assert failing_paths(empty) == []


def test_a_copy_that_still_fails_is_shown_where_it_is(empty):
    with empty.write("copies") as tx:
        tx.add_feature_set("loudness", loudness, **day(1))
        located(tx, "broken", "/a.wav", 1)
        located(tx, "broken", "/copy.wav", 1)
        failed(tx, 1, track="broken", path="/a.wav")
    with empty.write("later") as tx:
        located(tx, "good", "/a.wav", 2)
    assert failing_paths(empty) == [("/copy.wav", "loudness")]


def test_a_path_that_could_not_be_read_has_failed_until_it_could(empty):
    with empty.write("unreadable") as tx:
        failed(tx, 1, feature_set=None, path="/a.wav")
        failed(tx, 1, feature_set=None, path="/b.wav")
    with empty.write("later") as tx:
        located(tx, "b", "/b.wav", 2)
    assert failing_paths(empty) == [("/a.wav", None)]


def test_failures_of_a_version_that_its_name_left_are_not_listed(empty):
    newer = FeatureSet("loudness", Loudness(floor=-60.0))
    with empty.write("versions") as tx:
        located(tx, "a", "/a.wav", 1)
        tx.add_feature_set("loudness", loudness, **day(1))
        failed(tx, 1, track="a", path="/a.wav")
    with empty.write("later") as tx:
        tx.add_feature_set("loudness", newer, **day(2))
    assert failing_paths(empty) == []


def opened(store, query, monkeypatch):
    """Return the answer and the tables whose files were listed for it; what decides the hidden rows is always read."""
    asked = []
    files = Store.files
    monkeypatch.setattr(Store, "files", lambda self, table: asked.append(table) or files(self, table))
    answer = store.sql(query)
    return answer, {table for table in asked if table not in decisive}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("many") / "store", create=True) as store:
        for number in range(4):
            fill(store, ["a", "b"], FeatureSet(f"level-{number}", Loudness(floor=-float(number))))
        yield store


level = FeatureSet("level-1", Loudness(floor=-1.0))


@pytest.mark.parametrize(
    "query",
    [
        'SELECT count(*) FROM "level-1"',
        'SELECT count(*) FROM "LEVEL-1@1"',
        f'SELECT count(*) FROM "level-1@{level.id}"',
        f"SELECT count(*) FROM feat.{level.table}",
        f"SELECT count(*) FROM memory.feat.{level.table.upper()}",
        "FROM 'level-1' SELECT count(*)",
        'WITH x AS (FROM "level-1") SELECT count(*) FROM x',
        'SELECT (SELECT count(*) FROM "level-1")',
        'SELECT count(*) FROM (VALUES (1), (2)) v WHERE EXISTS (FROM "level-1")',
        'SELECT sum(count)::INTEGER FROM histogram("level-1", rms_db)',
    ],
)
def test_a_query_opens_what_it_names_and_nothing_else(many, query, monkeypatch):
    answer, tables = opened(many, query, monkeypatch)
    assert answer.item() == 2
    assert {table for table in tables if table.startswith("feat.")} == {f"feat.{level.table}"}


def test_a_view_brings_what_it_rests_on(many, monkeypatch):
    answer, tables = opened(many, "SELECT feature FROM features ORDER BY feature", monkeypatch)
    assert answer["feature"].to_list() == [f"level-{number}" for number in range(4)]
    assert not any(table.startswith("feat.") for table in tables)
    assert {"core.names", "core.feature_sets", "core.columns", "core.extractions"} <= tables


def test_a_name_of_the_query_hides_a_view(many):
    assert many.sql('WITH tracks AS (SELECT 7 AS x), "level-1" AS (FROM tracks) SELECT x FROM "level-1"').item() == 7
    assert many.sql("SELECT count(*) FROM (WITH tracks AS (SELECT 7) FROM tracks) JOIN tracks ON true").item() == 0


@pytest.mark.parametrize(
    "query",
    [
        "SHOW TABLES",
        "SELECT table_name AS name FROM information_schema.tables",
        "SELECT view_name AS name FROM duckdb_views WHERE NOT internal",
        "SELECT name FROM sqlite_master",
        "SELECT relname AS name FROM pg_catalog.pg_class",
    ],
)
def test_a_listing_shows_everything_and_opens_no_features(many, query, monkeypatch):
    answer, tables = opened(many, query, monkeypatch)
    assert {"tracks", "failures", *(f"level-{number}" for number in range(4))} <= set(answer["name"])
    assert not any(table.startswith("feat.") for table in tables)


def test_what_stands_in_a_listing_has_its_columns(many):
    query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'level-2'"
    assert many.sql(query).rows() == [("track", "VARCHAR"), ("rms_db", "FLOAT")]
    assert many.sql('DESCRIBE "level-2"').select("column_name", "column_type").rows() == [
        ("track", "VARCHAR"),
        ("rms_db", "FLOAT"),
    ]


def test_a_query_beside_a_listing_reads_its_own_rows(many):
    query = """SELECT count(*) FROM "level-3" WHERE 'level-2' IN (SELECT table_name FROM information_schema.tables)"""
    assert many.sql(query).item() == 2


def test_vectors_and_matrices_are_listed_with_their_types(empty):
    feature = FeatureSet("patches", Patches())
    with empty.write("tensors") as tx:
        tx.add_feature_set("patches", feature, **stamp)
    types = dict(empty.sql('SELECT column_name, column_type FROM (DESCRIBE "patches")').rows())
    assert types["mel"] == 'STRUCT(pack VARCHAR, "key" VARCHAR, dtype VARCHAR, shape INTEGER[])'


def test_an_unknown_view_is_told_with_the_nearest_of_all(many):
    with pytest.raises(UnknownNameError, match="unknown view 'level-4'") as error:
        many.sql('SELECT * FROM "level-4"')
    assert "did you mean 'level-" in error.value.hint
