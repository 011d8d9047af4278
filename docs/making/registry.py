"""The page about registry.toml: every table and key, from the classes that read it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from making.docstrings import items, prose
from mirstore.core import entries, experiment_entries
from mirstore.core.registry import Registry

tables = [
    kind
    for module in (entries, experiment_entries)
    for name, kind in vars(module).items()
    if name.endswith("Entry") and not name.startswith("_")
]
"""The class of each table."""

_types = {str: "string", int: "integer", float: "float", bool: "boolean", Any: "any value"}


def pages() -> Iterator[tuple[str, str]]:
    """Yield file name and text of the page."""
    shipped = (Path(__file__).parents[2] / "registry.toml").read_text()
    said, meanings = _split(Registry)
    own = [
        _key(name, field, meanings) for name, field in Registry.model_fields.items() if name in ("version", "plugins")
    ]
    intro = f"{said} `mirstore init` writes a first one. `N` stands for a name that you choose."
    parts = [f"# registry.toml\n\n{intro}\n", *own, "", *map(_table, tables)]
    yield "reference/registry.md", "\n".join([*parts, f"## What comes with mirstore\n\n```toml\n{shipped}```\n"])


def _table(kind: type[BaseModel]) -> str:
    said, meanings = _split(kind)
    keys = [_key(name, field, meanings) for name, field in kind.model_fields.items()]
    return "\n".join([f"## `{_title(kind)}`\n\n{said}\n", *keys, ""])


def _title(kind: type[BaseModel]) -> str:
    return (inspect.getdoc(kind) or "").split("``")[1]


def _split(kind: type[BaseModel]) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return what a class says of itself, without its title, and of each key its unit and its meaning."""
    said, _, body = (inspect.getdoc(kind) or "").partition("\nAttributes\n----------\n")
    text = re.sub(r"\A``.+?``:? ", "", said)
    return prose(text[0].upper() + text[1:]), {
        name: ("".join(re.findall(r"\[(.+)\]", kind)), prose(meaning))
        for names, kind, meaning in items(body)
        for name in names.split(", ")
    }


def _key(name: str, field: FieldInfo, meanings: dict[str, tuple[str, str]]) -> str:
    """Return a key: what it may be, what it is if it is not given, what it means."""
    unit, meaning = meanings[name]
    limits = [f"at least {limit.ge:g}" for limit in field.metadata if isinstance(limit, Ge)]
    limits += [f"more than {limit.gt:g}" for limit in field.metadata if isinstance(limit, Gt)]
    default = [f"default `{json.dumps(field.default)}`"] if isinstance(field.default, str | int) else []
    facts = [f"{_type(field.annotation)}{f' [{unit}]' * bool(unit)}", *limits]
    facts += ["required"] if field.is_required() else default
    return f"- `{field.alias or name}` ({', '.join(facts)}): {meaning}"


def _type(kind: Any) -> str:
    """Return a type in TOML's words."""
    parts = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) is Literal:
        return " or ".join(f"`{json.dumps(part)}`" for part in parts)
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(_type, parts))
    if get_origin(kind) in (list, dict):
        return f"{'array' if get_origin(kind) is list else 'table'} of {_type(parts[-1])}"
    if kind in _types:
        return _types[kind]
    title = _title(kind)
    return f"[`{title}`](#{re.sub(r'[^a-z]', '', title.lower())})"
