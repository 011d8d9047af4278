"""What is done with a large store costs no more: what was there before is not read again, and files stay few."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mirstore.core import Column, Extractor
from mirstore.core.features import FeatureSet
from mirstore.core.jobs import AudioFacts, Done, Outcome
from mirstore.store import Store
from mirstore.store.ingest import committer as committing
from mirstore.store.ingest.committer import Committer
from mirstore.store.ingest.news import News
from mirstore.store.ingest.plan import make_plan
from mirstore.store.ingest.preview import Preview, preview
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.ingest.scan import Scanned
from mirstore.store.ingest.source import Source
from mirstore.store.ingest.summary import Summary
from mirstore.store.lake import compacting
from mirstore.store.lake.journal import checksums
from mirstore.store.lake.schema import row_group
from mirstore.store.lake.transaction import Transaction

stamp = {"ingest": "", "added": datetime(2026, 11, 26)}
facts = AudioFacts(44100, 2, 180.0, "flac", "soundfile", (), "0" * 64)


@dataclass
class Level(Extractor):
    """A number."""

    name = "level"

    def columns(self):
        return {"db": Column(pl.Float32, "dB", "level")}

    def extract(self, track):
        raise NotImplementedError


@dataclass
class Double(Extractor):
    """Twice that."""

    name = "double"
    inputs = ("level",)

    def columns(self):
        return {"db": Column(pl.Float32, "dB", "twice the level")}

    def extract(self, track):
        raise NotImplementedError


level = FeatureSet("level", Level())
double = FeatureSet("double", Double(), {"level": level})


def files(numbers) -> list[Scanned]:
    return [Scanned(Source(f"/m/{n}.wav", dataset="m"), f"/m/{n}.wav", "new", f"{n:064x}") for n in numbers]


def planned(store, numbers, feature=level):
    return make_plan(store, files(numbers), {feature.name: feature}, retry_failed=False)


def books(store, plan, ingest="one", rows=None) -> Committer:
    counts = {name: {"ok": 0, "failed": 0} for name in plan.named}
    found = Committer(
        store, Preview(plan, News(rows or {}, Counter(), Counter(), []), Summary(ingest, "m", features=counts))
    )
    found.register()
    return found


def done(job, status="ok", db=1.0) -> Done:
    rows = [{"db": db}] if status == "ok" else []
    return Done(job, facts, [Outcome(id_, status, rows, seconds=0.1) for id_ in job.features])


def commit(store, plan, ingest="one", **how) -> None:
    committer = books(store, plan, ingest)
    for job in plan.jobs(store, store.path / "jobs"):
        committer.add(done(job, **how))
    committer.flush()


def count(store, table) -> int:
    return store.recorded(table).select(pl.len()).collect().item()


def test_two_writers_whose_plans_overlap_leave_rows_and_ledger_once(store):
    plan = planned(store, range(10))
    with Store(store.path) as other:
        commit(other, planned(other, range(5, 15)), "two", db=2.0)
    commit(store, plan)
    assert count(store, f"feat.{level.table}") == count(store, "core.extractions") == count(store, "core.tracks") == 15
    values = store.features("level").sort("track")["db"].to_list()
    assert values == [1.0] * 5 + [2.0] * 10


def test_two_writers_of_the_same_files_say_once_where_they_are_and_what_the_dataset_is(store):
    rows = {
        "core.locations": [{"track": f"{n:064x}", "path": f"/m/{n}.wav", "bytes": 1, "mtime_ns": 1} for n in range(3)],
        "core.datasets": [{"dataset": "m", "source": "/m"}],
    }
    plan = planned(store, range(3))
    with Store(store.path) as other:
        fewer = {**rows, "core.locations": rows["core.locations"][:2]}
        books(other, planned(other, range(2)), "two", fewer)
    books(store, plan, "one", rows)
    assert count(store, "core.datasets") == 1
    assert count(store, "core.locations") == 3


def labelled(folder, labels=("rock", "pop")) -> list[Source]:
    for n in range(3):
        (folder / f"{n}.wav").write_bytes(b"sound %d" % n)
    said = {"title": "Song", "labels": {"genre": list(labels)}, "splits": {"fixed": (0, "train")}}
    return [Source(str(folder / f"{n}.wav"), dataset="m", **said) for n in range(3)]


def test_two_ingests_at_once_say_labels_credits_and_splits_once(store, tmp_path):
    sources = labelled(tmp_path)
    ours = preview(store, sources, {}).result()
    with Store(store.path) as other:
        Committer(other, preview(other, sources[:2], {}).result()).register()
    Committer(store, ours).register()
    tables = ["core.labels", "core.items", "core.splits", "core.locations", "core.datasets"]
    assert [count(store, table) for table in tables] == [6, 3, 3, 3, 1]
    assert store.sql("SELECT track, label FROM labels").n_unique() == 6


def test_what_another_ingest_says_otherwise_meanwhile_is_said_again_as_a_whole(store, tmp_path):
    ours = preview(store, labelled(tmp_path), {}).result()
    with Store(store.path) as other:
        for labels in (["rock", "pop"], ["rock"]):  # the second is what holds
            Committer(other, preview(other, labelled(tmp_path, labels), {}).result()).register()
    Committer(store, ours).register()
    found = store.sql("SELECT track, list_sort(list(label)) FROM labels GROUP BY track").rows()
    assert [labels for _, labels in found] == [["pop", "rock"]] * 3
    assert count(store, "core.labels") == 6 + 3 + 6
    assert count(store, "core.splits") == 3


def test_two_imports_of_a_table_at_once_say_it_once(store, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    table.write_text("id,v,genre,title\na,1.5,rock,A\nb,2.5,pop,B\n")
    write = store.write

    def late(message):
        monkeypatch.undo()
        with Store(store.path) as other:
            import_table(other, table, dataset="m")
        return write(message)

    monkeypatch.setattr(store, "write", late)
    import_table(store, table, dataset="m")
    tables = ["core.labels", "core.items", "core.datasets", "core.tracks", "core.extractions"]
    assert [count(store, table) for table in tables] == [2, 2, 1, 2, 2]
    assert store.features("m")["v"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize("each", [1, 2], ids=["a row per track", "two"])
def test_an_import_lets_go_of_its_values_once_they_are_written(store, tmp_path, monkeypatch, each):
    values = {f"c{n}": np.random.default_rng(n).random(20_000) for n in range(10)}
    values |= {"start": np.arange(20_000) * 1.0} if each > 1 else {}
    ids = [f"{n // each:05}" for n in range(20_000)]
    pl.DataFrame({"id": ids, **values}).write_parquet(tmp_path / "table.parquet")
    pool, held, append = pa.system_memory_pool(), {}, Transaction.append
    before = pool.bytes_allocated()

    def watched(transaction, table, rows, *args, **kwargs):
        held[table] = pool.bytes_allocated() - before
        return append(transaction, table, rows, *args, **kwargs)

    monkeypatch.setattr(Transaction, "append", watched)
    import_table(store, tmp_path / "table.parquet", dataset="d")
    (features,) = (table for table in held if table.startswith("feat."))
    assert held[features] >= 20_000 * 10 * 8
    assert held["core.items"] < 20_000 * 8 * 3  # of the column of ids
    assert store.features("d").sort("track", *["start"][: each - 1])["c9"].to_list() == values["c9"].tolist()


def test_a_table_is_written_in_parts_and_no_bit_of_it_changes(store, tmp_path):
    rng = np.random.default_rng(440)
    odd = [-0.0, 5e-324, float("inf"), None, 0.1 + 0.2]
    numbers = pl.Series("v", odd + rng.standard_normal(20_000 - len(odd)).tolist(), pl.Float64)
    table = pl.DataFrame({"id": [f"{n:05}" for n in range(20_000)], "v": numbers, "w": rng.random(20_000)})
    table.write_parquet(tmp_path / "table.parquet", row_group_size=3000)
    import_table(store, tmp_path / "table.parquet", dataset="d")
    found = store.features("d").sort("track")
    for name in ("v", "w"):
        assert found[name].reinterpret(signed=False).equals(table[name].reinterpret(signed=False), null_equal=True)
    table.with_columns(w=pl.col("w") + 1).write_csv(tmp_path / "table.csv", float_precision=17)
    import_table(store, tmp_path / "table.csv", dataset="d", feature="e")
    for name in ("d", "e"):
        (path,) = store.files(store.table(store.resolve(name)))
        parts = pq.read_metadata(path)
        assert [parts.row_group(n).num_rows for n in range(parts.num_row_groups)] == [row_group, 20_000 - row_group]


def test_what_is_merged_is_written_in_parts_too(store):
    rng = np.random.default_rng(440)

    def add() -> None:
        with store.write("rows") as tx:
            tx.append_features(level, [{"track": rng.bytes(32).hex(), "db": 0.0} for _ in range(10_000)], **stamp)

    def parts() -> list[int]:
        return [pq.read_metadata(path).num_row_groups for path in store.files(f"feat.{level.table}")]

    with store.write("set") as tx:
        tx.add_feature_set("level", level, **stamp)
    add()
    add()
    assert parts() == [1, 1]
    store.compact()
    assert parts() == [2]


def test_what_others_commit_between_two_of_our_batches_is_seen(store, monkeypatch):
    monkeypatch.setattr(committing, "batch_tracks", 2)
    plan = planned(store, range(6))
    committer, jobs = books(store, plan), list(plan.jobs(store, store.path / "jobs"))
    committer.add(done(jobs[0]))
    committer.add(done(jobs[1]))
    with Store(store.path) as other:
        commit(other, planned(other, range(6)), "two")
    for job in jobs[2:]:
        committer.add(done(job))
    committer.flush()
    assert count(store, f"feat.{level.table}") == count(store, "core.extractions") == 6


@pytest.mark.parametrize(
    ("theirs", "ours", "held"), [("failed", "ok", "ok"), ("ok", "failed", "ok"), ("failed", "failed", "failed")]
)
def test_the_better_of_two_answers_holds(store, theirs, ours, held):
    plan = planned(store, [1])
    with Store(store.path) as other:
        commit(other, planned(other, [1]), "two", status=theirs)
    commit(store, plan, status=ours)
    assert store.sql("SELECT status FROM ledger")["status"].to_list() == [held]
    assert count(store, "core.extractions") == (2 if (theirs, ours) == ("failed", "ok") else 1)


def test_a_merge_between_plan_and_commit_hides_nothing_of_what_others_did(store):
    for number in range(100, 104):
        commit(store, planned(store, [number]))
    plan = planned(store, range(10))
    with Store(store.path) as other:
        commit(other, planned(other, range(5)), "two")
        other.compact()
        assert len(other.files("core.extractions")) == 1  # so what is old and what is new are one file
    commit(store, plan)
    assert count(store, f"feat.{level.table}") == count(store, "core.extractions") == 14


def test_a_commit_reads_nothing_of_what_was_there(store):
    commit(store, planned(store, range(5)))
    plan = planned(store, range(5, 10))
    committer, jobs = books(store, plan), list(plan.jobs(store, store.path / "jobs"))
    old = [path for table in ("core.extractions", "core.tracks", f"feat.{level.table}") for path in store.files(table)]
    away = [path.rename(path.with_suffix(".away")) for path in old]
    for job in jobs:
        committer.add(done(job))
    committer.flush()
    for path in away:
        path.rename(path.with_suffix(".parquet"))
    assert store.features("level").height == 10


@pytest.mark.folder_only  # a bucket has checksums of its own
def test_new_files_are_durable_and_have_checksums(store):
    commit(store, planned(store, range(3)))
    paths = {path.relative_to(store.path).as_posix() for path in (store.path / "data").rglob("*.parquet")}
    assert set(checksums(store.path)) == paths
    assert all((store.path / path).stat().st_mode & 0o222 == 0 for path in paths)


def test_files_stay_few_however_many_commits_there_are(store, monkeypatch):
    monkeypatch.setattr(committing, "batch_tracks", 1)
    monkeypatch.setattr(committing, "compact_after", 4)
    commit(store, planned(store, range(50)))
    store.compact()
    assert store.features("level").height == 50
    assert max(len(store.files(table)) for table in store.tables()) <= 6  # not 50: the logarithm


def test_what_is_large_is_not_merged_again(store):
    commit(store, planned(store, range(5000)))
    store.compact()
    (large,) = (max(store.files(table), key=lambda path: path.stat().st_size) for table in [f"feat.{level.table}"])
    for number in range(5000, 5004):
        commit(store, planned(store, [number]))
    store.compact()
    there = store.files(f"feat.{level.table}")
    assert large in there
    assert len(there) == 2


def test_stored_inputs_are_read_for_many_tracks_at_once(store, monkeypatch):
    commit(store, planned(store, range(2000)))
    plan = planned(store, range(2000), double)
    scans = []
    real = store.scan
    monkeypatch.setattr(store, "scan", lambda table: (scans.append(table), real(table))[1])
    jobs = list(plan.jobs(store, store.path / "jobs"))
    assert [job.track for job in jobs] == [item.track for item in plan.scanned]
    assert all(job.given == {level.id: [{"db": 1.0}]} for job in jobs)
    assert len(scans) <= 4  # 64 tracks, 512, the rest


def test_large_inputs_are_read_in_parts_that_fit(store, monkeypatch):
    monkeypatch.setattr("mirstore.store.ingest.plan._bytes", 1)
    commit(store, planned(store, range(300)))
    jobs = list(planned(store, range(300), double).jobs(store, store.path / "jobs"))
    assert all(job.given == {level.id: [{"db": 1.0}]} for job in jobs)


def test_a_track_that_has_no_rows_for_a_good_reason_is_an_answer_and_one_that_failed_is_none(store):
    commit(store, planned(store, [1]))
    commit(store, planned(store, [2]), status="none")
    commit(store, planned(store, [3]), status="failed")
    given = [job.given for job in planned(store, [3, 2, 1], double).jobs(store, store.path / "jobs")]
    assert given == [{}, {level.id: []}, {level.id: [{"db": 1.0}]}]


def test_files_that_are_whole_do_not_have_others_written_again(store, monkeypatch):
    monkeypatch.setattr(compacting, "whole", 40_000)
    store.ask("CALL lake.set_option('target_file_size', '40KB')")
    rng = np.random.default_rng(440)

    def add(rows: int) -> None:
        tracks = [{"track": rng.bytes(32).hex(), "db": 0.0} for _ in range(rows)]
        with store.write("rows") as tx:
            tx.append_features(level, tracks, missing=True, **stamp)

    with store.write("set") as tx:
        tx.add_feature_set("level", level, **stamp)
    for rows in (1500, 1500, 1500, 700, 5, 5, 5):
        add(rows)
    before = store.listed(f"feat.{level.table}")
    store.compact()
    after = store.listed(f"feat.{level.table}")
    assert [size >= 40_000 for size in before.values()] == [True] * 3 + [False] * 4
    assert list(after)[:4] == list(before)[:4]  # three that are whole, and one that is much larger than what is new
    assert len(after) == 5
    assert store.scan(f"feat.{level.table}").collect().height == 5215
