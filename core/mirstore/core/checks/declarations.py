"""What an extractor declares before it hears anything."""

# ruff: noqa: D401 (a check's docstring states the property)

from __future__ import annotations

import math
import re
from dataclasses import replace

import polars as pl

from mirstore.core.checks.subject import Subject, feature_of, require
from mirstore.core.columns import Column, Sound, Tensor
from mirstore.core.components import weights_of
from mirstore.core.features import heard

_integers = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_floats = (pl.Float32, pl.Float64)
_reserved = {"track"}  # the store's own column


def documents_its_columns(subject: Subject) -> None:
    """Units, ranges and sentences feed the views, the documentation and the reports."""
    columns = feature_of(subject).columns
    require(columns, "declares no columns")
    for name, column in columns.items():
        require(isinstance(column, Column), f"column {name!r} must be a Column, got {column!r}")
        problem = _name_problem(name) or _type_problem(column) or _text_problem(column) or _range_problem(column)
        require(not problem, f"column {name!r}: {problem}")
    require(columns == replace(feature_of(subject)).columns, "columns() gives another answer when asked twice")


def _name_problem(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "name must be snake_case"
    return "name is the store's own" if name in _reserved else ""


def _type_problem(column: Column) -> str:
    kind = column.dtype.inner if isinstance(column.dtype, pl.Array) else column.dtype
    known = isinstance(kind, Tensor | Sound) or kind in (*_integers, *_floats, pl.String, pl.Boolean)
    return "" if known else f"type {column.dtype} is not supported"


def _text_problem(column: Column) -> str:
    if not isinstance(column.unit, str) or column.unit != column.unit.strip(" []"):
        return f"unit {column.unit!r} must be text such as 'Hz', '' if it has none"
    if not isinstance(column.text, str) or not column.text.strip():
        return f"text {column.text!r} must say what the value means"
    return ""


def _range_problem(column: Column) -> str:
    if column.ends is None:
        return ""
    if column.dtype in (pl.String, pl.Boolean):
        return "text and truth values have no range"
    low, high = column.ends
    sane = low < high and (math.isfinite(low) or math.isfinite(high))
    return "" if sane else f"range {column.range} must be two numbers that rise, one of them finite"


def names_its_weights_by_their_hash(subject: Subject) -> None:
    """The hash of the weights is part of the identity."""
    weights = weights_of(feature_of(subject).extractor)
    require(weights is None or re.fullmatch(r"[0-9a-f]{64}", weights), f"weights() {weights!r} is no SHA-256")


def declares_start_and_end_in_seconds(subject: Subject) -> None:
    """Several rows per track are told apart by ``start`` [s]; ``end`` [s] says where each ends, if anyone knows."""
    columns = feature_of(subject).columns
    require("start" in columns or "end" not in columns, "an 'end' column needs a 'start' column")
    for name in columns.keys() & {"start", "end"}:
        column = columns[name]
        require(column.unit == "s" and column.dtype in _floats, f"column {name!r} must be Float32 or Float64 in 's'")
    require("start" not in columns or not columns["start"].nullable, "column 'start' must not be nullable")
    for name, column in columns.items():
        require(column.grid is None or name == "start", f"column {name!r} has a grid, which belongs to 'start'")


def declares_sounds_of_whole_tracks(subject: Subject) -> None:
    """A sound is as long as its track: there is one in a row, and one row of it."""
    feature = feature_of(subject)
    sounds = [name for name, column in feature.columns.items() if column.is_sound]
    require("start" not in feature.columns or not sounds, f"sound {sounds[:1]} cannot stand beside a 'start' column")


def leaves_the_name_audio_to_the_file(subject: Subject) -> None:
    """The input ``audio`` is what a feature set hears instead of the file."""
    require(heard not in feature_of(subject).extractor.reads(), f"an input cannot be called {heard!r}")


checks = (
    documents_its_columns,
    declares_start_and_end_in_seconds,
    declares_sounds_of_whole_tracks,
    leaves_the_name_audio_to_the_file,
    names_its_weights_by_their_hash,
)
