"""Which chords are told apart, and what each is made of: a triad, a bass, a seventh, ninth, eleventh and thirteenth.

The networks answer these six questions apart from each other; a chord is as likely as all of its answers together.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

roots = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
no_chord = "N"
sizes = (73, 13, 4, 4, 3, 3)
"""How many answers each question has: triads (none, then six kinds on 12 roots), basses (none, then 12), the seventh
(none, 7, b7, bb7), ninth (none, 9, #9, b9), eleventh (none, 11, #11) and thirteenth (none, 13, b13)."""

_triads = ("maj", "min", "sus4", "sus2", "dim", "aug")
_degrees = {"2": 2, "b3": 3, "3": 4, "4": 5, "5": 7, "b7": 10}  # semitones above the root, of basses

# Quality: its triad, and which of the answers about seventh, ninth, eleventh and thirteenth it takes.
_made_of = {
    "maj": ("maj", 0, 0, 0, 0),
    "min": ("min", 0, 0, 0, 0),
    "dim": ("dim", 0, 0, 0, 0),
    "aug": ("aug", 0, 0, 0, 0),
    "sus2": ("sus2", 0, 0, 0, 0),
    "sus4": ("sus4", 0, 0, 0, 0),
    "sus4(b7)": ("sus4", 2, 0, 0, 0),
    "maj6": ("maj", 0, 0, 0, 1),
    "min6": ("min", 0, 0, 0, 1),
    "7": ("maj", 2, 0, 0, 0),
    "maj7": ("maj", 1, 0, 0, 0),
    "min7": ("min", 2, 0, 0, 0),
    "minmaj7": ("min", 1, 0, 0, 0),
    "dim7": ("dim", 3, 0, 0, 0),
    "hdim7": ("dim", 2, 0, 0, 0),
    "9": ("maj", 2, 1, 0, 0),
    "maj9": ("maj", 1, 1, 0, 0),
    "min9": ("min", 2, 1, 0, 0),
    "11": ("maj", 2, 1, 1, 0),
    "13": ("maj", 2, 1, 1, 1),
}

_triads_and_sevenths = "maj min dim aug 7 maj7 min7 dim7 hdim7 sus2 sus4"
_with_ninths = f"{_triads_and_sevenths} 9 maj9 min9 11 13 sus4(b7) maj/3 maj/5 min/b3 min/5"
vocabularies = {
    "large": f"{_with_ninths} maj/2 maj/b7 min/2 min/b7".split(),  # what its authors submitted to MIREX
    "sixths": f"{_with_ninths} maj/2 maj/4 maj6 min6".split(),
    "root-position": f"{_triads_and_sevenths} minmaj7 maj6 min6".split(),
}


class Vocabulary(NamedTuple):
    """Chords on all roots, the first being none.

    Parameters
    ----------
    labels : list of k str
        In Harte's syntax.
    answers : np.ndarray [shape=(k, 6), dtype=int64]
        Which of the six questions' answers each chord takes; -1 where a question is not asked.
    """

    labels: list[str]
    answers: np.ndarray


@cache
def vocabulary(name: str) -> Vocabulary:
    """Return a vocabulary.

    Parameters
    ----------
    name : str
        One of `vocabularies`.
    """
    chords = [(f"{root}:{kind}", _answers(kind, at)) for kind in vocabularies[name] for at, root in enumerate(roots)]
    labels, answers = zip((no_chord, (0, 0, -1, -1, -1, -1)), *chords, strict=True)
    return Vocabulary(list(labels), np.array(answers))


def qualities(name: str) -> list[str]:
    """Return the qualities of a vocabulary, without basses.

    Parameters
    ----------
    name : str
        One of `vocabularies`.
    """
    return list(dict.fromkeys(kind.partition("/")[0] for kind in vocabularies[name]))


def parts(label: str) -> tuple[str, str]:
    """Return root and quality of a chord, without its bass.

    Parameters
    ----------
    label : str

    Examples
    --------
    >>> parts("Bb:min/b3"), parts("C:sus4(b7)")
    (('Bb', 'min'), ('C', 'sus4(b7)'))
    """
    root, _, kind = label.partition(":")
    return root, kind.partition("/")[0]


def _answers(kind: str, root: int) -> tuple[int, ...]:
    quality, _, bass = kind.partition("/")
    triad, *rest = _made_of[quality]
    lowest = (root + (_degrees[bass] if bass else 0)) % 12
    return (1 + 12 * _triads.index(str(triad)) + root, 1 + lowest, *map(int, rest))
