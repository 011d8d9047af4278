"""Tracks whose files are gone are kept beside the store, and believed only where they still hold."""

from __future__ import annotations

import json
import random
from datetime import datetime
from hashlib import sha256

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.store import Store
from mirstore.store.lake import gone
from mirstore.store.lake.doctor import doctor, examine
from mirstore.store.lake.hidden import removals
from mirstore.store.lake.repairing import repair

stamp = {"ingest": "", "added": datetime(2026, 11, 27)}
told = st.lists(st.tuples(st.sampled_from("pqrst"), st.sampled_from(["a", "b", "c", None]), st.integers(1, 4)))


def expected(rows):
    """Return the tracks that no path holds any more, by what a dictionary would hold."""
    ordered = sorted(rows, key=lambda row: row[2])  # of one commit, the last one counts
    held = set({path: track for path, track, _ in ordered}.values())
    return {track for _, track, _ in rows if track is not None} - held


@given(told)
def test_it_is_what_a_dictionary_would_say(rows):
    schema = {"path": pl.String, "track": pl.String, "committed": pl.Int64}
    found = gone.without_path(pl.LazyFrame(rows, schema=schema, orient="row"))
    assert sorted(found["track"]) == sorted(expected(rows))


def locate(store, *rows):
    with store.write("located") as tx:
        tx.append("core.locations", [{"path": path, "track": track, **stamp} for path, track in rows])


def hidden(address, snapshot=None):
    """Return the tracks that somebody else does not see who opens the store."""
    with Store(address, read_only=True, snapshot=snapshot) as store:
        seen = store.sql("SELECT track FROM tracks")["track"]
        assert set(store.scan("core.locations").collect()["track"].drop_nulls()) == set(seen)
        return set(store.recorded("core.locations").collect()["track"].drop_nulls()) - set(seen)


def test_what_is_kept_is_what_would_be_found_after_each_commit_and_each_merge(store):
    rng, rows = random.Random(440), []
    for number in range(6):
        commit = [(f"/{rng.choice('pqrst')}", rng.choice(["a", "b", "c", "d", None])) for _ in range(3)]
        locate(store, *commit)
        rows += [(path, track, number) for path, track in commit]
        if number % 3 == 2:
            store.compact()
        assert set(gone.known(store.path, store.files("core.locations"))["track"]) == expected(rows)
        assert hidden(store.address) == expected(rows)
    assert expected(rows)


@pytest.fixture
def moved(store):
    """A store where /p held a, and holds b."""
    locate(store, ("/p", "a"), ("/q", "c"))
    locate(store, ("/p", "b"))
    return store


def test_whoever_opens_the_store_reads_no_paths_to_know(moved, monkeypatch):
    monkeypatch.setattr(gone, "without_path", None)  # whoever calls it fails
    assert hidden(moved.address) == {"a"}


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def other(path):
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"c"'))


def empty(path):
    path.write_bytes(b"")


def no_text(path):
    path.write_bytes(b"\xff" + path.read_bytes())


def of_others(path):
    gone.keep(path.parent, [path.with_name("ducklake-0.parquet")], pl.DataFrame({"track": ["c"]}))


def crafted(text):
    """Return what writes a text with its checksum."""
    return lambda path: path.write_text(f"{text}\n{sha256(text.encode()).hexdigest()}")


hostile = ["[" * 100_000, "7", "[]", "{}", '{"files": {}}', "{", "NaN"]


def of_no_tracks(tracks):
    """Return what writes something else than tracks, with the right files and checksum."""

    def write(path):
        told = json.loads(path.read_text().partition("\n")[0])
        crafted(json.dumps({**told, "tracks": tracks}))(path)

    return write


no_tracks = [7, [7], [["a"]], {"a": "b"}, ["\ud800"]]


@pytest.mark.parametrize("write", [*map(crafted, hostile), *map(of_no_tracks, no_tracks)])
def test_what_other_hands_made_of_it_is_not_believed(moved, write):
    write(moved.path / gone.name)
    assert hidden(moved.address) == {"a"}


@pytest.mark.parametrize("spoil", [cut, other, empty, no_text, of_others, lambda path: path.unlink()])
def test_what_is_damaged_or_of_other_files_is_not_believed(moved, spoil):
    spoil(moved.path / gone.name)
    assert hidden(moved.address) == {"a"}


def test_a_reader_keeps_nothing(moved):
    gone.forget(moved.path)
    assert hidden(moved.address) == {"a"}
    assert not (moved.path / gone.name).exists()


def test_who_cannot_keep_it_works_it_out(moved):
    gone.forget(moved.path)
    (moved.path / gone.name).mkdir()
    locate(moved, ("/q", "d"))
    assert hidden(moved.address) == {"a", "c"}
    assert sorted(path.name for path in moved.path.glob("*.part")) == []


def test_what_a_killed_process_left_of_it_is_taken_away(moved):
    moved.path.joinpath(f"{gone.name}.part").write_text("half of it")
    for track in "de":
        locate(moved, ("/q", track))
    assert hidden(moved.address) == {"a", "c", "d"}
    assert set(gone.known(moved.path, moved.files("core.locations"))["track"]) == {"a", "c", "d"}
    assert sorted(path.name for path in moved.path.glob("*.part")) == []


def test_a_snapshot_is_seen_as_it_was_then(moved):
    first, last = moved.newest - 1, moved.newest
    assert (hidden(moved.address, first), hidden(moved.address, last)) == (set(), {"a"})


@pytest.mark.folder_only  # a file that is lost is fetched again
def test_a_track_is_shown_again_when_the_file_that_says_otherwise_is_lost(moved):
    moved.files("core.locations")[-1].unlink()
    with Store(moved.address, read_only=True) as store:
        assert store.hidden.rules == ()


def test_lies_in_it_are_found_and_mended(moved):
    of_no_tracks(["b", "c"])(moved.path / gone.name)
    assert "c" in hidden(moved.address)
    problems = doctor(moved, deep=True)
    assert [one["problem"] for one in problems] == ["says of other tracks that their files are gone"]
    moved.close()
    repair(moved.address)
    assert examine(moved.address, deep=True) == []
    assert hidden(moved.address) == {"a"}


def test_gc_leaves_nothing_of_an_older_state(moved):
    of_others(moved.path / gone.name)
    moved.gc()
    assert not (moved.path / gone.name).exists()
    locate(moved, ("/q", "d"))
    moved.gc()
    assert hidden(moved.address) == {"a", "c"}
    assert (moved.path / gone.name).exists()


def test_one_that_is_too_large_is_not_read(moved):
    with (moved.path / gone.name).open("r+b") as file:
        file.truncate(3 << 30)  # of which the disk has little
    assert hidden(moved.address) == {"a"}


def test_a_commit_that_cannot_keep_it_is_one(moved, monkeypatch):
    def damaged(*what):
        raise pl.exceptions.ComputeError("File out of specification")

    with monkeypatch.context() as reading:
        reading.setattr(gone, "without_path", damaged)
        with moved.write("located") as tx:
            tx.append("core.locations", [{"path": "/q", "track": "d", **stamp}])
    assert hidden(moved.address) == {"a", "c"}


def test_a_purge_leaves_no_track_in_it(moved, monkeypatch):
    with moved.write("removal") as tx:
        tx.append(removals, [{"kind": "track", "track": "a", "note": "[]", **stamp}])
    assert '"a"' in (moved.path / gone.name).read_text()
    monkeypatch.setattr(gone, "keep", lambda *what: None)  # killed before it could
    moved.purge()
    assert not (moved.path / gone.name).exists()
    assert hidden(moved.address) == set()
