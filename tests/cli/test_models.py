"""train and models as a user types them."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

runner = CliRunner()
registry = """
schema = 1
[tasks.genre]
dataset = "small"
labels = "genre"
metric = "accuracy"
folds = 2
[experiments.genres]
task = "genre"
features = ["small"]
random_groupings = 0
permutations = 0
halves = 0
matrix.model = ["ridge", "majority"]
"""


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    number = np.arange(12) % 2
    X = np.random.default_rng(440).normal(size=(12, 2)) + 3 * np.eye(2)[number]
    frame = pl.DataFrame(X, schema=["a", "b"]).with_columns(
        pl.Series("id", [f"t{i}" for i in range(12)]), pl.Series("genre", np.array(["jazz", "rock"])[number])
    )
    frame.write_csv("small.csv")
    run("dataset", "import", "small.csv", "--name", "small", "--labels", "genre")
    (tmp_path / "registry.toml").write_text(registry)
    return tmp_path


@pytest.mark.slow
def test_a_model_is_trained_listed_shown_exported_added_and_removed(project):
    assert "no models yet: mirstore train EXPERIMENT" in run("models", "list").stdout
    choice = run("train", "genres", code=2)
    assert "2 cases, and a model is fitted to one" in choice.stderr
    assert "--only model=ridge|majority" in choice.stderr

    result = run("train", "genres", "--only", "model=ridge", "--licence", "CC0-1.0")
    assert "no scores on its card: its case was not run (mirstore run-experiment genres does)" in result.stderr
    artifact = result.stdout.split()[-1]
    assert result.stdout == f"kept: genres {artifact}\n"

    (row,) = json.loads(run("models", "list", "--json").stdout)
    assert (row["name"], row["artifact"], row["licence"]) == ("genres", artifact, "CC0-1.0")
    assert artifact[:10] in run("models", "list").stdout
    shown = run("models", "show", "genres").stdout
    assert "[features.my-genres]" in shown
    assert "[features.small]" not in shown  # a table: nothing can compute it
    assert "Scores: none" in shown
    card = json.loads(run("models", "show", artifact[:6], "--json").stdout)["card"]
    assert card["learned"]["component"] == "ridge@1"

    assert "exported: genres to genres.zip" in run("models", "export", "genres", "genres.zip").stdout
    run("models", "rm", "genres", code=2)  # nobody to ask
    assert "removed: 1 kept model (genres" in run("models", "rm", "genres", "--yes").stdout
    assert "unknown kept model 'genres'" in run("models", "show", "genres", code=2).stderr
    assert run("models", "add", "genres.zip").stdout == f"kept: genres {artifact}\n"


@pytest.mark.slow
def test_scores_of_a_run_are_on_the_card(project):
    run("run-experiment", "genres", "-j", 1, "--only", "model=ridge")
    found = json.loads(run("train", "genres", "--only", "model=ridge", "--name", "mine", "--json").stdout)
    (listed,) = json.loads(run("runs", "list", "--json").stdout)
    assert found["run"] == listed["run"]
    assert found["card"]["scores"]["accuracy"]["mean"] == listed["metrics"]["accuracy"]["mean"]


def test_an_altered_model_is_found_by_doctor(project):
    folder = json.loads(run("train", "genres", "--only", "model=majority", "--json").stdout)["folder"]
    file = project / folder / "model" / "state.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    assert "model/state.safetensors was altered" in run("doctor", code=6).stdout
    assert "was altered" in run("models", "export", "genres", "out", code=6).stderr
