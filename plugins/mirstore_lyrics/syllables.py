"""Syllables from spelling, for words without a pronunciation."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

_nuclei = {
    "de": r"aa|ee|oo|ie|ei|ai|au|eu|äu|[aeiouyäöü]",
    "en": r"(?!(?<![ldt])e[sd]?$)[aeiouy]+",  # no silent e
    "es": r"(?!(?<=[qg])u[eiéí])(?:[iuüy]?[aeoáéó](?:[iuy](?![aeoáéó]))?|[íú]|[iuüy]+)",  # no u of que and gui
    "fr": r"(?!es?$)[aeiouyàâéèêëîïôöûùœæ]+",  # no silent e
}
"""What is sung as one vowel, for languages where hyphenation alone misses too many: it never leaves a letter alone."""


@lru_cache(1 << 16)
def by_spelling(word: str, language: str) -> int | None:
    """Return how many syllables a word has, None in a language that has no hyphenation here.

    Each part that hyphenation may divide the word into is one syllable, or as many as it has vowels in German, English,
    Spanish and French.

    Parameters
    ----------
    word : str
        In lower case.
    language : str
        ISO 639-1.

    Examples
    --------
    >>> [by_spelling(word, "es") for word in ("corazón", "poesía", "que", "idea")], by_spelling("petite", "fr")
    ([3, 4, 1, 3], 2)
    >>> by_spelling("любовь", "ru"), by_spelling("sayonara", "ja")
    (2, None)
    """
    hyphens = _hyphenation(language)
    if hyphens is None:
        return None
    parts = hyphens.inserted(word, "\n").split("\n")
    return sum(max(1, len(re.findall(_nuclei[language], part))) if language in _nuclei else 1 for part in parts)


@cache
def _hyphenation(language: str) -> Any:
    import pyphen

    found = pyphen.language_fallback(language)
    return pyphen.Pyphen(lang=found) if found else None
