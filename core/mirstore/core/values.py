"""One value of a row against its column: it is stored as it was returned, or refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mirstore.core.chromaprints import decode
from mirstore.core.errors import TrackError
from mirstore.core.recording import Audio
from mirstore.core.sounds import PCM, faintest, loudest
from mirstore.core.text import shown

if TYPE_CHECKING:
    from mirstore.core.columns import Column

longest_text = 1 << 20  # characters: the transcript of 20 hours
_bits = {pl.Int8: 8, pl.Int16: 16, pl.Int32: 32, pl.Int64: 64}
_floats: dict[Any, type[np.floating[Any]]] = {pl.Float32: np.float32, pl.Float64: np.float64}


def check_value(name: str, value: Any, column: Column) -> Any:
    """Return a value as its column's type, never rounded to another one, or refuse it.

    Parameters
    ----------
    name : str
        Of the column.
    value : object
        What the extractor returned.
    column : Column
        What it declared.

    Raises
    ------
    TrackError
        Reason ``"wrong value"``.
    """
    try:
        if column.is_tensor:
            return _tensor(value, column)
        if column.is_sound:
            return _sound(value, column)
        if isinstance(column.dtype, pl.Array):
            return _vector(value, column)
        found = _scalar(value.item() if isinstance(value, np.generic) else value, column)
        if column.fingerprint is not None and found is not None:
            _check_fingerprint(found)
        return found
    except _WrongError as wrong:
        raise TrackError("wrong value", f"column {name!r}: {wrong}") from None


class _WrongError(ValueError):
    """What is wrong with the value."""


def _check_fingerprint(text: str) -> None:
    """All fingerprints of a store are read together at the end of an ingest: one that is none must not get there."""
    try:
        decode(text)
    except ValueError as error:
        raise _WrongError(f"is no fingerprint: {error}") from None


def _is_null(value: Any, column: Column) -> bool:
    if value is None and not column.nullable:
        raise _WrongError("is null and is not nullable")
    return value is None


def _tensor(value: Any, column: Column) -> np.ndarray | None:
    if _is_null(value, column):
        return None
    kind = column.dtype
    array = _array(value)
    if array.ndim != len(kind.shape) or any(n not in (None, m) for n, m in zip(kind.shape, array.shape, strict=True)):
        raise _WrongError(f"shape {array.shape} does not fit {kind}")
    if array.dtype.kind == "f" and not np.isfinite(array).all() and not column.nullable:
        raise _WrongError("has NaN or inf and is not nullable")
    if np.dtype(kind.dtype).kind in "iu" and not np.can_cast(array.dtype, kind.dtype):
        raise _WrongError(f"has type {array.dtype}, which does not fit {kind.dtype}")  # would wrap around
    return np.ascontiguousarray(_cast(array, kind.dtype))


def _sound(value: Any, column: Column) -> PCM | None:
    if _is_null(value, column):
        return None
    kind = column.dtype
    if isinstance(value, Audio):
        if (value.sr, value.channels) != (kind.sr, kind.channels):
            raise _WrongError(f"has {value.channels} × n samples at {value.sr} Hz, declared is {kind}")
        value = value.samples
    array = _array(value)
    if array.dtype.kind != "f":  # whose full scale nobody knows
        raise _WrongError(f"has type {array.dtype}; samples are floats, full scale ±1")
    samples = array[None] if array.ndim == 1 and kind.channels == 1 else array
    if samples.ndim != 2 or len(samples) != kind.channels:
        raise _WrongError(f"shape {array.shape} does not fit {kind}")
    if not np.isfinite(samples).all():  # also if it may be null: a sample is no value of its own
        raise _WrongError("has NaN or inf")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak and not faintest <= peak <= loudest:
        raise _WrongError(f"has a peak of {peak:.3g}, which no sound can hold; full scale is ±1, and silence is 0")
    return PCM.quantised(samples, kind.sr)


def _vector(value: Any, column: Column) -> np.ndarray | None:
    if _is_null(value, column):
        return None
    array = _array(value)
    if array.shape != (column.dtype.size,):
        raise _WrongError(f"shape {array.shape} does not fit ({column.dtype.size},)")
    if not np.isfinite(array).all() and not column.nullable:
        raise _WrongError("has NaN or inf and is not nullable")
    return _cast(array, "float32")


def _array(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except Exception:  # rows of different lengths, an __array__ that raises
        raise _WrongError(f"expected an array of numbers, got {shown(value)}") from None
    if array.dtype.kind not in "biuf":
        raise _WrongError(f"expected an array of numbers, got {shown(value)}")
    return array


def _cast(array: np.ndarray, kind: str) -> np.ndarray:
    if array.dtype == kind:
        return array  # large ones are not copied
    with np.errstate(all="ignore"):
        made = array.astype(kind)
    if made.dtype.kind == "f" and (np.isinf(made) != np.isinf(array)).any():  # 1e39 has no float32
        raise _WrongError(f"does not fit {kind}")
    return made


def _scalar(value: Any, column: Column) -> Any:
    kind = column.dtype
    if isinstance(value, float) and value != value:
        if not column.nullable:
            raise _WrongError("is NaN and is not nullable")
        return None
    if _is_null(value, column):
        return None
    if kind in _floats:
        return _number(value, _floats[kind])
    if kind in _bits:
        return _integer(value, _bits[kind])
    if kind == pl.Boolean:
        if not isinstance(value, bool):
            raise _WrongError(f"expected true or false, got {shown(value)}")
        return value
    if kind == pl.String:
        return _text(value)
    raise _WrongError(f"declared type {kind} is not supported")


def _number(value: Any, kind: type[np.floating[Any]]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _WrongError(f"expected a number, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        raise _WrongError(f"is {shown(value)}, which does not fit {kind.__name__}") from None
    if not np.isfinite(number):
        raise _WrongError(f"is {number}")
    with np.errstate(over="ignore"):
        if np.isinf(kind(number)):
            raise _WrongError(f"is {number}, which does not fit {kind.__name__}")
    return number


def _integer(value: Any, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _WrongError(f"expected an integer, got {shown(value)}")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise _WrongError(f"is {shown(value)}, which does not fit int{bits}")
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError(f"expected text, got {shown(value)}")
    if len(value) > longest_text:
        raise _WrongError(f"has {len(value):,} characters; {longest_text:,} are the most")
    if "\0" in value:
        raise _WrongError(f"has a character NUL: {shown(value)}")
    try:
        return str.encode(value, "utf-8").decode()  # also of a class of text that the plugin made
    except UnicodeEncodeError as error:
        raise _WrongError(f"has no UTF-8 form: {shown(value[error.start : error.end])} at {error.start}") from None
