"""EXPLAIN of what may be asked is answered; of anything else it is refused, and nothing runs."""

from __future__ import annotations

import pytest

from mirstore.core.errors import QueryStoppedError, UsageError
from mirstore.store import Store
from mirstore.store.sql.statement import _dash_hint


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("explain") / "store", create=True) as store:
        yield store


@pytest.mark.parametrize(
    "statement",
    [
        "EXPLAIN SELECT count(*) FROM tracks",
        "explain analyze SELECT count(*) FROM tracks",
        "-- how?\n/* really */ EXPLAIN -- so\n ANALYZE FROM tracks",
        "EXPLAIN(SELECT 1)",
        "EXPLAIN WITH x AS (SELECT 1) FROM x;",
    ],
)
def test_what_may_be_asked_may_be_explained(store, statement):
    answer = store.sql(statement)
    assert answer.columns == ["explain_key", "explain_value"]
    assert "─" in answer["explain_value"][0]


@pytest.mark.parametrize("explain", ["EXPLAIN", "EXPLAIN ANALYZE", "/**/explain/**/analyze/**/", "EXPLAIN (ANALYZE)"])
@pytest.mark.parametrize(
    "inner",
    [
        "COPY (SELECT 1) TO '{file}'",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; COPY (SELECT 1) TO '{file}'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SET memory_limit = '8GB'",
        "",
    ],
)
def test_what_may_not_be_asked_may_not_be_explained(store, tmp_path, explain, inner):
    file = tmp_path / "written"
    with pytest.raises(UsageError):
        store.sql(f"{explain} {inner.format(file=file)}")
    assert not file.exists()


def test_an_explanation_that_runs_is_stopped_like_a_query(store):
    with pytest.raises(QueryStoppedError, match=r"stopped after 0.2 s") as error:
        store.sql("EXPLAIN ANALYZE SELECT count(*) FROM range(1000000) a, range(1000000) b", timeout=0.2)
    assert error.value.exit_code == 7


@pytest.mark.parametrize("text", ["SELECT essentia-key", "SELECT 1 FROM essentia-key", "essentia-key"])
def test_a_dash_is_explained(text):
    assert _dash_hint(text) == 'a name with a dash needs double quotes: "essentia-key"'


def test_numbers_with_dashes_are_no_names():
    assert _dash_hint("SELECT 2024-01-02") is None


def test_the_hint_for_dashes_takes_no_square_of_the_length():
    assert _dash_hint("a" * 2_000_000) is None  # would take hours, if each letter began a search to the end
    assert _dash_hint("a-" * 1_000_000 + "a") is not None
