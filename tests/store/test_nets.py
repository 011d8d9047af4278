"""Tensors, chunks, training, numbers and third parties' components, in experiments on a store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from done import collect, summaries
from done import run as run_in_processes
from test_experiments import add_rows, make_table

from mirstore.core import Column, Model, Tensor, Training
from mirstore.core.errors import ConfigError, PluginError, StoreError, UsageError, WeightsError
from mirstore.core.events import Started
from mirstore.core.experiments.cases import cases
from mirstore.core.experiments.run import run_case
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.store import Store
from mirstore.store.experiments import running
from mirstore.store.experiments.checkpoints import Epoch, Watch
from mirstore.store.experiments.details import LeftOut
from mirstore.store.experiments.planning import plan
from mirstore.store.experiments.training import train
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.lake import schema
from mirstore.store.sql.views import views

n = 24
short = "small:t023"  # its spectrum has 30 steps, all others 100
entries = {
    "schema": 1,
    "models": {
        "patient": {"model": "test-net@1", "params": {"epochs": 30, "pause": 0.1}},
        "patient-kept": {"model": "test-kept-net", "params": {"epochs": 30, "pause": 0.1}},
    },
    "tasks": {
        "genre": {"dataset": "small", "labels": "genre", "metric": "accuracy", "folds": 3},
        "emotion": {"dataset": "small", "labels": "emotion", "metric": "r2", "folds": 3},
    },
    "experiments": {
        "nets": {
            "task": "genre",
            "features": ["spectra"],
            "permutations": 0,
            "matrix": {"model": ["test-net", "test-blind", "prior"]},
        },
        "net": {"task": "genre", "features": ["spectra"], "permutations": 0, "model": "test-net"},
    },
}


def make_store(folder):
    """24 tracks of three genres: four numbers, a spectrum and a coarser one of the same time."""
    file = make_table(folder / "small.csv", n=n)
    with Store(folder / "store", create=True) as made:
        import_table(made, file, dataset="small", labels=["genre"], about=folder / "about.csv")
        rng = np.random.default_rng(440)
        for name, hop in (("spectra", 0.1), ("coarse", 0.5)):
            rows = []
            for i in range(n):
                steps = 30 if i == n - 1 else 100
                steps = round(steps * 0.1 / hop)
                where = 3 * np.eye(3, 4)[[i % 3]].T
                rows.append({"track": f"small:t{i:03}", "x": (rng.normal(size=(4, steps)) + where).astype(np.float32)})
            add_rows(made, name, {"x": Column(Tensor("float32", (4, None), hop), "", "bands")}, rows)


@pytest.fixture
def store(made_once, tmp_path):
    with Store(made_once(tmp_path, make_store)) as found:
        yield found


@pytest.fixture
def plugins(test_plugins):
    return Plugins.installed()


def planned(store, plugins, names=("net",), **experiment):
    data = json.loads(json.dumps(entries))
    for name in names:
        data["experiments"][name] |= experiment
        for key in experiment.keys() & {"model", "features"}:
            data["experiments"][name].get("matrix", {}).pop(key, None)
    registry = Registry.model_validate(data)
    return plan(store, cases(registry, names), registry, plugins)


def events(store, items, **options):
    """Run in this process: starting another takes longer than the case."""
    return list(running.run(store, items, pool=lambda workers, limits: ThreadPoolExecutor(1), **options))


def outcomes(store, items):
    return events(store, items)[-1].result


def metrics(store, outcome):
    assert outcome.error is None
    return {name: value["mean"] for name, value in summaries(store, [outcome.run])[0]["metrics"].items()}


def trained(store, plugins, **options):
    items = planned(store, plugins, model="patient-kept")
    return train(store, items, Registry.model_validate(entries), **options)


def test_a_fit_tells_its_epochs_and_goes_on_where_its_time_was_up(store, plugins):
    with pytest.raises(PluginError, match="timeout: stopped after 2 s"):
        trained(store, plugins, seconds=2.0).result()
    (folder,) = (store.path / "checkpoints").iterdir()
    (log,) = folder.rglob("epochs.log")
    reached = len(log.read_text().split())
    assert 0 < reached < 30
    told = list(trained(store, plugins))
    assert [(event.stage, event.total) for event in told if isinstance(event, Started)] == [("fit", 1)]
    numbers = [event.number for event in told if isinstance(event, Epoch)]
    assert numbers == sorted(numbers)
    assert numbers[-1] > reached
    assert told[-1].result.model.name == "net"
    assert not folder.exists()


# Tensors


def test_models_on_tensors_alone_run(store, plugins):
    items = planned(store, plugins, ["nets"])
    assert [item.state for item in items] == ["ready"] * 3
    assert items[0].assembly.groups == {"spectra": ["spectra.x"]}
    net, blind, prior = (metrics(store, outcome) for outcome in outcomes(store, items))
    assert net["accuracy"] == 1.0
    assert blind["roc_auc"] == prior["roc_auc"] == 0.5


def test_a_model_that_reads_tables_only_says_so(store, plugins):
    (item,) = planned(store, plugins, model="centroid")
    assert item.state == "lacking"
    assert item.why.startswith("model 'centroid' reads tables only, and features spectra have no numbers (choose")
    (item,) = planned(store, plugins, model="centroid", features=["small", "spectra"])
    assert item.details.remarks == ["centroid reads tables only: spectra.x not used"]
    assert all(not column.startswith("spectra") for members in item.assembly.groups.values() for column in members)
    (outcome,) = outcomes(store, [item])
    assert metrics(store, outcome)["accuracy"] > 0.5
    (report,) = collect(store, [outcome.run])
    assert report["cases"][0]["notes"] == ["centroid reads tables only: spectra.x not used"]


def test_a_model_that_hears_certain_tensors_is_given_these_and_says_so(store, plugins):
    (item,) = planned(store, plugins, model="test-hearing-net", features=["small", "spectra", "coarse"])
    assert item.assembly.groups == {"spectra": ["spectra.x"]}
    (remark,) = item.details.remarks
    assert remark == "test-hearing-net reads fine spectrum: small.f1, small.f2, small.f3 and 2 more not used"
    (outcome,) = outcomes(store, [item])
    assert metrics(store, outcome)["accuracy"] > 0.9


def test_a_model_that_hears_a_tensor_which_is_not_there_is_lacking(store, plugins):
    (item,) = planned(store, plugins, model="test-hearing-net", features=["coarse"])
    told = "model 'test-hearing-net': it reads one tensor, fine spectrum (4 rows by 100 frames), and is given coarse.x"
    assert item.state == "lacking"
    assert item.why.startswith(told)
    assert "choose features that have it, or cut them: chunk = { seconds = … })" in item.why
    (item,) = planned(store, plugins, model="test-hearing-net", chunk={"seconds": 2.0})
    assert "is given spectra.x (4, 20) (choose features that have it, or another chunk)" in item.why
    (item,) = planned(store, plugins, model="test-hearing-net", features=["small"])
    assert "features small have no tensors" in item.why


def test_smoothing_on_tensors_alone_is_lacking(store, plugins):
    (item,) = planned(store, plugins, smoothing="flat")
    assert re.match("smoothing 'flat' looks for neighbours in numbers, and features spectra are", item.why)


def test_a_track_without_its_tensor_is_left_out(store, plugins):
    rows = [
        {"track": f"small:t{i:03}", "x": None if i < 3 else np.ones((4, 10), np.float32), "y": 1.0} for i in range(n)
    ]
    columns = {
        "x": Column(Tensor("float32", (4, None)), "", "bands", nullable=True),
        "y": Column(pl.Float32, "", "one"),
    }
    add_rows(store, "holes", columns, rows)
    (item,) = planned(store, plugins, features=["holes"])
    assert len(item.assembly.tracks) == n - 3
    assert item.details.data.left_out == [LeftOut("no features", 3)]


# Chunks


def test_chunks_are_examples_and_their_scores_are_voted(store, plugins):
    (item,) = planned(store, plugins, chunk={"seconds": 2.5}, features=["spectra", "coarse"])
    assembly = item.assembly
    assert len(assembly.tracks) == n
    assert np.bincount(assembly.owners).tolist() == [4] * (n - 1) + [1]
    shapes = {name: {x.shape for x in items} for name, items in assembly.examples.tensors.items()}
    assert shapes == {"spectra.x": {(4, 25)}, "coarse.x": {(4, 5)}}
    (outcome,) = outcomes(store, [item])
    found = metrics(store, outcome)
    assert found["accuracy"] == 1.0
    assert {"chunk_accuracy", "chunk_roc_auc", "chunk_balanced_accuracy"} <= found.keys()
    assert store.sql("SELECT count(*) AS n FROM predictions")["n"][0] == n * 3
    per_fold = store.sql("""
        WITH best AS (
            FROM chunk_predictions QUALIFY rank() OVER (PARTITION BY fold, track, chunk ORDER BY score DESC) = 1
        )
        SELECT fold, avg(truth) AS accuracy FROM best JOIN predictions USING (fold, track, label) GROUP BY fold
    """)
    assert found["chunk_accuracy"] == pytest.approx(per_fold["accuracy"].mean(), abs=1e-12)
    counts = store.sql("SELECT count(DISTINCT chunk) AS chunks FROM chunk_predictions GROUP BY track ORDER BY track")
    assert counts["chunks"].to_list() == [4] * (n - 1) + [1]


def test_tracks_too_short_for_a_chunk_are_left_out_and_told(store, plugins):
    (item,) = planned(store, plugins, chunk={"seconds": 4})
    assert len(item.assembly.tracks) == n - 1
    assert short not in item.assembly.tracks
    assert item.details.data.left_out == [LeftOut("too short for chunks: 4s", 1)]
    (item,) = planned(store, plugins, chunk={"seconds": 40})
    assert item.why.startswith("no track is long enough for chunks: 40s")


def test_chunks_of_steps_are_paired_and_what_is_too_short_is_told(store, plugins):
    chunk = {"steps": {"spectra": 31, "coarse": 5}}
    (item,) = planned(store, plugins, chunk=chunk, features=["spectra", "coarse"])
    shapes = {name: {x.shape for x in items} for name, items in item.assembly.examples.tensors.items()}
    assert shapes == {"spectra.x": {(4, 31)}, "coarse.x": {(4, 5)}}
    assert short not in item.assembly.tracks
    assert item.details.data.left_out == [LeftOut("too short for chunks: coarse:5+spectra:31", 1)]
    (item,) = planned(store, plugins, chunk={"steps": {"spectra": 3000}})
    assert item.why.startswith("no track is long enough for chunks: spectra:3000")


def test_each_chunk_is_a_case_of_its_own(store, plugins):
    data = json.loads(json.dumps(entries))
    ways = [{"seconds": 2.5}, {"count": 4}, {"count": 2}, {"steps": {"spectra": 20}}]
    data["experiments"]["net"]["matrix"] = {"chunk": ways}
    registry = Registry.model_validate(data)
    names = [case.text("chunk") for case in cases(registry, ["net"])]
    assert names == ["2.5s", "4", "2", "spectra:20"]
    (case,) = cases(registry, ["net"], ["chunk=2.5s"])
    assert str(case) == "task=genre features=spectra chunk=2.5s grouping=all-features model=test-net"
    items = plan(store, cases(registry, ["net"]), registry, plugins)
    assert len({item.sha256 for item in items}) == 4
    ran = outcomes(store, items)
    runs = store.sql("SELECT chunk, run FROM runs ORDER BY chunk")
    assert runs["chunk"].to_list() == ["2", "2.5s", "4", "spectra:20"]
    again = plan(store, cases(registry, ["net"]), registry, plugins)
    assert {item.run for item in again} == {outcome.run for outcome in ran}


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        ({}, "give one of seconds, count and steps"),
        ({"seconds": 1, "count": 2}, "give one of"),
        ({"count": 1, "steps": {"spectra": 2}}, "give one of"),
        ({"seconds": 0}, "greater than 0"),
        ({"steps": {"spectra": 0}}, "steps must be 1 or more"),
    ],
)
def test_a_chunk_that_makes_no_sense_is_an_error_of_the_registry(chunk, message):
    with pytest.raises(ConfigError, match=f"experiments.e.chunk.*{message}"):
        Registry._parse({"schema": 1, "experiments": {"e": {"task": "t", "model": "m", "chunk": chunk}}}, "r.toml")


# Training


@pytest.mark.slow
def test_what_a_model_reports_is_told_kept_and_its_checkpoints_go(store, plugins):
    (item,) = planned(store, plugins, model="patient")
    told = events(store, [item])
    epochs = [event for event in told if isinstance(event, Epoch)]
    assert epochs
    assert {epoch.part for epoch in epochs} <= {f"run-0-fold-{i}" for i in range(3)}
    assert "loss" in epochs[0].values
    curve = store.sql("SELECT fold, epoch, name, value FROM learning_curves ORDER BY fold, epoch")
    assert curve.group_by("fold").len().sort("fold").rows() == [(0, 30), (1, 30), (2, 30)]
    assert curve["name"].unique().to_list() == ["loss"]  # this split has no validation part
    assert list((store.path / "checkpoints").iterdir()) == []


def test_an_epoch_tells_how_many_there_are_and_how_long_they_may_take(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints" / "abc" / "run-0-fold-1"
    folder.mkdir(parents=True)
    item = SimpleNamespace(sha256="abc", case=SimpleNamespace(model="net"))
    now, watch, training = iter([100.0, 110.0]), Watch(tmp_path), Training(folder)
    monkeypatch.setattr("mirstore.store.experiments.checkpoints.monotonic", lambda: next(now))
    training.report(2, of=20, loss=0.5)
    (first,) = watch.news([item])
    assert list(watch.news([item])) == []
    training.report(3, of=20, loss=0.4)
    training.report(7, of=20, loss=0.3)
    (second,) = watch.news([item])
    assert (first.of, first.left, second.number, second.left) == (20, None, 7, 24.0)  # 2 s each, 12 to come
    assert first.note() == "net run 0 fold 1 epoch 3 of 20: loss 0.5"
    assert second.note() == "net run 0 fold 1 epoch 8 of 20: loss 0.3, 24 s left"


def test_published_validation_comes_to_the_model_and_not_into_training(store, plugins):
    parts = ["train"] * 12 + ["validation"] * 6 + ["test"] * 6
    rows = [
        {"dataset": "small", "split": "split-0", "fold": 0, "track": f"small:t{i:03}", "part": part}
        for i, part in enumerate(parts)
    ]
    with store.write("split") as tx:
        tx.append("core.splits", [{**row, "added": datetime(2026, 1, 1)} for row in rows])
    data = json.loads(json.dumps(entries))
    data["tasks"]["genre"]["split"] = "split-0"
    registry = Registry.model_validate(data)
    (item,) = plan(store, cases(registry, ["net"]), registry, plugins)
    sizes = {key: getattr(item.details.folds[0], key) for key in ("train", "validation", "test")}
    assert sizes == {"train": 12, "validation": 6, "test": 6}
    (outcome,) = outcomes(store, [item])
    names = store.sql("SELECT DISTINCT name FROM learning_curves ORDER BY name")["name"].to_list()
    assert names == ["loss", "validation_loss"]
    (report,) = collect(store, [outcome.run])
    curves = report["cases"][0]["learning_curves"]
    assert [(curve["name"], curve["repeat"], curve["fold"]) for curve in curves] == [
        ("loss", 0, 0), ("validation_loss", 0, 0),
    ]  # fmt: skip
    assert store.sql("SELECT count(DISTINCT track) AS n FROM predictions")["n"][0] == 6
    assert outcome.error is None


def test_checkpoints_of_a_case_that_raised_go_and_those_of_one_out_of_time_stay(store, plugins):
    (item,) = planned(store, plugins, model="patient")
    folder = store.path / "checkpoints" / item.sha256
    (outcome,) = run_in_processes(store, [item], seconds=1.5)
    assert outcome.error.startswith("timeout")
    saved = folder / "run-0-fold-0" / "net.npz"
    assert saved.exists()
    assert saved not in store.gc(3600)
    assert saved in store.gc(0, dry_run=True)
    saved.write_bytes(b"half a file")
    (item,) = planned(store, plugins, model="patient")
    (outcome,) = outcomes(store, [item])
    assert outcome.error is not None
    assert not folder.exists()


script = textwrap.dedent(
    """
    import json, sys
    from mirstore.core.experiments.cases import cases
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.store import Store
    from mirstore.store.experiments.planning import plan
    from mirstore.store.experiments.running import run
    if __name__ == "__main__":
        entries = Registry.model_validate(json.loads(sys.argv[2]))
        with Store(sys.argv[1]) as store:
            for event in run(store, plan(store, cases(entries, ["net"]), entries, Plugins.installed())):
                print(event, flush=True)
    """
)


@pytest.mark.slow
def test_a_killed_case_goes_on_at_its_epoch_and_ends_the_same(store, plugins, tmp_path):
    data = json.loads(json.dumps(entries))
    data["experiments"]["net"]["model"] = "patient"
    (item,) = planned(store, plugins, model="patient")
    log = store.path / "checkpoints" / item.sha256 / "run-0-fold-1" / "epochs.log"
    file = tmp_path / "go.py"
    file.write_text(script)
    with subprocess.Popen(
        [sys.executable, file, store.path, json.dumps(data)], stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        end = time.monotonic() + 120
        while not (log.exists() and len(log.read_text().splitlines()) >= 5):
            assert time.monotonic() < end
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    begun = len(log.read_text().splitlines())
    assert begun < 30
    (item,) = planned(store, plugins, model="patient")
    assert item.state == "ready"
    (resumed,) = outcomes(store, [item])
    values = "SELECT fold, track, label, score FROM predictions WHERE run = '{}' ORDER BY ALL"
    curve = "SELECT fold, epoch, name, value FROM learning_curves WHERE run = '{}' ORDER BY ALL"
    whole = run_case(item.assembly)  # uninterrupted
    assert store.sql(curve.format(resumed.run)).height == len(whole.learning_curves) == 90
    scores = whole.predictions.sort("fold", "track", "label")["score"]
    assert store.sql(values.format(resumed.run))["score"].to_list() == scores.to_list()
    told = sorted((row["fold"], row["epoch"], row["value"]) for row in whole.learning_curves)
    assert [(f, e, v) for f, e, _, v in store.sql(curve.format(resumed.run)).rows()] == told
    assert not log.exists()


# Weights


def test_weights_that_a_model_begins_with_are_in_the_identity_of_its_runs(store, plugins, monkeypatch, tmp_path):
    from mirstore_test_weights import own, wheel

    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path))
    (bare,) = planned(store, plugins)
    assert "weights" not in bare.config["model"]
    monkeypatch.setattr(plugins.get(Model, "test-net"), "needs", (wheel,))
    (item,) = planned(store, plugins)
    assert item.config["model"] == bare.config["model"] | {"weights": wheel.sha256}
    with pytest.raises(WeightsError, match="mirstore weights fetch wheel-gain"):
        outcomes(store, [item])
    monkeypatch.setattr(plugins.get(Model, "test-net"), "needs", (own,))  # known by its file alone
    (item,) = planned(store, plugins)
    assert item.state == "lacking"
    assert "mirstore weights add own-gain" in item.why


# Numbers


def emotions(store, tmp_path, **options):
    X = store.features("small").sort("track")
    rng = np.random.default_rng(5)
    frame = X.select(
        pl.col("track").str.strip_prefix("small:").alias("id"),
        (10 * pl.col("f1") - pl.col("f2") - 20).alias("arousal"),
        (0.1 * pl.col("f3")).alias("valence"),
    )
    frame = frame.with_columns(pl.col("arousal") + pl.Series(rng.normal(size=frame.height)))
    frame.with_columns(pl.when(pl.int_range(pl.len()) > 1).then("valence").alias("valence")).write_csv(
        tmp_path / "emotion.csv"
    )
    return import_table(
        store, tmp_path / "emotion.csv", dataset="small", targets=["arousal..valence"], label_set="emotion", **options
    )


def test_numbers_are_imported_split_predicted_and_reported(store, plugins, tmp_path):
    done = emotions(store, tmp_path)
    assert done.labels == {"emotion": 2}
    told = [line.strip() for report in done.reports for line in report.lines()]
    assert any(
        re.match(r"valence → numbers \(target of 'emotion', 22 tracks, -0\.\d+ to 0\.\d+\)", line) for line in told
    )
    assert store.sql("SELECT count(*) AS n FROM labels WHERE label_set = 'emotion' AND value < 0")["n"][0] > 10
    data = json.loads(json.dumps(entries))
    data["experiments"]["net"] = {
        "task": "emotion",
        "features": ["small"],
        "permutations": 20,
        "halves": 3,
        "random_groupings": 3,
        "matrix": {"model": ["em-banded", "ridge", "mean-value", "xgboost", "test-net"]},
    }
    registry = Registry.model_validate(data)
    items = plan(store, cases(registry, ["net"]), registry, plugins)
    assert [item.state for item in items] == ["ready", "ready", "ready", "lacking", "lacking"]
    assert items[3].why.startswith("model 'xgboost' predicts classes, and r2 of task 'emotion' is of numbers")
    assert len(items[0].assembly.tracks) == n - 2  # those with both targets
    embanded, ridge, mean = outcomes(store, items)
    assert metrics(store, embanded)["r2"] > 0.5
    assert metrics(store, ridge)["pearson_r"] > 0.7
    assert metrics(store, mean)["r2"] <= 0
    assert metrics(store, mean)["mae"] > metrics(store, embanded)["mae"]
    truth = store.sql(f"SELECT truth FROM predictions WHERE run = '{embanded.run}' AND label = 'arousal'")["truth"]
    assert truth.min() < -1
    (report,) = collect(store, ["net"])
    json.dumps(report)
    by_target = {row["label"]: row["metric"] for row in report["cases"][-1]["labels"]}
    assert set(by_target) == {"arousal", "valence"}


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"metric": "roc_auc", "labels": "emotion"}, "roc_auc is of labels, and 'emotion' holds numbers"),
        ({"metric": "mae", "labels": "genre"}, "mae is of numbers, and 'genre' holds labels"),
        ({"metric": "mae", "labels": "emotion", "classes": ["anger"]}, "unknown label of 'small': 'anger'"),
    ],
)
def test_labels_and_numbers_are_not_mistaken_for_each_other(store, plugins, tmp_path, task, why):
    emotions(store, tmp_path)
    data = json.loads(json.dumps(entries))
    data["tasks"]["genre"] |= task
    data["experiments"]["net"] |= {"features": ["small"], "model": "prior"}
    registry = Registry.model_validate(data)
    (item,) = plan(store, cases(registry, ["net"]), registry, plugins)
    assert item.state == "lacking"
    assert why in item.why


def test_a_target_that_is_no_number_is_refused(store, tmp_path):
    tmp_path.joinpath("bad.csv").write_text("id,valence\nt000,1\nt001,high\nt002,3\n")
    with pytest.raises(UsageError, match="target 'valence' is no column of numbers: 'high' in row 2"):
        import_table(store, tmp_path / "bad.csv", dataset="small", targets=["valence"])


# Third parties


def test_a_report_on_third_parties_reads_as_one_on_ours(store, plugins):
    pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
    from mirstore.page import render
    from mirstore.page.ranking import ranking

    data = json.loads(json.dumps(entries))
    data["experiments"]["net"] = {
        "task": "genre",
        "features": ["small"],
        "matrix": {"grouping": ["halves", "lots"], "model": ["prior", "slopes"]},
    }
    registry = Registry.model_validate(data)
    items = plan(store, cases(registry, ["net"]), registry, plugins)
    assert [item.assembly.random_groupings for item in items] == [0, 200, 0, 0]  # slopes in halves is explained
    assert all(outcome.error is None for outcome in outcomes(store, items))
    (report,) = collect(store, ["net"])
    roles = {(case.model, case.text("grouping")): case.role for case in ranking(report)}
    assert roles["prior", "halves"] == "floor"
    assert roles["slopes", "halves"] == ""
    assert roles["slopes", "lots"] == "control"
    assert report["named"] == items[1].case.names()
    (slopes,) = [case["run"] for case in report["cases"] if case["case"] == report["named"]]
    assert report["verdict"]["explained"] == slopes
    page = render(report)
    assert "slopes with halves groups" in page
    assert '<span class="mark">random groups</span>' in page
    assert '<span class="mark">opaque</span>' not in page


# Older stores


def test_a_store_of_the_last_version_opens_and_is_brought_up_to_date_by_writing(tmp_path, plugins, monkeypatch):
    now = schema.version
    with monkeypatch.context() as older:
        tables = {name: columns for name, columns in schema.tables.items() if name != "learning_curves"}
        older.setattr(schema, "tables", tables)
        older.setattr(schema, "version", 3)
        older.delitem(views, "learning_curves")
        with Store(tmp_path / "store", create=True) as store:
            import_table(store, make_table(tmp_path / "small.csv", n=n), dataset="small", labels=["genre"])
            assert "core.learning_curves" not in store.tables()
            snapshot = store.snapshot_id
    with Store(tmp_path / "store", read_only=True) as store:
        assert store.sql("SELECT * FROM learning_curves").is_empty()
        assert store.scan("core.learning_curves").collect().columns[:2] == ["run", "repeat"]
        assert store.sql("SELECT count(*) AS n FROM tracks")["n"][0] == n
    with Store(tmp_path / "store") as store:
        assert "core.learning_curves" in store.tables()
        assert store.ask("SELECT max(value) FROM lake.core.meta WHERE key = 'schema'") == [(str(schema.version),)]
        after = store.snapshot_id
    with Store(tmp_path / "store") as store:
        assert store.snapshot_id == after  # once
    with Store(tmp_path / "store", snapshot=snapshot) as store:
        assert store.sql("SELECT * FROM learning_curves").is_empty()
    with monkeypatch.context() as older:
        older.setattr(schema, "version", 3)
        with pytest.raises(StoreError, match=rf"newer mirstore \(store schema {now}, this one reads 3\)"):
            Store(tmp_path / "store")
