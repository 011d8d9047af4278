"""Packs: what is written in pieces is what safetensors reads, and what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mirstore.core.errors import TrackError
from mirstore.core.packed import put, read
from mirstore.core.packs import Reference, pieces, references
from mirstore.core.sounds import PCM

kinds = st.sampled_from(["float16", "float32", "int16", "int32", "uint8"]).map(np.dtype)
shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)


def write(path: Path, contents) -> Path:
    with open(path, "wb") as file:
        file.writelines(pieces(contents))
    return path


@given(st.dictionaries(st.text("ab/é", min_size=1), arrays.arrays(kinds, shapes), max_size=5))
def test_a_pack_is_what_safetensors_reads(contents):
    from safetensors.numpy import load

    there = load(b"".join(bytes(piece) for piece in pieces(contents)))
    assert there.keys() == contents.keys()
    for key, array in contents.items():
        assert there[key].dtype == array.dtype
        np.testing.assert_array_equal(there[key], array)


def test_arrays_are_mapped_aligned_and_read_only(tmp_path):
    contents = {
        "a": np.arange(3, dtype=np.uint8),
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "empty": np.zeros((4, 0), np.float16),
    }
    for reference in references(write(tmp_path / "p", contents)):
        array = reference.array()
        np.testing.assert_array_equal(array, contents[reference.key])
        assert array.flags.aligned
        if array.size:
            assert not array.flags.writeable
            assert isinstance(array.base, np.memmap)


def test_a_pack_of_packs_has_the_bytes_of_one_written_at_once(tmp_path):
    rng = np.random.default_rng(0)
    contents = {key: rng.normal(size=(3, 500_000)).astype(np.float32) for key in "abc"}
    parts = [references(write(tmp_path / key, {key: array})) for key, array in contents.items()]
    merged = write(tmp_path / "merged", {r.key: r for part in parts for r in part})
    assert merged.read_bytes() == write(tmp_path / "whole", contents).read_bytes()


def truncated(data: bytes) -> bytes:
    return data[:-1]


def longer(data: bytes) -> bytes:
    return data + b"\0"


def of_zeros(data: bytes) -> bytes:
    return bytes(len(data))


def with_another_shape(data: bytes) -> bytes:
    return data.replace(b"[2,3]", b"[3,2]")


def with_another_key(data: bytes) -> bytes:
    return data.replace(b'"b"', b'"c"')


def beyond_its_end(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["b"] |= {"shape": [200, 300], "data_offsets": [0, 240_000]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


@pytest.mark.parametrize(
    "change", [truncated, longer, of_zeros, with_another_shape, with_another_key, beyond_its_end, lambda _: b""]
)
def test_an_altered_pack_is_named_and_never_mapped(tmp_path, change):
    path = write(tmp_path / "p", {"b": np.ones((2, 3), np.float32)})
    (reference,) = references(path)
    path.write_bytes(change(path.read_bytes()))
    for look in (reference.array, lambda: list(reference.pieces())):
        with pytest.raises(TrackError, match=f"pack {path}: ") as caught:
            look()
        assert caught.value.reason == "damaged"


def test_a_pack_that_is_gone_is_named(tmp_path):
    with pytest.raises(TrackError, match="gone: no such file"):
        Reference(tmp_path / "gone", "a", "float32", (1,)).array()


@given(st.binary(max_size=200))
def test_no_bytes_make_a_pack_by_chance(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("packs") / "p"
    path.write_bytes(data)
    try:
        found = references(path)
    except TrackError:
        return
    assert all(reference.array().nbytes <= len(data) for reference in found)


def test_rows_refer_to_what_was_written(tmp_path):
    sound = PCM.quantised(np.array([[0.5, -2.0, 0.25]], np.float32), 8000)
    rows = [{"x": 1, "mel": np.ones((2, 2), np.float16), "sound": sound}, {"x": 2, "mel": None, "sound": None}]
    made = put(rows, ["mel", "sound"], tmp_path / "folder" / "p.safetensors")
    assert [row["x"] for row in made] == [1, 2]
    assert made[1]["mel"] is made[1]["sound"] is None
    np.testing.assert_array_equal(read(made[0]["mel"]), rows[0]["mel"])
    again = read(made[0]["sound"])
    assert (again.sr, again.scale) == (8000, sound.scale)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(sound))


def test_rows_without_values_make_no_pack(tmp_path):
    assert put([{"x": 1, "mel": None}], ["mel"], tmp_path / "p") == [{"x": 1, "mel": None}]
    assert not (tmp_path / "p").exists()
