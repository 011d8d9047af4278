"""Tables of text: cut to a terminal's size with a word about what is left out, whole where stdout is none.

A table on a terminal is for reading: numbers have six digits, tracks the first ten letters of their hash. A table that
another program reads (``| grep``, ``> file``) has every row, every column and every digit.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from mirstore.cli.text import printable

most_rows = 40  # on a terminal; of more, the first and the last 20 are shown
_readable = 16  # letters; a longer text is cut to that many where there is no room, a number never
_gap = "  "
_slice = 100_000  # rows that are text at once


def draw(frame: pl.DataFrame) -> None:
    """Write a table to stdout.

    Parameters
    ----------
    frame : pl.DataFrame
    """
    lines = on_terminal(frame, shutil.get_terminal_size().columns) if sys.stdout.isatty() else whole(frame)
    sys.stdout.writelines(f"{line}\n" for line in lines)


def whole(frame: pl.DataFrame) -> Iterator[str]:
    """Yield the lines of a table that nothing is left out of.

    Parameters
    ----------
    frame : pl.DataFrame
    """
    heads = [printable(name) for name in frame.columns]
    widths = [_size(head) for head in heads]
    for part in frame.iter_slices(_slice):
        widths = [max(width, _longest(_exact(series))) for width, series in zip(widths, part, strict=True)]
    right = [kind.is_numeric() for kind in frame.dtypes]
    yield from _head(heads, widths, right)
    for part in frame.iter_slices(_slice):
        yield from (_line(cells, widths, right) for cells in zip(*map(_exact, part), strict=True))
    yield ""


def on_terminal(frame: pl.DataFrame, width: int) -> Iterator[str]:
    """Yield the lines of a table that fits a terminal.

    Parameters
    ----------
    frame : pl.DataFrame
    width : int
        Of the terminal [columns].

    Yields
    ------
    str
        Lines no wider than the terminal, but for the last ones, which say how many rows, and which columns, are left
        out.
    """
    half = most_rows // 2
    cut = frame.height > most_rows
    shown = pl.concat([frame.head(half), frame.tail(half)]) if cut else frame
    heads = [printable(name) for name in frame.columns]
    columns = [[_short(series.name, value) for value in series.to_list()] for series in shown]
    if cut:
        columns = [[*cells[:half], "…", *cells[half:]] for cells in columns]
    right = [kind.is_numeric() for kind in frame.dtypes]
    wanted = [max(_size(head), _longest(cells)) for head, cells in zip(heads, columns, strict=True)]
    widths = _fitted(wanted, right, width)
    yield from _head(heads[: len(widths)], widths, right)
    yield from (_line(cells, widths, right) for cells in zip(*columns[: len(widths)], strict=True))
    yield ""
    if cut:
        yield f"{frame.height:,} rows, the first and the last {half} are shown; all of them: … | less -S"
    if left_out := heads[len(widths) :]:
        yield f"no room for {', '.join(left_out)}; all of them: … | less -S"


def _fitted(widths: list[int], numeric: Sequence[bool], room: int) -> list[int]:
    """Return the widths of the columns that there is room for, from the left: long texts give way, numbers never."""

    def spare(number: int) -> int:
        return 0 if numeric[number] else max(0, widths[number] - _readable)

    while _total(widths) > room and any(map(spare, range(len(widths)))):
        widths[max(range(len(widths)), key=spare)] -= 1
    while _total(widths) > room and len(widths) > 1:
        widths.pop()
    return [min(width, room) for width in widths]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_gap) * (len(widths) - 1)


def _head(heads: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    yield from ("", _line(heads, widths, right), "─" * _total(widths))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return _gap.join(map(_padded, cells, widths, right)).rstrip()


def _padded(text: str, width: int, right: bool) -> str:
    size = _size(text)
    if size > width:
        text = _cut(text, width)
        size = _size(text)
    return " " * (width - size) + text if right else text + " " * (width - size)


def _cut(text: str, width: int) -> str:
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"


def _size(text: str) -> int:
    """Return how many columns a text takes: Chinese and Japanese letters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _longest(cells: Sequence[str]) -> int:
    return max(map(_size, cells), default=0)


def _exact(series: pl.Series) -> list[str]:
    if series.dtype.is_numeric():
        return series.cast(pl.String).fill_null("").to_list()
    return ["" if value is None else printable(str(value)) for value in series.to_list()]


def _short(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = printable(f"{value:.6g}" if isinstance(value, float) else str(value))
    return text[:10] if name == "track" and len(text) == 64 else text
