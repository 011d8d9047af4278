"""Tags of music and what lies before them, by the networks of Pons and Serra with their published weights."""

from __future__ import annotations

from mirstore.core import Extractor, Model, hookimpl
from mirstore_musicnn.extractors import MusicnnEmbedding, MusicnnPatches, MusicnnTags, VggTags
from mirstore_musicnn.mel import MelMusicnn
from mirstore_musicnn.models import MusicnnModel, VggModel

__all__ = ["MelMusicnn", "MusicnnEmbedding", "MusicnnModel", "MusicnnPatches", "MusicnnTags", "VggModel", "VggTags"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    """Return the extractors."""
    return [MelMusicnn, MusicnnPatches, MusicnnTags, MusicnnEmbedding, VggTags]


@hookimpl
def register_models() -> list[type[Model]]:
    """Return the models."""
    return [MusicnnModel, VggModel]
