"""Removal and time on the command line: what it asks, says and prints."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

pytestmark = pytest.mark.slow  # processes by the dozen

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
    assert "1 track was withdrawn, and left out (mirstore rm --undo lets it in again)" in result.stderr
    assert "title a" not in run("sql", "SELECT title FROM tracks").stdout
    assert "title a" not in run("sql", "SELECT title FROM tracks", "--snapshot", 2).stdout
    assert run("rm", "--undo", "music/a.wav").stdout == "let in again: 1 track\n"
    assert "title a" in run("sql", "SELECT title FROM tracks").stdout
    run("rm", "music/a.wav", "--yes")
    assert "would erase 1 track" in run("gc", "--purge", "-n").stderr
    run("gc", "--purge", code=2)
    purged = json.loads(run("gc", "--purge", "--yes", "--json").stdout)["purged"]
    assert purged["tracks"] == 1
    assert "store: ok" in run("doctor").stdout
    back = run("rm", "--undo", "music/a.wav").stdout  # its path was erased; the file says which recording it is
    assert back == "let in again: 1 track; erased by a purge: what brought them in has to be given again\n"
    assert "1 new" in run("ingest", "tracks.csv", "--dataset", "mine").stdout
    assert "no withdrawn track" in run("rm", "--undo", "music/a.wav", code=2).stderr


def test_features_come_back_with_their_values_until_these_are_erased(project, test_plugins):
    asked = ("ingest", "tracks.csv", "--dataset", "mine", "--features", "rms-segments")
    run(*asked)
    run("features", "rm", "rms-segments", "--yes")
    again = run(*asked)
    assert "rms-segments had been removed, and is back with the values that were there" in again.stderr
    assert "0 computed, 3 fresh" in again.stdout
    run("features", "rm", "rms-segments", "--yes")
    run("gc", "--purge", "--yes")
    again = run(*asked)
    assert "back" not in again.stderr
    assert "3 computed, 0 fresh" in again.stdout


def test_files_that_are_gone_are_told_and_pruned(project):
    (project / "music" / "a.wav").unlink()
    (project / "tracks.csv").write_text("path\nmusic/b.wav\nmusic/c.wav\n")
    assert "1 file of dataset mine is gone: a.wav" in run("status").stderr
    (gone,) = json.loads(run("status", "--json").stdout)["vanished"]
    assert (gone["dataset"], gone["state"], gone["tracks"]) == ("mine", "gone", 1)
    result = run("ingest", "tracks.csv", "--dataset", "mine")
    assert "1 file of dataset mine is gone: a.wav; the same command with --prune takes it out" in result.stderr
    assert "taken out" in run("ingest", "tracks.csv", "--dataset", "mine", "--prune").stderr
    assert json.loads(run("sql", "SELECT count(*) n FROM tracks", "--json").stdout) == [{"n": 2}]
    assert "1 track taken out" in run("log").stdout


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


def test_a_dry_run_says_what_the_ingest_says(project):
    """Renamed, with one file withdrawn, one gone and a label corrected: all in one go."""
    run("rm", "music/a.wav", "--yes")
    (project / "music").rename(project / "renamed")
    (project / "renamed" / "b.wav").unlink()
    (project / "tracks.csv").write_text("path,genre\nrenamed/a.wav,rock\nrenamed/c.wav,jazz\n")
    given = ["ingest", "tracks.csv", "--dataset", "mine", "--prune"]
    would, would_json = run(*given, "-n"), json.loads(run(*given, "-n", "--json").stdout)
    assert "labels  0 added, 1 changed" in would.stdout
    before = run("log", "--json").stdout
    assert before == run("log", "--json").stdout
    done = run(*given, "--json")
    real = json.loads(done.stdout)
    assert real["labels"] == {"added": 0, "changed": 1}
    assert real["withdrawn"] == 1
    assert [(item["tracks"], item["pruned"]) for item in real["vanished"]] == [(1, True)]
    same = ("tracks", "labels", "withdrawn", "renamed", "vanished", "tags", "dataset")
    assert {key: would_json[key] for key in same} == {key: real[key] for key in same}
    told = [line for line in done.stderr.splitlines() if "withdrawn" in line or "gone" in line]
    assert len(told) == 2
    assert all(line.replace("; taken out", "; would be taken out") in would.stderr for line in told)


def test_a_dry_run_refuses_what_the_ingest_refuses(project):
    (project / "music" / "d.wav").write_bytes((project / "music" / "a.wav").read_bytes())
    (project / "tracks.csv").write_text("path,genre\nmusic/a.wav,rock\nmusic/d.wav,pop\n")
    for more in ([], ["-n"]):
        assert "same recording" in run("ingest", "tracks.csv", "--dataset", "mine", *more, code=2).stderr


def test_a_dry_run_tells_a_renamed_folder(project):
    run("ingest", "music")
    (project / "music").rename(project / "songs")
    assert "songs goes on as dataset music" in run("ingest", "songs", "-n").stderr


def test_leakage_without_a_split_says_what_belongs_together(project):
    (project / "tracks.csv").write_text(
        "path,artist\nmusic/a.wav,The Band\nmusic/b.wav,the band\nmusic/c.wav,The Band\n"
    )
    run("ingest", "tracks.csv", "--dataset", "mine")
    result = run("dataset", "leakage", "mine", "--json")
    kinds = {row["kind"]: (row["groups"], row["tracks"]) for row in json.loads(result.stdout)}
    assert kinds == {"artist": (1, 2), "album": (0, 0), "audio": (0, 0), "near": (0, 0)}
    assert "no published split: these groups stand on both sides where folds are drawn by track" in result.stderr
    assert "one artist or several? 'The Band', 'the band'" in result.stderr


def test_an_import_tells_of_withdrawn_tracks(project):
    (project / "table.csv").write_text("id,bpm,genre\nx,100,rock\ny,120,pop\n")
    given = ["dataset", "import", "table.csv", "--name", "table"]
    run(*given)
    run("rm", "table:x", "--yes")
    result = run(*given, "--json")
    done = json.loads(result.stdout)
    assert (done["tracks"], done["withdrawn"], done["fresh"]) == (1, 1, True)
    assert "1 track was withdrawn, and left out (mirstore rm --undo lets it in again)" in result.stderr
    run("rm", "--undo", "table:x")
    assert json.loads(run(*given, "--json").stdout)["withdrawn"] == 0


def test_there_is_no_snapshot_0(project):
    assert "--snapshot" in run("sql", "FROM tracks", "--snapshot", 0, code=2).stderr
