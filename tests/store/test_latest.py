"""The latest row wins, and polars and SQL agree on which that is."""

import tempfile
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.store.lake.latest import latest, latest_commit, latest_commit_sql, latest_sql, located

rows = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["x", None])), max_size=12)


def frame(keys):
    """Return rows, each of a commit of its own, the later commits first: the order in the file means nothing."""
    schema = {"name": pl.String, "kind": pl.String, "value": pl.Int64, "committed": pl.Int64}
    data = [(name, kind, number, number) for number, (name, kind) in enumerate(keys)]
    return pl.DataFrame(data, schema=schema, orient="row").reverse()


def asked(query, table):
    with duckdb.connect() as connection:
        connection.register("events", table.to_arrow())
        return sorted(connection.execute(query).fetchall(), key=str)


@given(rows)
def test_the_last_row_of_each_key_is_what_a_dictionary_would_hold_and_sql_agrees(keys):
    known = {key: number for number, key in enumerate(keys)}
    found = latest(frame(keys), "name", "kind")
    assert {(name, kind): value for name, kind, value, _ in found.iter_rows()} == known
    assert found["value"].is_sorted()
    assert sorted(found.rows(), key=str) == asked(latest_sql("events", "name, kind"), frame(keys))


def test_of_rows_of_one_commit_the_last_one_counts():
    table = pl.DataFrame({"name": ["a", "a", "b"], "value": [1, 2, 3], "committed": [7, 7, 6]})
    assert latest(table, "name")["value"].to_list() == [3, 2]
    assert asked(latest_sql("events", "name"), table) == [("a", 2, 7), ("b", 3, 6)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=30))
def test_sql_breaks_ties_as_polars_does_also_across_files(rows):
    data = [(name, number, commit) for number, (name, commit) in enumerate(rows)]
    table = pl.DataFrame(data, schema={"name": pl.String, "value": pl.Int64, "committed": pl.Int64}, orient="row")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{9 - number}.parquet") for number in range(4)]
        for number, path in enumerate(paths):
            table[number * 8 : number * 8 + 8].write_parquet(path)
        query = f"(SELECT * FROM read_parquet({[str(path) for path in paths]}))"
        assert sorted(latest(table, "name").rows(), key=str) == asked(latest_sql(query, "name"), table)


@pytest.mark.parametrize("lazy", [False, True])
def test_all_rows_of_the_last_commit_of_a_key_are_kept(lazy):
    table = pl.DataFrame({"track": list("aaab"), "label": ["old", "new", "newer", "old"], "committed": [1, 2, 2, 1]})
    found = latest_commit(table.lazy(), "track").collect() if lazy else latest_commit(table, "track")
    assert found["label"].to_list() == ["new", "newer", "old"]
    assert sorted(found.rows(), key=str) == asked(latest_commit_sql("events", "track"), table)


def test_a_path_holds_what_was_found_there_last_or_nothing():
    locations = pl.LazyFrame(
        {"path": ["p", "q", "p", "q"], "track": ["a", "b", "c", None], "committed": [1, 1, 3, 2], "bytes": [1, 2, 3, 4]}
    )
    assert dict(located(locations).iter_rows()) == {"p": "c", "q": None}
