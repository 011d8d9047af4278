"""TensorFlow's checkpoints are read without TensorFlow: one that TensorFlow 2.21 wrote, whole, damaged and cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mirstore.core.weights.bundle import _checksum, read_bundle

folder = Path(__file__).parent / "checkpoint"
index, data = folder / "model.index", folder / "model.data-00000-of-00001"


def written() -> dict[str, np.ndarray]:
    """Return what TensorFlow was given."""
    biases = {f"conv2d_{k}/bias": np.arange(k % 3 + 1, dtype=np.float32) + k for k in range(20)}
    return biases | {
        "conv2d/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "global_step": np.array(-7, np.int64),
        "half": np.array([[0.5, -2]], np.float16),
        "flags": np.array([True, False, True]),
        "double": np.array([1e300]),
        "bytes": np.arange(5, dtype=np.uint8),
        "nothing": np.zeros((0, 3), np.float32),
    }


def is_written(found: dict[str, np.ndarray]) -> bool:
    expected = written()
    return found.keys() == expected.keys() and all(
        array.dtype == expected[name].dtype and np.array_equal(array, expected[name]) for name, array in found.items()
    )


def test_all_tensors_come_out_as_they_were_written():
    assert is_written(read_bundle(index, data))


def test_a_checksum_is_crc_32c_turned_and_moved():
    crc = 0xE3069283  # of these digits, as RFC 3720 and others have it
    turned = (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF
    assert _checksum(b"123456789") == turned.to_bytes(4, "little")


def test_no_single_bit_of_the_index_can_flip_unseen(tmp_path):
    whole, refused = index.read_bytes(), 0
    bits = range(0, 8 * len(whole), 11)  # each of a byte's eight in turn, from its beginning to its end
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "i").write_bytes(damaged)
        try:
            assert is_written(read_bundle(tmp_path / "i", data)), bit
        except ValueError:
            refused += 1
    assert refused > 0.9 * len(bits)  # the others are in what nobody reads


def test_an_index_that_is_cut_off_anywhere_is_refused(tmp_path):
    whole = index.read_bytes()
    for length in range(len(whole)):
        (tmp_path / "i").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="index"):
            read_bundle(tmp_path / "i", data)


def test_numbers_that_are_cut_off_are_refused(tmp_path):
    whole = data.read_bytes()
    for length in range(len(whole)):
        (tmp_path / "d").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"is cut off, or has another size than its index says"):
            read_bundle(index, tmp_path / "d")


@pytest.mark.parametrize("content", [b"", b"\0" * 48, bytes(range(256)) * 4, b"PK\x03\x04" + b"\0" * 60])
def test_what_is_no_index_is_refused(tmp_path, content):
    (tmp_path / "i").write_bytes(content)
    with pytest.raises(ValueError, match="the index does not end as one"):
        read_bundle(tmp_path / "i", data)
