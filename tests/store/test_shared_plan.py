"""The paper plan for millions of tracks: its arithmetic, and that a small store comes out as it says."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from servers import lacking

from mirstore.store import Store

benchmarks = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def paper():
    """The module, which lies beside no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(benchmarks)
        import shared_plan

        yield shared_plan


@pytest.fixture
def costs(paper):
    """Round figures, so that sums can be done by hand."""
    return paper.Costs(
        decoding=0.001, numbers=0.009, tensor=0.002, networks=0.05, tensor_bytes=10_000, sending=0.002,
        commit=0.3, commit_servers=0.2, taking=0.7, taking_servers=0.8, merge=0.5, merge_megabyte=0.02,
        puts=13, gets=1, taking_puts=16,
        shapes={"numbers": (1, 50)}, tensor_shapes={"pictures": (1, 80)},
    )  # fmt: skip


def test_workers_and_committer_add_up(paper, costs):
    plan = paper.planned(paper.Load(1_000_000, 30), costs, paper.Prices())
    assert plan.core_hours == pytest.approx(1_000_000 * 30 * 0.01 / 3600)
    assert plan.commits == 5000
    assert plan.merges == 312
    merged = paper.merging(5000, 200 * 50)
    waits = (2 + 1) * 0.03  # 13 requests eight at once, and one for the number of the last commit
    spent = 5000 * (0.5 + waits) + 312 * 0.5 + merged.written / 1e6 * 0.02
    assert plan.committer_hours == pytest.approx(spent / 3600)
    assert plan.enough_cores == pytest.approx(plan.core_hours / plan.committer_hours)
    assert plan.puts == 5000 * 13 + merged.puts
    assert plan.copies == plan.packs == 0
    assert plan.parquet == pytest.approx(0.05)


def test_a_tensor_is_put_copied_and_looked_at(paper, costs):
    load = paper.Load(1_000_000, 30)
    without, with_ = (paper.planned(replace(load, tensors=each), costs, paper.Prices()) for each in (False, True))
    assert with_.copies == with_.packs == 1_000_000
    merged = paper.merging(5000, 200 * 80)
    assert with_.puts - without.puts == 1_000_000 + 5000 * 3 + merged.puts
    assert with_.gets - without.gets == 1_000_000
    assert with_.tensors == pytest.approx(1_000_000 * 300_150 / 1e9)
    assert with_.requests > without.requests + 10  # a PUT and a COPY each, at five millionths


def test_large_tensors_make_small_batches(paper, costs):
    short, long = (paper.planned(paper.Load(100_000, seconds, True), costs, paper.Prices()) for seconds in (30, 300))
    assert short.commits == 500
    assert long.commits == -(-100_000 // (paper.batch_bytes // 3_000_000))
    assert short.committer_hours < long.committer_hours < 2 * short.committer_hours


def test_workers_are_the_limit_until_the_committer_is(paper, costs):
    plan = paper.planned(paper.Load(1_000_000, 30), costs, paper.Prices())
    few, many = plan.enough_cores / 2, plan.enough_cores * 2
    assert plan.wall_hours(few) == pytest.approx(plan.core_hours / few)
    assert plan.wall_hours(many) == plan.committer_hours
    assert plan.wall_hours(many, stores=2) == pytest.approx(plan.core_hours / many)


@pytest.mark.parametrize("bytes_", [1000, 13_000, 1_000_000])
def test_files_stay_few_and_rows_are_written_again_a_logarithmic_number_of_times(paper, bytes_):
    few, some, many = (paper.merging(commits, bytes_) for commits in (1600, 16_000, 160_000))
    for merged, commits in ((few, 1600), (some, 16_000), (many, 160_000)):
        assert merged.files <= commits * bytes_ / paper.whole + 8
        assert merged.merged + merged.files >= commits
        assert merged.written < 20 * commits * bytes_
    assert many.written / 10 - some.written < 4 * 16_000 * bytes_


def test_files_are_merged_as_a_store_does(paper, tmp_path):
    import growth

    feature = growth.features["set0"]
    stamp = {"ingest": "", "added": datetime(2026, 11, 27)}
    rng = random.Random(440)
    with Store(tmp_path / "store", create=True) as store:
        with store.write("set") as tx:
            tx.add_feature_set("set0", feature, **stamp)
        for number in range(1, 41):
            with store.write("rows") as tx:
                rows = [
                    {"track": f"{rng.getrandbits(256):064x}", **{f"f{at}": rng.random() for at in range(8)}}
                    for _ in range(100)
                ]
                tx.append_features(feature, rows, missing=True, **stamp)
            if number % 16 == 0:
                store.compact()
        store.compact()
        assert len(store.files(f"feat.{feature.table}")) == paper.merging(40, 6500).files == 2


def test_dear_and_cheap_prices(paper, costs):
    load = paper.Load(1_000_000, 30, tensors=True)
    dear = paper.Prices(core_hour=1, gigabyte_month=2, put=3, get=4)
    plan = paper.planned(load, costs, dear)
    assert plan.compute == pytest.approx(plan.core_hours + 4 * plan.committer_hours)
    assert plan.requests == pytest.approx(3 * (plan.puts + plan.copies) + 4 * plan.gets)
    assert plan.month == pytest.approx(2 * (plan.parquet + plan.tensors))


@pytest.mark.slow
@pytest.mark.skipif(lacking() is not None, reason=lacking() or "")
def test_a_small_store_comes_out_as_planned(tmp_path):
    call = [sys.executable, benchmarks / "shared_plan.py", "--simulate", "400", "200"]
    said = subprocess.run(call, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert said.returncode == 0, said.stderr
    lines = {line[:28].strip(): line[28:].replace(",", "").split() for line in said.stdout.splitlines()}
    assert lines["COPY"] == ["200.0", "200.0"]
    for what, own in {"PUT": 90, "GET and HEAD": 20, "snapshots": 12}.items():  # of two ingests, beside their tracks
        found, planned = map(float, lines[what])
        assert planned <= found <= planned + own
