"""Chords of a large vocabulary over time, by networks of Jiang et al."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import polars as pl

from mirstore.core import Column, Extractor, MirstoreError, Row, Track
from mirstore_chordnet.decoding import likeliest, posteriors, scores
from mirstore_chordnet.net import Net, answers, heard, hop, sr
from mirstore_chordnet.publications import jiang
from mirstore_chordnet.vocabulary import no_chord, parts, qualities, roots, vocabulary
from mirstore_chordnet.weights import chords_large, of_net

_piece = 12_920  # frames, 300 s: what is longer is heard in pieces, so that memory has a bound
_margin = 430  # frames, 10 s, on both sides of a piece
_shortest = hop  # samples; what is shorter has no chord


@dataclass
class ChordsLarge(Extractor):
    """Chords with sevenths, ninths and basses over time, by trained networks; silence and noise have none.

    Parameters
    ----------
    nets : {1, 5}
        How many networks are asked; five cost four times as much.
    vocabulary : {"large", "sixths", "root-position"}
        What chords are told apart: 25 types; 25 with sixths in place of some basses; 14 without basses.
    penalty : float >= 0
        What a change of chord costs, as a logarithm: more makes chords longer.
    """

    name = "chords-large"
    version = 1
    cost = 0.014
    cite = (jiang,)
    needs = (chords_large,)
    nets: Literal[1, 5] = 1
    vocabulary: Literal["large", "sixths", "root-position"] = "large"
    penalty: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.penalty < float("inf"):
            raise MirstoreError(f"penalty={self.penalty} must be 0 or more", hint="penalty = 30.0 is usual")

    def columns(self) -> Mapping[str, Column]:
        sure = "mean probability of the chord among all of the vocabulary, frame by frame"
        kinds = ", ".join(qualities(self.vocabulary))
        return {
            "start": Column(pl.Float64, "s", "where the chord begins", range=(0, None)),
            "end": Column(pl.Float64, "s", "where the chord ends", range=(0, None)),
            "label": Column(pl.String, "", "the chord in Harte's syntax, as A:min7 or C:maj/3"),
            "root": Column(pl.String, "", f"its root: {', '.join(roots)}"),
            "quality": Column(pl.String, "", f"its quality, whatever the bass: {kinds}"),
            "confidence": Column(pl.Float32, "", sure, range=(0, 1)),
        }

    @cached_property
    def loaded(self) -> list[Net]:
        """The networks, which stay as long as the worker."""
        arrays = chords_large.load()
        return [Net(of_net(arrays, number)) for number in range(self.nets)]

    def extract(self, track: Track) -> list[Row]:
        y = track.audio(sr)
        if len(y) < _shortest:
            return []
        chords = vocabulary(self.vocabulary)
        found = scores(self._answers(y), chords.answers)
        path, sure = likeliest(found, self.penalty), posteriors(found)
        return list(rows(path, sure[np.arange(len(path)), path], chords.labels, len(y) / sr))

    def _answers(self, y: np.ndarray) -> list[np.ndarray]:
        """Return the answers of all frames, piece by piece [six of shape=(frames, answers)]."""
        frames = 1 + len(y) // hop
        each = []
        for start, end in pieces(frames, _piece):
            first, last = max(0, start - _margin), min(frames, end + _margin)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # librosa's, about signals that are short or have no pitch
                spectrogram = heard(y[first * hop : last * hop])
            each.append([part[start - first : end - first] for part in answers(spectrogram, self.loaded)])
        return [np.concatenate(same) for same in zip(*each, strict=True)]


def pieces(frames: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield where pieces of about equal length begin and end, none longer than allowed.

    Parameters
    ----------
    frames, most : int > 0

    Examples
    --------
    >>> list(pieces(10, 4)), list(pieces(3, 4))
    ([(0, 3), (3, 6), (6, 10)], [(0, 3)])
    """
    number = -(-frames // most)
    edges = [frames * at // number for at in range(number + 1)]
    yield from pairwise(edges)


def rows(path: np.ndarray, sure: np.ndarray, labels: list[str], duration: float) -> Iterator[Row]:
    """Yield a row for each chord; where there is none there is no row.

    Parameters
    ----------
    path : np.ndarray [shape=(frames,), dtype=int64]
        The chord of each frame.
    sure : np.ndarray [shape=(frames,)]
        Its probability.
    labels : list of k str
        The chords' names.
    duration : float > 0 [s]
        Of the track.
    """
    for chord, group in groupby(range(len(path)), key=lambda frame: labels[path[frame]]):
        frames = list(group)
        start, end = frames[0] * hop / sr, min((frames[-1] + 1) * hop / sr, duration)
        if chord != no_chord and end > start:
            root, quality = parts(chord)
            confidence = float(sure[frames].mean())
            yield {
                "start": start,
                "end": end,
                "label": chord,
                "root": root,
                "quality": quality,
                "confidence": confidence,
            }
