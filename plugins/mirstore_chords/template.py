"""Chords by templates: the sequence of chords that explains all profiles best, in which a chord goes on for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mirstore.core import Column, Extractor, MirstoreError, Row, Track
from mirstore_chords.profiles import Profiles, hop, profiles, semitones, sr
from mirstore_chords.publications import gomez
from mirstore_chords.segments import Segment, cleaned, columns, no_chord, refuse_negative, roots, rows, segments

qualities = {"maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10)}
harmonics = 6  # of each note, the first with it
decay = 0.6  # a harmonic, relative to the one below it (Gómez 2006)
chords = [f"{root}:{quality}" for quality in qualities for root in roots]


@dataclass
class ChordsTemplate(Extractor):
    """Major, minor, and their usual sevenths over time, by templates of notes with harmonics and Viterbi's algorithm.

    A second opinion on ``chords``: it hears the same profiles of pitch classes, and decides in another way. A track in
    which nothing lasts as a chord has no rows; neither has silence within a track.

    Parameters
    ----------
    stay : float > 0 [s]
        How long a chord goes on before one expects another.
    sharpness : float > 0
        How much likelier a chord is than another of a cosine that is 1 lower, as a power of e, in each frame.
    min_duration : float >= 0 [s]
        What is shorter is no chord; its time goes to those around it.
    """

    name = "chords-template"
    version = 1
    cost = 0.002
    cite = (gomez,)
    stay: float = 1.0
    sharpness: float = 6.0
    min_duration: float = 0.5

    def __post_init__(self) -> None:
        refuse_negative(self.min_duration)
        for name in ("stay", "sharpness"):
            if not 0 < getattr(self, name) < float("inf"):
                raise MirstoreError(
                    f"{name}={getattr(self, name)} must be more than 0", hint=f"{name} = {type(self).__dict__[name]}"
                )

    def columns(self) -> Mapping[str, Column]:
        return columns(tuple(qualities), "mean cosine of the profiles with the chord's template")

    def extract(self, track: Track) -> list[Row]:
        return rows(cleaned(self._segments(profiles(track.audio(sr))), self.min_duration))

    def _segments(self, heard: Profiles) -> list[Segment]:
        fit = cosines(semitones(heard.values), templates())
        path = viterbi(self.sharpness * fit, np.exp(-hop / sr / self.stay))
        labels = [no_chord if quiet else chords[i] for i, quiet in zip(path, heard.silent, strict=True)]
        return segments(heard.edges, labels, np.clip(fit[np.arange(len(path)), path], 0, 1))


def templates() -> np.ndarray:
    """Return the profile that each of `chords` has [shape=(60, 12)], of length 1."""
    made = np.zeros((len(chords), 12))
    notes = [[root + note for note in kind] for kind in qualities.values() for root in range(12)]
    for template, chord in zip(made, notes, strict=True):
        for note in chord:
            for k in range(1, harmonics + 1):
                template[(note + round(12 * np.log2(k))) % 12] += decay ** (k - 1)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine of each row of ``a`` with each row of ``b`` [shape=(n, k)], 0 for a row of zeros.

    Parameters
    ----------
    a : np.ndarray [shape=(n, d)]
    b : np.ndarray [shape=(k, d)]
        Of length 1.
    """
    length = np.linalg.norm(a, axis=1, keepdims=True)
    return (a @ b.T) / np.where(length > 0, length, 1)


def viterbi(scores: np.ndarray, stay: float) -> np.ndarray:
    """Return the likeliest state of each frame [shape=(n,)], where all other states are equally likely to come next.

    Parameters
    ----------
    scores : np.ndarray [shape=(n, k)]
        Log likelihood of each frame in each state.
    stay : float
        Probability of the same state in the next frame, between 0 and 1.
    """
    n, k = scores.shape
    same, other = np.log(stay), np.log1p(-stay) - np.log(k - 1)
    best, came_from = scores[0], np.zeros((n, k), np.int64)
    for i in range(1, n):  # leaving is best from the best state, so a frame costs k steps and not k squared
        leader = best.argmax()
        stays = best + same >= best[leader] + other
        came_from[i] = np.where(stays, np.arange(k), leader)
        best = np.where(stays, best + same, best[leader] + other) + scores[i]
    path = np.zeros(n, np.int64)
    path[-1] = best.argmax()
    for i in range(n - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path
