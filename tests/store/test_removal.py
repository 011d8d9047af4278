"""What is removed is gone at once, everywhere and in every snapshot, and comes back only as it should."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_purge import music, names, patches, withdraw
from test_store import loudness, stamp

from mirstore.core.errors import UnknownNameError, UsageError
from mirstore.store import Store, removal
from mirstore.store.export import wide_table


def make_store(folder):
    with Store(folder / "store", create=True) as store:
        music(store, names[:3])


@pytest.fixture
def store(made_once, tmp_path):
    with Store(made_once(tmp_path, make_store)) as store:
        yield store


def seen(store: Store) -> dict[str, set[str]]:
    """Return the tracks that each way of asking names, where there is any."""
    views = ("tracks", "items", "labels", "loudness", "patches")
    found = {view: set(store.sql(f"SELECT track FROM {view}")["track"]) for view in views}
    found["core"] = set(
        store.sql("SELECT track FROM core.extractions UNION SELECT track FROM core.predictions")["track"]
    )
    found["features"] = set(store.features("loudness")["track"])
    rows = store.rows(loudness.table, names)
    found["rows"] = {name for name in names if rows.of(name)}
    found["tensors"] = set(store.tensors("patches").tracks)
    found["export"] = set(wide_table(store, ["loudness"], dataset="music")["track"])
    found["export of all"] = set(wide_table(store, ["loudness"])["track"])
    return found


def test_a_withdrawn_track_is_gone_from_every_way_of_asking_in_every_snapshot(store):
    before = store.snapshot_id
    assert set(map(frozenset, seen(store).values())) == {frozenset(names[:3])}
    withdraw(store, names[1])
    assert set(map(frozenset, seen(store).values())) == {frozenset([names[0], names[2]])}
    with Store(store.path, snapshot=before) as old:
        assert set(map(frozenset, seen(old).values())) == {frozenset([names[0], names[2]])}


def test_a_withdrawn_track_does_not_come_in_again_until_that_is_undone(store):
    withdraw(store, names[1])
    with store.write("again") as tx:
        tx.append("core.items", [{"dataset": "other", "track": names[1], **stamp}])
    assert names[1] not in store.recorded("core.items").filter(dataset="other").collect()["track"].to_list()
    removal.remove(store, removal.tracks(store, ["/m/song b.wav"], undo=True), "rm --undo")
    assert names[1] in seen(store)["features"]
    with store.write("again") as tx:
        tx.append("core.items", [{"dataset": "other", "track": names[1], **stamp}])
    assert "other" in store.sql("SELECT dataset FROM items")["dataset"].to_list()


@pytest.mark.parametrize("name", ["/m/song b.wav", "/m/*b.wav", names[1], names[1][:4]])
def test_a_track_is_named_by_path_glob_id_or_its_first_letters(store, name):
    assert [row["track"] for row in removal.tracks(store, [name]).rows] == [names[1]]


def test_a_folder_names_the_tracks_below_it_and_a_glob_those_in_it(store):
    assert removal.tracks(store, ["/m"]).counts["tracks"] == 3
    with pytest.raises(UsageError, match="no track has the id or the path"):
        removal.tracks(store, ["/*.wav"])


def test_letters_of_several_tracks_are_refused(store):
    with store.write("like the first") as tx:
        tx.append("core.tracks", [{"track": "aaaa1" + "0" * 59, **stamp}])
    with pytest.raises(UsageError, match="could be any of"):
        removal.tracks(store, ["aaaa"])


def test_a_removed_dataset_begins_anew_and_its_values_are_still_there(store):
    before = store.snapshot_id
    what = removal.dataset(store, "music")
    assert what.counts == {"tracks": 3, "tracks only here": 3, "label sets": 1}
    removal.remove(store, what, "rm")
    with pytest.raises(UnknownNameError, match="unknown dataset 'music'"):
        removal.dataset(store, "music")
    with Store(store.path, snapshot=before) as old:
        assert old.sql("FROM tracks").is_empty()
        assert old.features("loudness").is_empty()
    with store.write("again") as tx:
        tx.append("core.datasets", [{"dataset": "music", **stamp}], key=["dataset"])
        tx.append("core.items", [{"dataset": "music", "track": names[0], **stamp}], key=["dataset", "track"])
    assert store.sql("SELECT track, title FROM items").rows() == [(names[0], None)]
    assert store.sql("FROM labels").is_empty()
    assert store.features("loudness")["track"].to_list() == [names[0]]


def test_a_track_of_two_datasets_stays_in_the_other(store):
    music(store, names[:1], dataset="other")
    removal.remove(store, removal.dataset(store, "music"), "rm")
    assert store.sql("SELECT dataset, track FROM items").rows() == [("other", names[0])]
    assert store.features("loudness")["track"].to_list() == [names[0]]


def test_a_removed_label_set_leaves_the_others(store):
    with store.write("moods") as tx:
        row = {"dataset": "music", "track": names[0], "label_set": "mood", "label": "dark", "value": 1.0, **stamp}
        tx.append("core.labels", [row])
    removal.remove(store, removal.dataset(store, "music", "genre"), "rm")
    assert store.sql("SELECT DISTINCT label_set FROM labels")["label_set"].to_list() == ["mood"]
    with pytest.raises(UnknownNameError, match="label set of 'music'"):
        removal.dataset(store, "music", "genre")


def test_removed_features_are_gone_and_come_back_when_asked_for(store):
    removal.remove(store, removal.features(store, ["patches"]), "rm")
    assert "patches" not in store.names()
    with pytest.raises(UsageError, match="were removed"):
        store.resolve("patches")
    with pytest.raises(UsageError, match="unknown view"):
        store.sql("FROM patches")
    assert store.sql(f'FROM feat."{patches.table}"').is_empty()
    assert store.sql("SELECT feature FROM features")["feature"].to_list() == ["loudness"]
    with store.write("again") as tx:
        tx.add_feature_set("patches", patches, **stamp)
    assert len(store.tensors("patches")) == 6


def test_removals_have_a_view(store):
    withdraw(store, names[1])
    assert store.sql("SELECT kind, track, undone FROM removals").rows() == [("track", names[1], False)]


steps = st.lists(st.tuples(st.sampled_from(["in", "rm", "undo", "dataset"]), st.sampled_from(names[:2])), max_size=5)


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_order_of_removals_shows_what_a_simple_model_says(tmp_path_factory, steps):
    members: set[str] = set()
    withdrawn: set[str] = set()
    with Store(tmp_path_factory.mktemp("any") / "store", create=True) as store:
        for step, track in steps:
            if step == "in":
                music(store, [track])
                members |= {track} - withdrawn
            elif step == "rm" and track in members - withdrawn:
                withdraw(store, track)
                withdrawn |= {track}
            elif step == "undo" and track in withdrawn:
                removal.remove(store, removal.tracks(store, [track], undo=True), "undo")
                withdrawn -= {track}
            elif step == "dataset" and members:
                removal.remove(store, removal.dataset(store, "music"), "rm")
                members = set()
            shown = members - withdrawn
            assert set(store.sql("SELECT track FROM tracks")["track"]) == shown
            if "loudness" in store.names():
                assert set(store.features("loudness")["track"]) == shown
