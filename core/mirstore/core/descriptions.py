"""Extractors in plain JSON: what another interpreter must know of them to plan, check and show what they do."""

from __future__ import annotations

import ast
import operator
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import reduce
from inspect import getdoc, signature
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import polars as pl

from mirstore.core.columns import Column, Sound, Tensor
from mirstore.core.components import Extractor
from mirstore.core.features import normalise
from mirstore.core.needs import weights_as_json

Columns = Mapping[str, Column]
Plain = dict[str, Any]
"""What JSON can say."""

_scalars = {
    kind.__name__: kind
    for kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.String, pl.Boolean)
}
_types: dict[str, Any] = {
    "None": type(None),
    "Any": Any,
    "Mapping": Mapping,
    "Sequence": Sequence,
    "Path": Path,
    **{kind.__name__: kind for kind in (bool, int, float, str, list, tuple, dict, set, frozenset)},
}


def columns_as_json(columns: Columns) -> Plain:
    """Return declarations as JSON.

    Parameters
    ----------
    columns : Mapping of str to Column
    """
    return {
        name: {**vars(column), "dtype": _dtype_as_json(column.dtype), "range": column.range and list(column.range)}
        for name, column in columns.items()
    }


def columns_from_json(columns: Plain) -> dict[str, Column]:
    """Return the declarations that `columns_as_json` wrote.

    Parameters
    ----------
    columns : dict

    Examples
    --------
    >>> columns = {"mel": Column(Tensor("float32", (128, None), hop=0.1), "dB", "mel spectrogram")}
    >>> columns_from_json(columns_as_json(columns)) == columns
    True
    """
    made = {}
    for name, values in columns.items():
        ends = values.get("range")
        made[name] = Column(**{**values, "dtype": _dtype_from_json(values["dtype"]), "range": ends and tuple(ends)})
    return made


def _dtype_as_json(dtype: Any) -> Any:
    if isinstance(dtype, Sound):
        return {"sound": [dtype.sr, dtype.channels]}
    if isinstance(dtype, pl.Array):
        return {"array": [_dtype_as_json(dtype.inner), dtype.size]}
    if not isinstance(dtype, Tensor) and str(dtype) not in _scalars:
        raise TypeError(f"type {dtype} of a column is not supported")
    return str(dtype)


def _dtype_from_json(dtype: Any) -> Any:
    if isinstance(dtype, str):
        return Tensor.parse(dtype) or _scalars[dtype]
    ((kind, values),) = dtype.items()
    return Sound(*values) if kind == "sound" else pl.Array(_scalars[values[0]], values[1])


def describe(kind: type[Extractor]) -> Plain:
    """Return what there is to know of an extractor before it has parameters.

    Parameters
    ----------
    kind : type of Extractor

    Raises
    ------
    TypeError, ValueError
        If a parameter has a type or a default that JSON cannot say.
    """
    hints = get_type_hints(kind, include_extras=False)
    params = [_param(field, hints[field.name]) for field in fields(kind)]
    told = {
        "name": kind.name,
        "class": kind.__name__,
        "version": kind.version,
        "text": getdoc(kind) or "",
        "cite": list(kind.cite),
        "inputs": list(kind.inputs),
        "optional": sorted(kind.optional),
        "fallbacks": dict(kind.fallbacks),
        "batch": kind.batch,
        "place": kind.place,
        "memory": kind.memory,
        "cost": kind.cost,
        "params": params,
        "reads_declarations": len(signature(kind.columns).parameters) > 1,
        "needs": [weights_as_json(weights) for weights in kind.needs],
        "own_weights": kind.weights is not Extractor.weights,
    }
    complete = all("default" in param for param in params)
    return {**told, "usual": about(kind()) if complete else None}


def about(extractor: Extractor) -> Plain:
    """Return what depends on an extractor's parameters: those that count, weights, and columns unless inputs decide.

    Parameters
    ----------
    extractor : Extractor
    """
    own = None if signature(extractor.columns).parameters else columns_as_json(extractor.columns())
    uses = [weights.name for weights in extractor.uses()]
    return {"params": normalise(extractor.params()), "columns": own, "uses": uses}


def _param(field: Field[Any], hint: Any) -> Plain:
    told = {"name": field.name, "type": type_as_text(hint), "counts": field.compare}
    if field.default is not MISSING:
        return {**told, "default": normalise(field.default)}
    if field.default_factory is not MISSING:
        return {**told, "default": normalise(field.default_factory())}
    return told


def type_as_text(hint: Any) -> str:
    """Return a parameter's type as Python writes it: ``int | None``, ``Literal['a', 'b']``, ``list[float]``.

    Parameters
    ----------
    hint : type
        As `typing.get_type_hints` gives it.

    Raises
    ------
    TypeError
        If it is no type of plain values.

    Examples
    --------
    >>> type_as_text(int | None), type_as_text(list[float])
    ('int | None', 'list[float]')
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return type_as_text(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(type_as_text(argument) for argument in arguments)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None:
        return f"{_name(origin)}[{', '.join('...' if a is Ellipsis else type_as_text(a) for a in arguments)}]"
    return _name(hint)


def _name(hint: Any) -> str:
    for name, kind in _types.items():
        if hint is kind:
            return name
    raise TypeError(f"type {hint} of a parameter is not one of plain values")


def type_from_text(text: str) -> Any:
    """Return the type that `type_as_text` wrote; nothing is executed.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> type_from_text("dict[str, float]")
    dict[str, float]
    """
    return _type(ast.parse(text, mode="eval").body)


def _type(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return type(None) if node.value is None else node.value
    if isinstance(node, ast.Name):
        return _types[node.id]
    if isinstance(node, ast.BinOp):
        return reduce(operator.or_, (_type(node.left), _type(node.right)))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Literal":
            return Literal[tuple(ast.literal_eval(item) for item in inner)]
        return _types[node.value.id][tuple(_type(item) for item in inner)]
    raise ValueError(f"{ast.unparse(node)} is no type")
