"""Text that comes from outside: names separated by commas, and what must not steer a terminal."""

from __future__ import annotations

import re

from mirstore.core.errors import UsageError

_control = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    r"""Return text without characters that steer a terminal: tags and file names may hold any.

    Line feeds and tabs become ``\n`` and ``\t``, other control characters, and those that turn the direction of
    writing, ``\x1b`` or ``\u202e``.

    Parameters
    ----------
    text : str
    """
    return _control.sub(_escaped, text)


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


def lines(text: str) -> str:
    """Return text of several lines, each of them `printable`.

    Parameters
    ----------
    text : str
    """
    return "\n".join(map(printable, text.split("\n")))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
