"""A small network over the numbers of tracks."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_mlp.model import MLP

__all__ = ["MLP"]


@hookimpl
def register_models() -> list[type[Model]]:
    return [MLP]
