"""What is sung, in words with times."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return []
