"""What the documentation says is true: its code runs, its commands exist, its tables are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from mirstore.cli import app
from mirstore.core import hookspecs
from mirstore.core.checks import run_checks
from mirstore.store import Store
from mirstore.store.schema import tables
from mirstore.store.views import views

root = Path(__file__).parents[1]
pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
texts = {page.name: page.read_text() for page in pages}


def blocks(language: str) -> list[tuple[str, str]]:
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(name, block) for name, text in texts.items() for block in pattern.findall(text)]


def commands() -> list[str]:
    lines = [line[2:] for _, block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    inline = re.findall(r"`(mirstore [^`]+)`", "\n".join(texts.values()))
    return [line for line in [*lines, *inline] if line.startswith("mirstore ")]


@pytest.mark.parametrize(("page", "code"), blocks("python"), ids=range(len(blocks("python"))))
def test_python_compiles(page, code):
    compile(code, page, "exec")


@pytest.mark.parametrize("line", commands())
def test_commands_exist_and_take_these_options(line):
    words = shlex.split(line.split("#")[0].replace("…", " "))[1:]
    command = get_command(app)
    while words and not words[0].startswith("-") and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert used <= options, f"{line}: {used - options}"


@pytest.mark.slow
def test_the_plugin_of_the_page_keeps_the_contract_and_is_short(tmp_path, monkeypatch):
    (code,) = [block for page, block in blocks("python") if page == "plugins.md"]
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 25
    (tmp_path / "mirstore_docs_tempo.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    from mirstore_docs_tempo import Tempo

    assert [(result.name, result.message) for result in run_checks(Tempo()) if not result.ok] == []


def test_every_hook_is_documented():
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert len(hooks) == 4
    for name in hooks:
        assert name in texts["plugins.md"]


def test_every_view_is_documented_and_every_table_has_columns(tmp_path):
    with Store(tmp_path / "store", create=True) as store:
        assert {name.removeprefix("core.") for name in store.tables()} == set(tables)
        text = store.schema()
    for name in views:
        if re.search(rf"^{name}$", text, re.MULTILINE):
            assert f"`{name}`" in texts["store.md"], name


def test_the_project_names_no_place_of_a_machine():
    files = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split("\n")
    forbidden = re.compile(r"/(home|Users)/\w+/")
    for name in files:
        path = root / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".sh"} and path != Path(__file__):
            assert not forbidden.search(path.read_text()), name
    assert sys.version_info >= (3, 11)
