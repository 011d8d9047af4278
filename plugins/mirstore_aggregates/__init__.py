"""Aggregates: what the rows of another feature set come to over a track, or over each second; and the first answer."""

from __future__ import annotations

from mirstore.core import Extractor, hookimpl
from mirstore_aggregates.coalesce import Coalesce
from mirstore_aggregates.histogram import Histogram
from mirstore_aggregates.moments import Mean, Std
from mirstore_aggregates.per_second import PerSecond

__all__ = ["Coalesce", "Histogram", "Mean", "PerSecond", "Std"]


@hookimpl
def register_extractors() -> list[type[Extractor]]:
    return [Coalesce, Histogram, Mean, PerSecond, Std]
