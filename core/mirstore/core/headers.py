"""What a file's first bytes say before anything is decoded: that it is no audio, or how long it promises to be.

Only what a writer counted is a promise. An MP3's length without a Xing or VBRI header, an ADTS stream's, an MPEG
transport stream's are guesses from the bit rate of the first frames; nothing is compared with them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, Protocol

from mirstore.core.errors import AudioError

_head = 4096  # bytes: a RIFF's format, an MP3's first frame, a Matroska file's information
_most_tags, _most_chunks = 16, 1000  # a file may hold millions of empty ones
_asf_header = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_asf_properties = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_containers = {
    b"RIFF": "WAVE",
    b"RF64": "WAVE",
    b"riff": "Wave64",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"MPCK": "Musepack",
    b"MP+": "Musepack",
    b"TTA1": "TTA",
    b"tBaK": "TAK",
    b"DSD ": "DSF",
    b"FRM8": "DSDIFF",
    b"#!AMR": "AMR",
    b".RMF": "RealMedia",
    b"\x1aE\xdf\xa3": "Matroska",
    _asf_header: "Windows Media",
}
_unknown_from = 0x7FFF_0000  # sizes that writers put down who could not go back: 2 or 4 GB, less a header

_texts = (
    b"#EXTM3U",
    b"ffconcat",
    b"<!DOCTYPE",
    b"<!doctype",
    b"<html",
    b"<HTML",
    b"<?xml",
    b"[playlist]",
    b"%PDF",
)
_others = {
    b"MThd": "is MIDI: notes, not audio",
    b"OFR ": "OptimFROG is not decoded; convert it to FLAC",
    b"PK\x03\x04": "is a zip archive; unpack it",
    b"\x1f\x8b": "is a gzip archive; unpack it",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"Rar!": "is a rar archive; unpack it",
    b"\xff\xd8\xff": "is a picture (JPEG)",
    b"\x89PNG": "is a picture (PNG)",
    b"GIF8": "is a picture (GIF)",
}


class Readable(Protocol):
    """What the readers of headers need of a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes.

        Parameters
        ----------
        size : int
            -1 means all.
        """

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place and return it.

        Parameters
        ----------
        offset : int
        whence : int
            0 from the beginning, 1 from where it is, 2 from the end.
        """


def refuse_others(file: Readable) -> None:
    """Refuse what is known to be no audio, so that no decoder takes a playlist's word for what to open.

    Parameters
    ----------
    file : Readable
        It is at its beginning afterwards.

    Raises
    ------
    AudioError
        With the reason ``not audio``.
    """
    file.seek(0)
    start = file.read(512)
    file.seek(0)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_texts):
        raise AudioError("not audio", "is text or a playlist, not audio")
    for magic, what in _others.items():
        if start.startswith(magic):
            raise AudioError("not audio", what)
    if start.isascii() and all(byte >= 9 for byte in start) and not start.startswith((b"RIFF", b"fLaC", b"OggS")):
        raise AudioError("not audio", "is text, not audio")


def mp3_seconds(file: Readable) -> float | None:
    """Return the length [s] that an MP3's Xing, Info or VBRI header counts; None where there is none.

    FFmpeg's own answer will not do: where the header contradicts the file's size it guesses, and does not say so.

    Parameters
    ----------
    file : Readable
    """
    at = 0
    for _ in range(_most_tags):
        file.seek(at)
        start = file.read(_head)
        if start[:3] != b"ID3" or len(start) < 10:
            break
        at += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
    if len(start) < 4 or start[0] != 0xFF or start[1] & 0xE6 != 0xE2:  # sync, and layer III
        return None
    version, rate = start[1] >> 3 & 3, start[2] >> 2 & 3
    if version == 1 or rate == 3:
        return None
    sr = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    for word, place in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        found = start.find(word, 4, 192)
        if found > 0 and (word == b"VBRI" or start[found + 7] & 1):  # its first flag: frames are counted
            frames = int.from_bytes(start[found + place : found + place + 4], "big")
            return frames * (1152 if version == 3 else 576) / sr
    return None


def cut_seconds(file: Readable) -> float | None:
    """Return the length [s] that a WAVE, Wave64 or CAF header promises and the file's bytes do not hold; else None.

    Decoders silently take such a file for as long as it is; only the size in its header tells that it was cut.

    Parameters
    ----------
    file : Readable
    """
    end, rate, large = file.seek(0, 2), 0.0, 0
    for name, order, at, size in _chunks(file, end):
        file.seek(at)
        start = file.read(24)
        if name == b"ds64":
            large = int.from_bytes(start[8:16], "little")
        elif name == b"fmt ":
            rate = int.from_bytes(start[8:12], order)
        elif name == b"desc":
            rate = _caf_rate(start)
        elif name == b"data":
            size = large or size
            return size / rate if rate and size < _unknown_from and at + size > end else None
    return None


def _chunks(file: Readable, end: int) -> Iterator[tuple[bytes, Literal["big", "little"], int, int]]:
    """Yield name, byte order, place and size of the chunks of a RIFF, Wave64 or CAF file."""
    file.seek(0)
    start = file.read(40)
    order: Literal["big", "little"] = "big" if start[:4] in (b"RIFX", b"caff") else "little"
    if start[:4] in (b"RIFF", b"RF64", b"RIFX") and start[8:12] == b"WAVE":
        at, head, wide, even = 12, 8, slice(4, 8), 2
    elif start[:4] == b"caff":
        at, head, wide, even = 8, 12, slice(4, 12), 1
    elif start[:4] == b"riff":  # Wave64: names of 16 bytes, sizes that count them
        at, head, wide, even = 40, 24, slice(16, 24), 8
    else:
        return
    for _ in range(_most_chunks):
        file.seek(at)
        chunk = file.read(head)
        size = int.from_bytes(chunk[wide], order) - (head if head == 24 else 0)
        if len(chunk) < head or size < 0:
            return
        at += head
        yield chunk[:4], order, at, size - 4 if chunk[:4] == b"data" and start[:4] == b"caff" else size
        at += size + -size % even


def _caf_rate(start: bytes) -> float:
    """Return a CAF file's bytes per second, 0 if they vary."""
    if len(start) < 24:
        return 0.0
    sr, packet, frames = struct.unpack(">d8xII", start)
    return sr * packet / frames if frames and sr > 0 else 0.0


def asf_seconds(file: Readable) -> float | None:
    """Return the length [s] that a Windows Media file's header states for all its streams; a broadcast has none.

    Parameters
    ----------
    file : Readable
    """
    file.seek(0)
    start = file.read(_head)
    at = start.find(_asf_properties)
    if not start.startswith(_asf_header) or at < 0 or len(start) < at + 92 or start[at + 88] & 1:
        return None
    play, preroll = struct.unpack("<Q8xQ", start[at + 64 : at + 88])
    seconds = play / 1e7 - preroll / 1e3
    return seconds if seconds > 0 else None


def has_duration(file: Readable) -> bool:
    """Say whether a Matroska file has a duration in its header; one that was streamed has none.

    Parameters
    ----------
    file : Readable
    """
    file.seek(0)
    start = file.read(_head)
    return start.startswith(b"\x1aE\xdf\xa3") and (b"\x44\x89\x84" in start or b"\x44\x89\x88" in start)


def container_name(file: Readable) -> str:
    """Return what a file claims to be by its first bytes, "" if nothing that is known here.

    Parameters
    ----------
    file : Readable
    """
    file.seek(0)
    start = file.read(16)
    if start[4:8] == b"ftyp":
        return "MPEG-4"
    return next((name for magic, name in _containers.items() if start.startswith(magic)), "")


def ogg_is_cut(file: Readable) -> bool:
    """Say whether an Ogg file lacks the page that ends a stream.

    Parameters
    ----------
    file : Readable
    """
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    size = file.seek(0, 2)
    file.seek(max(0, size - (1 << 17)))  # a page has at most 65,307 bytes
    end = file.read(1 << 17)
    last = end.rfind(b"OggS")
    return last < 0 or len(end) < last + 6 or not end[last + 5] & 4
