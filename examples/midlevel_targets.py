"""Seven numbers per track that its notes and chords say: ``python examples/midlevel_targets.py FOLDER > targets.csv``.

FOLDER has ``tracks.csv`` (``track_id``, ``file``, ``groove``, ``tonic``, ``mode``, ``bpm``, ``beats_per_bar``),
``chords.csv`` (``track_id``, ``start_s``, ``end_s``, ``chord``) and ``midi/TRACK_ID.mid``. The numbers have the names
of mid-level perception and go from 0 to 1, but nobody has heard anything: each is defined below, and is computed. They
are of the first 15 s, which is what the network hears. Needs mido (``pip install mido``).
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import mido

seconds = 15.0  # of each track
grid = 12  # steps per beat: they tell sixteenths from triplets
drums = 9  # their MIDI channel
pitches = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
tones = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "min7": (0, 3, 7, 10),
    "dim": (0, 3, 6), "aug": (0, 4, 8), "dim7": (0, 3, 6, 9), "hdim7": (0, 3, 6, 10), "minmaj7": (0, 3, 7, 11),
    "maj6": (0, 4, 7, 9), "min6": (0, 3, 7, 9), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
}  # fmt: skip
scales = {"major": {0, 2, 4, 5, 7, 9, 11}, "minor": {0, 2, 3, 5, 7, 8, 10, 11}}  # minor with both sevenths
rough = {1: 1.0, 6: 2 / 3, 2: 1 / 3}  # semitones between two tones, in whichever octave


@dataclass(frozen=True)
class Note:
    """A note: when it begins and how long it lasts [beats], its pitch, its part, and whether it is a drum's."""

    start: float
    length: float
    pitch: int
    part: int
    drum: bool

    @property
    def step(self) -> int:
        """Where it begins on the grid."""
        return round(self.start * grid)


@dataclass(frozen=True)
class Chord:
    """A chord: how long it lasts [s], its root (0 is C), and its quality in Harte's words."""

    length: float
    root: int
    quality: str


def read_notes(file: Path, beats: float) -> list[Note]:
    """Return the notes that begin before so many beats, in the order of time.

    Parameters
    ----------
    file : path
        A MIDI file.
    beats : float > 0
    """
    midi = mido.MidiFile(file)
    found = []
    for part, messages in enumerate(midi.tracks):
        now, sounding = 0, defaultdict[tuple[int, int], list[int]](list)
        for message in messages:
            now += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            begun = sounding[message.channel, message.note]
            if message.type == "note_on" and message.velocity:
                begun.append(now)
            elif begun:
                start = begun.pop(0)
                length = (now - start) / midi.ticks_per_beat
                drum = message.channel == drums
                found.append(Note(start / midi.ticks_per_beat, length, message.note, part, drum))
    return sorted((note for note in found if note.start < beats), key=lambda note: (note.start, note.pitch))


def read_chords(rows: Sequence[dict[str, str]]) -> list[Chord]:
    """Return the chords that begin within the first seconds, each as long as it is among them.

    Parameters
    ----------
    rows : sequence of dict
        Of ``chords.csv``.
    """
    found = []
    for row in rows:
        start, end = float(row["start_s"]), min(float(row["end_s"]), seconds)
        if start < end and row["chord"] != "N":
            root, _, quality = row["chord"].partition("/")[0].partition(":")
            found.append(Chord(end - start, pitch_class(root), quality or "maj"))
    return found


def pitch_class(name: str) -> int:
    """Return the semitones from C up to a tone.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> pitch_class("Gb"), pitch_class("C")
    (6, 0)
    """
    return (pitches[name[0]] + name.count("#") - name.count("b")) % 12


def melody(notes: Sequence[Note]) -> float:
    """Return how singable the highest voice is: the share of its moves, repetitions included, of at most 4 semitones.

    Parameters
    ----------
    notes : sequence of Note
    """
    highest: dict[int, int] = {}
    for note in notes:
        if not note.drum:
            highest[note.step] = max(note.pitch, highest.get(note.step, 0))
    moves = [abs(b - a) for a, b in pairwise(highest.values())]
    return sum(move <= 4 for move in moves) / max(len(moves), 1)


def articulation(notes: Sequence[Note]) -> float:
    """Return how detached notes are: the silence up to the next onset of the part, as a share of the time until then.

    Parameters
    ----------
    notes : sequence of Note
    """
    gaps = []
    for part in {note.part for note in notes if not note.drum}:
        lengths: dict[int, float] = {}
        for note in notes:
            if note.part == part:
                lengths[note.step] = max(note.length, lengths.get(note.step, 0.0))
        gaps += [max(0.0, 1 - lengths[a] * grid / (b - a)) for a, b in pairwise(lengths)]
    return sum(gaps) / max(len(gaps), 1)


def rhythm_complexity(notes: Sequence[Note]) -> float:
    """Return how far from the beat onsets are: 0 on a beat, 1/2 halfway between two, 1 elsewhere, as a mean.

    Parameters
    ----------
    notes : sequence of Note
    """
    onsets = {(note.part, note.step) for note in notes}
    weights = {0: 0.0, grid // 2: 0.5}
    return sum(weights.get(step % grid, 1.0) for _, step in onsets) / max(len(onsets), 1)


def rhythm_stability(notes: Sequence[Note], beats_per_bar: int) -> float:
    """Return how much each bar is like the one before: the onsets that both have, as a share of those of either.

    Parameters
    ----------
    notes : sequence of Note
    beats_per_bar : int > 0
    """
    bars = defaultdict[int, set[tuple[int, int]]](set)
    for note in notes:
        bar, step = divmod(note.step, grid * beats_per_bar)
        bars[bar].add((note.part, step))
    whole = sorted(bars)[:-1]  # the last may be cut off
    alike = [len(bars[a] & bars[b]) / len(bars[a] | bars[b]) for a, b in pairwise(whole)]
    return sum(alike) / max(len(alike), 1)


def dissonance(chords: Sequence[Chord]) -> float:
    """Return the roughness of chords over time: that of their pairs of tones, together at most 1.

    A semitone counts 1, a tritone 2/3 and a whole tone 1/3; so triads have 0, a minor seventh chord 1/3, a dominant or
    major seventh chord 1.

    Parameters
    ----------
    chords : sequence of Chord
    """
    return _over_time(chords, [min(1.0, _roughness(tones[chord.quality])) for chord in chords])


def _roughness(chord: Sequence[int]) -> float:
    return sum(rough.get(min(abs(a - b), 12 - abs(a - b)), 0.0) for a, b in combinations(chord, 2))


def tonal_stability(chords: Sequence[Chord], tonic: int, mode: str) -> float:
    """Return the share of time in which all tones of the chord are in the scale.

    Parameters
    ----------
    chords : sequence of Chord
    tonic : int
    mode : str
        ``major`` or ``minor``.
    """
    inside = [{(chord.root + tone - tonic) % 12 for tone in tones[chord.quality]} <= scales[mode] for chord in chords]
    return _over_time(chords, inside)


def minorness(chords: Sequence[Chord], mode: str) -> float:
    """Return the mean of two: whether the key is minor, and the share of time of chords with a minor third.

    Parameters
    ----------
    chords : sequence of Chord
    mode : str
        ``major`` or ``minor``.
    """
    return ((mode == "minor") + _over_time(chords, [3 in tones[chord.quality] for chord in chords])) / 2


def _over_time(chords: Sequence[Chord], values: Sequence[float]) -> float:
    total = sum(chord.length for chord in chords)
    return sum(chord.length * value for chord, value in zip(chords, values, strict=True)) / total if total else 0.0


def targets(folder: Path) -> Iterator[dict[str, str | float]]:
    """Yield a row per track: its path, its groove as the artist, and the seven numbers.

    Parameters
    ----------
    folder : path
    """
    of_track = defaultdict[str, list[dict[str, str]]](list)
    for row in _rows(folder / "chords.csv"):
        of_track[row["track_id"]].append(row)
    for track in _rows(folder / "tracks.csv"):
        notes = read_notes(folder / "midi" / f"{track['track_id']}.mid", seconds * float(track["bpm"]) / 60)
        chords = read_chords(of_track[track["track_id"]])
        yield {
            "path": track["file"],
            "artist": track["groove"],
            "melody": melody(notes),
            "articulation": articulation(notes),
            "rhythm_complexity": rhythm_complexity(notes),
            "rhythm_stability": rhythm_stability(notes, int(track["beats_per_bar"])),
            "dissonance": dissonance(chords),
            "tonal_stability": tonal_stability(chords, pitch_class(track["tonic"]), track["mode"]),
            "minorness": minorness(chords, track["mode"]),
        }


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} FOLDER > targets.csv")
    table: csv.DictWriter[str] | None = None
    for found in targets(Path(sys.argv[1])):
        if table is None:
            table = csv.DictWriter(sys.stdout, found)
            table.writeheader()
        table.writerow(found)
