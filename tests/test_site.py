"""The site: what is made from code says all that the code has, and every page can be reached."""

from __future__ import annotations

import inspect
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from mirstore import core, store
from mirstore.cli import app
from mirstore.cli.commands import everywhere, exit_codes
from mirstore.core import entries, experiment_entries, hookspecs
from mirstore.core.checks import extractors, general, groupers, models, smoothers
from mirstore.core.registry import Registry

root = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, str]:
    """The pages that are made from code, by name."""
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run([sys.executable, root / "docs" / "make_pages.py", folder], check=True)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.md")}


@pytest.fixture(scope="module")
def pages(made) -> dict[str, str]:
    """All pages of the site, by name."""
    return {path.name: path.read_text() for path in (root / "docs").glob("*.md")} | made


def section(page: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above."""
    level, _, _ = heading.partition(" ")
    (found,) = re.findall(rf"(?ms)^{re.escape(heading)}$(.*?)(?=^#{{2,{len(level)}}} |\Z)", page)
    return found


def commands(command, path="mirstore"):
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def test_every_command_is_there_with_its_arguments_options_and_examples(made):
    page = made["reference/commands.md"]
    for path, command in commands(get_command(app)):
        text = page if path == "mirstore" else section(page, f"{'#' * (path.count(' ') + 1)} {path}")
        assert not command.help or command.help.split()[0] in text, path
        if hasattr(command, "commands"):
            continue
        for example in command.examples:
            assert f"$ {example}\n" in text, path
        for parameter in command.params:
            if parameter.name not in everywhere:
                for name in parameter.opts:
                    assert re.search(rf"`{re.escape(name)}[ `]", text), f"{path} {name}"
    for name in everywhere:
        assert f"`--{name}" in section(page, "## Options of every command")
    for code, meaning in exit_codes.items():
        assert f"| {code} | {meaning} |" in page


def test_every_hook_is_there_with_what_is_asked_of_its_components(made):
    page = made["reference/hooks.md"]
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    for name, checks in zip(hooks, (extractors, groupers, smoothers, models), strict=True):
        text = section(page, f"## {name}")
        assert f"def {name}() -> " in text
        for check in checks.checks:
            assert f"**{check.__name__.replace('_', ' ')}**: " in text
    for check in general.checks:
        assert f"**{check.__name__.replace('_', ' ')}**: " in section(page, "## Asked of every component")


def test_every_table_and_key_of_the_registry_is_there_with_its_meaning(made):
    page = made["reference/registry.md"]
    found = [*vars(entries).values(), *vars(experiment_entries).values()]
    tables = [
        kind for kind in found if inspect.isclass(kind) and kind.__name__.endswith("Entry") and kind.__name__[0] != "_"
    ]
    assert len(tables) == 10
    for kind in tables:
        text = section(page, f"## `{kind.__doc__.split('``')[1]}`")
        for key, field in kind.model_fields.items():
            assert re.search(rf"(?m)^- `{key}` \(.+?\): \S", text), f"{kind.__name__}.{key}"
            if isinstance(field.default, int) and not isinstance(field.default, bool):
                assert re.search(rf"(?m)^- `{key}` \(.*default `{field.default}`\)", text)
    for key, field in Registry.model_fields.items():
        if not field.exclude:
            name = field.alias or key
            assert f"`[{name}." in page or re.search(rf"(?m)^- `{name}` \(.+?\): \S", page), name
    for key in ("explain", "permutations", "halves", "random_groupings"):
        assert f"- `{key}` (" in section(page, "## `[experiments.N]`")


@pytest.mark.parametrize("module", [core, store])
def test_every_public_name_is_there_with_what_its_docstring_says(made, module):
    page = made[f"reference/{module.__name__.rpartition('.')[2]}.md"]
    for name in module.__all__:
        text = section(page, f"## {name}")
        given = getattr(module, name)
        assert re.search(r"(?m)^[A-Z]", text), name
        if not inspect.isclass(given):
            continue
        for member, value in vars(given).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                below = section(page, f"### {name}.{member}")
                said = inspect.getdoc(value) or ""
                assert said.split()[0] in below
                for title in ("Parameters", "Returns", "Raises"):
                    assert (f"\n{title}\n---" in said) == (f"**{title}**\n\n- " in below), f"{name}.{member}"


def test_examples_of_docstrings_are_code(made):
    examples = section(made["reference/core.md"], "## Column")
    assert "```pycon\n>>> tempo = Column(" in examples
    assert all(page.count("```") % 2 == 0 for page in made.values())


def test_every_page_is_in_the_navigation_and_nothing_else_is(pages):
    named = re.findall(r": ([\w/-]+\.md)$", (root / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(pages)


def test_every_link_between_pages_leads_to_a_page_and_to_a_heading_of_it(pages):
    anchors = {name: set(map(slug, re.findall(r"(?m)^#+ (.+)$", without_code(text)))) for name, text in pages.items()}
    links = [
        (name, link) for name, text in pages.items() for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text))
    ]
    assert len(links) > 80
    for name, link in links:
        if not re.match(r"https?:", link):
            path, _, anchor = link.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            assert target in pages or (root / "docs" / target).is_file(), f"{name}: {link}"
            assert not anchor or anchor in anchors[target], f"{name}: {link}"


def test_every_link_of_a_page_in_the_checkout_leads_to_a_file_of_the_checkout():
    made = (root / "docs" / "reference", root / "docs" / "plugins", root / "docs" / "index.md")
    kept = [root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md", *(root / "docs").glob("*.md")]
    for page in kept:
        for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
            if not re.match(r"https?:|#", link) and page not in made:
                path = page.parent.joinpath(link.partition("#")[0]).resolve()
                assert path.exists(), f"{page.name}: {link}"
                assert not any(path.is_relative_to(place) for place in made), f"{page.name}: {link}"


def without_code(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```", "", text)


def slug(heading: str) -> str:
    """Return a heading's anchor as Markdown's table of contents makes it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
