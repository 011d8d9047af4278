"""Segments of one chord each: from labels over time to rows, without what is too short to be a chord."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

import numpy as np
import polars as pl

from mirstore.core import Column, MirstoreError, Row

roots = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_rounding = 1e-9  # [s]

Segment = tuple[float, float, str, float]
"""Start and end [s], a chord in Harte's syntax or `no_chord`, and confidence."""

no_chord = "N"


def columns(qualities: Sequence[str], confidence: str) -> Mapping[str, Column]:
    """Return the columns of chords.

    Parameters
    ----------
    qualities : sequence of str
        Those that occur.
    confidence : str
        What it is, with a range of 0 to 1.
    """
    return {
        "start": Column(pl.Float64, "s", "where the chord begins", range=(0, None)),
        "end": Column(pl.Float64, "s", "where the chord ends", range=(0, None)),
        "label": Column(pl.String, "", "the chord in Harte's syntax, as A:min"),
        "root": Column(pl.String, "", f"its root: {', '.join(roots)}"),
        "quality": Column(pl.String, "", f"its quality: {', '.join(qualities)}"),
        "confidence": Column(pl.Float32, "", confidence, range=(0, 1)),
    }


def segments(edges: np.ndarray, labels: Sequence[str], confidences: np.ndarray) -> list[Segment]:
    """Return one segment for each label; those without length are left out.

    Parameters
    ----------
    edges : np.ndarray [shape=(n + 1,)]
        Where segments begin and end, rising [s].
    labels : sequence of n str
    confidences : np.ndarray [shape=(n,)]
    """
    times = [float(edge) for edge in edges]
    found = zip(pairwise(times), labels, confidences, strict=True)
    return [(start, end, label, float(confidence)) for (start, end), label, confidence in found if end > start]


def cleaned(found: Sequence[Segment], min_duration: float) -> list[Segment]:
    """Return the chords among segments that follow on one another, each as long as it lasts.

    Equal neighbours are one. What is shorter then is dropped, its time shared by the two around it, and equal
    neighbours are one again. What has no chord is left out, so that chords before and after silence stay two.

    Parameters
    ----------
    found : sequence of Segment
        Each begins where the one before ends.
    min_duration : float >= 0 [s]

    Examples
    --------
    >>> cleaned([(0, 2, "C:maj", 0.9), (2, 2.2, "A:min", 0.4), (2.2, 4, "G:maj", 0.8)], 0.5)
    [(0, 2.1, 'C:maj', 0.9), (2.1, 4, 'G:maj', 0.8)]
    """
    kept = [each for each in _merged(found) if each[1] - each[0] >= min_duration - _rounding]
    if not kept:
        return []
    cuts = [found[0][0], *((a[1] + b[0]) / 2 for a, b in pairwise(kept)), found[-1][1]]
    stretched = [(start, end, *each[2:]) for (start, end), each in zip(pairwise(cuts), kept, strict=True)]
    return [each for each in _merged(stretched) if each[2] != no_chord]


def rows(chords: Sequence[Segment]) -> list[Row]:
    """Return a row for each chord.

    Parameters
    ----------
    chords : sequence of Segment
    """
    return [_row(*chord) for chord in chords]


def _row(start: float, end: float, label: str, confidence: float) -> Row:
    root, quality = label.split(":")
    return {"start": start, "end": end, "label": label, "root": root, "quality": quality, "confidence": confidence}


def refuse_negative(min_duration: float) -> None:
    """Raise for a shortest duration that is negative or no number.

    Parameters
    ----------
    min_duration : float [s]

    Raises
    ------
    MirstoreError
    """
    if not 0 <= min_duration < float("inf"):
        raise MirstoreError(f"min_duration={min_duration} must be 0 s or more", hint="min_duration = 0.5 is usual")


def _merged(found: Sequence[Segment]) -> Iterator[Segment]:
    for label, group in groupby(found, key=lambda each: each[2]):
        same = list(group)
        lengths = [end - start for start, end, *_ in same]
        confidence = float(np.average([each[3] for each in same], weights=lengths))
        yield same[0][0], same[-1][1], label, confidence
