"""The DuckDB/Arrow store: versioned features, labels, splits, lineage, and SQL over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mirstore.store.store import Store

if TYPE_CHECKING:
    from mirstore.store.project import Project as Project

__all__ = ["Project", "Store"]


def __getattr__(name: str) -> Any:
    """Load what computes only for those who want it: a question in SQL does not."""
    if name == "Project":
        from mirstore.store.project import Project

        return Project
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
