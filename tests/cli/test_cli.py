"""The commands as a user runs them: output, errors with hints, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app

rng = np.random.default_rng(440)
runner = CliRunner()


def run(*arguments: object, code: int = 0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


@pytest.fixture
def project(tmp_path, monkeypatch, make_wav, test_plugins):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        make_wav(tmp_path / "music" / f"{name}.wav", 0.3 * rng.uniform(-1, 1, 22050 * 2))
    (tmp_path / "music.csv").write_text(
        "path,title,artist,genre,mood,split\n"
        "music/one.wav,One,Ann,rock,dark|slow,train\n"
        "music/two.wav,Two,Ann,pop,happy,test\n"
    )
    return tmp_path


@pytest.mark.slow
def test_a_project_from_init_to_export(project):
    run("init")
    registry = (project / "registry.toml").read_text()
    assert "[features.essentia]" in registry
    run("init")
    assert (project / "registry.toml").read_text() == registry
    summary = json.loads(run("ingest", "music.csv", "--dataset", "m", "--features", "rms-segments", "--json").stdout)
    assert summary["dataset"] == "m"
    assert summary["tracks"] == {"new": 2, "changed": 0, "known": 0, "failed": 0}
    assert {
        "ingest",
        "dataset",
        "tracks",
        "features",
        "labels",
        "snapshot",
        "seconds",
        "tables",
        "vanished",
        "tags",
        "duplicates",
    } <= set(summary)
    assert summary["labels"] == {"added": 4, "changed": 0}
    assert [(column["column"], column["became"]) for column in summary["tables"][0]["columns"]] == [
        ("path", "path"),
        ("title", "credits"),
        ("artist", "credits"),
        ("genre", "labels"),
        ("mood", "labels"),
        ("split", "split"),
    ]
    rows = json.loads(
        run("sql", "SELECT title, label FROM tracks JOIN labels USING (track) ORDER BY ALL", "--json").stdout
    )
    assert rows == [
        {"title": "One", "label": "dark"},
        {"title": "One", "label": "rock"},
        {"title": "One", "label": "slow"},
        {"title": "Two", "label": "happy"},
        {"title": "Two", "label": "pop"},
    ]
    leakage = json.loads(run("dataset", "leakage", "m", "--json").stdout)
    assert {row["kind"]: row["shared"] for row in leakage} == {"album": None, "artist": 1, "audio": 0, "near": None}
    run("export", "--features", "rms-segments", "--dataset", "m", "-o", "wide.csv")
    header = (project / "wide.csv").read_text().splitlines()[0]
    assert header.startswith("track,path,title,artist,album,start,end,rms_db")
    assert "genre" in header
    (status,) = json.loads(run("status", "--json").stdout)["features"]
    assert (status["ok"], status["state"]) == (2, "current")
    (datasets,) = json.loads(run("dataset", "list", "--json").stdout)
    assert (datasets["tracks"], datasets["artists"], datasets["labels"]) == (2, 1, 5)
    assert json.loads(run("doctor", "--json").stdout)["problems"] == []
    about = json.loads(run("features", "show", "rms-segments", "--json").stdout)
    assert about["columns"][2]["unit"] == "dB"
    (stats, *_) = json.loads(run("features", "stats", "rms-segments", "--json").stdout)
    assert stats["column"] == "rms_db"
    moved = json.loads(run("features", "diff", "rms-segments", "rms-segments@1", "--json").stdout)
    assert moved[0]["moved"] == 0


def test_the_dry_run_computes_nothing(project):
    plan = json.loads(run("ingest", "music", "--features", "rms-segments", "-n", "--json").stdout)
    assert plan["tracks"] == {"new": 2, "changed": 0, "known": 0, "failed": 0}
    assert plan["needs"][0]["why"] == "new track"
    assert not (project / "store").exists()


def test_failed_tracks_are_exit_code_3(project):
    (project / "music" / "bad.wav").write_text("no audio")
    result = run("ingest", "music", "--features", "rms-segments", code=3)
    assert "1 failed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        (["ingest", "music", "--features", "rms-segment"], 2, "unknown features 'rms-segment'", "did you mean"),
        (["ingest", "music/*.nothing"], 2, "no file matches", "quote the pattern"),
        (["sql", "SELECT 1"], 6, "no store here", "mirstore ingest"),
        (["--registry", "none.toml", "ingest", "music"], 4, "no such file", "mirstore init"),
        (["plugins", "check", "tempo"], 2, "unknown plugin or component", "known:"),
        (["dataset", "import", "none.csv", "--name", "x"], 2, "cannot be read", ""),
    ],
)
def test_errors_say_what_and_what_to_do(project, arguments, code, message, hint):
    result = run(*arguments, code=code)
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert hint in result.stderr


def test_mistakes_in_the_registry_are_reported_together(project):
    (project / "registry.toml").write_text(
        'schema = 1\n[features.a]\nextractr = "x"\n[tasks.t]\ndataset = "d"\nlabels = "l"\nmetric = "auc"\n'
    )
    result = run("ingest", "music", code=4)
    assert "features.a.extractor: field required" in result.stderr
    assert "features.a.extractr: unknown key, did you mean 'extractor'?" in result.stderr
    assert "tasks.t.metric: input should be 'roc_auc', 'pr_auc', 'accuracy', 'balanced_accuracy', " in result.stderr


def test_published_tables_become_datasets(project):
    (project / "table.csv").write_text("id,1-Flux,Key Strength,rock,pop\n7,0.5,1,1,0\n8,0.25,,0,1\n")
    command = ("dataset", "import", "table.csv", "--name", "pub", "--labels", "rock..pop", "--label-set", "genre")
    assert "2 tracks × 2 features" in run(*command).stdout
    assert "imported before" in run(*command).stdout
    rows = json.loads(run("sql", "SELECT * FROM pub JOIN labels USING (track) ORDER BY track", "--json").stdout)
    assert [(row["track"], row["flux"], row["key_strength"], row["label"]) for row in rows] == [
        ("pub:7", 0.5, 1.0, "rock"),
        ("pub:8", 0.25, None, "pop"),
    ]


@pytest.mark.parametrize("output_format", ["table", "csv", "json", "md", "parquet"])
def test_every_format_is_written(project, output_format):
    run("ingest", "music", "--features", "rms-segments")
    assert run("sql", "SELECT track, sr FROM tracks", "--format", output_format).stdout_bytes


def test_help_loads_no_heavy_library():
    script = (
        "import sys; from mirstore.cli import app; import mirstore.cli\n"
        "heavy = {'numpy', 'polars', 'duckdb', 'torch', 'pydantic', 'librosa', 'essentia', 'soundfile'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_cluster_that_is_not_there_is_one_error(project, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("mirstore.core.cluster.connecting", 0.5)
    arguments = "ingest", "music", "--features", "rms-segments", "--executor", "dask://127.0.0.1:9"
    told = run(*arguments, code=1).stderr
    assert "error: no Dask scheduler answers at dask://127.0.0.1:9" in told
    assert "hint: start one with `dask scheduler`" in told
    assert "no address of a cluster" in run(*arguments[:-1], "localhost", code=2).stderr


def test_a_log_has_every_event_with_its_time_and_is_added_to(project):
    for _ in range(2):
        run("ingest", "music", "--features", "rms-segments", "-j", 1, "--log", "log.jsonl")
    lines = [json.loads(line) for line in (project / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines].count("finished") == 2
    assert lines[-1]["result"]["features"]["rms-segments"]["fresh"] == 2
    assert all(line["time"].endswith("+00:00") for line in lines)
    (last,) = [line for line in lines if line.get("stage") == "extract" and line.get("done") == 2]
    assert last["seconds"]["rms-segments"] > 0
    refused = run("ingest", "music", "--features", "rms-segments", "--log", "none/log.jsonl", code=2)
    assert "none/log.jsonl: no such file or directory" in refused.stderr
