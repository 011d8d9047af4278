"""Docstrings as Markdown: sections become lists, examples code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from itertools import groupby

sections = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Examples")


def markdown(said: object) -> str:
    """Return what an object's docstring says, as Markdown.

    Parameters
    ----------
    said : object
        What has a docstring, or the docstring itself.
    """
    text = inspect.cleandoc(said) if isinstance(said, str) else inspect.getdoc(said) or ""
    first, *rest = re.split(rf"(?m)^({'|'.join(sections)})\n-+\n", text)
    parts = [prose(first)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        named = title not in ("Returns", "Yields")
        listed = "\n".join(_item(item, named) for item in items(body))
        parts += [f"**{title}**", examples(body) if title == "Examples" else listed]
    return "\n\n".join(part for part in parts if part) + "\n"


def prose(text: str) -> str:
    """Return text of which Markdown takes nothing but code for a sign of its own.

    Parameters
    ----------
    text : str
        With code in backticks, single or double.
    """
    pieces = re.split(r"(``.+?``|`[^`]+`)", text.strip(), flags=re.DOTALL)
    return "".join(piece if number % 2 else _plain(piece) for number, piece in enumerate(pieces))


def _plain(text: str) -> str:
    return re.sub(r"(?m)([*\\])", r"\\\1", text).replace("<", "&lt;")


def items(body: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and meaning of what a section describes; of a return value, or an error, there is no type.

    Parameters
    ----------
    body : str
        The section below its title.
    """
    for head, below in re.findall(r"(?m)^(\S.*)\n?((?:(?:[ ]+.*)?(?:\n|\Z))*)", body.strip("\n") + "\n"):
        name, _, kind = head.partition(" : ")
        yield name, kind, " ".join(below.split())


def _item(item: tuple[str, str, str], named: bool) -> str:
    name, kind, text = item
    names = ", ".join(f"`{each}`" for each in name.split(", ")) if named else prose(name)
    return f"- {names}{f' ({prose(kind)})' if kind else ''}{f': {prose(text)}' if text else ''}"


def examples(body: str) -> str:
    """Return the section ``Examples``: what is typed in Python or in a shell as code, what is said between as text.

    Parameters
    ----------
    body : str
        The section below its title.
    """
    blocks = [block for block in re.split(r"\n\s*\n(?!\.\.\.)", body.strip()) if block]
    kinds = groupby(blocks, lambda block: {">>> ": "pycon", "$ ": "console"}.get(block.split(" ")[0] + " "))
    return "\n\n".join(_code(kind, "\n".join(given)) if kind else prose("\n\n".join(given)) for kind, given in kinds)


def _code(language: str, text: str) -> str:
    return f"```{language}\n{re.sub(r'[ ]*# doctest: .*', '', text)}\n```"
