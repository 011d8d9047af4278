"""Our safetensors against the library's, and files that are none."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from mirstore.core.weights.arrays import from_bytes, to_bytes

kinds = ["?", "u1", "i1", *(f"<{letter}{size}" for letter in "uif" for size in (2, 4, 8))]
arrays = hnp.arrays(st.sampled_from([np.dtype(kind) for kind in kinds]), hnp.array_shapes(min_dims=0, min_side=0))


def read(data: bytes) -> dict[str, np.ndarray]:
    return from_bytes(np.frombuffer(data, np.uint8))


names = st.text(min_size=1).filter(lambda name: name.isprintable() and name != "__metadata__")


@given(st.dictionaries(names, arrays, min_size=1))
def test_the_library_reads_what_we_write_and_we_what_it_writes(given_arrays):
    for back in (load(to_bytes(given_arrays)), read(save(given_arrays)), read(to_bytes(given_arrays))):
        assert back.keys() == given_arrays.keys()
        for name, array in given_arrays.items():
            assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
            assert back[name].tobytes() == array.tobytes()


def test_the_order_of_the_arrays_does_not_change_the_bytes_and_all_are_aligned():
    numbers = {"b": np.ones(3, "f2"), "a": np.ones(3, "f4"), "c": np.ones(1, "i8"), "d": np.ones(5, "?")}
    assert to_bytes(numbers) == to_bytes(dict(reversed(numbers.items())))
    back = from_bytes(np.array([*to_bytes(numbers)], "u1"))
    assert all(array.flags.aligned and array.flags.writeable for array in back.values())


def test_bfloat16_is_read_as_float32():
    data = np.float32([1.5, -2, 0]).view("<u4") >> 16
    content = to_bytes({"a": data.astype("<u2")}).replace(b'"U16"', b'"BF16"').replace(b"}}  ", b"}} ")
    length = len(content) - 6 - 8
    np.testing.assert_array_equal(read(length.to_bytes(8, "little") + content[8:])["a"], np.float32([1.5, -2, 0]))


def test_no_array_is_called_as_the_metadata_are():
    with pytest.raises(ValueError, match="no array can be called '__metadata__'"):
        to_bytes({"__metadata__": np.ones(2)})


def test_metadata_is_passed_over():
    assert list(read(save({"a": np.ones(2)}, metadata={"by": "me"}))) == ["a"]


def file(header: object, size: int = 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size)


def entry(kind="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8),
        b"\xff" * 64,
        file(b"{"),
        file(b"[" * 100_000),
        file([]),
        file({"a": 1}),
        file({"a": {}}),
        file({"a": entry("F33")}),
        file({"a": entry(["F32"])}),
        file({"a": entry(shape=[3])}),
        file({"a": entry(shape=[-2], offsets=(8, 0))}),
        file({"a": entry(shape=[2.0])}),
        file({"a": entry(shape="2")}),
        file({"a": entry(offsets=(0, 8, 9))}),
        file({"a": entry(offsets=(8, 16))}),
        file({"a": entry(offsets=(-8, 0))}),
        file({"a": entry()}, size=7),
        file({"a": entry()}, size=9),
        file({"a": entry(), "b": entry()}),
        file({}),
        save({"a": np.ones(3)})[:-1],
    ],
)
def test_what_is_no_safetensors_file_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"does not begin|has a header|has bytes"):
        read(data)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_harm_gives_arrays_or_a_value_error(noise, at):
    content = bytearray(to_bytes({"a": np.arange(6.0), "b": np.ones((2, 2), "i2")}))
    content[at : at + len(noise)] = noise
    with suppress(ValueError):
        read(bytes(content))
