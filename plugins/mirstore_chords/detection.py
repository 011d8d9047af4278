"""Chords by essentia: the triad whose profile is nearest to what sounds around a moment, or during a beat."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mirstore.core import Column, Extractor, MirstoreError, Row, Track
from mirstore_chords.profiles import Profiles, essentia, hop, profiles, sr
from mirstore_chords.publications import bogdanov, gomez
from mirstore_chords.segments import Segment, cleaned, columns, no_chord, refuse_negative, rows, segments

_flats = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
_shortest_beat = 0.2  # [s]


@dataclass
class Chords(Extractor):
    """Major and minor chords over time, by the profiles of pitch classes and essentia's ChordsDetection.

    A track in which nothing lasts as a chord has no rows; neither has silence within a track. Every chord is told as
    the major or minor triad that is nearest: ``chords-template`` knows sevenths.

    Parameters
    ----------
    window : float > 0 [s]
        How much around a moment its chord is told from.
    beats : bool
        Tell one chord for each beat instead, from the median of its profiles; beats by essentia's BeatTrackerDegara.
    min_duration : float >= 0 [s]
        What is shorter is no chord; its time goes to those around it.
    """

    name = "chords"
    version = 1
    cost = 0.002
    cite = (bogdanov, gomez)
    window: float = 1.0
    beats: bool = False
    min_duration: float = 0.5

    def __post_init__(self) -> None:
        refuse_negative(self.min_duration)
        if not 0 < self.window < float("inf"):
            raise MirstoreError(f"window={self.window} must be more than 0 s", hint="window = 1.0 is usual")

    def columns(self) -> Mapping[str, Column]:
        return columns(("maj", "min"), "correlation with the triad's profile; noise has about 0.45, music about 0.7")

    def extract(self, track: Track) -> list[Row]:
        x = track.audio(sr)
        heard = profiles(x)
        found = by_beat(heard, beats(x)) if self.beats else by_window(heard, self.window)
        return rows(cleaned(found, self.min_duration))


def by_window(heard: Profiles, window: float) -> list[Segment]:
    """Return a chord for each frame.

    Parameters
    ----------
    heard : Profiles
    window : float > 0 [s]
        How much around a frame counts.
    """
    names, strengths = essentia().ChordsDetection(hopSize=hop, sampleRate=sr, windowSize=window)(heard.values)
    return segments(heard.edges, harte(names, heard.silent, strengths), np.clip(strengths, 0, 1))


def by_beat(heard: Profiles, times: np.ndarray) -> list[Segment]:
    """Return a chord for each beat, and for what is before the first and behind the last.

    Parameters
    ----------
    heard : Profiles
    times : np.ndarray [shape=(beats,)]
        Of beats, rising [s].
    """
    end = heard.edges[-1]
    within = times[(times >= _shortest_beat) & (times <= end - _shortest_beat)]
    edges = np.array([0.0, *within, end])
    detect = essentia().ChordsDetectionBeats(hopSize=hop, sampleRate=sr, chromaPick="interbeat_median")
    names, strengths = detect(heard.values, edges.astype(np.float32))
    middles = np.searchsorted(heard.edges[1:-1], (edges[:-1] + edges[1:]) / 2)
    return segments(edges, harte(names, heard.silent[middles], strengths), np.clip(strengths, 0, 1))


def harte(names: Sequence[str], silent: np.ndarray, strengths: np.ndarray) -> list[str]:
    """Return essentia's names of chords in Harte's syntax.

    Parameters
    ----------
    names : sequence of n str
    silent : np.ndarray [shape=(n,), dtype=bool]
        Where there is no chord, whatever it is called.
    strengths : np.ndarray [shape=(n,)]
        Correlations; at 0, no chord is nearer than any other, and essentia says A minor.

    Examples
    --------
    >>> harte(["C", "F#m", "A", "Am"], np.array([False, False, True, False]), np.array([0.8, 0.7, 0.9, 0.0]))
    ['C:maj', 'Gb:min', 'N', 'N']
    """
    none = silent | (strengths <= 0)
    return [no_chord if nothing else _harte(name) for name, nothing in zip(names, none, strict=True)]


def _harte(name: str) -> str:
    root = name.removesuffix("m")
    return f"{_flats.get(root, root)}:{'maj' if root == name else 'min'}"


def beats(x: np.ndarray) -> np.ndarray:
    """Return the times of beats [s].

    Parameters
    ----------
    x : np.ndarray [shape=(n,), dtype=float32]
        44.1 kHz.
    """
    ctypes.CDLL(None).srand(1)  # it breaks ties by the C library's rand(), which would differ from run to run
    return np.asarray(essentia().BeatTrackerDegara()(np.ascontiguousarray(x)))
