"""Networks that hear short chunks of music: spectrograms, and tempograms beside them."""

from __future__ import annotations

from mirstore.core import Model, hookimpl
from mirstore_shortchunk.models import ShortChunkEarly, ShortChunkLate, ShortChunkResNet, TempogramOnly

__all__ = ["ShortChunkEarly", "ShortChunkLate", "ShortChunkResNet", "TempogramOnly"]


@hookimpl
def register_models() -> list[type[Model]]:
    """Return the models."""
    return [ShortChunkResNet, ShortChunkEarly, ShortChunkLate, TempogramOnly]
