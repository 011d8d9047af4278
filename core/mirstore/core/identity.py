"""Which recording a file holds: the SHA-256 of what is stored of it, without its tags.

Tags are whatever taggers write: titles, covers, ratings, replay gain, padding. What a decoder reads to make samples of
is hashed, and nothing else, so that a file that was tagged anew is the same track. A file that is odd in any way is
hashed as it stands: then its tags count, which costs time, but never makes two recordings one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from mirstore.core.audio import open_file
from mirstore.core.containers import parsers
from mirstore.core.stored import OddFileError, Part, Stored
from mirstore.core.trimming import between_tags

_block = 1 << 18  # [bytes]; what hashlib.file_digest reads at once


def track_id(path: Path) -> str:
    """Return the SHA-256 of a recording as it is stored, without its tags.

    Of MP3, AAC, AC-3, WavPack, Monkey's Audio, Musepack and TTA, this is the hash of the bytes between the tags. Of
    WAV, RF64, W64, AIFF, CAF, FLAC, Ogg, MP4 and WMA, it is the hash of the parts that a decoder reads. Of all else, it
    is the hash of the file.

    Parameters
    ----------
    path : pathlib.Path
        Any regular file; the content decides what it is.

    Returns
    -------
    str
        64 hex digits.

    Raises
    ------
    AudioError
        If it is no readable, non-empty regular file.
    """
    with open_file(path) as file:
        whole = Stored(file, range(os.fstat(file.fileno()).st_size))
        try:
            recording = Stored(file, between_tags(whole))
            for name, is_this, parse in parsers:
                if is_this(recording):
                    return _digest_of_parts(recording, name, parse(recording))
            return _digest(recording)
        except OddFileError:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(file: Stored) -> str:
    digest = hashlib.sha256()
    _update(digest, file, range(file.start, file.stop))
    return digest.hexdigest()


def _digest_of_parts(file: Stored, name: str, parts: Iterable[Part]) -> str:
    """Hash the parts, each after its length: so nothing that is moved from one part to the next goes unseen."""
    digest = hashlib.sha256(f"mirstore {name}\n".encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        if isinstance(part, range):
            _update(digest, file, part)
        else:
            digest.update(part)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, file: Stored, span: range) -> None:
    """Hash some of the file's bytes, in blocks."""
    buffer = memoryview(bytearray(min(_block, len(span))))
    for at in range(span.start, span.stop, _block):
        block = buffer[: min(_block, span.stop - at)]
        file.read_into(block, at)
        digest.update(block)
