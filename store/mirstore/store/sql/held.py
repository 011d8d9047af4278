"""What a frame, and Python, can hold of what DuckDB answers: the rest is refused, where it would be another value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mirstore.core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_lost = {"uhugeint", "bit", "bignum", "time with time zone", "interval", "union"}
_inner = {"list", "array", "struct", "map"}
_first, _last = -719_162, 2_932_896  # [days since 1970] that Python's dates end with: the years 1 and 9999
_per_day = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
_infinity = 2**63 - 1  # of a timestamp; in ns, that is a time in the year 2262
_cast = "cast it to VARCHAR"


def refuse_types(columns: Sequence[tuple[Any, ...]]) -> None:
    """Refuse types that Arrow has no place for: it would take their bits for those of another.

    Parameters
    ----------
    columns : sequence of tuple
        As a connection's ``description`` has them: name and DuckDB's type.

    Raises
    ------
    UsageError
    """
    for name, kind, *_ in columns:
        if any(part in _lost for part in _ids(kind)):
            raise UsageError(f"column {name!r} has a type that a frame cannot hold: {kind}", hint=_cast)


def _ids(kind: Any) -> Iterator[str]:
    yield kind.id
    if kind.id in _inner:
        for _, child in kind.children:
            if hasattr(child, "id"):  # an array's length is none
                yield from _ids(child)


def refuse_values(table: pa.Table) -> None:
    """Refuse dates and times that Python has not: of other years than 1 to 9999, and the end of a day.

    Parameters
    ----------
    table : pa.Table

    Raises
    ------
    UsageError
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        for what, first, last, numbers in (found for chunk in column.chunks for found in _numbers(chunk)):
            import pyarrow.compute as pc

            ends = pc.min_max(numbers).as_py()
            if ends["min"] is not None and not first <= ends["min"] <= ends["max"] < last:
                raise UsageError(f"column {name!r} has {what}", hint=_cast)


def _numbers(array: pa.Array) -> Iterator[tuple[str, int, int, pa.Array]]:
    """Yield dates and times as numbers, also those in lists and structs, with what is strange outside of which ends."""
    import pyarrow as pa
    import pyarrow.types as kinds

    kind, years = array.type, "a date outside of the years 1 to 9999"
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        yield from _numbers(array.flatten())
    elif kinds.is_map(kind):
        yield from (found for part in (array.keys, array.items) for found in _numbers(part))
    elif kinds.is_struct(kind):
        yield from (found for part in array.flatten() for found in _numbers(part))
    elif kinds.is_date32(kind):
        yield years, _first, _last + 1, array.view(pa.int32())
    elif kinds.is_timestamp(kind):
        zones = kind.tz is not None  # in another one, it may be another day
        first, last = (_first + zones) * _per_day[kind.unit], (_last + 1 - zones) * _per_day[kind.unit]
        yield years, max(first, 2 - _infinity), min(last, _infinity), array.view(pa.int64())
    elif kinds.is_time64(kind):
        yield "a time of 24:00:00", 0, _per_day[kind.unit], array.view(pa.int64())
