"""How the command line writes durations, and text that it did not write itself."""

from __future__ import annotations

import re

_units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
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
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    left = round(seconds)
    for number, (size, unit) in enumerate(_units):
        if left >= size:
            break
    if number + 1 == len(_units):
        return f"{left} s"
    smaller, name = _units[number + 1]
    whole, rest = divmod(round(left / smaller), size // smaller)
    # 59 min 59.7 s is an hour: rounding may reach the next unit
    if number and whole * size >= _units[number - 1][0]:
        return f"1 {_units[number - 1][1]}"
    return f"{whole} {unit} {rest} {name}" if rest else f"{whole} {unit}"


def printable(text: str) -> str:
    """Return text without characters that steer a terminal: tags and file names may hold any.

    Line feeds and tabs become ``\\n`` and ``\\t``, other control characters, and those that turn the direction of
    writing, ``\\x1b`` or ``\\u202e``.
    """
    return _control.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _named.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
