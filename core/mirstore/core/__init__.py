"""Everything that a plugin needs.

Names are loaded on first use, so that the command line can import `mirstore.core.errors` without numpy and polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirstore.core.columns import Column, Row, Sound, Tensor
    from mirstore.core.components import Component, Extractor, Grouper, Smoother
    from mirstore.core.errors import AudioError, MirstoreError, TrackError
    from mirstore.core.hookspecs import hookimpl
    from mirstore.core.models import Examples, Importance, Model
    from mirstore.core.pretrained import UserFile, WebFile, Weights, WheelFile
    from mirstore.core.recording import Audio
    from mirstore.core.state import load_state, save_state
    from mirstore.core.tensors import Arrays, Tensors
    from mirstore.core.tracks import Track
    from mirstore.core.training import Training

__all__ = [
    "Arrays", "Audio", "AudioError", "Column", "Component", "Examples", "Extractor", "Grouper", "Importance",
    "MirstoreError", "Model", "Row", "Smoother", "Sound", "Tensor", "Tensors", "Track", "TrackError", "Training",
    "UserFile", "WebFile", "Weights", "WheelFile", "hookimpl", "load_state", "save_state",
]  # fmt: skip

_home = {
    "columns": ("Column", "Row", "Sound", "Tensor"),
    "components": ("Component", "Extractor", "Grouper", "Smoother"),
    "errors": ("AudioError", "MirstoreError", "TrackError"),
    "hookspecs": ("hookimpl",),
    "models": ("Examples", "Importance", "Model"),
    "recording": ("Audio",),
    "state": ("load_state", "save_state"),
    "tensors": ("Arrays", "Tensors"),
    "tracks": ("Track",),
    "training": ("Training",),
    "pretrained": ("UserFile", "WebFile", "Weights", "WheelFile"),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    for module, names in _home.items():
        if name in names:
            return getattr(import_module(f"mirstore.core.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
