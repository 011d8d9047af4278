"""From text to lines of words.

A word is a run of letters, with accents and inner apostrophes, in lower case. Hyphens and dashes part words; digits,
emoji and punctuation are none.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby

import polars as pl

Line = list[str]
_words_per_row = 1.5  # a row of more, on average, is a line
_apostrophes = "'’‘ʼ`´＇"
_no_word = "ℹ"  # a letter to Unicode, and an emoji to everybody else
_unspaced = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


class _Letters(dict[int, str]):
    """What `str.translate` makes of a character, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))
        self[code] = chr(code) if kind[0] in "LM" else "" if kind == "Cf" else " "
        return self[code]


_letters = _Letters({**dict.fromkeys(map(ord, _apostrophes), "'"), ord(_no_word): " "})


def words(text: str) -> Line:
    """Return the words of a text in their order.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> words("Don’t stop—’til 2 a.m.! 🎵 Señor, “well-known”")
    ["don't", 'stop', 'til', 'a', 'm', 'señor', 'well', 'known']
    """
    parts = (part.strip("'") for part in unicodedata.normalize("NFC", text).lower().translate(_letters).split())
    return [part for part in parts if any(map(str.isalpha, part))]


_heading = re.compile(r"\s*\[[^\[\]]*\]\s*")  # as [Chorus], which nobody sings


def lines(texts: list[str]) -> list[Line]:
    r"""Return the lines of texts, each of which may have several; lines without words are left out, and headings.

    Parameters
    ----------
    texts : list of str

    Examples
    --------
    >>> lines(["[Verse 1]\none two\n\nthree", "🎵"])
    [['one', 'two'], ['three']]
    """
    sung = (line for text in texts for line in text.splitlines() if not _heading.fullmatch(line))
    return [found for line in sung if (found := words(line))]


def sung(rows: pl.DataFrame, column: str) -> list[str]:
    """Return the text of each line: a row, unless rows are words; those of one ``segment``, or all, are one line.

    Parameters
    ----------
    rows : pl.DataFrame
    column : str
        The column of text. Rows are words if it is ``word`` or ``words`` and they have one word each, or a few more.

    Examples
    --------
    >>> sung(pl.DataFrame({"word": ["one", "two", "three"], "segment": [0, 0, 1]}), "word")
    ['one two', 'three']
    >>> sung(pl.DataFrame({"line": ["one two", "three"], "segment": [0, 0]}), "line")
    ['one two', 'three']
    """
    texts = rows[column].fill_null("").to_list()
    if not are_words(rows, column):
        return texts
    if "segment" in rows.columns:
        pairs = zip(rows["segment"].to_list(), texts, strict=True)
        return [" ".join(text for _, text in pair) for _, pair in groupby(pairs, key=lambda pair: pair[0])]
    return [" ".join(texts)]


def are_words(rows: pl.DataFrame, column: str) -> bool:
    """Whether each row is a word, or a few.

    Parameters
    ----------
    rows : pl.DataFrame
    column : str
        Of text; only ``word`` and ``words`` may hold words one by one.
    """
    counts = [count for text in rows[column].fill_null("") if (count := len(text.split()))]
    return column in ("word", "words") and sum(counts) <= _words_per_row * len(counts)


def has_word_breaks(text: list[Line]) -> bool:
    """Whether words can be told apart: Chinese, Japanese, Thai, Lao, Khmer and Burmese put no blanks between them.

    Parameters
    ----------
    text : list of list of str

    Examples
    --------
    >>> has_word_breaks([["ラブ"], ["愛してる"]]), has_word_breaks([["love"], ["愛"]]), has_word_breaks([["любовь"]])
    (False, True, True)
    """
    letters = [letter for line in text for word in line for letter in word]
    scripts = {letter: unicodedata.name(letter, "").startswith(_unspaced) for letter in set(letters)}
    return 2 * sum(map(scripts.__getitem__, letters)) <= len(letters)
