"""Networks that hear short chunks of music: spectrograms, and tempograms beside them."""

from __future__ import annotations

from mirstore.core import Model, hookimpl

__all__: list[str] = []


@hookimpl
def register_models() -> list[type[Model]]:
    """Return the models."""
    return []
