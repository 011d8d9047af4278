"""The tags of Matroska and WebM: a tree of elements, of which a few are looked at."""

from __future__ import annotations

from collections.abc import Iterator

from mirstore.core.stored import OddFileError, Stored, most_items

_segment, _tags, _tag, _simple, _name, _text = 0x18538067, 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
_targets, _target_type = 0x63C0, 0x68CA
_info, _title = 0x1549A966, 0x7BA9
_of_the_album = 50  # the type of what a tag says of the album that the recording is on
_names = {"PART_NUMBER": "tracknumber", "DATE_RELEASED": "date", "DATE_RECORDED": "date"}
_album_names = {"TITLE": "album", "ARTIST": "albumartist"}
_most_of_a_text = 1 << 20  # characters: lyrics are long


def matroska_tags(file: Stored) -> dict[str, list[str]]:
    """Return what the tags of a Matroska or WebM file say, by their names in lower case.

    What is said of the whole album is called ``album`` and ``albumartist``.

    Parameters
    ----------
    file : Stored

    Raises
    ------
    OddFileError
        If the tree is damaged before its end.
    """
    found: dict[str, list[str]] = {}
    for kind, span in _elements(file, range(file.start, file.stop)):
        if kind != _segment:
            continue
        for part, inner in _elements(file, span):
            if part == _info:
                for name, text in _elements(file, inner):
                    if name == _title:
                        found.setdefault("title", []).append(_string(file, text))
            if part == _tags:
                for tag, content in _elements(file, inner):
                    if tag == _tag:
                        _add(file, content, found)
    return found


def _add(file: Stored, span: range, found: dict[str, list[str]]) -> None:
    children = list(_elements(file, span))
    level = 0
    for kind, inner in children:
        if kind == _targets:
            for name, value in _elements(file, inner):
                if name == _target_type and len(value) <= 8:
                    level = int.from_bytes(file.read(value.start, len(value)), "big")
    for kind, inner in children:
        if kind == _simple:
            parts = {part: _string(file, value) for part, value in _elements(file, inner) if part in (_name, _text)}
            said = parts.get(_name, "").upper()
            key = _album_names.get(said) if level == _of_the_album else None
            key = key or _names.get(said) or said.lower().replace("_", "")
            if _text in parts:
                found.setdefault(key, []).append(parts[_text])


def _string(file: Stored, span: range) -> str:
    return file.read(span.start, min(len(span), _most_of_a_text)).decode("utf-8", "replace").rstrip("\0")


def _elements(file: Stored, within: range) -> Iterator[tuple[int, range]]:
    """Yield id and content of the elements side by side; one of unknown length reaches to the end."""
    at = within.start
    for _ in range(most_items):
        if at >= within.stop:
            return
        head = file.read(at, min(12, within.stop - at))
        id_length = 9 - head[0].bit_length()
        if id_length > 4 or len(head) < id_length + 1:
            raise OddFileError
        size_length = 9 - head[id_length].bit_length()
        body = id_length + size_length
        if size_length > 8 or len(head) < body:
            raise OddFileError
        bits = 7 * size_length
        size = int.from_bytes(head[id_length:body], "big") & ((1 << bits) - 1)
        if size == (1 << bits) - 1:
            size = within.stop - at - body
        if at + body + size > within.stop:
            raise OddFileError
        yield int.from_bytes(head[:id_length], "big"), range(at + body, at + body + size)
        at += body + size
    raise OddFileError
