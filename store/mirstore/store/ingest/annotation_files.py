"""Files of annotations: what each format says about one track, as rows of typed columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.columns import Column, most_rows
from mirstore.core.errors import MirstoreError, TrackError
from mirstore.core.text import shown
from mirstore.store.ingest.jams import read_jams
from mirstore.store.tables import cells, column_roles
from mirstore.store.tables.feature_columns import safe_names
from mirstore.store.tables.reading import read as read_table

start = Column(pl.Float64, "s", "where it begins", range=(0, None))
end = Column(pl.Float64, "s", "where it ends", range=(0, None))
_segment = {"start": start, "end": end, "label": Column(pl.String, "", "the label given")}
_line = {"start": start, "text": Column(pl.String, "", "the line sung from here on, or the whole text")}
_plain = ".lyrics.txt"
largest = 1 << 28  # [bytes] of a file
_slack = 0.01  # [s] by which a segment may reach into the next one: times are rounded


@dataclass(frozen=True)
class Parsed:
    """What a file says about a track.

    Attributes
    ----------
    columns : Mapping of str to Column
        As they look in this file; of type ``pl.Null`` where it has no values.
    rows : sequence of dict
    """

    columns: Mapping[str, Column]
    rows: Sequence[Mapping[str, Any]]


def kind_of(path: str) -> str:
    """Return the suffix that says how a file is read, in lower case; ``""`` if it is none of ours.

    Parameters
    ----------
    path : str

    Examples
    --------
    >>> kind_of("chords/01.LAB"), kind_of("cover.jpg")
    ('.lab', '')
    >>> kind_of("songs/01.lyrics.txt"), kind_of("labs/01.txt")
    ('.lyrics.txt', '.txt')
    """
    name = Path(path).name.lower()
    suffix = _plain if name.endswith(_plain) else Path(name).suffix
    return suffix if suffix in _readers else ""


def read(path: Path) -> dict[str, Parsed]:
    """Read a file by its suffix.

    Parameters
    ----------
    path : path
        ``.lab`` or ``.txt``: a start, an end [s] and a label per line. ``.lrc``: lyrics. ``.lyrics.txt``: lyrics, with
        or without times. ``.csv`` or ``.tsv``: a header with ``start`` and perhaps ``end`` [s]. ``.jams``.

    Returns
    -------
    dict of str to Parsed
        By namespace, which only JAMS has: ``""`` in all other formats.

    Raises
    ------
    TrackError
        If it is not what its suffix says.
    OSError
        If it cannot be read.
    """
    if path.stat().st_size > largest:
        raise TrackError("too large", f"has more than {largest >> 20} MB")
    found = _readers[kind_of(str(path))](path)
    for parsed in found.values():
        if len(parsed.rows) > most_rows:
            raise TrackError("too many rows", f"{len(parsed.rows):,} rows; {most_rows:,} are the most of one track")
    return found


def _text(path: Path) -> str:
    """Return a file's text, in UTF-8, UTF-16 or Windows-1252."""
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in content:
        raise TrackError("no text", "holds zero bytes: it is no text")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise TrackError("no text", "is neither UTF-8, UTF-16 nor Windows-1252 text") from None


def _segments(path: Path) -> dict[str, Parsed]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(re.split(r"\r\n?|\n", _text(path)), start=1):
        if line.strip() and not line.startswith("#"):
            parts = line.split(None, 2)
            if len(parts) < 3:
                raise TrackError("wrong line", f"line {number}: {shown(line)} is no start, end and label")
            rows.append({"start": _time(parts[0], number), "end": _time(parts[1], number), "label": parts[2].rstrip()})
    for number, (one, other) in enumerate(pairwise(rows), start=2):
        if other["start"] < one["start"]:
            raise TrackError("unordered", f"segment {number} begins at {other['start']:g} s, before the one above it")
        if other["start"] < one["end"] - _slack:
            times = f"segment {number} begins at {other['start']:g} s, where the one before ends at {one['end']:g} s"
            raise TrackError("overlapping", f"{times}; a table or JAMS may say several things at once")
    return {"": Parsed(_segment, rows)}


def _time(text: str, line: int) -> float:
    """Return a number that may have a decimal comma: between blanks a comma separates nothing."""
    try:
        return float(text if "." in text else text.replace(",", ".", 1))
    except ValueError:
        raise TrackError("wrong time", f"line {line}: {shown(text)} is no time [s]") from None


_stamp = re.compile(r"\s*\[(\d+):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_word_stamp = re.compile(r"<\d+:\d{1,2}(?:[.:]\d{1,3})?>")
_offset = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)


def _lyrics(path: Path) -> dict[str, Parsed]:
    """Read lyrics with times, which they must have."""
    text = _text(path)
    rows = _timed(text)
    if text.strip() and not rows:
        raise TrackError("no times", "has no line with a time, as [01:23.45]")
    return {"": Parsed(_line, rows)}


def said(text: str) -> Parsed:
    r"""Read a text without a file: lyrics with times, or else all of it as one row from the beginning on.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> said("[00:01.50]one[br]").rows, said("one\ntwo\n").rows
    ([{'start': 1.5, 'text': 'one[br]'}], [{'start': 0.0, 'text': 'one\ntwo'}])
    """
    return Parsed(_line, _timed(text) or ([{"start": 0.0, "text": text.strip()}] if text.strip() else []))


def _timed(text: str) -> list[dict[str, Any]]:
    """Return lines with times: ``[01:23.45]a line``, with several where it is sung again."""
    shift = int(match[1]) / 1000 if (match := _offset.search(text)) else 0.0  # how much earlier the lines are
    rows: list[dict[str, Any]] = []
    for line in re.split(r"\r\n?|\n", text):
        times = []
        while match := _stamp.match(line):
            times.append(60 * int(match[1]) + float(match[2].replace(":", ".")))
            line = line[match.end() :]
        words = " ".join(_word_stamp.sub(" ", line).split())
        rows += [{"start": max(0.0, time - shift), "text": words} for time in times]
    return sorted(rows, key=lambda row: row["start"])


def _table(path: Path) -> dict[str, Parsed]:
    if not _text(path).strip():
        return {"": Parsed({"start": start}, [])}
    try:
        frame = read_table(path, may_be_empty=True).frame
        begins = column_roles.find_start(frame.columns)
        if begins is None:
            raise TrackError("wrong columns", f"has no column 'start', but {', '.join(map(repr, frame.columns))}")
        ends = column_roles.find_end(frame.columns)
        named = {"start": begins, **({"end": ends} if ends else {})}
        rest = [name for name in frame.columns if name not in named.values()]
        named |= safe_names([name for name in rest if not column_roles.is_row_number(frame[name])])
        series = {name: _typed(frame[original], name in ("start", "end")) for name, original in named.items()}
    except TrackError:
        raise
    except MirstoreError as error:
        raise TrackError("wrong table", error.message.removeprefix(f"{path}: ")) from None
    if series["start"].null_count():
        raise TrackError("wrong time", f"row {series['start'].is_null().arg_true()[0] + 1} has no start")
    columns = {"start": start, **({"end": end} if ends else {})}
    texts = {name: f"column {original!r} of the annotation" for name, original in named.items()}
    rest = [name for name in named if name not in columns]
    columns |= {name: Column(series[name].dtype, "", texts[name], nullable=True) for name in rest}
    return {"": Parsed(columns, pl.DataFrame(series).to_dicts())}


def _typed(column: pl.Series, is_time: bool) -> pl.Series:
    found = cells.numbers(column)
    if is_time:
        bad = found.stray or ((1, column[0]) if found.values is None and len(column) else None)
        if bad or found.commas == "unclear":
            row, cell = bad or (1, column[0])
            raise TrackError("wrong time", f"row {row}, column {column.name!r}: {shown(cell)} is no time [s]")
    if found.values is None or found.commas == "unclear":
        return cells.text(column)
    return found.values if is_time or found.values.count() else pl.Series([None] * len(column), dtype=pl.Null)


_readers: dict[str, Callable[[Path], dict[str, Parsed]]] = {
    ".lab": _segments,
    ".txt": _segments,
    ".lrc": _lyrics,
    _plain: lambda path: {"": said(_text(path))},
    ".csv": _table,
    ".tsv": _table,
    ".jams": lambda path: {
        namespace: Parsed({"start": start, "end": end, **_declared(rows, namespace)}, rows)
        for namespace, rows in read_jams(_text(path)).items()
    },
}
suffixes = frozenset(_readers)
fixed: Mapping[str, Mapping[str, Column]] = {
    ".lab": _segment, ".txt": _segment, ".lrc": _line, _plain: _line, "column": _line, "tag": _line
}  # fmt: skip
"""Columns of what always has the same: formats by their suffix, and texts that stand in a table or in tags."""


def _declared(rows: Sequence[Mapping[str, Any]], namespace: str) -> dict[str, Column]:
    names = dict.fromkeys(name for row in rows for name in row if name not in ("start", "end"))
    kinds = {name: _type(row.get(name) for row in rows) for name in names}
    return {name: Column(kinds[name], "", f"{name} in JAMS, {namespace}", nullable=True) for name in names}


def _type(values: Iterable[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Null
    if kinds <= {int, float}:
        return pl.Float64
    return pl.Boolean if kinds == {bool} else pl.String


def united(all_columns: Iterable[Mapping[str, Column]]) -> dict[str, Column]:
    """Return the columns of files of one set: what one file has as text is text, and what one lacks may be null.

    Parameters
    ----------
    all_columns : iterable of Mapping of str to Column
        Per file; ``pl.Null`` is the type of a column without any value.
    """
    all_columns = list(all_columns)
    found: dict[str, Column] = {}
    for columns in all_columns:
        for name, column in columns.items():
            kinds = {kind for kind in (found.get(name, column).dtype, column.dtype) if kind != pl.Null}
            kind = kinds.pop() if len(kinds) == 1 else pl.String if kinds else pl.Null
            found[name] = replace(found.get(name, column), dtype=kind)
    lacking = {name for columns in all_columns for name in found.keys() - columns.keys()}
    return {
        name: replace(
            column,
            dtype=pl.String if column.dtype == pl.Null else column.dtype,
            nullable=column.nullable or name in lacking,
        )
        for name, column in found.items()
    }


def fitted(parsed: Parsed, columns: Mapping[str, Column], name: str, duration: float | None) -> list[dict[str, Any]]:
    """Return a file's rows with exactly the columns of its set.

    Parameters
    ----------
    parsed : Parsed
    columns : Mapping of str to Column
    name : str
        Of the set.
    duration : float or None [s]
        Of the track; None if it is not known.

    Raises
    ------
    TrackError
        If a time is impossible, or the file has columns that the set has not.
    """
    if more := [column for column in parsed.columns if column not in columns]:
        raise TrackError("wrong columns", f"has a column {more[0]!r}, which {name} has not: give it another name")
    for number, row in enumerate(parsed.rows, start=1):
        _check_times(number, row, duration)
    return [{key: _as(row.get(key), column, key) for key, column in columns.items()} for row in parsed.rows]


def _check_times(number: int, row: Mapping[str, Any], duration: float | None) -> None:
    begin, stop = row["start"], row.get("end")
    for time in (begin, *([stop] if stop is not None else [])):
        if not isfinite(time) or time < 0:
            raise TrackError("wrong time", f"row {number} is at {time:g} s")
    last = begin if stop is None else stop
    if last < begin:
        raise TrackError("wrong time", f"row {number} ends at {last:g} s, before it begins at {begin:g} s")
    if duration is not None and last > 0.1 + 1.01 * duration:
        raise TrackError("beyond the end", f"row {number} is at {last:g} s, but the track ends at {duration:.2f} s")


def _as(value: Any, column: Column, name: str) -> Any:
    """Return a value of a column's type: a set that began with text stays text, one that began with numbers numbers."""
    if value is None:
        return None
    if column.dtype == pl.String:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if (column.dtype == pl.Boolean) != isinstance(value, bool) or isinstance(value, str):
        raise TrackError("wrong value", f"column {name!r} has {shown(value)}, which is no {column.dtype}")
    return value if column.dtype == pl.Boolean else float(value)
