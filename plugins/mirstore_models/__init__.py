"""Kept models as extractors: what one experiment learned is a feature of the next."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_models.scores import ModelScores

__all__ = ["ModelScores"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [ModelScores]
