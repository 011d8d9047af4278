"""How the texts of a strip are coloured and written: chords by root and third, others each in its own colour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

chord = re.compile(r"(?P<root>[A-G][b#]*)(?::(?P<quality>[^/]*))?(?P<bass>/.*)?")
_fifths = "FCGDAEB"
_no_chord = ("N", "X", "")
hues = (250, 70, 150, 330, 20, 200, 110, 290)
"""[degrees] of texts that are no chords, neighbours far apart."""


@dataclass(frozen=True)
class Palette:
    """How a strip's texts are coloured.

    Attributes
    ----------
    chords : bool
        Whether they are chords, coloured by root and third.
    hues : Mapping of str to int
        Else each text's hue [degrees]; empty if there are too many to be told apart.
    """

    chords: bool
    hues: Mapping[str, int]

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> Palette:
        """Return the palette for all texts of a strip.

        Parameters
        ----------
        texts : iterable of (str or None)

        Examples
        --------
        >>> Palette.of(["C:maj", "N", "A:min"]).chords
        True
        >>> Palette.of(["verse", "chorus", None]).hues
        {'chorus': 250, 'verse': 70}
        """
        found = sorted({text for text in texts if text})
        sounding = [text for text in found if text not in _no_chord]
        if sounding and all(chord.fullmatch(text) for text in sounding):
            return cls(True, {})
        return cls(False, dict(zip(found, hues, strict=False)) if len(found) <= len(hues) else {})

    @property
    def initials(self) -> Mapping[str, str]:
        """First letters where they tell the texts apart, for boxes that are too narrow."""
        letters = {text: text[0].upper() for text in self.hues}
        return letters if len(set(letters.values())) == len(letters) else {}

    def look(self, text: str) -> str:
        """Return how a text is set apart: ``"none"`` of silence, ``"minor"`` of such chords, else empty.

        Parameters
        ----------
        text : str
        """
        if self.chords and text in _no_chord:
            return "none"
        found = chord.fullmatch(text) if self.chords else None
        return "minor" if found and (found["quality"] or "").startswith(("min", "dim", "hdim")) else ""

    def hue(self, text: str) -> int | None:
        """Return a hue [degrees]: of chords by the circle of fifths, so that neighbours in it look alike.

        Parameters
        ----------
        text : str
        """
        found = chord.fullmatch(text) if self.chords else None
        if not found:
            return self.hues.get(text)
        root = found["root"]
        fifths = _fifths.index(root[0]) - 1 + 7 * (root.count("#") - root.count("b"))
        return 30 * (fifths % 12)


def short_chord(label: str) -> str:
    """Return a chord in Harte's syntax as songbooks write it.

    Parameters
    ----------
    label : str

    Examples
    --------
    >>> [short_chord(label) for label in ("C:maj", "F#:min7/b3", "Bb:7", "A:(3,5,b7)", "C:maj7", "D")]
    ['C', 'F#m7/b3', 'Bb7', 'A(3,5,b7)', 'Cmaj7', 'D']
    """
    found = chord.fullmatch(label)
    if not found:
        return label
    quality = found["quality"] or ""
    quality = {"maj": ""}.get(quality, "m" + quality[3:] if quality.startswith("min") else quality)
    return found["root"] + quality + (found["bass"] or "")
