"""Perceptual features between sound and meaning, by a network that learns them from ratings."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_midlevel.model import MidlevelNet

__all__ = ["MidlevelNet"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [MidlevelNet]
