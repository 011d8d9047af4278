"""What languages are called: codes of ISO 639-1, for whatever people or taggers write."""

from __future__ import annotations

import re

import polars as pl

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


def annotated(rows: pl.DataFrame) -> str | None:
    """Return what an annotation says of a track's language: the first text in any of its columns, None without one.

    Parameters
    ----------
    rows : pl.DataFrame

    Examples
    --------
    >>> annotated(pl.DataFrame({"start": [0.0, 0.0], "text": [" ", "Spanish "]}))
    'Spanish'
    """
    names = [name for name, kind in rows.schema.items() if kind == pl.String]
    return next((text.strip() for name in names for text in rows[name] if text and text.strip()), None)
