"""mirstore plugins install, list, remove: environments of their own, and what is computed in them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core.environments import environments, root
from mirstore.store import Store

rng = np.random.default_rng(440)
runner = CliRunner()
elsewhere_folder = Path(__file__).parents[1] / "elsewhere"


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def music(tmp_path, make_wav):
    paths = [tmp_path / "music" / f"{number}.wav" for number in range(4)]
    return [make_wav(path, 0.1 * (n + 1) * rng.uniform(-1, 1, 22050), 22050) for n, path in enumerate(paths)]


@pytest.fixture
def project(tmp_path, monkeypatch, elsewhere, music, test_plugins):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry.toml").write_text(
        "schema = 1\n[features.low]\nextractor = 'elsewhere-samples@2'\nparams = { sr = 8000 }\n"
        "[features.stem]\nextractor = 'elsewhere-stem'\nkeep = false\n"
        "[features.stem-mfcc]\nextractor = 'mfcc-stats'\ninputs = { mfcc = 'mfcc-of-stem' }\n"
        "[features.mfcc-of-stem]\nextractor = 'mfcc'\ninputs = { audio = 'stem' }\n"
    )
    return tmp_path


def test_it_is_listed_shown_and_checked_like_any_other(project):
    (row,) = (row for row in json.loads(run("plugins", "list", "--json").stdout) if row["place"])
    assert row["distribution"] == "mirstore-test-elsewhere"
    assert row["place"] == "elsewhere"
    assert "elsewhere-stem@1" in row["components"]
    assert "in elsewhere: ok" in run("plugins", "list").stdout
    page = run("plugins", "show", "elsewhere-samples").stdout
    assert "What is heard, sample by sample." in page
    assert "param    sr = 16000" in page
    checks = json.loads(run("plugins", "check", "elsewhere-stem", "--json").stdout)
    assert all(check["ok"] for check in checks), [check for check in checks if not check["ok"]]


def test_it_computes_in_an_ingest_beside_plugins_of_ours(project):
    dry = run("ingest", "music", "--features", "low,stem-mfcc", "-n").stdout
    assert "low" in dry
    told = json.loads(run("ingest", "music", "--features", "low,stem-mfcc,elsewhere-liar", "--json", code=3).stdout)
    assert told["features"]["low"]["ok"] == 4
    assert told["features"]["stem-mfcc"]["ok"] == 4
    assert told["features"]["elsewhere-liar"]["failed"] == 4
    again = json.loads(run("ingest", "music", "--features", "low,stem-mfcc", "--json").stdout)
    assert again["features"]["low"] == {**told["features"]["low"], "ok": 0, "fresh": 4}
    with Store("store", read_only=True) as store:
        assert store.sql("SELECT count(DISTINCT sha256) n FROM low")["n"][0] == 4
        recorded = store.scan("core.feature_sets").collect()["distributions"].to_list()
    assert run("status").exit_code == 0
    assert any("mirstore-test-elsewhere" in text for text in recorded)


def test_an_environment_that_is_gone_stops_only_who_needs_it(project, elsewhere):
    elsewhere.python.parents[1].unlink()
    result = run("ingest", "music", "--features", "low", code=5)
    assert "error: 'elsewhere-samples' cannot be used" in result.stderr
    assert "hint: mirstore plugins install 'mirstore-test-elsewhere' --isolated --name elsewhere" in result.stderr
    run("ingest", "music", "--features", "mfcc-stats")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mirstore-x"], "mirstore does not change the environment in which it is installed"),
        (["mirstore-x", "--isolated", "--python", "/no/such/python"], "no interpreter '/no/such/python'"),
        (["mirstore-x", "--isolated", "--python", "./old"], "is Python 3.8.18; 3.10 is the oldest that can be used"),
        (["mirstore-x", "--isolated", "--python", "./broken"], "cannot be used as a Python: no libpython"),
        (["none.whl", "--isolated"], "none.whl: no such wheel"),
        (["not a name", "--isolated"], "'not a name' is no requirement"),
        (["music", "--isolated"], "music: has no pyproject.toml that names a project"),
        (["mirstore-x", "--isolated", "--name", "../x"], "name '../x' cannot be used"),
        (["mirstore-x", "--isolated", "--name", "cpu"], "name 'cpu' cannot be used"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_installed_is_told_before_anything_is_made(tmp_path, monkeypatch, music, arguments, message):
    monkeypatch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.chdir(tmp_path)
    for name, script in {"old": "echo '[[3, 8, 18], \"/x\"]'", "broken": "echo no libpython >&2; exit 1"}.items():
        Path(name).write_text(f"#!/bin/sh\n{script}\n")
        Path(name).chmod(0o755)
    result = run("plugins", "install", *arguments, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 2
    assert not root().exists()


def test_a_folder_that_cannot_be_written_is_told_with_the_variable_that_names_another(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path / "file"))
    assert "set MIRSTORE_ENVIRONMENTS" in run("plugins", "install", "mirstore-x", "--isolated", code=2).stderr


def test_an_environment_is_removed_after_it_was_asked_for(project, elsewhere):
    elsewhere.python.parents[1].unlink()
    assert "--yes" in run("plugins", "remove", "elsewhere", code=2).stderr
    run("plugins", "remove", "elsewhere", "--yes")
    assert environments() == []
    assert "unknown environment 'elsewhere'" in run("plugins", "remove", "elsewhere", "--yes", code=2).stderr
