"""Text that comes from outside: names separated by commas, and what must not steer a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import typer

from mirstore.core.errors import UsageError
from mirstore.core.text import visible

_beyond_ascii = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")  # what JSON does not escape itself


def tell(text: str, *, err: bool = False) -> None:
    """Print text for a person: nothing in it steers the terminal.

    Parameters
    ----------
    text : str
    err : bool
        On stderr.
    """
    typer.echo(lines(text), err=err)


def printable(text: str) -> str:
    r"""Return text on one line, without characters that steer a terminal; see `mirstore.core.text.visible`.

    Parameters
    ----------
    text : str
    """
    return visible(text)


def lines(text: str) -> str:
    """Return text of several lines without characters that steer a terminal; line feeds and tabs stay.

    Parameters
    ----------
    text : str
    """
    return visible(text, "\n\t")


def as_json(value: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None) -> str:
    """Return a value as JSON with readable letters; characters that steer a terminal are escaped as JSON does it.

    Parameters
    ----------
    value : what JSON can say
    indent : int, optional
    default : callable, optional
        Makes that of anything else.
    """
    text = json.dumps(value, ensure_ascii=False, default=default, indent=indent)
    return _beyond_ascii.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def listed(text: str, option: str) -> list[str]:
    """Return names separated by commas, as an option gives them.

    Parameters
    ----------
    text : str
    option : str
        That has it, for messages.

    Raises
    ------
    UsageError
        If there are none.

    Examples
    --------
    >>> listed("essentia, mel,", "--features")
    ['essentia', 'mel']
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"{option} {text!r} names nothing", hint=f"{option} NAME,NAME, or leave it out")
    return names
