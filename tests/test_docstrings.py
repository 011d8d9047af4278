"""Docstrings: their examples run, and the parameters that they describe are those that there are."""

from __future__ import annotations

import ast
import doctest
import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mirstore import core, page, store

project = Path(__file__).parents[1]
modules = {
    ".".join(path.relative_to(project / root).with_suffix("").parts).removesuffix(".__init__"): path
    for root in ("core", "store", "cli", "plugins")
    for path in sorted((project / root).rglob("*.py"))
}
with_examples = [name for name, path in modules.items() if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", with_examples)
def test_the_examples_of_a_module_do_what_they_show(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some make a store
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed


def test_a_docstring_that_describes_parameters_describes_all_of_them_in_their_order() -> None:
    wrong = []
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (described := list(_described(ast.get_docstring(node)))):
                parameters = _parameters(node.args)
                wrong += [(name, node.name, described, parameters)] if described != parameters else []
    assert not wrong


def test_what_plugins_and_scripts_import_describes_its_parameters() -> None:
    offered = [*(getattr(core, name) for name in core.__all__), store.Store, store.Project, page.render]
    functions = {function for each in offered for function in _functions(each)}
    taking = {function for function in functions if set(inspect.signature(function).parameters) - {"self", "cls"}}
    assert len(taking) > 40
    assert not sorted(each.__qualname__ for each in taking if not list(_described(inspect.getdoc(each))))


def _described(docstring: str | None) -> Iterator[str]:
    lines = (docstring or "").splitlines()
    first = lines.index("Parameters") + 2 if "Parameters" in lines else len(lines)
    for line, following in pairwise([*lines[first:], ""]):
        if following.startswith("---"):  # the next section
            return
        if line and not line.startswith(" "):
            yield from line.partition(" : ")[0].split(", ")


def _parameters(given: ast.arguments) -> list[str]:
    names = [parameter.arg for parameter in (*given.posonlyargs, *given.args)]
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [parameter.arg for parameter in given.kwonlyargs]
    names += [f"**{given.kwarg.arg}"] if given.kwarg else []
    return [name for name in names if name not in ("self", "cls")]


def _functions(offered: Any) -> Iterator[Callable[..., Any]]:
    """Yield what there is to be called: the function, or a class's public methods and what it has of ours."""
    kinds = offered.__mro__ if isinstance(offered, type) else ()
    for kind in kinds:
        members = vars(kind).items() if kind.__module__.startswith("mirstore") else ()
        plain = (getattr(member, "__func__", member) for name, member in members if not name.startswith("_"))
        yield from filter(inspect.isfunction, plain)
    if inspect.isfunction(offered):
        yield offered
