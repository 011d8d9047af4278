"""What SAMAT's features are called, and which of its groups they belong to.

Patakis et al. sort 58 features by words of listeners and 33 by words of musicologists, and 9 of lyrics in both; the
spelling is that of their code, ``aelian`` included. Their ``glob`` is the dominant with a major third.
"""

from __future__ import annotations

import re


def _bands(family: str, *bands: str) -> list[str]:
    return [f"{family}-{band}" for band in bands]


lyrical = (
    "alliteration", "assonance", "consonance", "rhyme-density", "syllables-per-word", "total-syllables",
    "repetition-rate", "lexical-diversity", "words-per-second",
)  # fmt: skip

user_friendly: dict[str, tuple[str, ...]] = {
    "brightness": (
        "spectral-spread", "spectral-centroid", "spectral-rolloff", "zerocr", "loudness", "pitch-salience",
        "spectral-rms", *_bands("spectral-flux", "middle-high", "high"),
    ),
    "danceability": (
        "danceability", "onset-rate", "rhythm-stability", "pulse-clarity",
        *_bands("pulse-clarity", "low", "middle-low", "middle", "middle-high", "high"),
    ),
    "tension": (
        "dynamic-complexity", "spectral-entropy", "spectral-complexity", "chords-changes-rate", "dissonance",
        "chords-number-rate", "dom", "articulation", "rhythm-complexity", "bpm", "glob", "mixolydian",
    ),
    "smoothness": (
        "spectral-decrease", "atonality", "mode", "melody", "sub",
        *_bands("spectral-energyband", "high", "low", "middle-high", "middle-low"),
        "spectral-flatness", *_bands("spectral-flatness", "high", "middle", "low", "middle-low", "middle-high"),
        "spectral-kurtosis", "attack-time",
        *_bands("attack-time", "middle-low", "low", "high", "middle-high", "middle"),
        "spectral-flux", *_bands("spectral-flux", "low", "middle-low", "middle"), "aelian", "minor-fourth",
    ),
    "lyrics": lyrical,
}  # fmt: skip
"""58 features and 9 of lyrics in four and one groups: brightness and sharpness, danceability and rhythm, tension and
complexity, acoustic smoothness."""

domain_expert: dict[str, tuple[str, ...]] = {
    "spectral": (
        "spectral-spread", "spectral-centroid", "spectral-rolloff", "spectral-rms", "spectral-flux",
        "spectral-flatness", "spectral-kurtosis", "spectral-decrease", "spectral-entropy", "spectral-complexity",
    ),
    "harmonic": (
        "atonality", "mode", "pitch-salience", "melody", "sub", "dom", "mixolydian", "aelian", "dissonance", "glob",
        "minor-fourth",
    ),
    "rhythmic": ("danceability", "pulse-clarity", "rhythm-complexity", "rhythm-stability"),
    "sound_shaping": (
        "dynamic-complexity", "chords-changes-rate", "chords-number-rate", "attack-time", "zerocr", "articulation",
        "onset-rate", "loudness",
    ),
    "lyrics": lyrical,
}  # fmt: skip
"""33 features and 9 of lyrics."""

midlevel = frozenset("melody articulation rhythm-complexity rhythm-stability dissonance atonality mode".split())
"""The seven perceptual features that a network predicts."""

_function = "(tonic|dom|sub|glob|aelian|mixolydian|minor-fourth)"
harmonic = re.compile(f"{_function}(-{_function})*")
"""Functions of chords and their n-grams."""

ungrouped = frozenset(["tonics"])
"""A ratio that the supplement describes and no grouping of the publication uses."""

signal = re.compile(
    r"(spectral|chords|mfcc|chroma|attack|pulse|entropy)-.*|length|bpm|meter|key-strength|beats-loud|onset-rate|danceability|loudness|"
    r"dynamic-complexity|pitch-salience|zerocr|vocal-instrumental"
)

_aliases = {
    "zerocrossingrate": "zerocr",
    "tonics": "tonic",
    "dominants": "dom",
    "subdominants": "sub",
    "major-dominant": "glob",
    "major-dominants": "glob",
    "mixolydian-seventh-dominants": "mixolydian",
    "aeolian": "aelian",
    "aeolian-seventh-dominants": "aelian",
    "minor-fourth-subdominants": "minor-fourth",
    "melodiousness": "melody",
    "rhythmic-complexity": "rhythm-complexity",
    "rhythmic-stability": "rhythm-stability",
    "tonal-stability": "atonality",  # "Tonal Stability/Atonality" is one column of the supplement
    "minorness": "mode",
}


def plain(column: str) -> str:
    """Return SAMAT's spelling of a qualified column.

    Parameters
    ----------
    column : str
        As ``featureset.column``.

    Examples
    --------
    >>> plain("gtzan.Rhythm_Complexity"), plain("essentia.loudness_mean"), plain("jamendo.zerocrossingrate")
    ('rhythm-complexity', 'loudness', 'zerocr')
    """
    name = column.partition(".")[2].lower().replace("_", "-").replace(" ", "-").replace("-mean", "")
    return _aliases.get(name, name)
