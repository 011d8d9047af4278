"""Tables in JSON: records, columns as pandas writes them, records by their ids, or a record per line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.tables.headed import Table

_scalar = (str, int, float, bool, type(None))


def read_json(file: Path, text: TextIOWrapper) -> Table:
    """Read JSON: a list of records, columns with a value per row, records by their ids, or a record per line.

    Parameters
    ----------
    file : path
        For messages.
    text : TextIOWrapper
        The open file.

    Raises
    ------
    UsageError
        If it is no JSON, no table, or has values inside values other than lists.
    """
    try:
        records, remarks = _records(_parsed(text.read()), file)
        names = list(dict.fromkeys(name for record in records for name in record))
        return Table(file, pl.DataFrame([_column(name, records, file) for name in names]), remarks)
    except (ValueError, RecursionError) as error:  # half a surrogate pair, which JSON may escape, is no text
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"{file}: cannot be read as JSON: {reason}") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _records(content: Any, file: Path) -> tuple[Sequence[Mapping[str, Any]], list[str]]:
    if isinstance(content, Mapping) and content:
        values = list(content.values())
        if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
            return [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)], []
        if all(isinstance(value, Mapping) for value in values):
            rows = dict.fromkeys(key for value in values for key in value)
            if list(rows) == [str(number) for number in range(len(rows))]:  # as DataFrame.to_json writes it
                return [{name: content[name].get(row) for name in content} for row in rows], []
            if any("id" in value for value in values):
                return values, ["records by keys, which are left out: the records have an 'id' of their own"]
            return [{"id": key, **value} for key, value in content.items()], ["records by their ids: column 'id'"]
        if all(isinstance(value, _scalar) for value in values):
            return [content], []
    if isinstance(content, list) and content and all(isinstance(record, Mapping) for record in content):
        return content, []
    raise UsageError(f"{file}: is JSON, and no table", hint='a list of records: [{"id": "a", "genre": "rock"}, …]')


def _column(name: str, records: Sequence[Mapping[str, Any]], file: Path) -> pl.Series:
    values = [record.get(name) for record in records]
    for number, value in enumerate(values, start=1):
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, _scalar) for part in parts):
            raise UsageError(f"{file}: record {number} has values inside {name!r}", hint="make it flat")
    if any(isinstance(value, list) for value in values):
        listed = [value if isinstance(value, list) or value is None else [value] for value in values]
        alike = all(_is_number(part) for value in listed if value for part in value)
        return pl.Series(name, listed if alike else [v and [_text(part) for part in v] for v in listed], strict=False)
    if all(_is_number(value) for value in values):
        return pl.Series(name, values, strict=False)
    return pl.Series(name, [_text(value) for value in values], pl.String)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)
