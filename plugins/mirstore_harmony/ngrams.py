"""Functions in a progression: one token per chord, and which sequences of two and three tokens are counted.

Examples
--------
>>> from mirstore_harmony.table import shipped
>>> C, F, G = (0, "maj"), (5, "maj"), (7, "maj")
>>> tokens(functions_of([C, F, G, C], shipped()))
['glob', 'mixolydian', 'glob', 'tonic']
>>> len(bigrams), len(trigrams)
(40, 272)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise, product

from mirstore_harmony.labels import Chord
from mirstore_harmony.table import Table
from mirstore_harmony.theory import functions

token_of = {
    "major_dominants": "glob",
    "mixolydian_seventh_dominants": "mixolydian",
    "aeolian_seventh_dominants": "aelian",
    "minor_fourth_subdominants": "minor_fourth",
    "dominants": "dom",
    "subdominants": "sub",
}
"""Column to the token of a chord that counts in it; the first that fits, so that special functions stay apart."""

_plain = ("dom", "sub", "glob", "aelian", "mixolydian", "minor_fourth")
_leading = ("dom", "glob", "aelian", "mixolydian")  # dominants, after which a tonic can come
_all = (*_plain, "tonic")

bigrams: tuple[tuple[str, ...], ...] = (*product(_plain, repeat=2), *product(_leading, ["tonic"]))
"""Any two functions, and a tonic after a dominant."""

trigrams: tuple[tuple[str, ...], ...] = (
    *product(_plain, repeat=3),
    *product(_all, _leading, ["tonic"]),
    *product(_leading, ["tonic"], _all),
)
"""Any three functions, and a tonic after a dominant with any token before or after it."""


def column(gram: Iterable[str]) -> str:
    """Return the name of an n-gram's column.

    Parameters
    ----------
    gram : iterable of str
        Its tokens.

    Examples
    --------
    >>> column(("minor_fourth", "dom"))
    'minor_fourth_dom'
    """
    return "_".join(gram)


def functions_of(chords: Sequence[Chord], table: Table) -> list[frozenset[str]]:
    """Return the columns in which each chord counts; the last has no next chord, and so no function.

    Parameters
    ----------
    chords : sequence of (int, str)
        Pitch class of the root, and quality.
    table : Mapping
        See `mirstore_harmony.table`.
    """
    nothing: frozenset[str] = frozenset()
    found = [table.get(((a - b) % 12, p, q), nothing) for (a, p), (b, q) in pairwise(chords)]
    return [*found, nothing][: len(chords)]


def tokens(found: Sequence[frozenset[str]]) -> list[str | None]:
    """Return one token per chord: its function, else ``tonic`` after a dominant, else None.

    Parameters
    ----------
    found : sequence of frozenset of str
        As `functions_of` returns them.
    """
    made: list[str | None] = []
    for columns in found:
        token = next((token for column, token in token_of.items() if column in columns), None)
        made.append("tonic" if token is None and made and made[-1] in _leading else token)
    return made


def ratios(parts: Sequence[Sequence[Chord]], table: Table) -> dict[str, float]:
    """Return all 319 numbers: functions by the number of chords n, pairs by n - 1, triples by n - 2.

    Parameters
    ----------
    parts : sequence of sequence of (int, str)
        Chords, in parts between which nothing leads from one to the next; at least one chord.
    table : Mapping
        See `mirstore_harmony.table`.
    """
    single: Counter[str] = Counter()
    grams: Counter[tuple[str | None, ...]] = Counter()
    for chords in parts:
        found = functions_of(chords, table)
        said = tokens(found)
        for columns in found:
            single.update(columns)
        single["tonics"] += said.count("tonic")
        grams.update(pairwise(said))
        grams.update(zip(said, said[1:], said[2:], strict=False))
    n = sum(map(len, parts))
    counted = {name: single[name] / n for name in (*functions, "tonics")}
    for size, wanted in ((2, bigrams), (3, trigrams)):
        places = max(n - size + 1, 1)
        counted.update({column(gram): grams[gram] / places for gram in wanted})
    return counted
