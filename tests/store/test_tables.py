"""Published tables: what becomes of ids, features, labels, splits and credits."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.tables import cells
from mirstore.store.tables.feature_columns import feature_columns, safe_names
from mirstore.store.tables.report import Report


def write(folder, text, name="t.csv"):
    (folder / name).write_text(text)
    return folder / name


def ids(store):
    return [track.partition(":")[2] for track in store.sql("SELECT track FROM items ORDER BY position")["track"]]


def labels(store):
    rows = store.sql("SELECT label_set, track, label, value FROM labels ORDER BY ALL").rows()
    found = {}
    for label_set, track, label, value in rows:
        found.setdefault(label_set, []).append((track.partition(":")[2], label, value))
    return found


def test_ids_are_text_as_written(store, tmp_path):
    import_table(store, write(tmp_path, "id,a\n000002,1\n2,2\n12e4,3\n0724384260958,4\n13e5,5\nNA,6\n"), dataset="d")
    assert ids(store) == ["000002", "2", "12e4", "0724384260958", "13e5", "NA"]


def test_text_is_let_go_as_it_becomes_numbers(tmp_path, monkeypatch):
    rows = {"id": ["x"] * 1000} | {f"c{n}": [f"0.{n}{row}" for row in range(1000)] for n in range(20)}
    parts = [pl.DataFrame({**rows, "word": ["one"] * 1000})] * 3
    frame = pl.concat(parts, rechunk=False)
    left = []
    numbers = cells.numbers
    monkeypatch.setattr(cells, "numbers", lambda column: left.append(frame.width) or numbers(column))
    values, names, _ = feature_columns(frame, [f"c{n}" for n in range(20)] + ["word"], tmp_path, Report("t"))
    assert left == [*range(22, 1, -1)]  # one column at a time
    assert frame.columns == ["id", "word"]
    assert list(names) == values.columns == [f"c{n}" for n in range(20)]
    assert values.n_chunks("all") == [1] * 20  # of several, Arrow would make one: a copy of the whole table


def test_ids_that_pandas_made_floats_are_whole_again(store, tmp_path):
    done = import_table(store, write(tmp_path, "Track,a\n3346.0,1\n12.0,2\n"), dataset="d")
    assert ids(store) == ["3346", "12"]
    assert done.reports[0].remarks == ["ids in 'Track' are whole numbers: read without .0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a\nx,1\ny,2\nx,3\n", r"id 'x' stands in several rows \(1, 3\)"),
        ("id,a\nx,1\n ,2\n", "1 row has no id in column 'id', the first is row 2"),
        ("a,b\n1,2\n", "unknown id column"),
        ("id,tempo\n1,120\n2,99\n3,unknown\n", "row 3, column 'tempo': 'unknown' is no number"),
        ("id;a\n1;1,234\n2;2,345\n", "column 'a': '1,234' may be 1.234 or 1234"),
        ("id,a\n1,2,3\n", "line 2 has 3 cells"),
        ("id,a,a\n1,2,3\n", "column 'a' stands there twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(store, tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        import_table(store, write(tmp_path, text), dataset="d")
    assert store.sql("SELECT count(*) AS n FROM datasets")["n"][0] == 0


def test_many_equal_ids_are_found_at_once(store, tmp_path):
    path = write(tmp_path, "id,a\n" + "".join(f"{i},1\n" for i in range(60_000)) + "7,1\n")
    with pytest.raises(UsageError, match=r"'7' stands in several rows \(8, 60001\)"):
        import_table(store, path, dataset="d")


def test_names_that_sql_takes_without_quotes(store, tmp_path):
    header = "id,0,10,select,Track,start,lag-1,lag+1,Energy,energy,🎵,🎶,1-ZCRm,left"
    path = write(tmp_path, f"{header}\nx,{','.join(map(str, range(1, 14)))}\n")
    done = import_table(store, path, dataset="d", id_column="id")
    names = "c_0 c_10 c_select c_track c_start lag_1 lag_1_2 energy energy_2 c_column c_column_2 zcrm c_left".split()
    row = store.sql(f"SELECT {', '.join(names)} FROM d").row(0)
    assert row == tuple(map(float, range(1, 14)))
    assert {meaning.column: meaning.detail for meaning in done.reports[0].columns}["0"] == "c_0"


@given(st.lists(st.text(min_size=1, max_size=6), max_size=8, unique=True))
def test_no_two_columns_get_one_name(originals):
    names = safe_names(originals)
    assert sorted(names.values()) == sorted(originals)
    assert len({name.lower() for name in names}) == len(originals)
    assert all(name.replace("_", "a").isalnum() and not name[0].isdigit() for name in names)


@pytest.mark.parametrize("index", ["", "Unnamed: 0", "__index_level_0__", "index"])
def test_the_index_of_pandas_is_no_feature(store, tmp_path, index):
    frame = pl.DataFrame({index: [0, 1, 2], "filename": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    import_table(store, tmp_path / "t.parquet", dataset="d")
    assert store.features("d").columns == ["track", "x"]
    assert ids(store) == ["a", "b", "c"]


def test_a_column_called_index_that_counts_nothing_is_a_feature(store, tmp_path):
    import_table(store, write(tmp_path, "id,index\na,5\nb,7\n"), dataset="d")
    assert store.features("d")["index"].to_list() == [5.0, 7.0]


def test_the_index_is_the_id_if_nothing_else_is(store, tmp_path):
    pl.DataFrame({"x": [1.0, 2.0], "__index_level_0__": ["a", "b"]}).write_parquet(tmp_path / "t.parquet")
    import_table(store, tmp_path / "t.parquet", dataset="d")
    assert ids(store) == ["a", "b"]


def test_lists_and_arrays_are_vectors(store, tmp_path):
    frame = pl.DataFrame(
        {
            "id": ["a", "b", "c"],
            "arr": pl.Series([[1, 2], [3, 4], [5, 6]], dtype=pl.Array(pl.Int64, 2)),
            "lst": [[0.5, 1.5, 2.5], None, [3.5, 4.5, 5.5]],
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    done = import_table(store, tmp_path / "t.parquet", dataset="d")
    found = store.features("d").sort("track")
    assert found["arr"].to_list() == [[1, 2], [3, 4], [5, 6]]
    assert found["lst"].to_list() == [[0.5, 1.5, 2.5], None, [3.5, 4.5, 5.5]]
    assert [meaning.detail for meaning in done.reports[0].columns][1:] == [
        "vector of 2, as 32-bit floats",
        "vector of 3, as 32-bit floats",
    ]
    frame.with_columns(lst=pl.Series([[1.0], [1.0, 2.0], None])).write_parquet(tmp_path / "u.parquet")
    with pytest.raises(UsageError, match="'lst' has vectors of 2 and, in row 1, of 1 values"):
        import_table(store, tmp_path / "u.parquet", dataset="d")


def test_whole_numbers_that_no_float_holds_stay_text(store, tmp_path):
    import_table(store, write(tmp_path, "id,isrc\na,12345678901234567891\n"), dataset="d")
    assert store.sql("SELECT attrs['isrc'] AS x FROM items")["x"].to_list() == ["12345678901234567891"]


def test_ids_alone_are_a_dataset(store, tmp_path):
    done = import_table(store, write(tmp_path, "id\na\nb\n"), dataset="d")
    assert (done.tracks, done.columns, done.feature_set, done.fresh) == (2, 0, None, False)
    assert ids(store) == ["a", "b"]
    assert import_table(store, write(tmp_path, "id\na\nb\n"), dataset="d").fresh


def test_columns_of_zero_and_one_are_tags_and_others_classes(store, tmp_path):
    path = write(tmp_path, "id,rock,pop,decade,f\na,1,0,1970,1\nb,0.5,1,1980,2\n")
    import_table(store, path, dataset="d", labels=["rock..decade"])
    assert labels(store) == {
        "tags": [("a", "rock", 1.0), ("b", "pop", 1.0), ("b", "rock", 0.5)],
        "decade": [("a", "1970", 1.0), ("b", "1980", 1.0)],
    }


def test_lists_of_tags_and_tags_with_separators(store, tmp_path):
    pl.DataFrame({"id": ["a", "b"], "genres": [["rock", "pop"], []], "tags": ["x;y", "m---z"]}).write_parquet(
        tmp_path / "t.parquet"
    )
    import_table(store, tmp_path / "t.parquet", dataset="d")
    assert labels(store) == {
        "genres": [("a", "pop", 1.0), ("a", "rock", 1.0)],
        "tags": [("a", "x", 1.0), ("a", "y", 1.0)],
        "m": [("b", "z", 1.0)],
    }


def test_credits_splits_and_texts_of_a_feature_table_are_kept(store, tmp_path):
    path = write(tmp_path, "id,Artist Name,split,key,note,x\n1,Ann,training,5,good,1\n2,NA,TEST,7,,2\n")
    assert not import_table(store, path, dataset="d").fresh
    assert import_table(store, path, dataset="d").fresh
    rows = store.sql("SELECT artist, attrs['note'] AS note FROM items ORDER BY position").rows()
    assert rows == [("Ann", "good"), (None, None)]
    assert store.sql("SELECT part FROM splits ORDER BY track")["part"].to_list() == ["train", "test"]
    assert store.features("d").columns == ["track", "key", "x"]


def test_another_table_of_a_dataset_keeps_what_it_does_not_say(store, tmp_path):
    import_table(store, write(tmp_path, "id,artist,genre\n1,Ann,rock\n2,Bob,pop\n"), dataset="d")
    import_table(store, write(tmp_path, "id,note,x\n1,hm,5\n2,ha,6\n", "u.csv"), dataset="d", feature="f")
    rows = store.sql("SELECT artist, attrs['note'] AS note FROM items ORDER BY position").rows()
    assert rows == [("Ann", "hm"), ("Bob", "ha")]
    assert labels(store) == {"genre": [("1", "rock", 1.0), ("2", "pop", 1.0)]}


def test_corrected_labels_replace_the_earlier_ones(store, tmp_path):
    import_table(store, write(tmp_path, "id,tags\n1,a;b\n2,c\n3,d\n"), dataset="d")
    done = import_table(store, write(tmp_path, "id,tags\n1,a\n2,\n3,d\n"), dataset="d")
    assert (done.changed, done.fresh) == (2, False)
    assert labels(store) == {"tags": [("1", "a", 1.0), ("3", "d", 1.0)]}


def test_credits_come_from_a_table_that_spells_ids_in_its_own_way(store, tmp_path):
    about = write(tmp_path, "TRACK_ID\tARTIST_ID\ntrack_0000007\tAnn\ntrack_0000009\tBob\n", "about.tsv")
    done = import_table(store, write(tmp_path, "id,x\n7,1\n8,2\n"), dataset="d", about=about)
    assert store.sql("SELECT artist FROM items ORDER BY position")["artist"].to_list() == ["Ann", None]
    assert done.reports[1].match["first_tracks_without_row"] == ["8"]
    with pytest.raises(UsageError, match="none of the columns title"):
        import_table(store, tmp_path / "t.csv", dataset="d", about=write(tmp_path, "id,x\n7,1\n", "no.csv"))


def test_columns_that_are_not_there_are_refused(store, tmp_path):
    path = write(tmp_path, "id,x\n7,1\n")
    for given_ in ({"labels": ["y"]}, {"drop": ["y"]}, {"id_column": "y"}):
        with pytest.raises(UnknownNameError, match="'y'"):
            import_table(store, path, dataset="d", **given_)


def test_a_left_out_column_is_told(store, tmp_path):
    done = import_table(store, write(tmp_path, "id,x,y\n7,1,a\n"), dataset="d", drop=["x"])
    assert json.loads(json.dumps(done.as_dict()))["tables"][0]["columns"] == [
        {"column": "id", "became": "id", "detail": ""},
        {"column": "x", "became": "left out", "detail": "--drop"},
        {"column": "y", "became": "attrs", "detail": ""},
    ]


def test_values_are_the_very_numbers_of_the_file(store, tmp_path):
    rng = np.random.default_rng(440)
    values = {f"f{i}": rng.normal(size=50) * 10.0 ** rng.integers(-9, 9, 50) for i in range(5)}
    frame = pl.DataFrame({"id": [f"t{i:02}" for i in range(50)], **values})
    frame.write_csv(tmp_path / "t.csv")
    import_table(store, tmp_path / "t.csv", dataset="d")
    assert store.features("d").sort("track").drop("track").equals(frame.drop("id"))


def test_columns_of_text_can_be_features(store, tmp_path):
    file = tmp_path / "songs.csv"
    file.write_text('id,bpm,lyrics,note\n1,120,"first line\nsecond line",x\n2,90,,y\n')
    done = import_table(store, file, dataset="songs", texts=["lyrics"])
    assert (done.tracks, done.columns) == (2, 2)
    assert store.features("songs").sort("track").rows() == [
        ("songs:1", 120.0, "first line\nsecond line"),
        ("songs:2", 90.0, None),
    ]
    kinds = {column["column"]: column["dtype"] for column in store.about("songs")["columns"]}
    assert kinds == {"bpm": "Float64", "lyrics": "String"}
    assert import_table(store, file, dataset="songs", texts=["lyrics"]).fresh


def test_a_table_with_several_rows_per_track_keeps_them(store, tmp_path):
    file = tmp_path / "words.csv"
    file.write_text(
        "track_id,onset,offset,word,confidence\na,0.5,1,hello,0.9\na,1,1.5,world,0.8\nb,2,3,again,\na,0,0.5,oh,1\n"
    )
    done = import_table(store, file, dataset="songs", feature="words")
    assert (done.tracks, done.columns, done.labels) == (2, 4, {})
    assert store.features("words", "songs:a").rows() == [
        ("songs:a", 0.0, 0.5, "oh", 1.0),
        ("songs:a", 0.5, 1.0, "hello", 0.9),
        ("songs:a", 1.0, 1.5, "world", 0.8),
    ]
    assert store.sql("SELECT rows FROM core.extractions ORDER BY rows").rows() == [(1,), (3,)]
    again = import_table(store, file, dataset="songs", feature="words")
    assert (again.fresh, again.tracks) == (True, 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [("a,-1,2,x", "is no time"), ("a,,2,x", "is no time"), ("a,3,2,x", "ends at 2 s, before it starts")],
)
def test_impossible_times_are_refused(store, tmp_path, row, message):
    file = tmp_path / "words.csv"
    file.write_text(f"id,start,end,word\na,0,1,y\n{row}\n")
    with pytest.raises(UsageError, match=f"row 2.* {message}|row 2 {message}"):
        import_table(store, file, dataset="songs")


def test_rows_of_a_track_have_no_labels(store, tmp_path):
    file = tmp_path / "words.csv"
    file.write_text("id,start,word,genre\na,0,x,rock\na,1,y,rock\n")
    with pytest.raises(UsageError, match="labels and credits are kept per track"):
        import_table(store, file, dataset="songs", labels=["genre"])
