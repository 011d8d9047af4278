"""Texts that come with a dataset, wherever they stand, and estimates that are made only where none is given."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from done import ingest
from inline import here

from mirstore.core.entries import FeatureEntry
from mirstore.core.errors import ConfigError, UsageError
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.tags import read_tag
from mirstore.store.ingest.annotation_sets import Given, all_sets, find, stored
from mirstore.store.ingest.sources import find as find_audio

long = "la la la\n" * 2000


@pytest.fixture
def folder(tmp_path, make_wav, monkeypatch):
    """Three recordings, and a table that lists them."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("one", "two", "three")):
        make_wav(tmp_path / f"{name}.wav", 0.3 * np.random.default_rng(number).uniform(-1, 1, 16000), 8000)
    return tmp_path


def list_tracks(folder, **columns):
    with open(folder / "tracks.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *columns])
        writer.writerows(zip(("one.wav", "two.wav", "three.wav"), *columns.values(), strict=True))


def registered(**entries: dict) -> Registry:
    registry = Registry.load()
    registry.features.update({name: FeatureEntry(**entry) for name, entry in entries.items()})
    return registry


def take(store, folder, *texts: str, asked=(), **entries: dict):
    """Ingest the table, or the folder where there is none, with annotations given as on the command line."""
    given = find(store, [Given.parse(text) for text in texts])
    known = {**stored(store), **all_sets(given)}
    chosen = resolve(asked, registered(**entries), Plugins.installed(), known)
    table = folder / "tracks.csv"
    sources = find_audio([table if table.exists() else folder])
    return ingest(store, sources, chosen, annotations=given, pool=here)


def words(store) -> dict[str, list[tuple[float, str]]]:
    query = "SELECT path, start, text FROM words JOIN tracks USING (track) ORDER BY path, start"
    found: dict[str, list[tuple[float, str]]] = {}
    for path, start, text in store.sql(query).rows():
        found.setdefault(path.rpartition("/")[2].removesuffix(".wav"), []).append((start, text))
    return found


def counts(summary, name: str):
    return {key: value for key, value in summary.features[name].items() if key != "id"}


def tagged(path, text: str) -> None:
    mutagen = pytest.importorskip("mutagen")
    from mutagen import id3

    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file.tags.add(id3.USLT(encoding=3, lang="eng", desc="", text=text))
    file.save()


def test_plain_lyrics_are_one_text_and_those_with_times_are_lines(store, folder):
    (folder / "one.lyrics.txt").write_text("one line\nand another\n")
    (folder / "two.lyrics.txt").write_text("[00:00.50]at half a second\n[00:01.00]at one\n")
    (folder / "three.lyrics.txt").write_text(" \n")
    (folder / "three.txt").write_text("an attribution")
    summary = take(store, folder, "words=*.lyrics.txt")
    assert counts(summary, "words") == {"ok": 3, "failed": 0, "fresh": 0}
    assert words(store) == {
        "one": [(0.0, "one line\nand another")],
        "two": [(0.5, "at half a second"), (1.0, "at one")],
    }
    (status,) = store.sql(
        "SELECT status FROM ledger SEMI JOIN (FROM tracks WHERE path LIKE '%three.wav') USING (track) "
        "WHERE status = 'none'"
    ).rows()
    assert status == ("none",)


def test_texts_stand_in_a_column_of_the_table_that_lists_the_tracks(store, folder):
    list_tracks(folder, lyrics=["one line\nand another", "", long])
    summary = take(store, folder, "words=column:lyrics")
    assert counts(summary, "words") == {"ok": 2, "failed": 0, "fresh": 0}
    assert summary.annotations[0].remarks == ["1 track of 3 has no annotation: two.wav"]
    assert words(store) == {"one": [(0.0, "one line\nand another")], "three": [(0.0, long.strip())]}
    assert counts(take(store, folder, "words=column:lyrics"), "words") == {"ok": 0, "failed": 0, "fresh": 2}
    list_tracks(folder, lyrics=["one line\nand another", "two", long])
    assert counts(take(store, folder, "words=column:lyrics"), "words") == {"ok": 1, "failed": 0, "fresh": 2}


def test_a_column_of_a_few_values_may_say_the_language(store, folder):
    list_tracks(folder, language=["en", "en", "es"])
    take(store, folder, "language=column:language")
    assert sorted(store.sql("SELECT text FROM language").rows()) == [("en",), ("en",), ("es",)]


def test_a_column_that_no_table_has_is_refused(store, folder):
    list_tracks(folder, lyrics=["a", "b", "c"])
    with pytest.raises(UsageError, match="no track has anything in a column 'lyric'") as refused:
        take(store, folder, "words=column:lyric")
    assert refused.value.hint == "did you mean 'lyrics'?"


def test_texts_stand_in_tags_and_are_read_again_when_the_file_changes(store, folder, monkeypatch):
    tagged(folder / "one.wav", long)
    assert read_tag(folder / "one.wav", "Lyrics") == long.strip()
    assert read_tag(folder / "two.wav", "lyrics") is None
    assert counts(take(store, folder, "words=tag:lyrics"), "words") == {"ok": 1, "failed": 0, "fresh": 0}
    assert words(store) == {"one": [(0.0, long.strip())]}
    assert counts(take(store, folder, "words=tag:lyrics"), "words") == {"ok": 0, "failed": 0, "fresh": 1}
    tagged(folder / "two.wav", "new")
    assert counts(take(store, folder, "words=tag:lyrics"), "words") == {"ok": 1, "failed": 0, "fresh": 1}


def test_another_tag_of_the_same_file_is_read_though_the_file_is_the_same(store, folder):
    mutagen = pytest.importorskip("mutagen")
    tagged(folder / "one.wav", "the words")
    file = mutagen.File(folder / "one.wav")
    file.tags.add(mutagen.id3.TIT2(encoding=3, text="the title"))
    file.save()
    for tag, text in (("title", "the title"), ("lyrics", "the words")):
        assert counts(take(store, folder, f"words=tag:{tag}"), "words") == {"ok": 1, "failed": 0, "fresh": 0}
        assert words(store) == {"one": [(0.0, text)]}


def test_of_several_sources_the_first_that_says_something_counts(store, folder):
    list_tracks(folder, lyrics=["from the table", "from the table", None])
    tagged(folder / "two.wav", "from the tag")
    tagged(folder / "three.wav", "from the tag")
    (folder / "one.lrc").write_text("[00:01.00]from the file")
    given = "words=*.lrc", "words=column:lyrics", "words=tag:lyrics"
    summary = take(store, folder, *given)
    expected = {"one": [(1.0, "from the file")], "two": [(0.0, "from the table")], "three": [(0.0, "from the tag")]}
    assert words(store) == expected
    assert [report.remarks for report in summary.annotations] == [[], [], []]
    assert counts(take(store, folder, *given), "words") == {"ok": 0, "failed": 0, "fresh": 3}
    (folder / "one.lrc").unlink()
    take(store, folder, *given[1:])
    assert words(store) == expected | {"one": [(0.0, "from the table")]}


def test_sources_of_one_set_have_the_same_columns(store, folder):
    (folder / "one.lrc").write_text("[00:01.00]a line")
    (folder / "two.csv").write_text("start,word\n0,two\n")
    with pytest.raises(UsageError, match=r"annotations 'words': words=\*\.lrc and words=two\.csv differ in columns"):
        take(store, folder, "words=*.lrc", "words=two.csv")


def test_what_stands_in_for_something_given_is_computed_only_where_that_is_lacking(store, folder, test_plugins):
    (folder / "one.csv").write_text("start,end,rms_db\n0,1,-1\n")
    (folder / "two.csv").write_text("start,end,rms_db\n")
    entries = {
        "levels": {"extractor": "per-second", "inputs": {"rows": "raw"}},
        "raw": {"extractor": "rms-segments", "params": {"seconds": 1}, "keep": False},
        "true": {"extractor": "per-second", "inputs": {"rows": "given"}},
        "best": {"extractor": "coalesce", "inputs": {"a": "true", "b": "levels"}},
    }
    first = take(store, folder, "given=*.csv", asked=["true"], **entries)
    assert counts(first, "true")["ok"] == 2
    second = take(store, folder, "given=*.csv", asked=["best"], **entries)
    assert counts(second, "best") == {"ok": 3, "failed": 0, "fresh": 0}
    assert counts(second, "levels") == {"ok": 1, "failed": 0, "fresh": 0}
    assert sorted(store.sql("SELECT DISTINCT source FROM best").rows()) == [("a",), ("b",)]
    again = take(store, folder, "given=*.csv", asked=["best"], **entries)
    assert {name: again.features[name]["ok"] for name in ("best", "levels", "raw")} == {
        "best": 0,
        "levels": 0,
        "raw": 0,
    }
    asked = take(store, folder, "given=*.csv", asked=["best", "levels"], **entries)
    assert counts(asked, "levels") == {"ok": 2, "failed": 0, "fresh": 1}


def test_an_optional_input_that_nothing_is_called_is_left_out_unless_an_entry_names_it(store):
    def resolved(**entry):
        return resolve(["it"], registered(it={"extractor": "lyric-lines", **entry}), Plugins.installed(), {})["it"]

    assert list(resolved().inputs) == ["transcript"]
    with pytest.raises(ConfigError, match=r"features\.it\.inputs\.words: unknown features 'wrods'"):
        resolved(inputs={"words": "wrods"})
    with pytest.raises(ConfigError, match="coalesce reads a or b, and nothing is called so"):
        resolve(["it"], registered(it={"extractor": "coalesce"}), Plugins.installed(), {})
