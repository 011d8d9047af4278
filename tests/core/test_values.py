"""A value is stored as it was returned, or refused in words: nothing is wrapped, cut or turned into infinity."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirstore.core import Column, Tensor, TrackError
from mirstore.core.columns import check_rows
from mirstore.core.text import explained, shortened, some, storable
from mirstore.core.values import longest_text

floats = {pl.Float32: np.finfo(np.float32).max, pl.Float64: np.finfo(np.float64).max}
bits = {pl.Int8: 8, pl.Int16: 16, pl.Int32: 32, pl.Int64: 64}


class Level(IntEnum):
    """An integer with a name."""

    LOUD = 3


class Odd(str):
    """Text of a class that no other process knows."""


def checked(value, dtype, **more):
    (row,) = check_rows({"x": value}, {"x": Column(dtype, "", "any value", **more)})
    return row["x"]


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        (pl.Int32, 2**31, "column 'x': is 2147483648, which does not fit int32"),
        (pl.Int64, 10**30, "does not fit int64"),
        (pl.Int8, -129, "does not fit int8"),
        (pl.Int64, 10**5000, "is a value of type int, which does not fit int64"),
        (pl.Float32, 1e39, r"is 1e\+39, which does not fit float32"),
        (pl.Float64, 10**400, "which does not fit float64"),
        (pl.Float64, math.inf, "is inf"),
        (pl.Float32, "loud", "expected a number, got 'loud'"),
        (pl.String, "caf\udce9", r"has no UTF-8 form: '\\udce9' at 3"),
        (pl.String, "a\0b", "has a character NUL"),
        (pl.String, "a" * (longest_text + 1), "has 1,048,577 characters; 1,048,576 are the most"),
        (pl.Array(pl.Float32, 2), [1.0, 1e39], "does not fit float32"),
        (pl.Array(pl.Float32, 2), [1.0, math.nan], "has NaN or inf"),
        (pl.Array(pl.Float32, 2), [[1], [1, 2]], "expected an array of numbers"),
        (pl.Array(pl.Float32, 2), ["a", "b"], "expected an array of numbers"),
        (pl.Array(pl.Float32, 2), None, "is null"),
        (Tensor("float16", (2,)), [1.0, 70000.0], "does not fit float16"),
        (Tensor("float16", (2,)), np.array([1, 70000]), "does not fit float16"),
        (Tensor("float32", (2,)), [1.0, 1e39], "does not fit float32"),
        (Tensor("float32", (2,)), np.array([1, 2j]), "expected an array of numbers"),
        (Tensor("float32", (2,)), [1.0, None], "expected an array of numbers"),
        (Tensor("int16", (2,)), [1, 70000], "has type int64, which does not fit int16"),
    ],
    ids=range(22),
)
def test_a_value_that_its_column_cannot_hold_is_refused(dtype, value, message):
    with pytest.raises(TrackError, match=message) as caught:
        checked(value, dtype)
    assert caught.value.reason == "wrong value"


@pytest.mark.parametrize("value", ["no fingerprint é", "AQ", "AQAACQ", "!!!!", "AQAP////"])
def test_a_fingerprint_that_is_none_costs_its_track_and_not_the_search_for_copies(value):
    column = Column(pl.String, "", "chromaprint", nullable=True, fingerprint="chromaprint")
    with pytest.raises(TrackError, match="column 'x': is no fingerprint: ") as caught:
        check_rows({"x": value}, {"x": column})
    assert caught.value.reason == "wrong value"
    assert check_rows({"x": None}, {"x": column}) == [{"x": None}]


@given(st.lists(st.text(alphabet="abc", min_size=1), max_size=8), st.integers(1, 5))
def test_some_of_a_list_says_how_many_more_there_are(items, most):
    shown, _, more = some(items, most).partition(" and ")
    assert [part for part in shown.split(", ") if part] == items[:most]
    assert more == (f"{len(items) - most} more" if len(items) > most else "")


@given(st.sampled_from(list(bits)), st.integers())
def test_an_integer_is_kept_exactly_or_refused(dtype, value):
    fits = -(2 ** (bits[dtype] - 1)) <= value < 2 ** (bits[dtype] - 1)
    try:
        assert checked(value, dtype) == value
    except TrackError:
        assert not fits
    else:
        assert fits
        assert pl.Series([value], dtype=dtype).to_list() == [value]


@given(st.sampled_from(list(floats)), st.floats() | st.integers(-(10**400), 10**400))
def test_a_float_stays_finite_or_is_refused(dtype, value):
    try:
        kept = checked(value, dtype)
    except TrackError:
        assert not abs(value) <= float(floats[dtype])  # NaN too
    else:
        assert np.isfinite(pl.Series([kept], dtype=dtype).to_numpy()).all()
        assert kept == float(value)


@given(st.text(st.characters(codec=None), max_size=20))
def test_text_is_kept_exactly_or_refused(value):
    try:
        assert checked(value, pl.String) == value
    except TrackError:
        assert "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)
    else:
        value.encode()


def test_values_lose_the_classes_that_only_the_plugin_knows():
    assert type(checked(Level.LOUD, pl.Int32)) is int
    assert type(checked(np.float32(0.5), pl.Float32)) is float
    assert type(checked(Odd("loud"), pl.String)) is str
    assert type(checked(np.str_("loud"), pl.String)) is str


def test_nullable_columns_take_none_whatever_their_type():
    for dtype in (pl.Float32, pl.Int8, pl.String, pl.Array(pl.Float32, 2), Tensor("float16", (2,))):
        assert checked(None, dtype, nullable=True) is None


@pytest.mark.parametrize("result", [None, 3, "", "text", [1, 2], {"x"}])
def test_what_is_no_row_is_refused(result):
    with pytest.raises(TrackError, match="not a row or a list of rows"):
        check_rows(result, {"x": Column(pl.Int8, "", "any value")})


def test_a_range_may_be_open_at_one_end():
    assert Column(pl.Float32, "Hz", "a frequency", range=(0, None)).ends == (0, math.inf)
    assert Column(pl.Float32, "dB", "a level", range=(None, 0.0)).ends == (-math.inf, 0)
    for wrong in ((0,), (0, "1"), 3, (0, 1, 2)):
        with pytest.raises(ValueError, match=r"must be two numbers, None for an open end: \(0, None\)"):
            Column(pl.Float32, "Hz", "a frequency", range=wrong)


@given(st.text(st.characters(codec=None)))
def test_storable_text_is_utf_8_and_other_text_is_left_as_it_is(value):
    storable(value).encode()
    try:
        value.encode()
    except UnicodeEncodeError:
        assert "\\ud" in storable(value)
    else:
        assert storable(value) == value


def test_an_error_is_explained_whatever_it_says():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    assert explained(ValueError("no beats\nin caf\udce9.wav\0")) == (
        "ValueError",
        r"no beats in caf\udce9.wav\x00",
    )
    assert explained(MuteError()) == ("MuteError", "its message cannot be read")
    assert explained(KeyError()) == ("KeyError", "no message")
    assert explained(ValueError("x" * 50_000_000))[1].endswith("characters)")
    assert shortened("x" * 10, 4) == "xxxx… (10 characters)"
