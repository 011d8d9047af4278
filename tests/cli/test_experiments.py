"""run-experiment, runs and report as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

rng = np.random.default_rng(440)
runner = CliRunner()
registry = """
schema = 1
[models.raising]
model = "centroid"
params = { behaviour = "raises" }
[models.hanging]
model = "centroid"
params = { behaviour = "hangs" }
[tasks.genre]
dataset = "small"
labels = "genre"
metric = "accuracy"
folds = 2
[experiments.first]
question = "Does it work?"
task = "genre"
features = ["small"]
grouping = "halves"
random_groupings = 3
permutations = 20
halves = 3
matrix.model = ["centroid", "raising", "absent"]
[experiments.hanging]
task = "genre"
features = ["small"]
grouping = "halves"
random_groupings = 0
permutations = 0
halves = 0
matrix.model = ["centroid", "hanging"]
"""


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def project(tmp_path, monkeypatch, test_plugins):
    monkeypatch.chdir(tmp_path)
    number = np.arange(24) % 2
    X = rng.normal(size=(24, 4)) + 3 * np.eye(2, 4)[number]
    frame = pl.DataFrame(X, schema=list("abcd")).with_columns(
        pl.Series("id", [f"t{i}" for i in range(24)]), pl.Series("genre", np.array(["jazz", "rock"])[number])
    )
    frame.write_csv("small.csv")
    run("dataset", "import", "small.csv", "--name", "small", "--labels", "genre")
    (tmp_path / "registry.toml").write_text(registry)
    return tmp_path


def test_cases_that_fail_or_lack_something_are_said_and_cost_no_other(project):
    plan = [json.loads(line) for line in run("run-experiment", "first", "-n", "--json").stdout.splitlines()]
    assert [(row["model"], row["state"]) for row in plan] == [
        ("centroid", "ready"),
        ("raising", "ready"),
        ("absent", "lacking"),
    ]
    assert "unknown model 'absent'" in plan[2]["why"]
    assert "absent" in run("run-experiment", "first", "-n").stdout
    result = run("run-experiment", "first", "-j", 1, "--json", code=3)
    cases = [json.loads(line) for line in result.stdout.splitlines()]
    assert [case["state"] for case in cases] == ["finished", "failed"]
    assert set(cases[0]) == {
        "run", "experiment", "case", "state", "error", "metrics", "importances", "snapshot", "withdrawn",
        "seconds",
    }  # fmt: skip
    assert "no luck today" in result.stderr
    assert "1 of 3 cases are finished" in result.stderr
    again = run("run-experiment", "first", "--only", "model=centroid", "--json")
    assert json.loads(again.stdout)["run"] == cases[0]["run"]


@pytest.mark.slow
def test_runs_are_listed_shown_compared_and_removed(project):
    run("run-experiment", "first", "--only", "model=centroid")
    (listed,) = json.loads(run("runs", "list", "--json").stdout)
    assert "centroid" in run("runs", "list", "first").stdout
    shown = json.loads(run("runs", "show", listed["run"][:6]).stdout)
    assert shown["details"]["task"]["name"] == "genre"
    rows = json.loads(run("runs", "compare", "first", "--json").stdout)
    assert {row["metric"] for row in rows} == {"accuracy", "balanced_accuracy", "pr_auc", "roc_auc"}
    assert "unknown run or experiment 'nope'" in run("runs", "show", "nope", code=2).stderr
    refused = run("runs", "rm", listed["run"], code=2)  # nobody is there who could be asked
    assert f"this would remove 1 run ({listed['run']}) of first" in refused.stderr
    assert len(json.loads(run("runs", "list", "--json").stdout)) == 1
    assert json.loads(run("runs", "rm", listed["run"], "--yes", "--json").stdout) == {"state": "removed", "runs": 1}
    assert run("runs", "list").stdout.startswith("no runs yet")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["frist"], 2, "unknown experiment 'frist'"),
        (["first", "--only", "model"], 2, "not of the form key=value"),
        (["first", "--only", "modle=x"], 2, "did you mean 'model'"),
    ],
)
def test_mistakes_on_the_command_line(project, arguments, code, message):
    assert message in run("run-experiment", *arguments, code=code).stderr


def test_a_bad_key_in_the_matrix_is_a_mistake_of_the_registry(project):
    project.joinpath("registry.toml").write_text(registry.replace("matrix.model", "matrix.modle"))
    result = run("run-experiment", "first", code=4)
    assert "experiments.first.matrix.modle: unknown key, did you mean 'model'" in result.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(project):
    command = [sys.executable, "-m", "mirstore.cli", "run-experiment", "hanging", "-j", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if json.loads(run("runs", "list", "hanging", "--json").stdout if _has_runs() else "[]"):
                break
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again" in errors
    plan = [json.loads(line) for line in run("run-experiment", "hanging", "-n", "--json").stdout.splitlines()]
    assert [row["state"] for row in plan] == ["finished", "ready"]


def test_a_case_may_have_a_time_limit(project):
    result = run("run-experiment", "hanging", "--only", "model=hanging", "--timeout", 1, code=3)
    assert "timeout: stopped after 1 s" in result.stderr


def test_names_that_are_not_quite_right(project):
    assert "no runs yet: mirstore run-experiment NAME; with --dry-run" in run("runs", "list").stdout
    assert "mirstore run-experiment first; with --dry-run" in run("report", "first", code=2).stderr
    run("run-experiment", "first", "--only", "model=centroid")
    assert "the page is HTML" in run("report", "first", "-o", "r.json", code=2).stderr
    assert "did you mean 'first'" in run("runs", "list", "frist", code=2).stderr
    assert project.joinpath("registry.toml").exists()


def test_after_cases_that_lack_something_the_hint_leads_to_what_they_lack(project):
    run("run-experiment", "first", "--only", "model=absent", code=3)
    for command in (["report", "first"], ["runs", "compare", "first"]):
        (hint,) = (line for line in run(*command, code=2).stderr.splitlines() if line.startswith("hint: "))
        assert "mirstore run-experiment first; with --dry-run" in hint
    assert "unknown model 'absent'" in run("run-experiment", "first", "--only", "model=absent", "--dry-run").stderr


def test_groups_by_hand_say_what_is_not_there(project):
    text = '[groupings.mine]\ngroups = { left = ["a", "bmp"], right = ["c", "d"] }\n'
    project.joinpath("registry.toml").write_text(registry.replace('grouping = "halves"', 'grouping = "mine"') + text)
    (plan,) = run("run-experiment", "first", "-n", "--json", "--only", "model=centroid").stdout.splitlines()
    assert json.loads(plan)["lacking"] == {"left": ["bmp"]}
    result = run("run-experiment", "first", "--only", "model=centroid")
    assert "groupings.mine: left names bmp, which no feature is called" in result.stderr


def _has_runs() -> bool:
    return "no runs yet" not in run("runs", "list").stdout


def test_spellings_of_an_artist_are_told_where_folds_keep_artists_together(project):
    about = pl.DataFrame(
        {"id": [f"t{i}" for i in range(24)], "artist": ["ABBA", "abba", *(f"a{i}" for i in range(22))]}
    )
    about.write_csv("about.csv")
    run("dataset", "import", "small.csv", "--name", "small", "--labels", "genre", "--about", "about.csv")
    result = run("run-experiment", "first", "--only", "model=centroid")
    assert "small: one artist or several? 'ABBA', 'abba': folds by artist do not keep them together" in result.stderr


@pytest.mark.slow
def test_a_report_says_that_a_track_was_withdrawn_and_does_not_name_it(project):
    about = pl.DataFrame({"id": [f"t{i}" for i in range(24)], "album": ["hush", "hush", *(f"b{i}" for i in range(22))]})
    about.write_csv("about.csv")
    run("dataset", "import", "small.csv", "--name", "small", "--labels", "genre", "--about", "about.csv")
    run("run-experiment", "first", "--only", "model=centroid")
    (track, *_) = json.loads(run("sql", "SELECT track FROM items WHERE album = 'hush' ORDER BY 1", "--json").stdout)
    run("report", "first")
    assert json.loads((project / "first.json").read_text())["data"]["withdrawn"] == 0
    run("rm", track["track"], "--yes")
    run("report", "first")
    data, page = json.loads((project / "first.json").read_text())["data"], (project / "first.html").read_text()
    assert data["withdrawn"] == 1
    assert "1 track was withdrawn since these cases ran" in page
    assert "hush" not in page + json.dumps(data) + run("runs", "show", "first").stdout


def test_a_report_shows_columns_by_class(project):
    run("run-experiment", "first", "--only", "model=centroid")
    run("report", "first", "--by-class", "small.a", "--by-class", "small.b")
    columns = json.loads((project / "first.json").read_text())["by_class"]
    assert [column["column"] for column in columns] == ["small.a", "small.b"]
    assert "Values by class</h2>" in (project / "first.html").read_text()
    assert "unknown column of 'small': 'e9'" in run("report", "first", "--by-class", "small.e9", code=2).stderr


def test_a_report_shows_tracks_that_are_asked_for(project):
    run("run-experiment", "first", "--only", "model=centroid")
    assert run("report", "first", "--track", "t3", "--track", "small:t11").stdout.strip() == "first.html"
    tracks = [row for row in json.loads((project / "first.json").read_text())["tracks"] if row["asked"]]
    assert [row["track"] for row in tracks] == ["small:t3", "small:t11"]
    assert [len(row["tested"]) for row in tracks] == [1, 1]
    assert "It was in no test part" not in (project / "first.html").read_text()
    assert "unknown track 'nothing'" in run("report", "first", "--track", "nothing", code=2).stderr
    refused = run("report", "first", "--track", "t3", "--show", "small", code=2).stderr
    assert "'small' cannot be shown over time" in refused
