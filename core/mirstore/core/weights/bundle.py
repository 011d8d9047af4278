"""TensorFlow's checkpoints of two files without TensorFlow: ``NAME.index``, and the numbers in ``NAME.data-…``.

The index is a table of blocks, each with its checksum; what it says of a tensor is a protocol buffer. Nothing in it is
executed. The checksums of the numbers are left alone: the whole file has its SHA-256, which was looked at before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

_magic = bytes.fromhex("57fb808b247547db")
_footer, _trailer = 48, 5  # [bytes]; after a block come its compression and its checksum
_kinds = {
    1: "f4",
    2: "f8",
    3: "i4",
    4: "u1",
    5: "i2",
    6: "i1",
    9: "i8",
    10: "?",
    17: "u2",
    19: "f2",
    22: "u4",
    23: "u8",
}
_fixed = {1: 8, 5: 4}  # [bytes] of a field, by how it is written


def read_bundle(index: Path, data: Path) -> dict[str, np.ndarray]:
    """Return a checkpoint's tensors by name.

    Parameters
    ----------
    index, data : path
        A checkpoint with one file of numbers.

    Raises
    ------
    ValueError
        If they are no such checkpoint, are cut off or damaged, or hold anything but numbers.
    """
    entries = dict(_entries(index.read_bytes()))
    if entries.pop(b"", None) is None:
        raise ValueError(f"{index.name} does not say what it is an index of")
    numbers = np.fromfile(data, np.uint8)
    return {name.decode(): _tensor(name.decode(), entry, numbers) for name, entry in entries.items()}


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of all that is in a table; its last block lists the others."""
    if not table.endswith(_magic):
        raise ValueError("the index does not end as one")
    footer = table[-_footer:]
    begin = _varint(footer, _varint(footer, 0)[1])[1]  # past the place of a block that describes the table
    for _, place in _block(table, footer, begin):
        yield from _block(table, place, 0)


def _block(table: bytes, place: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield what is in the block whose start and size are said there; a key begins as the one before it."""
    start, at = _varint(place, at)
    size, _ = _varint(place, at)
    block = table[start : start + size + _trailer]
    if len(block) < size + _trailer or size < 4 or _checksum(block[:-4]) != block[-4:]:
        raise ValueError(f"the index is damaged in the block at byte {start}")
    if block[size] != 0:
        raise ValueError("the index is compressed, and this reader cannot unpack it")
    restarts = int.from_bytes(block[size - 4 : size], "little")
    at, key = 0, b""
    while at < size - 4 * (restarts + 1):
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own + length
        yield key, block[at - length : at]


def _tensor(name: str, entry: bytes, numbers: np.ndarray) -> np.ndarray:
    """Return one tensor; fields of its entry: type, shape, number of the file, first byte, bytes, checksum, parts."""
    told = {field: (whole, content) for field, whole, content in _fields(entry)}
    kind = _kinds.get(told.get(1, (0, b""))[0])
    if kind is None or 3 in told or 7 in told:
        raise ValueError(f"{name!r} is no tensor of numbers in one piece and one file")
    sizes = [content for field, _, content in _fields(told.get(2, (0, b""))[1]) if field == 2]
    shape = [dict((field, whole) for field, whole, _ in _fields(size)).get(1, 0) for size in sizes]
    start, length = told.get(4, (0, b""))[0], told.get(5, (0, b""))[0]
    if length != prod(shape) * np.dtype(kind).itemsize or start + length > len(numbers):
        raise ValueError(f"{name!r} is cut off, or has another size than its index says")
    return np.frombuffer(numbers[start : start + length].tobytes(), f"<{kind}").reshape(shape)


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, integer and content of each field of a protocol buffer; it has one of the latter two."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        whole, size = 0, _fixed.get(tag & 7, 0)
        if tag & 7 == 0:
            whole, at = _varint(message, at)
        elif tag & 7 == 2:
            size, at = _varint(message, at)
        elif not size:
            raise ValueError("the index says something of a tensor in an unknown way")
        if at + size > len(message):
            raise ValueError("the index is cut off within what it says of a tensor")
        yield tag >> 3, whole, message[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return an integer of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
    raise ValueError("the index is cut off, or no index")


def _checksum(data: bytes) -> bytes:
    """Return CRC-32C as it is kept: turned by 15 bits and moved, so that a checksum of checksums is none."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")


@cache
def _crc_table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [entry >> 1 ^ (0x82F63B78 if entry & 1 else 0) for entry in table]
    return table
