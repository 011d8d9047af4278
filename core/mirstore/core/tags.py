"""What taggers wrote into a file: credits, genres, ids.

Read by tinytag, which is pure Python, so that no file can crash the process that scans a library; APE tags, which it
does not know, are read here. Where a file has several kinds of tags, each field is taken from the best kind that has
it: the container's own or ID3v2, then APE, then ID3v1, which cuts its texts after 30 characters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from mirstore.core.audio import open_file
from mirstore.core.errors import AudioError
from mirstore.core.matroska import matroska_tags
from mirstore.core.stored import OddFileError, Stored
from mirstore.core.trimming import ape_items, between_tags, tags_at_end

_most_of_a_text = 4096  # characters
_most_of_lyrics = 1 << 20
_most_values = 100
_most_of_a_read = 1 << 24  # [bytes]; more is a cover, or a lie


@dataclass(frozen=True)
class Tags:
    """The tags of a file; what a file does not say is None or empty.

    Attributes
    ----------
    title, artist, album, albumartist : str or None
        Credits; several artists are joined by ``"; "``.
    genre : tuple of str
        As written, each once.
    date : str or None
        A year, or a date as written.
    tracknumber : str or None
        Number of the track on its medium.
    bpm : float or None
        Tempo [BPM].
    mb_recording, mb_release, mb_artist : str or None
        MusicBrainz ids; several artists' are joined by ``"; "``.
    problem : str or None
        Why the tags, or some, could not be read.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    albumartist: str | None = None
    genre: tuple[str, ...] = ()
    date: str | None = None
    tracknumber: str | None = None
    bpm: float | None = None
    mb_recording: str | None = None
    mb_release: str | None = None
    mb_artist: str | None = None
    problem: str | None = field(default=None, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return what the file says, as plain JSON."""
        found = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "problem"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items() if value}


def read_tags(path: Path) -> Tags:
    """Return the tags of a file. Never raises: what cannot be read is not there, and ``problem`` says why.

    Parameters
    ----------
    path : pathlib.Path
        Any file; the content decides what it is.
    """
    found, problem = _read(path)
    return _tags(found, problem)


def read_tag(path: Path, name: str) -> str | None:
    """Return what one tag says, whole; None if the file has no such tag, or it says nothing. Never raises.

    Parameters
    ----------
    path : pathlib.Path
        Any file.
    name : str
        In any spelling; ``lyrics`` is what ID3 calls ``USLT`` and MP4 ``©lyr``, or ``UNSYNCEDLYRICS``.
    """
    found, _ = _read(path)
    keys = (_plain(name), *(_lyrics if _plain(name) == "lyrics" else ()))
    values = (value for source in found for key in keys for value in source.get(key, ()))
    return next((text for value in values if (text := _storable(value)[:_most_of_lyrics])), None)


Values = Mapping[str, Sequence[str]]
_lyrics = ("unsyncedlyrics", "unsynchronizedlyrics", "syncedlyrics", "uslt")


def _read(path: Path) -> tuple[list[Values], str | None]:
    """Return what each kind of tags says, and why some could not be read."""
    problems: list[str] = []
    try:
        with open_file(path) as file:
            stored = Stored(file, range(os.fstat(file.fileno()).st_size))
            return list(_sources(file, stored, problems)), "; ".join(problems) or None
    except (AudioError, OSError, OddFileError) as error:
        return [], str(error) or "its structure is odd"


def _sources(file: BinaryIO, stored: Stored, problems: list[str]) -> Iterator[Values]:
    """Yield what each kind of tags says, the best kind first, by the names in `_names`."""
    recording = between_tags(stored)
    inner = Stored(file, recording)
    if recording.start:
        start = stored.read(0, min(recording.start, _most_of_a_read))
        yield _by_tinytag(BytesIO(start), problems)
    if inner.begins(b"\x1aE\xdf\xa3"):
        yield matroska_tags(inner)
    elif not recording.start and not inner.begins(b"\xff"):
        yield _by_tinytag(_Bounded(file), problems)
    elif inner.begins(b"fLaC"):
        yield _by_tinytag(_Bounded(file, recording.start), problems)
    at_end = tags_at_end(stored, recording)
    for span in at_end:
        if stored.read(span.stop - 32, 8) == b"APETAGEX":
            yield _ape(stored, span)
    for span in at_end:
        if stored.read(span.stop - 128, 3) == b"TAG":
            yield _by_tinytag(BytesIO(b"\xff\xfb\0\0" + stored.read(span.stop - 128, 128)), problems)


class _Bounded:
    """A file that is never read whole at once, whatever a tag says of its size."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        self._file, self._start = file, start
        file.seek(start)

    def read(self, count: int = -1) -> bytes:
        if count < 0 or count > _most_of_a_read:
            raise ValueError("a tag is too long")
        return self._file.read(count)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = self._file.seek(offset + (self._start if whence == os.SEEK_SET else 0), whence)
        return at - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start


def _by_tinytag(file: Any, problems: list[str]) -> Values:
    import tinytag

    try:
        found = tinytag.TinyTag.get(file_obj=file, duration=False)
    except tinytag.UnsupportedFormatError:
        return {}  # a format without tags of its own
    except Exception as error:  # it wraps what its readers raise; a file must not end a scan of thousands
        problems.append(" ".join(str(error).split()) or type(error).__name__)
        return {}
    values = {
        _plain(name): [str(v) for v in value] for name, value in found.as_dict().items() if isinstance(value, list)
    }
    for text in values.pop("ufid", []):  # ID3's frame of ids: whose, NUL, which
        owner, _, id_ = text.partition("\0")
        if owner.endswith("musicbrainz.org"):
            values["musicbrainztrackid"] = [id_]
    return values


def _ape(file: Stored, tag: range) -> Values:
    found: dict[str, list[str]] = {}
    for key, span, flags in ape_items(file, tag):
        if not flags & 0b110 and len(span) <= _most_of_lyrics:  # text
            found.setdefault(_plain(key), []).extend(
                file.read(span.start, len(span)).decode(errors="replace").split("\0")
            )
    return found


def _plain(name: str) -> str:
    """Return a tag's name as all kinds of tags would spell it: ``MusicBrainz/Album Id`` is musicbrainzalbumid."""
    return re.sub(r"[\W_]+", "", name).lower()


_names = {
    "title": ("title",),
    "artist": ("artist",),
    "album": ("album",),
    "albumartist": ("albumartist",),
    "genre": ("genre",),
    "date": ("date", "year", "originaldate"),
    "tracknumber": ("tracknumber", "track"),
    "bpm": ("bpm", "beatsperminute", "tempo"),
    "mb_recording": ("musicbrainztrackid", "musicbrainzrecordingid"),  # Picard calls a recording a track
    "mb_release": ("musicbrainzalbumid", "musicbrainzreleaseid"),
    "mb_artist": ("musicbrainzartistid",),
}


def _tags(sources: Sequence[Values], problem: str | None) -> Tags:
    found: dict[str, list[str]] = {}
    for name, keys in _names.items():
        values = next((clean for source in sources for key in keys if (clean := _cleaned(source.get(key, ())))), [])
        if values:
            found[name] = values
    found["genre"] = list(dict.fromkeys(part for value in found.get("genre", []) for part in _genres(value)))
    return Tags(
        **{name: found[name][0] for name in ("title", "album", "date") if name in found},
        **{name: "; ".join(found[name]) for name in ("artist", "albumartist", "mb_artist") if name in found},
        **{name: found[name][0] for name in ("mb_recording", "mb_release") if name in found},
        genre=tuple(found["genre"]),
        tracknumber=found["tracknumber"][0].partition("/")[0] or None if "tracknumber" in found else None,
        bpm=_number(found["bpm"][0]) if "bpm" in found else None,
        problem=problem,
    )


def _cleaned(values: Sequence[str]) -> list[str]:
    """Return values as text that any table holds, without what pads them; those of one NUL-separated list apart."""
    parts = [part for value in values[:_most_values] for part in value.split("\0")]
    texts = [_storable(part[:_most_of_a_text]) for part in parts]
    return list(dict.fromkeys(text for text in texts if text))[:_most_values]


def _storable(text: str) -> str:
    """Return text that any table holds, without what pads it."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", re.sub(r"[\ud800-\udfff]", "\ufffd", text).strip())


def _genres(text: str) -> Iterator[str]:
    """Yield the genres of one value: ``(17)`` and ``17`` are numbers of ID3v1's list, ``Rock; Pop`` are two."""
    while match := re.match(r"\((\d{1,3}|RX|CR)\)", text):
        yield _numbered(match[1])
        text = text[match.end() :]
    for part in re.split(r"[;|]", text):
        if name := part.strip():
            yield _numbered(name) if name.isdigit() else name


def _numbered(number: str) -> str:
    from tinytag.tinytag import _ID3

    names = _ID3._ID3V1_GENRES
    if number in ("RX", "CR"):
        return {"RX": "Remix", "CR": "Cover"}[number]
    return str(names[int(number)]) if int(number) < len(names) else number


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value < 1000 else None
