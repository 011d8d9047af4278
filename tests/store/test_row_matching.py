"""Rows of tables find files: the longest common ending decides, and what fits several is never guessed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core.errors import UsageError
from mirstore.store.tables.row_matching import match


def found(keys, paths, exact=()):
    result = match(keys, paths, "t.csv", exact)
    return {paths[path]: keys[key] for path, key in result.found.items()}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("A/01.wav", "/m/A/01.wav"),
        ("/other/disk/A/01.wav", "/m/A/01.wav"),
        ("C:\\music\\A\\01.wav", "/m/A/01.wav"),
        ("./x/../01.wav", "/m/01.wav"),
        ("blues.00000", "/m/blues.00000.wav"),
        ("a.mp3", "/m/a.wav"),
        ("a.MP3", "/m/A.mp3"),
        ("3", "/m/000003.mp3"),
        ("000002", "/m/2.mp3"),
        ("3346.0", "/m/track_0003346.mp3"),
        ("track_0003346", "/m/46/3346.mp3"),
        (unicodedata.normalize("NFC", "Björk.wav"), unicodedata.normalize("NFD", "/m/Björk.wav")),
    ],
)
def test_spellings_of_one_file(key, path):
    assert found([key, "other"], [path, "/m/nothing.wav"]) == {path: key}


def test_the_longest_ending_decides():
    paths = [f"/m/{artist}/{album}/01.wav" for artist in "ab" for album in "xy"]
    keys = [path.removeprefix("/m/") for path in reversed(paths)]
    assert found(keys, paths) == {path: path.removeprefix("/m/") for path in paths}
    assert found(["A/01.mp3", "B/01.wav"], ["/A/01.wav", "/B/01.mp3"]) == {
        "/A/01.wav": "A/01.mp3",
        "/B/01.mp3": "B/01.wav",
    }


def test_rows_of_albums_that_are_not_there_find_nothing():
    result = match(["A/01.wav", "B/01.wav", "C/01.wav"], ["/m/A/01.wav"], "t.csv")
    assert (result.found, result.idle, result.loose) == ({0: 0}, [1, 2], [])
    result = match(["C/01.wav"], ["/m/A/01.wav", "/m/B/01.wav"], "t.csv")
    assert (result.found, result.idle) == ({}, [0])


def test_a_name_in_another_folder_is_taken_and_told():
    result = match(["wavs/x.wav"], ["/m/audio/x.wav"], "t.csv")
    assert (result.found, result.loose) == ({0: 0}, [(0, 0)])


@pytest.mark.parametrize(
    ("keys", "paths", "message"),
    [
        (["01.wav"], ["/m/A/01.wav", "/m/B/01.wav"], "'01.wav' fits 2 files: /m/A/01.wav, /m/B/01.wav"),
        (["A/01"], ["/m/A/01.wav", "/n/A/01.wav"], "'A/01' fits 2 files"),
        (["a.mp3", "a.ogg"], ["/m/a.wav"], "'a.mp3', 'a.ogg' all fit /m/a.wav"),
    ],
)
def test_what_fits_several_is_an_error(keys, paths, message):
    with pytest.raises(UsageError, match=message):
        match(keys, paths, "t.csv")


def test_numbers_match_only_if_nothing_else_could_be_meant():
    assert found(["3"], ["/m/a3.wav", "/m/b3.wav"]) == {}
    assert found(["a3"], ["/m/b3.wav"]) == {}
    assert found(["3", "003"], ["/m/3.wav", "/m/003.wav"]) == {"/m/3.wav": "3", "/m/003.wav": "003"}


def test_the_very_path_goes_first():
    paths = ["/m/01.wav", "/m/A/01.wav"]
    assert found(["01.wav"], paths, ["/m/01.wav"]) == {"/m/01.wav": "01.wav"}


names = st.lists(st.text("ab01.", min_size=1, max_size=3).filter(lambda t: t.strip(".")), min_size=1, max_size=3)


@given(st.lists(names.map("/".join), min_size=1, max_size=8, unique=True), st.randoms())
def test_whole_paths_always_find_themselves(below, random):
    paths = [f"/m/{path}" for path in below]
    keys = random.sample(paths, len(paths))
    result = match(keys, paths, "t.csv", keys)
    assert {paths[path]: keys[key] for path, key in result.found.items()} == {path: path for path in paths}
