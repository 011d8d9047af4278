"""Processes that run at once keep what numba compiles apart; one after another uses it again."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

script = "import os; from mirstore.core.compiled import claim; claim(); claim(); print(os.getenv('NUMBA_CACHE_DIR'))"


def claims(variables: dict[str, str]) -> subprocess.Popen[str]:
    """Start a process that claims a folder, and lives until it can read a line."""
    code = f"{script}; import sys; sys.stdout.flush(); sys.stdin.readline()"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | variables
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True, env=environment)


def folder(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_who_runs_at_once_has_a_folder_each_and_who_comes_later_one_that_is_there(tmp_path):
    cache = {"MIRSTORE_CACHE": str(tmp_path)}
    with ExitStack() as stack:
        first = stack.enter_context(claims(cache))
        zero = folder(first)
        second = stack.enter_context(claims({**cache, "NUMBA_CACHE_DIR": str(zero)}))  # a child of the first
        assert [zero, folder(second)] == [tmp_path / "numba" / "0", tmp_path / "numba" / "1"]
        first.communicate("\n")
        third = stack.enter_context(claims(cache))
        assert folder(third) == zero
        for process in (second, third):
            process.communicate("\n")


def test_a_folder_that_the_user_gives_is_used(tmp_path):
    with claims({"MIRSTORE_CACHE": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "mine")}) as process:
        assert folder(process) == tmp_path / "mine"
        process.communicate("\n")
    assert not (tmp_path / "numba").exists()


def test_a_cache_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    with claims({"MIRSTORE_CACHE": str(tmp_path / "file")}) as process:
        assert folder(process) == Path("None")
        process.communicate("\n")
