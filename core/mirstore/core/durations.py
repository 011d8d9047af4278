"""How durations are written for people; JSON and tables of the store have seconds."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return seconds as people say them, in two units at most.

    Parameters
    ----------
    seconds : float >= 0 [s]

    Returns
    -------
    str
        ``"0.04 s"``, ``"4.2 s"``, ``"38 s"``, ``"4 min 12 s"``, ``"3 h 5 min"``, ``"2 d 4 h"``.

    Examples
    --------
    >>> duration(0.042), duration(4.2), duration(252), duration(11_100)
    ('0.04 s', '4.2 s', '4 min 12 s', '3 h 5 min')
    """
    if seconds < 59.5:
        return f"{round(seconds, 2 if seconds < 0.995 else 1 if seconds < 9.95 else 0):g} s"
    if (left := round(seconds)) < 3600:
        return _two(left, 60, "min", "s")
    if (minutes := round(left / 60)) < 24 * 60:
        return _two(minutes, 60, "h", "min")
    return _two(round(left / 3600), 24, "d", "h")


def _two(count: int, size: int, large: str, small: str) -> str:
    whole, rest = divmod(count, size)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"
