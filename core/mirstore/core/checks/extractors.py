"""What extractors promise: documented columns, and values that keep to them on any sound."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mirstore.core.audio import hash_file
from mirstore.core.checks import signals
from mirstore.core.checks.signals import recording
from mirstore.core.checks.subject import Subject, feature_of, require
from mirstore.core.columns import Column, Tensor, check_rows, input_frame
from mirstore.core.errors import TrackError
from mirstore.core.features import FeatureSet
from mirstore.core.tracks import Track
from mirstore.core.workers import Limits, local_pool

Rows = list[dict[str, Any]]

_integers = (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
_floats = (pl.Float32, pl.Float64)
_reserved = {"track"}  # the store's own column


def documents_its_columns(subject: Subject) -> None:
    """Units, ranges and sentences feed the views, the documentation and the reports."""
    columns = feature_of(subject).extractor.columns()
    require(columns, "declares no columns")
    for name, column in columns.items():
        require(isinstance(column, Column), f"column {name!r} must be a Column, got {column!r}")
        problem = _name_problem(name) or _type_problem(column) or _text_problem(column) or _range_problem(column)
        require(not problem, f"column {name!r}: {problem}")
    require(columns == feature_of(subject).extractor.columns(), "columns() gives another answer when asked twice")


def _name_problem(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "name must be snake_case"
    return "name is the store's own" if name in _reserved else ""


def _type_problem(column: Column) -> str:
    kind = column.dtype.inner if isinstance(column.dtype, pl.Array) else column.dtype
    known = isinstance(kind, Tensor) or kind in (*_integers, *_floats, pl.String, pl.Boolean)
    return "" if known else f"type {column.dtype} is not supported"


def _text_problem(column: Column) -> str:
    if not isinstance(column.unit, str) or column.unit != column.unit.strip(" []"):
        return f"unit {column.unit!r} must be text such as 'Hz', '' if it has none"
    if not isinstance(column.text, str) or len(column.text.split()) < 2:
        return f"text {column.text!r} must say what the value means"
    return ""


def _range_problem(column: Column) -> str:
    if column.range is None:
        return ""
    if column.dtype in (pl.String, pl.Boolean):
        return "text and truth values have no range"
    low, high = column.range
    return "" if low < high and not math.isinf(low) - math.isinf(high) else f"range {column.range} is not sane"


def times_its_segments(subject: Subject) -> None:
    """Several rows per track are told apart by ``start`` [s]; ``end`` [s] says where each ends."""
    feature = feature_of(subject)
    columns = feature.extractor.columns()
    require("start" in columns or "end" not in columns, "an 'end' column needs a 'start' column")
    for name in columns.keys() & {"start", "end"}:
        column = columns[name]
        good = column.unit == "s" and column.dtype in _floats and not column.nullable
        require(good, f"column {name!r} must be Float32 or Float64 in 's', not nullable")
    if "start" not in columns:
        return
    with recording(signals.music()) as path:
        rows = rows_of(feature, path)
    starts = [row["start"] for row in rows]
    require(all(a < b for a, b in zip(starts, starts[1:], strict=False)), f"starts must increase, got {starts[:10]}")
    require(all(0 <= start < 20 for start in starts), f"starts must lie within the track's 20 s, got {starts[:10]}")
    require(all(row.get("end", math.inf) >= row["start"] for row in rows), "a segment ends before it starts")


def names_its_weights_by_their_hash(subject: Subject) -> None:
    """The hash of the weights is part of the identity."""
    weights = feature_of(subject).extractor.weights()
    require(weights is None or re.fullmatch(r"[0-9a-f]{64}", weights), f"weights() {weights!r} is no SHA-256")


def gives_rows_for_music(subject: Subject) -> None:
    """Twenty seconds of plain music are enough for a value."""
    with recording(signals.music()) as path:
        require(rows_of(feature_of(subject), path), "gives no rows for 20 s of music")


def keeps_its_columns_on_music(subject: Subject) -> None:
    """Names, types, shapes and nulls are as declared."""
    with recording(signals.music()) as path:
        rows_of(feature_of(subject), path)


def keeps_its_columns_on_noise(subject: Subject) -> None:
    """White noise has no pitch and no rhythm."""
    _try(subject, signals.noise())


def keeps_its_columns_on_a_click(subject: Subject) -> None:
    """One click in digital silence: most frames have no energy at all."""
    _try(subject, signals.click())


def keeps_its_columns_on_near_silence(subject: Subject) -> None:
    """Full silence never comes: the decoder refuses it."""
    _try(subject, signals.near_silence())


def keeps_its_columns_on_clipped_sound(subject: Subject) -> None:
    """A square wave at full scale."""
    _try(subject, signals.clipped())


def keeps_its_columns_on_a_tenth_of_a_second(subject: Subject) -> None:
    """The shortest track that the decoder lets through."""
    _try(subject, signals.music(0.1))


def keeps_its_columns_in_stereo(subject: Subject) -> None:
    """Two channels that differ."""
    left = signals.music(3.0, 44100)
    _try(subject, np.stack([left, 0.5 * np.roll(left, 441)], axis=1), 44100)


def keeps_its_columns_at_other_sampling_rates(subject: Subject) -> None:
    """From telephone to studio."""
    for sr in (8000, 44100, 48000):
        _try(subject, signals.music(3.0, sr), sr)


def _try(subject: Subject, samples: np.ndarray, sr: int = 22050) -> None:
    """Extract; a `TrackError` is a good answer for odd sounds, any other exception is not."""
    with recording(samples, sr) as path:
        try:
            rows_of(feature_of(subject), path)
        except TrackError as error:
            if error.reason in ("wrong columns", "wrong value"):
                raise


def stays_within_its_ranges(subject: Subject) -> None:
    """A declared range holds for every sound."""
    feature = feature_of(subject)
    for make in (signals.music, signals.noise, signals.click, signals.near_silence, signals.clipped):
        with recording(make()) as path:
            try:
                rows = rows_of(feature, path)
            except TrackError:
                continue  # another check's matter
        for row in rows:
            for name, column in feature.extractor.columns().items():
                problem = _outside(row[name], column)
                require(not problem, f"column {name!r}: {problem} on {make.__name__}")


def _outside(value: Any, column: Column) -> str:
    if column.range is None or value is None or not np.size(value):
        return ""
    low, high = float(np.nanmin(value)), float(np.nanmax(value))
    slack = 1e-6 * max(abs(end) for end in column.range if math.isfinite(end))  # float32 rounds
    if low >= column.range[0] - slack and high <= column.range[1] + slack:
        return ""
    return f"{low:g} to {high:g} is outside {column.range}"


def gives_the_same_bits_in_two_processes(subject: Subject) -> None:
    """Values belong to the track, the version and the parameters: never to a seed, a clock or a hash order."""
    feature = feature_of(subject)
    with recording(signals.music()) as path:
        first, second = (_in_a_new_process(feature, path) for _ in range(2))
    require(_same(first, second, rtol=0), f"two processes differ: {_difference(first, second)}")


def _in_a_new_process(feature: FeatureSet, path: Path) -> Rows:
    with local_pool(1, Limits()) as pool:
        return pool.submit(rows_of, feature, path).result()


def remembers_nothing_between_tracks(subject: Subject) -> None:
    """A track's values do not depend on the tracks before it."""
    feature = feature_of(subject)
    with recording(signals.music()) as path, recording(signals.music(12.0, 44100)[::-1], 44100) as other:
        first = rows_of(feature, path)
        rows_of(feature, other)
        second = rows_of(feature, path)
    require(_same(first, second, rtol=1e-6), f"another track in between changes {_difference(first, second)}")


def gives_the_same_in_a_batch_and_alone(subject: Subject) -> None:
    """`extract_batch` returns one result per track, in order, equal to `extract` but for rounding."""
    feature = feature_of(subject)
    columns = feature.extractor.columns()
    with recording(signals.music()) as path, recording(signals.music(12.0, 44100)[::-1], 44100) as other:
        paths = [path, other, path]
        alone = [rows_of(feature, each) for each in paths]
        with warnings.catch_warnings(action="ignore"):
            results = feature.extractor.extract_batch([_track(feature, each) for each in paths])
    require(len(results) == len(paths), f"{len(results)} results for a batch of {len(paths)} tracks")
    for expected, result in zip(alone, results, strict=True):
        got = check_rows(result, columns)
        require(_same(expected, got, rtol=1e-3), f"a batch changes {_difference(expected, got)}")


def rows_of(feature: FeatureSet, path: Path) -> Rows:
    """Compute a feature set and what it reads for one file, each checked against its declaration.

    A plugin's warnings are no breach, so they do not depend on whether a test suite makes them errors.
    """
    with warnings.catch_warnings(action="ignore"):
        result = feature.extractor.extract(_track(feature, path))
    return check_rows(result, feature.extractor.columns())


def _track(feature: FeatureSet, path: Path) -> Track:
    given = {
        name: input_frame(rows_of(source, path), source.extractor.columns()) for name, source in feature.inputs.items()
    }
    return Track(hash_file(path), path, given)


def _same(a: Rows, b: Rows, *, rtol: float) -> bool:
    return len(a) == len(b) and not _difference(a, b, rtol)


def _difference(a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]], rtol: float = 0) -> str:
    """Name the first columns that differ."""
    if len(a) != len(b):
        return f"the number of rows: {len(a)}, {len(b)}"
    differ = {name for x, y in zip(a, b, strict=True) for name in x if not _equal(x[name], y[name], rtol)}
    return ", ".join(sorted(differ)[:5])


def _equal(x: Any, y: Any, rtol: float) -> bool:
    if x is None or y is None or isinstance(x, str):
        return bool(x == y)
    x, y = np.asarray(x), np.asarray(y)
    if x.shape != y.shape or x.dtype.kind in "biu" or not rtol:
        return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
    scale = np.max(np.abs(x), initial=0.0, where=np.isfinite(x))
    return np.allclose(x, y, rtol=rtol, atol=rtol * 1e-3 * scale, equal_nan=True)


checks = (
    documents_its_columns,
    names_its_weights_by_their_hash,
    keeps_its_columns_on_music,
    gives_rows_for_music,
    times_its_segments,
    keeps_its_columns_on_noise,
    keeps_its_columns_on_a_click,
    keeps_its_columns_on_near_silence,
    keeps_its_columns_on_clipped_sound,
    keeps_its_columns_on_a_tenth_of_a_second,
    keeps_its_columns_in_stereo,
    keeps_its_columns_at_other_sampling_rates,
    stays_within_its_ranges,
    remembers_nothing_between_tracks,
    gives_the_same_in_a_batch_and_alone,
    gives_the_same_bits_in_two_processes,
)
