"""Tables that list files: labels of any column, paths, splits, and what a reader is told of them."""

from __future__ import annotations

import polars as pl
import pytest
from done import ingest

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store import Store
from mirstore.store.ingest.file_tables import read_listing
from mirstore.store.ingest.sources import find
from mirstore.store.tables.column_options import Options


def write(folder, text, name="t.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def labels(path, **options):
    return [dict(source.labels) for source in read_listing(path, Options(**options)).sources]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ("jig,reel", [["jig"], ["reel"]]),
        ("0,1", [["0"], ["1"]]),
        ("1970,1980", [["1970"], ["1980"]]),
        ("True,False", [["True"], ["False"]]),
        ("a;b,a|c", [["a", "b"], ["a", "c"]]),
        ("NA,x", [[], ["x"]]),
    ],
)
def test_any_column_is_a_label_set_if_one_says_so(tmp_path, cells, found):
    one, two = cells.split(",")
    path = write(tmp_path, f"path,Tune Type,x\na.wav,{one},7\nb.wav,{two},8\n")
    assert labels(path, labels=["Tune Type"]) == [{"tune_type": names} for names in found]
    assert read_listing(path).sources[1].attrs == {"Tune Type": two, "x": "8"}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1970, 1980], ["1970", "1980"]),
        ([1970.0, None], ["1970"]),
        ([True, False], ["true", "false"]),
        (pl.Series(["rock", "jazz"], dtype=pl.Categorical), ["rock", "jazz"]),
        ([["rock", "pop"], []], ["rock", "pop"]),
        (["['rock', 'pop']", "[21]"], ["rock", "pop", "21"]),
    ],
)
def test_labels_of_all_types(tmp_path, values, found):
    pl.DataFrame({"path": ["a.wav", "b.wav"], "x": values}).write_parquet(tmp_path / "t.parquet")
    said = labels(tmp_path / "t.parquet", labels=["x"])
    assert [name for row in said for name in row["x"]] == found


def test_several_columns_are_one_set(tmp_path):
    path = write(tmp_path, "path,happy,sad,voice\na.wav,1,0,alto\nb.wav,true,1.0,bass\nc.wav,,0,\n")
    sets = {"mood": ["happy..sad", "voice"]}
    assert labels(path, label_sets=sets) == [
        {"mood": ["happy", "alto"]},
        {"mood": ["happy", "sad", "bass"]},
        {"mood": []},
    ]
    with pytest.raises(UsageError, match=r"'happy' has 0\.5 in row 1, which is neither"):
        labels(write(tmp_path, "path,happy,sad\na.wav,.5,0\n"), label_sets={"mood": ["happy", "sad"]})


@pytest.mark.parametrize("text", ["path,label:tag:genre\na.wav,rock\n", "path,genre\na.wav,tag:genre---rock\n"])
def test_given_labels_are_never_mixed_with_those_of_tags(tmp_path, text):
    with pytest.raises(UsageError, match="a label set cannot be called 'tag:genre'"):
        labels(write(tmp_path, text))


def test_a_column_label_name_holds_classes_or_zero_and_one(tmp_path):
    path = write(tmp_path, "path,label:dance,label:live\na.wav,jig,1\nb.wav,reel,0\n")
    assert labels(path) == [{"dance": ["jig"], "label": ["live"]}, {"dance": ["reel"], "label": []}]


def test_columns_that_no_table_has_are_refused(tmp_path):
    path = write(tmp_path, "path,dance\na.wav,jig\n")
    for options in (Options(labels=["dence"]), Options(label_sets={"x": ["dance", "dence"]})):
        with pytest.raises(UnknownNameError, match="unknown column 'dence'"):
            find([path], options=options)
    (tmp_path / "a.wav").touch()
    with pytest.raises(UsageError, match="no table was given"):
        find([write(tmp_path, "", "a.wav")], options=Options(labels=["dance"]))


def test_credits_under_the_names_that_people_give(tmp_path):
    path = write(tmp_path, "mp3_path,Artist Name,artist_id,Track Title,AlbumTitle\na.mp3,Ann,7,One,All\n")
    (source,) = read_listing(path).sources
    assert (source.path, source.artist, source.title, source.album) == (str(tmp_path / "a.mp3"), "Ann", "One", "All")
    assert source.attrs == {"artist_id": "7"}


def test_each_column_is_accounted_for(tmp_path):
    path = write(
        tmp_path,
        ",path,title,dance,abc_key,set_split,fold,tags\n0,a.wav,A,jig,Dm,VAL,1,x---y\n1,b.wav,NA,reel,G,Training,1,z\n",
    )
    listing = read_listing(path, Options(labels=["dance"]))
    assert list(listing.report.lines()) == [
        "t.csv:",
        "  '' → left out (an index that pandas wrote)",
        "  path → path",
        "  title → credits (title)",
        "  dance → labels (2 classes)",
        "  abc_key → attrs",
        "  set_split → split ('split': validation 1 called 'VAL', train 1 called 'Training')",
        "  fold → fold",
        "  tags → labels (2 classes of 'x', 'tags')",
        "  taken for missing: 'NA' in 'title'",
    ]
    assert listing.report.as_dict()["columns"][4] == {"column": "abc_key", "became": "attrs", "detail": ""}
    assert listing.sources[0].splits == {"split": (1, "validation")}


def test_the_path_column_can_be_named(tmp_path):
    path = write(tmp_path, "path,clip\nx,a.wav\n")
    (source,) = read_listing(path, Options(path_column="clip")).sources
    assert source.path == str(tmp_path / "a.wav")
    with pytest.raises(UnknownNameError, match="column for paths"):
        read_listing(path, Options(path_column="none"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,start,end,label\na.wav,0,1,x\na.wav,1,2,y\n", "several segments per file"),
        ("path,split\na.wav,train\na.wav,test\n", "disagree about split 'split': train of fold 0, test of fold 0"),
        ("path,split\na.wav,train\n,test\n", "row 2 has nothing in column 'path'"),
        ("id,genre\n1,rock\n", "has no column of paths, and no file"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        find([write(tmp_path, text)])


def test_rows_of_one_file_are_united_and_what_differs_is_told(tmp_path):
    path = write(tmp_path, "path,artist,genre,split\na.wav,Ann,x,dev\na.wav,Bob,y,validation\n")
    listing = read_listing(path)
    assert (listing.sources[0].artist, listing.sources[0].labels) == ("Ann", {"genre": ["x", "y"]})
    assert listing.report.remarks == [
        "2 rows name 1 file: labels of rows of one file were united",
        "rows of one file differ, the first one stands: a.wav: artist 'Ann', 'Bob'",
    ]


def test_words_that_are_no_parts_are_told_with_the_known_ones(tmp_path):
    listing = read_listing(write(tmp_path, "path,split\na.wav,train\nb.wav,extra\n"))
    (remark,) = listing.report.remarks
    assert remark.startswith(
        "split 'split' has parts that no experiment uses: 'extra' (1 row); known are train/training"
    )
    assert listing.sources[1].splits == {"split": (0, "extra")}


@pytest.mark.parametrize("column", ["split", "split:mine", "fold"])
def test_numbers_of_a_split_are_folds_each_tested_once(tmp_path, column):
    listing = read_listing(write(tmp_path, f"path,{column}\na.wav,1\nb.wav,10\nc.wav,1\nd.wav,\n"))
    name = column.rpartition(":")[2]
    assert [source.splits for source in listing.sources] == [{name: (fold, "test")} for fold in (1, 10, 1)] + [{}]
    assert list(listing.report.lines())[2:] == [f"  {column} → split ({name!r}: 2 folds)"]


def test_numbers_beside_words_or_folds_are_parts_that_are_told(tmp_path):
    for table in ("path,split\na.wav,1\nb.wav,test\n", "path,split,fold\na.wav,1,0\nb.wav,test,0\n"):
        listing = read_listing(write(tmp_path, table))
        assert listing.sources[0].splits == {"split": (0, "1")}
        assert "parts that no experiment uses: '1' (1 row);" in listing.report.remarks[0]


def test_ids_that_name_files_are_told_as_ids(tmp_path):
    assert str(read_listing(write(tmp_path, "track_id,genre\n2,rock\n")).report.columns[0]) == "track_id → id"


def test_folders_are_labels(tmp_path, make_wav):
    import numpy as np

    for name in ("rock/a.wav", "rock/live/b.wav", "jazz/c.wav", "d.wav"):
        make_wav(tmp_path / "music" / name, np.zeros(100))
    reports = []
    found = find([tmp_path / "music"], label_from_folder=True, reports=reports)
    names = [(source.path[-5:], source.labels.get("label")) for source in found]
    assert names == [("d.wav", None), ("c.wav", ["jazz"]), ("a.wav", ["rock"]), ("b.wav", ["rock"])]
    assert list(reports[0].lines())[1:] == [
        "  folder → labels (2 classes of 'label')",
        "  1 file stands in no folder of a class: d.wav",
    ]
    table = write(tmp_path, "path,genre\nc.wav,bop\n")
    assert find([tmp_path / "music"], table, label_from_folder=True)[1].labels == {"label": ["jazz"], "genre": ["bop"]}


def test_bare_names_in_several_folders_are_an_error(tmp_path):
    for folder in "AB":
        write(tmp_path / "music" / folder, "", "01.wav")
    table = write(tmp_path, "path,artist\n01.wav,Ann\n", "l.csv")
    with pytest.raises(UsageError, match=r"'01.wav' fits 2 files: .*A/01.wav, .*B/01.wav"):
        find([tmp_path / "music"], table)


def test_a_table_about_a_table_adds_to_it(tmp_path):
    files = write(tmp_path, "path,artist,split,bpm\na.wav,Ann,train,9\n")
    about = write(tmp_path, "path,title,genre\na.wav,One,rock\n", "l.csv")
    (source,) = find([files], about)
    assert (source.artist, source.title, source.labels) == ("Ann", "One", {"genre": ["rock"]})
    assert (source.splits, source.attrs) == ({"split": (0, "train")}, {"bpm": "9"})


def test_lists_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(UsageError, match="neither audio nor a table") as error:
        find([write(tmp_path, "x", "t.m3u")])
    assert "CSV" in error.value.hint


def test_corrections_are_counted_and_an_empty_cell_takes_a_label_away(tmp_path, make_wav):
    import numpy as np

    for number, name in enumerate("abc"):
        make_wav(tmp_path / f"{name}.wav", np.linspace(0, 0.1 * (number + 1), 4000))
    with Store(tmp_path / "store", create=True) as store:
        counts = []
        for text in (
            "a.wav,rock\nb.wav,rock\nc.wav,\n",
            "a.wav,pop\nb.wav,\nc.wav,jazz\n",
            "a.wav,pop\nb.wav,\nc.wav,jazz\n",
        ):
            sources = find([write(tmp_path, f"path,genre\n{text}")])
            counts.append(ingest(store, sources, {}).as_dict()["labels"])
        rows = store.sql("SELECT path, label FROM labels JOIN tracks USING (track) ORDER BY path").rows()
    assert counts == [{"added": 2, "changed": 0}, {"added": 1, "changed": 2}, {"added": 0, "changed": 0}]
    assert [(path[-5:], label) for path, label in rows] == [("a.wav", "pop"), ("c.wav", "jazz")]


def test_a_corrected_fold_takes_the_place_of_the_earlier_one(tmp_path, make_wav):
    import numpy as np

    for number, name in enumerate("abc"):
        make_wav(tmp_path / f"{name}.wav", np.linspace(0, 0.1 * (number + 1), 4000))
    with Store(tmp_path / "store", create=True) as store:
        for folds in ((1, 2, 3), (2, 1, 3)):
            rows = "".join(f"{name}.wav,{fold}\n" for name, fold in zip("abc", folds, strict=True))
            ingest(store, find([write(tmp_path, f"path,fold\n{rows}")]), {})
        found = store.sql("SELECT path, fold FROM splits JOIN tracks USING (track) ORDER BY path").rows()
    assert [(path[-5:], fold) for path, fold in found] == [("a.wav", 2), ("b.wav", 1), ("c.wav", 3)]
