"""Perceptual features between sound and meaning, by a trained network."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return []
