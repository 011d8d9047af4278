"""Columns: what an extractor promises about each value that it writes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mirstore.core.errors import TrackError
from mirstore.core.packed import read
from mirstore.core.text import shown
from mirstore.core.values import check_value

if TYPE_CHECKING:
    from typing import Self

    from mirstore.core.tracks import Track

type_names = {"float16", "float32", "int16", "int32", "uint8"}

most_rows = 1_000_000  # of one track; frames belong into a tensor

Row = Mapping[str, Any]
"""One row of features: column name to value; the value of a tensor or a sound is an array."""


@dataclass(frozen=True)
class Tensor:
    """The type of a matrix that is kept outside the table, in a safetensors pack.

    Parameters
    ----------
    dtype : str
        ``"float16"``, ``"float32"``, ``"int16"``, ``"int32"`` or ``"uint8"``.
    shape : tuple of (int or None)
        None where the size differs from track to track, e.g. ``(128, None)`` for bands × frames.
    hop : float > 0 [s], optional
        How long a step of the last axis is: by it, features are cut into chunks of seconds, aligned in time.

    Examples
    --------
    >>> str(Tensor("float32", (128, None), hop=0.1))
    'float32[128 × n; 0.1 s]'
    """

    dtype: str
    shape: tuple[int | None, ...]
    hop: float | None = None

    def __post_init__(self) -> None:
        if self.dtype not in type_names:
            raise ValueError(f"dtype={self.dtype!r} must be one of {sorted(type_names)}")
        if self.hop is not None and not 0 < self.hop < math.inf:
            raise ValueError(f"hop={self.hop} must be more than 0 s")

    def __str__(self) -> str:
        size = " × ".join("n" if n is None else str(n) for n in self.shape)
        return f"{self.dtype}[{size}]" if self.hop is None else f"{self.dtype}[{size}; {self.hop:.9g} s]"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the tensor that was written as this text, None if it is no tensor's.

        Parameters
        ----------
        text : str
            As ``str`` writes a tensor; sizes that differ from track to track are ``n``.

        Examples
        --------
        >>> Tensor.parse("float16[96 × n]")
        Tensor(dtype='float16', shape=(96, None), hop=None)
        >>> Tensor.parse("Float32") is None
        True
        """
        match = re.fullmatch(r"(\w+)\[(.*?)(?:; (.+) s)?\]", text)
        if match is None or match[1] not in type_names:
            return None
        shape = tuple(None if size == "n" else int(size) for size in match[2].split(" × ") if size)
        return cls(match[1], shape, float(match[3]) if match[3] else None)


@dataclass(frozen=True)
class Sound:
    """The type of audio that an extractor makes, as a stem; any audio extractor can be pointed at it.

    A value is an array [shape=(channels, n), or (n,) if there is one channel], full scale ±1, or an `Audio`. It lasts
    as long as its track, to 0.1 s or 1 %, so that times in it are times in the track. It is kept in 16 bits below its
    own peak, which may exceed 1, and read as float32.

    Parameters
    ----------
    sr : int > 0 [Hz]
        Sampling rate.
    channels : int > 0

    Examples
    --------
    >>> str(Sound(44100, channels=2))
    'sound[2 × n at 44100 Hz]'
    """

    sr: int
    channels: int

    def __post_init__(self) -> None:
        if min(self.sr, self.channels) < 1:
            raise ValueError(f"sr={self.sr!r} and channels={self.channels!r} must be integers from 1")

    def __str__(self) -> str:
        return f"sound[{self.channels} × n at {self.sr} Hz]"


@dataclass(frozen=True)
class Column:
    """One column of a feature set, declared once for checks, docs, SQL views and reports.

    Parameters
    ----------
    dtype : polars data type, Tensor or Sound
        ``pl.Float32``, ``pl.Int32``, ``pl.String``, ``pl.Boolean``, ``pl.Array(pl.Float32, n)`` for vectors up
        to some 2,000 values, a `Tensor`, or a `Sound`.
    unit : str
        ``"Hz"``, ``"BPM"``, ``"dB"``, ``"s"``; ``""`` if it has none.
    text : str
        What it means, in a sentence that a musicologist can read.
    range : tuple of (float or None, float or None), optional
        Smallest and largest possible value; None, or infinity, where there is no such end: ``(0, None)``.
    nullable : bool
        Whether a track may have no value here (null; for floats also NaN, which is stored as null).
    fingerprint : str, optional
        ``"chromaprint"`` for text by which copies of a recording are found: a Chromaprint in base64.
    grid : str, optional
        Of a ``start`` column: what its times are, as ``"every 1 s"``. Two feature sets whose starts name the same grid
        have rows at the same times, and can be joined by them; others must be aggregated.

    Examples
    --------
    >>> tempo = Column(pl.Float32, "BPM", "tempo of the beat", range=(0, None), nullable=True)
    >>> tempo.ends
    (0, inf)
    >>> Column(Tensor("float32", (128, None)), "dB", "mel spectrogram").is_tensor
    True
    """

    dtype: Any
    unit: str
    text: str
    range: tuple[float | None, float | None] | None = None
    nullable: bool = False
    fingerprint: str | None = None
    grid: str | None = None

    def __post_init__(self) -> None:
        if self.range is not None and not _are_ends(self.range):
            raise ValueError(f"range={shown(self.range)} must be two numbers, None for an open end: (0, None)")

    @property
    def ends(self) -> tuple[float, float] | None:
        """The range with infinity for an open end."""
        if self.range is None:
            return None
        low, high = self.range
        return -math.inf if low is None else low, math.inf if high is None else high

    @property
    def is_tensor(self) -> bool:
        """Whether the value is a tensor."""
        return isinstance(self.dtype, Tensor)

    @property
    def is_sound(self) -> bool:
        """Whether the value is audio."""
        return isinstance(self.dtype, Sound)

    @property
    def is_packed(self) -> bool:
        """Whether the value lives in a pack and not in the table."""
        return self.is_tensor or self.is_sound


def _are_ends(ends: Any) -> bool:
    pair = isinstance(ends, list | tuple) and len(ends) == 2
    return pair and all(end is None or isinstance(end, Real) for end in ends)


def check_rows(
    rows: Row | Sequence[Row], columns: Mapping[str, Column], track: Track | None = None
) -> list[dict[str, Any]]:
    """Return an extractor's result as a list of rows in their order, or say how it breaks its declaration.

    Done before any frame is built, because polars drops extra keys silently and panics on wrong shapes; and what passes
    here can be stored.

    Parameters
    ----------
    rows : Row or sequence of Row
        What the extractor returned.
    columns : Mapping of str to Column
        What it declared.
    track : Track, optional
        What it was given: sounds must be as long.

    Returns
    -------
    list of dict
        By ``start``, then by the declared columns. The value of a sound is a `PCM`.

    Raises
    ------
    TrackError
        Reason ``"wrong columns"``, ``"wrong value"`` or ``"too many rows"``.

    Examples
    --------
    >>> columns = {"bpm": Column(pl.Float32, "BPM", "tempo of the beat", range=(0, None), nullable=True)}
    >>> check_rows({"bpm": 120}, columns)
    [{'bpm': 120.0}]
    >>> check_rows({"bpm": float("nan")}, columns)
    [{'bpm': None}]
    >>> check_rows({"tempo": 120.0}, columns)
    Traceback (most recent call last):
    mirstore.core.errors.TrackError: extractor returned other columns than declared: missing ['bpm'], ...
    """
    rows = [rows] if isinstance(rows, Mapping) else rows
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise TrackError("wrong columns", f"extractor returned {shown(rows)}, not a row or a list of rows")
    if len(rows) > most_rows:
        raise TrackError("too many rows", f"{len(rows):,} rows for one track; {most_rows:,} are the most")
    for row in rows:
        missing, extra = columns.keys() - row.keys(), row.keys() - columns.keys()
        if missing or extra:
            parts = [f"missing {sorted(missing)}"] * bool(missing) + [f"undeclared {sorted(extra)}"] * bool(extra)
            raise TrackError("wrong columns", f"extractor returned other columns than declared: {', '.join(parts)}")
    if "start" not in columns and len(rows) > 1:
        raise TrackError("wrong columns", f"{len(rows)} rows for one track need a 'start' column [s]")
    checked = [{name: check_value(name, row[name], column) for name, column in columns.items()} for row in rows]
    if track is not None:
        _check_lengths(checked, columns, track)
    return _ordered(checked, columns)


def _check_lengths(rows: Sequence[Row], columns: Mapping[str, Column], track: Track) -> None:
    for name, column in columns.items():
        for sound in (row[name] for row in rows if column.is_sound and row[name] is not None):
            if abs(sound.duration - track.duration) > max(0.1, 0.01 * track.duration):
                lengths = f"lasts {sound.duration:.2f} s, but what it was made of {track.duration:.2f} s"
                raise TrackError("wrong value", f"column {name!r}: {lengths}")


def order_of_rows(columns: Mapping[str, Column]) -> list[str]:
    """Return the columns by which a track's rows are ordered: ``start``, then all others with one plain value.

    Parameters
    ----------
    columns : Mapping of str to Column
        In the order of their declaration, which ``start`` alone leaves.
    """
    plain = [
        name for name, column in columns.items() if not column.is_packed and not isinstance(column.dtype, pl.Array)
    ]
    return sorted(plain, key=lambda name: name != "start")


def _ordered(rows: list[dict[str, Any]], columns: Mapping[str, Column]) -> list[dict[str, Any]]:
    if all(a["start"] < b["start"] for a, b in pairwise(rows)):
        return rows
    kinds = [(name, np.float32 if columns[name].dtype == pl.Float32 else _same) for name in order_of_rows(columns)]

    def place(row: Row) -> list[tuple[Any, ...]]:  # as the table will have it: nulls first, floats rounded
        return [(True, rounded(row[name])) if row[name] is not None else (False,) for name, rounded in kinds]

    return sorted(rows, key=place)


def _same(value: Any) -> Any:
    return value


def packed(columns: Mapping[str, Column]) -> list[str]:
    """Return the names of the columns whose values live in packs.

    Parameters
    ----------
    columns : Mapping of str to Column
    """
    return [name for name, column in columns.items() if column.is_packed]


def input_frame(rows: Sequence[Row], columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return one track's rows as the table that an extractor reads as its input.

    Parameters
    ----------
    rows : sequence of Row
        As `check_rows` returns them, or as they were stored; may be empty.
    columns : Mapping of str to Column
        What the input's extractor declares; other keys of the rows are left out.

    Returns
    -------
    pl.DataFrame
        The declared columns in their order; tensors and sounds have dtype ``pl.Object``: arrays, read-only where they
        are mapped.

    Examples
    --------
    >>> columns = {"start": Column(pl.Float64, "s", "onset"), "midi": Column(pl.Int32, "", "pitch")}
    >>> input_frame([{"start": 0.0, "midi": 60}, {"start": 0.5, "midi": 64}], columns)["midi"].to_list()
    [60, 64]
    """
    return pl.DataFrame([_series(name, [row[name] for row in rows], column.dtype) for name, column in columns.items()])


def _series(name: str, values: list[Any], dtype: Any) -> pl.Series:
    if isinstance(dtype, Tensor | Sound):
        return pl.Series(
            name, [None if value is None else np.asarray(read(value)) for value in values], dtype=pl.Object
        )
    if isinstance(dtype, pl.Array):  # by way of lists: polars takes no null between arrays
        lists = [None if value is None else list(value) for value in values]
        return pl.Series(name, lists, dtype=pl.List(dtype.inner)).cast(dtype)
    return pl.Series(name, values, dtype=dtype)
