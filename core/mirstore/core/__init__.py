"""Everything that a plugin needs.

Names are loaded on first use, so that the command line can import `mirstore.core.errors` without numpy and polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirstore.core.columns import Column, Row, Sound, Tensor
    from mirstore.core.components import Component, Examples, Extractor, Grouper, Importance, Model, Smoother
    from mirstore.core.errors import AudioError, MirstoreError, TrackError
    from mirstore.core.hookspecs import hookimpl
    from mirstore.core.recording import Audio
    from mirstore.core.tracks import Track

__all__ = [
    "Audio", "AudioError", "Column", "Component", "Examples", "Extractor", "Grouper", "Importance", "MirstoreError",
    "Model", "Row", "Smoother", "Sound", "Tensor", "Track", "TrackError", "hookimpl",
]  # fmt: skip

_home = {
    "columns": ("Column", "Row", "Sound", "Tensor"),
    "components": ("Component", "Examples", "Extractor", "Grouper", "Importance", "Model", "Smoother"),
    "errors": ("AudioError", "MirstoreError", "TrackError"),
    "hookspecs": ("hookimpl",),
    "recording": ("Audio",),
    "tracks": ("Track",),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    for module, names in _home.items():
        if name in names:
            return getattr(import_module(f"mirstore.core.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
