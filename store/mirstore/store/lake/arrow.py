"""How a column's declaration becomes a type in DuckDB and in Arrow, and rows become Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from mirstore.core.columns import Column
from mirstore.core.features import FeatureSet
from mirstore.core.text import storable
from mirstore.store.lake.quoting import identifier
from mirstore.store.lake.schema import columns_of, revision

_reference = pa.struct({"pack": pa.string(), "key": pa.string(), "dtype": pa.string(), "shape": pa.list_(pa.int32())})
_sound = pa.struct(
    {"pack": pa.string(), "key": pa.string(), "sr": pa.int32(), "channels": pa.int32(), "samples": pa.int64(),
     "scale": pa.float64()}
)  # fmt: skip
_arrow: dict[Any, pa.DataType] = {
    pl.Float32: pa.float32(),
    pl.Float64: pa.float64(),
    pl.Int8: pa.int32(),
    pl.Int16: pa.int32(),
    pl.Int32: pa.int32(),
    pl.Int64: pa.int64(),
    pl.String: pa.string(),
    pl.Boolean: pa.bool_(),
}
_sql = {
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us"): "TIMESTAMP",
    pa.list_(pa.float32()): "FLOAT[]",
    _reference: "STRUCT(pack VARCHAR, key VARCHAR, dtype VARCHAR, shape INTEGER[])",
    _sound: "STRUCT(pack VARCHAR, key VARCHAR, sr INTEGER, channels INTEGER, samples BIGINT, scale DOUBLE)",
}
sql_types = {
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "varchar": "VARCHAR",
    "boolean": "BOOLEAN",
    "list": "FLOAT[]",
    "struct": _sql[_reference],
    "sound": _sql[_sound],
}
"""SQL's types of features by their names in DuckLake's catalogue; a sound is a struct there, too."""


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type of a column's values in its table.

    Parameters
    ----------
    column : Column
    """
    if column.is_packed:
        return _sound if column.is_sound else _reference
    if isinstance(column.dtype, pl.Array):
        return pa.list_(pa.float32())
    return _arrow[column.dtype]


def arrow_schema(columns: Mapping[str, Column]) -> pa.Schema:
    """Return the Arrow schema of a feature table: track, start and end first.

    Parameters
    ----------
    columns : Mapping of str to Column

    Examples
    --------
    >>> columns = {"bpm": Column(pl.Float32, "BPM", "tempo"), "start": Column(pl.Float64, "s", "where it begins")}
    >>> arrow_schema(columns).names
    ['track', 'start', 'bpm']
    """
    ordered = sorted(columns, key=lambda name: {"start": 0, "end": 1}.get(name, 2))
    return pa.schema([("track", pa.string()), *((name, arrow_type(columns[name])) for name in ordered)])


def table_schema(feature: FeatureSet) -> pa.Schema:
    """Return the Arrow schema of a feature set's table.

    Parameters
    ----------
    feature : FeatureSet
    """
    schema = arrow_schema(feature.columns)
    return schema.append(pa.field(revision, pa.int64())) if feature.is_revisable else schema


def data_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a data file of ``core``, its columns numbered as DuckLake knows them.

    Parameters
    ----------
    table : str
        Its name in ``core``.
    """
    kinds = {sql: kind for kind, sql in _sql.items()}
    numbered = enumerate(columns_of(table).items(), start=1)
    return pa.schema(
        pa.field(name, kinds[sql], metadata={"PARQUET:field_id": str(number)}) for number, (name, sql) in numbered
    )


def sql_columns(schema: pa.Schema) -> str:
    """Return the column list of CREATE TABLE.

    Parameters
    ----------
    schema : pa.Schema

    Examples
    --------
    >>> sql_columns(pa.schema([("track", pa.string()), ("bpm", pa.float32())]))
    '"track" VARCHAR, "bpm" FLOAT'
    """
    return ", ".join(f"{identifier(name)} {kind}" for name, kind in sql_kinds(schema).items())


def sql_kinds(schema: pa.Schema) -> dict[str, str]:
    """Return SQL's type of each column.

    Parameters
    ----------
    schema : pa.Schema
    """
    return {field.name: _sql[_unnamed(field.type)] for field in schema}


def _unnamed(kind: pa.DataType) -> pa.DataType:
    """Return a type as it is here: Parquet names what is in a list otherwise."""
    if pa.types.is_struct(kind):
        return pa.struct([(part.name, _unnamed(part.type)) for part in kind])
    return pa.list_(_unnamed(kind.value_type)) if pa.types.is_list(kind) else kind


def to_arrow(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table of exactly this schema; keys that a row lacks are null, text that is none is escaped.

    Parameters
    ----------
    rows : sequence of Mapping of str to value
    schema : pa.Schema
    """
    columns = {field.name: [_plain(row.get(field.name)) for row in rows] for field in schema}
    try:
        return pa.Table.from_pydict(columns, schema=schema)
    except UnicodeEncodeError:  # a file name, or a message with one; an extractor's text was refused before
        escaped = {
            name: [storable(value) if isinstance(value, str) else value for value in values]
            for name, values in columns.items()
        }
        return pa.Table.from_pydict(escaped, schema=schema)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
