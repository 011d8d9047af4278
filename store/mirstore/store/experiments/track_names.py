"""Which track is meant by a path, the end of a title, or the first letters of an id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from mirstore.core.errors import UsageError
from mirstore.core.text import some

shortest = 4  # letters of an id


def meant(tracks: pl.DataFrame, wanted: Sequence[str]) -> list[str]:
    """Return the tracks that are meant, each once.

    A path or an id comes before a title, and the whole of either before a part of it.

    Parameters
    ----------
    tracks : pl.DataFrame
        ``track``, ``title``, ``path``.
    wanted : sequence of str
        Paths or how they end, titles or how they end, ids or how they begin; of titles case does not matter.

    Raises
    ------
    UsageError
        If no track is called so, or several are.
    """
    rows = tracks.select("track", "title", "path").to_dicts()
    return list(dict.fromkeys(_one(rows, text) for text in wanted))


def _one(rows: Sequence[dict[str, Any]], text: str) -> str:
    for fits in _ways(text):
        found = [row for row in rows if fits(row)]
        if len(found) == 1:
            return str(found[0]["track"])
        if found:
            names = some([_name(row) for row in found], 5)
            raise UsageError(f"track {text!r} could be any of {len(found)}: {names}", hint="give its id, or its path")
    close = get_close_matches(text, [name for row in rows for name in (row["title"], row["path"]) if name], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "mirstore sql 'SELECT title, path, track FROM tracks'"
    raise UsageError(f"unknown track {text!r}", hint=hint)  # a list of all would be too long


def _name(row: Mapping[str, Any]) -> str:
    """Return what a track is called and its id: the first letters of a checksum, that of a table as it is."""
    short = row["track"][:10] if len(row["track"]) == 64 else row["track"]
    called = row["title"] or row["path"]
    return f"{called} ({short})" if called else str(short)


def _ways(text: str) -> Iterator[Callable[[dict[str, Any]], bool]]:
    """Yield ways to be meant, the surest first."""
    absolute, lower = str(Path(text).expanduser().absolute()), text.casefold()
    yield lambda row: row["track"] == text or row["path"] in (text, absolute)
    yield lambda row: (row["path"] or "").endswith(f"/{text}") or row["track"].endswith(f":{text}")  # of a table
    yield lambda row: len(text) >= shortest and row["track"].startswith(text)
    if lower.strip():
        yield lambda row: (row["title"] or "").casefold() == lower
        yield lambda row: (row["title"] or "").casefold().endswith(lower)
