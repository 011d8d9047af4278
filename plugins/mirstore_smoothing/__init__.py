"""Label smoothing for ambiguous classes."""

from __future__ import annotations

from mirstore.core import Smoother, hookimpl
from mirstore_smoothing.knn import KNNSmoothing

__all__ = ["KNNSmoothing"]


@hookimpl
def register_smoothers() -> list[type[Smoother]]:
    return [KNNSmoothing]
