"""The DuckDB/Arrow store: versioned features, labels, splits, lineage, and SQL over them.

Names are loaded on first use: a question in SQL needs nothing that computes, and who answers it not even polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirstore.store.project import Project as Project
    from mirstore.store.store import Store as Store

__all__ = ["Project", "Store"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"mirstore.store.{name.lower()}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
