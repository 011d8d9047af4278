"""What models write of themselves: arrays bit for bit, all else as JSON."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mirstore.core import load_state, save_state
from mirstore.core.artifacts.files import check_is_data

kinds = st.sampled_from(["float64", "float32", "float16", "int64", "int32", "uint8", "bool"])


@given(kinds.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))))
def test_an_array_comes_back_bit_for_bit(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("state")
    save_state(folder, weights=array)
    back = load_state(folder)["weights"]
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_text_numbers_and_dictionaries_come_back(tmp_path):
    values = {"name": "Ünïque", "count": 3, "rate": 0.1 + 0.2, "groups": {"a": ["x", "y"]}, "none": None, "yes": True}
    save_state(tmp_path, **values, array=np.arange(3))
    back = load_state(tmp_path)
    assert back.pop("array").tolist() == [0, 1, 2]
    assert back == values
    for path in tmp_path.iterdir():
        check_is_data(path)


@pytest.mark.parametrize("value", [{1, 2}, object(), np.array(["a", "b"]), np.array([object()])])
def test_what_is_neither_numbers_nor_json_is_refused(tmp_path, value):
    with pytest.raises(TypeError):
        save_state(tmp_path, value=value)


def test_infinity_belongs_in_an_array(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save_state(tmp_path, value=float("inf"))
    save_state(tmp_path, value=np.array(np.inf))
    assert np.isinf(load_state(tmp_path)["value"])
