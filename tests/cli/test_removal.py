"""Removal and time on the command line: what it asks, says and prints."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

rng = np.random.default_rng(11)


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def project(tmp_path, make_wav, monkeypatch):
    """Three tracks with values of one extractor."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        make_wav(tmp_path / "music" / f"{name}.wav", 0.5 * rng.uniform(-1, 1, 2205))
    rows = "".join(f"music/{name}.wav,title {name},artist {name},rock\n" for name in "abc")
    (tmp_path / "tracks.csv").write_text(f"path,title,artist,genre\n{rows}")
    run("ingest", "tracks.csv", "--dataset", "mine")
    return tmp_path


def test_nothing_goes_unasked(project):
    result = run("rm", "music/a.wav", code=2)
    assert "this would remove 1 track" in result.stderr
    assert "music/a.wav) of mine, with labels of 1 label set" in result.stderr
    assert "--yes" in result.stderr
    run("dataset", "rm", "mine", code=2)
    run("dataset", "rm", "mine", "--labels", "genre", code=2)
    assert json.loads(run("sql", "SELECT count(*) n FROM labels", "--json").stdout) == [{"n": 3}]


def test_a_person_is_asked(project, monkeypatch):
    monkeypatch.setattr("mirstore.cli.context.asked", lambda: True)
    no = CliRunner().invoke(app, ["rm", "music/a.wav"], input="n\n")
    assert no.exit_code == 1
    assert "Remove 1 track" in no.output
    yes = CliRunner().invoke(app, ["rm", "music/a.wav"], input="y\n")
    assert yes.exit_code == 0
    assert len(json.loads(run("sql", "FROM tracks", "--json").stdout)) == 2


def test_a_track_is_withdrawn_left_out_brought_back_and_purged(project):
    assert json.loads(run("rm", "music/a.wav", "--yes", "--json").stdout)["tracks"] == 1
    result = run("ingest", "tracks.csv", "--dataset", "mine")
    assert "1 track was withdrawn, and left out (mirstore rm --undo brings it back)" in result.stderr
    assert "title a" not in run("sql", "SELECT title FROM tracks").stdout
    assert "title a" not in run("sql", "SELECT title FROM tracks", "--snapshot", 2).stdout
    run("rm", "--undo", "music/a.wav")
    assert "title a" in run("sql", "SELECT title FROM tracks").stdout
    run("rm", "music/a.wav", "--yes")
    assert "would erase 1 track" in run("gc", "--purge", "-n").stderr
    run("gc", "--purge", code=2)
    purged = json.loads(run("gc", "--purge", "--yes", "--json").stdout)["purged"]
    assert purged["tracks"] == 1
    assert "store: ok" in run("doctor").stdout
    assert "no withdrawn track" in run("rm", "--undo", "music/a.wav", code=2).stderr


def test_files_that_are_gone_are_told_and_pruned(project):
    (project / "music" / "a.wav").unlink()
    (project / "tracks.csv").write_text("path\nmusic/b.wav\nmusic/c.wav\n")
    assert "1 file of dataset mine is gone: a.wav" in run("status").stderr
    result = run("ingest", "tracks.csv", "--dataset", "mine")
    assert "1 file of dataset mine is gone: a.wav; the same command with --prune takes it out" in result.stderr
    assert "taken out" in run("ingest", "tracks.csv", "--dataset", "mine", "--prune").stderr
    assert json.loads(run("sql", "SELECT count(*) n FROM tracks", "--json").stdout) == [{"n": 2}]


def test_a_dataset_and_a_label_set_are_removed(project):
    result = run("dataset", "rm", "mine", "--labels", "genre", "--yes")
    assert "label set genre of dataset mine: the labels of 3 tracks" in result.stdout
    assert "unknown label set of 'mine'" in run("dataset", "rm", "mine", "--labels", "genre", code=2).stderr
    assert "dataset mine: 3 tracks, 0 label sets" in run("dataset", "rm", "mine", "-y").stdout
    assert json.loads(run("dataset", "list", "--json").stdout) == []


def test_the_log_leads_to_old_snapshots(project):
    (project / "tracks.csv").write_text("path,title,genre\nmusic/a.wav,other,pop\n")
    run("ingest", "tracks.csv", "--dataset", "mine")
    steps = json.loads(run("log", "--json").stdout)
    assert steps[0]["changes"] == ["credits of 1 track changed", "1 label changed"]
    assert "ingest mine: 3 tracks, 3 labels" in run("log").stdout
    old = steps[1]["snapshot"]
    assert "title a" in run("sql", "SELECT title FROM tracks", "--snapshot", old).stdout
    assert "title a" not in run("sql", "SELECT title FROM tracks", "--at", "2100-01-01").stdout
    assert "the store had no snapshot at 2000-01-01" in run("sql", "FROM tracks", "--at", "2000-01-01", code=2).stderr
    assert "give one of them" in run("features", "list", "--at", "2100-01-01", "--snapshot", 1, code=2).stderr
    run("pin", "paper", "--snapshot", old)
    assert "[paper]" in run("log").stdout
    assert json.loads(run("pin", "--json").stdout)[0]["name"] == "paper"
    run("unpin", "paper")
    assert json.loads(run("pin", "--json").stdout) == []


def test_an_experiment_reads_an_old_snapshot_and_tells_withdrawn_tracks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"t{i},{rng.normal() + i % 2},{'jazz' if i % 2 else 'rock'}\n" for i in range(24))
    (tmp_path / "small.csv").write_text(f"id,a,genre\n{rows}")
    (tmp_path / "registry.toml").write_text(
        'schema = 1\n[tasks.genre]\ndataset = "small"\nlabels = "genre"\nfolds = 2\nmetric = "accuracy"\n'
        '[experiments.e]\ntask = "genre"\nfeatures = ["small"]\ngrouping = "all-features"\n'
        'model = "majority"\nruns = 1\n'
    )
    run("dataset", "import", "small.csv", "--name", "small", "--labels", "genre")
    old = json.loads(run("log", "--json").stdout)[0]["snapshot"]
    (first,) = [json.loads(line) for line in run("run-experiment", "e", "--json", "-j", 1).stdout.splitlines()]
    assert first["withdrawn"] == 0
    run("rm", "small:t3", "--yes")
    assert json.loads(run("runs", "show", first["run"]).stdout)["withdrawn"] == 1
    assert f"run {first['run']}: 1 track withdrawn since" in run("runs", "list").stdout
    again = json.loads(run("run-experiment", "e", "--snapshot", old, "--json", "-j", 1).stdout)
    assert (again["snapshot"], again["run"] == first["run"]) == (old, False)  # without the track it is another case
    run("gc", "--purge", "--yes")
    shown = json.loads(run("runs", "show", first["run"]).stdout)
    assert shown["metrics"] == first["metrics"]
    assert shown["withdrawn"] == 1
    assert json.loads(run("sql", "SELECT count(*) n FROM predictions WHERE track = 'small:t3'", "--json").stdout) == [
        {"n": 0}
    ]
