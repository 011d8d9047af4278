"""The numbers, from lines of words.

Examples
--------
>>> from mirstore_lyrics.sounds import spelled
>>> text = [["big", "bad", "wolf"], ["the", "wolf", "calf"]]
>>> pairs(text, spelled).alliteration, repetition_rate(text), lexical_diversity(text)
(0.16666666666666666, 0.3333333333333333, 0.8333333333333334)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple

import polars as pl

from mirstore_lyrics.sounds import Sounds
from mirstore_lyrics.words import Line, words

Heard = Callable[[str], Sounds | None]
_near = 2  # words: "Peter and Paul" alliterate
_stanza = 3  # lines: the first and the last of four rhyme in ABBA


class Pairs(NamedTuple):
    """Shares of the pairs of near words, None where there are no pairs.

    Attributes
    ----------
    alliteration, assonance, consonance : float or None
        That begin with one consonant; that have one stressed vowel; that end with one consonant.
    """

    alliteration: float | None
    assonance: float | None
    consonance: float | None


def pairs(text: list[Line], heard: Heard) -> Pairs:
    """Return what share of near words sound alike.

    A pair are two different words of a line with at most one word between them, of which both are known.

    Parameters
    ----------
    text : list of list of str
    heard : callable
        Word to its sounds, None if they are not known.
    """
    count = starts = vowels = ends = 0
    for one, other in chain.from_iterable(_near_words(line, heard) for line in text):
        count += 1
        starts += one.start == other.start is not None
        vowels += one.vowel == other.vowel is not None
        ends += one.end == other.end is not None
    return Pairs(starts / count, vowels / count, ends / count) if count else Pairs(None, None, None)


def _near_words(line: Line, heard: Heard) -> Iterator[tuple[Sounds, Sounds]]:
    sounds = [heard(word) for word in line]
    for apart in range(1, _near + 1):
        for at in range(len(line) - apart):
            one, other = sounds[at], sounds[at + apart]
            if one and other and line[at] != line[at + apart]:
                yield one, other


def rhyme_density(text: list[Line], heard: Heard) -> float | None:
    """Return the share of lines whose last word rhymes with another one at the end of one of the three lines around it.

    Parameters
    ----------
    text : list of list of str
    heard : callable
        Word to its sounds. Lines whose last word's are not known do not count.

    Returns
    -------
    float or None
        None if there are not two lines whose last words are known.
    """
    last = [(line[-1], sounds.rhyme) if (sounds := heard(line[-1])) else None for line in text]
    rhymes = set[int]()
    for at, one in enumerate(last):
        for other in range(at + 1, min(at + _stanza + 1, len(last))):
            two = last[other]
            if one and two and one[0] != two[0] and one[1] == two[1]:
                rhymes |= {at, other}
    known = sum(each is not None for each in last)
    return len(rhymes) / known if known > 1 else None


def repetition_rate(text: list[Line]) -> float:
    """Return the share of words that come more than once.

    Parameters
    ----------
    text : list of list of str
        With a word at least.
    """
    counts = Counter(chain.from_iterable(text))
    return sum(count for count in counts.values() if count > 1) / counts.total()


def lexical_diversity(text: list[Line]) -> float:
    """Return the number of different words by that of all words.

    Parameters
    ----------
    text : list of list of str
        With a word at least.
    """
    counts = Counter(chain.from_iterable(text))
    return len(counts) / counts.total()


def words_per_second(rows: pl.DataFrame, column: str) -> float | None:
    """Return how fast words follow each other, from where the first begins to where the last ends.

    Where rows have no ends, each lasts until a later one begins, and the words of the last do not count.

    Parameters
    ----------
    rows : pl.DataFrame
        By ``start``, if they have that.
    column : str
        The column of text.

    Returns
    -------
    float or None
        None without times, and where no end is known.
    """
    if "start" not in rows.columns:
        return None
    counts = [len(words(text)) for text in rows[column].fill_null("")]
    starts: list[float] = rows["start"].to_list()
    ends: list[float | None] = rows["end"].to_list() if "end" in rows.columns else [None] * len(starts)
    following = dict(pairwise(sorted({*starts})))
    lasting = [
        (start, stop, count)
        for start, end, count in zip(starts, ends, counts, strict=True)
        if count and (stop := following.get(start) if end is None else end) is not None
    ]
    if not lasting:
        return None
    seconds = max(stop for _, stop, _ in lasting) - min(start for start, _, _ in lasting)
    return sum(count for *_, count in lasting) / seconds if seconds > 0 else None
