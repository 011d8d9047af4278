"""What the ontology is built from: qualities of chords, scales, and the functions that are counted."""

from __future__ import annotations

qualities: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "dim": (0, 3, 6), "aug": (0, 4, 8),
    "maj7": (0, 4, 7, 11), "7": (0, 4, 7, 10), "min7": (0, 3, 7, 10), "minmaj7": (0, 3, 7, 11),
    "hdim7": (0, 3, 6, 10), "dim7": (0, 3, 6, 9), "augmaj7": (0, 4, 8, 11),
}  # fmt: skip
"""Triads and seventh chords in semitones above the root, by Harte's shorthands, or in their manner."""

vocabularies: dict[str, tuple[str, ...]] = {"majmin": ("maj", "min"), "sevenths": tuple(qualities)}
"""Which qualities chords are reduced to."""

modes: dict[str, tuple[int, ...]] = {
    "Ionian": (0, 2, 4, 5, 7, 9, 11), "Lydian": (0, 2, 4, 6, 7, 9, 11), "Mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "Dorian": (0, 2, 3, 5, 7, 9, 10), "Phrygian": (0, 1, 3, 5, 7, 8, 10), "Aeolian": (0, 2, 3, 5, 7, 8, 10),
    "Locrian": (0, 1, 3, 5, 6, 8, 10), "HarmonicMinor": (0, 2, 3, 5, 7, 8, 11), "MelodicMinor": (0, 2, 3, 5, 7, 9, 11),
}  # fmt: skip
"""Scales in semitones above the tonic."""

major_modes = tuple(mode for mode, scale in modes.items() if 4 in scale)
minor_modes = tuple(mode for mode in modes if mode not in major_modes)

degrees = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh")

functions: dict[str, str] = {
    "dominants": "DominantFunction",
    "subdominants": "SubdominantFunction",
    "major_dominants": "MajorDominant",
    "mixolydian_seventh_dominants": "MixolydianSeventhDominant",
    "aeolian_seventh_dominants": "AeolianSeventhDominant",
    "minor_fourth_subdominants": "MinorFourthSubdominant",
}
"""Column to the class of the ontology whose chords it counts."""


def stacked_thirds(mode: str, degree: int) -> tuple[str, str]:
    """Return the qualities of the triad and the seventh chord on a degree of a scale.

    Parameters
    ----------
    mode : str
        One of `modes`.
    degree : int
        From 0 to 6.

    Examples
    --------
    >>> stacked_thirds("Ionian", 4), stacked_thirds("HarmonicMinor", 2)
    (('maj', '7'), ('aug', 'augmaj7'))
    """
    scale = modes[mode]
    tones = [scale[(degree + step) % 7] + 12 * ((degree + step) // 7) - scale[degree] for step in (0, 2, 4, 6)]
    triad, seventh = (next(name for name, q in qualities.items() if list(q) == tones[:size]) for size in (3, 4))
    return triad, seventh
