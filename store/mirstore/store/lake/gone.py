"""Tracks whose files are gone. Who they are is kept beside the store: to work it out, all paths are read.

What is kept names the data files that it was worked out from. These never change; so it holds as long as the table has
the same ones, and nobody has to take it away when it does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import polars as pl

from mirstore.store.lake.latest import located
from mirstore.store.lake.schema import order

name = "gone.json"
"""In the store's folder. It may be deleted at any time."""

largest = 1 << 28  # bytes: three million tracks; somebody else may have made it


def known(store: Path, files: Iterable[Path]) -> pl.DataFrame | None:
    """Return the tracks without a path, as they are kept; None if what is kept is of other files, or damaged.

    Parameters
    ----------
    store : path
        The store's folder.
    files : iterable of path
        Of ``core.locations``.
    """
    try:
        if (store / name).stat().st_size > largest:
            return None
        text, _, digest = (store / name).read_text().rpartition("\n")
        told = json.loads(text) if digest == _digest(text) else {"files": None}
        if told["files"] != _names(files):
            return None
        return pl.DataFrame({"track": told["tracks"]}, schema={"track": pl.String})
    except (OSError, ValueError, LookupError, TypeError, RecursionError, pl.exceptions.PolarsError):
        return None  # damaged, or made by other hands


def keep(store: Path, files: Iterable[Path], tracks: pl.DataFrame) -> None:
    """Keep which tracks have no path.

    Parameters
    ----------
    store : path
        The store's folder.
    files : iterable of path
        Of ``core.locations``.
    tracks : pl.DataFrame
        ``track``.
    """
    text = json.dumps({"files": _names(files), "tracks": sorted(tracks["track"])})
    if len(text) >= largest:
        return forget(store)
    part = store / f"{name}.part"  # one who was killed has left it, or writes it now: nobody keeps anything then
    with suppress(OSError):  # a full disk, for example: then it is worked out again
        try:
            with open(part, "x") as file:  # it is not there, and so is no link
                file.write(f"{text}\n{_digest(text)}")
            part.replace(store / name)
        finally:
            part.unlink(missing_ok=True)


def forget(store: Path) -> None:
    """Delete what is kept.

    Parameters
    ----------
    store : path
        The store's folder.
    """
    (store / name).unlink(missing_ok=True)


def without_path(locations: pl.LazyFrame) -> pl.DataFrame:
    """Return the tracks whose paths all hold something else now, or nothing.

    Parameters
    ----------
    locations : pl.LazyFrame
        All rows of ``core.locations``.
    """
    paths = locations.select(pl.col("path").hash()).collect()["path"]
    if paths.n_unique() == len(paths):
        return pl.DataFrame(schema={"track": pl.String})  # a path that was told once holds what it held
    rows = locations.select("path", "track", order).collect()
    again = paths.is_duplicated()
    told = rows.filter(again)
    lost = told.select("track").drop_nulls().unique().join(located(told.lazy()), on="track", how="anti")
    return lost.join(rows.filter(~again), on="track", how="anti")


def _names(files: Iterable[Path]) -> list[str]:
    return sorted(path.name for path in files)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
