"""Experiments on a store: what cases lack, what is found again, what a crash costs, what a report says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from done import collect, summaries
from done import run as run_in_processes
from pydantic import ValidationError

from mirstore.core import Column, Extractor
from mirstore.core.errors import ConfigError, UnknownNameError
from mirstore.core.experiments.cases import cases
from mirstore.core.experiments.run import run_case
from mirstore.core.features import FeatureSet
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.store import Store
from mirstore.store.datasets import together
from mirstore.store.experiments.planning import plan
from mirstore.store.experiments.remarks import remarks
from mirstore.store.experiments.results import compare, everything
from mirstore.store.experiments.runs import find, record, remove
from mirstore.store.features import stats
from mirstore.store.ingest.published_tables import import_table
from mirstore.store.lake.doctor import doctor
from mirstore.store.lake.repairing import repair
from mirstore.store.removal import remove as withdraw
from mirstore.store.removal import tracks as withdrawal

rng = np.random.default_rng(440)
genres = ("blues", "jazz", "rock")
registry_data = {
    "schema": 1,
    "models": {
        kind: {"model": "centroid@1", "params": {"behaviour": kind}}
        for kind in ("raises", "exits", "aborts", "nonsense", "nan shares", "slow")
    },
    "groupings": {
        "mine": {"groups": {"first": ["f1", "f2", "f9"], "second": ["f3"]}},
        "torn": {"groups": {"a": ["f1"], "b": ["f*"]}},
    },
    "tasks": {
        "genre": {"dataset": "small", "labels": "genre", "metric": "accuracy", "folds": 3},
        "leaky": {"dataset": "small", "labels": "genre", "metric": "accuracy", "folds": 3, "split": "stratified"},
        "tags": {"dataset": "small", "labels": "tags", "metric": "roc_auc", "folds": 3},
    },
    "experiments": {
        "one": {
            "task": "genre",
            "features": ["small"],
            "grouping": "halves",
            "model": "centroid",
            "permutations": 20,
            "halves": 4,
            "random_groupings": 5,
        },
        "many": {
            "features": ["small"],
            "grouping": "halves",
            "permutations": 0,
            "matrix": {"task": ["genre", "leaky"], "model": ["centroid", "raises", "aborts", "nonsense"]},
        },
    },
}


def make_table(path, n=60, seed=0):
    local = np.random.default_rng(seed)
    number = np.arange(n) % 3
    X = local.normal(size=(n, 4)) + np.eye(3, 4)[number] * 2
    frame = pl.DataFrame(X, schema=["f1", "f2", "f3", "f4"]).with_columns(
        pl.Series("id", [f"t{i:03}" for i in range(n)]), pl.Series("genre", np.array(genres)[number])
    )
    frame.write_csv(path)
    artists = pl.DataFrame({"id": frame["id"], "artist": [f"artist {i % 12}" for i in range(n)]})
    artists.write_csv(path.with_name("about.csv"))
    return path


def make_store(folder):
    """Write a table and a store that has it into a folder."""
    file = make_table(folder / "small.csv")
    with Store(folder / "store", create=True) as found:
        import_table(found, file, dataset="small", labels=["genre"], about=folder / "about.csv")
        rows = [
            {"dataset": "small", "track": f"small:t{i:03}", "label_set": "tags", "label": label, "value": 1.0}
            for i in range(50)
            for label in (["fast"] if i % 3 else ["fast", "loud"])
        ] + [{"dataset": "small", "track": "small:t050", "label_set": "tags", "label": "slow", "value": 1.0}]
        with found.write("tags") as tx:
            tx.append("core.labels", [{**row, "added": datetime(2026, 1, 1)} for row in rows])


@pytest.fixture
def store(made_once, tmp_path):
    with Store(made_once(tmp_path, make_store)) as found:
        yield found


@pytest.fixture
def plugins(test_plugins):
    return Plugins.installed()


def run(store, planned):
    """Run in this process: starting another takes longer than the case."""
    return run_in_processes(store, planned, pool=lambda workers, limits: ThreadPoolExecutor(1))


def registry(**changes):
    data = json.loads(json.dumps(registry_data))
    for path, value in changes.items():
        *folders, name = path.split("__")
        where = data
        for folder in folders:
            where = where.setdefault(folder, {})
        where[name] = value
    return Registry.model_validate(data)


def planned(store, plugins, names=("one",), **changes):
    entries = registry(**changes)
    return plan(store, cases(entries, names), entries, plugins)


def test_a_run_leaves_its_results_in_the_store(store, plugins):
    (outcome,) = run(store, planned(store, plugins))
    (summary,) = summaries(store, [outcome.run])
    accuracy = summary["metrics"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["values"]))
    assert len(accuracy["values"]) == 3
    assert accuracy["low"] < accuracy["mean"] < accuracy["high"]
    assert accuracy["mean"] > 0.7
    assert sum(summary["importances"].values()) == pytest.approx(1)
    predicted = store.sql("SELECT * FROM predictions")
    assert predicted.height == 60 * 3
    best = predicted.sort("score", descending=True).group_by("track").first()
    assert (best["truth"] > 0).mean() == pytest.approx(accuracy["mean"], abs=0.03)  # folds differ in size
    assert store.sql("SELECT kind, count(*) AS n FROM group_importances GROUP BY kind ORDER BY kind").rows() == [
        ("fold", 12),
        ("whole", 4),  # no more: the model does not say which way its features work
    ]
    assert store.sql(
        "SELECT kind, name, count(*) AS n FROM chance WHERE name = 'accuracy' GROUP BY ALL ORDER BY 1"
    ).rows() == [
        ("guessing", "accuracy", 3),
        ("permuted labels", "accuracy", 20),
    ]


def test_every_number_of_a_report_can_be_computed_again_from_sql(store, plugins):
    (outcome,) = run(store, planned(store, plugins, experiments__one__model="ridge", experiments__one__runs=2))
    assert outcome.error is None
    (report,) = collect(store, [outcome.run])
    case = report["cases"][0]
    scores = store.sql("SELECT * FROM predictions")
    here = ["repeat", "fold", "track"]
    top = scores.filter(pl.col("score") == pl.col("score").max().over(here))
    hits = top.group_by(here).agg((pl.col("truth") > 0).sum() / pl.len())
    per_fold = hits.group_by("repeat", "fold").agg(pl.col("truth").mean()).sort("repeat", "fold")["truth"]
    assert case["metrics"]["accuracy"]["values"] == pytest.approx(per_fold.to_list(), abs=1e-15)
    assert case["metrics"]["accuracy"]["mean"] == pytest.approx(per_fold.mean(), abs=1e-15)
    assert np.trace(case["confusion"]["counts"]) / 60 == pytest.approx(hits["truth"].mean(), abs=1e-15)
    truth = scores.filter(pl.col("truth") > 0)
    floors = []
    for (repeat, fold), test in truth.group_by("repeat", "fold"):
        train = truth.filter((pl.col("repeat") == repeat) & (pl.col("fold") != fold))["label"]
        most = train.value_counts().filter(pl.col("count") == pl.col("count").max())["label"]
        floors.append(test["label"].is_in(most.implode()).mean() / len(most))
    assert case["floor"]["accuracy"] == pytest.approx(np.mean(floors), abs=1e-15)
    claim = next(c for c in [*report["verdict"]["claims"], *report["verdict"]["open"]] if c["kind"] == "above guessing")
    assert claim["value"] == pytest.approx(per_fold.mean() - np.mean(floors), abs=1e-12)
    drawn = store.sql("SELECT value FROM chance WHERE kind = 'permuted labels'")["value"]
    assert claim["p"] == (1 + (drawn >= claim["value"] - 1e-12).sum()) / (1 + len(drawn))
    shares = store.sql("SELECT \"group\", value FROM group_importances WHERE kind = 'whole' AND measure = 'share'")
    halves = store.sql("SELECT \"group\", stddev(value) AS sd FROM group_importances WHERE kind = 'half' GROUP BY ALL")
    deviation = dict(halves.rows())
    for group, share in shares.rows():
        low, high = max(0, share - 1.96 * deviation[group]), min(1, share + 1.96 * deviation[group])
        assert report["verdict"]["shares"][group] == pytest.approx((share, low, high), abs=1e-12)
    assert store.sql("SELECT count(*) AS n FROM pins")["n"][0] == 1
    contributions = store.sql('SELECT DISTINCT "group" FROM contributions ORDER BY 1')["group"].to_list()
    assert contributions == ["first", "rest"]


def test_artists_are_kept_together_by_default_and_leakage_is_told_either_way(store, plugins):
    items = planned(store, plugins, ["one", "many"])
    told = {item.case.task: {leak.kind: leak.shared for leak in item.details.leakage} for item in items}
    assert told["genre"] == {"artist": 0, "album": 0, "audio": 0, "near": 0}
    assert told["leaky"]["artist"] == 12
    folds = items[0].assembly.folds
    artist = np.arange(60) % 12
    assert all(not set(artist[fold.train]) & set(artist[fold.test]) for fold in folds)


def test_the_same_case_is_found_again_and_another_is_not(store, plugins):
    (first,) = run(store, planned(store, plugins))
    (again,) = planned(store, plugins)
    assert (again.state, again.run) == ("finished", first.run)
    assert list(run(store, [again])) == []
    for change in (
        {"experiments__one__seed": 1},
        {"experiments__one__runs": 2},
        {"tasks__genre__folds": 4},
        {"experiments__one__grouping": "mine"},
        {"experiments__one__model": "slow"},
        {"experiments__one__smoothing": "flat"},
    ):
        (other,) = planned(store, plugins, **change)
        assert other.state == "ready", change


def test_new_labels_make_a_new_case(store, plugins):
    list(run(store, planned(store, plugins)))
    row = {"dataset": "small", "track": "small:t000", "label_set": "genre", "label": "jazz", "value": 1.0}
    with store.write("relabel") as tx:
        tx.append("core.labels", [{**row, "added": datetime(2027, 1, 1)}])
    (item,) = planned(store, plugins)
    assert item.state == "ready"


def test_a_case_whose_results_the_store_refuses_has_failed(store, plugins, monkeypatch):
    def refusing(store, results):
        if not isinstance(results[0][1], str):
            raise UnicodeError("no text")
        return record(store, results)

    monkeypatch.setattr("mirstore.store.experiments.running.record", refusing)
    (outcome,) = run(store, planned(store, plugins))
    assert outcome.error == "its results could not be stored: UnicodeError, no text"
    assert store.sql("SELECT state, error FROM runs").rows() == [("failed", outcome.error)]


def test_a_case_that_raises_or_dies_costs_no_other(store, plugins):
    items = planned(store, plugins, ["many"])
    errors = {(o.planned.case.task, o.planned.case.model): o.error for o in run_in_processes(store, items, workers=2)}
    assert errors["genre", "centroid"] is None
    assert errors["leaky", "centroid"] is None
    assert "ZeroDivisionError: no luck today" in errors["genre", "raises"]
    assert "process died" in errors["leaky", "aborts"]
    assert "not finite numbers" in errors["genre", "nonsense"]
    states = store.sql("SELECT state, count(*) AS n FROM runs GROUP BY state ORDER BY state").rows()
    assert states == [("failed", 6), ("finished", 2)]
    assert [item.state for item in planned(store, plugins, ["many"])].count("ready") == 6  # failures are tried again
    (report, other) = collect(store, ["many"])
    assert {case["state"] for case in report["cases"]} == {"finished", "failed"}
    json.dumps([report, other])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"tasks__genre__dataset": "smal"}, "unknown dataset 'smal'.*small"),
        ({"tasks__genre__labels": "gender"}, "unknown label set of 'small': 'gender'"),
        ({"tasks__genre__classes": ["jazz", "polka"]}, "unknown label of 'small': 'polka'"),
        ({"tasks__genre__split": "split-0"}, "unknown split of 'small': 'split-0'"),
        ({"tasks__genre__folds": 30}, "12 artists are too few for 30 folds"),
        ({"tasks__genre__classes": ["jazz"]}, "only one class"),
        ({"tasks__genre__labels": "tags"}, "accuracy needs one label per track, and 17 tracks of 'tags' have several"),
        ({"experiments__one__features": ["essentia"]}, "features essentia were not computed .mirstore ingest"),
        ({"experiments__one__features": ["small", "small@1"]}, "two versions of features 'small'"),
        ({"experiments__one__model": "xgbost"}, "unknown model 'xgbost'"),
        ({"experiments__one__grouping": "thirds"}, "unknown grouper 'thirds'"),
        ({"experiments__one__smoothing": "steep"}, "unknown smoother 'steep'"),
    ],
)
def test_what_a_case_lacks_is_said(store, plugins, changes, why):
    (item,) = planned(store, plugins, **changes)
    assert item.state == "lacking"
    assert re.search(why, item.why), item.why


def test_a_mistake_in_the_registry_stops_the_command(store, plugins):
    with pytest.raises(ConfigError, match=r"models.odd.params: unknown parameter 'speed'"):
        planned(
            store,
            plugins,
            models__odd={"model": "centroid", "params": {"speed": 1}},
            experiments__one__model="odd",
        )
    with pytest.raises(ConfigError, match="is in groups 'a' and 'b'"):
        planned(store, plugins, experiments__one__grouping="torn")


def test_a_grouping_tells_what_the_features_lack(store, plugins):
    (item,) = planned(store, plugins, experiments__one__grouping="mine")
    assert item.details.lacking == {"first": ["f9"]}
    (outcome,) = run(store, [item])
    (report,) = collect(store, [outcome.run])
    group = report["cases"][0]["groups"][0]
    assert (group["group"], group["lacking"]) == ("first", ["f9"])
    assert [column["column"] for column in group["columns"]] == ["small.f1", "small.f2"]


def test_tags_are_measured_by_area_and_cannot_be_smoothed(store, plugins):
    (item,) = planned(store, plugins, experiments__one__task="tags")
    (outcome,) = run(store, [item])
    assert set(summaries(store, [outcome.run])[0]["metrics"]) == {"roc_auc", "pr_auc"}
    (item,) = planned(store, plugins, experiments__one__task="tags", experiments__one__smoothing="flat")
    (outcome,) = run(store, [item])
    assert "tags are no distribution" in outcome.error


def add_rows(store, name, columns, rows):
    """Add a feature set as if an extractor had returned these rows."""

    class Given(Extractor):
        def columns(self):
            return columns

        def extract(self, track):
            raise NotImplementedError

    Given.name = name
    feature, stamp = FeatureSet(name, Given()), {"ingest": "i", "added": datetime(2026, 1, 1)}
    with store.write(name) as tx:
        tx.add_feature_set(name, feature, **stamp)
        tx.append_features(feature, rows, **stamp)


def test_a_vector_is_as_many_columns_and_text_is_none(store, plugins):
    columns = {
        "array": Column(pl.Array(pl.Float32, 2), "", "Two numbers."),
        "text": Column(pl.String, "", "A word."),
    }
    rows = [{"track": f"small:t{i:03}", "array": np.array([i, 1.0], np.float32), "text": "a"} for i in range(60)]
    add_rows(store, "vectors", columns, rows)
    (item,) = planned(store, plugins, experiments__one__features=["vectors"])
    assert item.assembly.examples.table.columns == ["vectors.array_000", "vectors.array_001"]
    (outcome,) = run(store, [item])
    (report,) = collect(store, [outcome.run])
    assert report["cases"][0]["groups"][0]["columns"][0]["text"] == "Two numbers."


def test_what_rests_on_an_assumption_is_said_by_health_and_report(store, plugins):
    columns = {
        "words": Column(pl.Float32, "", "How many."),
        "language_source": Column(pl.String, "", "Who says so."),
        "text": Column(pl.String, "", "All of them."),
    }
    rows = [
        {"track": f"small:t{i:03}", "words": i, "language_source": "given" if i % 3 else "assumed", "text": f"word {i}"}
        for i in range(60)
    ]
    add_rows(store, "lines", columns, rows)
    *_, text = stats(store, "lines").to_dicts()
    assert (text["column"], text["n"], text["values"]) == ("language_source", 60, "given 40, assumed 20")
    (item,) = planned(store, plugins, experiments__one__features=["lines"])
    told = "features.lines: language is only assumed for 20 of 60 tracks"
    assert told in [event.text for event in remarks(store, [item])]
    (outcome,) = run(store, [item])
    (report,) = collect(store, [outcome.run])
    assert told in report["cases"][0]["notes"]


def test_smoothing_touches_training_labels_only(store, plugins):
    (item,) = planned(store, plugins, experiments__one__smoothing="flat")
    (outcome,) = run(store, [item])
    smooth = store.sql(
        "SELECT fold, track, sum(value) AS mass, max(value) AS own FROM label_distributions GROUP BY ALL"
    )
    assert smooth["mass"].to_numpy() == pytest.approx(1)
    assert smooth["own"].to_numpy() == pytest.approx(0.9 + 0.1 / 3)
    tested = store.sql("SELECT DISTINCT fold, track FROM predictions")
    assert smooth.join(tested, on=["fold", "track"]).is_empty()
    (report,) = collect(store, [outcome.run])
    ambiguity = report["cases"][0]["ambiguity"]
    assert ambiguity["own_class_mean"] == {"learned": pytest.approx(0.9 + 0.1 / 3), "held_out": None}
    assert ambiguity["learned"] == [0] * 9 + [smooth.height]
    assert ambiguity["held_out"] is None  # this smoother says nothing of tracks that it has not seen


def test_what_a_smoother_says_of_test_tracks_is_kept_beside_what_was_learned(store, plugins):
    changes = {"smoothings__near": {"smoother": "knn-smoothing@2", "params": {"k": 3}}}
    (item,) = planned(store, plugins, experiments__one__smoothing="near", **changes)
    (outcome,) = run(store, [item])
    assert outcome.error is None
    held_out = store.sql("SELECT fold, track, sum(value) AS mass FROM held_out_distributions GROUP BY ALL")
    assert held_out["mass"].to_numpy() == pytest.approx(1)
    tested = store.sql("SELECT DISTINCT fold, track FROM predictions")
    assert set(held_out.select("fold", "track").iter_rows()) == set(tested.iter_rows())
    own = store.sql("SELECT avg(value) AS own FROM held_out_distributions WHERE truth > 0")["own"].item()
    (report,) = collect(store, [outcome.run])
    ambiguity = report["cases"][0]["ambiguity"]
    assert ambiguity["own_class_mean"]["held_out"] == pytest.approx(own)
    assert sum(ambiguity["held_out"]) == held_out.height


def test_repetitions_have_their_own_folds(store, plugins):
    (item,) = planned(store, plugins, experiments__one__runs=2)
    first, second = ([list(f.test) for f in item.assembly.folds if f.repeat == r] for r in (0, 1))
    assert first != second
    (outcome,) = run(store, [item])
    assert len(summaries(store, [outcome.run])[0]["metrics"]["accuracy"]["values"]) == 6


def test_learning_here_and_testing_there(store, plugins, tmp_path):
    file = make_table(tmp_path / "there.csv", n=30, seed=1)
    pl.read_csv(file).with_columns(pl.col("genre").replace("rock", "Rock'n'Roll")).write_csv(file)
    import_table(store, file, dataset="there", feature="there", labels=["genre"])
    rows = store.features("there").with_columns(pl.col("track"))
    table = store.table(store.resolve("small"))
    with store.write("the same features there") as tx:
        tx.append(table, rows.to_arrow())
    changes = {"tasks__genre__evaluate_on": "there", "tasks__genre__label_map": {"Rock'n'Roll": "rock"}}
    (item,) = planned(store, plugins, **changes)
    (fold,) = item.assembly.folds
    assert (len(fold.train), len(fold.test)) == (60, 30)
    assert item.assembly.examples.classes == genres
    (outcome,) = run(store, [item])
    assert store.sql("SELECT count(DISTINCT track) AS n FROM predictions WHERE track LIKE 'there:%'")["n"][0] == 30
    assert summaries(store, [outcome.run])[0]["metrics"]["accuracy"]["mean"] > 0.6


def test_a_published_split_is_used_as_it_is(store, plugins):
    parts = [("train", range(30)), ("validation", range(30, 40)), ("test", range(40, 60))]
    rows = [
        {"dataset": "small", "split": "split-0", "fold": 0, "track": f"small:t{i:03}", "part": part}
        for part, numbers in parts
        for i in numbers
    ]
    with store.write("split") as tx:
        tx.append("core.splits", [{**row, "added": datetime(2026, 1, 1)} for row in rows])
    (item,) = planned(store, plugins, tasks__genre__split="split-0")
    (fold,) = item.assembly.folds
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (30, 10, 20)
    assert item.details.leakage[0].shared == 12


def test_runs_are_found_compared_and_removed(store, plugins):
    items = planned(store, plugins, ["one", "many"])
    outcomes = {
        o.planned.case.model: o.run
        for o in run(store, [i for i in items if i.case.task == "genre" and i.case.model == "centroid"])
    }
    assert outcomes["centroid"] in find(store)["run"]
    first = find(store, ["one"])["run"][0]
    assert find(store, [first[:8]])["run"].to_list() == [first]
    rows = compare(store, ["one", "many"])
    paired = [row for row in rows if row["difference"] is not None]
    assert {row["difference"] for row in paired} == {0.0}  # the same model on the same folds
    assert everything(store, first)["config"]["model"] == {"component": "centroid@1", "params": {"behaviour": "good"}}
    remove(store, [first])
    assert first not in store.sql("SELECT run FROM runs")["run"]
    assert first not in store.sql("SELECT DISTINCT run FROM predictions")["run"]
    assert planned(store, plugins)[0].state == "ready"
    with pytest.raises(UnknownNameError, match="unknown run"):
        remove(store, ["nope"])


def test_of_a_run_that_damage_has_cost_results_nothing_that_is_left_is_said_and_it_runs_again(store, plugins):
    def two(store):
        return [item for item in planned(store, plugins, ["many"]) if item.case.model == "centroid"]

    spoilt, good = (outcome.run for item in two(store) for outcome in run(store, [item]))
    before = two(store)
    files = {pl.read_parquet(path)["run"][0]: path for path in store.files("core.predictions")}
    files[spoilt].unlink()
    assert repair(store.address).runs == {spoilt: "predictions"}
    with Store(store.address) as now:
        assert (everything(now, spoilt)["metrics"], everything(now, spoilt)["importances"]) == ({}, {})
        assert {row["run"] for row in compare(now, [spoilt, good])} == {good}
        assert set(now.sql("SELECT run FROM metrics UNION SELECT run FROM group_importances")["run"]) == {good}
        assert run(now, before) == []  # planned when it was whole
        assert [item.state for item in two(now)] == ["ready", "finished"]
        (again,) = run(now, two(now))
        assert set(find(now, ["many"])["run"]) == {again.run, good}


def test_of_failed_runs_too_nothing_is_said_of_withdrawn_tracks(store, plugins):
    leaky = [item for item in planned(store, plugins, ["many"]) if item.case.task == "leaky"]
    run(store, [item for item in leaky if item.case.model in ("centroid", "raises")])
    for path in store.files("core.metrics"):
        path.unlink()
    repair(store.address)  # the other has failed now
    with Store(store.address) as now:
        taken = now.sql("SELECT track FROM tracks WHERE artist = 'artist 0'")["track"].to_list()
        said = withdrawal(now, taken)
        assert said.counts["runs"] == 2
        withdraw(now, said, "rm")
        for name in find(now)["run"]:
            about = everything(now, name)
            assert (about["state"], about["withdrawn"]) == ("failed", 5)
            assert "artist 0" not in json.dumps(about)
        now.purge()
        assert not any("artist 0" in text for text in now.recorded("core.runs").collect()["details"])


def test_two_processes_that_finish_the_same_case_leave_one_run(store, plugins):
    first, second = planned(store, plugins), planned(store, plugins)
    (one,), (two,) = run(store, first), run(store, second)
    assert one.run == two.run
    assert store.sql("SELECT count(*) AS n FROM runs")["n"][0] == 1


script = textwrap.dedent(
    """
    import json, sys
    from mirstore.core.events import Progress
    from mirstore.core.experiments.cases import cases
    from mirstore.core.plugins import Plugins
    from mirstore.core.registry import Registry
    from mirstore.store import Store
    from mirstore.store.experiments.planning import plan
    from mirstore.store.experiments.running import run
    if __name__ == "__main__":
        entries = Registry.model_validate(json.loads(sys.argv[2]))
        with Store(sys.argv[1]) as store:
            for event in run(store, plan(store, cases(entries, ["*"]), entries, Plugins.installed())):
                if isinstance(event, Progress):
                    print(event.done, flush=True)
    """
)


@pytest.mark.slow
def test_kill_9_in_a_matrix_keeps_what_is_finished_and_resumes_to_the_same_result(store, plugins, tmp_path):
    data = json.loads(json.dumps(registry_data))
    data["experiments"] = {
        "m": {
            "task": "genre",
            "features": ["small"],
            "grouping": "halves",
            "permutations": 0,
            "halves": 0,
            "random_groupings": 2,
            "matrix": {"model": ["centroid", "slow"]},
        }
    }
    file = tmp_path / "go.py"
    file.write_text(script)
    process = subprocess.Popen([sys.executable, file, store.path, json.dumps(data)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "1"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert doctor(store) == []
    entries = Registry.model_validate(data)
    items = plan(store, cases(entries, ["m"]), entries, plugins)
    assert [item.state for item in items] == ["finished", "ready"]
    first = items[0].run
    (outcome,) = run(store, items)
    values = [s["metrics"]["accuracy"]["values"] for s in summaries(store, [first, outcome.run])]
    assert values[0] == values[1]  # the slow model is the same model


def test_a_report_says_what_to_cite(store, plugins):
    """The experiment's own entries first, then those of what takes part; a plugin's table of features has none."""
    (outcome,) = run(store, planned(store, plugins, experiments__one__cite=["@data{ours}", "@book{nearest-mean}"]))
    (report,) = collect(store, [outcome.run])
    assert report["provenance"]["bibtex"] == ["@data{ours}", "@book{nearest-mean}"]


def test_a_report_names_best_worst_and_ambiguous_tracks(store, plugins):
    (outcome,) = run(store, planned(store, plugins))
    (report,) = collect(store, [outcome.run])
    tracks = report["cases"][0]["tracks"]
    assert [t["role"] for t in tracks] == ["best"] * 3 + ["worst"] * 3 + ["ambiguous"] * 3
    scores = store.sql("SELECT * FROM predictions")
    best = scores.filter(pl.col("track") == tracks[0]["track"])
    assert best.sort("score")["truth"][-1] == 1
    worst = scores.filter(pl.col("track") == tracks[3]["track"])
    assert worst.sort("score")["truth"][-1] == 0
    assert all(set(t["contributions"]) == {"first", "rest"} for t in tracks)
    assert report["task"]["group_by"] == "artist"
    assert report["data"]["tracks"] == 60
    counts = np.array(report["cases"][0]["confusion"]["counts"])
    assert counts.sum() == 60
    assert np.trace(counts) / 60 == pytest.approx(
        summaries(store, [outcome.run])[0]["metrics"]["accuracy"]["mean"], abs=0.03
    )
    assert json.loads(json.dumps(report)) == report


# What a model is given


def test_scaling_knows_the_training_part_only_and_units_belong_to_rows(store, plugins):
    """Raises in the model if not: one track of the other fold is far out, and artists keep to one genre."""
    (outcome,) = run(store, planned(store, plugins, experiments__one__model="witness"))
    assert outcome.error is None


def test_repetitions_have_their_own_seed(store, plugins):
    changes = {"experiments__one__model": "witness", "experiments__one__runs": 3, "experiments__one__seed": 7}
    (outcome,) = run(store, planned(store, plugins, **changes))
    shares = store.sql("SELECT number, value FROM group_importances WHERE \"group\" = 'first' AND kind = 'fold'")
    assert outcome.error is None
    assert shares.sort("number")["value"].to_list() == pytest.approx([0.07] * 3 + [0.08] * 3 + [0.09] * 3)


@pytest.fixture
def chunks(store):
    """Three rows per track, stored out of order, of which the third is like another genre's."""
    rows = []
    for i in reversed(range(60)):
        for chunk in (2, 0, 1):
            near = (i + (chunk == 2)) % 3
            rows.append(
                {"track": f"small:t{i:03}", "start": float(chunk), **{f"c{j}": float(near == j) for j in range(3)}}
            )
    columns = {"start": Column(pl.Float64, "s", "start")} | {
        f"c{j}": Column(pl.Float64, "", "nearness to a genre") for j in range(3)
    }
    add_rows(store, "chunks", columns, rows)
    return store


def test_chunks_are_voted_for_and_keep_their_tracks_labels(chunks, plugins):
    (outcome,) = run(chunks, planned(chunks, plugins, experiments__one__features=["chunks"]))
    assert outcome.error is None
    metrics = summaries(chunks, [outcome.run])[0]["metrics"]
    assert metrics["chunk_accuracy"]["mean"] == pytest.approx(2 / 3)
    assert metrics["accuracy"]["mean"] == 1.0
    truth = chunks.sql("SELECT track, label FROM predictions WHERE truth = 1").sort("track")
    assert truth["label"].to_list() == [genres[i % 3] for i in range(60)]


def test_neighbours_of_chunks_are_other_tracks(chunks, plugins):
    """At random labels the next track says nothing; the next chunk, which is the same track, would say it all."""
    shuffled = np.random.default_rng(3).permutation(60) % 3
    with chunks.write("labels") as tx:
        rows = [
            {"dataset": "small", "track": f"small:t{i:03}", "label_set": "chance", "label": genres[g], "value": 1.0}
            for i, g in enumerate(shuffled)
        ]
        tx.append("core.labels", [{**row, "added": datetime(2026, 1, 1)} for row in rows])
    changes = {
        "tasks__chance": {"dataset": "small", "labels": "chance", "metric": "accuracy", "split": "stratified"},
        "experiments__one__task": "chance",
        "experiments__one__features": ["chunks"],
        "experiments__one__smoothing": "knn",
        "smoothings__knn": {"smoother": "knn-smoothing@2", "params": {"k": 5}},
    }
    (outcome,) = run(chunks, planned(chunks, plugins, **changes))
    assert outcome.error is None
    (report,) = collect(chunks, [outcome.run])
    assert report["cases"][0]["ambiguity"]["own_class_mean"]["learned"] < 0.6


# What makes another case


def test_the_same_names_with_other_contents_are_another_case(store, plugins, tmp_path):
    more = make_table(tmp_path / "more.csv").read_text().replace("f1,f2,f3,f4", "g1,g2,g3,g4")
    tmp_path.joinpath("more.csv").write_text(more)
    import_table(store, tmp_path / "more.csv", dataset="small", feature="more", labels=["genre"])
    base = {
        "models__mine": {"model": "centroid@1"},
        "smoothings__sm": {"smoother": "knn-smoothing@2", "params": {"k": 3}},
        "experiments__one__features": ["small", "more"],
        "experiments__one__grouping": "mine",
        "experiments__one__model": "mine",
        "experiments__one__smoothing": "sm",
    }
    (outcome,) = run(store, planned(store, plugins, **base))
    assert outcome.error is None
    assert planned(store, plugins, **base)[0].state == "finished"
    others = {
        "experiments__one__permutations": 21,
        "experiments__one__halves": 3,
        "experiments__one__random_groupings": 4,
        "experiments__one__seed": 1,
        "experiments__one__runs": 2,
        "groupings__mine__groups": {"first": ["f1"], "second": ["f2", "f3"]},
        "models__mine__params": {"behaviour": "slow"},
        "smoothings__sm__features": ["more"],
        "smoothings__sm__params": {"k": 4},
        "tasks__genre__folds": 4,
    }
    states = {name: planned(store, plugins, **{**base, name: value})[0].state for name, value in others.items()}
    assert states == dict.fromkeys(others, "ready")


def test_the_order_of_groups_changes_nothing(store, plugins):
    groups = {"a": ["f3", "f1"], "b": ["f4", "f2"]}
    changes = {
        "experiments__one__grouping": "mine",
        "experiments__one__model": "random-forest",
        "experiments__one__permutations": 0,
    }
    values = []
    for order in (groups, dict(reversed(groups.items()))):
        entries = registry(**changes, groupings__mine__groups=order)
        item = plan(store, cases(entries, ["one"]), entries, plugins)[0]
        values.append([m["value"] for m in run_case(item.assembly).metrics])
    assert values[0] == values[1]


# Splits


def add_split(store, parts):
    rows = [{"dataset": "small", "track": track, "split": "theirs", "fold": 1, "part": p} for track, p in parts]
    with store.write("split") as tx:
        tx.append("core.splits", [{**row, "added": datetime(2026, 1, 1)} for row in rows])


def test_what_a_published_split_has_on_both_sides_is_tested_only_and_told(store, plugins):
    parts = [(f"small:t{i:03}", "train" if i < 40 else "test") for i in range(60)] + [("small:t000", "test")] * 2
    add_split(store, parts)
    changes = {"tasks__genre__split": "theirs", "experiments__one__runs": 2}
    (outcome,) = run(store, planned(store, plugins, **changes))
    scores = store.sql("SELECT * FROM predictions WHERE repeat = 0")
    assert scores.filter(pl.col("track") == "small:t000").height == 3
    assert scores["score"].is_not_nan().all()
    (report,) = collect(store, [outcome.run])
    assert [row["shared"] for row in report["data"]["leakage"] if row["kind"] == "audio"] == [1]
    assert report["data"]["folds"][0]["train"] == 39
    assert report["task"]["group_by"] is None


def test_of_a_table_without_audio_no_identical_files_are_known(store, plugins):
    (item,) = planned(store, plugins)
    assert [(leak.known, leak.shared) for leak in item.details.leakage if leak.kind == "audio"] == [(0, 0)]
    found = {row["kind"]: row["known"] for row in together(store, "small").iter_rows(named=True)}
    assert found == {"artist": 60, "album": 0, "audio": 0, "near": 0}


def test_another_seed_on_the_same_fold_is_no_other_fold(store, plugins):
    add_split(store, [(f"small:t{i:03}", "train" if i < 40 else "test") for i in range(60)])
    (outcome,) = run(store, planned(store, plugins, tasks__genre__split="theirs", experiments__one__runs=5))
    accuracy = summaries(store, [outcome.run])[0]["metrics"]["accuracy"]
    assert len(accuracy["values"]) == 1
    assert accuracy["low"] is None
    (report,) = collect(store, [outcome.run])
    (case,) = report["cases"]
    spreads = {value["sd"] for row in case["labels"] for value in row["metric"].values()}
    assert spreads | {row["sd"] for row in case["importances"]} == {None}
    assert {len(row["values"]) for row in case["importances"]} == {1}


def test_training_parts_drawn_from_one_fold_are_no_other_folds_but_have_a_spread_of_their_own(store, plugins):
    add_split(store, [(f"small:t{i:03}", "train" if i < 40 else "test") for i in range(60)])
    changes = {"tasks__genre__train_size": 0.5, "experiments__one__runs": 4}
    (item,) = planned(store, plugins, tasks__genre__split="theirs", **changes)
    (outcome,) = run(store, [item])
    accuracy = summaries(store, [outcome.run])[0]["metrics"]["accuracy"]
    assert len(accuracy["values"]) == 1
    assert accuracy["low"] is None
    assert len(accuracy["repetitions"]) == 4
    assert len(set(accuracy["repetitions"])) > 1
    assert np.mean(accuracy["repetitions"]) == pytest.approx(accuracy["mean"])
    (report,) = collect(store, [outcome.run])
    shares = [row for row in report["cases"][0]["importances"] if row["measure"] == "share"]
    assert all(row["sd"] is None and row["over_repetitions"] > 0 for row in shares)
    assert report["task"]["train_size"] == 0.5
    assert len(item.assembly.folds[0].train) < 40


def test_what_explains_a_case_is_fitted_to_the_whole_training_part(store, plugins):
    add_split(store, [(f"small:t{i:03}", "train" if i < 40 else "test") for i in range(60)])
    wholes = []
    for size in (1.0, 0.5):
        changes = {"tasks__genre__split": "theirs", "tasks__genre__train_size": size}
        (outcome,) = run(store, planned(store, plugins, **changes))
        (report,) = collect(store, [outcome.run])
        wholes.append(report["cases"][0]["whole"])
    assert wholes[0] == wholes[1]


def test_a_validation_part_is_learned_from_where_the_task_says_so(store, plugins):
    parts = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    add_split(store, [(f"small:t{i:03}", part) for i, part in enumerate(parts)])
    for learned, sizes in ((False, (30, 10)), (True, (40, 0))):
        changes = {"tasks__genre__split": "theirs", "tasks__genre__learn_validation": learned}
        (item,) = planned(store, plugins, **changes)
        (fold,) = item.assembly.folds
        assert (len(fold.train), len(fold.validation), len(fold.test)) == (*sizes, 20)


def test_a_validation_part_to_learn_from_needs_a_published_split(store):
    with pytest.raises(ValidationError, match="'grouped' is none"):
        registry(tasks__genre__learn_validation=True)


def test_an_absent_dataset_says_where_it_comes_from(store, plugins):
    changes = {"tasks__genre__dataset": "far", "tasks__genre__source": "ask its authors"}
    (item,) = planned(store, plugins, **changes)
    assert item.why == "dataset 'far' is not in this store (ask its authors)"


def test_so_does_an_absent_dataset_that_is_tested_on(store, plugins):
    changes = {"tasks__genre__evaluate_on": "far", "tasks__genre__source": "ask its authors"}
    (item,) = planned(store, plugins, **changes)
    assert item.why == "dataset 'far' is not in this store (ask its authors)"


def test_where_a_dataset_comes_from_is_no_part_of_a_case(store, plugins):
    (one,), (other,) = (planned(store, plugins, tasks__genre__source=text) for text in ("", "ask its authors"))
    assert one.sha256 == other.sha256


def test_columns_in_no_group_are_told(store, plugins):
    changes = {"experiments__one__grouping": "mine", "groupings__mine__groups": {"a": ["f1", "f2"]}}
    (item,) = planned(store, plugins, **changes)
    (told,) = item.details.remarks
    assert told.startswith("mine groups 2 of ")
    assert told.endswith("not used")


def test_of_repeated_folds_all_spreads_are_over_different_folds(store, plugins):
    (outcome,) = run(store, planned(store, plugins, experiments__one__runs=2))
    (report,) = collect(store, [outcome.run])
    (case,) = report["cases"]
    kept = store.sql("SELECT value FROM metrics WHERE label = 'jazz' AND name = 'recall'")["value"]
    (recall,) = [row["metric"]["recall"] for row in case["labels"] if row["label"] == "jazz"]
    assert len(kept) == len({fold["sha256"] for fold in report["data"]["folds"]}) == 6
    assert recall == {"mean": pytest.approx(kept.mean()), "sd": pytest.approx(kept.std())}
    assert {len(row["values"]) for row in case["importances"]} == {6}


def test_folds_are_compared_and_not_feature_values(store, plugins, tmp_path):
    import_table(store, make_table(tmp_path / "o.csv", seed=5), dataset="small", feature="other", labels=["genre"])
    first, second, leaky = (
        run_one(store, plugins, **changes)
        for changes in (
            {},
            {"experiments__one__features": ["other"]},
            {"experiments__one__task": "leaky"},
        )
    )
    rows = [row for row in compare(store, [first, second, leaky]) if row["metric"] == "accuracy"]
    assert [row["difference"] is None for row in rows] == [True, False, True]
    told = [row["case"] for row in rows]
    assert told[1].split() == ["genre", "other"]  # task and features, where they differ, and not what all share
    assert len(set(told)) == 3
    assert {row["case"] for row in compare(store, [first])} == {"centroid"}


def run_one(store, plugins, **changes):
    (outcome,) = run(store, planned(store, plugins, **changes))
    assert outcome.error is None
    return outcome.run


@pytest.mark.parametrize(("split", "kept"), [("grouped", "artist"), ("holdout", "artist"), ("stratified", None)])
def test_artists_are_kept_together_where_it_is_said(store, plugins, split, kept):
    (item,) = planned(store, plugins, tasks__genre__split=split)
    shared = next(leak.shared for leak in item.details.leakage if leak.kind == "artist")
    assert item.details.task.group_by == kept
    assert (shared == 0) == (kept is not None)


# Labels


def test_of_tags_tracks_with_other_tags_are_the_negatives(store, plugins):
    (item,) = planned(store, plugins, experiments__one__task="tags", tasks__tags__classes=["loud"])
    assert item.state == "ready"
    assert item.assembly.examples.labels.shape == (51, 1)
    assert not item.assembly.examples.exclusive


def test_a_class_without_features_is_lacking(store, plugins):
    with store.write("labels") as tx:
        row = {"dataset": "small", "track": "small:none", "label_set": "genre", "label": "folk", "value": 1.0}
        tx.append("core.labels", [{**row, "added": datetime(2026, 1, 1)}])
    (item,) = planned(store, plugins, tasks__genre__classes=["blues", "jazz", "folk"])
    assert item.why.startswith("no track of class 'folk' has features small")


def test_a_label_map_names_labels_of_the_other_dataset(store, plugins, tmp_path):
    import_table(store, make_table(tmp_path / "o.csv", seed=5), dataset="other", feature="small2", labels=["genre"])
    changes = {"tasks__genre__evaluate_on": "other", "tasks__genre__label_map": {"Bloooz": "blues"}}
    (item,) = planned(store, plugins, **changes)
    assert item.why.startswith("unknown label of 'other': 'Bloooz'")


def elsewhere(store, tmp_path, labels, label_set="genre"):
    """Add a dataset with the same features, whose tracks have one label each or none."""
    file = make_table(tmp_path / "there.csv", n=len(labels), seed=1)
    pl.read_csv(file).drop("genre").with_columns(pl.Series(label_set, labels)).write_csv(file)
    import_table(store, file, dataset="there", feature="there", labels=[label_set])
    with store.write("the same features there") as tx:
        tx.append(store.table(store.resolve("small")), store.features("there").to_arrow())


def left_out(item):
    return {row.why: row.tracks for row in item.details.data.left_out}


def test_labels_of_the_other_dataset_that_none_here_is_called_are_counted_and_told(store, plugins, tmp_path):
    elsewhere(store, tmp_path, ["blues"] * 6 + ["jazz"] * 6 + ["Heavy Rock"] * 6 + ["ska"] * 3 + ["dub"] * 2 + [None])
    changes = {"tasks__genre__evaluate_on": "there", "tasks__genre__label_map": {"Heavy Rock": "rock"}}
    (item,) = planned(store, plugins, **changes)
    assert left_out(item) == {"no label in 'there'": 1, "a label of 'there' that none here is called: dub, ska": 5}
    assert [len(item.assembly.folds[0].train), len(item.assembly.folds[0].test)] == [60, 18]
    (outcome,) = run(store, [item])
    (report,) = collect(store, [outcome.run])
    assert {row["why"]: row["tracks"] for row in report["data"]["left_out"]} == left_out(item)
    told = [warned.text for warned in remarks(store, [item])]
    assert "tasks.genre: 5 tracks are left out: a label of 'there' that none here is called: dub, ska" in told


def test_labels_of_the_other_dataset_need_not_be_spelt_the_same(store, plugins, tmp_path):
    elsewhere(store, tmp_path, ["Blues", "JAZZ", " rock"] * 4)
    (item,) = planned(store, plugins, tasks__genre__evaluate_on="there")
    assert item.assembly.examples.labels.sum(axis=0).tolist() == [24, 24, 24]
    assert item.details.task.label_map == {"Blues": "blues", "JAZZ": "jazz"}


def test_the_label_set_of_the_other_dataset_may_have_another_name(store, plugins, tmp_path):
    elsewhere(store, tmp_path, ["blues", "jazz", "rock"] * 4, label_set="style")
    (item,) = planned(store, plugins, tasks__genre__evaluate_on="there")
    assert item.why.startswith("unknown label set of 'there': 'genre'")
    changes = {"tasks__genre__evaluate_on": "there", "tasks__genre__evaluate_labels": "style"}
    (item,) = planned(store, plugins, **changes)
    assert len(item.assembly.folds[0].test) == 12
    (outcome,) = run(store, [item])
    (report,) = collect(store, [outcome.run], tracks=["there:t001"])
    assert report["task"]["evaluate_labels"] == "style"
    assert next(track["labels"] for track in report["tracks"] if track["asked"]) == {"jazz": 1.0}


def test_a_class_that_the_other_dataset_has_none_of_is_told(store, plugins, tmp_path):
    elsewhere(store, tmp_path, ["blues", "jazz"] * 4)
    (item,) = planned(store, plugins, tasks__genre__evaluate_on="there")
    (told,) = item.details.remarks
    assert (
        told
        == "tasks.genre: a test part without a label: 'rock' (1 of 1 fold); it is not in that fold's means over labels"
    )
    (outcome,) = run(store, [item])
    (report,) = collect(store, [outcome.run])
    assert told in report["cases"][0]["notes"]
    assert {row["label"] for row in report["cases"][0]["labels"] if "recall" in row["metric"]} == {"blues", "jazz"}


def test_a_class_that_a_drawn_training_part_loses_is_told(store, plugins):
    add_split(store, [(f"small:t{i:03}", "train" if i < 40 else "test") for i in range(60)])
    changes = {"tasks__genre__split": "theirs", "tasks__genre__group_by": "artist", "experiments__one__runs": 9}
    (item,) = planned(store, plugins, **changes, tasks__genre__train_size=0.15)
    folds, labels = item.assembly.folds, item.assembly.examples.labels
    lost = [sum(not labels[fold.train, i].any() for fold in folds) for i in range(3)]
    assert any(lost)
    named = ", ".join(f"{genres[i]!r} ({lost[i]} of 9 folds)" for i in range(3) if lost[i])
    assert item.details.remarks == [
        f"tasks.genre: a training part without a label: {named}; a model cannot know it there"
    ]


def test_a_class_of_fewer_artists_than_folds_is_missing_in_some_and_told(store, plugins):
    """All artists of the table have one class: 4 of each, and 5 folds."""
    (item,) = planned(store, plugins, tasks__genre__folds=5)
    assert item.state == "ready"
    (told,) = item.details.remarks
    assert re.fullmatch(
        r"tasks.genre: a test part without a label: 'blues' \(\d of 5 folds\), 'jazz' .* means over labels", told
    )


def test_tracks_of_8_1_1_validate(store, plugins):
    (item,) = planned(store, plugins, tasks__genre__split="8:1:1")
    (fold,) = item.assembly.folds
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (30, 15, 15)  # 4 artists of each class
    assert item.details.task.group_by == "artist"
    assert next(leak.shared for leak in item.details.leakage if leak.kind == "artist") == 0
    (outcome,) = run(store, [item])
    assert outcome.error is None
    for part in (fold.train, fold.validation):  # of which nothing was predicted
        assert withdrawal(store, [item.assembly.tracks[part[0]]]).counts["runs"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learn_validation": True, "evaluate_on": "there"}, "evaluate_on tests on 'there'"),
        ({"learn_validation": True, "split": "8:1:1"}, "'8:1:1' is none"),
        ({"label_map": {"a": "b"}}, "label_map is of another dataset"),
        ({"evaluate_labels": "style"}, "evaluate_labels is of another dataset"),
    ],
)
def test_what_of_a_task_would_be_ignored_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        registry(**{f"tasks__genre__{name}": value for name, value in changes.items()})


def test_a_test_part_without_features_is_lacking(store, plugins, tmp_path):
    import_table(store, make_table(tmp_path / "o.csv", seed=5), dataset="other", feature="others", labels=["genre"])
    (item,) = planned(store, plugins, tasks__genre__evaluate_on="other")
    assert "has 60 training and 0 test tracks" in item.why


def test_a_track_in_both_datasets_has_the_labels_of_its_own(store, plugins):
    with store.write("both") as tx:
        rows = [(f"small:t{i:03}", genres[(i + 1) % 3] if i < 3 else genres[i % 3]) for i in range(30)]
        added = {"dataset": "both", "added": datetime(2026, 1, 1)}
        tx.append("core.datasets", [added])
        tx.append("core.items", [{**added, "track": track} for track, _ in rows])
        labels = [
            {**added, "track": track, "label_set": "genre", "label": label, "value": 1.0} for track, label in rows
        ]
        tx.append("core.labels", labels)
    (item,) = planned(store, plugins, tasks__genre__dataset="both", tasks__genre__evaluate_on="small")
    assert item.state == "ready"
    assert item.assembly.examples.labels.sum(axis=1).tolist() == [1.0] * 60
    assert [len(item.assembly.folds[0].train), len(item.assembly.folds[0].test)] == [30, 30]


# Plugins that give nonsense


@pytest.mark.parametrize(
    ("model", "message"), [("exits", "SystemExit: 0"), ("nan shares", "not finite|no shares of 1")]
)
def test_a_model_that_exits_or_gives_nan_costs_its_case(store, plugins, model, message):
    outcomes = list(
        run(store, planned(store, plugins, ("many",), experiments__many__matrix__model=[model, "centroid"]))
    )
    errors = {o.planned.case.model: o.error for o in outcomes if o.planned.case.task == "genre"}
    assert errors["centroid"] is None
    assert re.search(message, errors[model])


def test_a_hanging_model_is_stopped(store, plugins):
    item = planned(store, plugins, experiments__one__model="slow")
    (outcome,) = run_in_processes(store, item, seconds=0.5)
    assert outcome.error == "timeout: stopped after 0.5 s"


def test_the_run_that_the_registry_means_is_the_one_shown(store, plugins):
    first = run_one(store, plugins)
    second = run_one(store, plugins, experiments__one__seed=3)
    assert find(store, ["one"])["run"].to_list() == [second]
    assert list(run(store, planned(store, plugins))) == []
    assert find(store, ["one"])["run"].to_list() == [first]


# Imported tables


def test_a_table_is_imported_again_for_another_dataset_and_for_labels(tmp_path):
    """The values are stored once; tracks, labels and credits are those of each dataset."""
    file = make_table(tmp_path / "t.csv")
    with Store(tmp_path / "tables", create=True) as store:
        given = {"labels": ["genre"], "label_set": "genre"}
        assert not import_table(store, file, dataset="a", feature="f", label_set="first").fresh
        assert not import_table(store, file, dataset="a", feature="f", **given).fresh
        assert not import_table(store, file, dataset="a", feature="f", about=tmp_path / "about.csv", **given).fresh
        assert import_table(store, file, dataset="a", feature="f", **given).fresh
        assert not import_table(store, file, dataset="b", feature="f", **given).fresh
        counts = store.sql("SELECT dataset, count(*) AS n, count(artist) AS known FROM items GROUP BY dataset")
        assert counts.sort("dataset").rows() == [("a", 60, 60), ("b", 60, 0)]
        assert store.sql("SELECT DISTINCT dataset, label_set FROM labels").height == 3
        assert store.features("f").height == 120


def test_numbers_that_are_missing_in_any_spelling(tmp_path):
    tmp_path.joinpath("t.csv").write_text("id,empty,odd\na,,nan\nb,,-inf\nc,,2.5\n")
    with Store(tmp_path / "odd", create=True) as store:
        import_table(store, tmp_path / "t.csv", dataset="t")
        table = store.features("t").sort("track")
    assert table["empty"].null_count() == 3
    assert table["odd"].to_list() == [None, float("-inf"), 2.5]


def test_clips_are_of_the_tracks_of_the_case_that_is_explained(tmp_path, plugins, make_wav):
    with Store(tmp_path / "sounds", create=True) as store:
        import_table(store, make_table(tmp_path / "s.csv"), dataset="small", labels=["genre"])
        sound = 0.1 * np.random.default_rng(0).normal(size=11025)
        paths = {f"small:t{i:03}": make_wav(tmp_path / f"{i}.wav", sound, 22050) for i in range(60)}
        with store.write("located") as tx:
            rows = [{"track": t, "path": str(path), "added": datetime(2026, 1, 1)} for t, path in paths.items()]
            tx.append("core.locations", rows)
        runs = [run_one(store, plugins), run_one(store, plugins, experiments__one__grouping="mine")]
        (report,) = collect(store, runs, clips=2)
    assert len(report["cases"]) == 2
    (explained,) = (case for case in report["cases"] if case["run"] == report["verdict"]["explained"])
    assert {track["track"] for track in explained["tracks"][:2]} == set(report["clips"])
    assert all(sound.startswith("data:audio/ogg;base64,") for sound in report["clips"].values())
