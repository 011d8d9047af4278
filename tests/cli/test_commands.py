"""What all commands share: help pages, exit codes, options that stand anywhere, completion."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.cli import sql as statements
from mirstore.cli.commands import exit_codes, statement
from mirstore.core import errors
from mirstore.store import Store

rng = np.random.default_rng(440)
runner = CliRunner()


def run(*arguments: object, code: int = 0, input: str | bytes | None = None):
    result = runner.invoke(app, [str(argument) for argument in arguments], input=input)
    assert result.exit_code == code, result.output + result.stderr + repr(result.exception)
    return result


def commands(group=None, path=()):
    """Yield every command with the words that call it."""
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


pages = dict(commands())


@pytest.fixture
def project(tmp_path, monkeypatch, make_wav, test_plugins):
    monkeypatch.chdir(tmp_path)
    make_wav(tmp_path / "music" / "one.wav", 0.3 * rng.uniform(-1, 1, 22050 * 2))
    return tmp_path


@pytest.mark.parametrize("words", pages, ids=" ".join)
def test_a_help_page_has_two_examples_that_can_be_typed_and_all_exit_codes(words):
    page = run(*words, "--help").stdout
    for code, text in exit_codes.items():
        assert re.search(rf"^ +{code} +{re.escape(text)}$", page, re.MULTILINE)
    examples = pages[words].examples
    assert len(examples) >= 2
    for line in examples:
        assert f"$ {line}" in page
        typed = shlex.split(line.partition(" | ")[0].partition(" > ")[0])
        assert typed[0] == "mirstore"
        assert list(words) == [word for word in typed[1:] if word in words][: len(words)]
        options = {name for parameter in pages[words].params for name in parameter.opts}
        assert {word for word in typed if re.match(r"--?[a-z]", word)} <= options, line


@pytest.mark.parametrize("words", [(), ("features",), ("runs",)])
def test_the_pages_of_groups_have_examples_and_exit_codes_too(words):
    page = run(*words, "--help").stdout
    assert page.count("   $ mirstore ") >= 2
    assert re.search(r"^ +130 +interrupted$", page, re.MULTILINE)


def test_every_error_has_an_exit_code_that_help_pages_explain():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert {kind.exit_code for kind in kinds} <= set(exit_codes)
    text = errors.__doc__ or ""
    for kind in kinds:
        assert kind.__name__ in text


def test_defaults_in_brackets_are_shown():
    words = re.sub(r"[\s│]+", " ", run("ingest", "--help").stdout)
    assert "[default: those of" in words


def test_an_option_of_one_value_is_not_given_twice(project):
    result = run("ingest", "music", "--features", "rms-segments", "--features=level", code=2)
    assert "--features is given 2 times" in result.stderr
    assert "separate the names by commas" in result.stderr
    result = run("export", "--features", "rms-segments", "-o", "a.csv", "--output", "b.csv", code=2)
    assert "is given 2 times" in result.stderr
    run("ingest", "music", "--label", "a", "--label", "b", "-v", "-v", "-n", code=2)  # there is no such column
    assert "given 2 times" not in run("ingest", "music", "-v", "-v").stderr


@pytest.mark.slow
def test_global_options_stand_before_and_after_the_command(project):
    run("--store", "first", "ingest", "music", "--features", "rms-segments")
    run("ingest", "music", "--features", "rms-segments", "--store", "second")
    before = json.loads(run("--store", "first", "status", "--json").stdout)
    assert before == json.loads(run("status", "--store", "second", "--json").stdout)
    assert before == json.loads(run("--store", "nowhere", "status", "--json", "--store", "first").stdout)
    assert run("ingest", "music", "--store", "first").stderr
    assert run("ingest", "music", "--store", "first", "-q").stderr == ""
    assert run("features", "list", "-v", "--store", "first").exit_code == 0
    run("--registry", "none.toml", "ingest", "music", code=4)
    run("ingest", "music", "--registry", "none.toml", code=4)


def test_the_environment_names_the_store_unless_the_command_line_does(project, monkeypatch):
    monkeypatch.setenv("MIRSTORE_STORE", "named")
    run("ingest", "music")
    assert (project / "named").is_dir()
    run("ingest", "music", "--store", "other")
    run("--store", "third", "ingest", "music")
    assert (project / "other").is_dir()
    assert (project / "third").is_dir()


@pytest.mark.parametrize(
    "arguments",
    [
        ["-- how many?\nSELECT 1 AS x", "--json"],
        ["--json", "--how many?\nSELECT 1 AS x"],
        ["--json", "--", "--how many?\nSELECT 1 AS x"],
        ["--json", "SELECT 1 AS x -- really"],
    ],
)
def test_a_statement_may_begin_with_a_comment(project, arguments):
    run("ingest", "music")
    assert json.loads(run("sql", *arguments).stdout) == [{"x": 1}]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["--format", "csv", "SELECT 1"], ["--format", "csv", "SELECT 1"]),
        (["--format=csv"], ["--format=csv"]),
        (["-- x", "--json"], ["--json", "--", "-- x"]),
        (["--json", "--", "--x"], ["--json", "--", "--x"]),
    ],
)
def test_options_stay_options(given, read):
    assert list(statement(given)) == read


def test_a_misspelt_option_is_no_statement(project):
    assert "No such option" in run("sql", "--formt", "csv", "SELECT 1", code=2).stderr


def test_a_path_that_is_not_there_is_wrong_usage_and_leaves_nothing(project):
    result = run("ingest", "nowhere", code=2)
    assert "nowhere: no such file or directory" in result.stderr
    assert not (project / "store").exists()
    run("ingest", "music")
    run("ingest", "music", "nowhere.wav", code=2)
    assert json.loads(run("sql", "FROM failures", "--json").stdout) == []


def test_an_empty_folder_is_said(project):
    (project / "empty").mkdir()
    assert "no audio files in empty" in run("ingest", "empty").stderr


@pytest.mark.parametrize("command", [["ingest", "music"], ["export"]])
@pytest.mark.parametrize("names", ["", " , "])
def test_no_features_at_all_is_wrong_usage(project, command, names):
    run("ingest", "music")
    assert "names nothing" in run(*command, "--features", names, code=2).stderr


def test_a_report_without_its_libraries_says_how_to_install_them(project, monkeypatch):
    monkeypatch.setattr("mirstore.core.extras._is_installed", lambda requirement: requirement.name != "jinja2")
    result = run("report", "clips", code=5)
    assert result.stderr.splitlines() == [
        "error: 'report' needs libraries that are not installed",
        "hint: pip install 'mirstore[report]'",
    ]


def test_parameters_are_objects_in_json(project):
    run("ingest", "music", "--features", "rms-segments")
    (row,) = json.loads(run("features", "list", "--json").stdout)
    assert row["params"] == {"seconds": 1, "sr": 22050}
    assert row["distributions"]["mirstore"]


def test_a_stopped_query_has_its_exit_code(project):
    run("ingest", "music")
    query = "SELECT count(*) FROM range(1000000) a, range(1000000) b"
    assert "stopped after 0.3 s" in run("sql", query, "--timeout", 0.3, code=7).stderr


def complete(line: str, folder) -> list[str]:
    """Return what bash would offer at the end of a line."""
    words = line.split(" ")
    variables = {"_MIRSTORE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    script = "from mirstore.cli import app; app(prog_name='mirstore')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
def test_completion_offers_the_names_that_there_are(project):
    run("ingest", "music", "--features", "rms-segments", "--dataset", "mine")
    assert complete("mirstore features stats ", project) == ["rms-segments"]
    assert complete("mirstore dataset leakage m", project) == ["mine"]
    assert "clips" in complete("mirstore run-experiment c", project)
    assert "model=em-banded" in complete("mirstore run-experiment clips --only model=em", project)
    assert "task=clips" in complete("mirstore run-experiment clips --only task=c", project)
    assert "grouping=user-friendly" in complete("mirstore run-experiment clips --only grouping=", project)
    assert "mel,rms-segments" in complete("mirstore ingest music --features mel,rms", project)
    assert complete("mirstore sql --format json", project) == ["json", "jsonl"]
    assert complete("mirstore runs show ", project) == []
    assert "slow" in complete("mirstore plugins check slo", project)


def test_completion_without_a_store_or_with_a_broken_registry_is_silent(project):
    (project / "registry.toml").write_text("no toml")
    assert complete("mirstore --store none features stats ", project) == []
    assert complete("mirstore run-experiment ", project) == []
    assert not (project / "none").exists()


def test_what_has_nothing_to_say_has_no_heading(project):
    (project / "labs").mkdir()
    (project / "labs" / "one.lab").write_text("0 0.5 C:maj\n")
    assert "labs" not in run("ingest", "music", "--annotation", "chords=labs/*.lab").stderr


def test_gc_counts_the_files_of_a_killed_ingest(project):
    run("ingest", "music")
    folder = project / "store" / "jobs" / ("a" * 12) / "one"
    folder.mkdir(parents=True)
    for name in ("1.safetensors", "2.safetensors"):
        (folder / name).write_bytes(b"1")
    assert "would remove 2 files" in run("gc", "-n").stderr
    (folder / "2.safetensors").unlink()
    assert "removed 1 file\n" in run("gc").stderr
    assert not folder.parent.exists()


def test_an_extractor_that_reads_what_an_entry_names_is_checked_as_that_entry(project):
    refused = run("plugins", "check", "mean", code=2).stderr
    assert "extractor 'mean' reads rows, and only an entry of registry.toml says what that is" in refused
    assert "mirstore plugins check ENTRY" in refused
    Path("registry.toml").write_text(
        'schema = 1\n[features.loudness]\nextractor = "mean"\ninputs = { rows = "rms-segments" }\n'
    )
    checks = json.loads(run("plugins", "check", "loudness", "--json").stdout)
    assert len(checks) > 15
    assert {check["component"] for check in checks} == {"mean@1"}
    assert all(check["ok"] for check in checks), [check for check in checks if not check["ok"]]


def test_a_plugin_is_checked_as_such_although_an_entry_is_called_like_it(project):
    checks = json.loads(run("plugins", "check", "harmony", "--json").stdout)  # [features.harmony] is one of the two
    assert {check["component"] for check in checks} == {"functional-harmony@1", "chord-functions@1"}
    assert all(check["ok"] for check in checks), [check for check in checks if not check["ok"]]


def test_annotations_are_given_on_the_command_line(project):
    (project / "labs").mkdir()
    (project / "labs" / "one.lab").write_text("0 0.5 C:maj\n0.5 1 N\n")
    (project / "labs" / "two.lab").write_text("0 1 N\n")
    would = run("ingest", "music", "--annotation", "chords=labs/*.lab", "-n")
    assert "chords  1 to be read, 0 fresh\nnothing to compute" in would.stdout
    assert "everything is fresh" not in would.stdout
    done = run("ingest", "music", "--annotation", "chords=labs/*.lab", "--json")
    told = json.loads(done.stdout)
    assert told["features"]["chords"] | {"id": ""} == {"id": "", "ok": 1, "failed": 0, "fresh": 0}
    assert told["annotations"][0]["match"]["files_without_track"] == 1
    assert "1 file of 2 belongs to no track: two.lab" in done.stderr
    assert "1.0,N" in run("sql", "SELECT \"end\", label FROM chords WHERE label = 'N'", "-f", "csv").stdout
    assert "is not NAME=PATTERN" in run("ingest", "music", "--annotation", "labs/*.lab", code=2).stderr


# Statements from standard input


@pytest.fixture
def store(tmp_path):
    Store(tmp_path / "store", create=True).close()
    return tmp_path / "store"


def test_a_statement_that_does_not_end_is_refused(store):
    command = [sys.executable, "-m", "mirstore.cli", "--store", str(store), "sql", "-"]
    with open("/dev/zero") as endless:
        result = subprocess.run(command, stdin=endless, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2
    assert "longer than 1,000,000 letters" in result.stderr


def test_a_statement_of_the_greatest_length_is_answered_and_one_letter_more_is_not(store):
    query = "SELECT 7 AS n --".ljust(1_000_000, "x")
    assert json.loads(run("--store", store, "sql", "-", "--json", input=query).stdout) == [{"n": 7}]
    assert "longer than" in run("--store", store, "sql", "-", input=query + "x", code=2).stderr


def test_standard_input_that_is_no_text_is_refused(store):
    assert "no text in UTF-8" in run("--store", store, "sql", "-", input=b"SELECT '\xff'", code=2).stderr


def test_who_interrupts_a_question_is_told_of_no_commits(store, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(statements, "_read", interrupted)
    assert run("--store", store, "sql", "-", code=130).stderr.splitlines() == ["interrupted"]
