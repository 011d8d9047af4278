"""Answers for people and for programs: tables, CSV, TSV, JSON, JSON lines, Markdown, Parquet."""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.cli.text import as_json, lines, printable
from mirstore.core.errors import UnknownNameError, UsageError

_formula = "^[=+\\-@\\t\\r]"  # what Excel, LibreOffice and others take for the beginning of one
_number = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
formats = ("table", "csv", "tsv", "json", "jsonl", "parquet", "md")


def show(frame: pl.DataFrame, output_format: str) -> None:
    """Write a frame to stdout.

    Parameters
    ----------
    frame : pl.DataFrame
        Of any size.
    output_format : str
        ``"table"`` (whole where stdout is no terminal, see `mirstore.cli.table`), ``"csv"``, ``"tsv"``, ``"json"``
        (one array of objects), ``"jsonl"`` (an object a line), ``"parquet"`` or ``"md"``.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    UsageError
        If Parquet would go to a terminal.
    """
    check_format(output_format)
    if output_format == "table":
        from mirstore.cli.table import draw

        draw(frame)
    elif output_format == "parquet":
        if sys.stdout.isatty():
            raise UsageError("parquet is not for reading on a terminal", hint="send it to a file: … > answer.parquet")
        buffer = BytesIO()
        frame.write_parquet(buffer)
        sys.stdout.buffer.write(buffer.getvalue())
    else:
        write(_text(frame, output_format))


def write(text: str) -> None:
    """Write data to stdout: as it is for a program or a file, without what would steer a terminal for a person.

    Parameters
    ----------
    text : str
    """
    sys.stdout.write(lines(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def save(frame: pl.DataFrame, path: Path, output_format: str) -> None:
    """Write a frame to a file; see `show` for the formats.

    Parameters
    ----------
    frame : pl.DataFrame
    path : path
    output_format : str
    """
    check_format(output_format)
    if output_format == "parquet":
        frame.write_parquet(path)
    else:
        path.write_text(_text(frame, "csv" if output_format == "table" else output_format), encoding="utf-8")


def check_format(output_format: str, *, safe_csv: bool = False) -> None:
    """Refuse a format that there is not, before anything is computed for it.

    Parameters
    ----------
    output_format : str
    safe_csv : bool
        Whether formulas are to be disarmed, see `disarmed`.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    UsageError
        If there is nothing to disarm in it.
    """
    if output_format not in formats:
        raise UnknownNameError("format", output_format, formats)
    if safe_csv and output_format not in ("csv", "tsv"):
        raise UsageError(f"--safe-csv changes csv and tsv, not {output_format}", hint="--format csv, or leave it out")


def disarmed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose texts a spreadsheet does not run: what would be a formula gets a ``'`` in front.

    Parameters
    ----------
    frame : pl.DataFrame
    """
    texts = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    cells = pl.col(pl.String)
    runs = cells.str.contains(_formula) & ~cells.str.contains(_number)
    safe = texts.with_columns(pl.when(runs).then(pl.lit("'") + cells).otherwise(cells).name.keep())
    return safe.rename({name: f"'{name}" for name in frame.columns if re.match(_formula, name)})


def records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as what JSON can say: NaN and infinity are null, times ISO 8601, bytes hexadecimal.

    Parameters
    ----------
    frame : pl.DataFrame
    """
    return [{name: _plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)]


def _text(frame: pl.DataFrame, output_format: str) -> str:
    if output_format in ("csv", "tsv"):
        return _flat(frame).write_csv(separator="\t" if output_format == "tsv" else ",")
    if output_format == "json":
        return as_json(records(frame), default=str) + "\n"
    if output_format == "jsonl":
        return "".join(as_json(row, default=str) + "\n" for row in records(frame))
    head = [printable(name) for name in frame.columns]
    table = [head, ["---"] * frame.width, *([_cell(value) for value in row] for row in frame.iter_rows())]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)


def _plain(value: Any) -> Any:
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
    """Return a value for Markdown, on one line."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return printable(text.replace("|", "\\|").replace("\r\n", " ").replace("\n", " ").replace("\t", " "))


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with lists and structs as JSON text and bytes as hexadecimal: CSV has neither."""

    def text(value: Any) -> str | None:
        if value is None or isinstance(value, bytes):
            return _plain(value)
        return as_json(_plain(value), default=str)

    return frame.with_columns(
        pl.Series(name, [text(value) for value in frame[name].to_list()], pl.String)
        for name, kind in frame.schema.items()
        if kind.is_nested() or kind == pl.Binary
    )
