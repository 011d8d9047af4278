"""Tables as files: text with separators, Parquet, Excel and ARFF become one kind of frame, cells as written."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import IO

import polars as pl

from mirstore.core.errors import MirstoreError, UsageError
from mirstore.core.text import counted
from mirstore.store.tables.annotators import agreed
from mirstore.store.tables.formats import read_arff, read_excel, read_parquet
from mirstore.store.tables.headed import Table, header, named
from mirstore.store.tables.json_records import read_json
from mirstore.store.tables.part_files import read_parts

suffixes = frozenset(".csv .tsv .txt .tab .json .jsonl .parquet .arff .xlsx .xlsm .xlsb .xls .ods".split())
"""Of tables; text and ARFF may be gzipped."""
_separators = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_chunk = 500_000  # cells that stand in memory as Python text at one time


def is_table(path: str | Path) -> bool:
    """Return whether a file is a table by its name.

    Parameters
    ----------
    path : str or path

    Examples
    --------
    >>> is_table("genres.csv.gz"), is_table("song.flac")
    (True, False)
    """
    path = Path(path)
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower() in suffixes


def read(file: Path, *, may_be_empty: bool = False) -> Table:
    """Read a table whatever its format.

    Parameters
    ----------
    file : path
        CSV, TSV or text separated by semicolons or bars, in UTF-8, UTF-16 or Windows-1252; ARFF; JSON; these also
        gzipped; Parquet; Excel (needs the extra ``excel``). Headers of several rows, as pandas writes them, are joined:
        ``track_genre_top``. A pattern, as ``split-0/*.tsv``, is several tables, each a part of a split.
    may_be_empty : bool
        Whether a header alone is a table.

    Raises
    ------
    UsageError
        If it cannot be read, has no rows, or a row has other cells than the header.
    """
    if set("*?[") & set(file.name) and not file.exists():
        return read_parts(file, read)
    try:
        with file.open("rb") as stream:
            magic = stream.read(8)
        if magic[:4] == b"PAR1" or file.suffix.lower() == ".parquet":
            table = read_parquet(file)
        elif magic[:4] in (b"PK\3\4", b"\xd0\xcf\x11\xe0"):
            table = read_excel(file)
        else:
            encoding = _encoding(file)
            with _open(file, encoding) as text:
                sample = text.read(1 << 18)
            if sample.lstrip().startswith("%") or sample.lstrip()[:9].lower() == "@relation":
                with _open(file, encoding) as text:
                    table = read_arff(file, text)
            elif sample.lstrip()[:1] in ("{", "["):
                with _open(file, encoding) as text:
                    table = read_json(file, text)
            else:
                table = _read_text(file, encoding, sample)
    except MirstoreError:
        raise
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is neither UTF-8, UTF-16 nor Windows-1252 text", hint="save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{file}: cannot be read: {reason.lower()}") from None
    if table.frame.is_empty() and not may_be_empty:
        raise UsageError(f"{file}: has no rows")
    return table


def _open(file: Path, encoding: str) -> TextIOWrapper:
    return TextIOWrapper(_bytes(file), encoding, newline="")  # any other newline would change line feeds inside cells


def _bytes(file: Path) -> IO[bytes]:
    stream = file.open("rb")
    if stream.read(2) != b"\x1f\x8b":
        stream.seek(0)
        return stream
    stream.close()
    return gzip.open(file, "rb")  # type: ignore[return-value]


def _encoding(file: Path) -> str:
    """Return the first encoding that all of a file is valid in."""
    with _bytes(file) as stream:
        head = stream.read(1 << 16)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") and head[2:4] != b"\0\0":
        return "utf-16"
    if b"\0" in head:
        raise UsageError(f"{file}: holds zero bytes: it is no text", hint="save it as CSV in UTF-8")
    try:
        with _open(file, "utf-8-sig") as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _read_text(file: Path, encoding: str, sample: str) -> Table:
    remarks = ["read as Windows-1252, for it is no UTF-8"] if encoding == "cp1252" else []
    told = sample[4] if sample[:4].lower() == "sep=" and sample[5:6] in ("\r", "\n") else None  # Excel's first line
    usual = "\t" if ".tsv" in (suffix.lower() for suffix in file.suffixes) else ","
    separator = told or _separator(sample, usual)
    if separator != usual:
        remarks.append(f"separated by {_separators.get(separator, repr(separator))}")
    with _open(file, encoding) as text:
        if told:
            text.readline()
        rows = _rows(file, text, separator, first=2 if told else 1)
        head = [next(rows, None) for _ in range(6)]
        present = [row for row in head if row is not None]
        if not present:
            raise UsageError(f"{file}: has no rows")
        names, used = header([cells for _, cells in present], file)
        ragged = separator == "\t" and names[-1] == "TAGS"  # MTG-Jamendo runs tags over all columns from there on
        checked = _checked(file, names, present[used:], rows, separator, ragged)
        table = Table(file, _frame(names, checked), remarks)
    if ragged:
        tags, left_out = agreed(table.frame["TAGS"])
        table.frame = table.frame.with_columns(tags)
        table.remarks += [f"on {counted(left_out, 'tag')} annotators do not agree: left out"] if left_out else []
    return named(table)


def _separator(sample: str, default: str) -> str:
    """Return what splits the header into several cells and most rows into as many."""
    best, found = (0.0, 0), default
    for separator in _separators:
        rows = []
        try:
            for cells in csv.reader(StringIO(sample, newline=""), delimiter=separator, strict=True):
                rows += [cells] if cells else []
                if len(rows) == 50:
                    break
        except csv.Error:
            pass  # the sample ends within quotes, or these are not the quotes of this separator
        width = len(rows[0]) if rows else 0
        score = sum(len(cells) == width for cells in rows) / max(len(rows), 1), width
        if width > 1 and score > best:
            best, found = score, separator
    return found


def _rows(file: Path, text: TextIOWrapper, separator: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each row begins at, and its cells; empty rows are passed over."""
    csv.field_size_limit(1 << 30)  # lyrics are longer than the module's 128 kB
    reader = csv.reader(text, delimiter=separator, strict=True)
    line = first
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + first
    except csv.Error as error:
        reason = "opens a quote that is never closed" if "unexpected end" in str(error) else str(error)
        raise UsageError(
            f"{file}: line {line}: {reason}", hint='quote whole cells, and double the quotes inside: "12"" mix"'
        ) from None


def _checked(
    file: Path,
    names: Sequence[str],
    first: Sequence[tuple[int, list[str]]],
    rows: Iterator[tuple[int, list[str]]],
    separator: str,
    ragged: bool,
) -> Iterator[list[str]]:
    width = len(names)
    for part in (first, rows):
        for line, cells in part:
            if ragged:
                cells = [*cells[: width - 1], "|".join(cells[width - 1 :])]
            if len(cells) != width:
                raise UsageError(
                    f"{file}: line {line} has {len(cells)} cells, the header {width} "
                    f"(separated by {_separators.get(separator, repr(separator))})",
                    hint="quote cells that hold the separator, also decimal commas",
                )
            yield cells


def _frame(names: Sequence[str], rows: Iterator[list[str]]) -> pl.DataFrame:
    schema = {str(number): pl.String for number in range(len(names))}
    chunks = [pl.DataFrame(schema=schema)]
    chunk: list[list[str]] = []

    def flush() -> None:
        if chunk:
            columns = zip(schema, zip(*chunk, strict=True), strict=True)
            chunks.append(pl.DataFrame([pl.Series(name, cells, pl.String) for name, cells in columns]))
            chunk.clear()

    for cells in rows:
        chunk.append(cells)
        if len(chunk) * len(names) >= _chunk:
            flush()
    flush()
    frame = pl.concat(chunks)
    frame.columns = [name or f"\0{number}" * bool(number) for number, name in enumerate(names)]
    return frame
