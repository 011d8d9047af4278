"""Fixtures that several test folders share."""

from __future__ import annotations

import faulthandler
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import hypothesis
import numpy as np
import pytest

if TYPE_CHECKING:
    from dask_cluster import DaskCluster
    from servers import Servers

    from mirstore.core.environments import Environment

from mirstore.core.compiled import claim

_last_words = pytest.StashKey[str]()  # the folder of what crashed processes wrote
_crashes = pytest.StashKey[TextIO]()  # where this one would write

sys.path.insert(0, str(Path(__file__).parent))  # lets tests share helpers

hypothesis.settings.register_profile("mirstore", deadline=None)  # the first example imports scikit-learn
hypothesis.settings.load_profile("mirstore")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with test material that is too large for the repository."""
    folder = Path(os.environ.get("MIRSTORE_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no test material at {folder}: set MIRSTORE_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """PostgreSQL and S3, which this process and those that it starts can reach."""
    from servers import lacking
    from servers import servers as started

    if reason := lacking():
        pytest.skip(reason)
    with started(tmp_path_factory.mktemp("servers")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        patch.setenv("MIRSTORE_CACHE", str(tmp_path_factory.mktemp("copies")))
        yield running


@pytest.fixture
def make_wav() -> Callable[..., Path]:
    """Write samples [shape=(n,) or (n, channels)] as a 16-bit wav."""
    import soundfile

    def write(path: Path, samples: np.ndarray, sr: int = 22050) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, sr, subtype="PCM_16")
        return path

    return write


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders that make tests/plugin_* as good as installed for a process that starts with them."""
    metadata = tmp_path_factory.mktemp("installed-for-all")
    folders = sorted(Path(__file__).parent.glob("plugin_*/"))
    for folder in folders:
        write_dist_info(metadata, folder / "pyproject.toml")
    return [str(path) for path in (metadata, *folders)]


@pytest.fixture(scope="session")
def make_dask_cluster(tmp_path_factory: pytest.TempPathFactory, plugin_path: list[str]) -> Callable[..., DaskCluster]:
    """Start a Dask cluster, to be used as a context manager."""
    pytest.importorskip("distributed")
    from dask_cluster import DaskCluster

    def make(workers: int = 2, **options: str) -> DaskCluster:
        return DaskCluster(tmp_path_factory.mktemp("dask"), workers, plugin_path, **options)

    return make


@pytest.fixture(scope="module")  # not longer: it takes an eighth of a core while nothing is asked of it
def dask_cluster(make_dask_cluster: Callable[..., DaskCluster]) -> Iterator[DaskCluster]:
    """Two workers that all tests of a module share: leave it as it was."""
    with make_dask_cluster() as cluster:
        yield cluster


@pytest.fixture
def test_plugins(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make tests/plugin_* as good as installed, here and in child processes; return their distributions' names."""
    metadata = tmp_path_factory.mktemp("installed")
    folders = sorted(Path(__file__).parent.glob("plugin_*/"))
    names = [write_dist_info(metadata, folder / "pyproject.toml") for folder in folders]
    paths = [str(path) for path in (metadata, *folders)]
    for path in paths:
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    return names


def write_dist_info(folder: Path, pyproject: Path) -> str:
    project = tomllib.loads(pyproject.read_text())["project"]
    name, version = project["name"], project["version"]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = [f"{key} = {value}" for key, value in project["entry-points"]["mirstore"].items()]
    info.joinpath("entry_points.txt").write_text("\n".join(["[mirstore]", *points, ""]))
    return str(name)


@pytest.fixture(scope="session")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with what a worker needs and the plugin of tests/elsewhere, without any index."""
    from importlib.metadata import files

    folder = tmp_path_factory.mktemp("lean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in ("numpy", "packaging", "pluggy", "polars", *runtimes_of_polars()):
        for path in {Path(str(file)).parts[0] for file in files(name) or () if ".." not in file.parts}:
            (site / path).symlink_to(Path(str(distribution(name).locate_file(path))).resolve())
    source = Path(__file__).parent / "elsewhere"
    (site / "mirstore_test_elsewhere.py").symlink_to(source / "mirstore_test_elsewhere.py")
    write_dist_info(site, source / "pyproject.toml")
    return folder


def runtimes_of_polars() -> list[str]:
    """Return the distributions that hold polars' native code, if that is not in polars itself."""
    return [item.name for item in distributions() if item.name.startswith("polars-runtime")]


@pytest.fixture(scope="session")
def told(lean: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Ask it once what it has."""
    from mirstore.core.environments import Environment
    from mirstore.core.interpreters import close, described

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path_factory.mktemp("environments")))
        found = described(Environment("elsewhere", lean / "bin" / "python"))
    close()
    return found


@pytest.fixture
def elsewhere(
    lean: Path, told: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Environment]:
    """Make that an environment of its own, as `mirstore plugins install --isolated` does."""
    from mirstore.core.environments import record, root
    from mirstore.core.interpreters import close
    from mirstore.core.lending import core_sha256

    monkeypatch.setenv("MIRSTORE_ENVIRONMENTS", str(tmp_path / "environments"))
    (root() / "elsewhere").mkdir(parents=True)
    (root() / "elsewhere" / "venv-test").symlink_to(lean)
    card = {
        "requirement": "mirstore-test-elsewhere",
        "distribution": "mirstore-test-elsewhere",
        "folder": "venv-test",
        "base": None,
        "core": core_sha256(),
        "described": told,
    }
    yield record("elsewhere", card)
    close()


# A process of the tests that dies takes its last words with it: they are kept beside it, and shown at the end.


def pytest_configure(config: pytest.Config) -> None:
    """Have each process of the tests write where it was when it crashed."""
    claim()
    number = getattr(config, "workerinput", {}).get("workerid")
    if number is None:
        config.stash[_last_words] = tempfile.mkdtemp(prefix="mirstore-crashes-")
        os.environ["MIRSTORE_CRASHES"] = config.stash[_last_words]
    elif folder := os.environ.get("MIRSTORE_CRASHES"):
        config.stash[_crashes] = Path(folder, f"{number}-{os.getpid()}.txt").open("w")  # noqa: SIM115 (for as long as it lives)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Take over from pytest, which writes it where nobody finds it among thousands of dots."""
    if file := session.config.stash.get(_crashes, None):
        faulthandler.enable(file)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what crashed processes wrote."""
    folder = Path(config.stash[_last_words])
    for path in sorted(folder.iterdir()):
        if text := path.read_text(errors="replace"):
            terminalreporter.section(f"crashed: {path.stem}")
            terminalreporter.write(text)
    shutil.rmtree(folder)
