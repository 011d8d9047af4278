"""What the command line says of sounds that are heard and not kept, and of rows at other times."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

runner = CliRunner()
registry = """
schema = 1

[features.halves]
extractor = "halves@1"
keep = false

[features.loud]
extractor = "level@1"
inputs = { audio = "halves.loud" }
"""


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def project(tmp_path, monkeypatch, make_wav, test_plugins):
    monkeypatch.chdir(tmp_path)
    make_wav(tmp_path / "music" / "one.wav", 0.3 * np.random.default_rng(0).uniform(-1, 1, 8000), 8000)
    (tmp_path / "registry.toml").write_text(registry)
    return tmp_path


def test_what_is_not_kept_is_in_the_plan_and_cannot_be_asked_for(project):
    plan = run("ingest", "music", "--features", "loud", "-n").stdout
    assert [line.split()[3:5] for line in plan.splitlines() if line.startswith("halves")] == [["not", "kept"]]
    run("-q", "ingest", "music", "--features", "loud,words,seconds", "-j", 1)
    for command in (
        ["sql", "SELECT * FROM halves"],
        ["export", "--features", "halves", "-o", "x.csv"],
        ["ingest", "music", "--features", "halves"],
    ):
        assert "error: features 'halves' are not kept" in run(*command, code=2).stderr
    assert "not kept: computed for what reads it" in run("status").stdout
    assert "audio.loud" in run("sql", "SELECT reads FROM lineage WHERE feature = 'loud'").stdout
    errors = run("export", "--features", "words,seconds", "-o", "x.csv", code=2).stderr
    assert "error: features 'words' and 'seconds' have rows at different times" in errors
    assert "hint: read one of them through an aggregator" in errors
    assert not (project / "x.csv").exists()


def test_an_entry_that_hears_what_is_no_sound_is_named(project):
    (project / "registry.toml").write_text(registry.replace("halves.loud", "halves"))
    errors = run("ingest", "music", "--features", "loud", code=4).stderr
    assert "features.loud.inputs.audio: features 'halves' have 2 sounds" in errors
    assert "hint: choose one: halves.quiet, halves.loud" in errors


def test_columns_that_depend_on_what_is_read_are_said_to(test_plugins):
    assert "columns  depend on those of what it reads" in run("plugins", "show", "doubled").stdout
    about = json.loads(run("plugins", "show", "doubled", "--json").stdout)
    assert about["inputs"] == ["rows"]
    assert about["columns"] == {}
