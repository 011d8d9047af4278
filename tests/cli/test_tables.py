"""Tables on the command line: what a person is told, and what a program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

runner = CliRunner()


def run(*arguments, code=0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def music(tmp_path, monkeypatch, make_wav):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("jig/a", "jig/b", "reel/c")):
        make_wav(tmp_path / "music" / f"{name}.wav", np.linspace(0, 0.1 * (number + 1), 4000))
    (tmp_path / "t.csv").write_text("file name,title,dance,abc_key\na,A,jig,D\nb.wav,B,jig,G\nnone,C,reel,D\n")
    return tmp_path


def found():
    rows = json.loads(
        run("sql", "SELECT label_set, label, count(*) AS n FROM labels GROUP BY ALL ORDER BY ALL", "--json").stdout
    )
    return [tuple(row.values()) for row in rows]


def test_any_column_becomes_labels_and_all_are_accounted_for(music):
    given = ("ingest", "music", "--labels", "t.csv", "--label", "dance")
    result = run(*given)
    assert result.stderr.splitlines()[:8] == [
        "t.csv:",
        "  file name → path",
        "  title → credits (title)",
        "  dance → labels (2 classes)",
        "  abc_key → attrs",
        "  1 of 3 rows named none of the 3 files: none",
        "  1 of 3 files has no row: reel/c.wav",
        "no features asked for: files and labels only (--features essentia,mel)",
    ]
    assert "labels  2 added, 0 changed" in result.stdout
    assert found() == [("dance", "jig", 2)]
    (music / "t.csv").write_text("file name,dance\na,reel\nb.wav,jig\nc,\n")
    summary = json.loads(run(*given, "--json").stdout)
    assert summary["labels"] == {"added": 0, "changed": 1}
    assert summary["tables"][0]["match"]["files_without_row"] == 0
    assert found() == [("dance", "jig", 1), ("dance", "reel", 1)]


def test_folders_and_sets(music):
    plan = json.loads(run("ingest", "music", "--label-from-folder", "-n", "--json").stdout)
    assert plan["tables"][0]["columns"] == [{"column": "folder", "became": "labels", "detail": "2 classes of 'label'"}]
    run("ingest", "music", "--label-from-folder")
    assert found() == [("label", "jig", 2), ("label", "reel", 1)]
    (music / "u.csv").write_text("x,happy,sad\na,1,0\nb,1,1\n")
    run("ingest", "music", "--labels", "u.csv", "--path-column", "x", "--label-set", "mood=happy..sad")
    assert found()[2:] == [("mood", "happy", 2), ("mood", "sad", 1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--label-set", "mood"), "names no columns"),
        (("--label", "dence"), "unknown column 'dence'"),
        (("--path-column", "paths"), "unknown column for paths"),
    ],
)
def test_options_that_name_nothing_are_usage_errors(music, options, message):
    result = run("ingest", "music", "--labels", "t.csv", *options, code=2)
    assert message in result.stderr
    assert not (music / "store").exists()


def test_an_import_tells_its_columns(music):
    (music / "f.csv").write_text("id,0,label\n000002,1.5,7\n")
    result = run("dataset", "import", "f.csv", "--name", "d")
    assert result.stderr.splitlines() == ["f.csv:", "  id → id", "  0 → features (c_0)", "  label → labels (1 class)"]
    assert json.loads(run("sql", "SELECT c_0, track FROM d", "--json").stdout) == [{"c_0": 1.5, "track": "d:000002"}]
    done = json.loads(run("dataset", "import", "f.csv", "--name", "d", "--json").stdout)
    assert (done["fresh"], done["labels"], done["tables"][0]["table"]) == (True, {"label": 1}, "f.csv")


def test_untagged_files_and_a_store_of_one_track_are_nothing_to_tell(music):
    result = run("ingest", "music/jig/a.wav")
    assert "tags" not in result.stdout
    assert "near duplicates" not in result.stderr
    assert "near duplicates: not looked for" in run("ingest", "music/jig").stderr


def test_numbers_are_kept_as_they_are_replaced_and_taken_away(music):
    given = ("ingest", "music", "--labels", "e.csv", "--targets", "emotion=arousal,valence")
    (music / "e.csv").write_text("path,arousal,mood,valence\na,-1.5,calm,0\nb,6,wild,0.25\nc,,calm,\n")
    result = run(*given)
    assert "  arousal → numbers (target of 'emotion', 2 tracks, -1.5 to 6)" in result.stderr.splitlines()
    query = "SELECT path[-5:] AS file, label, value FROM labels JOIN tracks USING (track) WHERE label_set = 'emotion'"

    def numbers():
        rows = json.loads(run("sql", f"{query} ORDER BY ALL", "--json").stdout)
        return [tuple(row.values()) for row in rows]

    assert numbers() == [
        ("a.wav", "arousal", -1.5), ("a.wav", "valence", 0.0), ("b.wav", "arousal", 6.0), ("b.wav", "valence", 0.25)
    ]  # fmt: skip
    assert json.loads(run(*given, "--json").stdout)["labels"] == {"added": 0, "changed": 0}
    (music / "e.csv").write_text("path,arousal,mood,valence\na,,calm,\nb,6,wild,0.5\n")
    run(*given)
    assert numbers() == [("b.wav", "arousal", 6.0), ("b.wav", "valence", 0.5)]


def test_numbers_are_called_targets_and_a_column_is_labels_or_numbers(music):
    Path("e.csv").write_text("id,arousal,valence\na,0.5,1\nb,0.25,2\n")
    told = run("dataset", "import", "e.csv", "--name", "e", "--targets", "arousal,valence", "--label-set", "emotion")
    assert "labels: emotion, 2 targets" in told.stdout
    for command in (
        ("dataset", "import", "e.csv", "--name", "f", "--labels", "arousal", "--targets", "arousal"),
        ("ingest", "music", "--labels", "e.csv", "--label", "arousal", "--targets", "e=arousal"),
    ):
        assert "column 'arousal' is asked for as labels and as numbers" in run(*command, code=2).stderr


def test_a_file_that_is_listed_twice_is_one_fresh_track(music):
    first = json.loads(run("ingest", "music", "--features", "mfcc-stats", "--json").stdout)["features"]["mfcc-stats"]
    rows = [f"{path},{take}\n" for path in sorted(Path("music").rglob("*.wav")) for take in (1, 2)]
    Path("twice.csv").write_text("path,take\n" + "".join(rows))
    for command in (("music", "music"), ("twice.csv",)):
        again = json.loads(run("ingest", *command, "--features", "mfcc-stats", "--json").stdout)
        assert again["features"]["mfcc-stats"]["fresh"] == first["ok"]


def test_targets_that_make_no_sense_are_refused(music):
    (music / "e.csv").write_text("path,arousal\na,high\nb,6\nc,3\n")
    result = run("ingest", "music", "--labels", "e.csv", "--targets", "emotion=arousal", code=2)
    assert "target 'arousal' is no column of numbers: 'high' in row 1" in result.stderr
    assert "names no columns" in run("ingest", "music", "--labels", "e.csv", "--targets", "arousal", code=2).stderr
    assert (
        "unknown column 'valence'"
        in run("ingest", "music", "--labels", "e.csv", "--targets", "e=valence", code=2).stderr
    )
