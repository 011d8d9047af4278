"""Reading the structure of files that anyone may have made: every read is checked, every loop is bounded."""

from __future__ import annotations

import os
from typing import BinaryIO

Part = bytes | bytearray | memoryview | range
"""Bytes, or where they stand in the file."""

most_items = 100_000  # of whatever a file lists, and more than any does
most_bytes = 1 << 24  # that are looked at in one piece
_near = 4096  # [bytes]


class OddFileError(Exception):
    """A file's structure is not as its kind's should be."""


class Stored:
    """Some bytes of a file, counted from the file's beginning.

    Parameters
    ----------
    file : binary file
        Open for reading.
    span : range
        The bytes that may be read.
    """

    def __init__(self, file: BinaryIO, span: range) -> None:
        self.start, self.stop = span.start, span.stop
        self._number = file.fileno()
        self._near = b""  # what was read last: headers are many short reads side by side
        self._near_at = 0

    def read(self, at: int, count: int) -> bytes:
        """Return exactly ``count`` bytes.

        Parameters
        ----------
        at : int
            Counted from the beginning of the file.
        count : int >= 0

        Raises
        ------
        OddFileError
            If they are not all there, or too many.
        """
        if not self.start <= at <= at + count <= self.stop or count > most_bytes:
            raise OddFileError
        first = at - self._near_at
        if first < 0 or first + count > len(self._near):
            self._near = os.pread(self._number, max(count, _near), at)
            self._near_at, first = at, 0
        data = self._near[first : first + count]
        if len(data) != count:
            raise OddFileError
        return data

    def read_into(self, buffer: memoryview, at: int) -> None:
        """Fill a buffer.

        Parameters
        ----------
        buffer : memoryview
            Its length is how much is read.
        at : int
            Counted from the beginning of the file.

        Raises
        ------
        OddFileError
            If the file has become shorter.
        """
        filled = 0
        while filled < len(buffer):
            count = os.preadv(self._number, [buffer[filled:]], at + filled)
            if not count:
                raise OddFileError
            filled += count

    def begins(self, magic: bytes, offset: int = 0) -> bool:
        """Return whether these bytes stand ``offset`` after the beginning.

        Parameters
        ----------
        magic : bytes
        offset : int >= 0
        """
        at = self.start + offset
        return at + len(magic) <= self.stop and self.read(at, len(magic)) == magic

    def span(self, at: int, count: int) -> range:
        """Return where ``count`` bytes stand; they need to be there.

        Parameters
        ----------
        at : int
            Counted from the beginning of the file.
        count : int >= 0

        Raises
        ------
        OddFileError
            If they are not all there.
        """
        if not self.start <= at <= at + count <= self.stop:
            raise OddFileError
        return range(at, at + count)
