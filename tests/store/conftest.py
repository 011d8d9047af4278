"""Lets the tests of this folder share helpers, and run over both kinds of store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirstore.store.lake import shared
from mirstore.store.lake.shared import Shared

sys.path.insert(0, str(Path(__file__).parent))

quick = {"test_store", "test_time", "test_samples"}
both = {*quick, "test_removal", "test_purge", "test_stems", "test_models", "test_growth", "test_query", "test_ingest"}
both |= {"test_experiments", "test_checkpoints", "test_annotations", "test_vanished"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of the modules above over a folder and over a shared store."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if name in both and not metafunc.definition.get_closest_marker("folder_only"):
        marks = [] if name in quick else [pytest.mark.slow]
        kinds = ["folder", pytest.param("shared", marks=marks)]
        metafunc.parametrize("store_kind", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def store_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """What kind of store lies where a test asks for a folder."""
    found = getattr(request, "param", "folder")
    if found == "folder":
        yield found
        return
    new_store = request.getfixturevalue("servers").new_store
    with pytest.MonkeyPatch.context() as patch, addresses(new_store) as address:
        patch.setattr(shared, "Home", lambda folder: Shared(address(Path(folder))))
        yield found


@contextmanager
def addresses(new_store: Callable[[], str]) -> Iterator[Callable[[Path], str]]:
    """Give a function that says which shared store stands for a folder: for its own copies, too."""
    known: dict[Path, str] = {}

    def address(folder: Path) -> str:
        folder = folder.absolute()
        if folder not in known:
            known[folder] = new_store()
            known[Shared(known[folder]).path] = known[folder]
        return known[folder]

    yield address
