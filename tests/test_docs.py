"""What the documentation says is true: its code runs, its commands exist, its tables are there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import duckdb
import numpy as np
import pytest
from done import ingest
from typer.main import get_command

from mirstore.cli import app
from mirstore.core import hookspecs
from mirstore.core.checks import general, run_checks
from mirstore.core.entries import FeatureEntry
from mirstore.core.plugins import Plugins
from mirstore.core.registry import Registry
from mirstore.core.resolve import resolve
from mirstore.core.template import write_plugin
from mirstore.store import Store
from mirstore.store.ingest.sources import find
from mirstore.store.lake.connect import _extensions, _load
from mirstore.store.lake.schema import tables
from mirstore.store.sql.views import views

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


plugin_blocks = [block for page, block in blocks("python") if page == "plugins.md" or page.startswith("write-")]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(plugin_blocks)))
def test_the_plugins_of_the_page_keep_the_contract(tmp_path, monkeypatch, number):
    module = f"mirstore_docs_{number}"
    (tmp_path / f"{module}.py").write_text(plugin_blocks[number])
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module(module)
    found = [component for hook in vars(made) if hook.startswith("register_") for component in getattr(made, hook)()]
    assert len(found) == 1
    component = found[0]()
    if component.needs:  # which no test fetches: the checks that compute nothing
        for check in general.checks:
            check(component)
    else:
        assert [(result.name, result.message) for result in run_checks(component) if not result.ok] == []


def test_the_first_plugin_of_the_page_is_short():
    assert len([line for line in plugin_blocks[0].splitlines() if line.strip()]) <= 25


@pytest.mark.slow
def test_the_files_can_be_read_from_outside_as_the_page_says(tmp_path, monkeypatch, make_wav):
    for number in range(3):  # an ingest each: small files, merged ones beside them
        make_wav(tmp_path / "music" / f"{number}.wav", np.random.default_rng(number).uniform(-1, 1, 22050))
        with Store(tmp_path / "store", create=True) as store:
            registry = Registry.load()
            registry.features["essentia"] = FeatureEntry(extractor="mfcc-stats")  # cheaper
            ingest(store, find([tmp_path / "music"]), resolve(["essentia"], registry, Plugins.installed()))
    monkeypatch.chdir(tmp_path)
    (python,) = [block for page, block in blocks("python") if page == "store.md"]
    made: dict = {}
    exec(python, made)
    assert made["frame"].height == 3
    sql, _ = [block for page, block in blocks("sql") if page == "store.md"]
    install, attach = sql.split("ATTACH")
    assert install.split() == ["INSTALL", "ducklake;", "INSTALL", "sqlite;"]  # from the network; here from the wheels
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        for name, distribution in _extensions.items():
            _load(connection, name, distribution)
        statements = [statement for statement in f"ATTACH{attach}".split(";") if statement.strip()]
        answers = [connection.execute(statement).fetchall() for statement in statements]
        name = made["table"].removeprefix("feat.")
        assert (name,) in answers[1]
        assert answers[2] == [(3,)]
        assert connection.execute(f'SELECT count(*) FROM lake.feat."{name}"').fetchall() == [(3,)]
    assert len(list((tmp_path / "store" / "data" / "core" / "tracks").glob("*.parquet"))) > 1


@pytest.mark.slow
def test_the_page_about_python_runs(tmp_path, monkeypatch, make_wav, capsys):
    pytest.importorskip("jinja2", reason="the HTML report needs mirstore[report]")
    pytest.importorskip("librosa", reason="mfcc-stats needs mirstore[librosa]")
    rows = ["path,genre"]
    for number in range(8):
        make_wav(tmp_path / f"{number}.wav", np.random.default_rng(number).uniform(-1, 1, 22050))
        rows.append(f"{number}.wav,{'rock' if number % 2 else 'pop'}")
    (tmp_path / "music.csv").write_text("\n".join(rows))
    (tmp_path / "registry.toml").write_text(
        'schema = 1\n[tasks.genre]\ndataset = "music"\nlabels = "genre"\nmetric = "accuracy"\nsplit = "stratified"\n'
        'folds = 2\n[experiments.mine]\ntask = "genre"\nfeatures = ["mfcc-stats"]\nmodel = "majority"\n'
    )
    monkeypatch.chdir(tmp_path)
    (python,) = [block for page, block in blocks("python") if page == "python.md"]
    made: dict = {}
    exec(python, made)
    assert made["table"].height == 8
    assert made["longest"].height == 3
    assert made["score"] == 0.5
    assert "<h1>" in made["page"]
    assert "extract: 8 of 8" in capsys.readouterr().out


def test_every_hook_is_documented():
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert len(hooks) == 4
    for name in hooks:
        assert name in texts["plugins.md"]


@pytest.mark.parametrize("kind", ["grouper", "smoother", "model"])
def test_each_kind_of_component_has_a_page_with_what_is_written_for_it_and_an_experiment(kind, tmp_path):
    page = f"write-{kind}.md"
    assert re.search(rf"^\$ mirstore plugins new [\w-]+ --kind {kind}$", texts[page], re.MULTILINE)
    tables = [tomllib.loads(block) for name, block in blocks("toml") if name == page]
    (entries,) = [table for table in tables if "experiments" in table]
    registry = Registry.model_validate(entries)
    assert registry.experiments
    (entry_point,) = [table["project"]["entry-points"]["mirstore"] for table in tables if "project" in table]
    (name,) = re.findall(r"plugins new ([\w-]+) --kind", texts[page])
    assert list(entry_point) == [name]
    written = write_plugin(name, tmp_path, kind) / f"{entry_point[name]}.py"
    shown = next(block for place, block in blocks("python") if place == page)
    assert ast.unparse(ast.parse(shown)) == ast.unparse(
        ast.parse(written.read_text()).body[1:]
    )  # but for its docstring


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
