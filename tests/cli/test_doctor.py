"""Damage on the command line: what is said of it, and that two commands make the store whole again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.store import Store

pytestmark = pytest.mark.slow  # processes by the dozen

rng = np.random.default_rng(13)


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def project(tmp_path, make_wav, monkeypatch, test_plugins):
    """Three tracks with tensors."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        make_wav(tmp_path / "music" / f"{name}.wav", 0.5 * rng.uniform(-1, 1, 8000), 8000)
    ingest()
    return tmp_path


def ingest():
    return run("ingest", "music", "--features", "halves,level", "-j", 1)


def values() -> tuple[list, list]:
    with Store("store", read_only=True) as store:
        tensors = store.tensors("halves", column="quiet")
        sounds = {track: np.array(value).tobytes() for track, value in zip(tensors.tracks, tensors, strict=True)}
        return store.features("level").sort("track").rows(), sorted(sounds.items())


def test_a_lost_catalogue_is_said_by_every_command_and_made_again(project):
    good = values()
    for path in Path("store").glob("catalog.sqlite*"):
        path.unlink()
    for command in (["sql", "SELECT 1"], ["status"], ["ingest", "music"], ["gc"]):
        said = run(*command, code=6).stderr
        assert "has data but no catalogue" in said
        assert "mirstore doctor --rebuild" in said
    found = run("doctor", code=6)
    assert "catalog.sqlite, problem: is missing" in found.stdout
    assert "mirstore doctor --rebuild" in found.stderr
    assert "made a new catalogue: " in run("doctor", "--rebuild").stderr
    assert values() == good
    assert "3 fresh" in ingest().stdout


def test_what_is_damaged_is_computed_again_by_one_ingest(project):
    good = values()
    with Store("store", read_only=True) as store:
        table = store.table(store.resolve("level"))
        (victim,) = store.files(table)
    pack = next(Path("store/tensors").rglob("*.safetensors"))
    for path in (victim, pack):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-100])
    stats = run("features", "stats", "level", code=6).stderr
    assert str(victim) in stats
    assert "mirstore doctor" in stats
    problems = json.loads(run("doctor", "--json", code=6).stdout)["problems"]
    assert {problem["file"] for problem in problems} == {str(victim), str(pack)}
    said = run("doctor", "--repair").stderr
    assert "forgot" in said
    assert said.count("3 tracks of features") == 2
    result = ingest()
    assert values() == good
    assert "ok" in run("doctor", "--deep").stdout
    assert "level" in result.stdout


def test_a_whole_store_has_nothing_to_repair(project):
    assert "nothing to repair" in run("doctor", "--repair").stderr
    assert json.loads(run("doctor", "--json").stdout)["problems"] == []


@pytest.mark.parametrize("name", ["extractions", "removals"])
def test_a_lost_table_is_named_whole_by_every_command_that_needs_it(project, name):
    run("rm", "music/a.wav", "--yes")
    with Store("store", read_only=True) as store:
        victims = store.files(f"core.{name}")
    for victim in victims:
        victim.unlink()
    for command in (["status"], ["ingest", "music", "--features", "level"]):
        said = run(*command, code=6).stderr
        assert any(str(victim) in said for victim in victims)
        assert "mirstore doctor" in said
