"""Tables of the kinds that people have: each came out wrong once, and has its right value here."""

from __future__ import annotations

import re

import pytest
from done import ingest

from mirstore.core.errors import UsageError
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.ingest.sources import find


@pytest.fixture
def cases(shared):
    return shared / "cases"


def labels_of(store):
    rows = store.sql("SELECT track, label_set, label FROM labels ORDER BY ALL").rows()
    return {track.partition(":")[2]: (label_set, label) for track, label_set, label in rows}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("numlabel.csv", {"1": "0", "2": "1", "3": "2"}),
        ("decades.csv", {"1": "1970", "2": "1980", "3": "1990"}),
        ("pd_cat.parquet", {"a": "rock", "b": "jazz"}),
        ("labels_only.csv", {"1": "rock", "2": "jazz"}),
        ("semicolon.csv", {"1": "rock", "2": "jazz", "3": "rock"}),
        ("utf16.csv", {"1": "rock", "2": "Björk"}),
        ("cp1252.csv", {"1": "rock", "2": "Björk"}),
    ],
)
def test_a_single_column_of_labels_is_of_classes_whatever_its_type(store, cases, name, labels):
    done = import_table(store, cases / name, dataset="d")
    assert labels_of(store) == {track: ("genre", label) for track, label in labels.items()}
    assert done.labels == {"genre": len(set(labels.values()))}
    assert (done.feature_set is None) == (name == "labels_only.csv")
    assert import_table(store, cases / name, dataset="d").fresh


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("semicolon.csv", {"tempo": [120.5, 98.25, 140.0], "energy": [0.81, 0.33, 0.91]}),
        ("tracknum.csv", {"c_track": [1.0, 2.0], "tempo": [120.0, 99.0]}),
        ("na_strings.csv", {"a": [1.0, *[None] * 6], "b": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]}),
        ("embedding_array.parquet", {"emb": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}),
        (
            "pandas_index_column.csv",
            {"length": [66149.0] * 3, "chroma_stft_mean": [0.33, 0.34, 0.5], "tempo": [123.0, 123.0, 99.0]},
        ),
    ],
)
def test_features_are_what_the_table_says(store, cases, name, columns):
    import_table(store, cases / name, dataset="d")
    found = store.features("d").sort("track").drop("track").to_dict(as_series=False)
    assert found == columns


def test_what_became_of_pandas_index_is_told(store, cases):
    (report,) = import_table(store, cases / "pandas_index_column.csv", dataset="d", id_column="filename").reports
    assert "  '' → left out (an index that pandas wrote)" in list(report.lines())


def test_decimal_commas_between_commas_are_refused(store, cases):
    with pytest.raises(UsageError, match="line 2 has 7 cells, the header 4"):
        import_table(store, cases / "decimal_commas.csv", dataset="d")


def test_each_album_has_its_own_row(store, cases):
    folder = cases / "same_names"
    sources = find([folder / "music"], folder / "meta" / "labels.csv")
    assert {source.path[-8:]: (source.artist, source.labels) for source in sources} == {
        "A/01.wav": ("Ann", {"genre": ["rock"]}),
        "B/01.wav": ("Bob", {"genre": ["jazz"]}),
    }


def test_rows_without_a_file_are_counted_and_named(cases):
    reports = []
    found = find([cases / "partial_match"], cases / "partial_match" / "labels.csv", reports=reports)
    assert {source.path[-10:]: source.labels["genre"] for source in found} == {
        "000002.wav": ["Hip-Hop"],
        "000003.wav": ["Rock"],
    }
    assert reports[0].remarks == ["1 of 3 rows named none of the 2 files: 99"]
    assert reports[0].match["first_rows_without_file"] == ["99"]


def test_split_names_of_all_kinds(store, cases):
    reports = []
    ingest(store, find([cases / "split_names" / "mixed.csv"], reports=reports), {})
    rows = store.sql("SELECT part, count(*) AS n FROM splits GROUP BY part ORDER BY part").rows()
    assert rows == [("test", 3), ("train", 6), ("validation", 3)]
    assert any(re.search("validation 3 called 'valid'", line) for line in reports[0].lines())
