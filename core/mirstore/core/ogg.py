"""Ogg's Vorbis, Opus, Speex and FLAC without their comments.

A longer comment takes more pages, so that all later pages get other numbers and checksums. Those are blanked before
a page is hashed; its granule position, its packets' lengths and their bytes are not.
"""

from __future__ import annotations

from collections.abc import Iterator

from mirstore.core.stored import OddFileError, Part, Stored, most_items

_block = 1 << 20  # [bytes]
_most_of_a_header = 1 << 28  # comments hold covers
_blank = bytes(8)  # over a page's number (bytes 18 to 21) and checksum (22 to 25)


def ogg(file: Stored) -> Iterator[Part]:
    """Yield the header's packets that no tagger writes, and the pages of audio.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If its pages are not as the format has them.
    """
    at = file.start
    serial = file.read(at, 18)[14:]
    packets = _Packets(file, at, serial)
    first = packets.next(4096)
    if first.startswith(b"\x7fFLAC"):
        yield first[:7] + first[9:]  # without the number of header packets: a cover or padding is one
        while packets.peek() != 0xFF:  # where frames begin
            packets.skip()
    elif first.startswith(b"\x01vorbis"):
        yield first
        packets.skip()
        yield packets.next(1 << 24)
    elif first.startswith((b"OpusHead", b"Speex   ")):
        yield first
        packets.skip()
        if first.startswith(b"Speex   "):
            for _ in range(min(16, int.from_bytes(first[68:72], "little"))):  # extra headers
                yield packets.next(1 << 16)
    else:
        raise OddFileError
    yield from _pages(file, packets.end(), serial)


class _Packets:
    """The packets of the first pages, one after the other."""

    def __init__(self, file: Stored, at: int, serial: bytes) -> None:
        self.file, self.at, self.serial = file, at, serial
        self.lacing: list[int] = []  # of the page that is read, segments that are left
        self.body = at  # of the segment that comes next
        self.page = at, at  # that is read, and its first segment
        self.pages = 0

    def _segment(self) -> tuple[int, int]:
        while not self.lacing:
            head = self.file.read(self.at, 27)
            if not head.startswith(b"OggS") or head[14:18] != self.serial or self.pages > most_items:
                raise OddFileError
            lacing = self.file.read(self.at + 27, head[26])
            self.body = self.at + 27 + len(lacing)
            self.page = self.at, self.body
            self.at = self.body + sum(lacing)
            self.lacing = list(reversed(lacing))
            self.pages += 1
        length = self.lacing.pop()
        at, self.body = self.body, self.body + length
        return at, length

    def next(self, most: int) -> bytes:
        """Return the next packet."""
        found = bytearray()
        while True:
            at, length = self._segment()
            found += self.file.read(at, length)
            if length < 255:
                return bytes(found)
            if len(found) > most:
                raise OddFileError

    def skip(self) -> None:
        """Pass the next packet over."""
        size = 0
        while True:
            _, length = self._segment()
            size += length
            if length < 255:
                return
            if size > _most_of_a_header:
                raise OddFileError

    def peek(self) -> int:
        """Return the first byte of the next packet."""
        at, length = self._segment()
        self.lacing.append(length)
        self.body = at
        return self.file.read(at, 1)[0] if length else 0

    def end(self) -> int:
        """Return where the next page begins, which no packet of the header may have begun."""
        if not self.lacing:
            return self.at
        page, first = self.page
        if self.body != first:
            raise OddFileError
        return page


def _pages(file: Stored, at: int, serial: bytes) -> Iterator[Part]:
    """Yield pages in blocks, each with number and checksum blanked; the blocks end where pages end."""
    if at >= file.stop:
        raise OddFileError  # no audio, or the header is cut
    buffer = bytearray(min(_block, file.stop - at))
    while at < file.stop:
        size = min(_block, file.stop - at)
        file.read_into(memoryview(buffer)[:size], at)
        end = 0
        while end + 27 <= size:
            begin, head = end, buffer[end : end + 27]
            body = begin + 27 + head[26]
            end = body + sum(buffer[begin + 27 : body])
            if end > size:
                end = begin
                break
            # Another version or stream, or one that begins here and has tags of its own, is hashed as it stands.
            if head[:5] != b"OggS\0" or head[5] & 2 or head[14:18] != serial:
                raise OddFileError
            buffer[begin + 18 : begin + 26] = _blank
        if not end:
            raise OddFileError  # a page is cut
        yield memoryview(buffer)[:end]
        at += end
