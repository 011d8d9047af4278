"""Files, folders, globs and tables, well-formed and not."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store.ingest.file_tables import read_listing
from mirstore.store.ingest.mirdata import read_mirdata
from mirstore.store.ingest.sources import find


@pytest.fixture
def music(tmp_path):
    for name in ("a.wav", "b.MP3", "sub/c.flac", "sub/notes.txt", ".hidden/d.wav", "._a.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    return tmp_path


def read_table(file):
    return read_listing(file).sources


def names(sources, base):
    return [source.path.removeprefix(f"{base}/") for source in sources]


def test_a_folder_gives_its_audio_and_follows_no_links(music):
    assert names(find([music]), music) == ["a.wav", "b.MP3", "sub/c.flac"]


@pytest.mark.parametrize(("cell", "fold"), [("0", 0), ("3", 3), ("1.0", 1)])
def test_folds_alone_are_a_split(tmp_path, cell, fold):
    (tmp_path / "t.csv").write_text(f"path,fold\nx.wav,{cell}\ny.wav,\n")
    first, second = read_table(tmp_path / "t.csv")
    assert (first.splits, second.splits) == ({"fold": (fold, "test")}, {})


@pytest.mark.parametrize(
    ("header", "cell", "message"),
    [
        ("fold", "x", "fold 'x' in row 2 is no whole number"),
        ("label:live", "maybe", "'label:live' has 'maybe' in row 2, which is neither"),
    ],
)
def test_cells_that_make_no_sense_are_refused(tmp_path, header, cell, message):
    (tmp_path / "t.csv").write_text(f"path,{header}\nx.wav,1\ny.wav,{cell}\nz.wav,0\n")
    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / "t.csv")


def test_two_columns_of_one_name_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("path,genre,genre\nx.wav,a,b\n")
    with pytest.raises(UsageError, match="column 'genre' stands there twice"):
        read_table(tmp_path / "t.csv")


def test_lists_of_parquet_are_several_labels(tmp_path):
    pl.DataFrame({"path": ["x.wav"], "genre": [["rock", "metal"]]}).write_parquet(tmp_path / "t.parquet")
    (source,) = read_table(tmp_path / "t.parquet")
    assert source.labels == {"genre": ["rock", "metal"]}


def test_globs_and_files_are_found_once(music):
    assert names(find([f"{music}/**/*.wav", music / "a.wav"]), music) == ["a.wav"]
    with pytest.raises(UsageError, match="no file matches"):
        find([f"{music}/*.aiff"])
    with pytest.raises(UsageError, match=r"none.wav: no such file or directory"):
        find([music / "none.wav"])


def test_a_table_gives_credits_labels_splits_and_the_rest(tmp_path):
    (tmp_path / "t.csv").write_text(
        "file,title,artist,genre,tags,split:cv,fold,label:live,bpm\n"
        "x.wav,X,Ann,rock,genre---rock|mood/theme---dark;loud,train,2,1,120\n"
    )
    (source,) = read_table(tmp_path / "t.csv")
    assert (source.path, source.title, source.artist) == (str(tmp_path / "x.wav"), "X", "Ann")
    assert source.labels == {"genre": ["rock"], "mood/theme": ["dark"], "tags": ["loud"], "label": ["live"]}
    assert source.splits == {"cv": (2, "train")}
    assert source.attrs == {"bpm": "120"}


def test_mtg_jamendo_runs_tags_over_the_last_columns(shared):
    rows = read_table(shared / "data" / "real_audio" / "autotagging_style.tsv")
    assert rows[0].labels == {"genre": ["folkworld"], "culture": ["rome"], "mood/theme": ["peace"]}
    assert rows[0].artist == "artist_000028"
    assert len(rows) == 125


def annotated(tmp_path, *tags):
    """Write a table in MTG-Jamendo's layout, with the tags of a track in each row."""
    head = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
    rows = [
        "\t".join([f"track_{i:07}", f"artist_{i}", "album_1", f"{i:02}/{i}.mp3", "200.0", *of_track]) + "\n"
        for i, of_track in enumerate(tags)
    ]
    (tmp_path / "clean.tsv").write_text(head + "".join(rows))
    return tmp_path / "clean.tsv"


def test_what_three_annotators_agreed_on_is_a_label_set_per_taxonomy(tmp_path):
    listing = read_listing(
        annotated(
            tmp_path,
            ["genre_tzanetakis---hip hop,hip hop,hip hop", "mood_happy---not_happy,not_happy,not_happy"],
            ["genre_dortmund---folkcountry,folkcountry,folkcountry"],
            ["mood_happy---happy", "genre_electronic---dnb, dnb"],
        )
    )
    assert [source.labels for source in listing.sources] == [
        {"genre_tzanetakis": ["hip hop"], "mood_happy": ["not_happy"]},
        {"genre_dortmund": ["folkcountry"]},
        {"mood_happy": ["happy"], "genre_electronic": ["dnb"]},
    ]
    assert listing.sources[0].artist == "artist_0"
    assert listing.report.remarks == []


def test_what_annotators_do_not_agree_on_is_left_out_and_told(tmp_path):
    listing = read_listing(
        annotated(
            tmp_path,
            ["genre_dortmund---pop,unmatched,unmatched", "mood_sad---sad,sad,sad"],
            ["genre_dortmund---unmatched,unmatched,unmatched", "mood_sad---sad,not_sad,sad"],
        )
    )
    assert [source.labels.get("mood_sad") for source in listing.sources] == [["sad"], None]
    assert not any("genre_dortmund" in source.labels for source in listing.sources)
    assert listing.report.remarks == ["on 3 tags annotators do not agree: left out"]


def test_commas_in_other_tables_stay_in_their_labels(tmp_path):
    (tmp_path / "t.csv").write_text('path,tags\nx.wav,"genre---Folk, World|mood---a,a"\n')
    assert read_table(tmp_path / "t.csv")[0].labels == {"genre": ["Folk, World"], "mood": ["a,a"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_recognised(tmp_path, encoding):
    (tmp_path / "t.csv").write_text("path,artist\nx.wav,Björk\n", encoding=encoding)
    assert read_table(tmp_path / "t.csv")[0].artist == "Björk"


def test_duplicate_rows_add_their_labels(tmp_path):
    (tmp_path / "t.csv").write_text("path,genre\nx.wav,rock\nx.wav,pop\nx.wav,rock\n")
    (source,) = read_table(tmp_path / "t.csv")
    assert source.labels == {"genre": ["rock", "pop"]}


def test_labels_are_matched_by_path_name_and_stem(music, tmp_path):
    table = tmp_path / "labels.tsv"
    table.write_text("track\tgenre\na\trock\nc.flac\tpop\nunknown\tjazz\n")
    found = {source.path: source.labels for source in find([music], table)}
    assert found[f"{music}/a.wav"] == {"genre": ["rock"]}
    assert found[f"{music}/sub/c.flac"] == {"genre": ["pop"]}
    assert found[f"{music}/b.MP3"] == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no rows"),
        ("colour\nred\n", "unknown column for paths"),
        ("path,genre\nx.wav,a,b\n", "line 2 has 3 cells"),
    ],
)
def test_bad_tables_are_errors(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_table(tmp_path / "t.csv")


def test_labels_that_match_nothing_are_an_error(music, tmp_path):
    (tmp_path / "l.csv").write_text("path,genre\nzzz.wav,rock\n")
    with pytest.raises(UsageError, match="none of its 1 row names"):
        find([music], tmp_path / "l.csv")


def test_parquet_tables_are_read(tmp_path):
    pl.DataFrame({"path": ["x.wav"], "genre": ["rock"]}).write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")[0].labels == {"genre": ["rock"]}


@pytest.fixture
def gtzan(tmp_path, make_wav, monkeypatch):
    """A GTZAN of three tracks in mirdata's layout; its index, which mirdata would download, lies beside it."""
    core = pytest.importorskip("mirdata.core", reason="needs the extra mirdata")
    tracks = {}
    for number, name in enumerate(("blues.00000", "hiphop.00001", "rock.00002")):
        audio = f"gtzan_genre/genres/{name.split('.')[0]}/{name}.wav"
        make_wav(tmp_path / audio, np.full(22050, 0.1 * (number + 1)))
        tracks[name] = {"audio": [audio, ""], "beats": [None, None], "tempo": [None, None]}
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"version": "1.0", "tracks": tracks}))
    monkeypatch.setattr(core.Index, "get_path", lambda self: str(index))
    return tmp_path


def test_mirdata_datasets_are_read_in_their_own_layout(gtzan):
    sources = read_mirdata("gtzan_genre", gtzan)
    assert [source.labels["genre"] for source in sources] == [["blues"], ["hip-hop"], ["rock"]]
    assert sources[0].path == str(gtzan / "gtzan_genre" / "genres" / "blues" / "blues.00000.wav")
    assert {source.dataset for source in sources} == {"gtzan_genre"}


@pytest.mark.parametrize("name", ["beatport_key", "giantsteps_key"])
def test_genres_sub_genres_artists_and_tempo_of_a_mirdata_dataset_arrive(tmp_path, make_wav, monkeypatch, name):
    core = pytest.importorskip("mirdata.core", reason="needs the extra mirdata")
    said = {
        "one": {
            "genres": [{"name": "Techno"}],
            "sub_genres": [{"name": "Dub Techno"}, {"name": "Deep"}],
            "artists": [{"name": "Ann"}, {"name": "Bo"}],
            "bpm": 128,
        },
        "two": {"genres": [{"name": "Trance"}], "sub_genres": [], "artists": [{"name": "Cy"}], "bpm": None},
    }
    tracks = {}
    for id_, meta in said.items():
        make_wav(tmp_path / f"audio/{id_}.wav", np.full(22050, 0.1))
        for folder, text in (("meta", json.dumps(meta)), ("keys", "D minor\n")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{id_}.txt").write_text(text)
        files = {"audio": f"audio/{id_}.wav", "meta": f"meta/{id_}.txt", "key": f"keys/{id_}.txt"}
        tracks[id_] = {kind: [file, ""] for kind, file in files.items()}
    (tmp_path / "index.json").write_text(json.dumps({"version": "1.0", "tracks": tracks}))
    monkeypatch.setattr(core.Index, "get_path", lambda self: str(tmp_path / "index.json"))
    one, two = read_mirdata(name, tmp_path)
    assert one.labels == {"genre": ["Techno"], "sub_genre": ["Dub Techno", "Deep"], "key": ["D minor"]}
    assert two.labels == {"genre": ["Trance"], "key": ["D minor"]}
    assert (one.artist, two.artist) == ("Ann", "Cy")
    assert (one.targets, two.targets) == ({"tempo": {"tempo": 128.0}}, {})
    assert one.dataset == name


def test_a_mirdata_dataset_that_is_not_there_says_how_to_get_it(tmp_path):
    pytest.importorskip("mirdata", reason="needs the extra mirdata")
    with pytest.raises(UsageError, match="index must be downloaded") as error:
        read_mirdata("gtzan_genre", tmp_path)
    assert "download()" in error.value.hint
    with pytest.raises(UnknownNameError, match="gtzan"):
        read_mirdata("gtzan", tmp_path)
