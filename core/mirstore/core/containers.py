"""What of a container's file makes its sound: the parts that a decoder reads, without those that taggers write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from mirstore.core.ogg import ogg
from mirstore.core.stored import OddFileError, Part, Stored, most_items

_unknown_length = (1 << 32) - 1


def flac(file: Stored) -> Iterator[Part]:
    """Yield STREAMINFO and the frames.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    at, last = file.start + 4, False
    for number in range(most_items):
        if last:
            yield file.span(at, file.stop - at)
            return
        head = file.read(at, 4)
        length, kind, last = int.from_bytes(head[1:], "big"), head[0] & 0x7F, bool(head[0] & 0x80)
        if (number == 0) != (kind == 0) or kind == 127:
            raise OddFileError
        if number == 0:
            yield file.read(at + 4, length)
        at += 4 + length
    raise OddFileError


def riff(file: Stored) -> Iterator[Part]:
    """Yield format and samples of a WAV or RF64 file.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    large: int | None = None
    if not file.begins(b"RIFF"):
        if not file.begins(b"ds64", 12):
            raise OddFileError
        large = int.from_bytes(file.read(file.start + 28, 8), "little")
    seen: set[bytes] = set()
    for name, span in _chunks(file, file.start + 12, "little", large):
        if name == b"LIST" and len(span) >= 4 and file.read(span.start, 4) == b"wavl":
            raise OddFileError  # samples in pieces
        if name in (b"fmt ", b"fact", b"data"):
            yield name
            yield span
            seen.add(name)
    if not seen >= {b"fmt ", b"data"}:
        raise OddFileError


def aiff(file: Stored) -> Iterator[Part]:
    """Yield format and samples of an AIFF or AIFF-C file.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    yield file.read(file.start + 8, 4)
    seen: set[bytes] = set()
    for name, span in _chunks(file, file.start + 12, "big"):
        if name in (b"COMM", b"SSND"):
            yield name
            yield span
            seen.add(name)
    if not seen >= {b"COMM", b"SSND"}:
        raise OddFileError


def _chunks(
    file: Stored, at: int, order: Literal["little", "big"], large: int | None = None
) -> Iterator[tuple[bytes, range]]:
    """Yield name and content of IFF chunks; ``large`` is the length of ``data`` where 32 bits do not hold it."""
    for _ in range(most_items):
        if file.stop - at < 8:  # a padding byte may be lacking or left over
            return
        head = file.read(at, 8)
        length = int.from_bytes(head[4:], order)
        if length == _unknown_length:
            if head[:4] != b"data" or large is None:
                raise OddFileError
            length = large
        yield head[:4], file.span(at + 8, length)
        at += 8 + length + length % 2
    raise OddFileError


_w64_names = {
    bytes.fromhex("666d7420f3acd3118cd100c04f8edb8a"): b"fmt ",
    bytes.fromhex("66616374f3acd3118cd100c04f8edb8a"): b"fact",
    bytes.fromhex("64617461f3acd3118cd100c04f8edb8a"): b"data",
}
_w64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")


def w64(file: Stored) -> Iterator[Part]:
    """Yield format and samples of a Wave64 file.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    at, seen = file.start + 40, set()
    for _ in range(most_items):
        if file.stop - at < 24:
            break
        head = file.read(at, 24)
        length = int.from_bytes(head[16:], "little")
        if length < 24:
            raise OddFileError
        span = file.span(at + 24, length - 24)
        if name := _w64_names.get(head[:16]):
            yield name
            yield span
            seen.add(name)
        at += (length + 7) // 8 * 8
    if not seen >= {b"fmt ", b"data"}:
        raise OddFileError


def caf(file: Stored) -> Iterator[Part]:
    """Yield description, packets' lengths and samples of a Core Audio file.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    at, seen = file.start + 8, set()
    for _ in range(most_items):
        if file.stop - at < 12:
            break
        head = file.read(at, 12)
        name, length = head[:4], int.from_bytes(head[4:], "big", signed=True)
        length = file.stop - at - 12 if length == -1 and name == b"data" else length
        span = file.span(at + 12, length)
        if name in (b"desc", b"chan", b"kuki", b"pakt", b"data"):
            yield name
            yield span
            seen.add(name)
        at = span.stop
    if not seen >= {b"desc", b"data"}:
        raise OddFileError


_mp4_parents = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}
# What of the samples' tables says how to decode; where they stand in the file changes with the tags before them.
_mp4_parts = {b"mdat", b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stz2", b"elst"}


def mp4(file: Stored) -> Iterator[Part]:
    """Yield samples and their tables, whichever stands first; where a tagger moves them does not matter.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    tables: list[Part] = []
    samples: list[Part] = []
    for name, span in _boxes(file, range(file.start, file.stop), _mp4_parents):
        if name == b"moof":
            raise OddFileError  # its tables count from the file's beginning
        if name in _mp4_parts:
            (samples if name == b"mdat" else tables).extend((name, span))
    if not samples or not tables:
        raise OddFileError
    yield from (*tables, *samples)


def _boxes(file: Stored, within: range, parents: set[bytes]) -> Iterator[tuple[bytes, range]]:
    todo, count = [within], 0
    while todo:
        span = todo.pop()
        at = span.start
        while at < span.stop:
            count += 1
            if count > most_items:
                raise OddFileError
            head = file.read(at, 8)
            size, body = int.from_bytes(head[:4], "big"), at + 8
            if size == 1:
                size, body = int.from_bytes(file.read(at + 8, 8), "big"), at + 16
            elif size == 0 and span == within:
                size = span.stop - at
            end = at + size
            if not body <= end <= span.stop:
                raise OddFileError
            if head[4:] in parents:
                todo.append(range(body, end))  # breadth first, which is an order, too
            else:
                yield head[4:], range(body, end)
            at = end


def _guid(text: str) -> bytes:
    first, second, third, *rest = text.split("-")
    return b"".join(bytes.fromhex(part)[::-1] for part in (first, second, third)) + bytes.fromhex("".join(rest))


_asf = _guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
_asf_file = _guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
_asf_stream = _guid("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
_asf_data = _guid("75B22636-668E-11CF-A6D9-00AA0062CE6C")


def asf(file: Stored) -> Iterator[Part]:
    """Yield the streams' properties, the size of packets, and the packets of a WMA file.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If it is not as the format has it.
    """
    header = _asf_object(file, file.start)
    at, found = file.start + 30, 0
    for _ in range(most_items):
        if at >= header.stop:
            break
        span = _asf_object(file, at)
        kind = file.read(at, 16)
        if kind == _asf_file:
            yield file.read(at + 92, 8)  # least and most bytes of a packet; the rest is dates and lengths
        if kind == _asf_stream:
            yield span
            found += 1
        at = span.stop
    if at != header.stop or not found or file.read(at, 16) != _asf_data:
        raise OddFileError
    yield file.span(at + 50, file.stop - at - 50)  # and the index behind them


def _asf_object(file: Stored, at: int) -> range:
    size = int.from_bytes(file.read(at + 16, 8), "little")
    if size < 24:
        raise OddFileError
    return file.span(at, size)


def _riff_of(kind: bytes) -> Callable[[Stored], bool]:
    return lambda file: file.begins(kind) and file.begins(b"WAVE", 8)


parsers: tuple[tuple[str, Callable[[Stored], bool], Callable[[Stored], Iterator[Part]]], ...] = (
    ("flac", lambda file: file.begins(b"fLaC"), flac),
    ("ogg", lambda file: file.begins(b"OggS"), ogg),
    ("mp4", lambda file: file.begins(b"ftyp", 4), mp4),
    *(("wav", _riff_of(kind), riff) for kind in (b"RIFF", b"RF64", b"BW64")),
    ("aiff", lambda file: file.begins(b"FORM") and (file.begins(b"AIFF", 8) or file.begins(b"AIFC", 8)), aiff),
    ("asf", lambda file: file.begins(_asf), asf),
    ("w64", lambda file: file.begins(_w64), w64),
    ("caf", lambda file: file.begins(b"caff"), caf),
)
"""Name, whether a file is one, and what of it to hash."""
