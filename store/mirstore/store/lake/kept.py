"""Feature sets that are computed for what reads them and not kept: nobody can ask for their values."""

from __future__ import annotations

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.store.lake.lake import Lake


def not_kept(name: str) -> UsageError:
    """Return what to say to whoever asks for values that nobody keeps.

    Parameters
    ----------
    name : str
    """
    return UsageError(
        f"features {name!r} are not kept",
        hint="ask for what reads them, or take out keep = false in the registry and ingest again",
    )


def unkept(lake: Lake) -> set[str]:
    """Return the ids of feature sets that were computed and not kept.

    Parameters
    ----------
    lake : Lake
    """
    rows = lake.recorded("core.extractions").filter(pl.col("status") == "not kept")
    return set(rows.select("feature_set").unique().collect()["feature_set"])
