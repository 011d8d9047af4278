"""From rows of chords to progressions: what is no chord, too short or said again is left out."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from mirstore.core.errors import TrackError
from mirstore_harmony.labels import Chord, is_harte, parse


class Sounding(NamedTuple):
    """A chord of a progression.

    Attributes
    ----------
    chord : (int, str)
        Pitch class of the root (C is 0), and quality.
    start, end : float [s]
    label : str
        As it was read.
    """

    chord: Chord
    start: float
    end: float
    label: str


def parts(
    rows: pl.DataFrame, vocabulary: str, min_duration: float, merge_repeats: bool, break_gap: float | None
) -> list[list[Sounding]]:
    """Return the chords, in parts between which nothing leads from one to the next; none if there are no chords.

    Parameters
    ----------
    rows : pl.DataFrame
        With ``start``, ``end`` [s] and ``label``, ordered by ``start``.
    vocabulary, min_duration, merge_repeats, break_gap
        See `FunctionalHarmony`.

    Raises
    ------
    TrackError
        If a label is not in Harte's syntax: without that chord its neighbours would have other functions.
    """
    labels = rows["label"].drop_nulls().unique(maintain_order=True)
    if wrong := [label for label in labels if not is_harte(label)]:
        raise TrackError("not harte", f"labels not in Harte's syntax, as A:min or N: {', '.join(map(repr, wrong[:3]))}")
    found: list[list[Sounding]] = []
    for start, end, label in rows.select("start", "end", "label").iter_rows():
        chord = parse(label, vocabulary) if label is not None else None
        end = start + min_duration if end is None else end  # not known: long enough
        if chord is None or end - start < min_duration - 1e-6:
            continue
        last = found[-1][-1] if found else None
        if last is None or (break_gap is not None and start - last.end > break_gap + 1e-6):
            found.append([Sounding(chord, start, end, label)])
        elif merge_repeats and last.chord == chord:
            found[-1][-1] = last._replace(end=end)
        else:
            found[-1].append(Sounding(chord, start, end, label))
    return found
