"""The DuckDB/Arrow store: versioned features, labels, splits, lineage, and SQL over them."""

from __future__ import annotations

from mirstore.store.store import Store

__all__ = ["Store"]


def __dir__() -> list[str]:
    return __all__
