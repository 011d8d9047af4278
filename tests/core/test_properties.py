"""Properties that hold for any value."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mirstore.core import Column, Tensor, TrackError
from mirstore.core.columns import check_rows, input_frame
from mirstore.core.features import canonical_json, normalise

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_normalising_twice_changes_nothing(value):
    assert normalise(normalise(value)) == normalise(value)


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_the_order_of_keys_does_not_matter(value):
    backwards = dict(reversed(value.items()))
    assert canonical_json(normalise(value)) == canonical_json(normalise(backwards))
    assert json.loads(canonical_json(normalise(value))) == normalise(value)


@given(st.integers(-(2**50), 2**50))
def test_a_whole_number_is_the_same_as_a_float(number):
    assert canonical_json(normalise(float(number))) == canonical_json(normalise(number))


@given(st.floats(width=32) | st.none())
def test_a_checked_number_is_finite_or_null(value):
    columns = {"x": Column(pl.Float32, "", "any number", nullable=True)}
    if value is not None and np.isinf(value):
        with pytest.raises(TrackError, match=r"is -?inf"):
            check_rows({"x": value}, columns)
    else:
        (row,) = check_rows({"x": value}, columns)
        assert row["x"] is None or np.isfinite(row["x"])


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4)))
def test_a_checked_tensor_has_its_declared_shape_and_type(array):
    columns = {"x": Column(Tensor("float16", (2, None)), "", "a small matrix")}
    try:
        (row,) = check_rows({"x": array}, columns)
    except TrackError:
        fits = array.ndim == 2 and array.shape[0] == 2 and np.isfinite(array).all() and (np.abs(array) < 65504).all()
        assert not fits
    else:
        assert row["x"].dtype == np.float16
        assert row["x"].shape == array.shape
        assert np.isfinite(row["x"]).all()
        assert input_frame([row], columns)["x"][0].shape == array.shape
