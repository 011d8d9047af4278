"""One door: a project ingests, plans, runs, reports and answers, from Python as from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from inline import here

from mirstore.core.errors import StoreError, UnknownNameError, UsageError
from mirstore.core.events import Events, Failed, Finished, Progress, Started, Warned
from mirstore.store import Project, Store
from mirstore.store.experiments.report import Report

rng = np.random.default_rng(440)
registry = """
schema = 1
[features.loud]
extractor = "level"
[tasks.genre]
dataset = "music"
labels = "label"
metric = "accuracy"
split = "stratified"
folds = 2
[experiments.first]
task = "genre"
features = ["loud"]
model = "majority"
random_groupings = 0
permutations = 0
halves = 0
[experiments.unread]
task = "genre"
features = ["absent"]
model = "majority"
"""


@pytest.fixture
def folder(tmp_path, make_wav, test_plugins):
    for i in range(8):
        make_wav(tmp_path / "music" / ("rock" if i % 2 else "pop") / f"{i}.wav", 0.3 * rng.uniform(-1, 1, 22050))
    (tmp_path / "registry.toml").write_text(registry)
    return tmp_path


@pytest.fixture
def project(folder, monkeypatch):
    """Without worker processes: starting them takes longer than the work."""
    from mirstore.store.experiments import running, training
    from mirstore.store.ingest import run

    for function in (run.ingest.__wrapped__, running.run.__wrapped__, training.train.__wrapped__):
        monkeypatch.setitem(function.__kwdefaults__, "pool", here)
    with Project(folder / "store", folder / "registry.toml") as found:
        yield found


def ingest(project, folder, **asked):
    return project.ingest(folder / "music", dataset="music", label_from_folder=True, **asked)


def test_a_project_from_a_folder_to_a_report(project, folder):
    summary = ingest(project, folder).result()
    assert summary.features["loud"]["ok"] == 8  # the registry's own features are what an ingest computes
    assert summary.tracks["new"] == project.features("loud").height == 8
    assert [item.state for item in project.cases("first", "unread")] == ["ready", "lacking"]
    results = project.run("first", "unread").result()
    assert [run.state for run in results.runs] == ["finished"]
    assert (results.failed, [item.case.experiment for item in results.lacking]) == ([], ["unread"])
    assert results.as_dict()["lacking"][0]["why"].startswith("unknown")
    assert project.sql("SELECT count(*) AS n FROM runs")["n"][0] == 1
    (report,) = project.report("first")
    assert isinstance(report, Report)
    assert (report.task.name, report.data.tracks, len(report.cases[0].folds)) == ("genre", 8, 2)
    assert report.cases[0].findings.metrics["accuracy"].mean == pytest.approx(0.5)
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["cases"][0]["metrics"]["accuracy"]["values"] == [0.5, 0.5]
    assert plain["cases"][0]["components"]["role"] == "floor"
    with pytest.raises(UnknownNameError):
        project.report("nope")


def test_a_project_over_an_open_store_leaves_it_open(project, folder):
    ingest(project, folder).result()
    with Store(folder / "store") as store:
        with Project(store, project.registry, project.plugins) as same:
            assert same.features("loud").height == 8
        assert store.sql("SELECT 1 AS one")["one"][0] == 1


def test_a_store_that_is_not_there_is_made_by_an_ingest_only(project, folder):
    with pytest.raises(StoreError, match="no store here"):
        project.sql("SELECT 1")
    plan = project.plan(folder / "music").result().plan
    assert [(need.feature, need.tracks) for need in plan.needs] == [("loud", 8)]
    assert not (folder / "store").exists()


def test_an_ingest_tells_what_it_does_and_what_it_costs(project, folder):
    (folder / "music" / "rock" / "no.wav").write_bytes(b"RIFF nothing of it is audio")
    (folder / "music" / "notes.mid").write_bytes(b"")
    events = list(ingest(project, folder, features="loud"))
    assert events[0] == Warned("passed over: 1 .mid")
    assert [(event.stage, event.total) for event in events if isinstance(event, Started)] == [
        ("scan", 9),
        ("extract", 9),
    ]
    (failed,) = [event for event in events if isinstance(event, Failed)]
    assert (failed.part, failed.item.rpartition("/")[2]) == ("loud", "no.wav")
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert (last.stage, last.done, last.total) == ("extract", 9, 9)
    assert last.seconds["loud"] > 0
    assert isinstance(events[-1], Finished)
    assert events[-1].result.tracks["failed"] == 1


def test_an_ingest_that_is_stopped_keeps_what_it_has_done_and_goes_on_there(project, folder):
    for event in ingest(project, folder):
        if isinstance(event, Progress) and (event.stage, event.done) == ("extract", 2):
            break
    kept = project.features("loud").height
    assert 2 <= kept < 8
    summary = ingest(project, folder).result()
    assert (summary.features["loud"]["fresh"], summary.features["loud"]["ok"]) == (kept, 8 - kept)


def test_a_job_that_outlives_its_project_says_that_the_store_was_closed(folder):
    with Project(folder / "store", folder / "registry.toml") as project:
        job = ingest(project, folder)
        next(event for event in job if event == Started("scan", 8))
    with pytest.raises(StoreError, match="was closed while something was still to be read or written"):
        job.result()


def test_an_experiment_tells_each_case_and_keeps_those_that_are_finished(project, folder):
    ingest(project, folder).result()
    job = project.run("first")
    assert isinstance(job, Events)
    told = [event for event in job if isinstance(event, Started | Progress)]
    assert told[0] == Started("cases", 1)
    assert told[1].done == 1
    assert list(told[1].seconds) == [str(item.case) for item in project.cases("first")]
    assert not [event for event in project.run("first") if isinstance(event, Started)]  # nothing is done twice


def test_an_experiment_says_that_the_registry_asks_for_other_values_than_it_reads(project, folder):
    before = registry.replace('extractor = "level"', 'extractor = "rms-segments"\nparams = { seconds = 1.0 }')
    (folder / "registry.toml").write_text(before)
    ingest(project, folder).result()
    assert [event.text for event in project.run("first") if isinstance(event, Warned)] == []
    changed = before.replace("seconds = 1", "seconds = 2")
    (folder / "registry.toml").write_text(changed)
    with Project(project.store, folder / "registry.toml") as later:
        (told,) = [event.text for event in later.run("first") if isinstance(event, Warned)]
        assert told == (
            "features 'loud' are read as they are stored, and are stale: parameter seconds: 1 → 2 "
            "(mirstore ingest … --features loud computes them anew)"
        )
        ingest(later, folder).result()
        assert [event.text for event in later.run("first") if isinstance(event, Warned)] == []
    (told,) = project.remarks(project.cases("first"))
    assert "parameter seconds: 2 → 1" in told.text  # also on the way back to what was once computed


def test_a_table_that_was_imported_is_refused_where_it_is_asked_for_by_name(project, folder):
    from mirstore.store.ingest.published_tables import import_table

    ingest(project, folder).result()
    (folder / "lines.csv").write_text("id,start,loudness\na,0,0.5\na,1,0.25\n")
    import_table(project.store, folder / "lines.csv", dataset="lines")
    (folder / "registry.toml").write_text(registry + '[features.m]\nextractor = "mean"\ninputs = { rows = "lines" }\n')
    with Project(project.store, folder / "registry.toml") as later:
        for asked in ("lines", "m"):
            with pytest.raises(UsageError, match="features 'lines' were imported from a table: nothing computes them"):
                ingest(later, folder, features=asked).result()


def test_statistics_and_reports_say_the_same_of_a_column(project, folder):
    from mirstore.store.features import stats

    ingest(project, folder).result()
    project.run("first").result()
    (column, _) = project.report("first")[0].health
    (row, _) = stats(project.store, "loud").to_dicts()
    assert column.column == f"loud.{row['column']}"
    assert [row[key] for key in ("missing", "outliers", "constant", "min", "max")] == [
        column.missing, column.outliers, column.constant, pytest.approx(column.low), pytest.approx(column.high),
    ]  # fmt: skip


def test_a_trained_model_has_the_scores_of_the_run_of_its_case(project, folder):
    ingest(project, folder).result()
    (summary,) = project.run("first").result().runs
    kept = project.train("first", name="guess").result().model
    assert kept.name == "guess"
    accuracy = kept.card.scores["accuracy"]
    assert (accuracy.mean, accuracy.low, accuracy.high) == (
        summary.metrics["accuracy"].mean, summary.metrics["accuracy"].low, summary.metrics["accuracy"].high,
    )  # fmt: skip
    assert kept.card.split["name"] == "genre"
