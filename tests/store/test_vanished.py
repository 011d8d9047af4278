"""What is gone from a folder or table is noticed, taken out when asked, and a folder may be renamed."""

from __future__ import annotations

import numpy as np
import pytest
from done import ingest

from mirstore.store import Store
from mirstore.store.ingest.sources import find
from mirstore.store.ingest.summary import Summary
from mirstore.store.ingest.vanished import find as vanished

rng = np.random.default_rng(7)


@pytest.fixture
def music(tmp_path, make_wav):
    """Four tracks."""
    folder = tmp_path / "Music"
    for name in "abcd":
        make_wav(folder / f"{name}.wav", 0.5 * rng.uniform(-1, 1, 2205))
    return folder


def bring(store: Store, *paths, **options) -> Summary:
    return ingest(store, find(paths), {}, **options)


def shown(store: Store) -> list[str]:
    return [path.rpartition("/")[2] for path in store.sql("SELECT path FROM tracks ORDER BY path")["path"]]


def test_files_that_are_gone_are_named_and_stay_until_pruned(store, music):
    assert bring(store, music).vanished == []
    (music / "a.wav").unlink()
    (gone,) = bring(store, music).vanished
    assert (gone.dataset, gone.state, len(gone.tracks)) == ("Music", "gone", 1)
    assert str(gone) == "1 file of dataset Music is gone: a.wav"
    assert vanished(store) == [gone]
    assert shown(store) == ["a.wav", "b.wav", "c.wav", "d.wav"]
    before = store.snapshot_id
    bring(store, music, prune=True)
    assert shown(store) == ["b.wav", "c.wav", "d.wav"]
    assert vanished(store) == bring(store, music).vanished == []
    with Store(store.path, snapshot=before) as old:
        assert len(shown(old)) == 4


def test_a_pruned_file_that_is_there_again_comes_back(store, music):
    bring(store, music)
    data = (music / "a.wav").read_bytes()
    (music / "a.wav").unlink()
    bring(store, music, prune=True)
    (music / "a.wav").write_bytes(data)
    bring(store, music)
    assert shown(store) == ["a.wav", "b.wav", "c.wav", "d.wav"]


def test_rows_that_a_table_no_longer_lists_are_named(store, music, tmp_path):
    table = tmp_path / "tracks.csv"
    table.write_text("path,genre\nMusic/a.wav,rock\nMusic/b.wav,pop\n")
    bring(store, table, dataset="mine")
    table.write_text("path,genre\nMusic/b.wav,pop\n")
    (item,) = bring(store, table, dataset="mine").vanished
    assert item.state == "unlisted"
    assert str(item) == "1 file of dataset mine no longer listed: a.wav"
    bring(store, table, dataset="mine", prune=True)
    assert store.sql("SELECT path FROM items JOIN tracks USING (track)")["path"].to_list() == [str(music / "b.wav")]
    assert store.sql("FROM labels").height == 1


def test_a_row_whose_file_is_gone_is_pruned_too(store, music, tmp_path):
    table = tmp_path / "tracks.csv"
    table.write_text("path\nMusic/a.wav\nMusic/b.wav\n")
    bring(store, table, dataset="mine")
    (music / "a.wav").unlink()
    assert [item.state for item in bring(store, table, dataset="mine", prune=True).vanished] == ["gone"]
    assert shown(store) == ["b.wav"]


def test_a_dataset_of_two_tables_does_not_lose_what_the_other_lists(store, music, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"path\nMusic/{name}.wav\n")
        bring(store, tmp_path / f"{name}.csv", dataset="mine")
    assert bring(store, tmp_path / "b.csv", dataset="mine", prune=True).vanished == []
    assert shown(store) == ["a.wav", "b.wav"]


def test_files_that_were_named_singly_are_missed_only_when_gone(store, music):
    bring(store, music / "a.wav", dataset="mine")
    assert bring(store, music / "b.wav", dataset="mine").vanished == []
    (music / "a.wav").unlink()
    assert [item.state for item in bring(store, music / "b.wav", dataset="mine").vanished] == ["gone"]


def test_a_track_stays_in_another_dataset_that_has_it(store, music, tmp_path):
    bring(store, music)
    table = tmp_path / "tracks.csv"
    table.write_text("path\nMusic/a.wav\nMusic/b.wav\n")
    bring(store, table, dataset="mine")
    table.write_text("path\nMusic/b.wav\n")
    bring(store, table, dataset="mine", prune=True)
    assert shown(store) == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert store.sql("SELECT count(*) n FROM items WHERE dataset = 'mine'")["n"][0] == 1


def test_a_renamed_folder_goes_on_as_the_same_dataset(store, music, tmp_path):
    bring(store, music)
    music.rename(tmp_path / "MyMusic")
    summary = bring(store, tmp_path / "MyMusic")
    assert summary.renamed == {"MyMusic": "Music"}
    assert store.sql("SELECT DISTINCT dataset FROM items")["dataset"].to_list() == ["Music"]
    last = store.snapshot_id
    assert bring(store, tmp_path / "MyMusic").renamed == {"MyMusic": "Music"}
    assert store.snapshot_id == last
    (tmp_path / "MyMusic" / "a.wav").unlink()
    assert [item.state for item in bring(store, tmp_path / "MyMusic").vanished] == ["gone"]


def test_a_copied_folder_or_a_given_name_is_another_dataset(store, music, tmp_path):
    bring(store, music)
    copy = tmp_path / "Copy"
    copy.mkdir()
    for path in music.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert bring(store, copy).renamed == {}
    copy.rename(tmp_path / "Copy2")
    assert bring(store, tmp_path / "Copy2", dataset="named").renamed == {}
    assert sorted(store.sql("SELECT DISTINCT dataset FROM items")["dataset"]) == ["Copy", "Music", "named"]


def test_a_file_that_is_withdrawn_is_left_out_and_counted(store, music):
    from mirstore.store import removal

    bring(store, music)
    removal.remove(store, removal.tracks(store, [str(music / "a.wav")]), "rm")
    last = store.snapshot_id
    summary = bring(store, music)
    assert summary.as_dict()["withdrawn"] == 1
    assert summary.vanished == []
    assert store.snapshot_id == last
    store.purge()
    assert bring(store, music).as_dict()["withdrawn"] == 1
    assert shown(store) == ["b.wav", "c.wav", "d.wav"]
