"""Tags give credits and genres where a table does not, and re-tagging computes nothing."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from done import ingest

from mirstore.core.errors import UsageError
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.store import Store
from mirstore.store.history import log
from mirstore.store.ingest.sources import find

mutagen = pytest.importorskip("mutagen")
rng = np.random.default_rng(440)


@pytest.fixture
def music(tmp_path):
    """Four tagged recordings: one artist only as album artist, one file without tags."""
    import soundfile

    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("one", "two", "three", "four"):
        soundfile.write(folder / f"{name}.ogg", 0.3 * rng.uniform(-1, 1, 22050), 22050)
    tag(folder / "one.ogg", title="One", artist="Ann", genre=["Rock", "Loud"], bpm="120", date="1999")
    tag(folder / "two.ogg", title="Two", albumartist="Bob", genre=["Pop"])
    tag(folder / "three.ogg", title="Three", artist="Ann", albumartist="Various")
    return folder


def tag(path, **values):
    file = mutagen.File(path)
    file.delete()
    file.update(values)
    file.save()


def features():
    return resolve(["rms-segments"], Registry.load(), Plugins.installed())


def items(store):
    rows = store.sql("SELECT regexp_extract(path, '[a-z]+.ogg$') AS file, i.* FROM items i JOIN tracks USING (track)")
    return {row["file"].removesuffix(".ogg"): row for row in rows.iter_rows(named=True)}


def genres(store):
    rows = store.sql(
        "SELECT regexp_extract(path, '([a-z]+).ogg$', 1), label_set, label FROM labels JOIN tracks USING (track)"
    )
    return sorted(rows.iter_rows())


def test_a_folder_has_the_credits_and_genres_of_its_tags(store, music):
    summary = ingest(store, find([music]), {}).as_dict()
    assert summary["tags"] == {"read": 4, "artist": 3, "genre": 2, "unreadable": 0, "retagged": 0}
    found = items(store)
    assert {name: row["artist"] for name, row in found.items()} == {
        "one": "Ann",
        "two": "Bob",
        "three": "Ann",
        "four": None,
    }
    assert dict(found["one"]["attrs"]) == {"bpm": "120.0", "date": "1999"}
    assert dict(found["three"]["attrs"]) == {"albumartist": "Various"}
    assert genres(store) == [("one", "tag:genre", "Loud"), ("one", "tag:genre", "Rock"), ("two", "tag:genre", "Pop")]
    assert store.sql("SELECT title, artist FROM tracks WHERE title = 'Two'").rows() == [("Two", "Bob")]
    assert store.sql("SELECT genre FROM tags WHERE title = 'One'").item().to_list() == ["Rock", "Loud"]


def test_nothing_is_read_twice(store, music):
    ingest(store, find([music]), {})
    snapshot = store.snapshot_id
    assert ingest(store, find([music]), {}).as_dict()["tags"]["read"] == 0
    assert store.snapshot_id == snapshot


def test_tagging_anew_changes_credits_and_genres_and_computes_nothing(store, music, test_plugins):
    ingest(store, find([music]), features())
    before = {name: row["track"] for name, row in items(store).items()}
    tag(music / "one.ogg", title="Eins", artist="Anna", genre=["Jazz"])
    tag(music / "two.ogg", title="Two", albumartist="Bob")
    summary = ingest(store, find([music]), features()).as_dict()
    assert summary["tracks"] == {"new": 0, "changed": 0, "known": 4, "failed": 0}
    assert summary["features"]["rms-segments"]["ok"] == 0
    assert summary["tags"] == {"read": 2, "artist": 2, "genre": 1, "unreadable": 0, "retagged": 2}
    assert {name: row["track"] for name, row in items(store).items()} == before
    assert (items(store)["one"]["title"], items(store)["one"]["artist"]) == ("Eins", "Anna")
    assert genres(store) == [("one", "tag:genre", "Jazz")]


def test_the_log_says_that_files_were_tagged_anew_or_moved(store, music):
    ingest(store, find([music]), {})
    tag(music / "one.ogg", title="Uno", artist="Ann", genre=["Rock"])
    with Store(store.path) as again:  # another command
        ingest(again, find([music]), {})
        assert log(again, 1)[0]["changes"] == ["1 label changed", "tags of 1 file changed"]
    (music / "two.ogg").rename(music / "other.ogg")
    with Store(store.path) as again:
        ingest(again, find([music]), {})
        assert "1 file at another path" in log(again, 1)[0]["changes"]


def test_a_table_wins_over_the_tags(store, music):
    table = music.parent / "labels.csv"
    with open(table, "w") as file:
        csv.writer(file).writerows([["path", "artist", "genre", "date"], ["music/one.ogg", "Table", "metal", "2001"]])
    ingest(store, find([music], table), {})
    (row,) = store.sql("SELECT title, artist, attrs FROM items WHERE artist = 'Table'").rows()
    assert row[:2] == ("One", "Table")
    assert dict(row[2]) == {"bpm": "120.0", "date": "2001"}
    assert set(genres(store)) >= {("one", "genre", "metal"), ("one", "tag:genre", "Rock")}


def test_tags_can_be_left_out_and_come_back(store, music):
    ingest(store, find([music]), {})
    ingest(store, find([music]), {}, tags=False)
    assert {row["artist"] for row in items(store).values()} == {None}
    assert genres(store) == []
    assert store.sql("FROM tags").is_empty()
    assert ingest(store, find([music]), {}, tags=False).as_dict()["tags"]["read"] == 0
    assert ingest(store, find([music]), {}).as_dict()["tags"]["read"] == 4
    assert items(store)["one"]["artist"] == "Ann"
    assert len(genres(store)) == 3


def test_a_first_ingest_without_tags_reads_none(store, music):
    assert ingest(store, find([music]), {}, tags=False).as_dict()["tags"]["read"] == 0
    assert store.scan("core.tags").collect().is_empty()


def test_a_changed_recording_loses_the_tags_of_the_old_one(store, music):
    import soundfile

    ingest(store, find([music]), {})
    soundfile.write(music / "one.ogg", 0.2 * rng.uniform(-1, 1, 22050), 22050)
    ingest(store, find([music]), {})
    assert items(store)["one"]["artist"] is None
    assert ("one", "tag:genre", "Rock") not in genres(store)


def test_unreadable_tags_are_counted_and_cost_nothing_else(store, music):
    data = bytearray((music / "one.ogg").read_bytes())
    at = data.index(b"\x03vorbis") + 7
    data[at : at + 4] = b"\xff\xff\xff\x7f"  # length of the vendor's name
    (music / "one.ogg").write_bytes(data)
    summary = ingest(store, find([music]), {}).as_dict()
    assert summary["tracks"]["new"] + summary["tracks"]["failed"] == 4
    assert summary["tags"]["unreadable"] == 1


# Files of one recording


@pytest.fixture
def twins(music):
    """Two files of one recording, with other tags."""
    (music / "b.ogg").write_bytes((music / "one.ogg").read_bytes())
    tag(music / "b.ogg", title="Uno", artist="Ann", genre=["Pop"])
    return music


def test_of_files_of_one_recording_the_first_tags_count_and_differences_are_told(store, twins):
    summary = ingest(store, find([twins]), {}).as_dict()
    (line,) = summary["duplicates"]["told"]
    assert line == "one.ogg is the same recording as b.ogg; title differs: Uno, One; tag:genre differs: Pop, Loud|Rock"
    (row,) = store.sql("SELECT kind, details FROM duplicates").rows()
    assert row == ("identical file", "title differs: Uno, One; tag:genre differs: Pop, Loud|Rock")
    assert store.sql("SELECT title FROM items WHERE artist = 'Ann' AND title <> 'Three'").item() == "Uno"
    assert store.sql("SELECT label FROM labels WHERE label IN ('Rock', 'Loud')").is_empty()
    again = ingest(store, find([twins]), {}).as_dict()
    assert again["duplicates"]["told"] == []


def test_two_classes_for_one_recording_are_refused(store, twins):
    table = twins.parent / "t.csv"
    table.write_text("path,genre\nmusic/one.ogg,rock\nmusic/b.ogg,pop\nmusic/two.ogg,pop\n")
    with pytest.raises(
        UsageError, match=r"one\.ogg and b\.ogg are the same recording, but genre says 'rock' and 'pop'"
    ):
        ingest(store, find([table]), {})
    assert store.sql("FROM labels").is_empty()


def test_tags_of_one_recording_go_together_and_are_told(store, twins):
    table = twins.parent / "t.csv"
    table.write_text("path,mood,artist\nmusic/one.ogg,dark,X\nmusic/b.ogg,dark|slow,Y\nmusic/two.ogg,slow,\n")
    summary = ingest(store, find([table]), {}, tags=False).as_dict()
    assert summary["duplicates"]["told"] == [
        "b.ogg is the same recording as one.ogg; artist differs: X, Y; mood differs: dark, dark|slow"
    ]
    rows = store.sql(
        "SELECT label, artist FROM labels JOIN items USING (track) WHERE artist IS NOT NULL ORDER BY 1"
    ).rows()
    assert rows == [("dark", "X"), ("slow", "X")]


def test_a_copy_that_comes_later_is_told_and_changes_nothing_silently(store, music, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("path,genre,artist\nmusic/one.ogg,rock,X\nmusic/two.ogg,pop,Z\n")
    ingest(store, find([table]), {}, dataset="d")
    (tmp_path / "copy.ogg").write_bytes((music / "one.ogg").read_bytes())
    table.write_text("path,genre,artist\ncopy.ogg,pop,Y\n")
    with pytest.raises(UsageError, match="the same recording, but genre says 'rock' and 'pop'"):
        ingest(store, find([table]), {}, dataset="d")
    table.write_text("path,genre,artist\ncopy.ogg,rock,Y\n")
    summary = ingest(store, find([table]), {}, dataset="d").as_dict()
    assert summary["duplicates"]["told"] == ["copy.ogg is the same recording as music/one.ogg; artist differs: X, Y"]
    assert store.sql("SELECT artist FROM items WHERE title = 'One'").item() == "X"


def test_a_moved_file_is_no_duplicate(store, music):
    ingest(store, find([music]), {})
    (music / "one.ogg").rename(music / "eins.ogg")
    assert ingest(store, find([music]), {}).as_dict()["duplicates"]["told"] == []


def test_a_tag_is_json_that_anyone_can_read(store, music):
    ingest(store, find([music]), {})
    rows = store.scan("core.tags").collect()
    assert {json.loads(text).get("title") for text in rows["tags"]} == {"One", "Two", "Three", None}


def test_tags_that_change_do_so_in_every_dataset(store, music):
    ingest(store, find([music]), {}, dataset="a")
    ingest(store, find([music]), {}, dataset="b")
    tag(music / "one.ogg", title="One", artist="Ann", genre=["Jazz"])
    ingest(store, find([music / "one.ogg"]), {}, dataset="b")
    query = "SELECT dataset, label FROM labels WHERE label_set = 'tag:genre' AND label <> 'Pop' ORDER BY ALL"
    assert store.sql(query).rows() == [("a", "Jazz"), ("b", "Jazz")]
    ingest(store, find([music]), {}, dataset="b", tags=False)
    assert store.sql("SELECT * FROM labels").is_empty()


def test_a_file_that_was_moved_and_tagged_anew_has_its_new_tags(store, music):
    ingest(store, find([music]), {})
    tag(music / "one.ogg", title="Uno", artist="Zoe", genre=["Jazz"])
    music.rename(music.with_name("nusic"))  # after the old path in the order of names
    summary = ingest(store, find([music.with_name("nusic")]), {})
    assert summary.renamed == {"nusic": "music"}
    assert summary.labels["changed"] == 1
    assert items(store)["one"]["artist"] == "Zoe"
    labels = store.sql("SELECT label FROM labels WHERE label_set = 'tag:genre' ORDER BY 1")["label"].to_list()
    assert labels == ["Jazz", "Pop"]
