"""Tables in JSON, and splits that come as one table per part."""

from __future__ import annotations

import json
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.errors import UsageError
from mirstore.store.tables.part_files import part_of
from mirstore.store.tables.reading import read

records = [
    {"id": "a", "lyrics": "one\ntwo", "genre": "rock", "tempo": 120, "tags": ["loud", "fast"]},
    {"id": "b", "lyrics": None, "genre": "pop", "tempo": 90.5, "tags": []},
    {"id": "007", "genre": "pop", "tempo": None, "tags": ["slow"]},
]
columns = {
    name: {str(i): record.get(name) for i, record in enumerate(records)} for name in ("id", "lyrics", "genre", "tempo")
}


def saved(tmp_path, text, name="table.json"):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(records),
        "\n".join(json.dumps(record) for record in records) + "\n",
        json.dumps({name: [record.get(name) for record in records] for name in ("id", "lyrics", "genre", "tempo")}),
        json.dumps(columns),
    ],
    ids=["records", "lines", "lists", "as pandas writes it"],
)
def test_every_way_to_write_a_table_gives_the_same(tmp_path, text):
    table = read(saved(tmp_path, text))
    assert table.frame.select("id", "lyrics", "genre", "tempo").to_dict(as_series=False) == {
        "id": ["a", "b", "007"],
        "lyrics": ["one\ntwo", None, None],
        "genre": ["rock", "pop", "pop"],
        "tempo": [120.0, 90.5, None],
    }
    assert table.remarks == []


def test_records_by_their_ids_have_a_column_of_ids_and_that_is_told(tmp_path):
    table = read(saved(tmp_path, {"a": {"genre": "rock"}, "b": {"genre": "pop"}}))
    assert table.frame.to_dicts() == [{"id": "a", "genre": "rock"}, {"id": "b", "genre": "pop"}]
    assert table.remarks == ["records by their ids: column 'id'"]


def test_records_by_keys_with_ids_of_their_own_keep_these_and_that_is_told(tmp_path):
    table = read(saved(tmp_path, {"k1": {"id": "a"}, "k2": {"id": "b"}}))
    assert table.frame["id"].to_list() == ["a", "b"]
    assert table.remarks == ["records by keys, which are left out: the records have an 'id' of their own"]


def test_one_record_is_a_table(tmp_path):
    assert read(saved(tmp_path, '{"id": "a", "genre": "rock"}\n')).frame.to_dicts() == [{"id": "a", "genre": "rock"}]


def test_lists_stay_lists_and_mixed_cells_are_text(tmp_path):
    frame = read(saved(tmp_path, [*records, {"id": 12, "tags": "odd", "genre": True}])).frame
    assert frame["tags"].to_list() == [["loud", "fast"], [], ["slow"], ["odd"]]
    assert frame["id"].to_list() == ["a", "b", "007", "12"]
    assert frame["genre"].to_list() == ["rock", "pop", "pop", "true"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1}, {"a": {"b": 2}}]', "record 2 has values inside 'a'"),
        ('[{"a": [[1]]}]', "record 1 has values inside 'a'"),
        ("[1, 2]", "is JSON, and no table"),
        ("{}", "is JSON, and no table"),
        ('{"a": [1, 2], "b": [1]}', "is JSON, and no table"),
        ('[{"a": 1},', "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON: nested too deeply"),
        (r'[{"a": "\ud800"}]', "cannot be read as JSON: .*surrogates"),
        (r'[{"\ud800": 1}]', "cannot be read as JSON: .*surrogates"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read(saved(tmp_path, text))


@given(st.text(max_size=60))
def test_anything_that_begins_like_json_is_a_table_or_a_usage_error(tmp_path_factory, text):
    path = saved(tmp_path_factory.mktemp("json"), "[" + text.replace("\0", ""))
    with suppress(UsageError):
        assert isinstance(read(path).frame, pl.DataFrame)


@pytest.mark.parametrize(
    ("name", "part"),
    [("train.csv", "train"), ("tagging-validation.tsv.gz", "validation"), ("X_val_640.json", "validation"),
     ("Test.parquet", "test"), ("all.csv", None), ("latest.csv", None), ("training_v2.csv", "train")],
)  # fmt: skip
def test_names_say_parts(tmp_path, name, part):
    assert part_of(tmp_path / name) == part


def test_a_name_that_says_two_parts_is_refused(tmp_path):
    with pytest.raises(UsageError, match="says train and validation"):
        part_of(tmp_path / "train-val.csv")


def test_a_table_per_part_is_one_table_with_a_split(tmp_path):
    folder = tmp_path / "split-0"
    folder.mkdir()
    for part, ids in (("train", "ab"), ("dev", "c"), ("test", "de")):
        (folder / f"genres-{part}.csv").write_text("genre,id\n" + "".join(f"rock,{i}\n" for i in ids))
    table = read(folder / "genres-*.csv")
    assert dict(table.frame.select("id", "split:split-0").iter_rows()) == {
        "a": "train", "b": "train", "c": "validation", "d": "test", "e": "test",
    }  # fmt: skip
    assert table.remarks == ["3 files, a part of the split each: genres-dev.csv, genres-test.csv, genres-train.csv"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no such file"),
        ({"train.csv": "id\na\n", "other.csv": "id\nb\n"}, "other.csv: its name says no part of a split"),
        ({"train.csv": "id\na\n", "training.csv": "id\nb\n"}, "are both train"),
        ({"train.csv": "id,genre\na,x\n", "test.csv": "id\nb\n"}, "has other columns than .*: genre"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "*.csv")
