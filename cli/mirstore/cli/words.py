"""How the command line writes durations, and text that it did not write itself."""

from __future__ import annotations

import re

_control = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def duration(seconds: float) -> str:
    """Return seconds as people say them, in two units at most.

    Parameters
    ----------
    seconds : float >= 0 [s]

    Returns
    -------
    str
        ``"0.04 s"``, ``"4.2 s"``, ``"38 s"``, ``"4 min 12 s"``, ``"3 h 5 min"``, ``"2 d 4 h"``.
    """
    if seconds < 59.5:
        return f"{seconds:.{2 if seconds < 0.995 else 1 if seconds < 9.95 else 0}f} s"
    if (left := round(seconds)) < 3600:
        return _two(left, 60, "min", "s")
    if (minutes := round(left / 60)) < 24 * 60:
        return _two(minutes, 60, "h", "min")
    return _two(round(left / 3600), 24, "d", "h")


def _two(count: int, size: int, large: str, small: str) -> str:
    whole, rest = divmod(count, size)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"


def printable(text: str) -> str:
    r"""Return text without characters that steer a terminal: tags and file names may hold any.

    Line feeds and tabs become ``\n`` and ``\t``, other control characters, and those that turn the direction of
    writing, ``\x1b`` or ``\u202e``.
    """
    return _control.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
