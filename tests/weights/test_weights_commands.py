"""``mirstore weights`` as a user runs it, and ingests that need weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core.weights.cache import folder

runner = CliRunner()


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def project(tmp_path, monkeypatch, make_wav, plugin):
    monkeypatch.chdir(tmp_path)
    make_wav(tmp_path / "music" / "one.wav", 0.3 * np.random.default_rng(440).uniform(-1, 1, 22050))
    (tmp_path / "registry.toml").write_text(
        'schema = 1\n[features.own]\nextractor = "gain@1"\nparams = { source = "own" }\n'
        '[features.wheel]\nextractor = "gain@1"\nparams = { source = "wheel" }\n'
    )
    return tmp_path


def listed() -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(run("weights", "list", "--json").stdout)}


def test_the_list_says_what_for_under_which_licence_how_large_and_whether_they_are_there(project, plugin):
    rows = listed()
    assert list(rows) == ["own-gain", "web-gain", "wheel-gain"]
    assert {name: row["bytes"] for name, row in rows.items()} == {"own-gain": None, "web-gain": 46, "wheel-gain": 46}
    assert rows["web-gain"]["for"] == ["gain", "filter"]
    assert rows["web-gain"]["licence"] == "MIT"
    assert {row["state"] for row in rows.values()} == {"missing"}
    text = run("weights", "list").stdout
    assert "gain from the package index" in text
    assert json.loads(run("weights", "fetch", "web-gain", "--json").stdout) == {"web-gain": str(plugin.web.path())}
    assert {name: row["state"] for name, row in listed().items()} == {
        "own-gain": "missing",
        "web-gain": "present",
        "wheel-gain": "missing",
    }
    assert run("weights", "path", "web-gain").stdout.strip() == str(plugin.web.path())


def test_all_that_can_be_fetched_is_and_a_file_of_ones_own_is_added(project, plugin, publish):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    said = run("weights", "fetch", "--all").stdout.splitlines()
    assert said == [f"{w.name}: {w.path()} (licence: {w.licence})" for w in (plugin.web, plugin.wheel)]
    assert run("weights", "fetch", "--all").stdout.splitlines() == said
    (project / "mine.bin").write_bytes(save({"gain": np.float32([3])}))
    assert str(folder(plugin.own)) in run("weights", "add", "own-gain", "mine.bin").stdout
    assert {row["state"] for row in listed().values()} == {"present"}


def test_what_cannot_be_done_is_said_with_the_one_thing_to_do(project, plugin):
    assert "did you mean 'web-gain'?" in run("weights", "fetch", "web-gian", code=2).stderr
    assert "give names, or --all" in run("weights", "fetch", code=2).stderr
    assert "give names, or --all" in run("weights", "fetch", "web-gain", "--all", code=2).stderr
    assert "mirstore weights add own-gain FILE" in run("weights", "fetch", "own-gain", code=5).stderr
    missing = run("weights", "path", "web-gain", code=5).stderr.splitlines()
    assert missing[0].startswith(f"error: weights 'web-gain' are missing: {folder(plugin.web)}/weights.safetensors")
    assert missing[1].startswith("hint: mirstore weights fetch web-gain")
    assert "nowhere: no such file or directory" in run("weights", "add", "own-gain", "nowhere", code=2).stderr


def test_weights_that_were_deleted_after_an_ingest_are_missed_by_what_needs_them_only(project, plugin):
    (project / "mine.bin").write_bytes(save({"gain": np.float32([3])}))
    run("weights", "add", "own-gain", "mine.bin")
    run("ingest", "music", "--features", "own")
    shutil.rmtree(folder(plugin.own))
    (row,) = json.loads(run("status", "--json").stdout)["features"]
    assert (row["ok"], row["missing"]) == (1, 0)
    assert row["state"].startswith("cannot be computed here: features 'own': weights 'own-gain' are missing: ")
    refused = run("ingest", "music", "--features", "own", code=5).stderr
    assert "error: features 'own': weights 'own-gain' are missing: " in refused
    assert "which of its stored values are fresh cannot be told without" in refused
    assert "hint: mirstore weights add own-gain FILE" in refused
    assert run("sql", "SELECT count(*) AS n FROM own", "-f", "csv").stdout == "n\n1\n"


def test_an_ingest_without_its_weights_ends_before_anything_is_computed(project, plugin):
    for name, feature in {
        "web-gain": "filter",
        "wheel-gain": "wheel",
    }.items():  # whose id is known only with them, or not
        for options in ([], ["-n"]):
            refused = run("ingest", "music", "--features", f"rms-segments,{feature}", *options, code=5).stderr
            assert f"weights '{name}' are missing: " in refused
            assert f"hint: mirstore weights fetch {name}" in refused
    assert json.loads(run("sql", "FROM failures", "--json").stdout) == []
    assert json.loads(run("sql", "FROM tracks", "--json").stdout) == []


@pytest.mark.slow
def test_an_ingest_uses_them_and_other_weights_make_another_feature_set(project, plugin):
    run("weights", "fetch", "web-gain")
    run("ingest", "music", "--features", "filter")
    assert json.loads(run("sql", "SELECT level FROM filter", "--json").stdout) == [{"level": 33}]
    levels = []
    for gain in (1, 3):
        (project / "mine").write_bytes(save({"gain": np.float32([gain])}))
        run("weights", "add", "own-gain", "mine")
        plan = json.loads(run("ingest", "music", "--features", "own", "-n", "--json").stdout)
        assert [need["why"] for need in plan["needs"]] == ["new feature" if gain == 1 else "weights"]
        run("ingest", "music", "--features", "own")
        levels += json.loads(run("sql", "SELECT level FROM own", "--json").stdout)
    assert levels[1]["level"] == pytest.approx(3 * levels[0]["level"])
    about = json.loads(run("features", "show", "own", "--json").stdout)
    card = json.loads((folder(plugin.own) / "card.json").read_text())
    assert about["weights"] == card["kept"]["own.safetensors"]["sha256"]


@pytest.mark.slow
def test_values_that_are_stored_are_read_without_the_weights(project, plugin, publish):
    publish({"gain_data/gain.index": plugin.index, "gain_data/gain.data": plugin.data})
    run("weights", "fetch", "wheel-gain")
    run("ingest", "music", "--features", "wheel")
    plugin.wheel.path().unlink()
    run("ingest", "music", "--features", "wheel")  # nothing to compute
    assert "level" in run("export", "--features", "wheel").stdout
    told = json.loads(run("ingest", "music", "--features", "wheel,mfcc", "--json").stdout)["features"]
    assert (told["wheel"]["fresh"], told["mfcc"]["ok"]) == (1, 1)


def test_the_doctor_says_which_weights_are_there(project, plugin):
    run("weights", "fetch", "web-gain")
    run("ingest", "music", "--features", "rms-segments")
    report = json.loads(run("doctor", "--json").stdout)
    states = {item["name"]: item["state"] for item in report["weights"]}
    assert states == {"own-gain": "missing", "web-gain": "present", "wheel-gain": "missing"}
    plugin.web.path().chmod(0o644)
    plugin.web.path().write_bytes(b"x")
    assert "weights   web-gain     damaged: " in run("doctor").stdout
    assert "mirstore weights fetch web-gain mends it" in run("weights", "list").stderr


def test_what_an_extractor_needs_is_shown(project):
    assert "needs    weights web-gain (MIT): gain from an address" in run("plugins", "show", "gain").stdout
    assert json.loads(run("plugins", "show", "filter", "--json").stdout)["needs"] == ["web-gain"]


def test_the_kit_tells_missing_weights_once(project):
    refused = run("plugins", "check", "filter", code=5)
    assert refused.stderr.count("are missing") == 1
    assert "FAIL" not in refused.stdout


def test_the_kit_checks_what_has_its_weights_and_tells_what_lacks_them(project, plugin, monkeypatch):
    monkeypatch.setattr(plugin.Gain, "uses", lambda self: (plugin.wheel,))
    monkeypatch.setattr(plugin.Filter, "uses", lambda self: (plugin.web,))
    run("weights", "fetch", "web-gain")
    listed = json.loads(run("plugins", "list", "--json").stdout)
    (name,) = (row["name"] for row in listed if "gain@1" in row["components"])
    checked = run("plugins", "check", name, "--json", code=5)
    rows = json.loads(checked.stdout)
    assert {row["component"] for row in rows} == {"filter@1"}
    assert all(row["ok"] for row in rows), [row for row in rows if not row["ok"]]
    assert "weights 'wheel-gain' are missing" in checked.stderr


def test_the_command_line_and_a_plugins_declaration_stay_light(project):
    script = (
        "import sys, mirstore.cli, mirstore.core.pretrained\n"
        "print({'numpy', 'polars', 'safetensors', 'pydantic'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"
