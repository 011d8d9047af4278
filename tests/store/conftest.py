"""A store for each test, and helpers that the tests of this folder share."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirstore.store import Store

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it: a copy is there sooner than another one."""
    folder = tmp_path_factory.mktemp("empty") / "store"
    Store(folder, create=True).close()
    return folder


@pytest.fixture
def store(empty: Path, tmp_path: Path) -> Iterator[Store]:
    """An empty store of the test's own."""
    shutil.copytree(empty, tmp_path / "store")
    with Store(tmp_path / "store") as store:
        yield store
