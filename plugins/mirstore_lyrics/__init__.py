"""Lyrics: what the words of a song sound like, how varied and how dense they are."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_lyrics.extractor import Lyrics
from mirstore_lyrics.lines import LyricLines

__all__ = ["LyricLines", "Lyrics"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Lyrics, LyricLines]
