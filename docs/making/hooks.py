"""The page about hooks: what a plugin registers, and what is asked of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module

from making.docstrings import markdown, prose
from mirstore.core import hookspecs
from mirstore.core.checks import Check, general

names = [name for name in vars(hookspecs) if name.startswith("register_")]


def pages() -> Iterator[tuple[str, str]]:
    """Yield file name and text of the page."""
    asked = f"## Asked of every component\n\n`mirstore plugins check` tests it.\n\n{_checks(general.checks)}"
    yield "reference/hooks.md", "\n".join([f"# Hooks\n\n{markdown(hookspecs)}", *map(_hook, names), asked])


def _hook(name: str) -> str:
    """Return what a hook is for, and what is asked of the components that it registers."""
    hook = getattr(hookspecs, name)
    kind = name.removeprefix("register_")  # as the module of its checks is called
    checks = _checks(import_module(f"mirstore.core.checks.{kind}").checks)
    signature = f"```python\n@hookimpl\ndef {name}() -> {inspect.signature(hook).return_annotation}: ...\n```"
    return f"## {name}\n\n{signature}\n\n{markdown(hook)}\n`mirstore plugins check` tests of {kind}:\n\n{checks}"


def _checks(checks: Iterable[Check]) -> str:
    told = ((check.__name__.replace("_", " "), inspect.getdoc(check) or "") for check in checks)
    return "".join(f"- **{name}**: {prose(text)}\n" for name, text in told)
