"""Which language words are in: what is said of it, in any of the usual ways, or English if they look like it."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from mirstore_lyrics.sounds import pronunciation
from mirstore_lyrics.words import Line

_known_share = 0.9  # of 40 songs, seven English ones have .99 and more of their words in CMUdict, 33 others .49 to .75
_names = """
af afr afrikaans, ar ara arabic, as asm assamese, be bel belarusian, bg bul bulgarian, bn ben bengali, ca cat catalan,
cs ces cze czech, cy cym wel welsh, da dan danish, de deu ger german, el ell gre greek, en eng english,
eo epo esperanto, es spa spanish castilian, et est estonian, eu eus baq basque, fa fas per persian farsi,
fi fin finnish, fr fra fre french, ga gle irish, gl glg galician, he heb hebrew, hi hin hindi, hr hrv croatian,
hu hun hungarian, hy hye arm armenian, id ind indonesian, is isl ice icelandic, it ita italian, ja jpn japanese,
ka kat geo georgian, km khm khmer, kn kan kannada, ko kor korean, la lat latin, lo lao, lt lit lithuanian,
lv lav latvian, mn mon mongolian, mr mar marathi, ms msa may malay, my mya bur burmese, nb nob no nor norwegian bokmål,
nl nld dut dutch, nn nno nynorsk, or ori odia oriya, pa pan punjabi, pl pol polish, pt por portuguese,
ro ron rum romanian, ru rus russian, sa san sanskrit, sk slk slo slovak, sl slv slovenian slovene, sq sqi alb albanian,
sr srp serbian, sv swe swedish, sw swa swahili, ta tam tamil, te tel telugu, th tha thai, tl tgl tagalog,
tr tur turkish, uk ukr ukrainian, ur urd urdu, vi vie vietnamese, zh zho chi chinese mandarin, zu zul zulu
"""
_codes = {name: names.split()[0] for names in _names.split(",") for name in names.split()}


class Language(NamedTuple):
    """Which one it is and who says so, or why that is not known."""

    code: str | None
    source: str
    doubt: str = ""


def code(said: str) -> str | None:
    """Return a language in ISO 639-1; None if it is neither a code of two letters nor known by its name.

    Parameters
    ----------
    said : str
        A code of two or three letters, with or without a region, or the English name.

    Examples
    --------
    >>> [code(said) for said in ("en", "English", "eng", "pt-BR", "no", "Klingon")]
    ['en', 'en', 'en', 'pt', 'nb', None]
    """
    first = re.split(r"[-_]", said.strip().lower())[0]
    return _codes.get(first) or (first if re.fullmatch(r"[a-z]{2}", first) else None)


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
    said, source = _first(rows, "language"), _first(rows, "language_source") or "given"
    if said and source != "assumed":
        known = code(said)
        doubt = "" if known else f"language {said!r} is neither a code of ISO 639-1 nor a name that is known here"
        return Language(known, source if known else "unknown", doubt)
    doubt = "the language is not known" if required else _doubt(text)
    return Language(None, "unknown", doubt) if doubt else Language("en", "assumed")


def _first(rows: pl.DataFrame, column: str) -> str | None:
    """Return the first value of a column of text, None if there is none."""
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
