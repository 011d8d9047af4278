"""Formats of tables that are no plain text: Parquet, Excel, and Weka's ARFF as openSMILE writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import polars as pl

from mirstore.core.errors import PluginError, UsageError
from mirstore.store.tables.headed import Table, header, named, refuse_equal


def read_parquet(file: Path) -> Table:
    """Read Parquet: categories become text, structs one column per field; bytes are left out.

    Parameters
    ----------
    file : path

    Raises
    ------
    UsageError
        If it is damaged, or two columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet

    usual = pa.default_memory_pool()
    try:
        pa.set_memory_pool(pa.system_memory_pool())  # the others keep what reading took, as much as the table itself
        with pa.parquet.ParquetFile(file, page_checksum_verification=True) as parquet:  # polars panics at damage
            names = parquet.schema_arrow.names
            refuse_equal(names, file)
            columns = []
            # One by one, or what is unpacked on the way would stay until the end, as much as the table itself;
            # and each a series of its own, or none would be let go of before all are.
            for number, name in enumerate(names):
                column = parquet.read([name], use_threads=False)[name]
                try:
                    column.validate(full=True)  # text that is no UTF-8
                except pa.ArrowInvalid as error:
                    raise ValueError(f"column {name!r}: {error}") from None
                columns.append(pl.Series(f"{number}", pl.from_arrow(column, rechunk=False)))  # which would copy all
        frame = pl.DataFrame(columns)
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{file}: cannot be read as Parquet: {reason}") from None
    finally:
        pa.set_memory_pool(usual)
    frame.columns = names  # polars has a name of its own for the empty one
    table = Table(file, frame)
    while structs := [name for name, kind in table.frame.schema.items() if isinstance(kind, pl.Struct)]:
        flat = [
            pl.col(name).struct.unnest().name.prefix(f"{name}_") if name in structs else pl.col(name)
            for name in table.frame.columns
        ]
        prefixed = [
            f"{name}_{part.name}"
            for name in structs
            for part in table.frame.schema[name].fields  # type: ignore[attr-defined]
        ]
        refuse_equal([*prefixed, *(name for name in table.frame.columns if name not in structs)], file)
        table.frame = table.frame.select(flat)
    for name, kind in table.frame.schema.items():
        if kind in (pl.Binary, pl.Object):
            table.frame = table.frame.drop(name)
            table.remarks.append(f"column {name!r} holds bytes: left out")
    texts = [name for name, kind in table.frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    table.frame = table.frame.with_columns(pl.col(texts).cast(pl.String))
    return table


def read_excel(file: Path) -> Table:
    """Read the first sheet of a workbook, every cell as text.

    Parameters
    ----------
    file : path

    Raises
    ------
    PluginError
        If the extra is not installed.
    """
    try:
        import fastexcel
    except ImportError:
        raise PluginError(f"{file}: Excel needs an extra", hint="pip install 'mirstore[excel]'") from None
    try:
        sheets = fastexcel.read_excel(file).sheet_names
        cells = pl.read_excel(
            file, engine="calamine", has_header=False, infer_schema_length=0, raise_if_empty=False, sheet_id=1
        )
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"{file}: cannot be read as Excel: {str(error).splitlines()[0]}") from None
    cells = cells.with_columns(pl.all().cast(pl.String).fill_null(""))
    cells = cells.filter(pl.any_horizontal(pl.all().str.strip_chars() != "")) if cells.width else cells
    if cells.is_empty():
        raise UsageError(f"{file}: its first sheet has no rows")
    names, used = header([list(row) for row in cells.head(6).iter_rows()], file)
    frame = cells[used:]
    frame.columns = [name or f"\0{number}" * bool(number) for number, name in enumerate(names)]
    left_out = [f"sheet {sheets[0]!r} was read, not {', '.join(map(repr, sheets[1:]))}"] if sheets[1:] else []
    return named(Table(file, frame, left_out))


_token = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,]*?))\s*(?:,|$)""", re.DOTALL)
_attribute = re.compile(r"""@attribute\s+(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\S+))\s+\S""", re.IGNORECASE)


def read_arff(file: Path, text: TextIOWrapper) -> Table:
    """Read ARFF: a header of attributes, then rows of cells in order; ``?`` is a missing one.

    Parameters
    ----------
    file : path
        For messages.
    text : TextIOWrapper
        The open file.

    Raises
    ------
    UsageError
        If a line cannot be understood.
    """
    names: list[str] = []
    rows: list[list[str]] = []
    data = False
    for number, line in enumerate(text, start=1):
        line = line.strip()
        if not line or line.startswith("%"):
            continue
        if not data:
            word = line.split()[0].lower()
            data = word == "@data"
            if word == "@attribute":
                match = _attribute.match(line)
                if match is None:
                    raise UsageError(f"{file}: line {number} is no attribute: {line[:60]!r}")
                names.append(_unquoted(match))
            elif word not in ("@data", "@relation"):
                raise UsageError(f"{file}: line {number} is no ARFF: {line[:60]!r}")
            continue
        if line.startswith("{"):
            raise UsageError(f"{file}: line {number} is sparse ARFF", hint="save it as CSV")
        cells = list(_cells(line))
        if len(cells) != len(names):
            raise UsageError(f"{file}: line {number} has {len(cells)} cells, the header {len(names)}")
        rows.append(cells)
    refuse_equal(names, file)
    columns = zip(*rows, strict=True) if rows else iter([()] * len(names))
    frame = [pl.Series(name, cells, pl.String) for name, cells in zip(names, columns, strict=True)]
    return Table(file, pl.DataFrame(frame))


def _cells(line: str) -> Iterator[str]:
    position, more = 0, True
    while more:
        match = _token.match(line, position)
        if match is None:  # text after a closing quote: the cell as it stands
            end = line.find(",", position)
            end = len(line) if end < 0 else end
            yield line[position:end].strip()
            more, position = end < len(line), end + 1
            continue
        yield _unquoted(match)
        position = match.end()
        more = match.group().endswith(",")


def _unquoted(match: re.Match[str]) -> str:
    single, double, bare = match.groups()[:3]
    quoted = single if single is not None else double
    return str(bare) if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
