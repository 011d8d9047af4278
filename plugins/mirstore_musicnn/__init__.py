"""Tags of music and what lies before them, by the networks of Pons and Serra with their published weights."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_musicnn.extractors import MusicnnEmbedding, MusicnnTags, VggTags
from mirstore_musicnn.mel import MelMusicnn

__all__ = ["MelMusicnn", "MusicnnEmbedding", "MusicnnTags", "VggTags"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    """Return the extractors."""
    return [MelMusicnn, MusicnnTags, VggTags, MusicnnEmbedding]
