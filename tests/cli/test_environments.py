"""mirstore plugins install, list, remove: environments of their own, and what is computed in them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mirstore.cli import app
from mirstore.core import interpreters
from mirstore.core.environments import environments, root
from mirstore.core.identity import track_id
from mirstore.core.tracks import Track
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def wheel(folder, *, version="0.3.0", name="mirstore-test-elsewhere", requires=("mirstore",), source=None):
    """Write a plugin as a wheel."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    needs = [f"Requires-Dist: {one}" for one in requires]
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *needs, ""]
    members = {
        f"{module}.py": source or (elsewhere_folder / "mirstore_test_elsewhere.py").read_text(),
        f"{info}/METADATA": "\n".join(metadata),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[mirstore]\ntest-elsewhere = {module}\n",
    }
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for member, text in members.items():
            file.writestr(member, text)
        file.writestr(f"{info}/RECORD", "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"]))
    return path


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    """Skip where packages cannot be had."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "-d",
        tmp_path_factory.mktemp("index"),
        "pluggy",
    ]
    tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no package index can be reached: {tried.stderr.strip().splitlines()[-1:]}")


@pytest.fixture
def bare(tmp_path, monkeypatch, music, index):
    """A project without environments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setenv("MIRSTORE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "gain.txt").write_bytes(b"1 2 4\n")  # weights, as one of its extractors declares them
    yield tmp_path
    interpreters.close()


def versions(environment, *names):
    code = f"import importlib.metadata as m; print(*(m.version(n) for n in {names!r}))"
    return subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
def test_a_plugin_whose_pins_contradict_ours_is_installed_used_and_replaced(bare):
    pins = ("mirstore", "pydantic<2", "scikit-learn==1.2.*", "numpy<2")
    run("plugins", "install", wheel(bare, requires=pins), "--isolated")
    (made,) = environments()
    assert made.name == "mirstore-test-elsewhere"
    pydantic, sklearn, numpy = versions(made, "pydantic", "scikit-learn", "numpy")
    assert pydantic.startswith("1.")
    assert sklearn.startswith("1.2.")
    assert numpy.startswith("1.")
    run("weights", "add", "elsewhere-gain", "gain.txt")
    names = "elsewhere-samples", "elsewhere-stem", "elsewhere-gain"
    told = json.loads(run("ingest", "music", "--features", ",".join(names), "--json").stdout)
    assert {name: counts["ok"] for name, counts in told["features"].items()} == dict.fromkeys(names, 4)
    newer = (elsewhere_folder / "mirstore_test_elsewhere.py").read_text().replace("version = 2", "version = 3")
    run("plugins", "install", wheel(bare, version="0.4.0", source=newer), "--isolated")
    (again,) = environments()
    assert again.python != made.python
    assert not made.python.exists()
    assert (
        "extractor elsewhere-samples@2 → elsewhere-samples@3"
        in run("ingest", "music", "--features", "elsewhere-samples", "-n").stdout
    )
    run("plugins", "remove", made.name, "--yes")
    assert not (root() / made.name).exists()


@pytest.mark.slow
def test_what_is_no_use_when_it_is_installed_leaves_nothing(bare):
    broken = wheel(bare, name="mirstore-test-broken", source="import no_such_package")
    empty = wheel(bare, name="mirstore-test-empty", source="x = 1")
    greedy = wheel(bare, name="mirstore-test-greedy", requires=("mirstore>=99",))
    for path, message in (
        (broken, "is broken: ModuleNotFoundError: No module named 'no_such_package'"),
        (empty, "registers nothing"),
        (greedy, "pip cannot install"),
    ):
        result = run("plugins", "install", path, "--isolated", code=5)
        assert message in result.stderr
        assert result.stderr.splitlines()[-2].startswith("error: ")
    assert environments() == []
    assert not list(root().glob("*/venv-*"))


def pythons():
    """Return other interpreters of this machine that could be used."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in (10, 12, 13, 14):
        if sys.version_info[1] != minor:
            yield from [*map(str, home.glob(f"versions/3.{minor}.*/bin/python")), shutil.which(f"python3.{minor}")][:1]


@pytest.mark.slow
@pytest.mark.parametrize("python", list(filter(None, pythons())))
def test_other_pythons_and_old_libraries_hear_and_write_the_same(bare, python):
    old = ("mirstore", "numpy==1.24.*", "polars==1.20.0") if "3.10" in python else ("mirstore",)
    run("plugins", "install", wheel(bare, requires=old), "--isolated", "--python", python, "--name", "other")
    run("weights", "add", "elsewhere-gain", "gain.txt")
    names = "elsewhere-samples,elsewhere-stem,elsewhere-gain"
    told = json.loads(run("ingest", "music", "--features", names, "--json").stdout)
    assert {counts["ok"] for counts in told["features"].values()} == {4}
    with Store("store", read_only=True) as store:
        frame = store.features("elsewhere-samples")
    paths = {track_id(path): path for path in (bare / "music").iterdir()}
    for row in frame.iter_rows(named=True):
        expected = np.ascontiguousarray(Track("t", paths[row["track"]]).audio(16000)).tobytes()
        assert row["sha256"] == hashlib.sha256(expected).hexdigest()


def workers_of(environment):
    """Return the processes of an environment's interpreter."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(f"{environment.python}\0".encode()):
                yield int(folder.name)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_interpreters_killed_at_random_moments_lose_and_double_nothing(project, elsewhere):
    moments = np.random.default_rng(440)
    scratch = project / "scratch"
    scratch.mkdir()
    for number in range(int(os.environ.get("MIRSTORE_ROUNDS", 4))):
        store = f"store-{number}"
        arguments = ["--store", store, "ingest", "music", "--features", "low,elsewhere-stem", "-j", "2", "--json"]
        command = [sys.executable, "-m", "mirstore.cli", *arguments]
        ingest = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(scratch)})
        for moment in moments.uniform(0.1, 4.0, 3):
            time.sleep(moment)
            for pid in list(workers_of(elsewhere))[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        told = json.loads(ingest.communicate()[0])
        assert all(counts["ok"] + counts["failed"] == 4 for counts in told["features"].values())
        run("--store", store, "ingest", "music", "--features", "low,elsewhere-stem", "--retry-failed")
        with Store(store, read_only=True) as opened:
            for name in ("low", "elsewhere-stem"):
                count = opened.sql(f'SELECT count(*) n, count(DISTINCT track) d FROM "{name}"').row(0)
                assert count == (4, 4)
                assert all(tensor.size for tensor in opened.tensors(name))
    interpreters.close()
    deadline = time.monotonic() + 30
    while (list(workers_of(elsewhere)) or list(scratch.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.1)  # decoders clear away what they made when their parents are gone
    assert not list(workers_of(elsewhere))
    assert not list(scratch.iterdir())
