"""`write_plugin` makes a plugin that works as it is, and pip can install it."""

from __future__ import annotations

import ast
import os
import site
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from mirstore.core.errors import UsageError
from mirstore.core.template import kinds, write_plugin

plugin_segments = Path(__file__).parents[1] / "plugin_segments"


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Run a command and return what it printed; a failure shows everything."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MIRSTORE_LOAD_PLUGINS")
    }
    if path:
        environment["PYTHONPATH"] = str(path)
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=300)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def test_a_plugin_has_all_its_files(tmp_path):
    folder = write_plugin("tempo-lab", tmp_path)
    assert folder == tmp_path / "mirstore-tempo-lab"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "mirstore_tempo_lab.py",
        "pyproject.toml",
        "tests/test_tempo_lab.py",
    ]


def test_a_plugins_names_agree(tmp_path):
    folder = write_plugin("tempo-lab", tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "mirstore-tempo-lab"
    assert project["entry-points"]["mirstore"] == {"tempo-lab": "mirstore_tempo_lab"}
    module = ast.parse((folder / "mirstore_tempo_lab.py").read_text())
    assert [node.name for node in module.body if isinstance(node, ast.ClassDef)] == ["TempoLab"]
    for path in folder.rglob("*.*"):
        assert "$" not in path.name
        if path.is_file():
            assert "$" not in path.read_text().replace("${{ matrix.python }}", "")


def test_the_prefix_of_the_distribution_may_be_given_too(tmp_path):
    assert write_plugin("mirstore-tempo", tmp_path).name == "mirstore-tempo"


@pytest.mark.parametrize("name", ["", "Tempo", "tempo lab", "3d", "tempo--lab", "tempo_lab", "../tempo", "tempo-"])
def test_an_improper_name_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be used"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"unknown kind of component 'modal' \(did you mean 'model'"):
        write_plugin("tempo", tmp_path, "modal")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "mirstore-tempo").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        write_plugin("tempo", tmp_path)
    assert list((tmp_path / "mirstore-tempo").iterdir()) == []


@pytest.mark.parametrize("kind", kinds)
def test_a_new_plugin_passes_its_own_tests(tmp_path, kind):
    folder = write_plugin("tempo-lab", tmp_path, kind)
    printed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, path=folder)
    assert " passed" in printed
    assert "skipped" not in printed


@pytest.mark.parametrize("kind", kinds)
def test_a_new_plugin_is_clean(tmp_path, kind):
    pytest.importorskip("ruff")
    folder = write_plugin("tempo-lab", tmp_path, kind)
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=folder)
    run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".", cwd=folder)


@pytest.mark.slow
def test_pip_installs_plugins_and_mirstore_finds_them(tmp_path):
    pytest.importorskip("hatchling", reason="building without isolation needs hatchling")
    folder = write_plugin("tempo-lab", tmp_path)
    python = make_venv(tmp_path / "venv")
    pip = (python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run(*pip, plugin_segments, folder, cwd=tmp_path)

    installed = Distribution.discover(path=[str(next((tmp_path / "venv").glob("lib/python*/site-packages")))])
    names = {distribution.name for distribution in installed}
    assert names >= {"mirstore-test-segments", "mirstore-tempo-lab"}
    mirstore = (python, "-c", "from mirstore.cli import main; main()")
    rows = run(*mirstore, "plugins", "list", cwd=tmp_path).splitlines()
    for name, component in {"test-segments": "rms-segments@1", "tempo-lab": "tempo-lab@1"}.items():
        (row,) = (row for row in rows if row.startswith(name))
        assert component in row
        assert row.rstrip().endswith("ok")
    assert "FAIL" not in run(*mirstore, "plugins", "check", "tempo-lab", cwd=tmp_path)


def make_venv(folder: Path) -> Path:
    """Make an environment that also sees this one's packages, and return its python."""
    venv.create(folder, with_pip=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = [path for path in site.getsitepackages() if Path(path).is_dir()]
    lines = [f"import site; site.addsitedir({path!r})" for path in ours]  # also follows editable installs
    (packages / "ours.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"
