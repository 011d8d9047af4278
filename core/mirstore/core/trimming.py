"""Tags before and behind the audio: ID3, APE, Lyrics3."""

from __future__ import annotations

from collections.abc import Iterator

from mirstore.core.stored import OddFileError, Stored, most_items

_most_tags = 16
_ape_footer = 32
_most_of_an_ape_tag = 1 << 28


def between_tags(file: Stored) -> range:
    """Return where a recording stands between the tags of its file.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If tags claim to be longer than the file, or leave nothing.
    """
    start, stop = file.start, file.stop
    for _ in range(_most_tags):
        if not (length := _id3v2(file, start)):
            break
        start += length
    for _ in range(_most_tags):
        if not (length := _at_end(file, start, stop)):
            break
        stop -= length
    if stop - start < 1:
        raise OddFileError
    return range(start, stop)


def tags_at_end(file: Stored, recording: range) -> list[range]:
    """Return where the tags behind a recording stand, the last one first.

    Parameters
    ----------
    file : Stored
    recording : range
        As `between_tags` returns it.
    """
    found, stop = [], file.stop
    while stop > recording.stop:
        length = _at_end(file, recording.start, stop)
        found.append(range(stop - length, stop))
        stop -= length
    return found


def _id3v2(file: Stored, at: int) -> int:
    """Return the length of an ID3v2 tag at the beginning, 0 if there is none."""
    if file.stop - at < 10:
        return 0
    header = file.read(at, 10)
    if not header.startswith(b"ID3"):
        return 0
    if header[3] == 0xFF or any(byte & 0x80 for byte in header[6:]):
        raise OddFileError
    size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
    return 10 + size + (10 if header[5] & 0x10 else 0)


def _at_end(file: Stored, start: int, stop: int) -> int:
    """Return the length of the last tag, 0 if there is none."""
    tail = file.read(max(start, stop - 160), min(160, stop - start))
    if len(tail) >= 128 and tail[-128:].startswith(b"TAG"):
        extended = stop - 128 - 227
        return 128 + (227 if extended >= start and file.read(extended, 4) == b"TAG+" else 0)
    if len(tail) >= _ape_footer and tail[-_ape_footer:].startswith(b"APETAGEX"):
        tag = ape_tag(file, start, stop)
        return 0 if tag is None else len(tag)
    if tail.endswith(b"LYRICS200"):
        return _lyrics(file, start, stop, tail)
    if len(tail) >= 10 and tail[-10:].startswith(b"3DI"):
        return _id3v2_at_end(file, start, stop, tail[-10:])
    return 0


def ape_tag(file: Stored, start: int, stop: int) -> range | None:
    """Return where an APE tag stands at the end of these bytes, its header included.

    One whose items do not add up is no tag: audio must not be taken for one.

    Parameters
    ----------
    file : Stored
    start, stop : int
        Where the bytes begin and end.
    """
    if stop - start < _ape_footer:
        return None
    footer = file.read(stop - _ape_footer, _ape_footer)
    size = int.from_bytes(footer[12:16], "little")
    has_header = bool(footer[23] & 0x80)
    first = stop - size - (_ape_footer if has_header else 0)
    if not footer.startswith(b"APETAGEX") or size < _ape_footer or size > _most_of_an_ape_tag or first < start:
        return None
    try:
        last = stop - size
        for _, value, _ in ape_items(file, range(first, stop)):
            last = value.stop
    except OddFileError:
        return None
    return range(first, stop) if last == stop - _ape_footer else None


def ape_items(file: Stored, tag: range) -> Iterator[tuple[str, range, int]]:
    """Yield key, where the value stands, and flags of each item of an APE tag with its footer at the end.

    Parameters
    ----------
    file : Stored
    tag : range
        Where the tag stands.

    Raises
    ------
    OddFileError
        If an item is not within the tag.
    """
    footer = file.read(tag.stop - _ape_footer, _ape_footer)
    size, count = int.from_bytes(footer[12:16], "little"), int.from_bytes(footer[16:20], "little")
    at, end = tag.stop - size, tag.stop - _ape_footer
    if count > most_items:
        raise OddFileError
    for _ in range(count):
        if end - at < 11:
            raise OddFileError
        head = file.read(at, min(8 + 256, end - at))
        length, flags = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:8], "little")
        key, zero, _ = head[8:].partition(b"\0")
        value = at + 8 + len(key) + 1
        if not zero or value + length > end:
            raise OddFileError
        yield key.decode("ascii", "replace"), range(value, value + length), flags
        at = value + length


def _lyrics(file: Stored, start: int, stop: int, tail: bytes) -> int:
    size = tail[-15:-9]
    if not size.isdigit():
        return 0
    length = int(size) + 15
    begin = stop - length
    return length if begin >= start and file.read(begin, 11) == b"LYRICSBEGIN" else 0


def _id3v2_at_end(file: Stored, start: int, stop: int, footer: bytes) -> int:
    if any(byte & 0x80 for byte in footer[6:]):
        return 0
    length = 20 + (footer[6] << 21 | footer[7] << 14 | footer[8] << 7 | footer[9])
    begin = stop - length
    return length if begin >= start and file.read(begin, 3) == b"ID3" else 0
