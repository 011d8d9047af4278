"""The pages about what plugins and scripts import: every public name, with its signature and its docstring."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

from making.docstrings import markdown
from mirstore import core, store

public = {name: f"{module.__name__.rpartition('.')[2]}.md" for module in (core, store) for name in module.__all__}
"""Every public name, and the page that has it."""


class _Bare(str):
    """An annotation that is written without quotation marks."""

    def __repr__(self) -> str:
        return str(self)


def pages() -> Iterator[tuple[str, str]]:
    """Yield file name and text of each page."""
    for module in (core, store):
        names = sorted(module.__all__, key=str.lower)
        parts = [f"# {module.__name__}\n\n{markdown(module)}", *(_entry(module, name) for name in names)]
        yield f"reference/{module.__name__.rpartition('.')[2]}.md", _linked("\n".join(parts))


def _linked(text: str) -> str:
    """Make a public name in the text lead to where it is described."""

    def link(match: re.Match[str]) -> str:
        name, member = match.groups()
        if name not in public:
            return match[0]
        given = getattr(core, name, None) or getattr(store, name)
        below = name + member if member and callable(vars(given).get(member)) else name
        return f"[{match[0]}]({public[name]}#{below.lower()})"

    return re.sub(r"(?<![`\[])`(\w+)(?:\.(\w+))?`(?![`\]])", link, text)


def _entry(module: ModuleType, name: str) -> str:
    given = getattr(module, name)
    if isinstance(given, type):
        return "\n".join([f"## {name}\n", _kind(given), *_members(given)])
    if inspect.isfunction(given):
        return f"## {name}\n\n{_code(given, f'def {name}')}\n{markdown(given)}"
    return f"## {name}\n\n{_assigned(name)}"


def _kind(given: type) -> str:
    """Return what a class is, how it is made and what it says of itself."""
    bases = [base.__name__ for base in given.__bases__ if base.__name__ in public]
    made = "" if inspect.isabstract(given) else _code(given, f"class {given.__name__}") + "\n"
    kind = [f"A kind of {', '.join(f'`{base}`' for base in bases)}.\n"] if bases else []
    return "\n".join([made, *kind, markdown(given)])


def _members(given: type) -> Iterator[str]:
    """Yield the public methods and properties that the class itself has."""
    for name, member in vars(given).items():
        method = getattr(member, "__func__", member)
        if name.startswith("_"):
            continue
        if isinstance(member, property | cached_property):
            yield f"### {given.__name__}.{name}\n\n{markdown(member)}"
        elif inspect.isfunction(method):
            decorator = f"@{type(member).__name__}\n" if method is not member else ""
            yield f"### {given.__name__}.{name}\n\n{_code(method, f'{decorator}def {name}')}\n{markdown(method)}"


def _code(given: Callable[..., Any], head: str) -> str:
    """Return the signature as code, on one line if it is short."""
    signature = inspect.signature(given)
    parameters = list(_parameters(signature))
    returned = "" if isinstance(given, type) else f" -> {_bare(signature.return_annotation)!r}"
    line = f"{head}({', '.join(parameters)}){returned}"
    if len(line.rpartition("\n")[2]) > 80:
        line = f"{head}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){returned}"
    return f"```python\n{line}\n```\n"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    star = False  # behind it parameters are given by name
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            yield "*"
        star = star or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        yield str(parameter.replace(annotation=_bare(parameter.annotation))).replace("<factory>", "...")


def _bare(annotation: Any) -> Any:
    return _Bare(annotation) if isinstance(annotation, str) else annotation


def _assigned(name: str) -> str:
    """Return what a name stands for that is neither a class nor a function, and the text below its assignment."""
    for home in (import_module(f"mirstore.core.{home}") for home, names in core._home.items() if name in names):
        body = ast.parse(inspect.getsource(home)).body
        for statement, text in pairwise(body):
            assigned = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name
            if assigned and isinstance(text, ast.Expr):
                return f"```python\n{ast.unparse(statement)}\n```\n\n{markdown(ast.literal_eval(text.value))}"
    raise LookupError(f"{name}: no text stands below its assignment")
