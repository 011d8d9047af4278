"""Everything that a plugin needs."""

from mirstore.core.columns import Column, Row, Tensor
from mirstore.core.components import Component, Examples, Extractor, Grouper, Model, Smoother
from mirstore.core.errors import AudioError, MirstoreError, TrackError
from mirstore.core.hookspecs import hookimpl
from mirstore.core.tracks import Track

__all__ = [
    "AudioError", "Column", "Component", "Examples", "Extractor", "Grouper", "MirstoreError", "Model", "Row",
    "Smoother", "Tensor", "Track", "TrackError", "hookimpl",
]  # fmt: skip
