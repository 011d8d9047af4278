"""Which language words are in: what is said of it, in any of the usual ways, or English if they look like it."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from mirstore.core.languages import code
from mirstore_lyrics.sounds import pronunciation
from mirstore_lyrics.words import Line

_known_share = 0.9  # of 40 songs, seven English ones have .99 and more of their words in CMUdict, 33 others .49 to .75


class Language(NamedTuple):
    """Which one it is and who says so, or why that is not known."""

    code: str | None
    source: str
    doubt: str = ""


def language_of(rows: pl.DataFrame, text: list[Line], required: bool) -> Language:
    """Return the language that rows say they have, or else English if the text may be that.

    Parameters
    ----------
    rows : pl.DataFrame
        Maybe with ``language`` and ``language_source``.
    text : list of list of str
        Their words, one at least.
    required : bool
        Whether nothing is assumed.
    """
    said, source = first(rows, "language"), first(rows, "language_source") or "given"
    if said and source != "assumed":
        known = code(said)
        doubt = "" if known else f"language {said!r} is neither a code of ISO 639-1 nor a name that is known here"
        return Language(known, source if known else "unknown", doubt)
    doubt = "the language is not known" if required else _doubt(text)
    return Language(None, "unknown", doubt) if doubt else Language("en", "assumed")


def first(rows: pl.DataFrame, column: str) -> str | None:
    """Return the first value of a column of text, None if there is none.

    Parameters
    ----------
    rows : pl.DataFrame
    column : str
        It need not be there.
    """
    if rows.schema.get(column) != pl.String:
        return None
    return next((value for value in rows[column] if value), None)


def _doubt(text: list[Line]) -> str:
    """Say why a text must not be taken for English, empty if it may."""
    words = [word for line in text for word in line]
    known = sum(pronunciation(word) is not None for word in words) / len(words)
    if known >= _known_share:
        return ""
    share = f"{100 * known:.0f} % of the words are in the English dictionary"
    return f"no language is given, and {share}: too few to assume that it is English"
