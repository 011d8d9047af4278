"""Tables for people and for programs: text, CSV, JSON, Markdown, Parquet."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import typer

from mirstore.core.errors import UnknownNameError

formats = ("table", "csv", "json", "parquet", "md")


def show(frame: pl.DataFrame, output_format: str) -> None:
    """Write a frame to stdout.

    Parameters
    ----------
    frame : pl.DataFrame
        Of any size.
    output_format : str
        ``"table"``, ``"csv"``, ``"json"`` (one array of objects), ``"parquet"`` or ``"md"``.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    """
    _check(output_format)
    if output_format == "table":
        _table(frame)
    elif output_format == "parquet":
        buffer = BytesIO()
        frame.write_parquet(buffer)
        sys.stdout.buffer.write(buffer.getvalue())
    else:
        typer.echo(_text(frame, output_format), nl=False)


def save(frame: pl.DataFrame, path: Path, output_format: str) -> None:
    """Write a frame to a file; see `show` for the formats."""
    _check(output_format)
    if output_format == "parquet":
        frame.write_parquet(path)
    else:
        path.write_text(_text(frame, "csv" if output_format == "table" else output_format), encoding="utf-8")


def _check(output_format: str) -> None:
    if output_format not in formats:
        raise UnknownNameError("format", output_format, formats)


def _text(frame: pl.DataFrame, output_format: str) -> str:
    if output_format == "csv":
        return _flat(frame).write_csv()
    if output_format == "json":
        import json

        rows = [{name: _plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]
        return json.dumps(rows, ensure_ascii=False, default=str) + "\n"
    lines = [frame.columns, ["---"] * frame.width, *([_cell(value) for value in row] for row in frame.iter_rows())]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _plain(value: Any) -> Any:
    """Return what JSON can say: NaN and infinity are null, times are ISO 8601, bytes are hexadecimal."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with lists and structs as JSON text and bytes as hexadecimal: CSV has neither."""
    import json

    def text(value: Any) -> str | None:
        if value is None or isinstance(value, bytes):
            return _plain(value)
        return json.dumps(_plain(value), ensure_ascii=False, default=str)

    return frame.with_columns(
        pl.Series(name, [text(value) for value in frame[name].to_list()], pl.String)
        for name, kind in frame.schema.items()
        if kind.is_nested() or kind == pl.Binary
    )


def _table(frame: pl.DataFrame) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [[_short(name, value) for name, value in zip(frame.columns, row, strict=True)] for row in frame.iter_rows()]
    for number, (name, kind) in enumerate(frame.schema.items()):
        # Long texts give way first where there is no room, numbers and ids never: they are useless when cut.
        longest = max((len(row[number]) for row in rows), default=0)
        table.add_column(
            name,
            justify="right" if kind.is_numeric() else "left",
            overflow="ellipsis",
            no_wrap=longest <= 24,
            min_width=longest if longest <= 16 else None,
        )
    for row in rows:
        table.add_row(*(Text(text, no_wrap=True, overflow="ellipsis") for text in row))
    Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 200).print(table)


def _short(name: str, value: Any) -> str:
    text = _cell(value).replace("\\|", "|")
    return text[:10] if name == "track" and len(text) == 64 else text
