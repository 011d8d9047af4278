"""Which column of what is read holds the words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from mirstore.core import Column
from mirstore.core.errors import ConfigError

_usual = ("word", "words", "text", "line", "lyrics")


def text_column(kinds: Mapping[str, Any], wanted: str) -> str | None:
    """Return the column of text, None if there is none that must be it.

    Parameters
    ----------
    kinds : Mapping of str to type
        Of the columns.
    wanted : str
        The one that a user names; empty if none is named.

    Examples
    --------
    >>> text_column({"start": pl.Float64, "text": pl.String, "singer": pl.String}, "")
    'text'
    """
    texts = [name for name, kind in kinds.items() if kind == pl.String and not name.startswith("language")]
    if wanted:
        return wanted if wanted in texts else None
    return next((name for name in _usual if name in texts), texts[0] if len(texts) == 1 else None)


def require_text(extractor: str, columns: Mapping[str, Column], wanted: str) -> None:
    """Refuse what has no column that must be the text.

    Parameters
    ----------
    extractor : str
        Who reads it, for the message.
    columns : Mapping of str to Column
    wanted : str
        As for `text_column`.

    Raises
    ------
    ConfigError
    """
    kinds = {name: each.dtype for name, each in columns.items() if not each.is_packed}
    if text_column(kinds, wanted) is None:
        texts = ", ".join(name for name, kind in kinds.items() if kind == pl.String)
        lacking = f"no column of text {wanted!r}" if wanted else "no column that must be the text"
        raise ConfigError(
            f"{extractor}: what it reads has {lacking}",
            hint=f"columns of text: {texts}; say params = {{ column = … }}" if texts else "it reads words or lines",
        )
