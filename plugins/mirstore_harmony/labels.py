"""Labels of chords in Harte's syntax: ``C:maj``, ``F#:min7/b3``, ``Bb:7(b9)``, ``A:(3,5,b7)``, ``N``.

Examples
--------
>>> parse("F#:min7/b3", "majmin"), parse("F#:min7/b3", "sevenths")
((6, 'min'), (6, 'min7'))
>>> parse("N", "majmin") is None
True
"""

from __future__ import annotations

import re
from functools import lru_cache

from mirstore_harmony.theory import qualities, vocabularies

Chord = tuple[int, str]
"""Pitch class of the root (C is 0), and quality."""

_shorthands = {
    "": "3 5", "maj": "3 5", "min": "b3 5", "dim": "b3 b5", "aug": "3 #5", "1": "", "5": "5",
    "maj7": "3 5 7", "min7": "b3 5 b7", "7": "3 5 b7", "dim7": "b3 b5 bb7", "hdim7": "b3 b5 b7", "minmaj7": "b3 5 7",
    "maj6": "3 5 6", "min6": "b3 5 6", "9": "3 5 b7 9", "maj9": "3 5 7 9", "min9": "b3 5 b7 9",
    "11": "3 5 b7 9 11", "maj11": "3 5 7 9 11", "min11": "b3 5 b7 9 11",
    "13": "3 5 b7 9 11 13", "maj13": "3 5 7 9 11 13", "min13": "b3 5 b7 9 11 13",
    "sus2": "2 5", "sus4": "4 5", "augmaj7": "3 #5 7",
}  # fmt: skip
_naturals = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
_none = ("N", "X", "")  # no chord, an unknown one, nothing said
_degree = r"[b#]*(?:1[0-3]|[1-9])"
_label = re.compile(
    rf"(?P<root>[A-G][b#]*)(?::(?P<shorthand>[a-z]*\d*)(?:\((?P<degrees>\*?{_degree}(?:,\*?{_degree})*)\))?)?"
    rf"(?:/{_degree})?"
)


@lru_cache(4096)
def parse(label: str, vocabulary: str) -> Chord | None:
    """Return a chord, reduced to a vocabulary; None for no chord, for an unknown one, and for one without a third.

    In ``"majmin"`` the third decides. In ``"sevenths"`` third, fifth and seventh do; where these are no seventh chord
    of the vocabulary, third and fifth; where these are no triad, the third. Other tones and the bass count nowhere.

    Parameters
    ----------
    label : str
        In Harte's syntax.
    vocabulary : str
        One of `vocabularies`.
    """
    match = _label.fullmatch(label.strip())
    tones = match and _tones(match["shorthand"] or "", match["degrees"] or "", listed=bool(match["degrees"]))
    if not match or not tones:
        return None
    third = next((interval for interval in (4, 3) if interval in tones), None)
    if third is None:
        return None
    fifth = next((interval for interval in (7, 6 if third == 3 else 8) if interval in tones), 7)
    sevenths = [interval for interval in (11, 10, 9) if interval in tones and not (interval == 9 and fifth != 6)]
    for wanted in ((0, third, fifth, *sevenths[:1]), (0, third, fifth), (0, third, 7)):
        for name in vocabularies[vocabulary]:
            if qualities[name] == wanted:
                return _pitch(match["root"]) % 12, name
    return None


def is_harte(label: str) -> bool:
    """Whether a label is written in Harte's syntax, be it a chord, none (``N``) or an unknown one (``X``).

    Parameters
    ----------
    label : str

    Examples
    --------
    >>> [is_harte(label) for label in ("A:min", "A:sus4", "N", "X", "Am", "A:minor", "H:maj")]
    [True, True, True, True, False, False, False]
    """
    match = _label.fullmatch(label.strip())
    return label.strip() in _none if match is None else (match["shorthand"] or "") in _shorthands


def _tones(shorthand: str, degrees: str, *, listed: bool) -> set[int] | None:
    """Return semitones above the root; degrees are added, or taken away after a ``*``."""
    if shorthand not in _shorthands:
        return None
    plain = "" if listed and not shorthand else _shorthands[shorthand]
    tones = {0, *map(_interval, plain.split())}
    for degree in degrees.split(",") if degrees else []:
        if degree.startswith("*"):
            tones.discard(_interval(degree[1:]))
        else:
            tones.add(_interval(degree))
    return tones


def _interval(degree: str) -> int:
    """Return semitones above the root, an octave and more for the ninth and above."""
    number = int(degree.lstrip("b#")) - 1
    return 12 * (number // 7) + list(_naturals.values())[number % 7] + degree.count("#") - degree.count("b")


def _pitch(root: str) -> int:
    return _naturals[root[0]] + root.count("#") - root.count("b")
