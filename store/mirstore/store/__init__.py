"""The DuckDB/Arrow store: versioned features, labels, splits, lineage, and SQL over them."""

from __future__ import annotations

from mirstore.store.store import Store

__all__ = ["Store"]
