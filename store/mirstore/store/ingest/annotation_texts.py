"""Annotations without files of their own: texts in a column of the tables that list the tracks, or in their tags."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mirstore.core.errors import UsageError, did_you_mean
from mirstore.core.tags import read_tag
from mirstore.store.ingest.source import Source

if TYPE_CHECKING:
    from mirstore.store.ingest.annotation_sets import Given


def where(given: Given, source: Source) -> str:
    """Return the path of the file that holds the text; of a column, which has none, what a user gave.

    Parameters
    ----------
    given : Given
    source : Source
        The track's file, with what tables say of it.
    """
    return source.path if given.kind == "tag" else f"column:{given.key}"


def text(given: Given, source: Source) -> str | None:
    """Return what is said of a track, None if nothing is.

    Parameters
    ----------
    given : Given
    source : Source
    """
    if given.kind == "tag":
        return read_tag(Path(source.path), given.key)
    if given.key in source.attrs:
        return str(source.attrs[given.key])
    return ", ".join(source.labels.get(given.key, ())) or None


def refuse_unknown(given: Given, sources: Iterable[Source]) -> None:
    """Refuse a column that no table has.

    Parameters
    ----------
    given : Given
    sources : iterable of Source

    Raises
    ------
    UsageError
    """
    known = {name for source in sources for name in (*source.attrs, *source.labels)}
    if given.kind == "column" and given.key not in known:
        raise UsageError(
            f"annotations {given.name!r}: no track has anything in a column {given.key!r}",
            hint=did_you_mean(given.key, known) if known else "name the table that has it: --labels TABLE",
        )
