"""Old snapshots are found by number, date, name and by what they changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from test_purge import music, names, withdraw
from test_store import fill, stamp

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store import Store, history
from mirstore.store.lake import snapshots


def make_store(folder):
    with Store(folder / "store", create=True, command="mirstore ingest music") as store:
        music(store, names[:3])


@pytest.fixture
def store(made_once, tmp_path):
    with Store(made_once(tmp_path, make_store), command="mirstore ingest music") as store:
        yield store


def dated(store: Store, days: dict[int, str]) -> Store:
    """Return the store with other times of its snapshots."""
    store.close()
    with store.home.catalogue() as catalogue:
        for snapshot, time in days.items():
            catalogue.execute("UPDATE ducklake_snapshot SET snapshot_time = ? WHERE snapshot_id = ?", [time, snapshot])
    return Store(store.path)


def test_the_log_folds_what_one_command_did_and_says_what_it_changed(store):
    with Store(store.path, command="mirstore rm x") as other:
        withdraw(other, names[0])
        with other.write("relabel") as tx:
            where = {"dataset": "music", "track": names[1], "label_set": "genre"}
            tx.append("core.labels", [{**where, "label": "pop", "value": 1.0, **stamp}])
        history.pin(other, "paper", 4)
    pinned, relabelled, removed, ingested, made = history.log(store)
    assert ingested["message"] == "ingest music"
    assert ingested["command"] == "mirstore ingest music"
    assert (ingested["first"], ingested["snapshot"], ingested["pins"]) == (2, 4, ["paper"])
    assert ingested["changes"] == ["2 tracks", "2 labels", "2 features"]  # of three tracks, one was withdrawn
    assert removed["changes"] == ["1 track withdrawn"]
    assert relabelled["changes"] == ["1 label changed"]
    assert pinned["message"] == "pin paper"
    assert made["message"] == "made the store"
    assert [step["snapshot"] for step in history.log(store, 2)] == [pinned["snapshot"], relabelled["snapshot"]]


def test_merging_files_is_not_in_the_log(store):
    fill(store, ["x"])
    fill(store, ["y"])
    last = store.snapshot_id
    store.compact()
    assert store.snapshot_id == last + 1
    assert history.log(store)[0]["snapshot"] == last


def test_a_pin_of_what_was_merged_is_that_of_the_last_change_and_the_log_shows_it(store):
    fill(store, ["x"])
    fill(store, ["y"])
    store.compact()
    merged = store.snapshot_id
    assert history.pin(store, "paper") == merged - 1
    history.pin(store, "merged", merged)
    assert [(step["snapshot"], step["pins"]) for step in history.log(store)[2:3]] == [(merged - 1, ["paper", "merged"])]


def test_snapshots_are_a_view(store):
    rows = store.sql("SELECT snapshot, message, command FROM snapshots ORDER BY snapshot").rows()
    assert rows[:2] == [(1, "made the store", None), (2, "ingest music", "mirstore ingest music")]


def test_a_date_means_its_end_and_a_time_means_that_moment(store):
    local = datetime(2026, 3, 5, 12).astimezone()
    noon = local.astimezone(UTC)
    days = {
        1: noon - timedelta(days=9),
        2: noon,
        3: noon + timedelta(hours=6),
        4: noon + timedelta(days=1),
        5: noon + timedelta(days=2),
    }
    with dated(store, {number: f"{time:%Y-%m-%d %H:%M:%S}+00" for number, time in days.items()}) as store:
        assert snapshots.at(store, "2026-03-05") == 3
        assert snapshots.at(store, "2026-03-05T12:00:00") == 2
        assert snapshots.at(store, "2026-03-05T17:59:59") == 2
        assert snapshots.at(store, f"{noon + timedelta(hours=6):%Y-%m-%dT%H:%M:%S}Z") == 3
        assert snapshots.at(store, "2030-01-01") == 4  # the fifth only merged files
        with pytest.raises(UsageError, match="had no snapshot at 2026-02-01"):
            snapshots.at(store, "2026-02-01")


def test_what_is_no_date_is_refused(store):
    with pytest.raises(UsageError, match="'last week' is no date"):
        snapshots.at(store, "last week")


def test_a_pin_is_moved_and_taken_away(store):
    assert history.pin(store, "paper", 2) == 2
    assert history.pin(store, "paper", 3) == 3
    assert store.sql("SELECT name, snapshot FROM pins").rows() == [("paper", 3)]
    history.unpin(store, "paper")
    assert store.sql("FROM pins").is_empty()
    with pytest.raises(UnknownNameError, match="unknown pin 'paper'"):
        history.unpin(store, "paper")
    with pytest.raises(UsageError, match="no snapshot 999"):
        history.pin(store, "later", 999)


def test_a_snapshot_shows_what_left_a_dataset_later_but_not_what_was_withdrawn(store):
    before = store.snapshot_id
    with store.write("prune") as tx:
        tx.append("core.removals", [{"kind": "member", "dataset": "music", "track": names[0], **stamp}])
    assert len(store.features("loudness")) == 2
    with Store(store.path, snapshot=before) as old:
        assert len(old.features("loudness")) == 3
    withdraw(store, names[1])
    with Store(store.path, snapshot=before) as old:
        assert sorted(old.features("loudness")["track"]) == [names[0], names[2]]
